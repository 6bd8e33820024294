"""What is doubtful about `[[accept]]` and `[[allow]]` entries that are written as they should be."""

from collections.abc import Iterator, Sequence

from detector.configuration.allowlist import Allow
from detector.configuration.settings import Settings
from detector.judge.policy import Accept
from detector.values.times import format_rfc3339


def entry_warnings(settings: Settings, now: int) -> Iterator[str]:
    """Entries that have expired at `now` (ns), and those that cover everything."""
    yield from _of_table("accept", "findings", settings.policy.accepts, now)
    yield from _of_table("allow", "leaks", settings.allows, now)


def _of_table(table: str, what: str, entries: Sequence[Accept | Allow], now: int) -> Iterator[str]:
    for number, entry in enumerate(entries, start=1):
        name = f"[[{table}]] {number}"
        if entry.expiry < now:
            yield f"{name} expired at {format_rfc3339(entry.expiry)}: it covers nothing that happened later"
        if not any(glob is not None and glob.strip("*") for glob in _named(entry)):
            yield f"{name} covers all {what}: name fewer, or switch rules or patterns off"


def _named(entry: Accept | Allow) -> tuple[str | None, ...]:
    if isinstance(entry, Accept):
        return entry.uid, entry.rule, entry.credential, entry.task, entry.workload, entry.fingerprint
    return entry.fingerprint, entry.source, entry.pattern, entry.regex
