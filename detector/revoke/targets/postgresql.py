"""PostgreSQL: the role of a task may no longer log in, its sessions are ended, and if you wish it is dropped later.

NOLOGIN alone leaves open sessions at work, on each standby too. So both are done, and both are looked at.

The revoker calls the functions of deploy/revoke/postgresql.sql, and needs no other right. They refuse every role that
is no member of `curfewd_tasks`, superusers, and the revoker's own.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from detector.adapters.postgresql.roles import PROVIDER, credential_of
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import (
    GoneError,
    Observation,
    Plan,
    RefusedError,
    State,
    Step,
    UnavailableError,
)
from detector.revoke.targets.credential_note import noted_credential
from detector.revoke.targets.delays import later
from detector.revoke.targets.postgresql_session import Login, session
from detector.revoke.targets.store_options import (
    SECONDS_TO_PROVE,
    Address,
    StoreOptions,
    encodable,
    state_of,
)
from detector.values.times import parse_rfc3339
from detector.values.wording import counted, visible

if TYPE_CHECKING:
    import asyncpg

_DISABLE, _TERMINATE, _DROP = range(3)
_NAME_BYTES: Final = 63  # PostgreSQL cuts a longer name, and would find another role
_PAUSE: Final = 0.02  # seconds, while sessions end
_GONE, _NOT_A_TASK, _IN_USE = "CF404", "CF403", "CF409"  # SQLSTATEs of the functions


class PostgresOptions(StoreOptions, frozen=True, kw_only=True):
    """How to reach one cluster of PostgreSQL.

    - `host`, `port`, `database`: the primary, and the database with the revoker's functions.
    - `user`: the revoker's login.
    - `standbys`: `HOST` or `HOST:PORT` of those that accept sessions; sessions are ended there too.
    """

    host: str
    port: int = 5432
    database: str = "postgres"
    user: str = "curfewd_revoker"
    standbys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Checks what can be checked without asking anybody.

        Raises:
            ValueError: a value cannot be used.
        """
        super().__post_init__()
        self.servers()

    def servers(self) -> tuple[Address, ...]:
        """The primary, then the standbys.

        Raises:
            ValueError: one of them is no address.
        """
        if not self.host or not 0 < self.port < 1 << 16:
            raise ValueError("host and port: write where PostgreSQL listens")
        standbys = (Address.parse(text, self.port) for text in self.standbys)
        return (Address(self.host, self.port), *standbys)


class _Role(msgspec.Struct, frozen=True):
    """A role that belongs to the command's credential. `sessions`: how many are open."""

    oid: int
    name: str
    can_login: bool
    sessions: int
    valid_until: str | None

    @property
    def dead(self) -> bool:
        return not self.can_login and not self.sessions


class PostgresTarget:
    """Revokes roles of one cluster.

    `revocation`: `provider` is `postgresql`, `role` its name, `cluster` where it is.
    """

    name: ClassVar[str] = PROVIDER
    Options: ClassVar[type[msgspec.Struct]] = PostgresOptions

    def __init__(self, options: PostgresOptions) -> None:
        self._options = options
        self._servers = options.servers()
        self._login = Login(
            options.user, options.password_file, options.database, options.ca_file, options.timeout
        )

    @staticmethod
    def accepts(command: RevocationCommand) -> bool:
        """Whether the credential is a role of PostgreSQL."""
        return command.provider == PROVIDER

    def plan(self, command: RevocationCommand) -> Plan:
        """NOLOGIN, then the end of its sessions, then perhaps DROP ROLE.

        Raises:
            RefusedError: no role is named, or one that cannot be a task's here.
        """
        role = visible(self._named(command))
        everywhere = f" at {len(self._servers)} servers" if len(self._servers) > 1 else ""
        return Plan(
            (
                Step(f"ALTER ROLE {role} NOLOGIN", reversible=True),
                Step(f"end the sessions of {role}{everywhere}"),
                *later(f"DROP ROLE {role}, if it owns nothing", self._options.delay),
            ),
            proof="pg_roles says NOLOGIN and pg_stat_activity has no session of the role",
            within=SECONDS_TO_PROVE,
            unproved="what the role left behind: functions, prepared transactions, roles that it made or that may SET ROLE to it",
            forgets=self._options.delay == 0,
        )

    async def revoke(self, command: RevocationCommand, step: int) -> str:
        """Carries out one step. Repeated, it changes nothing.

        Raises:
            RefusedError, GoneError, UnavailableError: it was not done.
        """
        if step == _TERMINATE:
            counts = [
                await self._terminate(address, command, must_be_disabled=address != self._servers[0])
                for address in self._servers
            ]
            return f"ended {counted(sum(counts), 'session')} of {visible(self._named(command))}"
        async with session(self._servers[0], self._login) as connection:
            role = await self._exactly(connection, command)
            if step == _DISABLE:
                await _call(connection, "SELECT curfewd.disable($1, $2)", role)
                return f"ALTER ROLE {visible(role.name)} NOLOGIN"
            return await _dropped(connection, role)

    async def probe(self, command: RevocationCommand) -> Observation:
        """Whether the role may log in, and how many sessions it has, at all servers.

        Raises:
            RefusedError: the role is not the credential's.
            UnavailableError: a server cannot be asked.
        """
        seen = [await self._seen(address, command) for address in self._servers]
        return Observation(
            state=state_of(state for state, _, _ in seen),
            how="; ".join(how for _, how, _ in seen),
            control=await self._control(),
            found=next(({"role": name} for _, _, name in seen if name), {}),
        )

    async def close(self) -> None:
        """Nothing: each session ends with what it was for."""

    def _named(self, command: RevocationCommand) -> str:
        role = self._options.named(command, "role")
        if not 0 < len(encodable(role)) <= _NAME_BYTES:
            raise RefusedError(
                "the command names no role that PostgreSQL can have: put `role` into its revocation"
            )
        return role

    async def _look_up(self, connection: "asyncpg.Connection", command: RevocationCommand) -> _Role:
        """The credential's role.

        Raises:
            RefusedError: the role of that name is no task's, or another credential's.
            GoneError: there is none.
        """
        wanted = self._named(command)
        if not encodable(command.credential_id):
            raise RefusedError(
                "no comment can hold the credential's id: it has a character that PostgreSQL cannot store"
            )
        rows = await connection.fetch(
            "SELECT * FROM curfewd.task_roles($1, $2)", wanted, command.credential_id
        )
        row = _owned(rows, wanted, command.credential_id)
        if row["is_protected"] or not row["is_task"]:
            raise RefusedError(
                f"the role {visible(wanted)} belongs to no task: it must be a member of curfewd_tasks, and not a superuser"
            )
        return _Role(row["role_id"], row["name"], row["can_login"], row["sessions"], row["valid_until"])

    async def _exactly(self, connection: "asyncpg.Connection", command: RevocationCommand) -> _Role:
        """The credential's role, which the command must name: nobody has decided over another one.

        Raises:
            RefusedError, GoneError: as for `_look_up`.
            UnavailableError: it is called otherwise now.
        """
        role = await self._look_up(connection, command)
        if role.name != self._named(command):
            raise UnavailableError(
                f"the role is called {visible(role.name)} now, which must be decided on first"
            )
        return role

    async def _terminate(
        self, address: Address, command: RevocationCommand, *, must_be_disabled: bool
    ) -> int:
        """Ends sessions until there are none. A standby is given time to hear of NOLOGIN first."""
        deadline, ended = time.monotonic() + self._options.timeout, 0
        async with session(address, self._login) as connection:
            while True:
                role = await self._exactly(connection, command)
                waiting = must_be_disabled and role.can_login
                if not waiting and not role.sessions:
                    return ended
                if not waiting:
                    signalled = await _call(connection, "SELECT curfewd.terminate($1, $2)", role)
                    ended = max(ended, signalled)  # those that take a while are counted again
                if time.monotonic() > deadline:
                    raise UnavailableError(
                        f"PostgreSQL at {address}: "
                        + (
                            "has not replayed NOLOGIN"
                            if waiting
                            else f"{counted(role.sessions, 'session')} did not end"
                        )
                    )
                await asyncio.sleep(_PAUSE)

    async def _seen(self, address: Address, command: RevocationCommand) -> tuple[State, str, str]:
        """How it is at one server, how this is known, and what the role is called there."""
        async with session(address, self._login) as connection:
            try:
                role = await self._look_up(connection, command)
            except GoneError as error:
                return "absent", f"{address}: {error}", ""
        until = f", VALID UNTIL {role.valid_until}" if role.valid_until else ""
        login = "LOGIN" if role.can_login else "NOLOGIN"
        return (
            "dead" if role.dead else "live",
            f"{address}: {visible(role.name)} has {login}{until}, {counted(role.sessions, 'session')}",
            role.name,
        )

    async def _control(self) -> bool:
        """Whether others may still log in: the revoker itself could just now, and the control login if there is one."""
        user, password_file = self._options.control_user, self._options.control_password_file
        if user is None or password_file is None:
            return True
        login = msgspec.structs.replace(self._login, user=user, password_file=password_file)
        try:
            async with session(self._servers[0], login) as connection:
                return bool(await connection.fetchval("SELECT true"))
        except UnavailableError:
            return False


def _owned(rows: Sequence[Any], wanted: str, credential_id: str) -> Any:
    """The row of the role that belongs to the credential: by its comment, else by the id that VALID UNTIL gives it.

    Its comment names it also if somebody has renamed it.
    """
    named = next((row for row in rows if row["name"] == wanted), None)
    noted = None if named is None else noted_credential(named["note"])
    if noted == credential_id:
        return named
    elsewhere = [row for row in rows if row is not named and _notes(row["note"], credential_id)]
    if len(elsewhere) == 1:
        return elsewhere[0]
    if elsewhere or noted is not None:
        raise RefusedError(f"the comment of the role {visible(wanted)} names another credential")
    if named is None:
        raise GoneError(f"there is no role {visible(wanted)}")
    until = named["valid_until"]
    if until is None or credential_of(wanted, parse_rfc3339(until)) != credential_id:
        raise RefusedError(
            f"nothing says that the role {visible(wanted)} is this credential's: its comment must be"
            ' `curfewd:{"credential_id": "…"}`, or its VALID UNTIL that of the issue'
        )
    return named


def _notes(note: str, credential_id: str) -> bool:
    try:
        return noted_credential(note) == credential_id
    except RefusedError:  # of another role
        return False


async def _call(connection: "asyncpg.Connection", statement: str, role: _Role) -> Any:
    """What a function about a role returns.

    Raises:
        RefusedError, GoneError: the server refuses it.
    """
    import asyncpg  # noqa: PLC0415 - a plan needs no library

    name = visible(role.name)
    try:
        return await connection.fetchval(statement, role.name, role.oid)
    except asyncpg.InsufficientPrivilegeError:
        raise RefusedError(
            f"PostgreSQL keeps the role {name} for a superuser to change: it has REPLICATION or BYPASSRLS,"
            " or from PostgreSQL 16 on lacks ADMIN curfewd_revocation"
        ) from None
    except asyncpg.PostgresError as error:
        if error.sqlstate == _GONE:
            raise GoneError(f"the role {name} no longer exists") from None
        if error.sqlstate == _NOT_A_TASK:
            raise RefusedError(f"the role {name} no longer belongs to a task") from None
        raise


async def _dropped(connection: "asyncpg.Connection", role: _Role) -> str:
    """Drops a role, or says why it is kept: it can no longer do anything either way."""
    import asyncpg  # noqa: PLC0415 - a plan needs no library

    name = visible(role.name)
    try:
        await _call(connection, "SELECT curfewd.drop($1, $2)", role)
    except asyncpg.DependentObjectsStillExistError:
        raise RefusedError(
            f"the role {name} is kept: it owns objects or was granted rights. A person must run "
            "REASSIGN OWNED or DROP OWNED"
        ) from None
    except asyncpg.PostgresError as error:
        if error.sqlstate == _IN_USE:
            raise RefusedError(
                f"the role {name} is kept: somebody allowed it to log in again, or it has sessions"
            ) from None
        raise
    return f"DROP ROLE {name}"


TARGET: Final = PostgresTarget
