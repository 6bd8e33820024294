"""`[[trust]]`: an event is believed only from an input that may carry it, with the proof that the entry asks for."""

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.configuration.trust_settings import (
    ALGORITHMS,
    GITHUB,
    JWS,
    SIGNATURE_HEADERS,
    STANDARD_WEBHOOKS,
    Signature,
    TrustedHeader,
    TrustEntry,
    TrustKey,
)
from detector.ingest.kafka import RecordAssembler
from detector.ingest.kafka_records import Contents, read_record
from detector.ingest.trust.policy import TrustPolicy
from detector.values.secrets import Secret
from detector.values.times import DAY, HOUR, MILLISECOND
from tests.fake_records import NOW, TOPIC, FakeRecord
from tests.ingest.signing import (
    EVENT,
    HEADER,
    SECRET,
    Headers,
    b64,
    binary_content,
    binary_headers,
    detached,
    hub_headers,
    jws,
    private_key,
    public_pem,
    raw_signature,
    webhook_headers,
)

KEYS = {algorithm: private_key(algorithm) for algorithm in ALGORITHMS}
KEY = KEYS["Ed25519"]
VALUE = json.dumps(EVENT).encode()
NOTHING: Headers = []


def held(value: bytes, headers: Headers, *entries: TrustEntry, topic: str = TOPIC, **fields: Any) -> Contents:
    """What a record gives under entries."""
    contents = Contents()
    record = FakeRecord(value, topic=topic, headers=headers, **fields)
    read_record(record, NOW, contents, trust=TrustPolicy(entries).of_topic(topic))
    return contents


def reasons(value: bytes, headers: Headers, *entries: TrustEntry, **fields: Any) -> list[str]:
    """Why the events of a record are not believed; empty if they are."""
    contents = held(value, headers, *entries, **fields)
    assert bool(contents.events) != bool(contents.letters)
    assert (contents.latest is None) == (
        not contents.events
    )  # what is not believed does not move the watermark
    return [letter.reason for letter in contents.letters]


def signed_by(scheme: str, *keys: TrustKey, max_age: int = DAY, **fields: Any) -> TrustEntry:
    signature = Signature(scheme, SIGNATURE_HEADERS[scheme], keys, max_age)
    return TrustEntry(topics=(TOPIC,), signature=signature, **fields)


def jws_entry(algorithm: str = "Ed25519", key_id: str = "k1", **fields: Any) -> TrustEntry:
    return signed_by(JWS, TrustKey(key_id, algorithm, public=public_pem(KEYS[algorithm])), **fields)


def changed_event(**changed: Any) -> bytes:
    return json.dumps(EVENT | changed).encode()


# Who may carry what.


def test_without_an_entry_an_input_is_believed_as_it_is_declared() -> None:
    assert TrustPolicy().of_topic(TOPIC) is None
    other = TrustEntry(topics=("other",), types=("task.ended",))
    assert TrustPolicy((other,)).of_topic(TOPIC) is None
    assert reasons(VALUE, NOTHING, other) == []


def test_an_input_tells_only_events_of_its_sources_and_types() -> None:
    entry = TrustEntry(topics=("log*",), sources=("ci", "ci/*"), types=("task.*",))
    assert reasons(VALUE, NOTHING, entry) == []
    assert reasons(changed_event(source="ci/eu"), NOTHING, entry) == []
    assert reasons(changed_event(source="CI"), NOTHING, entry) == ["untrusted-source"]
    assert reasons(changed_event(source="vault"), NOTHING, entry) == ["untrusted-source"]
    used = changed_event(type="credential.used", data={"credential_id": "c"})
    assert reasons(used, NOTHING, entry) == ["untrusted-type"]


def test_nobody_else_may_speak_as_a_source_that_an_entry_reserves() -> None:
    """Who may speak as whom: a reserved source binds the inputs that no entry holds, too."""
    reserving = TrustEntry(topics=("gitlab-audit",), sources=("ci*",))
    assert reasons(VALUE, NOTHING, reserving) == ["untrusted-source"]
    assert reasons(changed_event(source="vault"), NOTHING, reserving) == []
    assert reasons(VALUE, NOTHING, reserving, topic="gitlab-audit") == []
    shared = msgspec.structs.replace(reserving, exclusive=False)
    assert reasons(VALUE, NOTHING, shared) == []
    other = TrustEntry(topics=(TOPIC,), types=("task.ended",))
    assert reasons(VALUE, NOTHING, reserving, other) == [
        "untrusted-source"
    ]  # it names no source, so it reserves none
    second = TrustEntry(topics=(TOPIC,), sources=("c?",))
    assert (
        reasons(VALUE, NOTHING, reserving, second) == []
    )  # two entries may reserve one source, each for its inputs


def test_a_reserved_source_also_binds_others_in_the_same_topic() -> None:
    """Two issuers write into one topic: the key of one is not enough to speak as the other."""
    first = jws_entry(sources=("ci",))
    second = signed_by(STANDARD_WEBHOOKS, TrustKey("w", secret=Secret(SECRET)))
    assert reasons(VALUE, webhook_headers(VALUE), first, second) == ["unsigned"]
    other = changed_event(source="vault")
    assert reasons(other, webhook_headers(other), first, second) == []
    assert reasons(VALUE, [(HEADER, jws(KEY, "Ed25519", VALUE))], first, second) == []


def test_one_of_several_entries_is_enough() -> None:
    by_header = TrustEntry(topics=(TOPIC,), header=TrustedHeader("gateway", "audit-*"))
    by_key = jws_entry()
    assert reasons(VALUE, [("gateway", b"audit-1")], by_header, by_key) == []
    assert reasons(VALUE, [(HEADER, jws(KEY, "Ed25519", VALUE))], by_header, by_key) == []
    assert reasons(VALUE, NOTHING, by_header, by_key) == ["untrusted-header"]  # the first says why


def test_what_an_entry_asks_for_holds_all_together() -> None:
    entry = jws_entry(header=TrustedHeader("gateway", "audit"))
    signature = (HEADER, jws(KEY, "Ed25519", VALUE))
    assert reasons(VALUE, [("gateway", b"audit"), signature], entry) == []
    assert reasons(VALUE, [signature], entry) == ["untrusted-header"]
    assert reasons(VALUE, [("gateway", b"audit")], entry) == ["unsigned"]


SAMPLES = [
    pytest.param(json.dumps(sample["record"]).encode(), id=f"{path.stem}-{number}")
    for path in sorted((Path(__file__).parent.parent / "adapters" / "samples").glob("*.json"))
    for number, sample in enumerate(json.loads(path.read_text()))
    if sample.get("events")
]


@pytest.mark.parametrize("value", SAMPLES)
def test_a_translated_event_is_held_to_its_source(value: bytes) -> None:
    """What an adapter makes of a provider's record has a source too: that of every sample is pinned."""
    free = held(value, NOTHING)
    sources = tuple({event.source for _, event in free.events})
    assert held(value, NOTHING, TrustEntry(topics=(TOPIC,), sources=sources)).events == free.events
    refused = held(value, NOTHING, TrustEntry(topics=(TOPIC,), sources=("another",)))
    assert refused.events == []
    assert [letter.reason for letter in refused.letters] == ["untrusted-source"]


def test_each_event_of_a_record_is_judged_by_itself() -> None:
    lines = b"\n".join((VALUE, changed_event(source="vault", id="2"), changed_event(source="vault", id="3")))
    contents = held(lines, NOTHING, TrustEntry(topics=(TOPIC,), sources=("ci",)))
    assert [event.source for _, event in contents.events] == ["ci"]
    assert [letter.reason for letter in contents.letters] == ["untrusted-source"]  # once for a record


def test_a_refused_event_leaves_its_text_to_be_scanned_and_its_neighbours_to_be_read() -> None:
    assembler = RecordAssembler(trust=TrustPolicy((jws_entry(),)).of_topic(TOPIC))
    contents = Contents()
    some = [FakeRecord(b"a line" if n != 30 else VALUE, n) for n in range(64)]
    segments = assembler.read(some, NOW, contents)
    assert contents.events == []
    assert [(letter.reason, letter.offset) for letter in contents.letters] == [("unsigned", 30)]
    assert b"".join(segment.data for segment in segments).count(b"a line") == 63


@given(st.lists(st.integers(0, 5), min_size=1, max_size=300), st.integers(0, 1 << 30))
def test_however_the_polls_fall_the_same_events_are_believed(kinds: list[int], seed: int) -> None:
    """Blocks, runs without events and single records take different ways through the reader."""
    kinds_of: list[tuple[bytes, Headers]] = [
        (b"a line", NOTHING),
        (b'{"message": "a record"}', NOTHING),
        (VALUE, NOTHING),
        (VALUE, [(HEADER, GOOD)]),
        (changed_event(id="2"), [(HEADER, GOOD)]),
        (changed_event(source="vault"), NOTHING),
    ]
    reasons_of = {2: "unsigned", 4: "bad-signature", 5: "untrusted-source"}
    entry = msgspec.structs.replace(jws_entry(), sources=("ci",))
    some = [FakeRecord(kinds_of[kind][0], n, headers=kinds_of[kind][1]) for n, kind in enumerate(kinds)]
    rng, at, contents = random.Random(seed), 0, Contents()
    assembler = RecordAssembler(trust=TrustPolicy((entry,)).of_topic(TOPIC))
    while at < len(some):
        size = rng.randint(1, len(some))
        assembler.read(some[at : at + size], NOW, contents)
        at += size
    assert sorted(offset for offset, _ in contents.events) == [n for n, kind in enumerate(kinds) if kind == 3]
    letters = sorted((letter.offset, letter.reason) for letter in contents.letters)
    assert letters == [(n, reasons_of[kind]) for n, kind in enumerate(kinds) if kind in reasons_of]


def test_a_refused_event_moves_no_watermark() -> None:
    """Nor does text: whoever may write there but cannot sign could push it ahead of the events on their way."""
    ahead = changed_event(time="2026-05-31T23:59:30Z")
    for value, headers in ((ahead, NOTHING), (b'{"message": "x", "time": "2026-06-01T00:09:00Z"}', NOTHING)):
        assert held(value, headers, jws_entry()).latest is None
    assert held(ahead, [(HEADER, jws(KEY, "Ed25519", ahead))], jws_entry()).latest is not None


def test_a_dead_letter_names_no_value() -> None:
    secret = "glpat-ThisIsNoRealTokenAtAll"
    value = changed_event(source=secret, id=secret)
    entry = TrustEntry(topics=(TOPIC,), sources=("ci",), header=TrustedHeader("gateway", "audit"))
    forged: Headers = [("gateway", secret.encode())]
    for headers in (NOTHING, forged):
        for entries in ((entry,), (msgspec.structs.replace(entry, sources=None),)):
            (letter,) = held(value, headers, *entries).letters
            assert secret not in json.dumps(letter.record())


# Headers.


@pytest.mark.parametrize(
    "headers",
    [
        NOTHING,
        [("gateway", b"other")],
        [("gateway", b"audit\n")],
        [("gateway", None)],
        [("gateway", b"\xff")],
        [("Gateway", b"audit")],
        [("gateway", b"audit"), ("gateway", b"audit")],
        [("gateway", b"audit"), ("gateway", b"other")],
        [("gateway", b"audit"), ("gateway", None)],
    ],
)
def test_a_header_has_to_be_there_once_with_its_value(headers: Headers) -> None:
    entry = TrustEntry(topics=(TOPIC,), header=TrustedHeader("gateway", "audit"))
    assert reasons(VALUE, [("gateway", b"audit"), ("other", b"x")], entry) == []
    assert reasons(VALUE, headers, entry) == ["untrusted-header"]


# Signatures.


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_detached_jws_of_each_algorithm(algorithm: str) -> None:
    key, entry = KEYS[algorithm], jws_entry(algorithm)
    signature = jws(key, algorithm, VALUE)
    assert reasons(VALUE, [(HEADER, signature)], entry) == []
    assert reasons(VALUE + b" ", [(HEADER, signature)], entry) == ["bad-signature"]
    unencoded = jws(key, algorithm, VALUE, b64=False, crit=["b64"])
    assert reasons(VALUE, [(HEADER, unencoded)], entry) == []
    assert reasons(VALUE + b" ", [(HEADER, unencoded)], entry) == ["bad-signature"]


def test_ed25519_has_two_names() -> None:
    assert reasons(VALUE, [(HEADER, jws(KEY, "Ed25519", VALUE, alg="Ed25519"))], jws_entry()) == []


def test_more_parameters_of_a_jws_are_no_matter() -> None:
    signature = jws(
        KEY, "Ed25519", VALUE, typ="JOSE", iat=1, jku="https://evil.example/keys", jwk={"kty": "OKP"}
    )
    assert reasons(VALUE, [(HEADER, signature)], jws_entry()) == []


def test_binary_mode_covers_every_attribute() -> None:
    headers = binary_headers()
    value = b'{"task_id": "t"}'
    signature = jws(KEY, "Ed25519", binary_content(headers, value))
    assert reasons(value, [*headers, (HEADER, signature)], jws_entry()) == []
    assert reasons(value, [(HEADER, signature), *reversed(headers)], jws_entry()) == []
    for changed in (
        binary_headers(source="vault"),
        binary_headers(time="2026-05-31T23:58:01Z"),
        [*headers, ("ce_subject", b"x")],
    ):
        assert reasons(value, [*changed, (HEADER, signature)], jws_entry()) == ["bad-signature"]
    for added, reason in (
        (("ce_source", b"vault"), "ambiguous-json"),
        (("ce_source", b"ci"), "ambiguous-json"),
        (("ce_subject", None), "bad-signature"),
        (("ce_a\nce_b", b"x"), "bad-signature"),
    ):
        assert reasons(value, [*headers, added, (HEADER, signature)], jws_entry()) == [reason]


def test_two_attributes_cannot_be_merged_into_one() -> None:
    """A header's name with a newline in it could look like two lines of the signed content."""
    value, extra = b'{"task_id": "t"}', [("ce_traceid", b"1"), ("ce_tracestate", b"2")]
    headers = binary_headers()
    signature = jws(KEY, "Ed25519", binary_content([*headers, *extra], value))
    assert reasons(value, [*headers, *extra, (HEADER, signature)], jws_entry()) == []
    merged = (f"ce_traceid:{b64(b'1').decode()}\nce_tracestate", b"2")
    assert binary_content([*headers, merged], value) == binary_content([*headers, *extra], value)
    assert reasons(value, [*headers, merged, (HEADER, signature)], jws_entry()) == ["bad-signature"]


def test_a_signature_of_one_mode_is_none_of_the_other() -> None:
    """The signed content of binary mode, sent as a value, is no event; a signed value in binary mode is not covered."""
    headers, value = binary_headers(), b'{"task_id": "t"}'
    content = binary_content(headers, value)
    as_value = held(content, [(HEADER, jws(KEY, "Ed25519", content))], jws_entry())
    assert as_value.events == []
    signature = jws(KEY, "Ed25519", value)  # of the value alone: whoever has it may not add attributes
    assert reasons(value, [*headers, (HEADER, signature)], jws_entry()) == ["bad-signature"]


def hs256(secret: bytes, protected: dict[str, Any], content: bytes) -> bytes:
    import hashlib  # noqa: PLC0415 - an attack, which no helper should offer
    import hmac  # noqa: PLC0415 - as above

    head = b64(json.dumps(protected).encode())
    return head + b".." + b64(hmac.new(secret, head + b"." + b64(content), hashlib.sha256).digest())


GOOD = jws(KEY, "Ed25519", VALUE)
HEAD, _, TAG = GOOD.split(b".")
OTHER = private_key("Ed25519")


@pytest.mark.parametrize(
    ("attack", "signature"),
    [
        ("alg none", b64(b'{"alg":"none","kid":"k1"}') + b".."),
        ("alg none, with the signature", b64(b'{"alg":"none","kid":"k1"}') + b".." + TAG),
        ("alg None", b64(b'{"alg":"None","kid":"k1"}') + b".." + TAG),
        ("no alg", b64(b'{"kid":"k1"}') + b".." + TAG),
        ("alg is a list", b64(b'{"alg":["EdDSA"],"kid":"k1"}') + b".." + TAG),
        ("the public key as a secret", hs256(public_pem(KEY), {"alg": "HS256", "kid": "k1"}, VALUE)),
        (
            "and without the last newline",
            hs256(public_pem(KEY).strip(), {"alg": "HS256", "kid": "k1"}, VALUE),
        ),
        ("another algorithm", jws(KEYS["ES256"], "ES256", VALUE)),
        ("another key", jws(OTHER, "Ed25519", VALUE)),
        (
            "another key, in the header",
            jws(OTHER, "Ed25519", VALUE, jwk={"kty": "OKP", "crv": "Ed25519", "x": "AA"}),
        ),
        ("an unknown kid", jws(KEY, "Ed25519", VALUE, kid="k2")),
        ("no kid", detached(b'{"alg":"EdDSA"}', KEY, "Ed25519", VALUE)),
        ("kid is a number", jws(KEY, "Ed25519", VALUE, kid=1)),
        ("kid is null", jws(KEY, "Ed25519", VALUE, kid=None)),
        ("kid is a path", jws(KEY, "Ed25519", VALUE, kid="../../dev/null")),
        ("an unknown critical parameter", jws(KEY, "Ed25519", VALUE, crit=["exp"], exp=1)),
        ("crit is empty", jws(KEY, "Ed25519", VALUE, crit=[])),
        ("crit is no list", jws(KEY, "Ed25519", VALUE, crit="b64", b64=False)),
        ("b64 is not critical", jws(KEY, "Ed25519", VALUE, b64=False)),
        ("b64 with another critical one", jws(KEY, "Ed25519", VALUE, b64=False, crit=["b64", "exp"])),
        ("b64 is text", jws(KEY, "Ed25519", VALUE, b64="false", crit=["b64"])),
        ("b64 is 0", jws(KEY, "Ed25519", VALUE, b64=0, crit=["b64"])),
        ("not detached", HEAD + b"." + b64(VALUE) + b"." + TAG),
        ("another payload inside", HEAD + b"." + b64(b"{}") + b"." + TAG),
        ("two segments", HEAD + b"." + TAG),
        ("four segments", GOOD + b"." + TAG),
        ("without a signature", HEAD + b".."),
        ("half a signature", GOOD[:-20]),
        ("a byte less", GOOD[:-1]),
        ("a byte more", GOOD + b"A"),
        ("padding", GOOD + b"=="),
        ("a newline", GOOD + b"\n"),
        ("a space before", b" " + GOOD),
        ("huge", HEAD + b".." + b"A" * 1_000_000),
        ("a huge header", b64(b'{"alg":"EdDSA","kid":"k1","x":"' + b"x" * 100_000 + b'"}') + b".." + TAG),
        ("a deep header", b64(b'{"a":' * 3000 + b"1" + b"}" * 3000) + b".." + TAG),
        ("a header of two algs", detached(b'{"alg":"none","kid":"k1","alg":"EdDSA"}', KEY, "Ed25519", VALUE)),
        ("a header of two kids", detached(b'{"alg":"EdDSA","kid":"x","kid":"k1"}', KEY, "Ed25519", VALUE)),
        ("a header that is a list", b64(b"[]") + b".." + TAG),
        ("a header that is no JSON", b64(b"{") + b".." + TAG),
        ("a header that is not UTF-8", b64(b'{"alg":"\xff"}') + b".." + TAG),
        ("a header in another alphabet", HEAD.replace(b"e", b"+", 1) + b".." + TAG),
        ("not ASCII", "ü..ü".encode()),
        ("an empty text in dots", b".."),
        ("the JSON form", json.dumps({"protected": HEAD.decode(), "signature": TAG.decode()}).encode()),
        ("of another record", jws(KEY, "Ed25519", changed_event(id="2"))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # the keys are new in each process
)
def test_an_attack_on_the_jws_is_a_dead_letter(attack: str, signature: bytes) -> None:
    entry = jws_entry()
    assert reasons(VALUE, [(HEADER, signature)], entry) == ["bad-signature"], attack
    (letter,) = held(VALUE, [(HEADER, signature)], entry).letters
    assert len(letter.detail) < 200


@pytest.mark.parametrize(
    ("entry", "headers", "said"),
    [
        (
            jws_entry(),
            [(HEADER, jws(KEYS["ES256"], "ES256", VALUE))],
            "the JWS has another algorithm than its key",
        ),
        (jws_entry(), [(HEADER, GOOD + b"A" * 4096)], "the signature is longer than 4096 bytes"),
        (
            jws_entry(),
            [(HEADER, jws(KEY, "Ed25519", VALUE, kid="k2"))],
            "the JWS names no key of [[trust.keys]] in `kid`",
        ),
        (jws_entry(), [(HEADER, GOOD), (HEADER, GOOD)], "the record has this header twice, or it is null"),
        (
            signed_by(GITHUB, TrustKey("g", secret=Secret(SECRET))),
            [("x-hub-signature-256", b"sha256=" + b"0" * 5000)],
            "the signature is longer than 4096 bytes",
        ),
    ],
    ids=["algorithm", "length", "kid", "twice", "length of an HMAC"],
)
def test_the_cheap_checks_come_first_and_say_what_is_wrong(
    entry: TrustEntry, headers: Headers, said: str
) -> None:
    (letter,) = held(VALUE, headers, entry).letters
    assert (letter.reason, letter.detail) == ("bad-signature", said)


def test_a_missing_signature_is_unsigned_and_two_are_a_guess() -> None:
    entry = jws_entry()
    assert reasons(VALUE, NOTHING, entry) == ["unsigned"]
    assert reasons(VALUE, [(HEADER, b"")], entry) == ["unsigned"]
    assert reasons(VALUE, [(HEADER, GOOD), (HEADER, GOOD)], entry) == ["bad-signature"]
    assert reasons(VALUE, [(HEADER, None)], entry) == ["bad-signature"]
    assert reasons(VALUE, [(HEADER.upper(), GOOD)], entry) == ["unsigned"]


def test_keys_are_rotated_by_their_ids() -> None:
    fresh = private_key("ES256")
    entry = signed_by(
        JWS,
        TrustKey("k1", "Ed25519", public=public_pem(KEY)),
        TrustKey("k2", "ES256", public=public_pem(fresh)),
    )
    assert reasons(VALUE, [(HEADER, GOOD)], entry) == []
    assert reasons(VALUE, [(HEADER, jws(fresh, "ES256", VALUE, kid="k2"))], entry) == []
    assert reasons(VALUE, [(HEADER, jws(fresh, "ES256", VALUE, kid="k1"))], entry) == ["bad-signature"]
    assert reasons(VALUE, [(HEADER, jws(KEY, "Ed25519", VALUE, kid="k2"))], entry) == ["bad-signature"]


def test_an_ecdsa_signature_in_der_or_of_zeros_is_refused() -> None:
    key, entry = KEYS["ES256"], jws_entry("ES256")
    head = b64(b'{"alg":"ES256","kid":"k1"}')
    for tag in (
        bytes(64),
        b"\xff" * 64,
        raw_signature(key, "ES256", b"other"),
        b"\x30\x06\x02\x01\x01\x02\x01\x01",
    ):
        assert reasons(VALUE, [(HEADER, head + b".." + b64(tag))], entry) == ["bad-signature"]


def test_json_with_a_name_twice_is_refused_though_its_signature_holds() -> None:
    """The gateway that signed it may have looked at the first `source`, and curfewd at the second."""
    entry = jws_entry()
    for value in (
        VALUE.replace(b'"source": "ci"', b'"source": "tenant-1", "source": "ci"'),
        VALUE.replace(b'"task_id": "t"', b'"task_id": "mine", "task_id": "t"'),
        VALUE.replace(b'"task_id": "t"', b'"task_id": "mine", "\\u0074ask_id": "t"'),
    ):
        contents = held(value, [(HEADER, jws(KEY, "Ed25519", value))], entry)
        assert [letter.reason for letter in contents.letters] == ["ambiguous-json"]
        assert contents.events == []
    headers, value = binary_headers(), b'{"task_id": "mine", "task_id": "t"}'
    signature = jws(KEY, "Ed25519", binary_content(headers, value))
    assert reasons(value, [*headers, (HEADER, signature)], entry) == ["ambiguous-json"]


def test_an_old_record_that_somebody_sends_again_is_refused() -> None:
    """curfewd forgets an event after `retention`: without a bound, its record could be sent again later."""
    entry = jws_entry(max_age=HOUR)
    time = NOW // MILLISECOND
    headers: Headers = [(HEADER, GOOD)]
    assert reasons(VALUE, headers, entry, timestamp=time) == []
    assert reasons(VALUE, headers, entry, timestamp=time + 59 * 60_000) == ["stale-signature"]
    assert reasons(VALUE, headers, entry, timestamp=time + 58 * 60_000) == []
    assert reasons(VALUE, headers, entry, timestamp=-1) == ["stale-signature"]
    assert reasons(VALUE, headers, entry, timestamp=1 << 62) == ["stale-signature"]


# Signatures of HMAC.


WEBHOOK = signed_by(STANDARD_WEBHOOKS, TrustKey("w", secret=Secret(SECRET)))
HUB = signed_by(GITHUB, TrustKey("g", secret=Secret(SECRET)))


def test_standard_webhooks() -> None:
    headers = webhook_headers(VALUE)
    assert reasons(VALUE, headers, WEBHOOK) == []
    assert reasons(VALUE + b" ", headers, WEBHOOK) == ["bad-signature"]
    assert reasons(VALUE, NOTHING, WEBHOOK) == ["unsigned"]
    for index, changed in (
        (0, b"msg_2"),
        (1, b"1780000001"),
        (2, b"v1,AAAA"),
        (0, b""),
        (1, b"1e9"),
        (1, b""),
    ):
        forged = [(name, changed if at == index else held) for at, (name, held) in enumerate(headers)]
        assert reasons(VALUE, forged, WEBHOOK) == ["bad-signature"]
    for index in range(2):
        assert reasons(VALUE, [*headers[:index], *headers[index + 1 :]], WEBHOOK) == ["bad-signature"]
    assert reasons(VALUE, webhook_headers(VALUE, secret=bytes(32)), WEBHOOK) == ["bad-signature"]


def test_standard_webhooks_rotates_with_several_signatures_and_keys() -> None:
    *others, (name, tag) = webhook_headers(VALUE)
    assert tag is not None
    wrong = b"v1," + b"A" * 43 + b"="
    for several in (wrong + b" " + tag, b"v1a,xyz " + tag, tag + b" v2,abc"):
        assert reasons(VALUE, [*others, (name, several)], WEBHOOK) == []
    for several in (wrong + b" " + wrong, b" ".join([wrong] * 8 + [tag]), tag.replace(b"v1,", b"v0,")):
        assert reasons(VALUE, [*others, (name, several)], WEBHOOK) == ["bad-signature"]
    both = signed_by(
        STANDARD_WEBHOOKS,
        TrustKey("old", secret=Secret(bytes(range(32)))),
        TrustKey("w", secret=Secret(SECRET)),
    )
    assert reasons(VALUE, [*others, (name, tag)], both) == []


def test_the_ids_end_cannot_be_moved_into_the_body() -> None:
    """`a.1.{…}` is signed: an id `a.1` would make another body of the rest."""
    body = b"17." + VALUE
    headers = webhook_headers(body, message_id="msg")
    assert held(body, headers, WEBHOOK).events == []  # it is text
    forged: Headers = [("webhook-id", b"msg.1780000000"), ("webhook-timestamp", b"17"), headers[2]]
    assert reasons(VALUE, forged, WEBHOOK) == ["bad-signature"]


def test_githubs_header() -> None:
    headers = hub_headers(VALUE)
    assert reasons(VALUE, headers, HUB) == []
    assert reasons(VALUE + b" ", headers, HUB) == ["bad-signature"]
    assert reasons(VALUE, NOTHING, HUB) == ["unsigned"]
    (name, tag) = headers[0]
    assert tag is not None
    for forged in (tag.upper(), tag[7:], tag[:-2], tag + b"00", tag.replace(b"sha256", b"sha1"), b"sha256="):
        assert reasons(VALUE, [(name, forged)], HUB) == ["bad-signature"]
    attributes, value = binary_headers(), b'{"task_id": "t"}'
    assert reasons(value, [*attributes, *hub_headers(value)], HUB) == ["bad-signature"]


# Whatever is changed.


def flipped(data: bytes, at: int, bit: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


ENTRIES: dict[str, tuple[TrustEntry, Headers]] = {
    "jws": (jws_entry(), [(HEADER, GOOD)]),
    "webhook": (WEBHOOK, webhook_headers(VALUE)),
    "github": (HUB, hub_headers(VALUE)),
}


@given(st.sampled_from(sorted(ENTRIES)), st.integers(0, len(VALUE) - 1), st.integers(0, 7))
def test_no_event_comes_of_a_value_in_which_a_bit_was_changed(scheme: str, at: int, bit: int) -> None:
    entry, headers = ENTRIES[scheme]
    assert held(VALUE, headers, entry).events
    assert held(flipped(VALUE, at, bit), headers, entry).events == []


@given(st.data())
def test_no_event_comes_of_headers_in_which_a_bit_was_changed(data: st.DataObject) -> None:
    entry, headers = ENTRIES[data.draw(st.sampled_from(sorted(ENTRIES)))]
    chosen = data.draw(st.integers(0, len(headers) - 1))
    name, value = headers[chosen]
    assert value is not None
    at, bit = data.draw(st.integers(0, len(value) - 1)), data.draw(st.integers(0, 7))
    forged = [*headers[:chosen], (name, flipped(value, at, bit)), *headers[chosen + 1 :]]
    assert held(VALUE, forged, entry).events == []


@given(st.data())
def test_no_event_comes_of_binary_headers_in_which_a_bit_was_changed(data: st.DataObject) -> None:
    attributes, value = binary_headers(), b'{"task_id": "t"}'
    signature = (HEADER, jws(KEY, "Ed25519", binary_content(attributes, value)))
    entry = jws_entry()
    assert held(value, [*attributes, signature], entry).events
    chosen = data.draw(st.integers(0, len(attributes) - 1))
    name, text = attributes[chosen]
    assert text is not None
    at, bit = data.draw(st.integers(0, len(text) - 1)), data.draw(st.integers(0, 7))
    forged = [*attributes[:chosen], (name, flipped(text, at, bit)), *attributes[chosen + 1 :], signature]
    assert held(value, forged, entry).events == []


NAMES = [
    "ce_specversion",
    "ce_type",
    HEADER,
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "x-hub-signature-256",
]


@given(
    st.binary(max_size=200) | st.just(VALUE),
    st.lists(
        st.tuples(st.sampled_from(NAMES) | st.text(max_size=8), st.none() | st.binary(max_size=200)),
        max_size=6,
    ),
)
def test_no_record_breaks_the_reader_or_is_believed(
    value: bytes, headers: Iterable[tuple[str, bytes | None]]
) -> None:
    for entry, _ in ENTRIES.values():
        assert held(value, list(headers), entry).events == []


# Files.


def test_files_are_held_by_their_paths() -> None:
    policy = TrustPolicy((TrustEntry(paths=("audit/*",), sources=("ci",)),))
    event = held(VALUE, NOTHING).events[0][1]
    other = msgspec.structs.replace(event, source="vault")
    inside, outside = policy.of_path("audit/1.json"), policy.of_path("logs/1.json")
    assert inside is not None
    assert outside is not None
    assert inside.without_proof(event) is None
    assert (refusal := inside.without_proof(other)) is not None
    assert refusal.reason == "untrusted-source"
    assert outside.without_proof(event) is not None  # reserved by the others
    assert outside.without_proof(other) is None


def test_what_a_file_cannot_prove_is_not_believed() -> None:
    event = held(VALUE, NOTHING).events[0][1]
    for entry in (jws_entry(), TrustEntry(header=TrustedHeader("gateway", "x"))):
        trust = TrustPolicy((msgspec.structs.replace(entry, topics=(), paths=("*",)),)).of_path("a.json")
        assert trust is not None
        assert trust.without_proof(event) is not None
