"""What `curfewd fingerprint` accepts is found and masked however it is printed; it refuses and warns of the rest."""

import base64
import gzip
import hashlib
import hmac
import html
import io
import json
import random
import zlib
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.replay.fingerprint_command import SHORTEST_ENCODED, fingerprint
from detector.scan.known_credentials import KeyRing, KnownIndex
from detector.scan.leaks import Batch, LeakFinder, RecordAt
from detector.scan.redactor import Redactor
from detector.scan.sightings import NoPatterns
from detector.values.errors import InputError, UsageError
from detector.values.events import Identifier
from detector.values.registrable import MAX_LENGTH, refuse
from detector.values.secrets import DeploymentKey, Secret

KEY = "00" * 32
KEYS_IN_FORCE = (DeploymentKey.of(bytes(32)),)
CLEAR: dict[str, Callable[[str], str]] = {
    "alone": lambda secret: secret,
    "words": lambda secret: f"the token {secret} is new",
    "assignment": lambda secret: f"+ export CI_VALUE={secret}",
    "quoted": lambda secret: f'run "{secret}"; exit 3',
    "of a list": lambda secret: f"[step, {secret}]",
    "of a URL": lambda secret: f"https://ci:{secret}@git.acme.test/web.git",
    "element": lambda secret: f"<value>{secret}</value>",
    "lines": lambda secret: f"before\n{secret}\nbehind",
    "tabs": lambda secret: f"12:00:01\tINFO\t{secret}\tdone",
    "coloured": lambda secret: f"\x1b[32m{secret}\x1b[0m",
}
GLUED: dict[str, Callable[[str], str]] = {
    "a letter before": lambda secret: f"x{secret}",
    "a letter behind": lambda secret: f"{secret}x",
    "a word before": lambda secret: f"Authorization: Bearer{secret}",
    "an option": lambda secret: f"mysql -p{secret} -h db",
    "digits around": lambda secret: f"17{secret}42 17",
    "twice": lambda secret: f"{secret}{secret}",
    "of a file's name": lambda secret: f"/var/log/run-7e{secret}f0.log",
}
ENCODED: dict[str, Callable[[str], str]] = {
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 behind one": lambda secret: base64.b64encode(b":" + secret.encode()).decode(),
    "base64 behind two": lambda secret: base64.b64encode(b"u:" + secret.encode()).decode(),
    "base64url": lambda secret: base64.urlsafe_b64encode(b"k=" + secret.encode()).decode().rstrip("="),
    "base64 twice": lambda secret: base64.b64encode(base64.b64encode(secret.encode())).decode(),
    "hex": lambda secret: secret.encode().hex(),
    "HEX": lambda secret: secret.encode().hex().upper(),
    "gzip": lambda secret: base64.b64encode(gzip.compress(secret.encode(), mtime=0)).decode(),
    "zlib": lambda secret: base64.b64encode(zlib.compress(secret.encode())).decode(),
    "UTF-16": lambda secret: base64.b64encode(secret.encode("utf-16-le")).decode(),
    "JSON": lambda secret: json.dumps({"message": secret, "level": "info"}),
    "JSON of text": lambda secret: json.dumps({"message": secret}, ensure_ascii=False),
    "JSON in JSON": lambda secret: json.dumps({"log": json.dumps({"value": secret})}),
    "query": lambda secret: f"GET /cb?code={quote(secret, safe='')}&state=1",
    "HTML": lambda secret: f"<td>{html.escape(secret)}</td>",
}


OF_ASCII = (
    "base64",
    "base64 behind one",
    "base64 behind two",
    "base64url",
    "base64 twice",
    "hex",
    "HEX",
    "UTF-16",
)


def accepted(secret: str) -> bool:
    try:
        refuse(secret.encode())
    except InputError:
        return False
    return True


def long_enough(secret: str) -> bool:
    """Shorter text, encoded by itself, looks like any other word: docs/scanner.md says so, and a warning."""
    return len(secret.encode()) >= SHORTEST_ENCODED


WORDS = st.text("abcdefgh0123456789ABCDEF!#$%&'()*+,-./:;<=>?@[]^_`{|}~\"\\ \t", min_size=8, max_size=60)
LETTERS = st.text("éüßñ日本語鍵ab12 -_", min_size=8, max_size=30)
PASSPHRASES = st.lists(st.sampled_from(("correct", "horse", "battery", "staple", "pass")), min_size=3).map(
    " ".join
)
LONG = st.integers(500, MAX_LENGTH).map(
    lambda size: f"{random.Random(size).randbytes(size // 2).hex()}==:"[:size]
)
SECRETS = (WORDS | LETTERS | PASSPHRASES | LONG).filter(accepted)


def registered(data: bytes) -> list[Identifier]:
    """What is printed for a secret: a test below holds `fingerprint` to it."""
    return list(KeyRing(KEYS_IN_FORCE).identifiers(Secret(data)))


class Known:
    """Registers secrets as `curfewd fingerprint` prints them, and scans for them."""

    def __init__(self, identifiers: Iterable[Identifier]) -> None:
        self.identifiers = tuple(identifiers)
        self.index = KnownIndex(self.identifiers, KEYS_IN_FORCE)
        self.finder = LeakFinder(NoPatterns(), self.index, KEYS_IN_FORCE)

    def leaks(self, data: bytes) -> set[str]:
        """The fingerprints of those that were found."""
        batch = Batch("log", data, lambda _: RecordAt(0, len(data), "1"))
        wanted = {one.value for one in self.identifiers}
        return {
            one.value for leak in self.finder.find(batch) for one in leak.identifiers if one.value in wanted
        }

    def masked(self, data: bytes) -> bytes:
        """The text with its masks, by the fingerprints alone."""
        done = Redactor(NoPatterns(), self.index).masked(data)
        assert done is not None
        return done


@pytest.mark.parametrize("print_it", [*CLEAR.values(), *GLUED.values()], ids=[*CLEAR, *GLUED])
def test_an_accepted_secret_in_clear_is_found_and_nothing_but_it_is_masked(
    print_it: Callable[[str], str],
) -> None:
    @settings(max_examples=12, deadline=None)
    @given(SECRETS)
    def holds(secret: str) -> None:
        registry = Known(registered(secret.encode()))
        data = print_it(secret).encode()
        assert registry.leaks(data) == {registry.identifiers[0].value}
        mask = f"‹known-credential:{len(secret.encode())}›"
        assert registry.masked(data).decode() == print_it(secret).replace(secret, mask)

    holds()


@pytest.mark.parametrize("encoding", ENCODED)
def test_an_accepted_secret_is_found_in_every_encoding_with_and_without_glue(encoding: str) -> None:
    print_it = ENCODED[encoding]
    secrets = SECRETS.filter(long_enough)
    if encoding in OF_ASCII:
        secrets = secrets.filter(str.isascii)

    @settings(max_examples=12, deadline=None)
    @given(secrets, st.sampled_from(("%s", "x%s", "%sx", "-p%s", "value: %s;")))
    def holds(secret: str, glue: str) -> None:
        registry = Known(registered(secret.encode()))
        text = glue.replace("%s", secret)
        data = f"2026-05-01T10:00:00Z out {print_it(text)} done".encode()
        assert registry.leaks(data) == {registry.identifiers[0].value}
        done = registry.masked(data)
        assert b"known-credential" in done
        assert registry.leaks(done) == set()

    holds()


def key_block(lines: int) -> str:
    body = (base64.b64encode(random.Random(number).randbytes(48)).decode() for number in range(lines))
    return "\n".join(("-----BEGIN PRIVATE KEY-----", *body, "-----END PRIVATE KEY-----"))


@pytest.mark.parametrize(
    "print_it", [CLEAR[name] for name in ("alone", "words", "assignment", "quoted", "element", "lines")]
)
@pytest.mark.parametrize("lines", [1, 2, 30])
def test_a_secret_with_line_breaks_is_found_where_they_are_whole(
    print_it: Callable[[str], str], lines: int
) -> None:
    secret = key_block(lines)
    registry = Known(registered(secret.encode()))
    for data in (print_it(secret), json.dumps({"message": print_it(secret)})):
        assert registry.leaks(data.encode()) == {registry.identifiers[0].value}
        assert registry.leaks(registry.masked(data.encode())) == set()


@pytest.fixture
def printed(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., tuple[list[dict[str, object]], tuple[str, ...]]]:
    monkeypatch.setenv("CURFEWD_KEY", KEY)

    def of(
        secret: bytes, *, keep_newline: bool = False, force: bool = False
    ) -> tuple[list[dict[str, object]], tuple[str, ...]]:
        made = fingerprint(io.BytesIO(secret), None, keep_newline=keep_newline, force=force)
        return json.loads(made.text), made.warnings

    return of


Printed = Callable[..., tuple[list[dict[str, object]], tuple[str, ...]]]


def as_printed(secret: bytes) -> dict[str, object]:
    [one] = registered(secret)
    printed: dict[str, object] = {
        "scheme": one.scheme,
        "value": one.value,
        "length": one.length,
        "check": one.check,
    }
    beside = {"folded": one.folded, "shape": one.shape}
    return printed | {name: value for name, value in beside.items() if value is not None}


def test_a_generated_secret_of_both_cases_has_a_digest_without_its_case(printed: Printed) -> None:
    ([one], _) = printed(GENERATED)
    key = hmac.digest(bytes(32), b"curfewd/folded/v1", "sha256")
    assert one["folded"] == hmac.digest(key, GENERATED.lower(), "sha256").hex()
    for secret in (GENERATED.lower(), GENERATED.upper(), b"MyServiceAccountOfToday", b"aB1aB1aB1aB1aB1aB1"):
        ([one], _) = printed(secret)
        assert "folded" not in one, secret


@pytest.mark.parametrize(
    ("secret", "shape"),
    [
        (b"aB3dE5gH7jK9mN1pQ4sT", "mixed"),
        (b"aBcDe+/=0123", "mixed"),
        (b"Abcdefg0123", "unbroken"),
        (b"0123456789abcdef", "unbroken"),
        (b"correct horse Battery", None),
        (b'quoted"inMiddle', None),
    ],
)
def test_the_shape_of_a_secret_is_printed(secret: bytes, shape: str | None, printed: Printed) -> None:
    ([one], _) = printed(secret)
    assert one.get("shape") == shape


def test_one_newline_is_no_part_of_the_secret_unless_it_is_said_to_be(printed: Printed) -> None:
    plain = as_printed(b"a made-up secret")
    for data in (b"a made-up secret", b"a made-up secret\n", b"a made-up secret\r\n"):
        assert printed(data) == ([plain], ())
    assert printed(b"a made-up secret\n", keep_newline=True) == (
        [as_printed(b"a made-up secret\n"), plain],
        (),
    )
    assert printed(b"a made-up secret", keep_newline=True) == ([plain], ())


@pytest.mark.parametrize("print_it", CLEAR.values(), ids=CLEAR)
def test_a_secret_with_its_newline_is_found_on_the_last_line_too(print_it: Callable[[str], str]) -> None:
    registry = Known([*registered(b"a made-up secret\n"), *registered(b"a made-up secret")])
    assert registry.leaks(print_it("a made-up secret").encode()) != set()
    assert b"made-up" not in registry.masked(print_it("a made-up secret\n").encode())


@pytest.mark.parametrize(
    ("secret", "says"),
    [
        (b"a made-up secret\n\n", "still ends in a line break"),
        (b" a made-up secret", "begins or ends with white space"),
        (b"a made-up secret\t\n", "begins or ends with white space"),
        (b"a made-up secret\nof two lines", "has line breaks in it"),
        (b"only-8ch", "fewer than 16 bytes"),
        ("a schön secret indeed".encode(), "beyond ASCII"),
    ],
)
def test_it_warns_of_what_may_not_be_meant_or_not_be_found_everywhere(
    printed: Printed, secret: bytes, says: str
) -> None:
    identifiers, warnings = printed(secret)
    assert identifiers == [as_printed(secret.removesuffix(b"\n"))]
    assert [warning for warning in warnings if says in warning]
    assert not [warning for warning in warnings if secret.decode().strip() in warning]


@pytest.mark.parametrize(
    ("secret", "says"),
    [
        (b"", "nothing was read"),
        (b"\r\n", "nothing was read"),
        (b"7 bytes", "the minimum is 8"),
        (b"x" * 8, "one character over and over"),
        (b" \t \t \t \t \n\n\r\n", "one character over and over"),
        (b"a made-up secret\xff", "UTF-8"),
        (b"a made-up\x00secret", "control characters"),
        (bytes(range(65, 91)) * 631, "more than 16,384 bytes"),
    ],
)
def test_it_refuses_what_no_scan_would_find_or_tell_from_ordinary_text(
    printed: Printed, secret: bytes, says: str
) -> None:
    with pytest.raises(InputError, match=says) as caught:
        printed(secret)
    assert "made-up" not in str(caught.value)


@pytest.mark.parametrize("secret", ["changeme", "Password", "PRODUCTION", "123456789012345", "königsweg"])
def test_it_refuses_a_word_or_a_number_unless_it_is_told_to(printed: Printed, secret: str) -> None:
    with pytest.raises(InputError, match=r"appears in logs by chance.*--force") as caught:
        printed(secret.encode())
    assert secret not in str(caught.value)
    identifiers, _ = printed(secret.encode(), force=True)
    assert identifiers == [as_printed(secret.encode())]


@pytest.mark.parametrize("secret", ["change-me", "PassWord", "passw0rd", "a" * 15 + "b", "1234567890123456"])
def test_it_takes_what_is_no_word_and_no_number(printed: Printed, secret: str) -> None:
    assert printed(secret.encode())[0] == [as_printed(secret.encode())]


@pytest.mark.parametrize("secret", [b"", b"7 bytes", b"x" * 8])
def test_what_could_not_be_found_is_refused_by_force_too(printed: Printed, secret: bytes) -> None:
    with pytest.raises(InputError):
        printed(secret, force=True)


def test_the_longest_secret_is_found(printed: Printed) -> None:
    longest = (bytes(range(65, 91)) * 631)[:MAX_LENGTH]
    assert printed(longest)[0] == [as_printed(longest)]
    registry = Known(registered(longest))
    assert registry.leaks(b"x" * 300_000 + longest + b"x") == {registry.identifiers[0].value}


GENERATED = b"ghs_q7Rm2VtXb9KdYw4Lz8HnPc3Js6Fg1A1A7qVz"


def hashed(
    token: bytes, *, key: str | None = KEY, monkeypatch: pytest.MonkeyPatch
) -> tuple[Any, tuple[str, ...]]:
    if key is None:
        monkeypatch.delenv("CURFEWD_KEY", raising=False)
    else:
        monkeypatch.setenv("CURFEWD_KEY", key)
    made = fingerprint(io.BytesIO(token), None, sha256=True)
    return json.loads(made.text), made.warnings


def test_the_sha256_of_a_generated_token_is_printed_beside_its_hmac(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = {"scheme": "sha256", "value": hashlib.sha256(GENERATED).hexdigest(), "length": 40}
    identifiers, warnings = hashed(GENERATED + b"\n", monkeypatch=monkeypatch)
    assert identifiers == [as_printed(GENERATED), plain]
    assert warnings == ()


def test_the_sha256_alone_needs_no_deployment_key_and_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    identifiers, (warning,) = hashed(GENERATED, key=None, monkeypatch=monkeypatch)
    assert [one["scheme"] for one in identifiers] == ["sha256"]
    assert "no deployment key" in warning
    index = KnownIndex([Identifier(**identifiers[0])], ())
    finder = LeakFinder(NoPatterns(), index, ())
    data = b"+ curl -H 'Authorization: Bearer " + GENERATED + b"' https://api.example"
    (leak,) = finder.find(Batch("log", data, lambda _: RecordAt(0, len(data), "1")))
    assert identifiers[0]["value"] in {one.value for one in leak.identifiers}


@pytest.mark.parametrize(
    "secret",
    [
        b"correct horse battery staple",
        b"summer-2026-password"[:19],
        b"aaaaaaaaaaaaaaaaaaaaaaaa1",
        b"ghs_q7Rm2VtXb9KdYw4Lz8HnPc3Js6Fg1{A1A7qVz}",
        "ghs_q7Rm2VtXb9KdYw4Lz8HnPc3Js6Fg1ü".encode(),
    ],
    ids=["a passphrase", "short", "repeated", "braces", "beyond ASCII"],
)
@pytest.mark.parametrize("key", [KEY, None], ids=["key", "no key"])
def test_the_sha256_of_what_can_be_guessed_or_is_not_found_is_refused(
    secret: bytes, key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"a SHA-256 is for generated tokens.*leave --sha256 out") as caught:
        hashed(secret, key=key, monkeypatch=monkeypatch)
    assert secret.decode() not in str(caught.value)


def test_without_a_key_and_without_sha256_it_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CURFEWD_KEY", raising=False)
    with pytest.raises(UsageError, match="no deployment key"):
        fingerprint(io.BytesIO(GENERATED), None)


def test_a_public_identifier_has_no_sha256(monkeypatch: pytest.MonkeyPatch) -> None:
    identifiers, (warning,) = hashed(b"ASIATV3JKY2VLQT2O7WP", key=None, monkeypatch=monkeypatch)
    assert [one["scheme"] for one in identifiers] == ["aws-access-key-id"]
    assert "public identifier" in warning
