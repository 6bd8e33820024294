"""A logged message to an OAuth endpoint: the request's and the response's fields, and the tokens in them."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from detector.adapters.adapter import Record
from detector.adapters.fields import maybe_text, text, time
from detector.adapters.token_values import Token, read_token
from detector.patterns.pattern import JWT_ID
from detector.records.dead_letters import WRONG_FIELD, bad
from detector.records.log_records import TIME_NAMES
from detector.records.repeated_names import has_repeated_name
from detector.values.events import Identifier
from detector.values.secrets import normal_sha256

INTROSPECTION: Final = frozenset({"introspect", "introspection"})
REVOCATION: Final = frozenset({"revoke", "revocation"})
# Fields that hold tokens. Each is read once.
_TOKENS: Final = (
    ("request", "subject_token"),
    ("request", "assertion"),
    ("request", "client_assertion"),
    ("request", "refresh_token"),
    ("request", "token"),
    ("response", "access_token"),
    ("response", "refresh_token"),
)
_MAX_FIELDS: Final = 100  # of a form
_SUCCESSES: Final = range(200, 300)


def fields_of(record: Record, name: str) -> dict[str, Any]:
    """The fields of a message, which is an object, or the text of a form or of JSON; empty for anything else.

    A form or JSON that has a name twice is something else: which value the server took is not known.
    """
    value = record.get(name)
    if isinstance(value, dict):
        return value
    if not isinstance(value, str):
        return {}
    try:
        if value.lstrip().startswith("{"):
            decoded = msgspec.json.decode(value)
            clear = isinstance(decoded, dict) and not has_repeated_name(value.encode("utf-8", "replace"))
            return decoded if clear else {}
        pairs = parse_qsl(value, max_num_fields=_MAX_FIELDS)
        fields = dict(pairs)
        return fields if len(fields) == len(pairs) else {}
    except (msgspec.DecodeError, ValueError, RecursionError):
        return {}


def endpoint_of(record: Record) -> str:
    """The last part of the endpoint's name or path: `token`, `introspect`, `revocation`."""
    named = record.get("endpoint") or record.get("path")
    return named.partition("?")[0].rstrip("/").rpartition("/")[2] if isinstance(named, str) else ""


class Message(msgspec.Struct, frozen=True):
    """A request and its response: time (ns), source, id, and the record with the fields of both."""

    time: int
    source: str
    id: str
    issuer: str | None
    record: Mapping[str, Any]
    tokens: Mapping[tuple[str, str], Token]

    @classmethod
    def of(cls, record: Record, now: int) -> "Message":
        """The message in a record.

        Raises:
            BadRecordError: it has no time or id, or one that cannot be read.
        """
        when = next((name for name in TIME_NAMES if record.get(name) is not None), TIME_NAMES[0])
        issuer = maybe_text(record, "issuer")
        parts = {name: fields_of(record, name) for name in ("request", "response")}
        return cls(
            time(record, when, now),
            f"oauth/{issuer}" if issuer else "oauth",
            text(record, "id"),
            issuer,
            {**record, **parts},
            {
                (part, name): token
                for part, name in _TOKENS
                if (token := read_token(parts[part].get(name))) is not None
            },
        )

    @property
    def failed(self) -> bool:
        """Whether the server refused the request."""
        status = maybe_text(self.record, "response.status") or maybe_text(self.record, "status")
        return "error" in self.record["response"] or (
            status is not None and status.isdecimal() and int(status[:6]) not in _SUCCESSES
        )

    @property
    def client(self) -> str | None:
        """The client that asked."""
        return maybe_text(self.record, "request.client_id") or maybe_text(self.record, "client_id")

    def token(self, part: str, name: str) -> Token | None:
        """The token in a field of the `request` or `response`."""
        return self.tokens.get((part, name))

    def identifiers(self, part: str, name: str) -> tuple[Identifier, ...]:
        """All identifiers of the token in a field: its own, and `jti` and `<name>_sha256` beside it.

        The id comes first.

        Raises:
            BadRecordError: one of these fields has a wrong value.
        """
        token = self.token(part, name)
        found = list(token.identifiers) if token is not None else []
        jti = maybe_text(self.record, f"{part}.jti")
        if jti is not None and all(one.scheme != JWT_ID for one in found):
            found.insert(0, Identifier(JWT_ID, jti))
        digest = maybe_text(self.record, f"{part}.{name}_sha256")
        if digest is not None and token is None:
            normal = normal_sha256(digest)
            if normal is None:
                raise bad(WRONG_FIELD, f"{part}.{name}_sha256", "not the hex or base64 of a SHA-256")
            found.append(Identifier("sha256", normal))
        return tuple(found)

    def identifier(self, part: str, name: str) -> Identifier | None:
        """The best identifier of the token in a field."""
        return next(iter(self.identifiers(part, name)), None)
