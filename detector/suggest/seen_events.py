"""Which events were seen before, 8 bytes for each: a second copy of an event changes nothing."""

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.int64]


class SeenEvents:
    """A set of 64-bit hashes in sorted runs, each at least twice as long as the next."""

    def __init__(self) -> None:
        self._runs: list[Hashes] = []

    def fresh(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """Which of these are seen for the first time; from now on they are known."""
        values, first = np.unique(hashes, return_index=True)
        new = np.ones(len(values), bool)
        for run in self._runs:
            at = np.minimum(np.searchsorted(run, values), len(run) - 1)
            new &= run[at] != values
        fresh = np.zeros(len(hashes), bool)
        fresh[first[new]] = True
        run = values[new]
        if len(run):
            while self._runs and len(self._runs[-1]) < 2 * len(run):
                run = np.union1d(run, self._runs.pop())
            self._runs.append(run)
        return fresh
