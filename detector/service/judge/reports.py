"""What the judge stage reports of each committed transaction, for metrics."""

from collections import Counter
from typing import Literal

import msgspec

from detector.judge.totals import Totals


class OutputCause(msgspec.Struct, frozen=True):
    """Says when the input record appeared that led to a finding or command.

    `began_ms` is Unix time; `uid` is that of the finding, or of the first finding behind the command.
    """

    kind: Literal["finding", "command"]
    uid: str
    began_ms: int


class JudgedTransaction(msgspec.Struct, frozen=True):
    """One committed transaction of one partition of work.

    `late` counts events that came more than the lateness after the watermark. `expired` counts by source the events
    that no credential claimed in time. `unreported` are the partitions of inputs and work that hold the watermark, as
    nobody has reported them for a while. `cached` says how much of the state is in memory. `totals` and `disk` (bytes)
    cover the whole partition. `causes` lists the outputs that records led to, not those that time alone led to.
    """

    partition: int
    late: int = 0
    expired: Counter[str] = msgspec.field(default_factory=Counter)
    watermark: int | None = None
    unreported: tuple[str, ...] = ()
    cached: int = 0
    totals: Totals = Totals()
    disk: int = 0
    causes: tuple[OutputCause, ...] = ()
