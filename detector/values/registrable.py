"""Which secrets may be registered and by what: a scan must find them, and tell them from ordinary text.

Importing this loads no library: whatever issues a secret can do so.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from detector.values.errors import InputError
from detector.values.secrets import DeploymentKey, Secret, sha256_hex
from detector.values.times import DAY

CANARY_KIND: Final = "canary-token"
"""The kind of a credential that is a decoy: it opens nothing, and nobody should touch it."""
LONGEST_LEASE: Final = DAY
"""How long a task may count as alive after a heartbeat (ns)."""
SHORTEST: Final = 8  # bytes of a secret
MAX_LENGTH: Final = 16 << 10  # bytes of a secret: what is cut from long lines and blocks overlaps by no more
SHORTEST_FORM, LONGEST_FORM = 16, 1024  # bytes of a secret that is found in another form
SHORTEST_WORD: Final = 16  # characters of letters of one case, or of digits, alone
SHORTEST_HASHED: Final = 20  # bytes of a token whose plain SHA-256 may be registered
TOKEN: Final = frozenset(
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-._~+/=:%|"
)  # the characters of a token, as `is_in_token` of the core has them
_LETTERS, _LEAST_OF_A_CASE = 26, 2  # two: without one of them there are still both cases
_LEAST_BITS: Final = 64  # by the frequencies of its bytes: fewer can be guessed
_LEAST_FOLDED: Final = 64  # bits, the same: less may be text that stands in logs in another case
_CHANGES: Final = 2  # from letters to digits or back
UNBROKEN, MIXED = "unbroken", "mixed"
"""Shapes of a secret: no white space, control characters, quotes or commas; also with two letters of each case."""
BREAKS: Final = frozenset((*range(33), *b"\"',"))  # bytes that no unbroken secret has
Keyed = tuple[str, int, str, str | None, str | None, str | None]
"""Of an `hmac-sha256`: value, length, check, key id, folded digest and shape."""


def keyed_hashes(secret: Secret, keys: Iterable[DeploymentKey]) -> Iterator[Keyed]:
    """What an `hmac-sha256` identifier of the secret has under each key.

    The folded digest is there if it is needed to find the secret in another case, and cannot mean other text.
    """
    folds, shape = _folds(secret.reveal()), shape_of(secret.reveal())
    for key in keys:
        folded = key.folded(secret) if folds else None
        yield key.fingerprint(secret), len(secret), key.check(secret), key.id or None, folded, shape


def shape_of(secret: bytes) -> str | None:
    """The shape of a secret, by which a scan passes over most of a text; None if it has none."""
    if not BREAKS.isdisjoint(secret):
        return None
    least = min(sum(first <= byte < first + _LETTERS for byte in secret) for first in b"Aa")
    return MIXED if least >= _LEAST_OF_A_CASE else UNBROKEN


def plain_hash(secret: Secret) -> str:
    """The SHA-256 of a token in hex. Whoever reads it can test guesses, so only a generated one may have it.

    Raises:
        InputError: it is no generated token, or it is not sure to be one.
    """
    token = secret.reveal()
    varied = entropy(token) * len(token) >= _LEAST_BITS
    if len(token) < SHORTEST_HASHED or not varied or not TOKEN.issuperset(token):
        raise InputError(
            f"a SHA-256 is for generated tokens, at least {SHORTEST_HASHED} letters, digits and -._~+/=:%| without "
            "repetition: that of other secrets can be guessed, or is not found in logs"
        )
    return sha256_hex(secret)


def refuse(secret: bytes) -> None:
    """Raises an error for a secret that could not be found, or not be told from ordinary text.

    Raises:
        InputError: it says why. The message does not hold the secret.
    """
    if not secret:
        raise InputError("there is no secret: nothing was read")
    if len(secret) > MAX_LENGTH:
        raise InputError(
            f"the secret has more than {MAX_LENGTH:,} bytes: logs are searched in pieces that overlap by no more, so it "
            "might not be found; register the part that is secret, such as the token in the file"
        )
    if len(secret) < SHORTEST:
        raise InputError(
            f"the secret has {len(secret)} bytes, the minimum is {SHORTEST}: text so short appears in logs by chance, "
            "and each time it would cause a revocation"
        )
    try:
        text = secret.decode()
    except UnicodeDecodeError:
        raise InputError(
            "the secret is not text in UTF-8: register it as it is printed, for example in base64 or hexadecimal"
        ) from None
    if any(not char.isprintable() and char not in "\t\n\r" for char in text if ord(char) < 0x80):  # noqa: PLR2004 - ASCII
        raise InputError(
            "the secret has control characters in it, which logs drop or write in other ways: register it as it is printed"
        )
    if len(set(text.strip())) <= 1:
        raise InputError("the secret is one character over and over: it cannot be told from ordinary text")


def refuse_words(secret: bytes) -> None:
    """Raises an error for a secret that may stand in a log as a word or a number.

    Raises:
        InputError: it says so. The message does not hold the secret.
    """
    text = secret.decode()
    word = text.isalpha() and (text.islower() or text.isupper() or text.istitle())
    if len(secret) < SHORTEST_WORD and (word or text.isdecimal()):
        what = "word" if word else "number"
        raise InputError(
            f"the secret is one {what} of fewer than {SHORTEST_WORD} characters: such text appears in logs by "
            "chance, and each time it would cause a revocation; make a longer one, or register it all the same with --force"
        )


def entropy(data: bytes) -> float:
    """Shannon entropy in bits a byte."""
    size = len(data)
    return -sum(n / size * math.log2(n / size) for n in Counter(data).values()) if size else 0.0


def may_fold(text: bytes) -> bool:
    """Whether text in another case is no word or name that logs have by chance: digits and letters take turns."""
    return sum(one.isalpha() != two.isalpha() for one, two in pairwise(alnum(text))) >= _CHANGES


def alnum(text: bytes) -> str:
    """Its ASCII letters and digits."""
    return "".join(char for char in text.decode("latin-1") if char.isascii() and char.isalnum())


def _folds(secret: bytes) -> bool:
    """Whether a secret is registered without its case too: if it has both, and is generated."""
    if not SHORTEST_FORM <= len(secret) <= LONGEST_FORM or secret in (secret.lower(), secret.upper()):
        return False
    return may_fold(secret) and entropy(secret.lower()) * len(secret) >= _LEAST_FOLDED
