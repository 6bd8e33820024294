"""Text in groups, with signs or invisible characters between all characters, and in full-width forms."""

import string
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.scan.decode import decoded
from detector.scan.known_credentials import KeyRing, KnownIndex
from detector.scan.redactor import Redactor
from detector.scan.scanner import Match
from detector.values.secrets import DeploymentKey, Secret

KEY: Final = DeploymentKey.of(bytes(range(32)), "k1")
SEPARATORS: Final = (
    "-",
    ".",
    ",",
    "|",
    "\t",
    ", ",
    "  ",
    " - ",
    '","',
    "\u200b",
    "\u00ad",
    "\u00a0",
    "\u200d",
    "', '",
    "&#",
    "%",
    *":;<=>?@[\\]^_`",
)
_TOKENS: Final = st.text(string.ascii_letters + string.digits, min_size=20, max_size=60).map(
    lambda token: f"a1B2{token}"
)
_BEFORE: Final = st.sampled_from(["", "x ", "token: ", '{"a": "', "2026-05-04 08:00:00 INFO "])


class Nothing:
    def scan(self, data: bytes, *, generic: bool = True) -> list[Match]:
        del data, generic
        return []


def masked(secret: str, text: str) -> str:
    index = KnownIndex(KeyRing([KEY]).identifiers(Secret(secret.encode())), [KEY])
    done = Redactor(Nothing(), index).masked(text.encode())
    assert done is not None
    return done.decode()


@given(_TOKENS, st.sampled_from(SEPARATORS), _BEFORE)
@settings(max_examples=150)
def test_a_separator_between_all_characters_hides_no_secret(token: str, separator: str, before: str) -> None:
    shown = separator.join(token)
    done = masked(token, f"{before}{shown} and more")
    assert "known-credential" in done
    assert token[8:12] not in done.replace(separator, "")


@given(_TOKENS, st.sampled_from([3, 4, 5]), st.sampled_from([*" -._=@"]), _BEFORE)
@settings(max_examples=100)
def test_groups_hide_no_secret(token: str, size: int, separator: str, before: str) -> None:
    token += "0zY9xW8vU7tS6rQ5"
    shown = separator.join(token[at : at + size] for at in range(0, len(token), size))
    done = masked(token, f"{before}{shown}\nmore")
    assert "known-credential" in done
    assert token[8:12] not in done.replace(separator, "")


@given(_TOKENS, st.sampled_from([3, 4]), st.sampled_from(["\r\n", ", ", "--", "''"]), _BEFORE)
@settings(max_examples=100)
def test_groups_with_two_signs_between_hide_no_secret(
    token: str, size: int, separator: str, before: str
) -> None:
    token += "0zY9xW8vU7tS6rQ5"
    shown = separator.join(token[at : at + size] for at in range(0, len(token), size))
    done = masked(token, f"{before}{shown}{separator}more")
    assert "known-credential" in done
    assert token[8:12] not in done.replace(separator, "")


@pytest.mark.parametrize("offset", range(8))
@pytest.mark.parametrize("separator", ["\r\n", ", ", "''"])
def test_two_signs_between_groups_of_three_hide_no_secret_with_signs(separator: str, offset: int) -> None:
    secret = "ghp_Zb81kQx5Tq9LmN2wAbC3dEf4GhI5jKl6MnO7"
    shown = separator.join(secret[at : at + 3] for at in range(0, len(secret), 3))
    done = masked(secret, f"{'x' * offset}: {shown} more")
    assert done == f"{'x' * offset}: \u2039known-credential:{len(secret)}\u203a more"


@pytest.mark.parametrize("offset", range(8))
@pytest.mark.parametrize("secret", ["4ada68df-2f6a-4002-9ec7-66e7b1a75955", "ZwT*H.Qxi*Tz~@iH5&=nIr8-"])
def test_groups_with_signs_in_them_hide_no_secret(secret: str, offset: int) -> None:
    shown = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
    done = masked(secret, f"{'x' * offset}: {shown}\nmore")
    assert done == f"{'x' * offset}: \u2039known-credential:{len(secret)}\u203a\nmore"


@given(_TOKENS, st.sampled_from(["\u200b", "\u2060", "\ufeff", "\u00ad", "\u200d", "\ufe0f"]), st.data())
@settings(max_examples=100)
def test_characters_without_a_width_hide_no_secret(token: str, hidden: str, data: st.DataObject) -> None:
    places = data.draw(st.sets(st.integers(1, len(token) - 1), min_size=1))
    shown = "".join((hidden if at in places else "") + char for at, char in enumerate(token))
    done = masked(token, f"caf\u00e9 {shown} and more")
    assert done == f"caf\u00e9 \u2039known-credential:{len(token)}\u203a and more"


_SIGNS: Final = "!#%&*+-.:;=?@^_~"
_PASSWORDS: Final = st.text(string.ascii_letters + string.digits + _SIGNS * 3, min_size=20, max_size=40).map(
    lambda text: f"a1#B{text}Z"
)


@given(_PASSWORDS, st.sampled_from([*SEPARATORS[:6], "\u00a0"]), _BEFORE)
@settings(max_examples=150)
def test_a_separator_between_all_characters_hides_no_password_of_signs(
    password: str, separator: str, before: str
) -> None:
    shown = separator.join(password)
    assert any(password.encode() in one.data for one in decoded(f"{before}{shown} and more".encode()))


@pytest.mark.parametrize(
    "secret",
    [
        "ZwT*H.Qxi*Tz~@iH5&=nIr8-",
        "Pdjo%qvkG5w5+rm.0-_CuYZE",
        "dfe685aa-bfc7-404b-a2c9-6805cb65e332",
        "a1-----B2c3-d4e5-f6G7-h8",
    ],
)
def test_dashes_between_groups_of_four_hide_no_secret_with_signs(secret: str) -> None:
    shown = "-".join(secret[at : at + 4] for at in range(0, len(secret), 4))
    assert secret not in masked(secret, f"10:00:01 {shown}\n").replace("-", "")
    assert "known-credential" in masked(secret, f"10:00:01 {shown}\n")


@given(_TOKENS)
@settings(max_examples=50)
def test_full_width_forms_hide_no_secret(token: str) -> None:
    shown = "".join(chr(ord(char) + 0xFEE0) for char in token)
    done = masked(token, f"x {shown} y")
    assert done == f"x \u2039known-credential:{len(token)}\u203a y"


@pytest.mark.parametrize(
    "text",
    [
        "550e8400-e29b-41d4-a716-446655440000 550e8400-e29b-41d4-a716-446655440000",
        "four more word than that this will read like text",
        "1024 2048 4096 8192 1638 3276 6553 1310",
        "192.168.1.1 10.0.0.1 1.2.3.4.5.6.7.8.9",
        "------------------------------------------------",
        "{{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}}",
        "2001:0db8:85a3:0000:0000:8a2e:0370:7334",
        "0xa1, 0xb2, 0xc3, 0xd4, 0xe5, 0xf6, 0xa7, 0xb8",
        "+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+",
        "caf\u00e9 \u2014 \u201cquoted\u201d \u00fcber stra\u00dfe \u4e2d\u6587\u4e2d\u6587\u4e2d\u6587\u4e2d\u6587",
    ],
)
def test_ordinary_text_is_not_closed_up(text: str) -> None:
    assert not decoded(text.encode())


@given(
    st.lists(
        st.sampled_from(
            [b"-a", b"1", b"-", b" ", b"a1b2", b"\xe2\x80\x8b", b"\xef\xbc\xa1", b"\xef", b"\xc2", b"\n"]
        )
    )
)
@settings(max_examples=200)
def test_whatever_stands_there_leads_back_to_where_it_stands(parts: list[bytes]) -> None:
    data = b"".join(parts)
    for one in decoded(data):
        assert 0 <= one.start < one.end <= len(data)
