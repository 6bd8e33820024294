"""What the named checks let pass and what not, the checksums they rest on, and that hostile bytes do them no harm."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.patterns.checks import CHECKS, Sighting, build_check
from detector.patterns.checksums import crc32_base62
from detector.patterns.jwt import MAX_TOKEN, read_jwt
from detector.patterns.placeholders import is_placeholder
from detector.values.registrable import entropy


def passes(kind: str, secret: bytes, line: bytes = b"", **parameters: Any) -> bool:
    return build_check(kind, parameters)(Sighting(secret, secret, line or secret))


def b64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def jwt(claims: object, header: object = None) -> bytes:
    parts = (header or {"alg": "RS256", "typ": "JWT"}, claims)
    return b".".join([*(b64(json.dumps(part).encode()) for part in parts), b64(b"signature")])


GITHUB = b"zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17"  # from GitHub's announcement of the format


@pytest.mark.parametrize("prefix", [b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_"])
def test_githubs_checksum_is_its_published_one(prefix: bytes) -> None:
    assert passes("github-crc32", prefix + GITHUB)
    assert not passes("github-crc32", prefix + GITHUB[:-1] + b"8")
    assert not passes("github-crc32", prefix + b"A" + GITHUB[1:])
    assert not passes("github-crc32", prefix + GITHUB + b"0")


@given(st.text("ABCabc0189", min_size=30, max_size=30))
def test_npm_checks_as_github_does(body: str) -> None:
    token = b"npm_" + body.encode() + crc32_base62(body.encode())
    assert passes("npm-crc32", token)
    assert not passes("npm-crc32", token[:-1] + (b"0" if token[-1:] != b"0" else b"1"))


@pytest.mark.parametrize(
    ("token", "holds"),
    [
        (b"glsa_yscW25imSKJIuav8zF37RZmnbiDvB05G_fcaaf58a", True),  # of Grafana's own test
        (b"glsa_HOruNAb7SOiCdshU9algkrq7FDsNSLAa_55e2f8be", False),  # made up by its documentation
        (b"glsa_yscW25imSKJIuav8zF37RZmnbiDvB05G_8af5aafc", False),
        (b"glsb_yscW25imSKJIuav8zF37RZmnbiDvB05G_fcaaf58a", False),
        (b"glsa", False),
    ],
)
def test_grafanas_checksum_is_that_of_all_before_it_low_byte_first(token: bytes, holds: bool) -> None:  # noqa: FBT001 - a table's column
    assert passes("grafana-crc32", token) is holds


@pytest.mark.parametrize(
    ("token", "holds"),
    [
        (b"jsrd_5gVEGU852nnRH2opZeP9uZ1UdNXog0fcvP8", True),  # both from JSR's documents
        (b"jsrp_Kj0yFdcksJqHPm04l5tic2WXVtaLS2292b2", True),
        (b"jsrw_Kj0yFdcksJqHPm04l5tic2WXVtaLS2292b2", False),
        (b"jsrp_", False),
    ],
)
def test_jsrs_checksum_is_that_of_all_before_it(token: bytes, holds: bool) -> None:  # noqa: FBT001 - a table's column
    assert passes("jsr-crc32", token) is holds


@pytest.mark.parametrize(
    ("token", "holds"),
    [
        (b"packagist_ort_eace4aed926f15f735e56ac719013b4b210bd330a42a972a862edbf951989d6b004f", True),
        # made up by its documentation
        (b"packagist_out_73a81c7eb525b13b6bc22a410b2146e78a38b324f609bf1158c583c704f64cbdd349", False),
        (b"packagist_ort_", False),
    ],
)
def test_packagists_checksum_is_that_of_all_before_it(token: bytes, holds: bool) -> None:  # noqa: FBT001 - a table's column
    assert passes("packagist-crc32", token) is holds


def macaroon(location: bytes, identifier: bytes = b"id" * 100) -> bytes:
    size = bytes([len(identifier) & 0x7F | 0x80, len(identifier) >> 7])
    raw = (
        b"\x02\x01"
        + bytes([len(location)])
        + location
        + b"\x02"
        + size
        + identifier
        + b"\x00\x00\x06\x20"
        + b"s" * 32
    )
    return b"pypi-" + b64(raw)


def test_a_macaroon_of_the_package_index_is_told_by_its_location() -> None:
    host = b".".join([b"pypi", b"org"])
    assert passes("pypi-macaroon", macaroon(host))
    assert passes("pypi-macaroon", macaroon(b"test." + host))
    assert not passes("pypi-macaroon", macaroon(b"evil.example"))
    assert not passes("pypi-macaroon", macaroon(host)[:30])
    assert not passes("pypi-macaroon", b"pypi-AgEI")
    assert not passes("pypi-macaroon", b"pypi-")


CLAIMS = {
    "iss": "https://token.actions.githubusercontent.com",
    "sub": "spiffe://acme/ns/ci/sa/build",
    "kubernetes.io": {"namespace": "ci"},
    "exp": 1893456000,
}


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, True),
        ({"iss": "https://token.actions.*"}, True),
        ({"iss": "*.example"}, False),
        ({"sub": "spiffe://*"}, True),
        ({"sub": "spiffe:/?acme*build"}, True),
        ({"sub": "spiffe"}, False),
        ({"claims": ["kubernetes.io", "exp"]}, True),
        ({"claims": ["kubernetes.io", "jti"]}, False),
        ({"iss": "*", "claims": ["exp"], "typ": "JWT"}, True),
        ({"typ": "at+jwt"}, False),
    ],
)
def test_a_jwt_is_told_by_its_claims(parameters: dict[str, Any], expected: bool) -> None:  # noqa: FBT001 - a table's column
    assert passes("jwt", jwt(CLAIMS), **parameters) is expected


@pytest.mark.parametrize(
    "token",
    [
        b"",
        b"a.b.c",
        b"..",
        jwt([1]),
        jwt({"a": 1}, {"typ": "JWT"}),
        jwt({"a": 1}, {"alg": 5}),
        jwt({"a": 1}).rpartition(b".")[0] + b".",
        b64(b'{"alg":"x"}') + b"." + b64(b'{"a":' * 5000 + b"1" + b"}" * 5000) + b".c",
        b64(b'{"alg":"x"}') + b"." + b64(b"[" * 9000) + b".c",
        jwt({"a": "x" * MAX_TOKEN}),
    ],
    ids=range(10),
)
def test_what_is_no_jwt_is_none(token: bytes) -> None:
    assert read_jwt(token) is None
    assert not passes("jwt", token)


def test_a_claim_that_is_no_text_is_none() -> None:
    token = read_jwt(b64(b'{"alg":"x"}') + b"." + b64(b'{"a":"\xff\xfe","b":[1]}') + b".c")
    assert token is not None
    assert [token.text(claim) for claim in "abc"] == [None] * 3


ANY_PARAMETERS: dict[str, dict[str, Any]] = {
    "min-entropy": {"bits": 3.0},
    "not-words": {"words": ["abcdef"]},
    "not-regex": {"regexes": ["ab+c"]},
    "base64": {"json_key": "k", "strip": "x-"},
    "jwt": {"iss": "a*", "typ": "JWT"},
}


@given(st.text("aabcdXYZ0123456789-é", max_size=60).map(str.encode), st.integers(-1, 1), st.floats(0.1, 6))
def test_entropy_is_asked_for_to_the_last_bit(secret: bytes, beside: int, any_bits: float) -> None:
    exact = entropy(secret)
    for bits in (any_bits, exact + beside * 1e-9, max(exact, 1e-3)):
        if 0 < bits <= 8:
            assert passes("min-entropy", secret, bits=bits) == (exact >= bits)


@given(st.text("abXY019-é", max_size=12), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_a_mix_counts_ascii_digits_and_letters(text: str, digits: int, upper: int, lower: int) -> None:
    counts = (sum(c in "019" for c in text), sum(c in "XY" for c in text), sum(c in "ab" for c in text))
    enough = all(have >= least for have, least in zip(counts, (digits, upper, lower), strict=True))
    assert passes("charset-mix", text.encode(), digits=digits, upper=upper, lower=lower) == enough


@given(st.binary(max_size=200), st.sampled_from(sorted(CHECKS)))
def test_no_check_fails_on_any_bytes(secret: bytes, kind: str) -> None:
    assert build_check(kind, ANY_PARAMETERS.get(kind, {}))(Sighting(secret, secret, secret)) in {True, False}


def test_entropy_is_shannons_in_bits_a_byte() -> None:
    assert entropy(b"") == 0
    assert entropy(b"aaaa") == 0
    assert entropy(b"abcdabcd") == 2
    assert entropy(bytes(range(256))) == 8
    assert passes("min-entropy", b"abcdabcd", bits=2)
    assert not passes("min-entropy", b"abcdabcc", bits=2)


@pytest.mark.parametrize(
    ("kind", "parameters", "good", "bad"),
    [
        ("charset-mix", {"digits": 2, "upper": 1, "lower": 1}, b"aB12", b"aB1c"),
        ("not-reference", {}, b"kR7vX2mQ9zLp", b"secrets.DB2_PASSWORD"),
        ("not-reference", {}, b"kR7_v" * 103, b"vault:secret/data/shop#key2"),
        ("not-hash", {}, b"g" * 40, b"0aF" * 13 + b"1"),
        ("not-hash", {}, b"ab" * 21, b"ab" * 32),
        ("not-uuid", {}, b"6fa459ea-ee8a-3ca4-894e-db77e16035", b"6fa459ea-ee8a-3ca4-894e-db77e160355e"),
        ("length", {"min": 3, "max": 5}, b"abcde", b"abcdef"),
        ("base64", {"bytes": 3}, b"AQID", b"AQIDBA"),
        ("base64", {"bytes": 32, "strip": "sk-"}, b"sk-" + b64(b"x" * 32), b"sk-" + b64(b"x" * 31)),
        ("base64", {"json_key": "r"}, b64(b'{"r": 1}'), b64(b'{"s": 1}')),
        ("base64", {"min_bytes": 4}, b"AQIDBA==", b"AQ*DBA"),
        ("not-words", {"words": ["Docs"]}, b"real", b"thedocsone"),
        ("not-regex", {"regexes": ["^t[0-9]+$"]}, b"t1x", b"t12"),
        ("allowlist", {"regexes": ["^x"], "stopwords": ["demo"]}, b"y", b"ydemo"),
        ("allowlist", {"regexes": ["^x"], "stopwords": ["demo"], "both": True}, b"xdem", b"xdemo"),
    ],
)
def test_each_check_passes_what_it_should(
    kind: str, parameters: dict[str, Any], good: bytes, bad: bytes
) -> None:
    assert passes(kind, good, **parameters)
    assert not passes(kind, bad, **parameters)


def test_a_check_may_look_at_the_line() -> None:
    assert passes("not-words", b"abc", b"an abc here", words=["test"], target="line")
    assert not passes("not-words", b"abc", b"a TEST abc here", words=["test"], target="line")


@pytest.mark.parametrize(
    ("kind", "parameters", "reason"),
    [
        ("sha-crc", {}, "no check is called 'sha-crc'; there are allowlist, base64"),
        (None, {}, "no check is called None"),
        ("min-entropy", {}, "check `min-entropy`: it missing required field `bits`"),
        ("min-entropy", {"bits": "3"}, "Expected `float`, got `str`"),
        ("min-entropy", {"bits": 9}, "at most 8"),
        ("min-entropy", {"bits": 3, "byte": 1}, "unknown field `byte`"),
        ("not-regex", {"regexes": ["(?=x)"]}, "RE2 refuses one of `regexes`"),
        ("not-words", {"words": ["a"], "target": "file"}, "`target` is"),
        ("jwt", {"claims": "exp"}, "Expected `array`"),
    ],
)
def test_a_wrong_check_is_refused_with_what_is_wrong(
    kind: Any, parameters: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason.replace("(", r"\(")):
        build_check(kind, parameters)


@pytest.mark.parametrize(
    "text",
    [
        b"AKIAIOSFODNN7EXAMPLE",
        b"ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        b"ghp_XXXXZQWBUT",
        b"********",
        b"sk-****abcd",
        b"${API_TOKEN}",
        b"$DB_PASSWORD",
        b"$(cat token)",
        b"{{ secrets.TOKEN }}",
        b"<your token>",
        b"%PASSWORD%",
        b"__TOKEN__",
        b"changeme",
        b"your-api-key-here",
        b"glpat-ABCDEFGHIJKLMNOPQRST",
        b"sk_live_1234567890abcdefghijklmn",
        b"aaaaaaaaaaaaaaaaaaaa",
        b"00000000-0000-0000-0000-000000000000",
        b"0123456789",
        "tok…end".encode(),
        b"npm_...3fQx",
        "‹github-pat:40›".encode(),
    ],
)
def test_placeholders_are_told(text: bytes) -> None:
    assert is_placeholder(text)


@pytest.mark.parametrize(
    "text",
    [
        b"ghp_" + GITHUB,
        b"AKIAY34FZKBOKMUTVV7A",
        b"wJalrXUtnFEMIK7MDENGbPxRfiCYzq8Kw2Lm0aPd",
        b"hunter2",
        b"pass$word",
        b"correct-horse-battery",
        b"a1...b2...c3",
        b"Zb81kQ7x3LmT9...w4",
        b"4f1a9c03d7e852b6af91c0e37d5b8264",
        jwt(CLAIMS),
        b"b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW" * 5,
        b"",
    ],
)
def test_what_could_be_a_secret_is_no_placeholder(text: bytes) -> None:
    assert not is_placeholder(text)


def test_random_tokens_are_hardly_ever_taken_for_placeholders() -> None:
    taken = 0
    for n in range(20_000):
        digest = (
            base64.b64encode(crc32_base62(b"%d" % n) + b"%d" % (n * 7919))[:12] + crc32_base62(b"x%d" % n) * 2
        )
        taken += is_placeholder(crc32_base62(b"%d" % (n * 31)) + digest)
    assert taken < 20
