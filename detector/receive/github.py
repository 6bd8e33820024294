"""GitHub's webhooks: `X-Hub-Signature-256` over the body, `X-GitHub-Delivery` names it (docs.github.com, "Webhooks").

GitHub signs no time, so an old delivery can be sent again. It has the old id then, and says what happened before.
"""

from collections.abc import Callable, Sequence
from typing import Final

from detector.configuration.trust_settings import GITHUB, SIGNATURE_HEADERS, TrustKey
from detector.ingest.trust.signatures import HubVerifier
from detector.receive.delivery import Head, Reading, Record, RefusalError, copied, json_body
from detector.values.errors import BadRecordError
from detector.values.secrets import Secret

SIGNATURE: Final = SIGNATURE_HEADERS[GITHUB]
_COPIED: Final = (SIGNATURE, "x-github-event")


def verifier(secrets: Sequence[Secret]) -> Callable[[Head, bytes], None]:
    """What checks the signature of a body."""
    hub = HubVerifier(SIGNATURE, [TrustKey("", secret=secret) for secret in secrets])

    def verify(head: Head, body: bytes) -> None:
        try:
            hub.verify([(SIGNATURE, head.headers.get(SIGNATURE, "").encode())], body)
        except BadRecordError:
            raise RefusalError(
                401, "proof", "X-Hub-Signature-256 is missing or wrong: is it the same secret?"
            ) from None

    return verify


def read(head: Head, body: bytes) -> Reading:
    """The delivery as one record. A ping only asks whether somebody answers."""
    value = json_body(head, body)
    if head.headers.get("x-github-event") == "ping":
        return Reading(())
    return Reading((Record(value, head.headers.get("x-github-delivery"), copied(head, _COPIED)),))
