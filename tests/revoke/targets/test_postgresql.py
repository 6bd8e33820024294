"""PostgreSQL, with a real server: what kills a credential and what does not, and what the revoker may not do."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from detector.adapters.postgresql.roles import credential_of
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import GoneError, RefusedError, UnavailableError
from detector.revoke.targets.postgresql import PostgresOptions, PostgresTarget
from detector.values.times import parse_rfc3339
from tests.broker.secure import Authority
from tests.revoke.servers import Postgres
from tests.revoke.servers.garbage import garbage

PASSWORD = "of a role on loopback"
UNTIL = "2036-05-04T02:00:00Z"
DISABLE, TERMINATE, DROP = range(3)
numbers = itertools.count()


@pytest.fixture(scope="module")
def granted(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The revoker's password file, once deploy/revoke/postgresql.sql has been run, twice."""

    path = tmp_path_factory.mktemp("postgresql") / "password"
    path.write_text(f"{PASSWORD}\n")
    for _ in range(2):
        asyncio.run(postgres.install_revoker(path))
    return path


@pytest_asyncio.fixture
async def admin(postgres: Postgres, granted: Path) -> AsyncIterator[asyncpg.Connection]:
    assert granted.exists()
    connection = await postgres.connect()
    yield connection
    await connection.close()


Make = Callable[..., Awaitable[str]]


@pytest_asyncio.fixture
async def made(admin: asyncpg.Connection) -> Make:
    """Makes a task's role with a comment that names its credential; returns its name."""

    async def make(
        name: str | None = None, options: str = f"IN ROLE curfewd_tasks VALID UNTIL '{UNTIL}'", note: str = ""
    ) -> str:
        role = name or f"job-{next(numbers)}"
        quoted = quote(role)
        await admin.execute(f"CREATE ROLE {quoted} LOGIN PASSWORD '{PASSWORD}' {options}")
        text = note or "curfewd:" + json.dumps({"credential_id": f"{role}/db"})
        await admin.execute(f"COMMENT ON ROLE {quoted} IS '{text.replace(chr(39), chr(39) * 2)}'")
        return role

    return make


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def target(postgres: Postgres, granted: Path, **options: Any) -> PostgresTarget:
    return PostgresTarget(
        PostgresOptions(
            **{"host": "127.0.0.1", "port": postgres.port, "password_file": str(granted), **options}
        )
    )


def command(role: str, credential_id: str | None = None, **revocation: Any) -> RevocationCommand:
    return RevocationCommand(
        id="1",
        time=0,
        credential_id=credential_id or f"{role}/db",
        revocation={"provider": "postgresql", "role": role, **revocation},
    )


async def works(session: asyncpg.Connection) -> bool:
    try:
        return bool(await session.fetchval("SELECT true"))
    except (asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError):
        return False


async def test_a_role_is_dead_once_it_may_not_log_in_and_its_sessions_have_ended(
    postgres: Postgres, granted: Path, made: Make
) -> None:
    role = await made()
    revoker, asked = target(postgres, granted), command(role)
    open_session = await postgres.connect(role, PASSWORD)
    before = await revoker.probe(asked)
    assert (before.state, before.control) == ("live", True)
    for step in range(len(revoker.plan(asked).steps)):
        await revoker.revoke(asked, step)
    after = await revoker.probe(asked)
    assert (after.state, after.control) == ("dead", True)
    assert f"{role} has NOLOGIN, VALID UNTIL 2036-05-04T02:00:00.000000Z, 0 sessions" in after.how
    assert not await works(open_session)
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await postgres.connect(role, PASSWORD)


async def test_nologin_alone_leaves_an_open_session_at_work(
    postgres: Postgres, granted: Path, made: Make
) -> None:
    role = await made()
    revoker, asked = target(postgres, granted), command(role)
    open_session = await postgres.connect(role, PASSWORD)
    await revoker.revoke(asked, DISABLE)
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await postgres.connect(role, PASSWORD)
    assert await works(open_session)
    seen = await revoker.probe(asked)
    assert (seen.state, seen.how.endswith("1 session")) == ("live", True)
    assert await revoker.revoke(asked, TERMINATE) == f"ended 1 session of {role}"
    assert not await works(open_session)


async def test_a_busy_session_ends_too_and_so_do_many(postgres: Postgres, granted: Path, made: Make) -> None:
    role = await made()
    sessions = [await postgres.connect(role, PASSWORD) for _ in range(5)]
    busy = asyncio.create_task(sessions[0].execute("SELECT pg_sleep(60)"))
    await sessions[1].execute("BEGIN; SELECT 1")
    revoker, asked = target(postgres, granted), command(role)
    await revoker.revoke(asked, DISABLE)
    assert await revoker.revoke(asked, TERMINATE) == f"ended 5 sessions of {role}"
    assert (await revoker.probe(asked)).state == "dead"
    with pytest.raises(asyncpg.PostgresError, match="administrator command"):
        await busy


async def test_whoever_reconnects_all_the_time_does_not_slip_through(
    postgres: Postgres, granted: Path, made: Make
) -> None:
    role = await made()
    revoker, asked = target(postgres, granted), command(role)
    kept: list[asyncpg.Connection] = []
    refused = 0

    async def reconnect() -> None:
        nonlocal refused
        while not refused:
            try:
                kept.append(await postgres.connect(role, PASSWORD))
            except asyncpg.InvalidAuthorizationSpecificationError:
                refused += 1
            except (asyncpg.PostgresError, ConnectionError):  # ended while it began
                continue
            if len(kept) > 30:
                await kept.pop(0).close()

    clients = [asyncio.create_task(reconnect()) for _ in range(4)]
    await asyncio.sleep(0.2)
    for step in (DISABLE, TERMINATE):
        await revoker.revoke(asked, step)
    assert (await revoker.probe(asked)).state == "dead"
    await asyncio.wait(clients)
    assert refused
    assert kept
    assert [connection for connection in kept if await works(connection)] == []


async def test_a_session_on_a_standby_ends_too(postgres: Postgres, granted: Path, made: Make) -> None:
    role = await made()
    asked, alone = command(role), target(postgres, granted)
    with Postgres(postgres) as standby:
        reading = await standby.connect(role, PASSWORD)
        for step in (DISABLE, TERMINATE):
            await alone.revoke(asked, step)
        assert (await alone.probe(asked)).state == "dead"
        assert await works(reading)  # what the revoker is not told of
        revoker = target(postgres, granted, standbys=(f"127.0.0.1:{standby.port}",))
        assert (await revoker.probe(asked)).state == "live"
        assert await revoker.revoke(asked, TERMINATE) == f"ended 1 session of {role}"
        seen = await revoker.probe(asked)
        assert (seen.state, seen.how.count("NOLOGIN")) == ("dead", 2)
        assert not await works(reading)
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await standby.connect(role, PASSWORD)
        with pytest.raises(UnavailableError, match="is a standby: set host to the primary"):
            await target(postgres, granted, port=standby.port).revoke(asked, DISABLE)


async def test_a_second_run_changes_nothing(postgres: Postgres, granted: Path, made: Make) -> None:
    role = await made()
    revoker, asked = target(postgres, granted, drop_after=0), command(role)
    for step in (DISABLE, DISABLE, TERMINATE, TERMINATE, DROP):
        await revoker.revoke(asked, step)
    assert (await revoker.probe(asked)).state == "absent"
    for step in (DISABLE, TERMINATE, DROP):
        with pytest.raises(GoneError):
            await revoker.revoke(asked, step)


@pytest.mark.parametrize("victim", ["postgres", "curfewd_revoker", "curfewd_tasks", "pg_monitor", "a_person"])
async def test_no_event_can_aim_it_at_a_role_that_is_no_tasks(
    victim: str, postgres: Postgres, granted: Path, admin: asyncpg.Connection
) -> None:
    if victim == "a_person":
        await admin.execute("DROP ROLE IF EXISTS a_person; CREATE ROLE a_person LOGIN")
    note = await admin.fetchval(
        "SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = $1", victim
    )
    await admin.execute(f"COMMENT ON ROLE {victim} IS 'curfewd:{json.dumps({'credential_id': 'x'})}'")
    revoker, asked = target(postgres, granted, drop_after=0), command(victim, "x")
    for doing in (revoker.probe(asked), *(revoker.revoke(asked, step) for step in range(3))):
        with pytest.raises(RefusedError, match="belongs to no task"):
            await doing
    assert await admin.fetchval("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'postgres'")
    await admin.execute(f"COMMENT ON ROLE {victim} IS {'NULL' if note is None else quote_text(note)}")


def quote_text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


async def test_a_superuser_that_is_marked_as_a_tasks_role_is_refused(
    postgres: Postgres, granted: Path, made: Make
) -> None:
    role = await made(options="SUPERUSER IN ROLE curfewd_tasks")
    with pytest.raises(RefusedError, match="not a superuser"):
        await target(postgres, granted).revoke(command(role), DISABLE)


async def test_a_role_that_only_a_superuser_may_change_is_refused_with_the_reason(
    postgres: Postgres, granted: Path, made: Make
) -> None:
    role = await made(options="REPLICATION IN ROLE curfewd_tasks")
    with pytest.raises(RefusedError, match="REPLICATION or BYPASSRLS"):
        await target(postgres, granted).revoke(command(role), DISABLE)


async def test_a_forged_event_cannot_aim_it_at_another_tasks_role(
    postgres: Postgres, granted: Path, made: Make
) -> None:
    other = await made()
    revoker, forged = target(postgres, granted), command(other, "mine")
    for doing in (revoker.probe(forged), revoker.revoke(forged, DISABLE), revoker.revoke(forged, TERMINATE)):
        with pytest.raises(RefusedError, match="names another credential"):
            await doing
    assert (await revoker.probe(command(other))).state == "live"


async def test_without_a_comment_valid_until_says_whose_role_it_is(
    postgres: Postgres, granted: Path, made: Make, admin: asyncpg.Connection
) -> None:
    role = await made(note="a person's words")
    revoker = target(postgres, granted)
    issued = credential_of(role, parse_rfc3339(UNTIL))
    assert (await revoker.probe(command(role, issued))).state == "live"
    for forged in ("mine", credential_of(role, parse_rfc3339(UNTIL) + 1), credential_of("other", 0)):
        with pytest.raises(RefusedError, match="nothing says that the role"):
            await revoker.probe(command(role, forged))
    await admin.execute(f"ALTER ROLE {quote(role)} VALID UNTIL 'infinity'")
    with pytest.raises(RefusedError, match="nothing says that the role"):
        await revoker.probe(command(role, issued))


@pytest.mark.parametrize("note", ["curfewd:", "curfewd:{}", "curfewd:[[[[", 'curfewd:{"credential_id": 7}'])
async def test_a_comment_that_cannot_be_read_is_no_proof(
    note: str, postgres: Postgres, granted: Path, made: Make
) -> None:
    role = await made(note=note)
    with pytest.raises(RefusedError, match="cannot be read"):
        await target(postgres, granted).probe(command(role))


async def test_a_renamed_role_is_not_taken_for_a_dead_one(
    postgres: Postgres, granted: Path, made: Make, admin: asyncpg.Connection
) -> None:
    role = await made()
    await admin.execute(f"ALTER ROLE {quote(role)} RENAME TO {quote(role + '-hidden')}")
    revoker, asked = target(postgres, granted), command(role)
    seen = await revoker.probe(asked)
    assert (seen.state, seen.found) == ("live", {"role": f"{role}-hidden"})
    for step in (DISABLE, TERMINATE):  # nobody has decided over that role
        with pytest.raises(UnavailableError, match="is called"):
            await revoker.revoke(asked, step)
    renamed = command(seen.found["role"], asked.credential_id)
    assert "-hidden" in await revoker.revoke(renamed, DISABLE)
    assert (await revoker.probe(asked)).state == "dead"


HOSTILE = {
    "quotes": 'a"; DROP ROLE curfewd_revoker; --',
    "apostrophe": "a'); SELECT pg_sleep(9); --",
    "format": "%I%s%%$1\\",
    "control": "a\x1b[2J\n\u202eb",
    "looks like another": "Postgres ",
    "longest": "é" * 31 + "x",
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_hostile_names_are_quoted(kind: str, postgres: Postgres, granted: Path, made: Make) -> None:
    role = await made(HOSTILE[kind])
    revoker, asked = target(postgres, granted, drop_after=0), command(role)
    assert all(step.words.isprintable() for step in revoker.plan(asked).steps)
    for step in range(3):
        assert (await revoker.revoke(asked, step)).isprintable()
    seen = await revoker.probe(asked)
    assert (seen.state, seen.how.isprintable()) == ("absent", True)


@pytest.mark.parametrize("name", ["", "a\0b", "\ud800", "x" * 64, 7, None, ["job"]])
async def test_a_name_that_no_role_can_have_is_refused(name: Any, postgres: Postgres, granted: Path) -> None:
    revoker = target(postgres, granted)
    asked = RevocationCommand(
        id="1", time=0, credential_id="c", revocation={"provider": "postgresql", "role": name}
    )
    with pytest.raises(RefusedError, match="names no role"):
        revoker.plan(asked)
    with pytest.raises(RefusedError, match="names no role"):
        await revoker.revoke(asked, DISABLE)


async def test_a_name_that_postgresql_would_cut_does_not_reach_another_role(
    admin: asyncpg.Connection, made: Make
) -> None:
    role = await made("y" * 63)
    longer = role + "z"
    assert await admin.fetch("SELECT * FROM curfewd.task_roles($1, '~')", longer) == []
    with pytest.raises(asyncpg.PostgresError, match="no such role"):
        await admin.fetchval("SELECT curfewd.disable($1, 'postgres'::regrole)", longer)


async def test_a_role_recreated_between_look_up_and_act_is_left_alone(
    made: Make, admin: asyncpg.Connection
) -> None:
    role = await made()
    oid = await admin.fetchval("SELECT oid FROM pg_roles WHERE rolname = $1", role)
    await admin.execute(f"DROP ROLE {quote(role)}")
    await made(role)
    with pytest.raises(asyncpg.PostgresError, match="no such role") as failed:
        await admin.fetchval("SELECT curfewd.disable($1, $2)", role, oid)
    assert failed.value.sqlstate == "CF404"


async def test_what_owns_something_is_not_dropped_and_says_so(
    postgres: Postgres, granted: Path, made: Make, admin: asyncpg.Connection
) -> None:
    role = await made()
    await admin.execute(f"GRANT CREATE ON SCHEMA public TO {quote(role)}")
    session = await postgres.connect(role, PASSWORD)
    await session.execute("CREATE TABLE of_a_task (a int)")
    revoker, asked = target(postgres, granted, drop_after=0), command(role)
    with pytest.raises(RefusedError, match="has sessions"):
        await revoker.revoke(asked, DROP)
    await revoker.revoke(asked, DISABLE)
    await revoker.revoke(asked, TERMINATE)
    with pytest.raises(RefusedError, match="A person must run REASSIGN OWNED or DROP OWNED"):
        await revoker.revoke(asked, DROP)
    assert (await revoker.probe(asked)).state == "dead"
    await admin.execute(f"DROP OWNED BY {quote(role)}")
    assert await revoker.revoke(asked, DROP) == f"DROP ROLE {role}"


async def test_a_role_of_another_cluster_is_never_called_gone(postgres: Postgres, granted: Path) -> None:
    named, unnamed = target(postgres, granted, cluster="orders"), target(postgres, granted)
    assert (await named.probe(command("nobody", cluster="orders"))).state == "absent"
    for revoker, asked in (
        (named, command("nobody")),
        (named, command("nobody", cluster="billing")),
        (unnamed, command("nobody", cluster="billing")),
    ):
        with pytest.raises(RefusedError, match="another cluster"):
            await revoker.probe(asked)


async def test_a_server_that_stops_in_the_middle_is_asked_again(
    postgres: Postgres, granted: Path, made: Make
) -> None:
    role = await made()
    revoker, asked = target(postgres, granted), command(role)
    await revoker.revoke(asked, DISABLE)
    postgres.stop()
    for doing in (revoker.probe(asked), revoker.revoke(asked, TERMINATE), revoker.revoke(asked, DISABLE)):
        with pytest.raises(UnavailableError, match="refuses connections"):
            await doing
    postgres.start()
    await revoker.revoke(asked, TERMINATE)
    assert (await revoker.probe(asked)).state == "dead"


async def test_somebody_who_holds_the_role_delays_it(
    postgres: Postgres, granted: Path, made: Make, admin: asyncpg.Connection
) -> None:
    role = await made()
    transaction = admin.transaction()
    await transaction.start()
    await admin.execute(f"ALTER ROLE {quote(role)} CONNECTION LIMIT 1")
    with pytest.raises(UnavailableError, match="does not answer within"):
        await target(postgres, granted, timeout=0.3).revoke(command(role), DISABLE)
    await transaction.rollback()
    await target(postgres, granted).revoke(command(role), DISABLE)


async def test_a_control_login_that_fails_says_so(
    postgres: Postgres, granted: Path, made: Make, admin: asyncpg.Connection
) -> None:
    role, control = await made(), await made()
    revoker = target(postgres, granted, control_user=control, control_password_file=str(granted))
    assert (await revoker.probe(command(role))).control is True
    await admin.execute(f"ALTER ROLE {quote(control)} NOLOGIN")
    assert (await revoker.probe(command(role))).control is False


async def test_a_wrong_password_and_missing_functions_are_told(
    postgres: Postgres, granted: Path, made: Make, tmp_path: Path
) -> None:
    role, wrong = await made(), tmp_path / "wrong"
    wrong.write_text("wrong")
    with pytest.raises(UnavailableError, match="look at password_file") as failed:
        await target(postgres, granted, password_file=str(wrong)).probe(command(role))
    assert "wrong" not in str(failed.value)
    with pytest.raises(UnavailableError, match=r"run deploy/revoke/postgresql\.sql"):
        await target(postgres, granted, database="template1").probe(command(role))
    with pytest.raises(UnavailableError, match=r"run deploy/revoke/postgresql\.sql"):
        await target(postgres, granted, user=role).probe(command(role))


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER ROLE postgres NOLOGIN",
        "ALTER ROLE {role} NOLOGIN",
        "ALTER ROLE curfewd_revoker CREATEROLE",
        "DROP ROLE {role}",
        "GRANT pg_execute_server_program TO curfewd_revoker",
        "GRANT curfewd_tasks TO curfewd_revoker",
        "SET ROLE curfewd_revocation",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
        "SELECT curfewd.disable('postgres', 'postgres'::regrole)",
        "SELECT curfewd.terminate('postgres', 'postgres'::regrole)",
        "SELECT curfewd.drop('curfewd_revocation', 'curfewd_revocation'::regrole)",
        "SELECT curfewd.require_task_role('postgres', 'postgres'::regrole)",
        "CREATE FUNCTION curfewd.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TABLE public.mine ()",
        "SELECT * FROM pg_authid",
    ],
)
async def test_the_server_lets_the_revoker_do_no_more(statement: str, postgres: Postgres, made: Make) -> None:
    role = await made()
    session = await postgres.connect("curfewd_revoker", PASSWORD)
    with pytest.raises(asyncpg.PostgresError) as failed:
        await session.execute(statement.format(role=quote(role)))
    assert failed.value.sqlstate in {"42501", "CF403"}
    await session.close()


async def test_a_task_cannot_revoke_another(postgres: Postgres, made: Make) -> None:
    role, other = await made(), await made()
    session = await postgres.connect(role, PASSWORD)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await session.execute(f"SELECT curfewd.disable('{other}', '{quote(other)}'::regrole)")
    await session.close()


async def test_across_a_network_the_server_must_prove_who_it_is(
    postgres: Postgres, granted: Path, made: Make, tmp_path: Path
) -> None:
    role, authority = await made(), Authority.make(tmp_path / "authority")
    asked = command(role)
    with pytest.raises(UnavailableError, match="speaks no PostgreSQL"):
        await target(postgres, granted, ca_file=str(authority.file)).probe(asked)
    postgres.encrypt(authority.issue("server"))
    assert (await target(postgres, granted, ca_file=str(authority.file)).probe(asked)).state == "live"
    stranger = Authority.make(tmp_path / "stranger")
    with pytest.raises(UnavailableError, match="certificate"):
        await target(postgres, granted, ca_file=str(stranger.file)).probe(asked)


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"\xff" * 4096,
        b"R\x00\x00\x00\x08\x7f\xff\xff\xff",  # a way to log in that nobody knows
        b"E\x7f\xff\xff\xff",  # an error of two gigabytes
        b"",
    ],
    ids=["http", "bytes", "authentication", "endless error", "nothing"],
)
@pytest.mark.parametrize("hang", [False, True])
async def test_whatever_else_answers_is_unavailable(
    sent: bytes, postgres: Postgres, granted: Path, *, hang: bool
) -> None:
    async with garbage(sent, hang=hang) as port:
        with pytest.raises(UnavailableError):
            await target(postgres, granted, port=port, timeout=0.3).probe(command("job"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": ""},
        {"port": 0},
        {"standbys": ("a:b",)},
        {"standbys": ("",)},
        {"timeout": 0},
        {"drop_after": -1},
        {"control_user": "x"},
    ],
)
def test_wrong_options_are_found_before_a_command_comes(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="write"):
        PostgresOptions(**{"host": "127.0.0.1", "password_file": "f", **wrong})


@pytest.mark.parametrize("credential_id", ["a\0b", "a\ud800"], ids=["nul", "surrogate"])
async def test_an_id_that_cannot_be_stored_is_refused_and_no_failure_of_the_server(
    postgres: Postgres, granted: Path, made: Make, credential_id: str
) -> None:
    revoker, asked = target(postgres, granted), command(await made(), credential_id)
    with pytest.raises(RefusedError, match="cannot store"):
        await revoker.probe(asked)
    with pytest.raises(RefusedError, match="cannot store"):
        await revoker.revoke(asked, DISABLE)
