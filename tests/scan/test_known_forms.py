"""Registered secrets are found in other forms: reversed, in rot13, in another case, one character short."""

import base64
import codecs
import hashlib
import string
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from detector.scan.known_credentials import HMAC, KeyRing, KnownIndex
from detector.scan.leaks import Batch, LeakFinder, RecordAt
from detector.scan.scanner import Match
from detector.values.events import Identifier
from detector.values.secrets import DeploymentKey, Secret

KEY = DeploymentKey.of(bytes(range(32)), "k1")
OTHER = DeploymentKey.of(bytes(range(32, 64)), "k2")
SECRET = b"tok_7Hq2xLw9ZpB5nKd4YcJmR8vTs3"


def rot13(text: bytes) -> bytes:
    return codecs.encode(text.decode(), "rot13").encode()


def reverse(text: bytes) -> bytes:
    return text[::-1]


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "reversed": reverse,
    "rot13": rot13,
    "upper-case": bytes.upper,
    "lower-case": bytes.lower,
    "swapped-case": bytes.swapcase,
    "without-last": lambda text: text[:-1],
    "without-first": lambda text: text[1:],
}
AROUND = (
    b"%s",
    b"token=%s;",
    b'{"token":"%s"}',
    b"GET /hook/%s?x=1 HTTP/1.1",
    b"the token is %s.",
    b"[%s]",
    b"a\n%s\nb",
    b"https://u:%s@host/",
)


def registered(secret: bytes, key: DeploymentKey = KEY) -> Identifier:
    return KeyRing([key]).identifiers(Secret(secret))[0]


class Nothing:
    def scan(self, data: bytes, *, generic: bool = True) -> list[Match]:
        del data, generic
        return []


def leaks(index: KnownIndex, data: bytes) -> list[tuple[str, ...]]:
    finder = LeakFinder(Nothing(), index, [KEY])
    found = finder.find(Batch("test", data, lambda _: RecordAt(0, len(data), "0")))
    for leak in found:
        assert any(each.value == registered(SECRET).value for each in leak.identifiers)
    return [leak.encodings for leak in found]


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("name", FORMS)
def test_a_registered_secret_is_found_in_each_form(name: str, around: bytes) -> None:
    index = KnownIndex([registered(SECRET)], [KEY])
    text = FORMS[name](SECRET)
    data = around % text
    (one,) = index.seen(data)[1]
    assert data[one.start : one.end] == text
    assert one.form == name
    assert leaks(index, data) == [(name,)]
    redactor = LeakFinder(Nothing(), index, [KEY]).redactor
    masked = redactor.masked(data)
    assert masked is not None
    assert text not in masked


def test_a_blank_after_the_first_character_hides_no_secret() -> None:
    index = KnownIndex([registered(SECRET)], [KEY])
    assert leaks(index, b"t " + SECRET[1:]) == [("without-first",)]
    redactor = LeakFinder(Nothing(), index, [KEY]).redactor
    assert redactor.clean(f"it is: t {SECRET[1:].decode()}") == "it is: ‹known-credential:30›"
    assert redactor.clean(f"{SECRET[:-1].decode()} 3;") == "‹known-credential:30›;"


def test_in_one_case_a_secret_of_one_case_needs_nothing_registered() -> None:
    secret = b"9f2c01ab77de4410c3b5a6e8d9f00b1c"
    one = registered(secret)
    assert one.folded is None
    (found,) = KnownIndex([one], [KEY]).seen(b"id=" + secret.upper())[1]
    assert (found.form, found.value, found.owners) == ("upper-case", secret, ())


@pytest.mark.parametrize("name", ["reversed", "rot13", "swapped-case", "without-last", "without-first"])
def test_what_is_registered_by_length_and_check_alone_is_found_in_forms(name: str) -> None:
    full = registered(SECRET)
    index = KnownIndex([Identifier(HMAC, full.value, full.length, full.check)], [KEY])
    (found,) = index.seen(b"x=" + FORMS[name](SECRET))[1]
    assert (found.form, found.value) == (name, SECRET)


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("name", ["reversed", "rot13", "swapped-case"])
def test_what_is_registered_by_sha256_and_length_is_found_in_forms(name: str, around: bytes) -> None:
    plain = Identifier("sha256", hashlib.sha256(SECRET).hexdigest(), len(SECRET))
    other = Identifier("sha256", hashlib.sha256(b"another").hexdigest(), len(SECRET) - 1)
    index = KnownIndex([plain, other])
    text = around.replace(b"%s", FORMS[name](SECRET))
    assert [(one.value, one.form) for one in index.seen(text)[1]] == [(SECRET, name)]
    assert index.seen(b" ".join([text] * 40))[1][39].value == SECRET
    encoded = base64.b64encode(b"it says " + text)
    found = LeakFinder(Nothing(), index, []).find(
        Batch("test", encoded, lambda _: RecordAt(0, len(encoded), "0"))
    )
    assert [leak.encodings for leak in found] == [("base64", name)]


def test_a_form_in_an_encoding_is_found() -> None:
    index = KnownIndex([registered(SECRET)], [KEY])
    data = b"x = " + (b"token: " + SECRET[::-1] + b" and more text").hex().encode()
    assert leaks(index, data) == [("hex", "reversed")]


def test_under_each_key_in_force_a_secret_is_found_without_its_case() -> None:
    index = KnownIndex([registered(SECRET, OTHER)], [KEY, OTHER])
    (found,) = index.seen(b"x=" + SECRET.upper())[1]
    assert found.owners == (Identifier(HMAC, OTHER.fingerprint(Secret(SECRET)), len(SECRET), None, "k2"),)


@pytest.mark.parametrize("name", ["upper-case", "lower-case"])
def test_without_its_case_a_secret_belongs_to_all_who_registered_it_under_any_key(name: str) -> None:
    both = KeyRing([KEY, OTHER]).identifiers(Secret(SECRET))
    keyed = tuple(Identifier(HMAC, one.value, one.length, None, one.key_id) for one in both)
    data, index = b"x=" + FORMS[name](SECRET), KnownIndex(both, [KEY, OTHER])
    (found,) = index.seen(data)[1]
    assert found.owners == keyed
    batch = Batch("test", data, lambda _: RecordAt(0, len(data), "0"))
    (leak,) = LeakFinder(Nothing(), index, [KEY, OTHER]).find(batch)
    assert leak.identifiers == keyed


def test_forms_can_be_switched_off() -> None:
    index = KnownIndex([registered(SECRET)], [KEY], forms=False)
    assert not any(index.seen(make(SECRET))[1] for make in FORMS.values())


def test_what_is_added_later_is_found_too() -> None:
    index = KnownIndex((), [KEY])
    index.add([registered(SECRET)])
    assert [one.form for one in index.seen(SECRET.lower())[1]] == ["lower-case"]


def test_the_secret_in_clear_is_in_no_form() -> None:
    palindrome = b"q7Hw2Lx9Zp55pZ9xL2wH7q"
    index = KnownIndex([registered(SECRET), registered(palindrome)], [KEY])
    assert not index.seen(b"a=%s b=%s" % (SECRET, palindrome))[1]


@pytest.mark.parametrize(
    "secret", [b"Production-Deploy-Key", b"changeme-please-now", b"Correct-Horse-Battery1"]
)
def test_words_in_another_case_are_no_secret(secret: bytes) -> None:
    index = KnownIndex([registered(secret)], [KEY])
    for text in (secret.upper(), secret.lower(), secret.swapcase()):
        assert text == secret or not index.seen(b"deploying %s now" % text)[1]


@pytest.mark.parametrize(
    "secret",
    [
        b"correct-horse-battery-staple",
        b"4929130872217755012",
        b"qhtzkwmxvbnplrsdfgjc",
        b"2026-11-24T22:20:53",
    ],
)
def test_words_and_numbers_are_tried_in_no_form(secret: bytes) -> None:
    index = KnownIndex([registered(secret)], [KEY])
    assert index.seen(secret)[0]
    assert not any(index.seen(b" %s " % make(secret))[1] for make in FORMS.values())


def test_each_of_many_in_another_case_is_found_among_others_that_differ_in_one_character() -> None:
    index = KnownIndex([registered(SECRET)], [KEY])
    lower = SECRET.lower()
    others = [lower[:at] + b"u" + lower[at + 1 :] for at in range(4, len(lower))]
    text = b"".join(b"%s\n%s\n%s\n" % (lower, other, lower.upper()) for other in others)
    found = index.seen(text)[1]
    assert [one.value for one in found] == [lower, lower.upper()] * len(others)
    assert {text[one.start : one.end] for one in found} == {lower, lower.upper()}


def test_three_turns_are_enough() -> None:
    secret = b"k3aaaaaaaaaaaaaaB"
    index = KnownIndex([registered(secret)], [KEY])
    assert [one.form for one in index.seen(secret.swapcase())[1]] == []
    assert [one.form for one in index.seen(rot13(secret))[1]] == ["rot13"]


def test_a_password_of_many_signs_is_found_without_its_last_character() -> None:
    secret = b"ZwT*H.Qxi*Tz~@iH5&=nIr8-"
    index = KnownIndex([registered(secret)], [KEY])
    assert [one.form for one in index.seen(b"it is %s\n" % secret[:-1])[1]] == ["without-last"]


@pytest.mark.parametrize("unit", [b":=!/", b"a1B:", b"a1Bz2c3:", b"a1B2" + 300 * b"/"])
def test_a_secret_is_found_among_lines_of_signs(unit: bytes) -> None:
    """Where more boundaries than lengths stand: there the lengths are tried, and elsewhere the boundaries."""
    others = [registered((b"%d" % n + SECRET * 40)[:n]) for n in range(17, 900, 45)]
    index = KnownIndex([registered(SECRET), *others], [KEY])
    noise = unit * (5000 // len(unit))
    data = noise + b" " + SECRET[::-1] + b" " + noise + b"/" + rot13(SECRET) + b"/" + noise
    assert [one.form for one in index.seen(data)[1] if one.value == SECRET] == ["reversed", "rot13"]


@pytest.mark.parametrize("around", [b" %s ", b"=%s&", b"'%s'", b"/%s/", b"\n%s\n"])
@pytest.mark.parametrize("name", ["reversed", "swapped-case", "without-last"])
def test_where_boundaries_are_dense_a_secret_is_found_where_words_part(around: bytes, name: str) -> None:
    index = KnownIndex([registered(SECRET)], [KEY])
    noise = base64.b85encode(bytes(range(256)) * 20)
    data = noise + around % FORMS[name](SECRET) + noise
    assert [one.form for one in index.seen(data)[1]] == [name]


_PIECES = st.tuples(
    st.text(string.ascii_letters + string.digits, min_size=8, max_size=12),
    st.sampled_from(["", *"-_+/=.~!@#$%^&*?:"]),
)
# Digits and letters of both cases, one sign in eight characters at most.
_TOKENS = st.lists(_PIECES, min_size=2, max_size=6).map(lambda parts: "a1Bz2b" + "".join(map("".join, parts)))
_SURROUNDINGS = st.binary(max_size=200)
_ENDS = (string.ascii_letters + string.digits + "-_+/=.~").encode()  # characters that are found missing


@given(_TOKENS, st.sampled_from([*FORMS]), _SURROUNDINGS, _SURROUNDINGS)
@example("a1Bz2b000000000000000S", "without-last", b"", b"S")
@settings(max_examples=300)
def test_forms_are_found_in_arbitrary_text(token: str, name: str, before: bytes, after: bytes) -> None:
    secret = token.encode()
    one = registered(secret)
    assume(one.folded is not None or name not in ("upper-case", "lower-case"))
    form = FORMS[name](secret)
    missing = secret[-1:] if name == "without-last" else secret[:1]
    assume(form != secret and (not name.startswith("without") or missing in _ENDS))
    index = KnownIndex([one], [KEY])
    data = before + b" " + form + b" " + after
    place = len(before) + 1
    found = index.seen(data)[1]
    # The character on the other side of a blank may be the one that is missing.
    ends = place + len(form)
    assert any(each.end in (ends, ends + 2) and each.start in (place, place - 2) for each in found)
    assert KnownIndex([msgspec.structs.replace(one, shape=None)], [KEY]).seen(data)[1] == found


@given(
    st.lists(
        st.sampled_from([b"tok_", b"a", b"-", b"0", b" ", b'"', b"=", b".", b"\n", SECRET, SECRET[::-1]])
    )
)
def test_whatever_stands_in_pieces_is_found_as_in_one(parts: list[bytes]) -> None:
    index = KnownIndex([registered(SECRET)], [KEY])
    data = b"".join(parts)
    found = {(one.start, one.end) for one in index.seen(data)[1]}
    # Far from the start of the text, over the ends of blocks.
    for pad in (8192 - 40, 8190):
        moved = index.seen(b"\n" * pad + data)[1]
        assert {(one.start - pad, one.end - pad) for one in moved} == found


@pytest.mark.parametrize("secret", [b"TOy=dNVHRsOfJUw1R;hGAU~N", b"ZwT*h.QxI*Tz~@iH5&=nIr8-"])
def test_a_password_with_signs_has_turns_at_these(secret: bytes) -> None:
    index = KnownIndex([registered(secret)], [KEY])
    for text in (secret.upper(), secret.lower(), b"it is " + secret.upper() + b"\n"):
        assert [one.form for one in index.seen(text)[1]] == ["lower-case" if text.islower() else "upper-case"]
