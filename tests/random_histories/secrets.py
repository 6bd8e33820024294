"""Made-up secrets, how issuers register them, and how jobs print them.

Identifiers are computed here from their definition: nothing of the product's own makes them.
"""

import base64
import hashlib
import hmac
import random
import string
from typing import Final

import msgspec

from detector.values.events import Identifier
from detector.values.secrets import DeploymentKey
from tests.random_histories.configuration import KEYS

WINDOWS: Final = "windows"  # registered with length and check: found wherever its bytes stand
HASHED: Final = "hashed"  # by SHA-256 with its length: found as a token
SUBTOKENS: Final = "subtokens"  # by HMAC alone: found between delimiters
UNREGISTERED: Final = "unregistered"
FORMS: Final = {
    WINDOWS: ("clear", "glued", "base64", "base64url", "basic", "hex", "upper", "lower", "percent"),
    HASHED: ("clear", "base64", "hex"),
    SUBTOKENS: ("clear",),
    UNREGISTERED: ("clear", "base64", "basic", "hex"),
}
PATTERN: Final = "gitlab-pat"
_LETTERS: Final = string.ascii_letters + string.digits
_GLUE: Final = ("xX", "::", "9_", "/", "Qq7", "&k=", "==", "=")
_HIDDEN: Final = str.maketrans({each: f"%{ord(each):02X}" for each in "_.~"})


class MadeSecret(msgspec.Struct, frozen=True):
    """A secret. `style` is how it is registered, `pattern` the one that knows it."""

    text: str
    style: str
    pattern: str | None

    @property
    def identifiers(self) -> tuple[Identifier, ...]:
        """All under which it may be registered: under each key, and its SHA-256."""
        hashed = hashlib.sha256(self.text.encode()).hexdigest()
        return (
            *(_keyed(self.text.encode(), key) for key in KEYS),
            Identifier("sha256", hashed, len(self.text)),
        )

    @property
    def fingerprint(self) -> str:
        """By which a leak of it is known if nobody has registered it."""
        return self.identifiers[0].value

    def registered(self, key: int) -> Identifier:
        """How an issuer that has one of the keys registers it."""
        if self.style == HASHED:
            return self.identifiers[-1]
        keyed = self.identifiers[key]
        return (
            Identifier(keyed.scheme, keyed.value, key_id=keyed.key_id) if self.style == SUBTOKENS else keyed
        )


def _keyed(text: bytes, key: DeploymentKey) -> Identifier:
    """The `hmac-sha256` identifier of a secret with upper and lower case, with all that an issuer should register."""

    def digest(of: bytes, by: bytes = key.material) -> bytes:
        return hmac.digest(by, of, "sha256")

    base, factor = (int.from_bytes(digest(b"curfewd/check/v1")[at : at + 8]) | 1 for at in (0, 8))
    total = 0
    for byte in text:
        total = total * base + byte + 1
    check = f"{factor * total % 2**64 >> 32:08x}"
    folded = digest(text.lower(), digest(b"curfewd/folded/v1")).hex()
    return Identifier("hmac-sha256", digest(text).hex(), len(text), check, key.id or None, folded, "mixed")


def make(rng: random.Random, style: str) -> MadeSecret:
    """A secret that no other drawing makes."""
    if style == UNREGISTERED or rng.random() < 0.15:
        return MadeSecret("glpat-" + "".join(rng.choices(_LETTERS, k=20)), style, PATTERN)
    # In another case only text is looked for in which digits stand beside letters, three of which are beyond f.
    text = "".join(
        "".join(rng.choices(_LETTERS, k=4)) + rng.choice("0123456789w") for _ in range(rng.randrange(4, 9))
    )
    mark = rng.choice("_.~") if style == WINDOWS else ""
    return MadeSecret(f"Zq7{text}{mark}Zy4", style, None)


def printed(rng: random.Random, secret: MadeSecret) -> tuple[str, str]:
    """A form in which the secret has to be found, and the secret in it."""
    form, text = rng.choice(FORMS[secret.style]), secret.text
    if secret.pattern is not None and form in {"glued", "upper", "lower"}:
        form = "clear"  # what stands around it would be another secret of that pattern
    written = {
        "clear": text,
        "glued": rng.choice(_GLUE) + text + rng.choice(_GLUE),
        "base64": base64.b64encode(f"{rng.randrange(99)} {text} x".encode()).decode(),
        "base64url": base64.urlsafe_b64encode(f"{text} {rng.randrange(999)}".encode()).decode().rstrip("="),
        "basic": "Authorization: Basic " + base64.b64encode(f"ci:{text}".encode()).decode(),
        "hex": f"at {text} x".encode().hex(),
        "upper": text.upper(),
        "lower": text.lower(),
        "percent": text.translate(_HIDDEN),
    }
    return form, written[form]
