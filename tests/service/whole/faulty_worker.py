"""`curfewd run` that dies or stalls at a chosen step of a transaction. Else it is the service as it is.

`--kill-at judge:written:7` kills the process with the judge stage's seventh transaction written and not committed,
`--stall-at` stops it there, as a process that the system does not schedule for a while. Whatever comes, it is told in
a line of the log, before. `--session` is shorter than a configuration may have it: a killed member is missed sooner.
`--near` is how many offsets of the changelog a store may lack and count as near. No input idles within the hour: the
histories are of a day long ago, and when all inputs idle, the watermark goes on to today.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from detector.configuration.settings import Settings
from detector.kafka import assignment, standbys
from detector.kafka.stage_facts import TransactionStep
from detector.service.command import DONE, FAILED
from detector.service.observability.logs import make_log, route_libraries
from detector.service.observability.measuring import StageName
from detector.service.rights import Which
from detector.service.scan import handler
from detector.service.service import Service
from detector.values.errors import CurfewdError
from detector.values.times import HOUR, SECOND


class Moment(msgspec.Struct):
    """A step of a stage's transactions, and how many of them are let go by before."""

    stage: str
    step: str
    left: int

    @classmethod
    def of(cls, text: str) -> "Moment":
        stage, step, number = text.split(":")
        return cls(stage, step, int(number))

    def come(self, stage: str, fact: Any) -> bool:
        if isinstance(fact, TransactionStep) and (stage, fact.step) == (self.stage, self.step):
            self.left -= 1
            return self.left == 0
        return False


class FaultyService(Service):
    """The service, with a look at its facts."""

    def __init__(self, config: str, which: Which, log: Any, args: argparse.Namespace) -> None:
        super().__init__(Settings.load(config), which, lambda: Settings.load(config), log)
        if args.session is not None:
            self._live = msgspec.structs.replace(self._live, session_timeout=round(args.session * SECOND))
        self._moments: list[tuple[Moment | None, signal.Signals]] = [
            (args.kill_at, signal.SIGKILL),
            (args.stall_at, signal.SIGSTOP),
        ]

    def _observe(self, stage: StageName, fact: Any) -> None:
        for moment, number in self._moments:
            if moment is not None and moment.come(stage, fact):
                self._log.info("doomed", stage=stage, step=fact.step, partition=fact.partition.number)
                os.kill(os.getpid(), number)
        super()._observe(stage, fact)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", required=True)
    parser.add_argument("--stage", default="all")
    parser.add_argument("--session", type=float)
    parser.add_argument("--kill-at", type=Moment.of)
    parser.add_argument("--stall-at", type=Moment.of)
    parser.add_argument("--near", type=int, default=assignment.NEAR)
    args = parser.parse_args()
    for module in (assignment, standbys):
        vars(module)["NEAR"] = args.near
    vars(handler)["IDLE"] = HOUR
    return served(lambda log: FaultyService(args.config, args.stage, log, args))


def served(service: Callable[[Any], Service]) -> int:
    """Runs a service with its log, to its end, as the command does; its exit code."""
    log = make_log("json", "debug")
    route_libraries(log)
    try:
        asyncio.run(service(log).run())
    except CurfewdError as error:
        log.error("cannot go on", why=str(error))  # noqa: TRY400 - as the command does
        return FAILED
    return DONE


if __name__ == "__main__":
    sys.exit(main())
