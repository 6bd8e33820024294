"""GitLab's webhooks: a secret in `X-Gitlab-Token`, or a signing token (docs.gitlab.com, "Webhooks").

A signing token is `whsec_…`. With one GitLab signs each request as Standard Webhooks says, and with the time, so an old
request cannot be sent again.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from detector.configuration.trust_keys import webhook_secret
from detector.configuration.trust_settings import SIGNATURE_HEADERS, STANDARD_WEBHOOKS, TrustKey
from detector.ingest.trust.signatures import WEBHOOK_ID, WEBHOOK_TIMESTAMP, WebhookVerifier
from detector.receive.delivery import Head, Reading, Record, RefusalError, copied, json_body
from detector.receive.proofs import same_as_one
from detector.values.errors import BadRecordError
from detector.values.secrets import Secret

SIGNING: Final = b"whsec_"
TOKEN: Final = "x-gitlab-token"  # noqa: S105 - the name of a header
SIGNATURE: Final = SIGNATURE_HEADERS[STANDARD_WEBHOOKS]
_SIGNED: Final = (WEBHOOK_ID, WEBHOOK_TIMESTAMP, SIGNATURE)
_COPIED: Final = (*_SIGNED, "x-gitlab-event", "x-gitlab-instance")
_TOLERATED_SECONDS: Final = 300.0
_IDS: Final = ("idempotency-key", WEBHOOK_ID, "x-gitlab-webhook-uuid", "x-gitlab-event-uuid")


def verifier(
    secrets: Sequence[Secret], clock: Callable[[], float] = time.time
) -> Callable[[Head, bytes], None]:
    """What checks the signature of a body, or the token beside it: one of the secrets has to be right."""
    tokens = [secret for secret in secrets if not secret.reveal().startswith(SIGNING)]
    keys = [
        TrustKey("", secret=Secret(webhook_secret(secret.reveal().decode().strip())))
        for secret in secrets
        if secret.reveal().startswith(SIGNING)
    ]
    webhooks = WebhookVerifier(SIGNATURE, keys)

    def verify(head: Head, body: bytes) -> None:
        if same_as_one(head.headers.get(TOKEN, "").encode("utf-8", "replace"), tokens):
            return
        try:
            webhooks.verify([(name, head.headers.get(name, "").encode()) for name in _SIGNED], body)
        except BadRecordError:
            raise RefusalError(
                401, "proof", "X-Gitlab-Token or webhook-signature is missing or wrong"
            ) from None
        if abs(clock() - int(head.headers[WEBHOOK_TIMESTAMP])) > _TOLERATED_SECONDS:
            raise RefusalError(401, "proof", "webhook-timestamp is more than five minutes off")

    return verify


def read(head: Head, body: bytes) -> Reading:
    """The delivery as one record."""
    named = next((head.headers[name] for name in _IDS if name in head.headers), None)
    return Reading((Record(json_body(head, body), named, copied(head, _COPIED)),))
