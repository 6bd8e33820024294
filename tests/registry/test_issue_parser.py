"""Records of the registry topic are read without objects, and mean what the decoder says that they mean."""

from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from detector.judge.routing import decode, encode, registry_key, without_terms
from detector.records.made_columns import columns_of
from detector.records.record_columns import KafkaRecord, RecordColumns
from detector.registry import issue_batch, issue_parser
from detector.registry.credential_registry import CredentialRegistry
from detector.registry.issue_batch import NamedNumbers
from detector.values.events import CredentialIssued, Identifier, IssuedTo

KEY: Any = msgspec.json.Decoder(tuple[str, str, str, str])
DIGESTS = ["0f" * 32, "e1" * 32]
texts = st.sampled_from(
    ["a", "", "7d9b2c1e-6f3a-4f0e-9d1b-0a1b2c3d4e5f", "ü", 'quo"ted', "back\\slash", "\x7f"]
)
identifiers = st.builds(
    Identifier,
    st.sampled_from(["hmac-sha256", "sha256", "vault-accessor", "", "ü"]),
    st.sampled_from([*DIGESTS, "no digest", ""]),
    st.sampled_from([None, 0, 40, 16384, 16385, 65536, -1]),
    st.sampled_from([None, "deadbeef", "DEADBEEF", "deadbee", ""]),
    st.sampled_from([None, "", "k1"]),
    st.sampled_from([None, DIGESTS[1], "no digest", "E1" * 32]),
    st.sampled_from([None, "mixed", "unbroken", "of a later version"]),
)
issues = st.builds(
    CredentialIssued,
    time=st.sampled_from([0, 1, -1, 1764333333000000000, 9223372036854775807]),
    source=texts,
    id=texts,
    credential_id=texts,
    task_id=st.none() | texts,
    identifiers=st.lists(identifiers, max_size=3).map(tuple),
    kind=st.none() | texts,
    not_before=st.sampled_from([None, 0, -5, 10**20]),
    expires_at=st.sampled_from([None, 0, -5, 10**20]),
    groups=st.lists(texts, max_size=2).map(tuple),
    task_group=st.none() | texts,
    issued_to=st.none() | st.builds(IssuedTo, st.none() | texts, st.none() | texts),
    unjoined=st.none() | texts,
    revocation=st.sampled_from([None, {"method": "http"}]),
)


def changed(value: bytes, at: int, what: bytes, kind: int) -> bytes:
    """The same with something in place of one byte, with more in it, or cut there."""
    at %= len(value)
    return (value[:at] + what + value[at + 1 :], value[:at] + what + value[at:], value[:at])[kind]


changes = st.tuples(
    st.integers(0, 2000),
    st.sampled_from([b"[", b"]", b'"', b",", b" ", b"0", b"9", b"\\", b"a", b"\xff"]),
    st.integers(0, 2),
)
records = st.tuples(issues, st.none() | changes, st.none() | changes)


def columns(*pairs: tuple[bytes, bytes]) -> RecordColumns:
    return columns_of("", 0, [KafkaRecord("", 0, 0, 0, key, value, ()) for key, value in pairs])


def told(registry: CredentialRegistry) -> list[str]:
    return sorted(map(repr, registry.identifiers()))


@given(st.lists(records, max_size=4))
def test_they_mean_what_the_decoder_says(some: list[tuple[CredentialIssued, Any, Any]]) -> None:
    keys, values = [], []
    plain, wrong = CredentialRegistry(), 0
    for issue, of_key, of_value in some:
        keys.append(registry_key(issue) if of_key is None else changed(registry_key(issue), *of_key))
        values.append(encode(issue) if of_value is None else changed(encode(issue), *of_value))
        try:
            kind = KEY.decode(keys[-1])[0]
            fact = decode(values[-1]) if kind == "cred" else None
        except (msgspec.MsgspecError, ValueError, RecursionError):
            wrong += 1
            continue
        if isinstance(fact, CredentialIssued):
            plain.add(fact)
    read = CredentialRegistry()
    batch, unreadable = read.read(columns(*zip(keys, values, strict=True)))
    read.take(batch)
    assert unreadable == wrong
    assert (told(read), len(read), read.conflicts) == (told(plain), len(plain), plain.conflicts)
    for issue, *_ in some:
        assert read.known(issue.credential_id) == plain.known(issue.credential_id)
        for each in issue.identifiers:
            assert read.by_identifier(each) == plain.by_identifier(each)


@given(issues)
@example(CredentialIssued(time=1, source="s", id="i", credential_id="c", task_id="t", identifiers=()))
def test_a_usual_record_is_read_without_the_decoder(issue: CredentialIssued) -> None:
    usual = msgspec.structs.replace(
        without_terms(issue),
        source="ci",
        id="1",
        credential_id="c",
        task_id="t",
        kind=None,
        expires_at=1764419733000000000,
        not_before=None,
        time=1764333333000000000,
        identifiers=(Identifier("hmac-sha256", DIGESTS[0], 40, "deadbeef", None, DIGESTS[1], "mixed"),),
        groups=("a",),
        task_group=None,
        issued_to=IssuedTo("192.0.2.1"),
        unjoined=None,
    )
    numbers = NamedNumbers()
    batch, unreadable = issue_batch.parsed(columns((registry_key(usual), encode(usual))), numbers)
    assert unreadable == 0
    assert bytes(batch.text[batch.issues[0, 0] : batch.issues[0, 1]]) == b"c"
    assert batch.text.size == len(registry_key(usual) + encode(usual)) + 1, "nothing was added for an object"
    assert batch.text[-1] == issue_parser.QUOTE
