"""Which `[[accept]]` entries cover a finding, and until when."""

from collections.abc import Sequence

import msgspec

from detector.judge.policy import Accept
from detector.judge.terms import NEVER
from detector.values.globs import compile_glob


class Subject(msgspec.Struct, frozen=True):
    """What an accept entry's globs are held against; None where a finding has no such thing."""

    rule: str
    credential: str | None = None
    task: str | None = None
    workload: str | None = None
    fingerprint: str | None = None


def covering(accepts: Sequence[Accept], subject: Subject) -> list[Accept]:
    """The entries that match, as they stand in the configuration. A glob that is set needs a value to match."""
    return [
        accept
        for accept in accepts
        if all(
            glob is None or (value is not None and compile_glob(glob)(value))
            for glob, value in (
                (accept.rule, subject.rule),
                (accept.credential, subject.credential),
                (accept.task, subject.task),
                (accept.workload, subject.workload),
                (accept.fingerprint, subject.fingerprint),
            )
        )
    ]


def accepted_until(accepts: Sequence[Accept]) -> int:
    """The time until which these cover evidence, itself included; before any time if there is none."""
    return max((accept.expiry for accept in accepts), default=-NEVER)


def reason_for(accepts: Sequence[Accept], last_seen: int) -> str | None:
    """The reason of the first that covers all evidence up to `last_seen`, None if none does."""
    return next((accept.reason for accept in accepts if last_seen <= accept.expiry), None)
