"""One leak for each record and secret, its place, its identifiers, and an excerpt that shows no secret."""

import base64
import gzip
import json
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.patterns.pattern import Pattern
from detector.scan.known_credentials import KeyRing, KnownIndex
from detector.scan.leaks import UNKNOWN_TIME, Batch, LeakFinder, RecordAt
from detector.scan.redactor import Redactor
from detector.scan.scanner import PatternScanner
from detector.values.events import Identifier, Leak
from detector.values.findings import Severity
from detector.values.secrets import DeploymentKey, Secret, sha256_hex

KEY = DeploymentKey.of(bytes(range(32)), "k1")
OTHER = DeploymentKey.of(bytes(range(32, 64)), "k2")
VENDOR = Pattern(
    id="vendor-token",
    name="Vendor token",
    regex=r"\b(?P<secret>vnd_[A-Za-z0-9]{12})\b",
    severity=Severity.CRITICAL,
    keywords=("vnd_",),
    placeholder_ok=True,
)
URL = Pattern(
    id="url-password",
    name="Password in a URL",
    regex=r"https?://[^/\s:@]+:(?P<secret>[^/\s:@]{3,80})@",
    severity=Severity.HIGH,
    keywords=("://",),
    placeholder_ok=True,
)
GENERIC = Pattern(
    id="generic-password",
    name="A password",
    regex=r"password=(?P<secret>[^\s;&]{4,80})",
    severity=Severity.MEDIUM,
    keywords=("password",),
    generic=True,
    placeholder_ok=True,
)
KEY_ID = Pattern(
    id="aws-key-id",
    name="AWS access key id",
    regex=r"\b(?P<secret>AKIA[A-Z0-9]{16})\b",
    severity=Severity.LOW,
    keywords=("akia",),
    identifier="aws-access-key-id",
    placeholder_ok=True,
)
BLOCK = Pattern(
    id="private-key",
    name="A private key",
    regex=r"(?P<secret>-----BEGIN KEY-----\n(?:[A-Za-z0-9+/]+\n){1,200}-----END KEY-----)",
    severity=Severity.CRITICAL,
    keywords=("begin key",),
    multiline=True,
    placeholder_ok=True,
)
SCANNER = PatternScanner([VENDOR, URL, GENERIC, KEY_ID, BLOCK])
TOKEN = b"vnd_8Zk2Qw9Lm4Tx"
KNOWN = b"s3cr~t/of+task-0042="


def lines(data: bytes) -> Callable[[int], RecordAt]:
    def locate(offset: int) -> RecordAt:
        start = data.rfind(b"\n", 0, offset) + 1
        end = data.find(b"\n", offset)
        number = data.count(b"\n", 0, offset) + 1
        return RecordAt(start, len(data) if end < 0 else end, str(number), time=number * 10, line=number)

    return locate


def find(
    data: bytes, registered: Sequence[Identifier] = (), keys: Sequence[DeploymentKey] = (KEY,)
) -> list[Leak]:
    return LeakFinder(SCANNER, KnownIndex(registered, keys), keys).find(Batch("app.log", data, lines(data)))


def hmac(secret: bytes) -> Identifier:
    return KeyRing([KEY]).identifiers(Secret(secret))[0]


def test_a_line_that_goes_on_with_that_of_another_task_has_its_own_leaks() -> None:
    """Both are decoded as one text that is wrapped, twice: the digits of both are one run then."""
    twice = base64.b64encode(base64.b64encode(b"the token is " + TOKEN + b", it says"))
    above = base64.b64encode(b"Words" * 15 + b"0123456789+/" * 2)[: len(twice) // 4 * 4 + 8]
    data = b"first\n" + above + b"\n" + twice + b"\nlast"
    [leak] = find(data)
    assert (leak.id, leak.line, leak.encodings) == ("3", 3, ("base64", "base64"))
    assert leak.excerpt == "‹vendor-token:16›"
    masked = Redactor(SCANNER).masked(data)
    assert masked is not None
    assert b"last" in masked
    assert twice[:20] not in masked


def test_a_leak_says_where_it_was_and_shows_the_text_around_it() -> None:
    [leak] = find(b"nothing here\nexport TOKEN=" + TOKEN + b" # for the deploy\nnothing")
    assert (leak.source, leak.id, leak.line, leak.time) == ("app.log", "2", 2, 20)
    assert leak.excerpt == "export TOKEN=‹vendor-token:16› # for the deploy"
    assert (leak.pattern, leak.severity, leak.encodings) == ("vendor-token", 5, ())
    assert leak.fingerprint == KEY.fingerprint(Secret(TOKEN))


def test_nothing_is_located_where_nothing_is_found() -> None:
    def never(offset: int) -> RecordAt:
        raise AssertionError(offset)

    finder = LeakFinder(SCANNER, KnownIndex([hmac(KNOWN)], [KEY]), [KEY])
    assert finder.find(Batch("app.log", b"a quiet line\n" * 100, never)) == []


def test_a_record_without_a_time_says_so() -> None:
    finder = LeakFinder(SCANNER, KnownIndex(), [])
    [leak] = finder.find(Batch("s", TOKEN, lambda _: RecordAt(0, len(TOKEN), "1")))
    assert leak.time == UNKNOWN_TIME < 0


def test_a_record_may_end_behind_the_text_that_is_searched() -> None:
    finder = LeakFinder(SCANNER, KnownIndex(), [])
    [leak] = finder.find(Batch("s", TOKEN, lambda _: RecordAt(0, 1 << 40, "1")))
    assert leak.pattern == "vendor-token"


def test_one_secret_is_one_leak_of_a_record_and_another_record_has_its_own() -> None:
    data = b"%s %s\n%s" % (TOKEN, TOKEN, TOKEN)
    assert [(leak.line, leak.excerpt) for leak in find(data)] == [
        (1, "‹vendor-token:16› ‹vendor-token:16›"),
        (2, "‹vendor-token:16›"),
    ]


def test_a_registered_secret_is_found_without_a_pattern_with_all_its_identifiers() -> None:
    [leak] = find(b"Authorization: token=%s;" % KNOWN, [hmac(KNOWN)], [KEY, OTHER])
    assert (leak.pattern, leak.severity) == (None, None)
    assert leak.excerpt == "Authorization: token=‹known-credential:20›;"
    secret = Secret(KNOWN)
    assert [(one.scheme, one.value, one.key_id) for one in leak.identifiers] == [
        ("hmac-sha256", KEY.fingerprint(secret), "k1"),
        ("hmac-sha256", OTHER.fingerprint(secret), "k2"),
        ("sha256", sha256_hex(secret), None),
    ]


def test_a_pattern_and_a_fingerprint_that_see_one_secret_are_one_leak() -> None:
    for identifier in (hmac(TOKEN), Identifier("sha256", sha256_hex(Secret(TOKEN)))):
        [leak] = find(b"t=" + TOKEN, [identifier])
        assert leak.pattern == "vendor-token"
        assert identifier.value in {one.value for one in leak.identifiers}


@pytest.mark.parametrize("registered", [True, False])
@pytest.mark.parametrize("encode", [bytes, base64.b64encode, lambda text: text.hex().encode()])
def test_a_public_identifier_is_no_leak_and_is_not_masked(
    encode: Callable[[bytes], bytes], *, registered: bool
) -> None:
    identifiers = [Identifier("aws-access-key-id", "AKIAZ3XW7Q4LM5N6P7R2")] if registered else []
    data = encode(b"AWS_ACCESS_KEY_ID=AKIAZ3XW7Q4LM5N6P7R2 for the job")
    assert SCANNER.scan(b"id: AKIAZ3XW7Q4LM5N6P7R2") != []
    assert find(data, identifiers) == []
    assert Redactor(SCANNER, KnownIndex(identifiers, [KEY])).masked(data) == data


def test_what_only_overlaps_a_registered_secret_is_not_reported_beside_it() -> None:
    password = b"pre-" + KNOWN.replace(b"/", b".")
    inner = password[4:]
    [leak] = find(b"https://u:%s@host/" % password, [hmac(inner)])
    assert (leak.pattern, leak.fingerprint) == (None, KEY.fingerprint(Secret(inner)))
    assert leak.excerpt == "https://u:‹known-credential:20›@host/"
    longer = TOKEN + b".signature"
    [leak] = find(b"t=" + longer, [hmac(longer)])
    assert (leak.pattern, leak.excerpt) == (None, "t=‹known-credential:26›")


def test_two_registered_secrets_of_which_one_contains_the_other_are_two_leaks() -> None:
    outer, inner = b"team-a:inner-secret-1", b"inner-secret-1"
    leaks = find(b"auth " + outer, [hmac(outer), hmac(inner)])
    assert {leak.fingerprint for leak in leaks} == {KEY.fingerprint(Secret(one)) for one in (outer, inner)}
    assert {leak.excerpt for leak in leaks} == {"auth ‹known-credential:21›"}


def test_a_generic_pattern_gives_way_to_a_better_one_inside_an_encoding() -> None:
    encoded = base64.b64encode(b"user:" + TOKEN)
    [leak] = find(b"password=" + encoded)
    assert (leak.pattern, leak.encodings) == ("vendor-token", ("base64",))
    assert leak.excerpt == "password=‹vendor-token:16›"


@pytest.mark.parametrize("registered", [[], [hmac(TOKEN)]])
def test_an_encoded_secret_is_a_leak_that_names_the_encoding_and_masks_the_whole_run(
    registered: list[Identifier],
) -> None:
    encoded = base64.b64encode(b"user:" + TOKEN)
    [leak] = find(b"Basic " + encoded + b" sent", registered)
    assert (leak.encodings, leak.excerpt) == (("base64",), "Basic ‹vendor-token:16› sent")
    nested = json.dumps({"k": encoded.hex()}).encode()
    [leak] = find(nested, registered)
    assert leak.encodings == ("hex", "base64")


def test_seen_in_clear_and_encoded_is_one_leak_in_clear() -> None:
    encoded = base64.b64encode(b"user:" + TOKEN)
    [leak] = find(encoded + b" is " + TOKEN)
    assert leak.encodings == ()
    assert leak.excerpt == "‹vendor-token:16› is ‹vendor-token:16›"


def test_the_quote_that_json_escapes_makes_no_second_leak() -> None:
    leaks = find(b'{"msg":"{\\"url\\":\\"password=hunter2\\"}"}')
    assert len(leaks) == 1


def test_a_key_over_many_lines_belongs_to_the_first_and_shows_in_no_excerpt() -> None:
    body = b"\n".join([b"MIIabcdefghijklmnop", TOKEN[:3] + b"1234567890"])
    data = b"a\nkey: -----BEGIN KEY-----\n" + body + b"\n-----END KEY----- " + TOKEN + b"\nb"
    first, second = find(data)
    assert (first.line, first.pattern, second.line) == (2, "private-key", 5)
    length = data.index(b" " + TOKEN) - data.index(b"-----BEGIN")
    assert first.excerpt == f"key: ‹private-key:{length}›"
    assert second.excerpt == f"‹private-key:{length}› ‹vendor-token:16›"


def test_an_excerpt_is_short_visible_and_stays_within_its_record() -> None:
    data = b"before\n" + b"x" * 500 + b"\x1b[31m\xff " + TOKEN + b"\t" + "é".encode() * 500 + b"\nafter"
    [leak] = find(data)
    left, right = leak.excerpt.split("‹vendor-token:16›")
    assert left == "x" * (80 - len("\\x1b[31m� ")) + "\\x1b[31m� "
    assert right == "\\t" + "é" * 78


def test_the_same_bytes_glued_to_others_are_masked_too() -> None:
    [leak] = find(b"%s and x%sx" % (TOKEN, TOKEN))
    assert leak.excerpt == "‹vendor-token:16› and x‹vendor-token:16›x"


def test_without_a_key_one_secret_has_one_name_in_the_process() -> None:
    fallback = DeploymentKey.of(b"r" * 32)
    finder = LeakFinder(SCANNER, KnownIndex(), [], fallback)
    leaks = finder.find(Batch("a", TOKEN + b"\n" + TOKEN, lines(TOKEN + b"\n" + TOKEN)))
    assert {leak.fingerprint for leak in leaks} == {fallback.fingerprint(Secret(TOKEN))}
    assert all(one.scheme != "hmac-sha256" for leak in leaks for one in leak.identifiers)
    assert len({leak.fingerprint for _ in range(2) for leak in find(TOKEN, keys=[])}) == 2


def test_a_line_of_thousands_of_secrets_stays_linear_and_shows_none() -> None:
    tokens = [b"vnd_%012d" % number for number in range(3000)]
    leaks = find(b" ".join(tokens))
    assert len(leaks) == 3000
    assert {leak.excerpt for leak in leaks} == {"‹vendor-token:16›"}


def test_a_finder_tells_nothing_of_a_secret_in_its_repr() -> None:
    [leak] = find(b"t=" + TOKEN)
    assert TOKEN.decode() not in repr(leak)


secrets = st.one_of(
    st.from_regex(rb"vnd_[A-Za-z0-9]{12}", fullmatch=True),
    st.from_regex(rb"[A-Za-z0-9+/=_~-]{8,30}", fullmatch=True),
)
hide: dict[str, Callable[[bytes], bytes]] = {
    "clear": bytes,
    "base64": base64.b64encode,
    "base64 inside": lambda secret: base64.b64encode(b"k:" + secret + b"\n").rstrip(b"="),
    "hex": lambda secret: (b"key = " + secret + b" !").hex().encode(),
    "escaped": lambda secret: json.dumps(secret.decode()).encode(),
    "percent": lambda secret: b"".join(b"%%%02x" % byte for byte in secret),
    "ansi": lambda secret: secret[:3] + b"\x1b[1m" + secret[3:],
}
noise = st.one_of(st.text(alphabet='ab :="\n;\té‹', max_size=12).map(str.encode), st.binary(max_size=6))


@st.composite
def texts(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    chosen = draw(st.lists(secrets, min_size=1, max_size=3))
    parts = [draw(noise)]
    for _ in range(draw(st.integers(1, 6))):
        parts += [hide[draw(st.sampled_from(sorted(hide)))](draw(st.sampled_from(chosen))), draw(noise)]
    return b"".join(parts), chosen


@settings(max_examples=150, deadline=None)
@given(texts())
def test_no_recognised_secret_survives_in_an_excerpt(drawn: tuple[bytes, list[bytes]]) -> None:
    data, chosen = drawn
    leaks = find(data, [hmac(secret) for secret in chosen])
    by_record: dict[str, set[str]] = {}
    for leak in leaks:
        by_record.setdefault(leak.id, set()).add(leak.fingerprint)
    for leak in leaks:
        assert len(by_record[leak.id]) == sum(other.id == leak.id for other in leaks)
        for secret in chosen:
            if KEY.fingerprint(Secret(secret)) in by_record[leak.id]:
                assert secret.decode() not in leak.excerpt
                assert hide["base64"](secret).decode() not in leak.excerpt


@settings(max_examples=150, deadline=None)
@given(texts())
def test_redaction_leaves_nothing_that_the_scanner_or_the_index_knows(
    drawn: tuple[bytes, list[bytes]],
) -> None:
    data, chosen = drawn
    known = KnownIndex([hmac(secret) for secret in chosen], [KEY])
    clean = Redactor(SCANNER, known).clean(data.decode("utf-8", "replace"))
    assert LeakFinder(SCANNER, known, [KEY]).find(Batch("a", clean.encode(), lines(clean.encode()))) == []


@settings(max_examples=40, deadline=None)
@given(st.lists(texts(), max_size=4))
def test_texts_that_are_cleaned_together_are_cleaned_as_each(drawn: list[tuple[bytes, list[bytes]]]) -> None:
    known = KnownIndex([hmac(secret) for _, chosen in drawn for secret in chosen[:1]], [KEY])
    some = [data.decode("utf-8", "replace") for data, _ in drawn]
    alone = {text: Redactor(SCANNER, known).clean(text) for text in some}
    redactor = Redactor(SCANNER, known)
    for _ in range(2):
        assert {text: text for text in some} | redactor.cleaned(some) == alone


@pytest.mark.parametrize("clean", [Redactor.clean, lambda redactor, text: redactor.cleaned([text])[text]])
def test_a_text_that_is_not_examined_whole_is_not_shown(clean: Callable[[Redactor, str], str]) -> None:
    packed = base64.b64encode(gzip.compress(b" " * (48 << 20) + b"token=" + KNOWN, 9)).decode()
    shown = clean(Redactor(SCANNER), f"see {packed} there")
    assert shown == f"‹unexamined:decoding:{len(packed) + 10}›"


def test_texts_that_showed_nothing_are_searched_again_once_more_is_registered() -> None:
    known = KnownIndex([], [KEY])
    redactor = Redactor(SCANNER, known)
    text = f"token={KNOWN.decode()} for nobody"
    assert redactor.cleaned([text, "nothing"]) == {}
    version = known.version
    known.add([hmac(KNOWN)])
    redactor.remember([text], version)  # a search that began before
    assert redactor.cleaned([text, "nothing"]) == {text: "token=‹known-credential:20› for nobody"}
    assert redactor.clean(text) == "token=‹known-credential:20› for nobody"


def test_redaction_keeps_clean_text_and_sees_what_was_registered_since() -> None:
    known = KnownIndex([], [KEY])
    redactor = Redactor(SCANNER, known)
    text = f"token={KNOWN.decode()} for nobody"
    assert redactor.clean(text) == text
    assert redactor.clean(text) == text
    known.add([hmac(KNOWN)])
    assert redactor.clean(text) == "token=‹known-credential:20› for nobody"
    assert Redactor(SCANNER).clean(f"x {TOKEN.decode()} y") == "x ‹vendor-token:16› y"
