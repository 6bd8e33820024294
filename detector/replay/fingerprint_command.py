"""What `curfewd fingerprint` prints: the identifiers by which an issuer registers a secret.

It refuses a secret that no scan could find, or could not tell from ordinary text. Every other one is found wherever
it is printed.
"""

import json
from typing import IO, Final

import msgspec

from detector.configuration.deployment_keys import KEY_VARIABLE
from detector.configuration.settings import Settings
from detector.patterns.pattern import finds_public_ids, public_identifiers
from detector.scan.known_credentials import KeyRing
from detector.scan.scanner_loader import load_scanner
from detector.terminal.output import why
from detector.values.errors import InputError, UsageError
from detector.values.events import Identifier
from detector.values.registrable import MAX_LENGTH, plain_hash, refuse, refuse_words
from detector.values.secrets import Secret

SHORTEST_ENCODED: Final = 16  # bytes: base64 or hex of less, by itself, is not decoded


class Fingerprints(msgspec.Struct, frozen=True):
    """JSON of the identifiers in one line, and what to know before they are registered."""

    text: str
    warnings: tuple[str, ...] = ()


def fingerprint(
    stream: IO[bytes],
    config: str | None,
    *,
    keep_newline: bool = False,
    sha256: bool = False,
    force: bool = False,
) -> Fingerprints:
    """`hmac-sha256` under each key in force, and the public identifiers that the secret carries.

    With `sha256` also the plain SHA-256, with its length, by which a provider's audit log names the token. That needs
    no deployment key.

    With `force` a secret is taken that looks like a word or a number.

    One trailing newline is not part of the secret. With `keep_newline` it is: then the identifiers of the secret with
    it and without it are given, because the last line of a log may lack it.

    Raises:
        UsageError: there is no deployment key.
        InputError: there is no secret to read, none that could be found, or its SHA-256 would give it away.
    """
    settings = Settings.load(config)
    if not settings.keys and not sha256:
        raise UsageError(
            f"no deployment key: set {KEY_VARIABLE} to at least 16 bytes in hex or base64 "
            f'(for example {KEY_VARIABLE}="$(openssl rand -hex 32)", the same for the issuer and the detector), '
            "or name a key_file with --config"
        )
    try:
        data = stream.read(MAX_LENGTH + 3)
    except OSError as error:
        raise InputError(f"standard input: {why(error)}") from None
    stripped = _stripped(data)
    refuse(stripped)
    if not force:
        refuse_words(stripped)
    public, is_secret = _public(Secret(stripped), settings)
    if not is_secret:
        warning = (
            f"this is a public identifier, {public[0].scheme}, and no secret: text that shows it is no leak. Register the "
            "secret that belongs to it too"
        )
        return Fingerprints(json.dumps(list(map(_record, public))), (warning,))
    kept = [data] if keep_newline and data != stripped else []
    ring = KeyRing(settings.keys)
    found = [identifier for each in (*kept, stripped) for identifier in ring.identifiers(Secret(each))]
    if sha256:
        found.append(_hashed(Secret(stripped)))
    found += public
    # One line: so it fits into an event.
    return Fingerprints(json.dumps([_record(one) for one in found]), tuple(_warnings(stripped, settings)))


def _hashed(token: Secret) -> Identifier:
    try:
        return Identifier("sha256", plain_hash(token), length=len(token))
    except InputError as error:
        raise InputError(f"{error}; leave --sha256 out") from None


def _stripped(data: bytes) -> bytes:
    """Without one newline at the end."""
    if not data.endswith(b"\n"):
        return data
    return data[:-2] if data.endswith(b"\r\n") else data[:-1]


def _warnings(secret: bytes, settings: Settings) -> list[str]:
    found = []
    if not settings.keys:
        found.append(
            f"no deployment key ({KEY_VARIABLE}, or key_file with --config): only the SHA-256 is printed, and a token to "
            "which other letters are glued is not found by it"
        )
    if secret.endswith((b"\n", b"\r")):
        found.append(
            "the secret still ends in a line break after one was removed: if it is not part of the secret, "
            'register it again, with printf %s "$TOKEN"'
        )
    elif secret != secret.strip():
        found.append("the secret begins or ends with white space, which is part of it: is it meant to be?")
    if len(secret) < SHORTEST_ENCODED:
        found.append(
            f"the secret has fewer than {SHORTEST_ENCODED} bytes: base64 or hexadecimal of it is found only with more "
            "text encoded beside it"
        )
    if not secret.isascii():
        found.append(
            "the secret has characters beyond ASCII: base64 and hexadecimal of it are not decoded, and it is not found there"
        )
    if b"\n" in secret.strip():
        found.append(
            "the secret has line breaks in it: it is found where its lines stand together between white space, quotes or "
            "brackets, and not where a log writes something before each line"
        )
    if not settings.scan.every_window:
        found.append(
            "every_window = false in this configuration: the secret is found between delimiters only, and not if it has "
            "white space in it"
        )
    return found


def _public(secret: Secret, settings: Settings) -> tuple[list[Identifier], bool]:
    """By the patterns that match the whole of it: its public identifiers, and whether it is more than one of them."""
    scanner, _ = load_scanner(settings.patterns)
    patterns = [match.pattern for match in scanner.scan(secret.reveal()) if match.secret == secret]
    found = [each for pattern in patterns for each in public_identifiers(pattern, secret)]
    return found, not any(map(finds_public_ids, patterns))


def _record(identifier: Identifier) -> dict[str, str | int]:
    full = {
        "scheme": identifier.scheme,
        "value": identifier.value,
        "length": identifier.length,
        "check": identifier.check,
        "key_id": identifier.key_id,
        "folded": identifier.folded,
        "shape": identifier.shape,
    }
    return {name: value for name, value in full.items() if value is not None}
