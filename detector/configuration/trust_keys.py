"""Reads the keys of `[[trust.keys]]`: public keys in PEM, and secrets of an HMAC. A weak key is a mistake.

`cryptography` is imported only where there is a public key: `curfewd check` and `--version` answer at once.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

from detector.configuration.fields import FILE, TEXT, Field, FieldReader, one_of
from detector.configuration.secret_references import secret_of_file, secret_of_variable
from detector.configuration.trust_settings import (
    ALGORITHMS,
    ED25519,
    ES256,
    ES384,
    GITHUB,
    JWS,
    SCHEMES,
    TrustKey,
)
from detector.values.secrets import MIN_KEY_BYTES, Secret, decode_key
from detector.values.toml_file import Key

INLINE_KEYS: Final = ("key", "secret", "public_key", "private_key", "value", "jwk", "pem")
TRUST_KEY_FIELDS: Final = {
    "id": Field(TEXT, "the key's id: the `kid` of a JWS, else a name for you; required"),
    "algorithm": Field(one_of(*ALGORITHMS), "the one algorithm of a public key; required for `jws`"),
    "file": Field(
        FILE, "file with the key: a public key in PEM for `jws`, else the secret; either this or `env`"
    ),
    "env": Field(TEXT, "environment variable with the same; either this or `file`"),
}
_WEBHOOK_PREFIX: Final = "whsec_"
_WEBHOOK_BYTES: Final = range(24, 65)  # as Standard Webhooks asks for
_FEWEST: Final = 8  # different bytes in a secret that somebody generated
_RSA_BITS: Final = 2048
_CURVES: Final = {ES256: "secp256r1", ES384: "secp384r1"}


def read_keys(
    reader: FieldReader, value: Any, scheme: str, environ: Mapping[str, str], *keys: Key
) -> tuple[TrustKey, ...]:
    """The keys that can be read. The reader collects mistakes, and the files and variables that this machine lacks."""
    found: dict[str, TrustKey] = {}
    for number, table in enumerate(reader.tables(value, *keys)):
        at = (*keys, number)
        inline = [name for name in INLINE_KEYS if name in table]
        if inline:
            reader.fail(
                f"trust.keys.{inline[0]}: never write a key in the configuration: say where it is, with file or env",
                *at,
                inline[0],
            )
            continue
        values = reader.fields(table, TRUST_KEY_FIELDS, *at)
        if "id" not in table or ("file" in table) == ("env" in table):
            reader.fail("trust.keys: each needs an id, and either file or env", *at)
        elif scheme == JWS and "algorithm" not in table:
            reader.fail(f"trust.keys: a key of a jws needs an algorithm: {', '.join(ALGORITHMS)}", *at)
        elif scheme != JWS and "algorithm" in table:
            reader.fail(
                f"trust.keys.algorithm: {scheme} has HMAC-SHA-256 and no other: leave it out",
                *at,
                "algorithm",
            )
        elif values.get("id") in found:
            reader.fail("trust.keys.id: another key of this entry has this id", *at, "id")
        elif set(values) == set(table) and scheme in SCHEMES:
            key = _key(reader, values, scheme, environ, *at)
            if key is not None:
                found[key.id] = key
    return tuple(found.values())


def _key(
    reader: FieldReader, values: Mapping[str, Any], scheme: str, environ: Mapping[str, str], *at: Key
) -> TrustKey | None:
    where = "file" if "file" in values else "env"
    if where == "file":
        held = secret_of_file(reader, values["file"], *at, where)
    else:
        held = secret_of_variable(reader, values["env"], environ, *at, where)
    if held is None:
        return None
    try:
        if scheme == JWS:
            public = held.reveal().strip()
            _check_public(public, values["algorithm"])
            return TrustKey(values["id"], values["algorithm"], public=public)
        return TrustKey(values["id"], secret=_hmac_secret(held, scheme))
    except ValueError as error:
        reader.fail(f"trust.keys.{where}: {error}", *at, where)
        return None


def _hmac_secret(held: Secret, scheme: str) -> Secret:
    """The bytes of the key of an HMAC. No message holds any of it.

    Raises:
        ValueError: it is weak, or cannot be read.
    """
    raw = held.reveal()
    if raw.lstrip().startswith(b"-----BEGIN"):
        raise ValueError(
            "a key in PEM is no secret of an HMAC: whoever has the public key could sign with it"
        )
    if scheme != GITHUB:
        raw = webhook_secret(raw.decode().strip())
    if len(raw) < MIN_KEY_BYTES or len(set(raw)) < _FEWEST:
        raise ValueError(f"a weak secret: generate one of at least {MIN_KEY_BYTES} random bytes")
    return Secret(raw)


def webhook_secret(text: str) -> bytes:
    """The bytes of a secret of Standard Webhooks: `whsec_` and base64, hex or base64. No message holds any of it.

    Raises:
        ValueError: it is none.
    """
    if not text.startswith(_WEBHOOK_PREFIX):
        try:
            raw = decode_key(text)
        except ValueError:
            raise ValueError("write the secret as whsec_ and base64, or in hex or base64") from None
    else:
        try:
            raw = base64.b64decode(text.removeprefix(_WEBHOOK_PREFIX), validate=True)
        except binascii.Error:
            raise ValueError("what follows whsec_ is no base64") from None
    if len(raw) not in _WEBHOOK_BYTES:
        raise ValueError(
            f"Standard Webhooks has secrets of {_WEBHOOK_BYTES[0]} to {_WEBHOOK_BYTES[-1]} bytes, this one has {len(raw)}"
        )
    return raw


def _check_public(pem: bytes, algorithm: str) -> None:
    """Raises ValueError if this is no public key for the algorithm, or a weak one."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - see the module
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415 - see the module
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415 - see the module

    if b"PRIVATE KEY" in pem:
        raise ValueError(
            "this is the private key, which only the signer may have: write its public key "
            "(openssl pkey -in private.pem -pubout -out public.pem)"
        )
    if pem.startswith(b"-----BEGIN CERTIFICATE"):
        raise ValueError(
            "this is a certificate: write its public key (openssl x509 -in cert.pem -pubkey -noout)"
        )
    if pem.count(b"-----BEGIN") > 1:
        raise ValueError("more than one key in PEM: write each into a file of its own")
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("no public key in PEM: it begins with -----BEGIN PUBLIC KEY-----") from None
    if algorithm == ED25519:
        right = isinstance(key, ed25519.Ed25519PublicKey)
    elif algorithm in _CURVES:
        right = isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == _CURVES[algorithm]
    else:
        right = isinstance(key, rsa.RSAPublicKey)
        if isinstance(key, rsa.RSAPublicKey) and key.key_size < _RSA_BITS:
            raise ValueError(f"a weak key: RSA needs at least {_RSA_BITS} bits, this one has {key.key_size}")
    if not right:
        raise ValueError(f"the key is of another kind than {algorithm} needs")
