"""Approvals, signed with a person's token: the revoker may carry out a command, may not, or is to try it again.

The record is a JSON object in the topic `revocation-approvals`; its key is the command's id.

    {"command_id": "…", "approver": "alice", "verdict": "approve", "time": "2026-09-01T10:00:00Z", "signature": "<hex>"}
"""

import hmac
from typing import Final, Literal

import msgspec

from detector.values.secrets import Secret
from detector.values.times import format_rfc3339, parse_rfc3339

APPROVE: Final = "approve"
DENY: Final = "deny"
RETRY: Final = "retry"
Verdict = Literal["approve", "deny", "retry"]

SAID: Final = {APPROVE: "approved", DENY: "denied", RETRY: "to be tried again, asked for"}

RETRIABLE: Final = frozenset({"failed", "done-unproved"})
"""What came of a command that a person can have tried again."""

_LABEL: Final = b"curfewd/approval/v1"
_LONGEST: Final = 4096  # bytes of a record


class Approval(msgspec.Struct, frozen=True):
    """What one person says about one command, at `time` (ns)."""

    command_id: str
    approver: str
    verdict: Verdict
    time: int

    @property
    def approves(self) -> bool:
        """Whether the command may be carried out, as far as this person is concerned."""
        return self.verdict == APPROVE

    @property
    def denies(self) -> bool:
        """Whether it must never be carried out.

        The third verdict, `retry`, asks to try again what has failed or is not proved.
        """
        return self.verdict == DENY


class SignedApproval(msgspec.Struct, frozen=True):
    """An approval and its signature, not verified yet."""

    approval: Approval
    signature: str

    def signed_with(self, token: Secret, topic: str) -> bool:
        """Whether the holder of this token signed it, for this topic. It takes the same time, however much is right."""
        return hmac.compare_digest(self.signature.encode(), _signature(self.approval, token, topic).encode())


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    command_id: str
    approver: str
    verdict: Verdict
    time: str
    signature: str


_DECODER: Final = msgspec.json.Decoder(_Record)


def approval_record(approval: Approval, token: Secret, topic: str) -> bytes:
    """The value of a record in `topic`."""
    return msgspec.json.encode(
        _Record(
            approval.command_id,
            approval.approver,
            approval.verdict,
            format_rfc3339(approval.time),
            _signature(approval, token, topic),
        )
    )


def read_approval(value: bytes) -> SignedApproval:
    """What a record says. Whether it is true shows its signature.

    Raises:
        ValueError: it is no such record. The text holds nothing of it.
    """
    if len(value) > _LONGEST:
        raise ValueError("too long for an approval")
    try:
        record = _DECODER.decode(value)
        time = parse_rfc3339(record.time)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise ValueError("no approval") from None
    return SignedApproval(
        Approval(record.command_id, record.approver, record.verdict, time), record.signature
    )


def _signature(approval: Approval, token: Secret, topic: str) -> str:
    """Lower-case hex of HMAC-SHA-256(token, label, zero byte, JSON list of what is signed).

    The topic is signed too: an approval of one deployment is none in another where the same person has the same token.
    """
    said = [topic, approval.command_id, approval.approver, approval.verdict, format_rfc3339(approval.time)]
    return hmac.digest(token.reveal(), _LABEL + b"\0" + msgspec.json.encode(said), "sha256").hex()
