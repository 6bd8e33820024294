"""Signs webhooks as Standard Webhooks says (standardwebhooks.com, specification 1.0.0)."""

import base64
import hmac


def webhook_headers(secret: bytes, message_id: str, body: bytes, now: int) -> dict[str, str]:
    """The headers that name and sign a body. `now` is in seconds since the epoch."""
    tag = hmac.digest(secret, f"{message_id}.{now}.".encode() + body, "sha256")
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(now),
        "webhook-signature": f"v1,{base64.b64encode(tag).decode()}",
    }
