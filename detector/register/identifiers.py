"""By what a secret is registered: its HMAC and check where this machine holds a deployment key, else its SHA-256."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from detector.values.errors import UsageError
from detector.values.registrable import keyed_hashes, plain_hash, refuse, refuse_words
from detector.values.secrets import DeploymentKey, Secret, decode_key

KEY_VARIABLE: Final = "CURFEWD_KEY"


def keys_of(environ: Mapping[str, str] = os.environ) -> tuple[DeploymentKey, ...]:
    """The deployment key in the environment, or none.

    Raises:
        UsageError: what stands there is no key.
    """
    text = environ.get(KEY_VARIABLE)
    if not text:
        return ()
    try:
        return (DeploymentKey.of(decode_key(text)),)
    except ValueError as error:
        raise UsageError(f"{KEY_VARIABLE}: {error}") from None


def identifiers_of(secret: Secret, keys: Sequence[DeploymentKey]) -> list[dict[str, Any]]:
    """The identifiers of a secret, as `credential.issued` has them.

    Raises: InputError: it could not be found in a log, or not be told from ordinary text; or there is no key, and its
        SHA-256 would give it away. The message does not hold it.
    """
    refuse(secret.reveal())
    refuse_words(secret.reveal())
    if not keys:
        return [{"scheme": "sha256", "value": plain_hash(secret), "length": len(secret)}]
    found = []
    for value, length, check, key_id, folded, shape in keyed_hashes(secret, keys):
        full = {
            "value": value,
            "length": length,
            "check": check,
            "key_id": key_id,
            "folded": folded,
            "shape": shape,
        }
        found.append(
            {"scheme": "hmac-sha256", **{name: one for name, one in full.items() if one is not None}}
        )
    return found
