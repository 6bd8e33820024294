"""A Redis that asks for passwords, and keeps its users in an ACL file or, as many do, nowhere."""

import secrets
import shutil
from pathlib import Path
from typing import Any, Final, Self

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from tests.broker.cluster import free_ports
from tests.revoke.servers.process import Process, Server, ServerError

GRANTS: Final = Path(__file__).parents[3] / "deploy" / "revoke" / "redis.acl"
USERS: Final = "users.acl"


class RedisServer(Server):
    """One server; a context manager that leaves nothing running. `aclfile`: whether its users are saved."""

    def __init__(self, *, aclfile: bool = True) -> None:
        self.password = secrets.token_hex(16)
        self._aclfile = aclfile
        self._process = Process("redis", free_ports(1)[0])

    @property
    def port(self) -> int:
        """On 127.0.0.1."""
        return self._process.port

    @property
    def address(self) -> str:
        """As the configuration of a target writes it."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Starts it, and waits until it accepts connections."""
        command = shutil.which("redis-server") or shutil.which("valkey-server")
        if command is None:
            raise ServerError("the tests start Redis: install it (Debian: apt-get install redis-server)")
        users = self._process.folder / USERS
        if self._aclfile and not users.exists():
            users.write_text(f"user default on >{self.password} ~* &* +@all\n{_granted()}")
        kept = ["--aclfile", str(users)] if self._aclfile else ["--requirepass", self.password]
        silent = ["--save", "", "--appendonly", "no", "--dir", str(self._process.folder)]
        self._process.start([command, "--port", str(self.port), "--bind", "127.0.0.1", *silent, *kept])
        return self

    def stop(self) -> None:
        """Ends it at once."""
        self._process.stop()

    def connect(self, user: str = "default", password: str | None = None) -> "Redis":
        """A client with one connection, the administrator's unless `user` is given."""
        return Redis(
            host="127.0.0.1",
            port=self.port,
            username=user,
            password=self.password if password is None else password,
            single_connection_client=True,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            driver_info=None,
        )

    async def install_revoker(self, password_file: Path) -> None:
        """Gives the user of deploy/revoke/redis.acl, made if there is no ACL file, the password in a file."""
        password = password_file.read_text().strip()
        async with self.connect() as admin:
            rules: list[Any] = _granted().split()[1:]
            await admin.execute_command("ACL", "SETUSER", *rules, f">{password}")  # type: ignore[no-untyped-call]  # redis-py has no types there
            if self._aclfile:
                await admin.execute_command("ACL", "SAVE")  # type: ignore[no-untyped-call]  # the same


def _granted() -> str:
    """The line of deploy/revoke/redis.acl; Redis takes no comments in an ACL file."""
    return "".join(line for line in GRANTS.read_text().splitlines(keepends=True) if line.startswith("user "))
