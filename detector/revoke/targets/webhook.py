"""A webhook for whatever has no target: a message signed as Standard Webhooks says, to a service of one's own.

An answer of 2xx says that it was received. That the credential is dead only the answer's `state` says, if there is one.
The message's `webhook-id` is the command's id, however often it is sent (standardwebhooks.com, specification 1.0.0).
"""

import time
from typing import ClassVar, Final

import msgspec

from detector.configuration.trust_keys import webhook_secret
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import GoneError, UnavailableError
from detector.revoke.targets.delegation import REVOKE, Delegated, Statement, message_of, statement_of
from detector.revoke.targets.provider_http import HttpOptions, ProviderHttp, forbidden, read_secret
from detector.revoke.webhook_signature import webhook_headers
from detector.terminal.output import shown

_ACCEPTED: Final = range(200, 300)
_GONE: Final = 410
_ANSWER: Final = 1 << 16


class WebhookOptions(HttpOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where messages go.

    - `secret_file`: the secret that signs them, `whsec_…` or base64, of 24 to 64 bytes.
    - `probes`: whether it also answers messages that only ask for the state.
    """

    secret_file: str
    probes: bool = False


class Webhook(Delegated):
    """Asks a service to revoke. It takes every command: a `match` says which are meant."""

    name: ClassVar[str] = "webhook"
    Options: ClassVar[type[msgspec.Struct]] = WebhookOptions

    def __init__(self, options: WebhookOptions) -> None:
        self._options = options
        self._http = ProviderHttp(options, limit=_ANSWER)
        who = f"the webhook {self._http.host}"
        done = f"sent the message to {who}, which took it"
        super().__init__(who, f"ask {who} to revoke", done, probes=options.probes)

    async def close(self) -> None:
        """Closes connections."""
        await self._http.close()

    async def _ask(self, command: RevocationCommand, kind: str) -> Statement:
        body = message_of(command, kind)
        message_id = command.id if kind == REVOKE else f"{command.id}_probe"
        answer = await self._http.ask("POST", (), body=body, headers=await self._headers(message_id, body))
        forbidden(answer, "the right to send messages to the webhook")
        if answer.status == _GONE:
            raise GoneError(f"{self._who} answers HTTP 410: the credential is gone")
        if answer.status not in _ACCEPTED:
            raise UnavailableError(f"{self._who} answers HTTP {answer.status}")
        token = await self._http.token()
        return statement_of(answer.body, self._who, [token] if token else ())

    async def _headers(self, message_id: str, body: bytes) -> dict[str, str]:
        path = self._options.secret_file
        try:
            secret = webhook_secret((await read_secret(path)).reveal().decode("ascii"))
        except ValueError as error:
            raise UnavailableError(f"{shown(path)}: {error}") from None
        return {
            "Content-Type": "application/json",
            **webhook_headers(secret, message_id, body, int(time.time())),
        }


TARGET: Final = Webhook
