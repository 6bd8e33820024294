"""Redis, with real servers: what kills a user and what does not, and what the revoker may not do."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from redis import exceptions
from redis.asyncio import Redis

from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import GoneError, RefusedError, UnavailableError
from detector.revoke.targets.redis import RedisOptions, RedisTarget
from tests.revoke.servers import RedisServer
from tests.revoke.servers.garbage import garbage

PASSWORD = "of a user on loopback"
DISABLE, KILL, DROP = range(3)
numbers = itertools.count()
# redis-py says of none of its commands what it returns.


@pytest.fixture(scope="module")
def granted(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The revoker's password file."""
    path = tmp_path_factory.mktemp("redis") / "password"
    path.write_text("of-the-revoker\n")
    asyncio.run(redis_server.install_revoker(path))
    return path


@pytest_asyncio.fixture
async def admin(redis_server: RedisServer, granted: Path) -> AsyncIterator[Any]:
    assert granted.exists()
    async with redis_server.connect() as client:
        yield client


Make = Callable[..., Awaitable[str]]


@pytest_asyncio.fixture
async def made(admin: Any) -> Make:
    """Makes a task's user, named as its credential; returns its name."""

    async def make(name: str | None = None, *rules: str) -> str:
        user = name or f"task-{next(numbers)}"
        allowed = rules or ("~app:*", "+@read", "+@write", "+@connection")
        await admin.execute_command("ACL", "SETUSER", user, "on", f">{PASSWORD}", *allowed)
        return user

    return make


def target(server: RedisServer, granted: Path, **options: Any) -> RedisTarget:
    given = {"servers": (server.address,), "password_file": str(granted), "user_prefix": "task-", **options}
    return RedisTarget(RedisOptions(**given))


def command(user: Any, credential_id: str | None = None, **revocation: Any) -> RevocationCommand:
    return RevocationCommand(
        id="1",
        time=0,
        credential_id=credential_id or str(user),
        revocation={"provider": "redis", "user": user, **revocation},
    )


async def works(client: "Redis") -> bool:
    try:
        return bool(await client.ping())
    except exceptions.RedisError:
        return False


async def lets_in(server: RedisServer, user: str) -> bool:
    try:
        async with server.connect(user, PASSWORD):
            return True
    except exceptions.AuthenticationError:
        return False


async def test_a_user_is_dead_once_it_is_off_and_its_connections_are_closed(
    redis_server: RedisServer, granted: Path, made: Make
) -> None:
    user = await made()
    revoker, asked = target(redis_server, granted), command(user)
    async with redis_server.connect(user, PASSWORD) as before:
        assert await works(before)
        seen = await revoker.probe(asked)
        assert (seen.state, seen.control) == ("live", True)
        for step in range(len(revoker.plan(asked).steps)):
            await revoker.revoke(asked, step)
        seen = await revoker.probe(asked)
        assert (seen.state, seen.control) == ("dead", True)
        assert seen.how == f"{redis_server.address}: {user} is off, 0 connections"
        assert not await works(before)
    assert not await lets_in(redis_server, user)


async def test_off_alone_leaves_an_open_connection_at_work(
    redis_server: RedisServer, granted: Path, made: Make
) -> None:
    user = await made()
    revoker, asked = target(redis_server, granted), command(user)
    async with redis_server.connect(user, PASSWORD) as before:
        assert await works(before)
        assert "off, saved" in await revoker.revoke(asked, DISABLE)
        assert not await lets_in(redis_server, user)
        await before.set("app:x", "written by a user that is off")
        seen = await revoker.probe(asked)
        assert (seen.state, seen.how.endswith("is off, 1 connections")) == ("live", True)
        assert "closed 1 connection" in await revoker.revoke(asked, KILL)
        assert not await works(before)


async def test_what_waits_or_listens_is_closed_too(
    redis_server: RedisServer, granted: Path, made: Make
) -> None:
    user = await made(None, "~*", "&*", "+@all", "-@admin")
    clients = [redis_server.connect(user, PASSWORD) for _ in range(3)]
    waiting = asyncio.ensure_future(clients[0].blpop(["app:never"], timeout=30))
    listener = clients[1].pubsub()
    await listener.subscribe("app")
    await clients[2].execute_command("MULTI")  # type: ignore[no-untyped-call]
    await asyncio.sleep(0.05)
    revoker, asked = target(redis_server, granted), command(user)
    await revoker.revoke(asked, DISABLE)
    assert "closed 3 connections" in await revoker.revoke(asked, KILL)
    assert (await revoker.probe(asked)).state == "dead"
    with pytest.raises(exceptions.ConnectionError):
        await waiting
    await listener.aclose()  # type: ignore[no-untyped-call]
    for client in clients:
        await client.aclose()


async def test_a_second_run_changes_nothing_and_makes_no_user(
    redis_server: RedisServer, granted: Path, made: Make, admin: Any
) -> None:
    user = await made()
    revoker, asked = target(redis_server, granted, drop_after=0), command(user)
    for step in (DISABLE, DISABLE, KILL, KILL, DROP):
        await revoker.revoke(asked, step)
    assert (await revoker.probe(asked)).state == "absent"
    for step in range(3):
        with pytest.raises(GoneError):
            await revoker.revoke(asked, step)
    assert user.encode() not in await admin.execute_command("ACL", "USERS")


async def test_what_was_not_saved_is_back_after_a_restart(
    redis_server: RedisServer, granted: Path, made: Make, admin: Any
) -> None:
    user = await made()
    await admin.execute_command("ACL", "SAVE")
    asked = command(user)
    for save, state in ((False, "live"), (True, "dead")):
        revoker = target(redis_server, granted, save=save)
        await revoker.revoke(asked, DISABLE)
        await revoker.revoke(asked, KILL)
        assert (await revoker.probe(asked)).state == "dead"
        redis_server.stop()
        redis_server.start()
        assert (await revoker.probe(asked)).state == state


async def test_a_server_without_an_acl_file_is_told_of(tmp_path: Path) -> None:
    password_file = tmp_path / "password"
    password_file.write_text("p")
    with RedisServer(aclfile=False) as server:
        await server.install_revoker(password_file)
        async with server.connect() as admin:
            await admin.execute_command("ACL", "SETUSER", "task-1", "on", ">p")  # type: ignore[no-untyped-call]
        words = await target(server, password_file).revoke(command("task-1"), DISABLE)
    assert "off (not saved: without `aclfile`" in words


async def test_a_replica_has_users_of_its_own(redis_server: RedisServer, granted: Path, made: Make) -> None:
    user = await made()
    with RedisServer() as other:
        await other.install_revoker(granted)
        async with other.connect() as admin:
            await admin.execute_command("ACL", "SETUSER", user, "on", f">{PASSWORD}", "+@all", "-@admin")  # type: ignore[no-untyped-call]
        one = target(redis_server, granted)
        await one.revoke(command(user), DISABLE)
        assert (await one.probe(command(user))).state == "dead"
        both = target(redis_server, granted, servers=(redis_server.address, other.address))
        assert (await both.probe(command(user))).state == "live"
        async with other.connect(user, PASSWORD) as client:
            assert await works(client)
            for step in (DISABLE, KILL):
                await both.revoke(command(user), step)
            assert not await works(client)
        assert (await both.probe(command(user))).state == "dead"
        other.stop()
        with pytest.raises(UnavailableError):
            await both.probe(command(user))


@pytest.mark.parametrize("user", ["default", "curfewd-revoker", "a-person", "Task-1", "task"])
async def test_no_event_can_aim_it_at_a_user_that_is_no_tasks(
    user: str, redis_server: RedisServer, granted: Path
) -> None:
    revoker = target(redis_server, granted)
    for doing in (revoker.probe(command(user)), revoker.revoke(command(user), DISABLE)):
        with pytest.raises(RefusedError, match="belongs to no task"):
            await doing
    with pytest.raises(RefusedError, match="belongs to no task"):
        revoker.plan(command(user))


@pytest.mark.parametrize("rules", [("+@all",), ("+acl|setuser",), ("+@admin",)])
async def test_an_administrator_is_refused_whatever_its_name(
    rules: tuple[str, ...], redis_server: RedisServer, granted: Path, made: Make
) -> None:
    user = await made(None, *rules)
    with pytest.raises(RefusedError, match="may manage users"):
        await target(redis_server, granted).revoke(command(user), DISABLE)


async def test_the_revokers_own_user_is_refused_even_under_the_prefix(
    redis_server: RedisServer, granted: Path
) -> None:
    revoker = target(redis_server, granted, user_prefix="curfewd-")
    with pytest.raises(RefusedError):
        await revoker.revoke(command("curfewd-revoker"), DISABLE)


async def test_a_forged_event_cannot_aim_it_at_another_tasks_user(
    redis_server: RedisServer, granted: Path, made: Make, admin: Any
) -> None:
    user = await made()
    revoker, forged = target(redis_server, granted), command(user, "mine")
    for doing in (revoker.probe(forged), revoker.revoke(forged, DISABLE), revoker.revoke(forged, KILL)):
        with pytest.raises(RefusedError, match="nothing says that"):
            await doing
    await admin.set(f"curfewd:credential:{user}", "another")
    with pytest.raises(RefusedError, match="names another credential"):
        await revoker.probe(forged)
    await admin.set(f"curfewd:credential:{user}", "mine")
    assert (await revoker.probe(forged)).state == "live"
    for credential_id in (user, user.removeprefix("task-")):  # an id that a forger chose
        with pytest.raises(RefusedError, match="names another credential"):
            await revoker.revoke(command(user, credential_id), DISABLE)
    await admin.delete(f"curfewd:credential:{user}")
    assert (await revoker.probe(command(user, user.removeprefix("task-")))).state == "live"


HOSTILE = {
    "equals": "task-=user=default",
    "arrows": "task-<>~*+@all",
    "control": "task-\x1b[2J\u202e",
    "pattern": "task-*",
    "snow": "task-☃" * 100,
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_hostile_names_reach_their_own_user_alone(
    kind: str, redis_server: RedisServer, granted: Path, made: Make
) -> None:
    user, other = await made(HOSTILE[kind]), await made()
    revoker, asked = target(redis_server, granted, drop_after=0), command(user)
    async with redis_server.connect(other, PASSWORD) as bystander:
        assert await works(bystander)
        for step in range(3):
            assert (await revoker.revoke(asked, step)).isprintable()
        assert await works(bystander)
    seen = await revoker.probe(asked)
    assert (seen.state, seen.how.isprintable()) == ("absent", True)


@pytest.mark.parametrize(
    "name", ["", "task-a b", "task-\0", "task-\ud800", "task-\n", "task-" + "x" * 1020, 7, None]
)
def test_a_name_that_no_user_can_have_is_refused(name: Any, redis_server: RedisServer, granted: Path) -> None:
    with pytest.raises(RefusedError, match="names no user"):
        target(redis_server, granted).plan(command(name, "c"))


async def test_a_user_of_another_cluster_is_never_called_gone(
    redis_server: RedisServer, granted: Path
) -> None:
    named = target(redis_server, granted, cluster="sessions")
    assert (await named.probe(command("task-nobody", cluster="sessions"))).state == "absent"
    with pytest.raises(RefusedError, match="another cluster"):
        await named.probe(command("task-nobody"))


async def test_a_user_that_was_switched_on_again_is_kept(
    redis_server: RedisServer, granted: Path, made: Make, admin: Any
) -> None:
    user = await made()
    revoker, asked = target(redis_server, granted, drop_after=0), command(user)
    await revoker.revoke(asked, DISABLE)
    await admin.execute_command("ACL", "SETUSER", user, "on")
    with pytest.raises(RefusedError, match="switched it on again"):
        await revoker.revoke(asked, DROP)


async def test_a_server_that_stops_in_the_middle_is_asked_again(
    redis_server: RedisServer, granted: Path, made: Make
) -> None:
    user = await made()
    revoker, asked = target(redis_server, granted), command(user)
    await revoker.revoke(asked, DISABLE)
    redis_server.stop()
    for doing in (revoker.probe(asked), revoker.revoke(asked, KILL), revoker.revoke(asked, DISABLE)):
        with pytest.raises(UnavailableError, match="cannot be connected to"):
            await doing
    redis_server.start()
    await revoker.revoke(asked, KILL)
    assert (await revoker.probe(asked)).state == "dead"


async def test_a_control_login_that_fails_says_so(
    redis_server: RedisServer, granted: Path, made: Make, admin: Any, tmp_path: Path
) -> None:
    user, control, password_file = await made(), await made(), tmp_path / "control"
    password_file.write_text(PASSWORD)
    revoker = target(redis_server, granted, control_user=control, control_password_file=str(password_file))
    assert (await revoker.probe(command(user))).control is True
    await admin.execute_command("ACL", "SETUSER", control, "off")
    assert (await revoker.probe(command(user))).control is False


async def test_a_wrong_password_and_missing_rights_are_told(
    redis_server: RedisServer, granted: Path, made: Make, tmp_path: Path
) -> None:
    user, other, wrong = await made(), await made(), tmp_path / "wrong"
    wrong.write_text("wrong")
    with pytest.raises(UnavailableError, match="look at password_file") as failed:
        await target(redis_server, granted, password_file=str(wrong)).probe(command(user))
    assert "wrong" not in str(failed.value)
    wrong.write_text(PASSWORD)
    with pytest.raises(UnavailableError, match=r"deploy/revoke/redis\.acl"):
        await target(redis_server, granted, user=other, password_file=str(wrong)).probe(command(user))


@pytest.mark.parametrize(
    "words",
    [
        "GET app:x",
        "SET curfewd:credential:task-1 mine",
        "FLUSHALL",
        "CONFIG GET *",
        "EVAL return 0",
        "MONITOR",
        "SHUTDOWN",
        "ACL LIST",
        "ACL LOAD",
        "REPLICAOF NO ONE",
        "KEYS *",
    ],
)
async def test_the_server_lets_the_revoker_do_no_more(
    words: str, redis_server: RedisServer, granted: Path
) -> None:
    async with redis_server.connect("curfewd-revoker", granted.read_text().strip()) as client:
        with pytest.raises(exceptions.NoPermissionError):
            await client.execute_command(*words.split())  # type: ignore[no-untyped-call]


async def test_redis_itself_does_not_limit_setuser(redis_server: RedisServer, granted: Path) -> None:
    """Why deploy/revoke/redis.acl says to guard that password as an administrator's."""
    async with redis_server.connect("curfewd-revoker", granted.read_text().strip()) as client:
        await client.execute_command("ACL", "SETUSER", "task-strong", "on", ">p", "+@all")  # type: ignore[no-untyped-call]
        await client.execute_command("ACL", "DELUSER", "task-strong")  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\xff" * 4096,
        b"$2147483647\r\n",
        b"*1\r\n" * 20_000,
        b"+OK\r\n+OK\r\n:7\r\n",
        b"+OK\r\n*2\r\n$5\r\nflags\r\n:1\r\n",
        b"+OK\r\n*0\r\n",
        b"-LOADING later\r\n",
        b"-MOVED 1 127.0.0.1:1\r\n",
        b"",
    ],
    ids=["http", "bytes", "endless", "deep", "number", "flags", "empty", "loading", "moved", "nothing"],
)
@pytest.mark.parametrize("hang", [False, True])
async def test_whatever_else_answers_is_unavailable(
    sent: bytes, redis_server: RedisServer, granted: Path, *, hang: bool
) -> None:
    async with garbage(sent, hang=hang) as port:
        revoker = target(redis_server, granted, servers=(f"127.0.0.1:{port}",), timeout=0.2)
        with pytest.raises(UnavailableError):
            await revoker.probe(command("task-1"))


@pytest.mark.parametrize(
    "wrong", [{"servers": ()}, {"servers": ("a:b",)}, {"user_prefix": ""}, {"timeout": 0}, {"drop_after": -1}]
)
def test_wrong_options_are_found_before_a_command_comes(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="write"):
        RedisOptions(**{"servers": ("127.0.0.1",), "user_prefix": "task-", "password_file": "f", **wrong})
