"""Without a deployment key, leaked secrets are told apart under a random one: here they get stable names."""

from collections.abc import Sequence
from typing import Any

import msgspec

from detector.values.events import Leak
from detector.values.findings import LEAKED_SECRET, Finding


def _order(finding: Finding) -> tuple[Any, ...]:
    places = [
        (
            piece.time,
            piece.event.source,
            -1 if piece.event.partition is None else piece.event.partition,
            -1 if piece.event.line is None else piece.event.line,
            -1 if piece.event.offset is None else piece.event.offset,
            piece.event.id,
            piece.event.pattern or "",
            piece.event.excerpt,
            piece.event.encodings,
        )
        for piece in finding.evidences
        if isinstance(piece.event, Leak)
    ]
    return finding.first_seen, places, finding.count, finding.last_seen, finding.patterns


def stable_fingerprints(findings: Sequence[Finding]) -> dict[str, str]:
    """`unkeyed-1`, `unkeyed-2`, ... for the fingerprints of `leaked-secret` findings, by first evidence and place.

    Two findings that nothing but their random fingerprint tells apart give equal records under either name.
    """
    leaked = sorted((one for one in findings if one.rule == LEAKED_SECRET), key=_order)
    return {one.fingerprint or one.key: f"unkeyed-{number}" for number, one in enumerate(leaked, 1)}


def with_stable_fingerprints(findings: Sequence[Finding]) -> list[Finding]:
    """The findings under stable fingerprints, in the order of the output (first evidence in ms, uid)."""
    names = stable_fingerprints(findings)
    renamed = [
        msgspec.structs.replace(
            one, key=names[one.fingerprint or one.key], fingerprint=names[one.fingerprint or one.key]
        )
        if one.rule == LEAKED_SECRET
        else one
        for one in findings
    ]
    return sorted(renamed, key=lambda one: (one.first_seen // 1_000_000, one.uid))
