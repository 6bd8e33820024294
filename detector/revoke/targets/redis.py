"""Redis and Valkey: switches a task's user off, closes its connections, and if you wish deletes it later.

`ACL SETUSER name off` alone leaves open connections at work. Users live on each server by itself: on a replica, and
on each node of a cluster, the user works on until it is switched off there too. And what is not saved comes back with
the next start. So all of that is done, and all servers are looked at.
"""

import asyncio
import re  # over bytes up to the next blank
from typing import ClassVar, Final

import msgspec

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
from detector.revoke.targets.delays import later
from detector.revoke.targets.redis_session import Login, Session, session
from detector.revoke.targets.store_options import (
    SECONDS_TO_PROVE,
    Address,
    StoreOptions,
    encodable,
    state_of,
)
from detector.values.wording import counted, visible

_DISABLE, _KILL, _DROP = range(3)
_PORT: Final = 6379
_LABEL: Final = "curfewd:credential:"
_PROVIDERS: Final = frozenset({"redis", "valkey"})
_DEFAULT: Final = "default"
_USER_OF_CLIENT: Final = re.compile(rb" user=(\S*)")
_LONGEST: Final = 1024  # bytes of a name
_PAUSE: Final = 0.02  # seconds, while connections close
_ON: Final = b"on"


class RedisOptions(StoreOptions, frozen=True, kw_only=True):
    """How to reach the servers that share their users.

    - `servers`: `HOST` or `HOST:PORT` of all of them, replicas too; labels are read from the first.
    - `user`: the revoker's own user.
    - `user_prefix`: how the names of tasks' users begin. No other user is touched.
    - `save`: whether `ACL SAVE` follows, so that the user does not come back with the next start.
    """

    servers: tuple[str, ...]
    user_prefix: str
    user: str = "curfewd-revoker"
    save: bool = True

    def __post_init__(self) -> None:
        """Checks what can be checked without asking anybody.

        Raises:
            ValueError: a value cannot be used.
        """
        super().__post_init__()
        if not self.addresses():
            raise ValueError("servers: write at least one HOST:PORT")
        if not self.user_prefix:
            raise ValueError('user_prefix: write how the names of tasks\' users begin, such as "task-"')

    def addresses(self) -> tuple[Address, ...]:
        """Of all servers.

        Raises:
            ValueError: one of them is none.
        """
        return tuple(Address.parse(text, _PORT) for text in self.servers)


class RedisTarget:
    """Revokes users of Redis.

    `revocation`: `provider` is `redis` or `valkey`, `user` the name, `cluster` where it is.
    """

    name: ClassVar[str] = "redis"
    Options: ClassVar[type[msgspec.Struct]] = RedisOptions

    def __init__(self, options: RedisOptions) -> None:
        self._options = options
        self._servers = options.addresses()
        self._login = Login(options.user, options.password_file, options.ca_file, options.timeout)

    @staticmethod
    def accepts(command: RevocationCommand) -> bool:
        """Whether the credential is a user of Redis or Valkey."""
        return command.provider in _PROVIDERS

    def plan(self, command: RevocationCommand) -> Plan:
        """Off, then the end of its connections, then perhaps its deletion.

        Raises:
            RefusedError: no user is named, or one that is no task's.
        """
        user = visible(self._named(command))
        everywhere = f" at {len(self._servers)} servers" if len(self._servers) > 1 else ""
        saved = ", and ACL SAVE" if self._options.save else ""
        return Plan(
            (
                Step(f"ACL SETUSER {user} off{saved}{everywhere}", reversible=True),
                Step(f"CLIENT KILL USER {user}{everywhere}"),
                *later(f"ACL DELUSER {user}{saved}{everywhere}", self._options.delay),
            ),
            proof="ACL GETUSER says off and CLIENT LIST has no connection of the user",
            within=SECONDS_TO_PROVE,
            unproved="connections at servers that are not listed under `servers`",
            forgets=self._options.delay == 0,
        )

    async def revoke(self, command: RevocationCommand, step: int) -> str:
        """Carries out one step at all servers. Repeated, it changes nothing.

        Raises:
            RefusedError, GoneError, UnavailableError: it was not done, or not everywhere.
        """
        user = self._named(command)
        await self._check_owner(command, user)
        done = [await self._step(address, user, step) for address in self._servers]
        if not any(done):
            raise GoneError(f"there is no user {visible(user)}")
        return "; ".join(words for words in done if words)

    async def probe(self, command: RevocationCommand) -> Observation:
        """Whether the user is on, and how many connections it has, at all servers.

        Raises:
            RefusedError: the user is not the credential's.
            UnavailableError: a server cannot be asked.
        """
        user = self._named(command)
        seen = [await self._seen(address, user) for address in self._servers]
        state = state_of(state for state, _ in seen)
        if state != "absent":
            await self._check_owner(command, user)
        return Observation(
            state=state,
            how="; ".join(how for _, how in seen),
            control=await self._control(),
        )

    async def close(self) -> None:
        """Nothing: each connection ends with what it was for."""

    def _named(self, command: RevocationCommand) -> str:
        user = self._options.named(command, "user")
        if not 0 < len(encodable(user)) <= _LONGEST or any(char.isspace() for char in user):
            raise RefusedError(
                "the command names no user that Redis can have: put `user` into its revocation"
            )
        if user in {_DEFAULT, self._options.user} or not user.startswith(self._options.user_prefix):
            raise RefusedError(
                f"the user {visible(user)} belongs to no task: its name must begin with {self._options.user_prefix}"
            )
        return user

    async def _check_owner(self, command: RevocationCommand, user: str) -> None:
        """Raises unless the user is the credential's: its label says so, or it has none and is called so.

        Who can forge an event can choose the credential's id, so a name alone does not outweigh a label.
        """
        from redis.exceptions import MovedError  # noqa: PLC0415 - a plan needs no library

        named = user in {command.credential_id, f"{self._options.user_prefix}{command.credential_id}"}
        async with session(self._servers[0], self._login) as asking:
            try:
                label = await asking.ask("GET", f"{_LABEL}{user}")
            except MovedError:  # in a Redis Cluster: there users are named as their credentials
                if not named:
                    raise
                label = None
        if label is None:
            if named:
                return
            raise RefusedError(
                f"nothing says that the user {visible(user)} is this credential's: name it so, or set the key"
                f" {_LABEL}USER to the credential's id"
            )
        if label != command.credential_id.encode("utf-8", "replace"):
            raise RefusedError(f"the label of the user {visible(user)} names another credential")

    async def _step(self, address: Address, user: str, step: int) -> str:
        """What was done at one server; empty if it does not know the user."""
        async with session(address, self._login) as asking:
            if await _enabled(asking, user) is None:  # SETUSER would make it
                return ""
            await self._refuse_administrators(asking, user)
            if step == _KILL:
                return (
                    f"{address}: closed {counted(await _kill(asking, user), 'connection')} of {visible(user)}"
                )
            if step == _DISABLE:
                await asking.ask("ACL", "SETUSER", user, "off")
                words = f"{address}: ACL SETUSER {visible(user)} off"
            else:
                if await _enabled(asking, user):
                    raise RefusedError(f"the user {visible(user)} is kept: somebody switched it on again")
                await asking.ask("ACL", "DELUSER", user)
                words = f"{address}: ACL DELUSER {visible(user)}"
        return words + await self._saved(address)

    async def _saved(self, address: Address) -> str:
        """Saves the users of a server, and says so if that cannot be done there."""
        if not self._options.save:
            return ""
        try:
            async with session(address, self._login) as asking:
                await asking.ask("ACL", "SAVE")
        except UnavailableError:
            return " (not saved: without `aclfile`, or if it cannot be written, the next start may undo it)"
        return ", saved"

    async def _refuse_administrators(self, asking: Session, user: str) -> None:
        """Raises if the user is the revoker's own, or may make users itself: no task's may."""
        own = await asking.ask("ACL", "WHOAMI")
        trial = await asking.ask("ACL", "DRYRUN", user, "ACL", "SETUSER", _DEFAULT, "on")
        if own == user.encode() or trial == b"OK":
            raise RefusedError(
                f"the user {visible(user)} may manage users: a person must switch off an administrator"
            )

    async def _seen(self, address: Address, user: str) -> tuple[State, str]:
        """How it is at one server, and how this is known."""
        async with session(address, self._login) as asking:
            enabled, open_ = await _enabled(asking, user), await _connections(asking, user)
        words = {None: "unknown", True: "on", False: "off"}[enabled]
        how = f"{address}: {visible(user)} is {words}, {open_} connections"
        if enabled or open_:
            return "live", how
        return "absent" if enabled is None else "dead", how

    async def _control(self) -> bool:
        """Whether others may still log in: the revoker itself could just now, and the control login if there is one."""
        user, password_file = self._options.control_user, self._options.control_password_file
        if user is None or password_file is None:
            return True
        login = msgspec.structs.replace(self._login, user=user, password_file=password_file)
        try:
            async with session(self._servers[0], login):
                return True
        except UnavailableError:
            return False


async def _enabled(asking: Session, user: str) -> bool | None:
    """Whether a user may log in; None if there is none. Its passwords' hashes are not looked at."""
    answer = await asking.ask("ACL", "GETUSER", user)
    if answer is None:
        return None
    flags = answer[answer.index(b"flags") + 1]
    if not isinstance(flags, list):
        raise UnavailableError(f"Redis at {asking.address} does not answer as Redis does")
    return _ON in flags


async def _connections(asking: Session, user: str) -> int:
    listed = await asking.ask("CLIENT", "LIST")
    if not isinstance(listed, bytes):
        raise UnavailableError(f"Redis at {asking.address} does not answer as Redis does")
    return sum(name == user.encode() for name in _USER_OF_CLIENT.findall(listed))


async def _kill(asking: Session, user: str) -> int:
    """Closes connections until there are none; `session` ends it if they do not close."""
    closed = 0
    while await _connections(asking, user):
        closed += int(await asking.ask("CLIENT", "KILL", "USER", user))
        await asyncio.sleep(_PAUSE)
    return closed


TARGET: Final = RedisTarget
