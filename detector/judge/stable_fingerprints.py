"""Gives leaked secrets stable names where there is no deployment key.

Without one, fingerprints are made under a random key, so each run would give the same secret another fingerprint.
"""

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
    """Numbers the fingerprints of `leaked-secret` findings, `unkeyed-1` and so on, by first evidence and place.

    If two findings differ only in their random fingerprint, it does not matter which one gets which number.
    """
    leaked = sorted((one for one in findings if one.rule == LEAKED_SECRET), key=_order)
    return {one.fingerprint or one.key: f"unkeyed-{number}" for number, one in enumerate(leaked, 1)}


def with_stable_fingerprints(findings: Sequence[Finding]) -> list[Finding]:
    """The findings with stable fingerprints, in the order of the output: by first evidence (ms) and uid."""
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
