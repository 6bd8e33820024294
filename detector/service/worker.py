"""One worker of `curfewd run`: a process of its own, without ports.

`python -m detector.service.worker` is not for people.
"""

import sys
from typing import cast

import msgspec

from detector.configuration.settings import Settings
from detector.service.command import FAILED, run_process
from detector.service.rights import Which
from detector.service.service import Service
from detector.service.worker_link import WorkerEnd, end_with
from detector.terminal.output import say
from detector.values.errors import CurfewdError


def settings_of(config: str, number: int) -> Settings:
    """The settings of that worker: what it keeps on disk has a folder of its own."""
    settings = Settings.load(config)
    service = msgspec.structs.replace(settings.service, worker=number)
    return msgspec.structs.replace(settings, service=service)


def main(config: str, which: Which, number: int, descriptor: int) -> int:
    """Runs until the end is asked for; the exit code."""
    try:
        settings, end = settings_of(config, number), WorkerEnd(descriptor)
    except CurfewdError as error:
        say(f"curfewd: worker {number}: {error}")
        return FAILED
    return run_process(
        settings,
        lambda log, mask: Service(
            settings, which, lambda: settings_of(config, number), log, mask, end=end
        ).run(),
    )


if __name__ == "__main__":
    end_with(int(sys.argv[5]))
    sys.exit(main(sys.argv[1], cast("Which", sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
