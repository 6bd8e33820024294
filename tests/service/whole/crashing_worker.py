"""`curfewd run` whose scan crashes, takes long or takes much where a record says so. Else it is the service as it is.

The seam is a decoder: a program that runs curfewd as a library may add its own.
"""

import argparse
import contextlib
import mmap
import os
import signal
import sys
import threading
import time
from typing import Final

from detector.configuration.settings import Settings
from detector.scan.decoder import SpanDecoder
from detector.scan.decoders import DECODERS
from detector.service.service import Service
from tests.service.whole.faulty_worker import served

CRASHES: Final = b"crash-the-scan-with-"
TAKES_LONG: Final = b"scan-for-seconds-"
TAKES_MUCH: Final = b"the-scan-takes-much-"
_MUCH: Final = 600 << 20  # bytes: more than the limit that tests give all of the process


class Crashing(SpanDecoder):
    """Sends this process the signal whose number is behind the trigger."""

    names = (("crash",),)
    trigger = (CRASHES,)
    examples = ()
    near_misses = ()

    def span(self, text: bytes) -> tuple[int, bytes] | None:
        """It does not come back."""
        number = int(text[len(CRASHES) : len(CRASHES) + 2])
        signal.signal(number, signal.SIG_DFL) if number != signal.SIGKILL else None
        os.kill(os.getpid(), number)
        time.sleep(60)
        return None


class Slow(SpanDecoder):
    """Keeps the thread busy for so many seconds."""

    names = (("slow",),)
    trigger = (TAKES_LONG,)
    examples = ()
    near_misses = ()

    def span(self, text: bytes) -> tuple[int, bytes] | None:
        """It comes back late, with nothing."""
        end = time.thread_time() + int(text[len(TAKES_LONG) : len(TAKES_LONG) + 2])
        while time.thread_time() < end:
            pass
        return None


class Hungry(SpanDecoder):
    """Takes much of what is named behind the trigger, and gives it back."""

    names = (("hungry",),)
    trigger = (TAKES_MUCH,)
    examples = ()
    near_misses = ()

    def span(self, text: bytes) -> tuple[int, bytes] | None:
        """It comes back, with nothing, if there is enough."""
        match text[len(TAKES_MUCH) :].split()[0]:
            case b"memory":
                bytearray(_MUCH)
            case b"everything":
                bytearray(1 << 62)
            case b"mappings":
                mmap.mmap(-1, _MUCH, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
            case b"files":
                with contextlib.ExitStack() as stack:
                    for _ in range(1000):
                        stack.enter_context(open("/dev/null"))  # noqa: PTH123 - as a scan would
            case b"threads":
                before = threading.stack_size(_MUCH)
                try:
                    thread = threading.Thread(target=bytes)
                    thread.start()
                finally:
                    threading.stack_size(before)
                thread.join()
        return None


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", required=True)
    parser.add_argument("--stage", default="all")
    args = parser.parse_args()
    DECODERS.add(Crashing())
    DECODERS.add(Slow())
    DECODERS.add(Hungry())
    return served(
        lambda log: Service(Settings.load(args.config), args.stage, lambda: Settings.load(args.config), log)
    )


if __name__ == "__main__":
    sys.exit(main())
