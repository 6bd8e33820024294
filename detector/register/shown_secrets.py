"""Refuses events in which a secret is shown, in any form that a scan would mask.

The scan is loaded only where a text is long enough to show one: that takes a quarter of a second.
"""

import json
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from detector.values.errors import UsageError
from detector.values.secrets import DeploymentKey, Secret

if TYPE_CHECKING:
    from detector.scan.known_credentials import KnownIndex

_SHORTEST_LINE: Final = 16  # bytes of a line of a secret that is masked by itself


def refuse_shown(lines: Iterable[bytes], secrets: Sequence[Secret]) -> None:
    """Raises an error if an event, as a line of JSON, shows a secret: as it stands, encoded, or in another form.

    Raises:
        UsageError: it does. The message does not hold it.
    """
    events = [json.loads(line) for line in lines]
    for event in events:
        event["data"].pop("identifiers", None)  # hashes, and public names
    texts = [text for event in events for text in _texts(event)]
    parts = [part for secret in secrets for part in _parts(secret)]
    if any(_as_it_stands(text, parts) for text in texts) or _in_another_form(texts, parts):
        raise UsageError(
            "a secret stands in the id of the task, or in another field: it would be sent as text"
        )


def index_of(secrets: Iterable[Secret]) -> "KnownIndex":
    """What finds the secrets themselves, and the lines of one that has several: a log may write something before each.

    It is for this process, under a random key.
    """
    from detector.scan.known_credentials import KeyRing, KnownIndex  # noqa: PLC0415 - only where it is needed

    key = DeploymentKey.of(os.urandom(32))
    ring = KeyRing([key])
    parts = (part for secret in secrets for part in _parts(secret))
    return KnownIndex([one for part in parts for one in ring.identifiers(part)], [key])


def _parts(secret: Secret) -> list[Secret]:
    lines = secret.reveal().split()
    several = lines if len(lines) > 1 else []
    return [secret, *(Secret(line) for line in several if len(line) >= _SHORTEST_LINE)]


def _texts(event: dict[str, Any]) -> Iterator[bytes]:
    """What somebody else wrote: each text, and what holds several as a whole."""
    for value in (event["source"], *event["data"].values()):
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield text.encode()


def _as_it_stands(text: bytes, parts: Iterable[Secret]) -> bool:
    for part in parts:
        escaped = json.dumps(part.reveal().decode(errors="replace"), ensure_ascii=False)[1:-1].encode()
        if part.reveal() in text or escaped in text:
            return True
    return False


def _in_another_form(texts: Sequence[bytes], parts: Sequence[Secret]) -> bool:
    least = min((_shortest_form(part.reveal()) for part in parts), default=0)
    long = [text for text in texts if len(text) >= least]
    if not parts or not long:
        return False
    from detector.scan.redactor import Redactor  # noqa: PLC0415 - only where a text is long
    from detector.scan.scanner import PatternScanner  # noqa: PLC0415 - as above

    # A text that could not be examined whole has a mask too, and is refused.
    return bool(Redactor(PatternScanner(()), index_of(parts)).mask_spans_of(long))


def _shortest_form(secret: bytes) -> int:
    """Fewer bytes show it in no form: a character short, or compressed and then in base64."""
    return min(len(secret) - 1, len(zlib.compress(secret, 9)))
