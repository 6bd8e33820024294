"""Which identifiers of a credential are written: public ones as they are, fingerprints in commands only."""

from collections.abc import Iterable
from typing import Any, Final

from detector.values.events import Identifier
from detector.values.wording import Clean, visible

FINGERPRINTS: Final = frozenset({"hmac-sha256", "sha256"})
MAX_IDENTIFIERS: Final = 20  # of one credential that an output lists
_KEY_ID_MIN: Final = (
    16  # of an AWS access key id, by the IAM API reference (AccessKeyId: 16 to 128 characters)
)
_KEY_ID_MAX: Final = 128


def is_public_key_id(identifier: Identifier) -> bool:
    """Whether the value has the documented form of a public key id, which must not be masked.

    A scanner that knows AWS access key ids masks them in any text; as an identifier it is what a person and
    a revoker need. Only the form of an access key id passes: letters and digits in upper case.
    """
    value = identifier.value
    return (
        identifier.scheme == "aws-access-key-id"
        and _KEY_ID_MIN <= len(value) <= _KEY_ID_MAX
        and value.isascii()
        and value.isalnum()
        and value.upper() == value
    )


def keeping_public_ids(identifiers: Iterable[Identifier], clean: Clean) -> Clean:
    """`clean`, except that it leaves the public key ids among `identifiers` as they are."""
    public = {one.value for one in identifiers if is_public_key_id(one)}
    return (lambda text: text if text in public else clean(text)) if public else clean


def public_identifier_records(identifiers: Iterable[Identifier], clean: Clean) -> list[dict[str, Any]]:
    """The identifiers of a finding: scheme and value, without fingerprints."""
    return [
        {"scheme": visible(clean(one.scheme)), "value": visible(clean(one.value))}
        for one in identifiers
        if one.scheme not in FINGERPRINTS
    ][:MAX_IDENTIFIERS]


def command_identifier_records(identifiers: Iterable[Identifier], clean: Clean) -> list[dict[str, Any]]:
    """The identifiers of a command: all but `sha256`, an `hmac-sha256` with its `key_id` if it has one.

    A fingerprint under the deployment key says nothing to who lacks the key; `length` and `check`, which only
    scanners need, are left out.
    """
    made = []
    for one in identifiers:
        if one.scheme == "sha256":
            continue
        value = one.value if one.scheme == "hmac-sha256" else clean(one.value)
        record = {"scheme": clean(one.scheme), "value": value}
        if one.key_id is not None:
            record["key_id"] = clean(one.key_id)
        made.append(record)
    return made
