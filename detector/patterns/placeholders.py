"""Recognises placeholders: masks, templates, words of documentation, keyboard sequences.

The words have six letters or more. In random base-62 text of forty characters, a word of six letters turns up once in
tens of millions, one of four (`test`) once in a few thousand.
"""

import itertools
import re  # over texts of bounded length
import string
from collections.abc import Iterable
from typing import Any, Final

import re2

_WORDS: Final = (
    b"example",
    b"placeholder",
    b"changeme",
    b"change_me",
    b"change-me",
    b"changeit",
    b"redacted",
    b"replaceme",
    b"replace_me",
    b"replace-me",
    b"your_token",
    b"your-token",
    b"yourtoken",
    b"your_api",
    b"your-api",
    b"yourapi",
    b"your_secret",
    b"your-secret",
    b"yoursecret",
    b"your_password",
    b"your-password",
    b"yourpassword",
    b"your_key",
    b"your-key",
    b"foobar",
    b"deadbeef",
    b"notasecret",
    b"not_a_secret",
    # The claims that jwt.io and its readers sign by way of example: {"sub":"1234567890","name":"John Doe"…
    b"eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lI",
)
_MASKS: Final = (b"****", b"....", b"####", "…".encode(), "•••".encode(), "‹".encode())
_TEMPLATES: Final = (b"${", b"{{", b"$(", b"<%", b"%(")
_WRAPPED: Final = ((b"<", b">"), (b"[", b"]"), (b"{", b"}"), (b"%", b"%"), (b"__", b"__"))
_OPENINGS: Final = frozenset({b"$", *(opening[:1] for opening, _ in _WRAPPED)})
_NAME: Final = frozenset((string.ascii_letters + string.digits + "_").encode())
_SHORTENED: Final = re.compile(rb"[\w-]{1,12}\.{3}[\w-]{0,8}", re.ASCII)  # `npm_...3fQx`: of bounded length
_CROSSES: Final = (b"xxxx", b"XXXX")
LONG: Final = 256  # bytes; base64 of binary this long holds runs of `A` that mean nothing
_SLOT: Final = 64  # bytes; what is longer and in brackets is a document, not a slot to fill in
RUN: Final = 8  # bytes of one sequence (`abcdefgh`, `12345678`)
FEW: Final = 3  # distinct bytes


def _any_of(*literals: bytes) -> Any:
    """One regex, bytes, any case: a hostile log has tens of thousands of candidates to read."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.case_sensitive = False
    return re2.compile(b"|".join(re2.escape(literal) for literal in literals), options)


def _short_runs() -> Iterable[bytes]:
    """Every run of four characters that could begin a sequence."""
    for alphabet in (string.ascii_lowercase.encode(), string.digits.encode()):
        for at in range(len(alphabet) - FEW):
            yield alphabet[at : at + FEW + 1]
            yield alphabet[at : at + FEW + 1][::-1]
    for char in range(ord(" "), 0x7F):
        yield bytes([char]) * (FEW + 1)


TELLING: Final = (*_WORDS, *_MASKS, *_TEMPLATES)
_TELLING: Final = _any_of(*TELLING)
_SHORT_RUN: Final = _any_of(*_short_runs())


def is_placeholder(secret: bytes) -> bool:
    """Whether this is a mask, a template, a word of documentation or a sequence, and so no secret."""
    if _TELLING.search(secret) is not None or _is_reference(secret) or _SHORTENED.fullmatch(secret):
        return True
    if len(secret) > LONG:
        return False
    if len(secret) > FEW and len(set(secret)) <= FEW:
        return True
    if _SHORT_RUN.search(secret) is None:
        return False
    return any(crosses in secret for crosses in _CROSSES) or _is_sequence(secret.lower())


def _is_reference(secret: bytes) -> bool:
    """`$NAME`, `<name>`, `%NAME%`, `__NAME__`: a variable or a slot to fill in."""
    if secret[:1] not in _OPENINGS or len(secret) > _SLOT:
        return False
    if secret[:1] == b"$" and len(secret) > 1 and _NAME.issuperset(secret[1:]) and not secret[1:2].isdigit():
        return True
    return any(
        len(secret) > len(opening) + len(closing) and secret.startswith(opening) and secret.endswith(closing)
        for opening, closing in _WRAPPED
    )


def _is_sequence(lowered: bytes) -> bool:
    """Whether runs of one repeated, or of ascending or descending characters, make up half of it, or one is long."""
    total = longest = run = 0
    step: int | None = None
    for before, after in itertools.pairwise(lowered):
        difference = after - before
        if difference == step and difference in (-1, 0, 1):
            run += 1
        else:
            total += run + 1 if run + 1 >= FEW + 1 else 0
            step, run = difference, 1 if difference in (-1, 0, 1) else 0
        longest = max(longest, run + 1)
    total += run + 1 if run + 1 >= FEW + 1 else 0
    return longest >= RUN or 2 * total >= len(lowered) > RUN
