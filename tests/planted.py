"""Secrets in every text that anybody outside can write, and a search for them in everything that is written.

Which fields there are is read from the definitions of the events, so a new field is planted by itself. Each place gets
a token of its own that a pattern knows, and a registered secret that no pattern knows.
"""

import base64
import json
import random
import string
from collections.abc import Iterable, Iterator
from functools import cache
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec

from detector.adapters.cloudevents import DATA_TYPES
from detector.scan.known_credentials import KeyRing
from detector.values.secrets import DeploymentKey, Secret

KEY: Final = DeploymentKey.of(b"planted secrets are masked everywhere"[:32])
KEY_TEXT: Final = KEY.material.hex()
TIME: Final = "2026-05-31T00:00:00Z"
_LETTERS: Final = string.ascii_letters + string.digits
# What may stand in a field of that name, where not any text may.
_FIXED: Final = {
    "deadline": TIME,
    "expires_at": TIME,
    "not_before": TIME,
    "not_after": TIME,
    "scheme": "hmac-sha256",
    "value": "0" * 64,
    "check": "0" * 8,
    "folded": "0" * 64,
    "shape": "mixed",
    "source_ips": "10.0.0.0/8",
}
Path = tuple[str | int, ...]


@cache
def token(place: str) -> str:
    """A token of a known pattern, one for each place."""
    chosen = random.Random(f"token {place}")
    return "glpat-" + "".join(chosen.choices(_LETTERS, k=20))


@cache
def registered(place: str) -> str:
    """A secret of no pattern, one for each place. `registrations` registers it."""
    chosen = random.Random(f"registered {place}")
    return "Corp7_" + "".join(chosen.choices(_LETTERS, k=22))


def text_at(place: str) -> str:
    """What is planted at a place: both secrets."""
    return f"https://x.example/y?private_token={token(place)}&sig={registered(place)}&z=1"


def event(kind: str, data: Any, number: str, **attributes: Any) -> bytes:
    """A canonical event."""
    envelope = {"specversion": "1.0", "id": number, "source": "plant", "type": kind, "time": TIME}
    return json.dumps({**envelope, **attributes, "data": data}).encode()


def registrations(places: Iterable[str]) -> Iterator[bytes]:
    """Issues that register the secrets of places."""
    for number, place in enumerate(places):
        identifiers = [
            {"scheme": each.scheme, "value": each.value, "length": each.length, "check": each.check}
            for each in KeyRing((KEY,)).identifiers(Secret(registered(place).encode()))
        ]
        data = {
            "credential_id": f"registered-{number}",
            "task_id": f"owner-{number}",
            "identifiers": identifiers,
        }
        yield event("credential.issued", data, f"r{number}")


def _value(of: Any, name: str, planted: str | None) -> Any:
    """A value of a wire type: `planted` in every text, or a plain one that is accepted."""
    origin, inner = get_origin(of), get_args(of)
    if origin in (Annotated, Union, UnionType):
        return _value(inner[0], name, planted)
    if origin is tuple:
        return [_value(inner[0], name, planted)]
    if isinstance(of, type) and issubclass(of, msgspec.Struct):
        return {
            field.encode_name: _value(field.type, field.encode_name, planted)
            for field in msgspec.structs.fields(of)
        }
    if origin is dict:
        return {"url": planted or "plain", "deep": {planted or "key": [planted or 1]}}
    if of is str:
        return _FIXED.get(name) or planted or f"plain-{name}"
    return inner[0] if origin is Literal else 20


def paths_in(value: Any, path: Path = ()) -> Iterator[Path]:
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from paths_in(item, (*path, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from paths_in(item, (*path, number))


def with_text(value: Any, path: Path, text: str) -> Any:
    if not path:
        return text
    made: Any = dict(value) if isinstance(value, dict) else list(value)
    made[path[0]] = with_text(value[path[0]], path[1:], text)
    return made


def event_places() -> dict[str, bytes]:
    """An event for each text of each type of event and each attribute, by place, with both secrets there.

    Where only certain texts are allowed, as for a time, the event becomes a dead letter.
    """
    found: dict[str, bytes] = {}
    for kind, wire in DATA_TYPES.items():
        plain = _value(wire, "", None)
        for path in paths_in(plain):
            place = f"{kind}.{'.'.join(map(str, path))}"
            found[place] = event(kind, with_text(plain, path, text_at(place)), place)
        for attribute in (
            "id",
            "source",
            "subject",
            "dataschema",
            "datacontenttype",
            "traceparent",
            "time",
            "type",
        ):
            place = f"{kind}@{attribute}"
            found[place] = event(kind, plain, place, **{attribute: text_at(place)})
        place = f"{kind} everywhere"
        attributes = {"id": text_at(place), "source": text_at(place), "extension": text_at(place)}
        found[place] = event(kind, _value(wire, "", text_at(place)), place, **attributes)
        place = f"{kind} as a key"
        found[place] = event(kind, {**plain, text_at(place): 1}, place, **{text_at(place): "x"})
    place = "revocation key"
    issue = {**_value(DATA_TYPES["credential.issued"], "", None), "revocation": {text_at(place): {"a": 5}}}
    found[place] = event("credential.issued", issue, place)
    return found


def matching_events() -> dict[str, bytes]:
    """Events whose ids hold secrets and match each other: a task that ends, and a use of its credential after that."""
    task, credential, source = (
        text_at("matching task"),
        text_at("matching credential"),
        text_at("matching source"),
    )
    issue = {
        **_value(DATA_TYPES["credential.issued"], "", None),
        "task_id": task,
        "credential_id": credential,
        "identifiers": [{"scheme": "vault-accessor", "value": "hmac-accessor-of-a-credential"}],
        "revocation": {"handle": text_at("matching handle")},
    }
    use = {"credential_id": credential, "task_id": task, "resource": text_at("matching resource")}
    late = {"time": "2026-05-31T01:00:00Z"}
    return {
        "matching task": event("task.started", {"task_id": task}, "m1", source=source),
        "matching credential": event("credential.issued", issue, "m2", source=source),
        "matching source": event("task.ended", {"task_id": task}, "m3", source=source),
        "matching resource": event("credential.used", use, "m4", source=source, **late),
        "matching handle": event(
            "credential.used", {**use, "outcome": "denied"}, "m5", source=source, **late
        ),
    }


def log_places() -> dict[str, bytes]:
    """A log record for each of its fields. Each also shows a token in its message, so there is a leak to tell of."""
    found: dict[str, bytes] = {}
    plain = {"time": TIME, "task_id": "plain-task", "stream": "stdout", "level": "info", "logger": "x"}
    for name in (*plain, "other"):
        place = f"log {name}"
        record = {"message": f"beside {name}: {token(place)}", **plain, name: text_at(place)}
        found[place] = json.dumps(record).encode()
    place = "log message"
    found[place] = json.dumps({"message": text_at(place), **plain}).encode()
    return found


def forms(secret: str) -> dict[str, bytes]:
    """The secret as it could be written: in clear or encoded."""
    raw = secret.encode()
    made = {"clear": raw, "hex": raw.hex().encode(), "HEX": raw.hex().upper().encode(), "reversed": raw[::-1]}
    for shift in range(
        3
    ):  # base64 of a text that holds it, at each alignment, without the digits of its neighbours
        digits = base64.b64encode(b"\0" * shift + raw)
        first, last = (0, 2, 3)[shift], len(digits) - 4
        made[f"base64+{shift}"] = digits[first:last]
        made[f"base64url+{shift}"] = digits[first:last].translate(bytes.maketrans(b"+/", b"-_"))
    return made


def shown(places: Iterable[str], written: dict[str, bytes]) -> list[str]:
    """Which secrets stand in what was written, in which form and where. Half of a secret is one too."""
    found = []
    for place in places:
        for kind, secret in (("token", token(place)), ("registered", registered(place))):
            cut = {
                "first half": secret[: len(secret) * 2 // 3].encode(),
                "second half": secret[-len(secret) // 2 :].encode(),
            }
            for form, data in {**forms(secret), **cut}.items():
                found += [
                    f"{place}: {kind} in {form} in {name}" for name, text in written.items() if data in text
                ]
    return found
