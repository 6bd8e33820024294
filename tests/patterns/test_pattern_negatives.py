"""What stands where a secret would, and is none: masks, templates, words of documentation, hashes, identifiers.

Each kind is put into each example of each pattern, and the scanner of all patterns has nothing to say of it.
"""

import itertools
import random
import re
import uuid
from collections.abc import Callable, Iterator

import pytest

from detector.patterns.pattern import Pattern
from detector.patterns.placeholders import LONG
from detector.scan.scanner import PatternScanner
from tests.bundled import bundled_patterns, bundled_scanner

RNG = random.Random(5)
_HEX = re.compile(rb"[0-9a-fA-F]+")
_UUID = re.compile(rb"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_FROM_1 = b"1234567890" * 400
_HEAD = 12  # bytes; what two examples share beyond is chance, or what every token encodes
# Their secrets may be nothing but hex digits or a UUID: the name beside them tells, not their form.
TOLD_BY_NAME = {
    *(
        f"{kind}-url-password"
        for kind in ("postgres", "mysql", "mongodb", "redis", "amqp", "database", "http")
    ),
    *(f"{kind}-password" for kind in ("connection-string", "netrc", "snowflake")),
    *("named-secret", "named-password"),
    *(f"{kind}-password-argument" for kind in ("mysql", "client")),
    *("curl-user-password", "login-command-password", "sshpass-password", "password-option"),
    *(
        f"http-{kind}"
        for kind in ("api-key-header", "basic-authorization", "bearer-authorization", "url-userinfo-token")
    ),
    *("mcp-url-token", "mcp-authorization-header", "npmrc-auth-token"),
    *("jwk-symmetric-key", "vault-unseal-key"),
    *("tool-user-password", "signing-tool-password", "password-on-standard-input"),
    *("declared-secret", "changed-secret", "announced-password", "sql-identified-by", "pgpass-password"),
    *("powershell-secure-string", "sasl-plain"),
}


def digits(count: int) -> bytes:
    return "".join(RNG.choices("0123456789abcdef", k=count)).encode()


# In place of the whole secret.
INSTEAD: dict[str, bytes] = {
    "stars": b"***",
    "many stars": b"*" * 40,
    "dots": b"........",
    "crosses": b"x" * 32,
    "redacted": b"[REDACTED]",
    "in brackets": b"<your-token>",
    "a variable in braces": b"${TOKEN}",
    "a variable": b"$SECRET_TOKEN",
    "a template": b"{{ secrets.TOKEN }}",
    "of a workflow": b"${{ secrets.TOKEN }}",
    "of a command": b"$(cat /run/secrets/token)",
    "of Windows": b"%SECRET_TOKEN%",
    "underscores": b"__SECRET_TOKEN__",
    "changeme": b"changeme",
    "replace": b"REPLACE_ME_WITH_YOUR_TOKEN",
    "your key": b"your-api-key-here",
    "null": b"null",
    "undefined": b"undefined",
}
# As long as the secret, behind what all secrets of the pattern begin with.
IN_ITS_FORM: dict[str, Callable[[bytes], bytes]] = {
    "crosses": lambda body: b"x" * len(body),
    "capital crosses": lambda body: b"X" * len(body),
    "stars": lambda body: b"*" * len(body),
    "one character": lambda body: b"0" * len(body),
    "counted": lambda body: _FROM_1[: len(body)],
    "an example": lambda body: b"EXAMPLE" + body[7:],
    "a small example": lambda body: b"example" + body[7:],
}
HASHES: dict[str, Callable[[], bytes]] = {
    "MD5": lambda: digits(32),
    "a commit": lambda: digits(40),
    "SHA-256": lambda: digits(64),
    "a digest of an image": lambda: b"sha256:" + digits(64),
    "UUID": lambda: str(uuid.UUID(bytes=RNG.randbytes(16), version=4)).encode(),
}


@pytest.fixture(scope="module")
def scanner() -> PatternScanner:
    return bundled_scanner()


def shown(scanner: PatternScanner, pattern: Pattern) -> Iterator[tuple[bytes, bytes, bytes]]:
    """The examples, each in three: what stands before the secret, the secret, what stands behind it."""
    for example in pattern.examples:
        text = example.encode()
        match = next(match for match in scanner.scan(text) if match.pattern.id == pattern.id)
        yield text[: match.start], text[match.start : match.end], text[match.end :]


def reported(scanner: PatternScanner, before: bytes, instead: bytes, behind: bytes) -> list[str]:
    """The patterns that take some of what stands there for a secret."""
    start, end = len(before), len(before) + len(instead)
    matches = scanner.scan(before + instead + behind)
    return [match.pattern.id for match in matches if match.start < end and start < match.end]


def is_a_hash(secret: bytes) -> bool:
    """Of a form that no form tells from a hash or an identifier: only the name beside it can."""
    return bool(_UUID.fullmatch(secret) or (len(secret) >= 32 and _HEX.fullmatch(secret)))


def test_no_placeholder_is_taken_for_a_secret(scanner: PatternScanner) -> None:
    taken = [
        f"{pattern.id}: {kind}: {found}"
        for pattern in bundled_patterns()
        for before, _, behind in shown(scanner, pattern)
        for kind, instead in INSTEAD.items()
        if (found := reported(scanner, before, instead, behind))
    ]
    assert taken == []


def test_no_placeholder_in_the_form_of_a_secret_is_taken_for_one(scanner: PatternScanner) -> None:
    taken = []
    for pattern in bundled_patterns():
        examples = list(shown(scanner, pattern))
        head = min(_HEAD, len(_shared([secret for _, secret, _ in examples])))
        for before, secret, behind in examples:
            if len(secret) > LONG:  # nobody fills in so much by hand, and base64 of binary has long runs
                continue
            for kind, form in IN_ITS_FORM.items():
                instead = secret[:head] + form(secret[head:])
                if found := reported(scanner, before, instead, behind):
                    taken.append(f"{pattern.id}: {kind}: {found}")
    assert taken == []


@pytest.mark.parametrize("kind", HASHES)
def test_a_hash_is_taken_for_a_secret_only_where_a_name_says_that_it_is_one(
    scanner: PatternScanner, kind: str
) -> None:
    patterns = bundled_patterns()
    of_that_form = {
        pattern.id
        for pattern in patterns
        if all(is_a_hash(secret) for _, secret, _ in shown(scanner, pattern))
    }
    taken = []
    for pattern in patterns:
        for before, _, behind in shown(scanner, pattern):
            found = set(reported(scanner, before, HASHES[kind](), behind))
            # Behind its colon it reads as the password of a user, where one is expected.
            users = {"http-url-password", "tool-user-password", "password-on-standard-input"}
            told = users if kind == "a digest of an image" else TOLD_BY_NAME | of_that_form
            if found - told:
                taken.append(f"{pattern.id}: {found}")
    assert taken == []


def _shared(secrets: list[bytes]) -> bytes:
    """What all of them begin with."""
    first, last = min(secrets), max(secrets)
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return bytes(byte for byte, _ in same)
