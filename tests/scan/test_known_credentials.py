"""Registered secrets are found between any delimiters, by fingerprint alone."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.scan import known_credentials
from detector.scan.known_credentials import HMAC, KeyRing, KnownIndex
from detector.values.events import Identifier
from detector.values.registrable import MAX_LENGTH, SHORTEST, TOKEN
from detector.values.secrets import DeploymentKey, Secret, sha256_hex

KEY = DeploymentKey.of(bytes(range(32)), "k1")
OTHER = DeploymentKey.of(bytes(range(32, 64)), "k2")

LONGEST, MOST_ENDS = 512, 64  # of sub-tokens that are found by an HMAC alone
TOKENS = b"abAB09"
DELIMITERS = b"+/=-_.~!\"':@,;()[]{}<>|&%$#*?\\^`\x80\xff\x1b\x00"
SPACES = b" \t\n\r\v\f"


def full(secret: bytes, key: DeploymentKey = KEY) -> Identifier:
    return KeyRing([key]).identifiers(Secret(secret))[0]


def shapeless(secret: bytes) -> Identifier:
    return msgspec.structs.replace(full(secret), shape=None)


def bare(secret: bytes, key: DeploymentKey = KEY) -> Identifier:
    return Identifier(HMAC, key.fingerprint(Secret(secret)))


def sized(secret: bytes) -> Identifier:
    return Identifier(HMAC, KEY.fingerprint(Secret(secret)), len(secret))


def boundary_spans(data: bytes) -> list[tuple[int, int]]:
    """Every sub-token, by the rule as it is written down."""

    def alnum(at: int) -> bool:
        return 0 <= at < len(data) and data[at : at + 1].isalnum()

    def edge(at: int) -> bool:
        return data[at] <= 32 or data[at] == 127

    def stop(start: int) -> int:
        return next((at for at in range(start, len(data)) if data[at] in SPACES), len(data))

    return [
        (start, end)
        for start in range(len(data))
        if not edge(start) and not (alnum(start - 1) and alnum(start))
        for end in range(start + 1, stop(start) + 1)
        if not edge(end - 1) and not (alnum(end - 1) and alnum(end))
    ]


def first_of_each(data: bytes, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    ends: dict[bytes, int] = {}
    kept = []
    for start, end in sorted(spans):
        value = data[start:end]
        if start >= ends.get(value, 0):
            ends[value] = end
            kept.append((start, end))
    return kept


def test_the_contracts_known_answer_is_found_in_every_surrounding() -> None:
    secret = b"hello-world-secret-0123456789"
    index = KnownIndex([full(secret)], [KEY])
    assert full(secret).check == "b338e83f"
    for text in (
        b"%s",
        b"token=%s",
        b"https://u:%s@h/",
        b"pre-%s",
        b'"%s"',
        b"x %s\n",
        b"\xe2\x80\xb9%s\xe2",
    ):
        data = text % secret
        start = data.index(secret)
        assert index.seen(data)[0] == [(start, start + len(secret))], text


GLUED = [b"x%s", b"%sx", b"9%s9", b"Bearer%s", b"mysql -p%s", b"${%s}", b"\xe9%s\xe9", b"%s%%s" % b"ab"]


@pytest.mark.parametrize("text", GLUED)
def test_a_secret_is_found_whatever_is_glued_to_it(text: bytes) -> None:
    secret = b"hello-world-secret-0123456789"
    data = text % secret
    start = data.index(secret)
    assert KnownIndex([full(secret)], [KEY]).seen(data)[0] == [(start, start + len(secret))]


@pytest.mark.parametrize("text", [b"a%s", b"%sa", b"9%s9"])
def test_without_every_window_a_secret_is_found_between_delimiters_only(text: bytes) -> None:
    secret = b"hello-world-secret-0123456789"
    index = KnownIndex([full(secret)], [KEY], every_window=False)
    assert index.seen(b"(" + secret + b")")[0] == [(1, 30)]
    assert index.seen(text % secret)[0] == []


@pytest.mark.parametrize(
    "secret", [b"correct horse battery", b"\ta tab ahead", b"a blank behind ", b"          "]
)
def test_a_secret_may_hold_blanks_and_tabs(secret: bytes) -> None:
    index = KnownIndex([full(secret)], [KEY])
    for text in (b"%s", b"x%s", b"%sx", b"pass=%s;", b"q\n%s\nq"):
        data = text % secret
        assert index.seen(data)[0] == [(data.index(secret), data.index(secret) + len(secret))], text


@pytest.mark.parametrize(
    "secret", [b"-----BEGIN KEY-----\nMIIEvq\n-----END KEY-----", b"two\nlines\n", b"\n\nsecret"]
)
def test_a_secret_with_line_breaks_is_found_between_separators(secret: bytes) -> None:
    index = KnownIndex([full(secret)], [KEY])
    for text in (b"%s", b"key=%s", b'{"k":"%s"}', b"a\n%s\nb", b"(%s)", b"key: %s done"):
        data = text % secret
        assert index.seen(data)[0] == [(data.index(secret), data.index(secret) + len(secret))], text
    assert (
        index.seen(b"x%sx" % secret)[0] == []
    )  # a price that nobody has to pay: no text is glued to a key block


def test_one_registered_secret_may_stand_in_another_or_overlap_it() -> None:
    outer, inner, beside = b"outer-secret-0123456789", b"secret-0123", b"6789-and-on"
    index = KnownIndex(map(full, (outer, inner, beside)), [KEY])
    assert index.seen(b"x" + outer + b"-and-onx")[0] == [(1, 24), (7, 18), (20, 31)]


@pytest.mark.parametrize(
    "secret", [b"+abcdefg/hij=", b"-_.~!abcdef", b"!!!!!!!!", b"==", b"a", b"abc\x1bdef-z"]
)
def test_secrets_may_begin_and_end_with_anything_but_space_or_control(secret: bytes) -> None:
    for every_window in (True, False):
        index = KnownIndex([full(secret)], [KEY], every_window=every_window)
        assert index.seen(b"key: " + secret + b" rest")[0] == [(5, 5 + len(secret))]


@st.composite
def texts(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    alphabet = TOKENS + DELIMITERS + b" \n"
    data = bytes(draw(st.lists(st.sampled_from(alphabet), max_size=120)))
    spans = boundary_spans(data)
    chosen = draw(st.lists(st.sampled_from(spans), max_size=5)) if spans else []
    absent = draw(st.lists(st.binary(min_size=1, max_size=20), max_size=2))
    return data, [data[start:end] for start, end in chosen] + absent


def window_spans(data: bytes, secrets: Sequence[bytes]) -> list[tuple[int, int]]:
    """Where the secrets are found, by the rules as they are written down: every window, but that of a short one."""
    separators = frozenset(b" \"'`()[]{}<>=:,;|\\").union(range(33), range(127, 256))

    def apart(start: int, end: int) -> bool:
        before, behind = data[start - 1 : start] if start else b"", data[end : end + 1]
        return all(not byte or byte[0] in separators for byte in (before, behind))

    windows = [
        (start, start + len(secret))
        for secret in set(secrets)
        for start in range(len(data) - len(secret) + 1)
        if data.startswith(secret, start)
    ]
    short = set(boundary_spans(data))
    return [
        (start, end)
        for start, end in windows
        if (
            (start, end) in short
            if end - start < SHORTEST
            else b"\n" not in data[start:end] or apart(start, end)
        )
    ]


@st.composite
def windows(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    alphabet = TOKENS + DELIMITERS + b" \n\n"
    data = bytes(draw(st.lists(st.sampled_from(alphabet), max_size=120))) * draw(st.sampled_from((1, 1, 60)))
    chosen = []
    for _ in range(draw(st.integers(0, 5)) if data else 0):
        start = draw(st.integers(0, len(data) - 1))
        chosen.append(data[start : start + draw(st.integers(1, 90))])
    return data, chosen + draw(st.lists(st.binary(min_size=1, max_size=20), max_size=2))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(drawn=windows(), shaped=st.booleans())
def test_every_window_is_tested_as_the_rules_say(drawn: tuple[bytes, list[bytes]], *, shaped: bool) -> None:
    data, secrets = drawn
    index = KnownIndex([(full if shaped else shapeless)(secret) for secret in secrets], [KEY])
    assert index.seen(data)[0] == first_of_each(data, window_spans(data, secrets))


def test_each_character_that_a_secret_may_have_is_found_whatever_its_shape() -> None:
    for byte in range(256):
        secret = b"aBcD" + bytes([byte]) + b"eFgH"
        separated = b'"%s"' % secret
        assert KnownIndex([full(secret)], [KEY]).seen(separated)[0] == [(1, 10)], byte


@pytest.mark.parametrize("pad", [0, 1, 31, 63, 64, 4000, 4090, 8180, 9000])
def test_secrets_of_each_shape_are_found_in_long_and_short_runs(pad: int) -> None:
    mixed, unbroken = b"tok_7Hq2xLw9ZpB5nKd4YcJmR8vTs3", b"0a1b2c3d4e5f60718293a4b5c6d7e8f9"
    index = KnownIndex(map(full, (mixed, unbroken)), [KEY])
    for secret in (mixed, unbroken):
        for around in (b"x" * pad + b"%s" + b"y" * pad, b" " * pad + b"%s\n", b'a "' * pad + b"%s"):
            data = around % secret
            start = data.index(secret)
            assert index.seen(data)[0] == [(start, start + len(secret))]


def test_secrets_of_one_length_are_found_whatever_their_shapes() -> None:
    mixed, unbroken, other = b"aBcDeFgH0123", b"abcdefgh0123", b"aBcD eFgH012"
    index = KnownIndex([full(mixed)], [KEY])
    assert index.seen(b"x" + mixed + unbroken)[0] == [(1, 13)]
    for secret in (unbroken, other):
        index.add([full(secret)])
    for secret in (mixed, unbroken, other):
        assert index.seen(b"0x%sx0" % secret)[0] == [(2, 14)]
        assert KnownIndex(map(full, (mixed, unbroken, other)), [KEY]).seen(b"x" + secret)[0] == [(1, 13)]


@pytest.mark.parametrize("around", [b" ", b"z", b"aB3", b"a quote, "])
def test_a_secret_is_found_at_any_place_of_a_long_text(around: bytes) -> None:
    secret = b"aBcDeFgH0123" * 6
    index = KnownIndex([full(secret), full(b"qWeRtZuI"), full(secret.lower() * 40)], [KEY])
    for size in (0, 1, 63, 64, 4020, 4032, 4096, 5757, 8191):
        before = (around * size)[:size]
        for behind in (b"", around * 3, around * 5000):
            assert index.seen(before + secret + behind)[0] == [(size, size + 72)], (size, len(behind))


@pytest.mark.parametrize("shaped", [True, False])
def test_very_many_of_a_few_secrets_are_found_apart(*, shaped: bool) -> None:
    secrets = [b"aB3aB3aB3", b"B3aB3aB3a", b"qWeRtZuI01", b"!" * 9]
    index = KnownIndex([(full if shaped else shapeless)(secret) for secret in secrets], [KEY])
    data = b"aB3" * 500 + b"\n" + b"qWeRtZuI01" * 40 + b" aB3aB3aB3 qWeRtZuI01" * 40 + b"!" * 400
    assert index.seen(data)[0] == first_of_each(data, window_spans(data, secrets))


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(drawn=texts())
def test_the_fast_path_finds_what_hashing_every_subtoken_finds(drawn: tuple[bytes, list[bytes]]) -> None:
    data, secrets = drawn
    index = KnownIndex([full(secret) for secret in secrets], [KEY], every_window=False)
    naive = [(start, end) for start, end in boundary_spans(data) if data[start:end] in secrets]
    assert index.seen(data)[0] == first_of_each(data, naive)


@settings(max_examples=100, deadline=None)
@given(drawn=texts())
def test_the_slow_path_finds_the_same_within_its_bounds(drawn: tuple[bytes, list[bytes]]) -> None:
    data, secrets = drawn
    spans = boundary_spans(data)
    index = KnownIndex([sized(secret) for secret in secrets], [KEY])
    found = [(s, e) for s, e in spans if data[s:e] in secrets and e - s >= SHORTEST]
    assert index.seen(data)[0] == first_of_each(data, found)
    index = KnownIndex([bare(secret) for secret in secrets], [KEY])
    near = []
    for start in {start for start, _ in spans}:
        ends = sorted(end for begin, end in spans if begin == start and SHORTEST <= end - start <= LONGEST)
        near += [(start, end) for end in ends[:MOST_ENDS] if data[start:end] in secrets]
    assert index.seen(data)[0] == first_of_each(data, near)


@pytest.mark.parametrize("every_window", [True, False])
def test_secrets_of_many_lengths_are_found_across_the_blocks_the_text_is_cut_into(
    *, every_window: bool
) -> None:
    secrets = [b"%d-" % length + b"x" * (length - 6) + b".y" for length in range(100, 3000, 97)]
    secrets += [b"!" * 9]
    data = (b"=".join(secrets) + b"|" * 5000) * 40
    index = KnownIndex(map(full, secrets), [KEY], every_window=every_window)
    found = {data[start:end] for start, end in index.seen(data)[0]}
    assert found == set(secrets)
    assert len(index.seen(data)[0]) >= 40 * len(secrets)


@pytest.mark.parametrize("every_window", [True, False])
@pytest.mark.parametrize("length", [1, 8, 63, 64, 65, 500, 1100])
def test_a_secret_is_found_wherever_it_stands_beside_the_edges_of_blocks(
    length: int, *, every_window: bool
) -> None:
    secret = b"s" * length
    index = KnownIndex([full(secret), full(b"!" * 40)], [KEY], every_window=every_window)
    for edge in (0, 64, 256, 1024, 3072, 4096, 8192):
        for start in range(max(edge - length - 2, 0), edge + 3, 1 if length < 70 else 61):
            data = b" " * start + secret + b"." * 70
            assert index.seen(data)[0] == [(start, start + length)], start
            assert index.seen(data[: start + length])[0] == [(start, start + length)], start


def test_a_run_of_one_secret_gives_no_more_spans_than_fit_beside_each_other() -> None:
    secret = b"!" * 10
    assert len(KnownIndex([full(secret)], [KEY]).seen(b"!" * 100_000)[0]) == 10_000
    assert len(KnownIndex([bare(secret)], [KEY]).seen(b"!" * 5_000)[0]) == 500


def test_every_key_in_force_recognises_its_own_and_an_id_narrows_it() -> None:
    one, two = b"secret-of-key-one", b"secret-of-key-two"
    index = KnownIndex([full(one), full(two, OTHER)], [KEY, OTHER])
    assert index.seen(one + b" " + two)[0] == [(0, 17), (18, 35)]
    anonymous = Identifier(HMAC, OTHER.fingerprint(Secret(two)), 17, OTHER.check(Secret(two)))
    assert KnownIndex([anonymous], [KEY, OTHER]).seen(two)[0] == [(0, 17)]
    stray = Identifier(HMAC, anonymous.value, 17, anonymous.check, "no such key")
    assert KnownIndex([stray], [KEY, OTHER]).seen(two)[0] == [(0, 17)]
    assert KnownIndex([full(one)], []).seen(one)[0] == []


def test_a_sha256_identifier_with_a_check_is_found_without_a_pattern() -> None:
    secret = Secret(b"ghx_0123456789abcdef")
    identifier = Identifier("sha256", sha256_hex(secret), len(secret), KEY.check(secret))
    assert KnownIndex([identifier], [KEY]).seen(b"t=ghx_0123456789abcdef")[0] == [(2, 22)]
    plain = Identifier("sha256", sha256_hex(secret))
    index = KnownIndex([plain], [KEY])
    assert index.seen(b"t=ghx_0123456789abcdef")[0] == []
    assert index.registered(plain)


@pytest.mark.parametrize("keys", [(), (KEY,)])
def test_a_sha256_identifier_with_its_length_is_found_where_a_token_stands(
    keys: Sequence[DeploymentKey],
) -> None:
    secrets = [b"ghx_0123456789abcdef", b"a.very/long+token=" * 40]
    index = KnownIndex((Identifier("sha256", sha256_hex(Secret(one)), len(one)) for one in secrets), keys)
    for secret in secrets:
        for text in (b"%s", b"t=%s", b'"%s"', b"Bearer %s\n", b"https://u:%s@h/", b"(%s)", b"\xff%s\xff"):
            data = text % secret
            assert index.seen(data)[0] == [(data.index(secret), data.index(secret) + len(secret))], text
        assert index.seen(secret[:-1] + b"X")[0] == []
    assert (
        KnownIndex([Identifier("sha256", sha256_hex(Secret(b"two words in it")), 15)]).seen(
            b"two words in it"
        )[0]
        == []
    )


@pytest.mark.parametrize("keys", [(), (KEY,)])
def test_a_sha256_identifier_with_its_length_is_found_whatever_is_glued_to_it(
    keys: Sequence[DeploymentKey],
) -> None:
    secrets = [b"ghx_0123456789abcdef", b"Zq7" * 19, b"9f.0c/" * 40]  # of one, of two and of four blocks
    identifiers = [Identifier("sha256", sha256_hex(Secret(one)), len(one)) for one in secrets]
    index = KnownIndex(identifiers, keys)
    for secret in secrets:
        for text in (
            b"x%s",
            b"%sx",
            b"x%sy",
            b"-p%s",
            b"abc%s_def",
            b"%%41%s",
            b"user:x%s@host",
            b"Bearer%s\n",
        ):
            data = text % secret
            at = data.index(secret)
            assert index.seen(data)[0] == [(at, at + len(secret))], text
    plain = KnownIndex(identifiers, keys, every_window=False)
    assert plain.seen(b"x" + secrets[0])[0] == []
    assert plain.seen(b"=" + secrets[0])[0] == [(1, 21)]


def test_a_sha256_identifier_is_found_by_its_length_if_it_has_a_tokens_characters_alone() -> None:
    for byte in range(256):
        secret = b"aB3-%c-3Ba" % byte
        index = KnownIndex([Identifier("sha256", sha256_hex(Secret(secret)), len(secret))])
        assert index.seen(b'"%s"' % secret)[0] == ([(1, 10)] if byte in TOKEN else []), byte


def test_a_short_sha256_identifier_is_not_found_inside_words() -> None:
    index = KnownIndex([Identifier("sha256", sha256_hex(Secret(b"pin4711")), 7)])
    assert index.seen(b"xpin4711y")[0] == []
    assert index.seen(b"a pin4711")[0] == [(2, 9)]


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(8, 130))
def test_a_token_shaped_run_of_a_registered_length_is_found_wherever_it_stands(
    data: st.DataObject, length: int
) -> None:
    letters = st.text(st.sampled_from("aB3-._~+/=:%|"), min_size=length, max_size=length)
    secret = data.draw(letters).encode()
    glue = st.text(st.sampled_from("aB3-/= \n!"), max_size=20)
    text = data.draw(glue).encode() + secret + data.draw(glue).encode()
    index = KnownIndex([Identifier("sha256", sha256_hex(Secret(secret)), length)])
    assert {text[start:end] for start, end in index.seen(text)[0]} == {secret}


@pytest.mark.parametrize("keys", [(), (OTHER,)])
def test_a_sha256_identifier_whose_check_is_under_no_key_in_force_is_found_by_its_length(
    keys: Sequence[DeploymentKey],
) -> None:
    secret = Secret(b"ghx_0123456789abcdef")
    identifier = Identifier("sha256", sha256_hex(secret), len(secret), KEY.check(secret), "gone")
    assert KnownIndex([identifier], keys).seen(b"t=ghx_0123456789abcdef")[0] == [(2, 22)]


def test_of_many_sha256_lengths_each_is_found() -> None:
    secrets = [b"s%d" % size + b"-" * (size - 5) + b"e" for size in range(10, 90)]
    index = KnownIndex(Identifier("sha256", sha256_hex(Secret(one)), len(one)) for one in secrets)
    data = b" ".join(secrets * 40)
    assert {data[start:end] for start, end in index.seen(data)[0]} == set(secrets)


def test_late_registrations_are_found_at_once() -> None:
    index = KnownIndex([full(b"first-secret-0")], [KEY])
    data = (
        b" ".join(b"late-secret-%04d" % number for number in range(3000)) + b" bare-secret-1 sized-secret-1"
    )
    assert index.seen(data)[0] == []
    for number in range(3000):
        index.add([full(b"late-secret-%04d" % number)])
    index.add([bare(b"bare-secret-1"), sized(b"sized-secret-1")])
    assert len(index.seen(data)[0]) == 3002


def test_registered_answers_for_every_scheme() -> None:
    index = KnownIndex([full(b"a-secret"), Identifier("jwt-id", "j-1"), Identifier(HMAC, "not hex")], [KEY])
    assert index.registered(bare(b"a-secret"))
    assert index.registered(Identifier("jwt-id", "j-1"))
    assert not index.registered(Identifier("jwt-id", "j-2"))
    assert not index.registered(Identifier("sha256", bare(b"a-secret").value))
    assert not index.registered(Identifier(HMAC, "not hex"))
    assert not index.registered(Identifier(HMAC, "0" * 64))


def test_a_malformed_check_falls_back_to_hashing() -> None:
    secret = b"secret-with-a-bad-check"
    for length, check in ((23, "xyz"), (None, "00000000"), (0, "00000000")):
        identifier = Identifier(HMAC, KEY.fingerprint(Secret(secret)), length, check)
        index = KnownIndex([identifier], [KEY])
        assert index.seen(b"x=" + secret)[0] == [(2, 25)]
        assert not index.unfindable


@pytest.mark.parametrize(
    ("identifier", "says"),
    [
        (Identifier(HMAC, "not hex"), "no digest"),
        (Identifier("sha256", "0" * 63), "no digest"),
        (Identifier(HMAC, "0" * 64, MAX_LENGTH + 1), "above 16,384 bytes"),
        (Identifier(HMAC, "0" * 64, MAX_LENGTH + 1, "00000000"), "above 16,384 bytes"),
        (Identifier("sha256", "0" * 64, 1 << 20), "above 16,384 bytes"),
        (Identifier(HMAC, "0" * 64, 7), "fewer than 8 bytes"),
        (Identifier(HMAC, "0" * 64, 7, "xyz"), "fewer than 8 bytes"),
    ],
)
def test_identifiers_that_no_scan_finds_are_counted_by_the_reason(identifier: Identifier, says: str) -> None:
    index = KnownIndex([identifier, full(b"a-secret"), Identifier("jwt-id", "j")], [KEY])
    [(reason, count)] = index.unfindable.items()
    assert (says in reason, count) == (True, 1)
    assert index.seen(b"a-secret")[0] == [(0, 8)]


def test_a_long_hostile_run_is_bounded() -> None:
    index = KnownIndex([bare(b"never-there-1"), full(b"never-there-2")], [KEY])
    assert index.seen(b"-" * 5_000 + b"a" * 1_000_000 + b"never-there-")[0] == []


@pytest.mark.parametrize("count", [120, 12_000])
def test_an_index_in_files_finds_what_one_in_memory_finds(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """Where tables are so small that they are in memory, and where they are in files and have grown."""
    monkeypatch.setattr(known_credentials, "_TOGETHER", count // 12)
    secrets = [b"a-secret-%d-aB3" % number for number in range(count)]
    makers = (full, shapeless, sized, bare)
    identifiers = [makers[number % 4](secret) for number, secret in enumerate(secrets)]
    identifiers += [Identifier("sha256", sha256_hex(Secret(secret)), len(secret)) for secret in secrets[::7]]
    identifiers += [Identifier("jwt-id", f"id-{number}") for number in range(50)]
    text = b" ".join(each[::-1] if number % 5 == 0 else each for number, each in enumerate(secrets))
    first, late = identifiers[::2], identifiers[1::2]
    indexes = [KnownIndex(first, [KEY, OTHER], in_files=in_files) for in_files in (False, True)]
    for known in (first, [*first, *late]):
        memory, files = indexes
        assert files.seen(text)[0] == memory.seen(text)[0]
        assert files.seen(text)[1] == memory.seen(text)[1]
        assert [files.registered(each) for each in identifiers] == [each in known for each in identifiers]
        for index in indexes:
            index.add(late)
    assert len(indexes[1].seen(text)[0]) == count // 5 * 4  # those that are not reversed
