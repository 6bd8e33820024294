"""Sessions of the revoker in PostgreSQL, and what its errors mean for a revocation."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Final

import msgspec

from detector.kafka.authorities import trusting
from detector.revoke.target import UnavailableError
from detector.revoke.targets.password_file import read_password
from detector.revoke.targets.store_options import Address
from detector.values.errors import ConfigError

if TYPE_CHECKING:
    import asyncpg

_SETUP: Final = "run deploy/revoke/postgresql.sql there"
_LOCK_SECONDS: Final = 3  # for whoever changes the same role


@cache
def _reasons() -> tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...]:
    """What errors mean: the first that fits. SSLError is an OSError."""
    import asyncpg  # noqa: PLC0415 - a plan needs no library

    return (
        (TimeoutError, "does not answer within {timeout:g} s"),
        (
            asyncpg.InvalidAuthorizationSpecificationError,
            "does not let {user} in: look at password_file and pg_hba.conf",
        ),
        (asyncpg.UndefinedFunctionError, f"lacks the functions of the revoker: {_SETUP}"),
        (asyncpg.InvalidSchemaNameError, f"lacks the functions of the revoker: {_SETUP}"),
        (asyncpg.InsufficientPrivilegeError, f"does not let {{user}} look roles up: {_SETUP}"),
        (asyncpg.LockNotAvailableError, "waits for somebody else who changes the same role"),
        (asyncpg.ReadOnlySQLTransactionError, "is a standby: set host to the primary"),
        (ssl.SSLError, "has no certificate that is trusted: look at ca_file"),
        (asyncpg.ConnectionDoesNotExistError, "closed the connection"),
        (
            (asyncpg.InterfaceError, asyncpg.InternalClientError, ConnectionError),
            "refuses connections, or speaks no PostgreSQL",
        ),
        (OSError, "cannot be connected to"),
    )


class Login(msgspec.Struct, frozen=True):
    """How to log in: the files are read each time."""

    user: str
    password_file: str
    database: str
    ca_file: str | None
    timeout: float


@asynccontextmanager
async def session(address: Address, login: Login) -> AsyncIterator["asyncpg.Connection"]:
    """A session that ends with the block.

    Across a network it is encrypted, and the server's certificate must fit its name.

    Raises:
        UnavailableError: there is none, or it broke.
    """
    import asyncpg  # noqa: PLC0415 - a plan needs no library

    password = await read_password(login.password_file)
    connection: asyncpg.Connection | None = None
    try:
        connection = await asyncpg.connect(
            host=address.host,
            port=address.port,
            user=login.user,
            password=password,
            database=login.database,
            ssl=_encryption(address, login.ca_file),
            timeout=login.timeout,
            command_timeout=login.timeout,
            statement_cache_size=0,  # a pooler may stand between
            server_settings={"application_name": "curfewd revoke", "lock_timeout": f"{_LOCK_SECONDS}s"},
        )
        yield connection
    except ConfigError as error:
        raise UnavailableError(str(error)) from None
    except (
        TimeoutError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,
        OSError,
    ) as error:
        raise UnavailableError(f"PostgreSQL at {address} {_reason(error, login)}") from None
    finally:
        if connection is not None:
            connection.terminate()


def _reason(error: Exception, login: Login) -> str:
    """What an error means, in words that follow the server's name. It quotes nothing of the server's."""
    import asyncpg  # noqa: PLC0415 - a plan needs no library

    for kind, words in _reasons():
        if isinstance(error, kind):
            return words.format(user=login.user, timeout=login.timeout)
    return (
        f"failed (SQLSTATE {error.sqlstate})"
        if isinstance(error, asyncpg.PostgresError)
        else "cannot be used"
    )


def _encryption(address: Address, ca_file: str | None) -> ssl.SSLContext | bool:
    return False if address.local and ca_file is None else trusting(ca_file)
