"""Decoys: credentials that open nothing, in the form of real ones.

Whoever uses or prints one has found what he should not. A decoy is made of random characters, with the checksum that
its form has, so that a thief's tools take it for real.
"""

import os
import string
from typing import Final, NamedTuple

from detector.values.errors import UsageError

_LETTERS: Final = string.ascii_letters + string.digits
_BASE32: Final = string.ascii_uppercase + "234567"
_BODY: Final = 30  # characters before the checksum of GitHub's and npm's tokens


class Canary(NamedTuple):
    """A decoy: its secret, and for `aws` the access key id that belongs to it."""

    form: str
    secret: str
    key_id: str | None = None

    def variables(self, prefix: str) -> dict[str, str]:
        """The environment variables in which it is planted."""
        if self.key_id is None:
            return {prefix: self.secret}
        return {f"{prefix}_ACCESS_KEY_ID": self.key_id, f"{prefix}_SECRET_ACCESS_KEY": self.secret}


# The name of the variable in which each is planted, unless another is asked for. The name has to tempt.
FORMS: Final = {
    "github": "GITHUB_ADMIN_TOKEN",
    "gitlab": "GITLAB_ADMIN_TOKEN",
    "npm": "NPM_PUBLISH_TOKEN",
    "aws": "AWS_ADMIN",
    "hex": "ADMIN_API_KEY",
}


def make(form: str) -> Canary:
    """A new decoy.

    Raises:
        UsageError: there is no such form.
    """
    if form == "github":
        return Canary(form, _checked("ghp_"))
    if form == "npm":
        return Canary(form, _checked("npm_"))
    if form == "gitlab":
        return Canary(form, f"glpat-{_random(_LETTERS, 20)}")
    if form == "aws":
        return Canary(form, _random(f"{_LETTERS}+/", 40), f"AKIA{_random(_BASE32, 16)}")
    if form == "hex":
        return Canary(form, os.urandom(32).hex())
    raise UsageError(f"there is no such form of a canary: it is one of {', '.join(FORMS)}")


def _checked(prefix: str) -> str:
    from detector.patterns.checksums import crc32_base62  # noqa: PLC0415 - only where there is a decoy

    body = _random(_LETTERS, _BODY)
    return f"{prefix}{body}{crc32_base62(body.encode()).decode()}"


def _random(alphabet: str, size: int) -> str:
    """So many characters; bytes that would make some of them likelier are thrown away."""
    most = 256 - 256 % len(alphabet)
    found: list[str] = []
    while len(found) < size:
        found += [alphabet[byte % len(alphabet)] for byte in os.urandom(size) if byte < most]
    return "".join(found[:size])
