"""The signature of a command, by which a revoker tells those of its detector from those that others write.

    {"specversion": "1.0", …, "data": {…}, "keyid": "2026", "signature": "<hex>"}

`signature` and `keyid`, the id of the key if it has one, are extension attributes of the CloudEvent. The signature is
lower-case hex of HMAC-SHA-256(key, the event without `signature`), the event as JSON in UTF-8 with the names of every
object sorted and no white space; the key is HMAC-SHA-256(deployment key, "curfewd/command/v1").
"""

import hmac
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from detector.records.dead_letters import BAD_SIGNATURE, UNSIGNED, bad
from detector.values.secrets import DeploymentKey

HEADER: Final = "curfewd-signature"
"""The header of a command in Kafka that repeats its signature."""

_SIGNATURE: Final = "signature"
_KEY_ID: Final = "keyid"
_CANONICAL: Final = msgspec.json.Encoder(order="sorted")


def signing_key(keys: Sequence[DeploymentKey]) -> DeploymentKey | None:
    """The key that signs commands, None without a deployment key.

    It comes from the oldest in force: a revoker knows that one until everybody has the new one.
    """
    return keys[-1].for_commands() if keys else None


def signed(event: bytes, key: DeploymentKey | None) -> tuple[bytes, str]:
    """A command's CloudEvent, a JSON object without white space at its ends, with its signature; and the signature.

    Without a key it stays as it is, and the signature is empty.
    """
    if key is None:
        return event, ""
    if key.id:
        event = _with(event, _KEY_ID, key.id)
    signature = _signature(event, key)
    return _with(event, _SIGNATURE, signature), signature


def check_signature(event: bytes, keys: Iterable[DeploymentKey]) -> None:
    """Nothing, if one of the keys has signed the event, which is a JSON object that has no name twice.

    Raises:
        BadRecordError: it has no signature, or one that does not fit it.
    """
    try:
        told = msgspec.json.decode(event)
        signature = told.pop(_SIGNATURE, None)
        if signature is None:
            raise bad(UNSIGNED, _SIGNATURE, "the command is not signed, so anybody may have written it")
        content = _CANONICAL.encode(told)
        given = signature.encode()
    except (msgspec.MsgspecError, AttributeError, TypeError, ValueError, OverflowError, RecursionError):
        raise bad(BAD_SIGNATURE, _SIGNATURE, _WRONG) from None
    # Each key is tried, whatever `keyid` says: it is for people.
    if not any(hmac.compare_digest(_hmac(content, key), given) for key in keys):
        raise bad(BAD_SIGNATURE, _SIGNATURE, _WRONG)


_WRONG: Final = (
    "no key here has signed the command as it stands: it was changed, or its detector has another key"
)


def _signature(event: bytes, key: DeploymentKey) -> str:
    return _hmac(_CANONICAL.encode(msgspec.json.decode(event)), key).decode()


def _hmac(content: bytes, key: DeploymentKey) -> bytes:
    return hmac.digest(key.material, content, "sha256").hex().encode()


def _with(event: bytes, name: str, value: str) -> bytes:
    return event[:-1] + b"," + msgspec.json.encode({name: value})[1:]
