"""Issuers that give tasks credentials at real servers, register them with curfewd, and can try whether they work.

The tests of the whole way, the measurement of it and `make demo-loop` share them.
"""

import asyncio
import base64
import json
import re
import secrets
import time
import urllib.request
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, Protocol

import asyncpg
import msgspec
from aiokafka import AIOKafkaProducer

from detector.adapters.postgresql.roles import ROLE_ID
from detector.values.secrets import DeploymentKey, Secret
from detector.values.times import HOUR, MILLISECOND, format_rfc3339
from tests.revoke.servers import OAuthServer, Postgres
from tests.revoke.servers.oauth import secret as client_secret

SOURCE: Final = "issuer"
_OK: Final = 200


class Issued(msgspec.Struct, frozen=True):
    """A credential that one task has. `event` is what its issuer tells curfewd."""

    credential_id: str
    task: str
    secret: Secret
    event: dict[str, Any]

    def printed(self) -> str:
        """A line of a log that shows it as a shell's trace does: in base64, in a header."""
        pair = base64.b64encode(f"{self.task}:".encode() + self.secret.reveal()).decode()
        return f"+ curl -sS -H 'Authorization: Basic {pair}' https://api.example/v1/release"


class Issuer(Protocol):
    """Gives tasks credentials of one kind."""

    def table(self) -> str:
        """The `[revoke.targets.…]` table with which `curfewd revoke` ends them, in TOML."""

    async def issue(self, task: str) -> Issued:
        """A credential of a task, which works."""

    async def works(self, issued: Issued) -> bool:
        """Whether the server lets somebody in who uses it now."""


class TokenIssuer:
    """Tokens of an OAuth server, with refresh tokens. It keeps each in a folder that the revoker may read."""

    def __init__(self, server: OAuthServer, folder: Path, key: DeploymentKey) -> None:
        self._server = server
        self._folder = folder
        self._key = key
        self._tokens = folder / "tokens"
        self._tokens.mkdir(mode=0o700)
        _private(folder / "oauth-client-secret", client_secret("revoker"))
        _private(folder / "oauth-control-token", server.token())

    def table(self) -> str:
        """A table of type oauth."""
        return (
            f'[revoke.targets.sign-in]\ntype = "oauth"\nurl = "{self._server.issuer}"\n'
            'revocation_path = "/token/revocation"\nintrospection_path = "/token/introspection"\n'
            'client_id = "revoker"\nclient_secret_file = "oauth-client-secret"\n'
            'token_folder = "tokens"\ncontrol_token_file = "oauth-control-token"\n'
        )

    async def issue(self, task: str) -> Issued:
        """An access token. It is revoked with its grant."""
        access, refresh = await asyncio.to_thread(self._server.grant)
        _private(self._tokens / task, access)
        _private(self._tokens / f"{task}.refresh", refresh)
        handle = {"provider": "oauth", "method": "rfc7009", "client_id": "task", "token_name": task}
        return _issued(self._key, f"{task}/token", task, access, kind="access-token", revocation=handle)

    async def works(self, issued: Issued) -> bool:
        """Whether the server answers a request that shows the token."""
        return await asyncio.to_thread(self._server.userinfo, issued.secret.reveal().decode()) == _OK


class RoleIssuer:
    """Roles of PostgreSQL: each task has one of its own, and a password for it."""

    def __init__(self, server: Postgres, folder: Path, key: DeploymentKey) -> None:
        self._server = server
        self._key = key
        self._password = folder / "postgresql-password"
        _private(self._password, secrets.token_hex(16))

    async def install(self) -> None:
        """Gives the revoker its rights: deploy/revoke/postgresql.sql."""
        await self._server.install_revoker(self._password)

    def table(self) -> str:
        """A table of type postgresql."""
        return (
            '[revoke.targets.database]\ntype = "postgresql"\nhost = "127.0.0.1"\n'
            f'port = {self._server.port}\npassword_file = "{self._password.name}"\n'
        )

    async def issue(self, task: str) -> Issued:
        """A role that is called as its task."""
        password, name = secrets.token_urlsafe(24), f"{task}/role"
        note = f"curfewd:{json.dumps({'credential_id': name})}"
        admin = await self._server.connect()
        try:
            await admin.execute(f"CREATE ROLE \"{task}\" LOGIN PASSWORD '{password}' IN ROLE curfewd_tasks")
            await admin.execute(f"COMMENT ON ROLE \"{task}\" IS '{note}'")
        finally:
            await admin.close()
        return _issued(
            self._key,
            name,
            task,
            password,
            kind="database-role",
            identifiers=[{"scheme": ROLE_ID, "value": task}],
            revocation={"provider": "postgresql", "role": task},
        )

    async def login(self, issued: Issued) -> asyncpg.Connection:
        """A session of the task."""
        return await self._server.connect(issued.task, issued.secret.reveal().decode())

    async def works(self, issued: Issued) -> bool:
        """Whether the role can log in."""
        try:
            session = await self.login(issued)
        except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidPasswordError):
            return False
        await session.close()
        return True

    @staticmethod
    async def lasts(session: asyncpg.Connection) -> bool:
        """Whether a session that is open still answers."""
        try:
            return bool(await session.fetchval("SELECT true"))
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, ConnectionError):
            return False  # the driver calls one that ended between two questions an error of its own


def event(kind: str, /, **data: Any) -> dict[str, Any]:
    """A canonical event of now."""
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": SOURCE,
        "type": kind,
        "time": format_rfc3339(time.time_ns()),
        "data": data,
    }


def log_record(task: str, message: str) -> dict[str, Any]:
    """A line of a task's log, printed now."""
    return {"message": message, "time": format_rfc3339(time.time_ns()), "task_id": task}


async def registered(listen: str) -> int:
    """How many credentials a scanner knows, by its metrics at HOST:PORT."""
    page = await asyncio.to_thread(_metrics, listen)
    known = re.search(r"^curfewd_registered_credentials (\S+)", page, re.MULTILINE)
    return 0 if known is None else round(float(known[1]))


def _metrics(listen: str) -> str:
    with urllib.request.urlopen(f"http://{listen}/metrics", timeout=30) as answer:
        return str(answer.read().decode())


async def print_secret(producer: AIOKafkaProducer, topic: str, issued: Issued) -> int:
    """The task prints its credential. Returns when the record was appended, in ns since the epoch."""
    value = json.dumps(log_record(issued.task, issued.printed())).encode()
    written = await producer.send_and_wait(topic, value)
    return int(written.timestamp) * MILLISECOND


async def refused(works: Callable[[], Awaitable[bool]], every: float = 0.005, seconds: float = 60.0) -> int:
    """Uses a credential again and again. Returns when the first use that was refused began, in ns since the epoch."""
    end = time.monotonic() + seconds
    while True:
        began = time.time_ns()
        if not await works():
            return began
        assert time.monotonic() < end, f"it still works after {seconds:.0f} s"
        await asyncio.sleep(every)


def _issued(  # noqa: PLR0913 - what an issue is made of
    key: DeploymentKey,
    credential_id: str,
    task: str,
    text: str,
    *,
    kind: str,
    revocation: dict[str, Any],
    identifiers: list[dict[str, Any]] | None = None,
) -> Issued:
    secret = Secret(text.encode())
    found = event(
        "credential.issued",
        credential_id=credential_id,
        task_id=task,
        identifiers=[
            {
                "scheme": "hmac-sha256",
                "value": key.fingerprint(secret),
                "length": len(secret),
                "check": key.check(secret),
            },
            *(identifiers or ()),
        ],
        kind=kind,
        expires_at=format_rfc3339(time.time_ns() + HOUR),
        revocation=revocation,
    )
    return Issued(credential_id, task, secret, found)


def _private(path: Path, text: str) -> None:
    path.touch(0o600)
    path.write_text(text)
