"""Connections of the revoker to Redis, and what its errors mean for a revocation."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from detector.revoke.target import UnavailableError
from detector.revoke.targets.password_file import read_password
from detector.revoke.targets.store_options import Address
from detector.values.bounded_files import CERTIFICATE_BYTES, BadFileError, read_bounded

if TYPE_CHECKING:
    from redis.asyncio import Redis

_RIGHTS: Final = "give it those of deploy/revoke/redis.acl"


@cache
def _reasons() -> tuple[tuple[type[Exception], str], ...]:
    """What errors mean: the first that fits."""
    from redis import exceptions  # noqa: PLC0415 - a plan needs no library

    return (
        (TimeoutError, "does not answer within {timeout:g} s"),
        (exceptions.TimeoutError, "does not answer within {timeout:g} s"),
        (exceptions.AuthenticationError, "does not let {user} in: look at password_file"),
        (exceptions.NoPermissionError, f"does not let {{user}} do this: {_RIGHTS}"),
        (exceptions.BusyLoadingError, "is still loading its data"),
        (
            exceptions.MovedError,
            "keeps the label elsewhere, as a Redis Cluster does: name users as their credentials",
        ),
        (exceptions.ConnectionError, "cannot be connected to, or has no certificate that is trusted"),
        (OSError, "cannot be connected to"),
        (exceptions.ResponseError, "refuses a command: is it Redis 7 or newer, or Valkey?"),
    )


@cache
def _failures() -> tuple[type[Exception], ...]:
    from redis import exceptions  # noqa: PLC0415 - a plan needs no library

    return (
        exceptions.RedisError,
        OSError,
        EOFError,
        ValueError,  # of what its parsers cannot read
        TypeError,
        IndexError,
        RecursionError,
    )


class Login(msgspec.Struct, frozen=True):
    """How to log in: the files are read each time."""

    user: str
    password_file: str
    ca_file: str | None
    timeout: float


class Session:
    """One connection. Answers are as Redis gives them: bytes, numbers and lists of these."""

    def __init__(self, redis: "Redis", address: Address) -> None:
        self._redis = redis
        self.address = address

    async def ask(self, *words: str | bytes) -> Any:
        """The answer to one command."""
        return await self._redis.execute_command(*words)  # type: ignore[no-untyped-call]  # redis-py has no types there


@asynccontextmanager
async def session(address: Address, login: Login) -> AsyncIterator[Session]:
    """A connection that ends with the block, which may take `timeout` seconds.

    Across a network it is encrypted, and the server's certificate must fit its name.

    Raises:
        UnavailableError: there is none, or it broke, or what answers is no Redis.
    """
    from redis.asyncio import Redis  # noqa: PLC0415 - a plan needs no library
    from redis.asyncio.retry import Retry  # noqa: PLC0415 - a plan needs no library
    from redis.backoff import NoBackoff  # noqa: PLC0415 - a plan needs no library

    redis = Redis(
        host=address.host,
        port=address.port,
        username=login.user,
        password=await read_password(login.password_file),
        ssl=not address.local or login.ca_file is not None,
        ssl_ca_data=await _authorities(login.ca_file),
        socket_timeout=login.timeout,
        socket_connect_timeout=login.timeout,
        single_connection_client=True,
        retry=Retry(NoBackoff(), 0),  # the revoker tries again
        protocol=2,
        driver_info=None,
    )
    try:
        async with asyncio.timeout(login.timeout):
            await redis.initialize()  # connects, and logs in
            yield Session(redis, address)
    except _failures() as error:
        raise UnavailableError(f"Redis at {address} {_reason(error, login)}") from None
    finally:
        await redis.aclose()


async def _authorities(ca_file: str | None) -> str | None:
    if ca_file is None:
        return None
    try:
        return (await asyncio.to_thread(read_bounded, ca_file, CERTIFICATE_BYTES)).decode("ascii", "ignore")
    except BadFileError as error:
        raise UnavailableError(f"ca_file {error}") from None


def _reason(error: Exception, login: Login) -> str:
    """What an error means, in words that follow the server's name. It quotes nothing of the server's."""
    for kind, words in _reasons():
        if isinstance(error, kind):
            return words.format(user=login.user, timeout=login.timeout)
    return "does not answer as Redis does"
