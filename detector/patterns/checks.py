"""The named checks of a pattern: what a regex cannot say about a secret.

Each check is a frozen struct whose fields are its parameters and which is called with a `Sighting`. `CHECKS` names
them for pattern files. All are pure, bounded by the size of the secret, and safe on hostile bytes.
"""

import math
import string
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec
import re2

from detector.patterns.checksums import (
    has_crc32,
    has_grafana_crc32,
    has_jsr_crc32,
    has_packagist_crc32,
    is_gitlab_routable,
    is_index_macaroon,
)
from detector.patterns.jwt import base64url, read_jwt
from detector.patterns.placeholders import is_placeholder
from detector.patterns.value_refusals import is_refused
from detector.values.globs import compile_glob
from detector.values.registrable import entropy

_HEX: Final = frozenset(string.hexdigits.encode())
_DIGITS: Final = string.digits.encode()
_UPPER: Final = string.ascii_uppercase.encode()
_LOWER: Final = string.ascii_lowercase.encode()
# Hex digits of MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512.
_DIGEST_LENGTHS: Final = frozenset({32, 40, 56, 64, 96, 128})
_UUID_PARTS: Final = [8, 4, 4, 4, 12]
_LONGEST_REFERENCE: Final = 512  # bytes
_SURE: Final = 1e-6  # bits; more than sums of so many terms differ by


class Sighting(msgspec.Struct, frozen=True):
    """What was matched: the secret, the whole match, and the line (of a long one, 4 KiB either side)."""

    secret: bytes
    match: bytes
    line: bytes


class Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A check: called with a sighting, it says whether that may stand."""

    def __call__(self, seen: Sighting) -> bool:
        """Whether the sighting passes."""
        raise NotImplementedError


class GithubCrc32(Check, frozen=True):
    """`ghp_`, `gho_`, `ghu_`, `ghs_`, `ghr_` and 36 characters, the last six a CRC-32 of the thirty before.

    GitHub blog, "Behind GitHub's new authentication token formats" (2021). For `github_pat_` no scheme is published.
    """

    def __call__(self, seen: Sighting) -> bool:
        """Whether the checksum holds."""
        return has_crc32(seen.secret)


class NpmCrc32(Check, frozen=True):
    """`npm_` and 36 characters, checked as GitHub's (GitHub blog, "npm's new access token format", 2021)."""

    def __call__(self, seen: Sighting) -> bool:
        """Whether the checksum holds."""
        return has_crc32(seen.secret)


class GrafanaCrc32(Check, frozen=True):
    """`glsa_`, 32 characters, `_`, and a CRC-32 of all before that."""

    def __call__(self, seen: Sighting) -> bool:
        """Whether the checksum holds."""
        return has_grafana_crc32(seen.secret)


class JsrCrc32(Check, frozen=True):
    """`jsrp_`, `jsrd_`, `jsrw_` and 35 characters, the last six a CRC-32 of all before them."""

    def __call__(self, seen: Sighting) -> bool:
        """Whether the checksum holds."""
        return has_jsr_crc32(seen.secret)


class PackagistCrc32(Check, frozen=True):
    """`packagist_`, a kind, `_`, 60 hex digits, and a CRC-32 of all before that."""

    def __call__(self, seen: Sighting) -> bool:
        """Whether the checksum holds."""
        return has_packagist_crc32(seen.secret)


class GitlabCrc32(Check, frozen=True):
    """A routable GitLab token: the length of its payload and its CRC-32 stand at its end."""

    def __call__(self, seen: Sighting) -> bool:
        """Whether both hold."""
        return is_gitlab_routable(seen.secret)


class PypiMacaroon(Check, frozen=True):
    """`pypi-` and a macaroon issued by the package index or its test instance (Warehouse documentation)."""

    def __call__(self, seen: Sighting) -> bool:
        """Whether the first packets say so."""
        return is_index_macaroon(seen.secret)


class JwtShape(Check, frozen=True):
    """Three base64url parts, a header with `alg`, claims that are an object (RFC 7519).

    `iss` and `sub` are globs (`*` and `?`) for those claims, `claims` names of claims that must be there,
    `typ` what the header must say.
    """

    iss: str | None = None
    sub: str | None = None
    typ: str | None = None
    claims: tuple[str, ...] = ()

    def __call__(self, seen: Sighting) -> bool:
        """Whether the token reads as such."""
        token = read_jwt(seen.secret)
        if token is None or any(claim not in token.claims for claim in self.claims):
            return False
        for glob, text in ((self.iss, token.text("iss")), (self.sub, token.text("sub"))):
            if glob is not None and (text is None or not compile_glob(glob)(text)):
                return False
        return self.typ is None or token.header_text("typ") == self.typ


class MinEntropy(Check, frozen=True):
    """At least `bits` of Shannon entropy a byte, over the secret's own bytes."""

    bits: float

    def __post_init__(self) -> None:
        if not 0 < self.bits <= 8:  # noqa: PLR2004 - a byte has eight bits
            raise ValueError("`bits` is Shannon entropy a byte: above 0, at most 8")

    def __call__(self, seen: Sighting) -> bool:
        """Whether it is that varied. Of most secrets the number of their different bytes tells."""
        size, different = len(seen.secret), len(set(seen.secret))
        if _least_entropy(different, size) > self.bits + _SURE:
            return True
        if different and math.log2(different) < self.bits - _SURE:
            return False
        return entropy(seen.secret) >= self.bits


class CharsetMix(Check, frozen=True):
    """At least so many digits, upper case and lower case letters."""

    digits: int = 0
    upper: int = 0
    lower: int = 0

    def __call__(self, seen: Sighting) -> bool:
        """Whether the mix is there."""
        size = len(seen.secret)
        wanted = ((self.digits, _DIGITS), (self.upper, _UPPER), (self.lower, _LOWER))
        return all(
            size - len(seen.secret.translate(None, charset)) >= least for least, charset in wanted if least
        )


class NotPlaceholder(Check, frozen=True):
    """No mask, template, documentation word or sequence. Every pattern has it, unless `placeholder_ok`."""

    def __call__(self, seen: Sighting) -> bool:
        """Whether it is no placeholder."""
        return not is_placeholder(seen.secret)


class NotReference(Check, frozen=True):
    """No reference, template, digest, ciphertext, mask, file, address or name: as for values behind names."""

    def __call__(self, seen: Sighting) -> bool:
        """Whether it has no such form. Above 512 bytes nothing is taken for one."""
        return len(seen.secret) > _LONGEST_REFERENCE or not is_refused(seen.secret)


class NotHash(Check, frozen=True):
    """No hex digest of a usual length (MD5 to SHA-512): commits, images and files have those."""

    def __call__(self, seen: Sighting) -> bool:
        """Whether it is no digest."""
        return not (len(seen.secret) in _DIGEST_LENGTHS and _HEX.issuperset(seen.secret))


class NotUuid(Check, frozen=True):
    """No UUID in its usual form (RFC 9562)."""

    def __call__(self, seen: Sighting) -> bool:
        """Whether it is none."""
        parts = seen.secret.split(b"-")
        return [len(part) for part in parts] != _UUID_PARTS or not all(map(_HEX.issuperset, parts))


class Base64(Check, frozen=True):
    """Decodes as base64 (standard or URL alphabet) to `bytes` bytes, at least `min_bytes`, JSON with key `json_key`.

    `strip` is a prefix that is not part of the encoding.
    """

    bytes: int | None = None
    min_bytes: int = 0
    json_key: str | None = None
    strip: str = ""

    def __call__(self, seen: Sighting) -> bool:
        """Whether it decodes to that."""
        raw = base64url(seen.secret.removeprefix(self.strip.encode()))
        if raw is None or len(raw) < self.min_bytes or (self.bytes is not None and len(raw) != self.bytes):
            return False
        return self.json_key is None or _has_key(raw, self.json_key)


class Length(Check, frozen=True):
    """From `min` to `max` bytes."""

    min: int = 0
    max: int | None = None

    def __call__(self, seen: Sighting) -> bool:
        """Whether the length is in range."""
        return self.min <= len(seen.secret) and (self.max is None or len(seen.secret) <= self.max)


class NotWords(Check, frozen=True, cache_hash=True):
    """None of the `words` in the secret (or, `target`, in the match or the line), whatever the case."""

    words: tuple[str, ...]
    target: str = "secret"

    def __post_init__(self) -> None:
        _target_of(self.target)
        if not self.words or not all(self.words):
            raise ValueError("`words` is empty, or one of them is")

    def __call__(self, seen: Sighting) -> bool:
        """Whether none is in it."""
        return _any_word(self).search(getattr(seen, self.target)) is None


class NotRegex(Check, frozen=True):
    """None of the RE2 `regexes` is found in the secret (or, `target`, in the match or the line)."""

    regexes: tuple[str, ...]
    target: str = "secret"

    def __post_init__(self) -> None:
        _target_of(self.target)
        for regex in self.regexes:
            try:
                _compiled(regex)
            except re2.error:
                raise ValueError("RE2 refuses one of `regexes`") from None

    def __call__(self, seen: Sighting) -> bool:
        """Whether none is found."""
        text = getattr(seen, self.target)
        return not any(_compiled(regex).search(text) for regex in self.regexes)


class Allowlist(Check, frozen=True, cache_hash=True):
    """A gitleaks allowlist: fails where one of `regexes` is found in `target`, or one of `stopwords` in the secret.

    With `both`, only where one of each is (gitleaks' `condition = "AND"`).
    """

    regexes: tuple[str, ...] = ()
    stopwords: tuple[str, ...] = ()
    target: str = "secret"
    both: bool = False

    def __post_init__(self) -> None:
        NotRegex(self.regexes, self.target)

    def __call__(self, seen: Sighting) -> bool:
        """Whether it is not allowed to leak."""
        found = [not part(seen) for part in _parts(self)]
        return not (all(found) if self.both and found else any(found))


CHECKS: Final[Mapping[str, type[Check]]] = {
    "github-crc32": GithubCrc32,
    "npm-crc32": NpmCrc32,
    "gitlab-crc32": GitlabCrc32,
    "grafana-crc32": GrafanaCrc32,
    "jsr-crc32": JsrCrc32,
    "packagist-crc32": PackagistCrc32,
    "pypi-macaroon": PypiMacaroon,
    "jwt": JwtShape,
    "min-entropy": MinEntropy,
    "charset-mix": CharsetMix,
    "not-placeholder": NotPlaceholder,
    "not-reference": NotReference,
    "not-hash": NotHash,
    "not-uuid": NotUuid,
    "base64": Base64,
    "length": Length,
    "not-words": NotWords,
    "not-regex": NotRegex,
    "allowlist": Allowlist,
}
# The checks that an accidental match cannot pass: where two patterns see one span, theirs is the better.
PROOFS: Final = frozenset(
    {
        "github-crc32",
        "npm-crc32",
        "gitlab-crc32",
        "grafana-crc32",
        "jsr-crc32",
        "packagist-crc32",
        "pypi-macaroon",
        "jwt",
    }
)


def build_check(kind: object, parameters: Mapping[str, object]) -> Check:
    """The check of that name with those parameters.

    Raises:
        ValueError: no such check, an unknown or missing parameter, or a wrong value; the text says which.
    """
    check = CHECKS.get(kind) if isinstance(kind, str) else None
    if check is None:
        raise ValueError(f"no check is called {kind!r}; there are {', '.join(sorted(CHECKS))}")
    try:
        return msgspec.convert(dict(parameters), check)
    except msgspec.ValidationError as error:
        raise ValueError(f"check `{kind}`: {str(error).replace('$.', '').replace('Object', 'it')}") from None


@lru_cache(maxsize=1 << 16)
def _least_entropy(different: int, size: int) -> float:
    """Of so many bytes, so many different ones: all but one stand there once."""
    if not size:
        return 0.0
    most = (size - different + 1) / size
    return (different - 1) / size * math.log2(size) - most * math.log2(most)


def _target_of(target: str) -> None:
    if target not in {"secret", "match", "line"}:
        raise ValueError("`target` is `secret`, `match` or `line`")


@lru_cache(maxsize=4096)
def _compiled(regex: str) -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    return re2.compile(regex.encode(), options)


@lru_cache(maxsize=4096)
def _any_word(check: NotWords) -> Any:
    """One regex for all the words: gitleaks' own configuration has 1,400 in one list."""
    return _compiled("(?i)" + "|".join(re2.escape(word) for word in check.words))


@lru_cache(maxsize=4096)
def _parts(check: Allowlist) -> tuple[Check, ...]:
    parts: list[Check] = [NotRegex(check.regexes, check.target)] if check.regexes else []
    return (*parts, NotWords(check.stopwords)) if check.stopwords else tuple(parts)


def _has_key(raw: bytes, key: str) -> bool:
    try:
        return key in msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
