"""Verdicts that still stand: nearly every use of a credential is evidence of nothing and changes no conclusion."""

from typing import Self

import msgspec

from detector.judge.ledger import Ledger
from detector.judge.terms import NEVER
from detector.judge.verdicts import Verdicts


class Quiet(msgspec.Struct, frozen=True, gc=False):
    """The verdicts of an aggregate in which nothing was found and nothing was sent, and what they rest on.

    `since` is the watermark at which they were given, `until` when time alone may change them, `revision` that of the
    ledger then. Events up to `latest` do not put off the end of the aggregate. Times are in ns.
    """

    verdicts: Verdicts
    since: int
    until: int
    revision: int
    latest: int
    subscribed: int

    @classmethod
    def of(cls, ledger: Ledger, verdicts: Verdicts, watermark: int, subscribed: int) -> Self:
        """What was judged just now."""
        finished = verdicts.disposable_at
        return cls(
            verdicts,
            watermark,
            NEVER if verdicts.timer is None else verdicts.timer,
            ledger.revision,
            NEVER if finished is None else finished - ledger.policy.retention,
            subscribed,
        )

    def stands(self, ledger: Ledger, watermark: int, subscribed: int) -> bool:
        """Whether they would be the same at this watermark."""
        return (
            self.since <= watermark < self.until
            and self.revision == ledger.revision
            and (ledger.latest is None or ledger.latest <= self.latest)
            and self.subscribed == subscribed
        )
