"""What `curfewd fingerprint` prints: the identifiers by which an issuer registers a secret."""

import json
from typing import IO, Final

from detector.configuration.settings import KEY_VARIABLE, Settings
from detector.patterns.pattern import public_identifiers
from detector.scan.known_credentials import KeyRing
from detector.scan.scanner_loader import load_scanner
from detector.terminal.output import why
from detector.values.errors import InputError, UsageError
from detector.values.events import Identifier
from detector.values.secrets import Secret

MAX_SECRET: Final = 1024 * 1024


def fingerprint(stream: IO[bytes], config: str | None) -> str:
    """JSON: `hmac-sha256` under each key in force, and the public identifiers that the secret carries.

    One trailing newline is not part of the secret.

    Raises:
        UsageError: there is no deployment key, or no secret to read.
    """
    settings = Settings.load(config)
    if not settings.keys:
        raise UsageError(
            f"no deployment key: set {KEY_VARIABLE} to at least 16 bytes in hex or base64 "
            f'(for example {KEY_VARIABLE}="$(openssl rand -hex 32)", the same for the issuer and the detector), '
            "or name a key_file with --config"
        )
    try:
        data = stream.read(MAX_SECRET + 1)
    except OSError as error:
        raise InputError(f"standard input: {why(error)}") from None
    if data.endswith(b"\n"):
        data = data[:-2] if data.endswith(b"\r\n") else data[:-1]
    if not data:
        raise InputError("no secret on standard input: nothing was read")
    if len(data) > MAX_SECRET:
        raise InputError("standard input is too long to be a secret")
    secret = Secret(data)
    found = [*KeyRing(settings.keys).identifiers(secret), *_public(secret, settings)]
    return json.dumps([_record(identifier) for identifier in found])  # one line: so it fits into an event


def _public(secret: Secret, settings: Settings) -> list[Identifier]:
    """By the patterns that take the whole of it for a secret; `sha256` is never printed."""
    scanner, _ = load_scanner(settings.patterns)
    return [
        identifier
        for match in scanner.scan(secret.reveal())
        if match.secret == secret
        for identifier in public_identifiers(match.pattern, secret)
    ]


def _record(identifier: Identifier) -> dict[str, str | int]:
    full = {
        "scheme": identifier.scheme,
        "value": identifier.value,
        "length": identifier.length,
        "check": identifier.check,
        "key_id": identifier.key_id,
    }
    return {name: value for name, value in full.items() if value is not None}
