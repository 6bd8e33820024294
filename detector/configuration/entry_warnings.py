"""What is doubtful about entries that are written as they should be: `[[accept]]`, `[[allow]]`, and networks."""

from collections.abc import Iterator, Sequence

from detector.configuration.allowlist import Allow
from detector.configuration.settings import Settings
from detector.judge.origins import NetworkPolicy
from detector.judge.policy import Accept
from detector.values.networks import BITS
from detector.values.times import format_rfc3339


def entry_warnings(settings: Settings, now: int) -> Iterator[str]:
    """Entries that have expired at `now` (ns), and those that cover everything: with them a rule finds nothing."""
    yield from _of_table("accept", "findings", settings.policy.accepts, now)
    yield from _of_table("allow", "leaks", settings.allows, now)
    policy = settings.policy
    yield from _of_networks("", policy.networks)
    for kind, tuning in policy.kinds.items():
        networks = tuning.networks_over(policy.networks)
        if networks != policy.networks:
            yield from _of_networks(f"[kinds.{kind}] ", networks)


def _of_networks(table: str, networks: NetworkPolicy) -> Iterator[str]:
    for version in BITS:
        everywhere = networks.prefix(version) == 0
        if everywhere or networks.expected.has_all(version):
            what = f"ipv{version}_prefix = 0" if everywhere else "expected_networks"
            yield (
                f"{table}{what} covers all IPv{version} addresses: use-from-elsewhere finds no use from these; "
                "name fewer, or switch the rule off"
            )


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
