"""Says on standard error, if that is a terminal, that the loops of the scanner are compiled: it takes minutes."""

import sys
from mmap import mmap

from detector.compilation import watch
from detector.terminal.output import say


def say_that_it_compiles() -> None:
    """Says so once, whichever of the command's processes is the first to compile one."""
    if not sys.stderr.isatty():
        return
    said = mmap(-1, 1)  # shared with the processes that are forked

    def tell(there: bool) -> None:  # noqa: FBT001 - the form of `watch`
        if not there and not said[0]:
            said[0] = 1
            say(
                "curfewd: compiling the loops of the scanner for this machine, which were not built: the first start takes "
                "minutes, later ones do not (`make kernels` builds them)"
            )

    watch(tell)
