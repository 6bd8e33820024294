"""Verifies the signature of a record under the keys of one `[[trust]]` entry.

Three schemes: a detached JWS (RFC 7515, appendix F; RFC 7797), Standard Webhooks, and GitHub's `X-Hub-Signature-256`.
A verifier raises `BadRecordError` if the signature does not hold, and never anything else, whatever the record has.
"""

import base64
import hashlib
import hmac
import re  # on headers of bounded length
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from detector.configuration.trust_settings import ES256, ES384, GITHUB, JWS, PS256, RS256, Signature, TrustKey
from detector.ingest.trust.signed_content import Headers, header_of, json_object
from detector.records.dead_letters import BAD_SIGNATURE, UNSIGNED, bad

Verifier = Callable[[Headers, bytes], None]
"""Takes the headers and the signed content of a record."""

WEBHOOK_ID: Final = "webhook-id"
WEBHOOK_TIMESTAMP: Final = "webhook-timestamp"
_LONGEST: Final = 4096  # bytes of a signature header: RSA with 4096 bits takes about 800
_MOST: Final = 8  # signatures in one header of Standard Webhooks
_SEGMENTS: Final = 3
_TAG: Final = re.compile(rb"v1,([A-Za-z0-9+/]{43}=)")
# Without a dot, which ends it in the signed text: with one, a part of the body could become a part of the id.
_MESSAGE_ID: Final = re.compile(rb"[A-Za-z0-9_-]{1,256}")
_TIMESTAMP: Final = re.compile(rb"[0-9]{1,12}")
_HUB: Final = re.compile(rb"sha256=([0-9a-f]{64})")
_ED25519: Final = (
    "Ed25519",
    "EdDSA",
)  # RFC 9864 gives the first name to what most signers still call the second
_KEYS: Final[Mapping[str, type[Key]]] = {ES256: ECKey, ES384: ECKey, PS256: RSAKey, RS256: RSAKey}


def verifier_of(signature: Signature) -> Verifier:
    """The verifier for a signature that an entry asks for."""
    if signature.scheme == JWS:
        return JwsVerifier(signature.header, signature.keys).verify
    if signature.scheme == GITHUB:
        return HubVerifier(signature.header, signature.keys).verify
    return WebhookVerifier(signature.header, signature.keys).verify


class JwsVerifier:
    """A detached JWS in compact form: `header..signature`. `kid` chooses the key, and the key says the algorithm."""

    def __init__(self, header: str, keys: Sequence[TrustKey]) -> None:
        self._header = header
        self._keys = {key.id: _JwsKey.of(key) for key in keys}

    def verify(self, headers: Headers, content: bytes) -> None:
        """See `Verifier`."""
        token = _signature(headers, self._header)
        protected = self._protected(token)
        kid = protected.get("kid")
        key = self._keys.get(kid) if isinstance(kid, str) else None
        if key is None:
            raise bad(BAD_SIGNATURE, self._header, "the JWS names no key of [[trust.keys]] in `kid`")
        if protected.get("alg") not in key.algorithms:
            raise bad(BAD_SIGNATURE, self._header, "the JWS has another algorithm than its key")
        if not _critical_is_known(protected):
            raise bad(BAD_SIGNATURE, self._header, "the JWS has an unknown critical parameter")
        try:
            jws.deserialize_compact(token, key.key, registry=key.registry, payload=content)
        except (JoseError, ValueError, TypeError, RecursionError):
            raise bad(BAD_SIGNATURE, self._header) from None

    def _protected(self, token: bytes) -> dict[str, Any]:
        segments = token.split(b".")
        if len(segments) != _SEGMENTS or segments[1]:
            raise bad(BAD_SIGNATURE, self._header, "the signature is no detached JWS: header..signature")
        try:
            return json_object(_base64url(segments[0]))
        except (ValueError, RecursionError):
            raise bad(BAD_SIGNATURE, self._header, "the header of the JWS cannot be read") from None


class _JwsKey(msgspec.Struct, frozen=True):
    algorithms: tuple[str, ...]
    key: Key
    registry: jws.JWSRegistry

    @classmethod
    def of(cls, key: TrustKey) -> "_JwsKey":
        algorithms = _ED25519 if key.algorithm in _ED25519 else (key.algorithm,)
        return cls(algorithms, _KEYS.get(key.algorithm, OKPKey).import_key(key.public), _Registry(algorithms))


class _Registry(jws.JWSRegistry):
    """The algorithms of one key and no others. The sizes are checked before, or are those of Kafka's records."""

    max_header_length = _LONGEST
    max_signature_length = _LONGEST
    max_payload_length = 1 << 31

    def __init__(self, algorithms: tuple[str, ...]) -> None:
        super().__init__(algorithms=algorithms, strict_check_header=False)

    def get_alg(self, name: str) -> Any:
        """The algorithm, without the library's warning about the name `EdDSA`."""
        if self.allowed is None or name not in self.allowed:
            raise UnsupportedAlgorithmError("not the key's algorithm")
        return self.algorithms[name]


def _critical_is_known(protected: Mapping[str, Any]) -> bool:
    """RFC 7797: `b64` is false and critical. No other parameter may be critical."""
    if "b64" in protected:
        return protected["b64"] is False and protected.get("crit") == ["b64"]
    return "crit" not in protected


class WebhookVerifier:
    """Standard Webhooks: HMAC-SHA-256 of `id.timestamp.content`. Each signature is tried under each key."""

    def __init__(self, header: str, keys: Sequence[TrustKey]) -> None:
        self._header = header
        self._keys = [_Hmac(key.secret.reveal()) for key in keys if key.secret is not None]

    def verify(self, headers: Headers, content: bytes) -> None:
        """See `Verifier`."""
        signatures = _signature(headers, self._header).split(b" ")
        message_id = header_of(headers, WEBHOOK_ID)
        timestamp = header_of(headers, WEBHOOK_TIMESTAMP)
        if message_id is None or not _MESSAGE_ID.fullmatch(message_id):
            raise bad(BAD_SIGNATURE, WEBHOOK_ID, "it has to be 1 to 256 letters, digits, - and _")
        if timestamp is None or not _TIMESTAMP.fullmatch(timestamp):
            raise bad(BAD_SIGNATURE, WEBHOOK_TIMESTAMP, "it has to be the seconds since 1970")
        if len(signatures) > _MOST:
            raise bad(BAD_SIGNATURE, self._header, f"more than {_MOST} signatures")
        given = [base64.b64decode(tag[1]) for each in signatures if (tag := _TAG.fullmatch(each))]
        _compare(self._keys, b"%s.%s." % (message_id, timestamp), content, given, self._header)


class HubVerifier:
    """GitHub's `X-Hub-Signature-256`: `sha256=` and the HMAC-SHA-256 of the content in hex."""

    def __init__(self, header: str, keys: Sequence[TrustKey]) -> None:
        self._header = header
        self._keys = [_Hmac(key.secret.reveal()) for key in keys if key.secret is not None]

    def verify(self, headers: Headers, content: bytes) -> None:
        """See `Verifier`."""
        tag = _HUB.fullmatch(_signature(headers, self._header))
        given = [bytes.fromhex(tag[1].decode())] if tag else []
        _compare(self._keys, b"", content, given, self._header)


class _Hmac:
    """HMAC-SHA-256 under one key."""

    __slots__ = ("_keyed",)

    def __init__(self, key: bytes) -> None:
        self._keyed = hmac.new(key, digestmod=hashlib.sha256)

    def digest(self, prefix: bytes, content: bytes) -> bytes:
        keyed = self._keyed.copy()
        keyed.update(prefix)
        keyed.update(content)
        return keyed.digest()


def _compare(
    keys: Sequence[_Hmac], prefix: bytes, content: bytes, given: Sequence[bytes], header: str
) -> None:
    """Raises BadRecordError if no given digest is that of the content under one of the keys."""
    holds = False
    for key in keys if given else ():
        expected = key.digest(prefix, content)
        for digest in given:
            holds |= hmac.compare_digest(expected, digest)
    if not holds:
        raise bad(BAD_SIGNATURE, header)


def _signature(headers: Headers, name: str) -> bytes:
    value = header_of(headers, name)
    if not value:
        raise bad(UNSIGNED, name)
    if len(value) > _LONGEST:
        raise bad(BAD_SIGNATURE, name, f"the signature is longer than {_LONGEST} bytes")
    return value


def _base64url(segment: bytes) -> bytes:
    """Raises ValueError for what is no base64url. Other spellings of the same bytes have another signature."""
    return base64.b64decode(segment + b"=" * (-len(segment) % 4), b"-_", validate=True)
