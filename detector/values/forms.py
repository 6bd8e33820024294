"""The groups of forms in which a secret is looked for, besides as it stands; `[scan] forms` names them."""

from collections.abc import Iterable, Mapping
from typing import Final

ESCAPES, ENCODINGS, COMPRESSED, DUMPS, SPACED, JOINED, OBFUSCATED = (
    "escapes",
    "encodings",
    "compressed",
    "dumps",
    "spaced",
    "joined",
    "obfuscated",
)
FORMS: Final[Mapping[str, str]] = {
    ESCAPES: "escapes of JSON and shells, percent-encoding, entities, quoted-printable, colours, Unicode",
    ENCODINGS: "base64, hex, base32, base58, base85, uuencode, UTF-16",
    COMPRESSED: "gzip, zlib, zstd and the like, in base64 or hex",
    DUMPS: "bytes printed one by one: hex dumps, lists of numbers",
    SPACED: "characters set apart by blanks, signs or line breaks",
    JOINED: "words cut in two, and strings put together",
    OBFUSCATED: "reversed, in rot13, in other case, XORed, a character short",
}
"""What is in each."""
ALL: Final = frozenset(FORMS)


def left_out(forms: Iterable[str]) -> list[str]:
    """The groups that are not looked for, in their order."""
    return [form for form in FORMS if form not in forms]
