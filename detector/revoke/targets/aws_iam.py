"""Calls to AWS IAM and STS by aiobotocore, with errors that the revoker knows. Nothing is tried again here.

IAM is eventually consistent: what it says may be some seconds old, and takes some seconds to be in force everywhere.
"""

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from detector.revoke.target import RefusedError, UnavailableError
from detector.revoke.targets.aws_options import AwsOptions
from detector.terminal.output import printable

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_CONNECT: Final = 5
_RIGHTS: Final = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_OWN: Final = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "SignatureDoesNotMatch"}
)
_FINAL: Final = frozenset(
    {
        "InvalidInput",
        "LimitExceeded",
        "MalformedPolicyDocument",
        "UnmodifiableEntity",
        "ValidationError",
    }
)
_SHOWN: Final = 60
NONE: Final = "NoSuchEntity"


class Iam:
    """IAM of one account, with the credentials that the options or the environment name."""

    def __init__(self, options: AwsOptions) -> None:
        self._options = options
        self._stack = AsyncExitStack()
        self._clients: dict[str, Any] = {}
        self._lock = asyncio.Lock()
        self._checked = False

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any] | None:
        """The answer to a call; None if there is no such entity. The first call checks the account.

        Raises:
            RefusedError, UnavailableError: it was not done.
        """
        if not self._checked:
            await self.own_account()
        return await self._call(service, operation, parameters)

    async def own_account(self) -> str:
        """The account of the revoker's own credentials, which must be the configured one.

        Raises:
            UnavailableError: it is another, or AWS does not accept them now.
        """
        answer = await self._call("sts", "get_caller_identity", {}) or {}
        account = answer.get("Account")
        if account != self._options.account:
            raise UnavailableError(
                f"the revoker's credentials are not of the account {self._options.account}: check them"
            )
        self._checked = True
        return self._options.account

    async def close(self) -> None:
        """Closes connections."""
        self._clients.clear()
        await self._stack.aclose()

    async def _call(self, service: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any] | None:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - a plan needs no library
        from botocore.parsers import ResponseParserError  # noqa: PLC0415 - a plan needs no library

        name = "".join(part.capitalize() for part in operation.split("_"))
        try:
            async with asyncio.timeout(self._options.timeout):
                client = await self._client(service)
                found: dict[str, Any] = await getattr(client, operation)(**parameters)
        except ClientError as error:
            self._failed(error, f"{service}:{name}")
            return None
        except TimeoutError:
            raise UnavailableError(f"AWS does not answer {name} within {self._options.timeout:g} s") from None
        except (BotoCoreError, ResponseParserError, aiohttp.ClientError, OSError, ValueError) as error:
            raise UnavailableError(f"AWS cannot be asked for {name}: {type(error).__name__}") from None
        return found

    def _failed(self, error: "ClientError", action: str) -> None:
        """Nothing, if the error says that there is no such entity."""
        answer = error.response
        code = str(answer.get("Error", {}).get("Code", ""))[:_SHOWN]
        if code == NONE:
            return
        if code in _RIGHTS:
            raise RefusedError(
                f"the revoker may not do {action}: give it the rights of deploy/revoke/aws.json"
            )
        if code in _OWN:
            raise UnavailableError(f"AWS does not accept the revoker's own credentials ({code}): renew them")
        if code in _FINAL:
            raise RefusedError(f"AWS refuses {action}: {code}")
        after = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("retry-after", "")
        seconds = float(after) if str(after).isdecimal() and len(str(after)) < 5 else None  # noqa: PLR2004 - digits
        raise UnavailableError(f"AWS answers {action} with {printable(code) or 'an error'}", seconds)

    async def _client(self, service: str) -> Any:
        async with self._lock:
            if service not in self._clients:
                self._clients[service] = await self._stack.enter_async_context(self._made(service))
            return self._clients[service]

    def _made(self, service: str) -> Any:
        from aiobotocore.config import AioConfig  # noqa: PLC0415 - a plan needs no library
        from aiobotocore.session import get_session  # noqa: PLC0415 - a plan needs no library

        from detector.revoke.targets.aws_http import BoundedSession  # noqa: PLC0415 - a plan needs no library

        session = get_session()
        if self._options.credentials_file is not None:
            session.set_config_variable("credentials_file", self._options.credentials_file)
            session.set_config_variable("profile", self._options.profile)
        config = AioConfig(
            connect_timeout=_CONNECT,
            read_timeout=self._options.timeout,
            retries={"total_max_attempts": 1},
            user_agent_extra="curfewd",
            http_session_cls=BoundedSession,
        )
        return session.create_client(
            service,
            region_name=self._options.region,
            endpoint_url=self._options.endpoint_url,
            config=config,
        )
