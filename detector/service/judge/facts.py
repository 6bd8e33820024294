"""What the judge stage tells of each committed transaction, for metrics."""

from collections import Counter
from typing import Literal

import msgspec

from detector.service.judge.store import Totals


class Caused(msgspec.Struct, frozen=True):
    """A finding or command, and when the input record appeared that brought it (ms); `uid` is the finding's."""

    kind: Literal["finding", "command"]
    uid: str
    began_ms: int


class Judged(msgspec.Struct, frozen=True):
    """What one committed transaction held: for metrics. `findings` by (rule, severity, closed), `commands` by escalated.

    `late` counts events more than the lateness behind, `expired` by source those that no credential claimed in time.
    `caused` has what records brought, not what time alone did. `held` is what is in memory; `totals` and `disk` (bytes)
    are of the partition, whatever is in memory.
    """

    partition: int
    findings: Counter[tuple[str, int, bool]]
    commands: Counter[bool]
    late: int
    expired: Counter[str]
    watermark: int | None
    held: int
    totals: Totals = Totals()
    disk: int = 0
    caused: tuple[Caused, ...] = ()
