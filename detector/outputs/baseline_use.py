"""What a replay says of its baseline: how many entries accept their finding, and which no longer do or need not."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from detector.configuration.baseline import BaselineEntry
from detector.outputs.summary import BaselineSummary
from detector.values.findings import LEAKED_SECRET, Finding
from detector.values.wording import Clean, counted, visible

_NAMED: Final = 3  # entries that a sentence names


class BaselineUse(msgspec.Struct, frozen=True):
    """The entries of a baseline beside the findings of a replay.

    `accepted` counts those whose finding is accepted. `expired` count no more though their finding is there; `exceeded`
    neither, because there is evidence after their last day, or a higher severity. `gone` no longer have a finding. Of
    `unjudged` nobody can tell: leaked secrets have no lasting uid without a deployment key.
    """

    entries: int = 0
    accepted: int = 0
    expired: tuple[BaselineEntry, ...] = ()
    exceeded: tuple[BaselineEntry, ...] = ()
    gone: tuple[BaselineEntry, ...] = ()
    unjudged: int = 0

    @property
    def sentence(self) -> str:
        """All of it in a line."""
        said = [f"{self.accepted:,} of {counted(self.entries, 'entry', 'entries')} accept a finding"]
        if self.expired:
            said.append(f"{len(self.expired):,} expired")
        if self.exceeded:
            said.append(f"{len(self.exceeded):,} exceeded")
        if self.gone:
            said.append(f"{len(self.gone):,} no longer occur (`curfewd baseline prune` drops them)")
        if self.unjudged:
            said.append(f"{self.unjudged:,} not compared: without a deployment key nobody can tell")
        return "; ".join(said)

    def warnings(self, clean: Clean) -> list[str]:
        """What a person has to look at."""
        found: list[str] = []
        for entries, what in (
            (self.expired, "expired, so the finding counts again"),
            (self.exceeded, "worse or later than the baseline accepts, so the finding counts again"),
        ):
            found += [
                f"baseline: {what}: {visible(clean(one.name))} (by {visible(clean(one.by))}, until {one.expires})"
                for one in entries[:_NAMED]
            ]
            if len(entries) > _NAMED:
                found.append(f"baseline: {len(entries) - _NAMED:,} more that {what}")
        return found

    def summary(self, clean: Clean) -> BaselineSummary:
        """What outputs tell of it."""
        gone = tuple(visible(clean(entry.name)) for entry in self.gone)
        return BaselineSummary(self.sentence, gone, self._record(clean))

    def _record(self, clean: Clean) -> dict[str, Any]:
        return {
            "entries": self.entries,
            "accepted": self.accepted,
            **{name: _listed(getattr(self, name), clean) for name in ("expired", "exceeded", "gone")},
            "unjudged": self.unjudged,
        }


def baseline_use(
    entries: Sequence[BaselineEntry], findings: Iterable[Finding], day: str, *, keyed: bool
) -> BaselineUse:
    """What became of the entries at a `day`. `keyed`: leaked secrets were named under a deployment key."""
    by_uid = {finding.uid: finding for finding in findings}
    accepted = unjudged = 0
    expired: list[BaselineEntry] = []
    exceeded: list[BaselineEntry] = []
    gone: list[BaselineEntry] = []
    for entry in entries:
        finding = by_uid.get(entry.uid)
        if finding is not None and finding.accepted is not None:
            accepted += 1
        elif finding is not None:
            (expired if entry.expires < day else exceeded).append(entry)
        elif entry.rule == LEAKED_SECRET and not keyed:
            unjudged += 1
        else:
            gone.append(entry)
    return BaselineUse(len(entries), accepted, tuple(expired), tuple(exceeded), tuple(gone), unjudged)


def _listed(entries: Iterable[BaselineEntry], clean: Clean) -> list[dict[str, str]]:
    return [
        {
            "uid": entry.uid,
            "rule": visible(clean(entry.rule)),
            "about": visible(clean(entry.about)),
            "expires": entry.expires,
        }
        for entry in entries
    ]
