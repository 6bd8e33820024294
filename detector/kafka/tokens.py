"""Tokens for SASL OAUTHBEARER (RFC 7628), from a file that somebody renews or for client credentials (RFC 6749)."""

import asyncio
import base64
import json
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote_plus, urlencode, urlsplit

from aiokafka import errors as kafka
from aiokafka.abc import AbstractTokenProvider

from detector.configuration.kafka_settings import Security
from detector.configuration.urls import loopback
from detector.kafka.authorities import trusting
from detector.values.bounded_files import BadFileError, read_bounded
from detector.values.secrets import Secret

ANSWER_SECONDS: Final = 5.0
_MAX_BYTES: Final = 1 << 16
_RENEW_AFTER: Final = 0.8  # of a token's life: a connection made a moment before its end would be cut at once
_SECONDS_IF_UNSAID: Final = 60.0
_SERVER_ERRORS: Final = 500


class TokenError(kafka.KafkaError):  # type: ignore[misc]  # aiokafka ships no types; it takes its own errors for a failed connection
    """There is no token.

    If it is `retriable`, there may be one later. The text quotes nothing that was sent or read.
    """

    def __init__(self, text: str, *, retriable: bool) -> None:
        self.text = text
        self.retriable = retriable
        super().__init__(text)


class FileTokens(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka ships no types
    """The token in a file, read again for each connection."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    async def token(self) -> str:
        """The token in the file now."""
        return await asyncio.get_running_loop().run_in_executor(None, self._read)

    def check(self) -> None:
        """Reads the token.

        Raises:
            TokenError: there is none.
        """
        self._read()

    def _read(self) -> str:
        try:
            raw = read_bounded(self._path, _MAX_BYTES)
        except BadFileError as error:
            raise TokenError(f"{self._path}: {error}", retriable=False) from None
        return _visible(raw, str(self._path))


class EndpointTokens(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka ships no types
    """The token of an endpoint, kept until four fifths of its life have passed."""

    def __init__(self, security: Security) -> None:
        endpoint, client, secret = security.token_endpoint, security.oauth_client_id, security.client_secret
        if endpoint is None or client is None or secret is None:
            raise ValueError("the endpoint, the client's id and its secret are needed")
        self._url = endpoint
        self._client = client
        self._secret = secret
        self._scope = security.scope
        handlers: list[Any] = [_NoRedirects()]
        if loopback(urlsplit(endpoint).hostname or ""):
            handlers.append(urllib.request.ProxyHandler({}))
        if endpoint.startswith("https"):
            context = trusting(security.token_ca_file)
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)
        self._kept = Secret(b"")
        self._until = 0.0
        self._asking = asyncio.Lock()  # connections are made side by side: one of them asks

    async def token(self) -> str:
        """A token that is valid for a while."""
        async with self._asking:
            if time.monotonic() >= self._until:
                asked = time.monotonic()
                self._kept, life = await asyncio.get_running_loop().run_in_executor(None, self._ask)
                self._until = asked + life * _RENEW_AFTER
            return self._kept.reveal().decode()

    def check(self) -> None:
        """Nothing: the certificates were read when this was made, and the endpoint is asked when it has to be."""

    def _ask(self) -> tuple[Secret, float]:
        form = {"grant_type": "client_credentials", **({} if self._scope is None else {"scope": self._scope})}
        pair = f"{quote_plus(self._client)}:{quote_plus(self._secret.reveal().decode())}"  # RFC 6749, 2.3.1
        request = urllib.request.Request(  # noqa: S310 - the settings let https through, and http to this machine
            self._url,
            data=urlencode(form).encode(),
            headers={
                "Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
                "Accept": "application/json",
            },
        )
        try:
            with self._opener.open(request, timeout=ANSWER_SECONDS) as answer:
                return self._granted(answer.read(_MAX_BYTES))
        except urllib.error.HTTPError as error:
            error.close()
            retriable = error.code >= _SERVER_ERRORS
            refused = "" if retriable else ": it does not accept the client's id and secret, or the scope"
            raise self._failed(f"answers {error.code}{refused}", retriable=retriable) from None
        except urllib.error.URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                raise self._failed(
                    "its certificate is not trusted: see token_ca_file", retriable=False
                ) from None
            raise self._failed("cannot be reached", retriable=True) from None
        except OSError:
            raise self._failed("does not answer", retriable=True) from None

    def _granted(self, body: bytes) -> tuple[Secret, float]:
        try:
            answer = json.loads(body)
            token, life = answer["access_token"], float(answer.get("expires_in", _SECONDS_IF_UNSAID))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise self._failed("answers with no access_token", retriable=False) from None
        if not isinstance(token, str):
            raise self._failed("answers with no access_token", retriable=False)
        return Secret(_visible(token.encode("utf-8", "replace"), "the token endpoint").encode()), life

    def _failed(self, what: str, *, retriable: bool) -> TokenError:
        parts = urlsplit(self._url)
        return TokenError(f"the token endpoint {parts.hostname}{parts.path}: {what}", retriable=retriable)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The secret goes only to the configured endpoint."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def tokens(security: Security) -> FileTokens | EndpointTokens:
    """The source of tokens that the settings name.

    Raises:
        ConfigError: the file of certificates that it names cannot be used.
    """
    return EndpointTokens(security) if security.token_file is None else FileTokens(security.token_file)


def _visible(raw: bytes, where: str) -> str:
    """A token must be visible ASCII: anything else would end the message that carries it."""
    text = raw.strip()
    if not text or len(raw) > _MAX_BYTES or not all(33 <= byte <= 126 for byte in text):  # noqa: PLR2004 - ! to ~
        raise TokenError(f"{where}: holds no token", retriable=False)
    return text.decode("ascii")
