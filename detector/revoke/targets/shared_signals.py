"""Tells another party that a credential must no longer be accepted: a security event token, pushed over HTTP.

The event is CAEP's `session-revoked` or RISC's `credential-compromise` (OpenID CAEP 1.0, RISC 1.0) in a token of
RFC 8417, with a subject of RFC 9493, sent as RFC 8935 says. An answer of 202 says that it was delivered. What the
receiver does with it nobody tells, so the outcome is never `confirmed`.
"""

import re  # over texts of bounded length
import time
import uuid
from typing import Any, ClassVar, Final, Literal

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import Observation, Plan, RefusedError, Step, UnavailableError
from detector.revoke.targets.handle_fields import optional
from detector.revoke.targets.provider_http import Answer, HttpOptions, ProviderHttp, forbidden
from detector.terminal.output import shown
from detector.values.bounded_files import SECRET_BYTES, BadFileError, read_bounded
from detector.values.times import SECOND

SESSION_REVOKED: Final = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
CREDENTIAL_COMPROMISE: Final = "https://schemas.openid.net/secevent/risc/event-type/credential-compromise"
_EVENTS: Final = {"session-revoked": SESSION_REVOKED, "credential-compromise": CREDENTIAL_COMPROMISE}
_TEXT: Final = re.compile(r"[^\x00-\x1f\x7f]{1,512}")
_DELIVERED: Final = frozenset({200, 202})
_BAD_REQUEST: Final = 400
# The error codes of RFC 8935, section 2.4, in words of our own.
_ERRORS: Final = {
    "invalid_request": "it cannot read the token",
    "invalid_key": "it does not know the key: give it the public one, with this kid",
    "invalid_issuer": "it does not know this issuer",
    "invalid_audience": "it is not this audience",
    "authentication_failed": "it does not accept the revoker's own token",
    "access_denied": "the revoker may not send it events",
}
_REASON: Final = "The credential was used or shown where it must not be."


class SharedSignalsOptions(HttpOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A receiver of security event tokens at `url`, and how they are signed.

    - `issuer`, `audience`: `iss` and `aud` of the tokens.
    - `key_file`, `key_id`, `algorithm`: the private key in PEM form, its `kid`, and what it signs with.
    - `event`: `session-revoked` or `credential-compromise`.
    - `credential_type`: of a `credential-compromise`, as CAEP names it.
    """

    issuer: str
    audience: str
    key_file: str
    key_id: str
    algorithm: Literal["ES256", "RS256", "PS256"] = "ES256"
    event: Literal["session-revoked", "credential-compromise"] = "session-revoked"
    credential_type: str = "app"


class SharedSignals:
    """Sends security event tokens. It takes every command: a `match` says which are meant."""

    name: ClassVar[str] = "shared-signals"
    Options: ClassVar[type[msgspec.Struct]] = SharedSignalsOptions

    def __init__(self, options: SharedSignalsOptions) -> None:
        self._options = options
        self._http = ProviderHttp(options)

    @staticmethod
    def accepts(command: RevocationCommand) -> bool:
        """Every command."""
        del command
        return True

    def plan(self, command: RevocationCommand) -> Plan:
        """One event.

        Raises:
            RefusedError: the command names no subject.
        """
        subject = _subject(command, self._options.event)["format"]
        return Plan(
            steps=(Step(f"send {self._http.host} the event {self._options.event} about a {subject}"),),
            proof="none: RFC 8935 confirms only the delivery",
            within=0.0,
            unproved="whether the receiver acts on the event",
            forgets=False,
        )

    async def revoke(self, command: RevocationCommand, step: int) -> str:
        """Sends the event. It has the same `jti` whenever it is sent.

        Raises:
            RefusedError: the command names no subject, or the revoker may not send.
            UnavailableError: it was not delivered.
        """
        del step
        token = self._token(command)
        answer = await self._http.ask(
            "POST",
            (),
            body=token.encode(),
            headers={"Content-Type": "application/secevent+jwt", "Accept": "application/json"},
        )
        forbidden(answer, "the right to send events")
        if answer.status not in _DELIVERED:
            raise UnavailableError(f"{self._http.host} did not take the event: {_reason(answer)}")
        return f"delivered the event {self._options.event} (HTTP {answer.status}), which proves nothing"

    async def probe(self, command: RevocationCommand) -> Observation:
        """Nobody can be asked."""
        del command
        return Observation("unknown", "a receiver of events does not say what it did with them")

    async def close(self) -> None:
        """Closes connections."""
        await self._http.close()

    def _token(self, command: RevocationCommand) -> str:
        options, now = self._options, int(time.time())
        event: dict[str, Any] = {"event_timestamp": command.time // SECOND, "reason_admin": {"en": _REASON}}
        if options.event == "session-revoked":
            event["initiating_entity"] = "policy"
        else:
            event["credential_type"] = options.credential_type
        claims = {
            "iss": options.issuer,
            "aud": options.audience,
            "iat": now,
            "jti": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{options.issuer} {command.id}")),
            "txn": command.id,
            "sub_id": _subject(command, options.event),
            "events": {_EVENTS[options.event]: event},
        }
        header = {"alg": options.algorithm, "kid": options.key_id, "typ": "secevent+jwt"}
        kind = ECKey if options.algorithm == "ES256" else RSAKey
        where = shown(options.key_file)
        try:
            key = kind.import_key(read_bounded(options.key_file, SECRET_BYTES))
            if not key.is_private:
                raise UnavailableError(f"{where}: it is a public key: the private one signs")
            return jws.serialize_compact(header, msgspec.json.encode(claims), key, [options.algorithm])
        except BadFileError as error:
            raise UnavailableError(f"{where}: {error}") from None
        except (JoseError, ValueError, TypeError):
            raise UnavailableError(f"{where}: there is no key for {options.algorithm} in PEM form") from None


def _subject(command: RevocationCommand, event: str) -> dict[str, Any]:
    """Whom an event is about: the token and its session, else the user. A compromise is about the user first.

    Raises:
        RefusedError: the command names none of them.
    """
    issuer, jti = optional(command, "issuer", _TEXT), optional(command, "jti", _TEXT)
    session, user = optional(command, "session_id", _TEXT), optional(command, "user_id", _TEXT)
    parts: dict[str, dict[str, str]] = {}
    if user and issuer:
        parts["user"] = {"format": "iss_sub", "iss": issuer, "sub": user}
    if session:
        parts["session"] = {"format": "opaque", "id": session}
    if jti and issuer:
        parts["token"] = {"format": "jwt_id", "iss": issuer, "jti": jti}
    if not parts:
        raise RefusedError(
            "the revocation object names no subject: an issuer with a jti or user_id, or a session_id"
        )
    if event == "credential-compromise" and "user" in parts:
        return parts["user"]
    return next(iter(parts.values())) if len(parts) == 1 else {"format": "complex", **parts}


def _reason(answer: Answer) -> str:
    if answer.status != _BAD_REQUEST:
        return f"it answers HTTP {answer.status}"
    error = answer.fields().get("err")
    return _ERRORS.get(error, "it answers HTTP 400") if isinstance(error, str) else "it answers HTTP 400"


TARGET: Final = SharedSignals
