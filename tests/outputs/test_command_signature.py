"""The signature of a command: over all of it, under a key of its own, and nobody else can make one."""

import hmac
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.outputs.command_signature import check_signature, signed, signing_key
from detector.outputs.commands import command_record
from detector.outputs.writers import dumps
from detector.values.errors import BadRecordError
from detector.values.secrets import DeploymentKey
from tests.outputs import finding_samples as made

OLD = DeploymentKey.of(bytes(range(32)), "2025")
NEW = DeploymentKey.of(b"n" * 32, "2026")
BARE = DeploymentKey.of(b"b" * 16)
KEYS = (OLD.for_commands(),)
EVENT: dict[str, Any] = command_record(made.command(), made.untouched)


def reason(event: bytes, keys: tuple[DeploymentKey, ...] = KEYS) -> str:
    """Why it is not believed; empty if it is."""
    try:
        check_signature(event, keys)
    except BadRecordError as error:
        return error.reason
    return ""


def signature(event: bytes) -> str:
    """Of an event without one, by Python's own JSON: what somebody would write who reads the documentation."""
    key = hmac.digest(OLD.material, b"curfewd/command/v1", "sha256")
    content = json.dumps(json.loads(event), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hmac.digest(key, content.encode(), "sha256").hex()


TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_who_reads_the_documentation_gets_the_same_signature(handle: Any) -> None:
    event = dumps({**EVENT, "data": {**EVENT["data"], "revocation": {"x": handle}}})
    value, own = signed(event, signing_key([OLD]))
    told = json.loads(value)
    assert told.pop("signature") == own
    assert own == signature(dumps(told))
    assert told.pop("keyid") == "2025"
    assert told == json.loads(event)
    assert reason(value) == ""
    written_anew = json.dumps(dict(reversed(json.loads(value).items())), indent=1).encode()
    assert reason(written_anew) == ""


def test_without_a_key_nothing_changes_and_the_same_command_has_the_same_bytes() -> None:
    event = dumps(EVENT)
    assert signed(event, None) == (event, "")
    assert signing_key(()) is None
    assert signed(event, KEYS[0]) == signed(event, KEYS[0])


def changed(value: Any) -> Iterator[Any]:
    """The value with one member, item or text of it changed, left out or added, at each place."""
    if isinstance(value, dict):
        yield {**value, "more": 1}
        for name, inner in value.items():
            if name != "signature":
                yield {other: each for other, each in value.items() if other != name}
                yield from ({**value, name: other} for other in changed(inner))
    elif isinstance(value, list):
        yield [*value, "more"]
        for number, inner in enumerate(value):
            yield [*value[:number], *value[number + 1 :]]
            yield from ([*value[:number], other, *value[number + 1 :]] for other in changed(inner))
    else:
        yield not value if isinstance(value, bool) else f"{value} "


def test_a_copy_with_anything_changed_is_no_longer_signed() -> None:
    value = json.loads(signed(dumps(EVENT), KEYS[0])[0])
    copies = [json.dumps(copy).encode() for copy in changed(value)]
    assert len(copies) > 50
    assert {reason(copy) for copy in copies} == {"bad-signature"}


SIGNED = json.loads(signed(dumps(EVENT), KEYS[0])[0])


@pytest.mark.parametrize(
    "wrong",
    ["", "0" * 64, SIGNED["signature"].upper(), f"{SIGNED['signature']} ", "é", "\ud800", 7, [], {}, True],
)
def test_what_is_no_signature_is_a_wrong_one(wrong: Any) -> None:
    assert reason(json.dumps({**SIGNED, "signature": wrong}).encode()) == "bad-signature"


def test_none_at_all_is_unsigned_and_garbage_never_believed() -> None:
    assert reason(dumps(EVENT)) == "unsigned"
    assert reason(json.dumps({**SIGNED, "signature": None}).encode()) == "unsigned"
    deep = b'{"signature":"x","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    for garbage in (deep, b"", b"[]", b"1", b'"signature"', b'{"signature":"x","a":1e999}', b"\xff"):
        assert reason(garbage) == "bad-signature"


def test_while_keys_rotate_the_oldest_signs_and_each_in_force_is_believed() -> None:
    old, _ = signed(dumps(EVENT), signing_key([NEW, OLD]))
    new, _ = signed(dumps(EVENT), signing_key([NEW]))
    both = (NEW.for_commands(), OLD.for_commands())
    assert (json.loads(old)["keyid"], json.loads(new)["keyid"]) == ("2025", "2026")
    assert [reason(each, both) for each in (old, new)] == ["", ""]
    assert [reason(each, both[:1]) for each in (old, new)] == ["bad-signature", ""]
    bare, _ = signed(dumps(EVENT), signing_key([BARE]))
    assert "keyid" not in json.loads(bare)


def test_the_deployment_key_itself_signs_nothing() -> None:
    value, _ = signed(dumps(EVENT), OLD)
    assert reason(value) == "bad-signature"
    assert reason(signed(dumps(EVENT), KEYS[0])[0], (OLD,)) == "bad-signature"
