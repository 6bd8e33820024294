"""A PostgreSQL with pgaudit, made by initdb for one test session."""

import getpass
import os
import pwd
import secrets
import shutil
import signal
from pathlib import Path
from typing import Final, Self

import asyncpg

from tests.broker.cluster import free_ports
from tests.revoke.servers.process import Process, Server, ServerError

VERSIONS: Final = Path("/usr/lib/postgresql")  # where Debian puts them
GRANTS: Final = Path(__file__).parents[3] / "deploy" / "revoke" / "postgresql.sql"
SUPERUSER: Final = "postgres"
INSTALL: Final = "apt-get install postgresql postgresql-15-pgaudit"
# Without fsync: nothing in it outlives the session. All statements of all classes go to pgaudit's log.
SETTINGS: Final = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
synchronous_commit = off
full_page_writes = off
shared_buffers = '16MB'
max_connections = 50
timezone = 'UTC'
log_timezone = 'UTC'
shared_preload_libraries = 'pgaudit'
pgaudit.log = 'role, ddl, read, write'
log_connections = on
log_disconnections = on
logging_collector = on
log_destination = 'stderr,csvlog,jsonlog'
log_directory = 'log'
log_filename = 'postgresql.log'
"""


class Postgres(Server):
    """One server; a context manager that leaves nothing running.

    With a `primary` it is a standby of that. It refuses to run as root. Then it runs as the user `postgres`, which
    Debian's package makes, else as `nobody`.
    """

    def __init__(self, primary: "Postgres | None" = None) -> None:
        self.password: str = secrets.token_hex(16) if primary is None else primary.password
        self._primary = primary
        self._programs = _programs()
        self._process = Process("postgresql", free_ports(1)[0], _unprivileged())
        self.data = self._process.folder / "data"

    @property
    def port(self) -> int:
        """On 127.0.0.1."""
        return self._process.port

    @property
    def log_folder(self) -> Path:
        """Where postgresql.log, .csv and .json are written."""
        return self.data / "log"

    def create(self) -> None:
        """Makes an empty cluster with a superuser `postgres`, or a copy of the primary's."""
        if self._primary is not None:
            self._copy(self._primary)
            return
        given = self._process.own("password", self.password.encode())
        self._process.run(
            [
                str(self._programs / "initdb"),
                f"--pgdata={self.data}",
                f"--username={SUPERUSER}",
                f"--pwfile={given}",
                "--auth=password",  # kept as scram-sha-256; the exchange itself would cost the tests most of their time
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
                "--no-instructions",
            ]
        )
        self.configure(f"port = {self.port}\n{SETTINGS}")

    def _copy(self, primary: "Postgres") -> None:
        login = f"host=127.0.0.1 port={primary.port} user={SUPERUSER} password={primary.password}"
        copying = ["--write-recovery-conf", "--checkpoint=fast", "--no-sync", f"--pgdata={self.data}"]
        self._process.run([str(self._programs / "pg_basebackup"), f"--dbname={login}", *copying])
        self.configure(f"port = {self.port}\n")

    def configure(self, settings: str) -> None:
        """Adds lines to postgresql.conf, for the next start."""
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(settings)

    def encrypt(self, certificate: Path) -> None:
        """Takes TLS beside plain connections from now on. `certificate`: a PEM file with its key."""
        own = self._process.own("server.pem", certificate.read_bytes())
        self.configure(f"ssl = on\nssl_cert_file = '{own}'\nssl_key_file = '{own}'\n")
        self._process.send(signal.SIGHUP)

    def start(self) -> Self:
        """Starts it, made before if it is not yet, and waits until it accepts connections."""
        if not self.data.exists():
            self.create()
        self._process.start([str(self._programs / "postgres"), "-D", str(self.data)], self._ready)
        return self

    def _ready(self) -> bool:
        state = self.data / "postmaster.pid"  # its last line says whether sessions are accepted
        return state.exists() and state.read_text().rstrip().endswith("ready")

    def stop(self) -> None:
        """Ends it at once, with all sessions, in good order."""
        self._process.stop(signal.SIGINT)

    def kill(self) -> None:
        """As a power cut."""
        self._process.stop(signal.SIGQUIT)

    async def connect(
        self, user: str = SUPERUSER, password: str | None = None, database: str = "postgres"
    ) -> asyncpg.Connection:
        """A session, the superuser's unless `user` is given."""
        return await asyncpg.connect(
            host="127.0.0.1",
            port=self.port,
            user=user,
            password=self.password if password is None else password,
            database=database,
            ssl=False,  # by default a refused login is tried again without
        )

    async def install_revoker(self, password_file: Path) -> None:
        """Runs deploy/revoke/postgresql.sql, and gives the role `curfewd_revoker` the password in a file."""
        admin = await self.connect()
        await admin.execute(GRANTS.read_text())
        password = password_file.read_text().strip().replace("'", "''")
        await admin.execute(f"ALTER ROLE curfewd_revoker PASSWORD '{password}'")
        await admin.close()


def _programs() -> Path:
    """The folder of the newest PostgreSQL that has pgaudit, else of that on the path.

    Raises:
        ServerError: there is none.
    """
    found = sorted(VERSIONS.glob("*/lib/pgaudit.so"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parents[1] / "bin"
    if (command := shutil.which("postgres")) is not None:
        return Path(command).resolve().parent
    raise ServerError(f"the tests start PostgreSQL with pgaudit: install it (Debian: {INSTALL})")


def _unprivileged() -> str | None:
    if os.geteuid():
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody", getpass.getuser()) if name in names)
