"""Buildkite's webhooks: `X-Buildkite-Signature`, or the token in `X-Buildkite-Token` (buildkite.com/docs, "Webhooks").

The signature is over the time and the body, so an old request cannot be sent again. A delivery has no id.
"""

import re  # over a header of bounded length
import time
from collections.abc import Callable, Sequence
from typing import Final

from detector.receive.delivery import Head, Reading, Record, RefusalError, copied, json_body
from detector.receive.proofs import same_as_one, signed_by_one
from detector.values.secrets import Secret

TOKEN: Final = "x-buildkite-token"  # noqa: S105 - the name of a header
SIGNATURE: Final = "x-buildkite-signature"
_EVENT: Final = "x-buildkite-event"
_SIGNED: Final = re.compile(r"timestamp=([0-9]{1,12}), ?signature=([0-9a-f]{64})")
_TOLERATED_SECONDS: Final = 300.0


def verifier(
    secrets: Sequence[Secret], clock: Callable[[], float] = time.time
) -> Callable[[Head, bytes], None]:
    """What checks the signature of a body, or the token beside it: one of the secrets has to be right."""

    def verify(head: Head, body: bytes) -> None:
        if same_as_one(head.headers.get(TOKEN, "").encode("utf-8", "replace"), secrets):
            return
        signed = _SIGNED.fullmatch(head.headers.get(SIGNATURE, ""))
        if signed is None or not signed_by_one(signed[2], secrets, b"%s." % signed[1].encode(), body):
            raise RefusalError(401, "proof", "X-Buildkite-Signature or X-Buildkite-Token is missing or wrong")
        if abs(clock() - int(signed[1])) > _TOLERATED_SECONDS:
            raise RefusalError(401, "proof", "the signature's timestamp is more than five minutes off")

    return verify


def read(head: Head, body: bytes) -> Reading:
    """The delivery as one record. A ping only asks whether somebody answers."""
    value = json_body(head, body)
    if head.headers.get(_EVENT) == "ping":
        return Reading(())
    return Reading((Record(value, headers=copied(head, (_EVENT,))),))
