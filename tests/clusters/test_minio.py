"""MinIO, with a real server: what kills a key and what does not, and what the revoker may not do."""

import asyncio
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from minio import Minio
from minio.error import MinioAdminException, S3Error

from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import GoneError, RefusedError, UnavailableError
from detector.revoke.targets.minio import MinioOptions, MinioTarget
from tests.clusters.minio_server import POLICY, SECRET, MinioServer

pytestmark = pytest.mark.clusters
numbers = itertools.count()


@pytest.fixture(scope="session")
def minio() -> Iterator[MinioServer]:
    """With a user `worker`, and the revoker with the policy of deploy/revoke."""
    with MinioServer() as server:
        server.admin.policy_add("curfewd-revoker", policy_file=str(POLICY))
        server.user("worker")
        server.user("curfewd-revoker", "curfewd-revoker")
        yield server


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    return path


@pytest.fixture
def key(minio: MinioServer) -> str:
    """A service account of the credential `KEY/s3`."""
    name = f"JOBKEY{next(numbers):04}"
    minio.account("worker", name, f"curfewd:{json.dumps({'credential_id': f'{name}/s3'})}")
    return name


def target(minio: MinioServer, secret_file: Path, **options: Any) -> MinioTarget:
    given = {
        "url": f"http://{minio.address}",
        "access_key": "curfewd-revoker",
        "secret_key_file": str(secret_file),
        **options,
    }
    return MinioTarget(MinioOptions(**given))


def command(key: str, credential_id: str | None = None, **revocation: Any) -> RevocationCommand:
    return RevocationCommand(
        id="1",
        time=0,
        credential_id=credential_id or f"{key}/s3",
        revocation={"provider": "minio", "access_key": key, **revocation},
    )


def works(client: Minio) -> bool:
    try:
        client.list_buckets()
    except S3Error:
        return False
    return True


async def test_a_key_is_dead_once_it_is_off_and_its_user_works_on(
    minio: MinioServer, secret_file: Path, key: str
) -> None:
    revoker, asked, client = target(minio, secret_file), command(key), minio.client(key, SECRET)
    assert works(client)
    assert (await revoker.probe(asked)).state == "live"
    await revoker.revoke(asked, 0)
    assert not works(client)
    seen = await revoker.probe(asked)
    assert (seen.state, seen.control) == ("dead", True)
    assert works(minio.client("worker", SECRET))
    await revoker.revoke(asked, 0)  # once more
    await revoker.close()


async def test_a_key_is_deleted_later_unless_somebody_switched_it_on(
    minio: MinioServer, secret_file: Path, key: str
) -> None:
    revoker, asked = target(minio, secret_file, delete_after=0), command(key)
    with pytest.raises(RefusedError, match="switched it on"):
        await revoker.revoke(asked, 1)
    for step in range(2):
        await revoker.revoke(asked, step)
    assert (await revoker.probe(asked)).state == "absent"
    for step in range(2):
        with pytest.raises(GoneError):
            await revoker.revoke(asked, step)
    await revoker.close()


async def test_a_session_alone_is_revoked_by_its_type(minio: MinioServer, secret_file: Path) -> None:
    mine, other, plain = (minio.session("worker", kind) for kind in ("job-1", "job-2", None))
    clients = [
        minio.client(one.access_key, one.secret_key, one.session_token) for one in (mine, other, plain)
    ]
    assert [works(client) for client in clients] == [True, True, True]
    revoker = target(minio, secret_file)
    asked = command(mine.access_key, "job-1", method="revoke-tokens", user="worker")
    assert (await revoker.probe(asked)).state == "live"
    await revoker.revoke(asked, 0)
    assert (await revoker.probe(asked)).state == "absent"
    assert [works(client) for client in clients] == [False, True, True]
    with pytest.raises(GoneError):
        await revoker.revoke(asked, 0)
    await revoker.close()


async def test_a_session_of_another_type_is_not_hit_and_seen_as_live(
    minio: MinioServer, secret_file: Path
) -> None:
    """The issuer asked for it without that TokenRevokeType: the probe says that it lives on."""
    plain = minio.session("worker", None)
    revoker = target(minio, secret_file)
    asked = command(plain.access_key, "job-3", method="revoke-tokens", user="worker")
    await revoker.revoke(asked, 0)
    assert (await revoker.probe(asked)).state == "live"
    await revoker.close()


async def test_a_forged_event_cannot_aim_it_at_another_key(
    minio: MinioServer, secret_file: Path, key: str
) -> None:
    revoker = target(minio, secret_file)
    minio.account("worker", "NOTENOTE", "of a person")
    session = minio.session("worker", "job-4")
    forged = {
        "names another": command(key, "mine"),
        "nothing says": command("NOTENOTE", "mine"),
        "no session of": command(key, "mine", method="revoke-tokens", user="worker"),
        "no session": command(session.access_key, "mine", method="revoke-tokens", user="another"),
        "is a session": command(session.access_key, "mine"),
        "revoker's own": command("curfewd-revoker", "mine"),
    }
    for words, asked in forged.items():
        for doing in (revoker.probe(asked), revoker.revoke(asked, 0)):
            with pytest.raises(RefusedError, match=words):
                await doing
    assert works(minio.client(key, SECRET))
    with pytest.raises(RefusedError, match="not a service account"):
        await revoker.probe(command("worker", "mine"))
    assert works(minio.client("worker", SECRET))
    await revoker.close()


async def test_a_wrong_key_of_the_revoker_and_missing_rights_are_told(
    minio: MinioServer, secret_file: Path, key: str, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong-password")
    revoker = target(minio, wrong)
    with pytest.raises(UnavailableError, match="own key"):
        await revoker.probe(command(key))
    await revoker.close()
    minio.user("weak")
    revoker = target(minio, secret_file, access_key="weak")
    with pytest.raises(UnavailableError, match=r"deploy/revoke/minio\.json"):
        await revoker.probe(command(key))
    await revoker.close()


async def test_a_server_that_stops_in_the_middle_is_asked_again(
    minio: MinioServer, secret_file: Path, key: str
) -> None:
    revoker, asked = target(minio, secret_file), command(key)
    await revoker.revoke(asked, 0)
    minio.stop()
    for doing in (revoker.probe(asked), revoker.revoke(asked, 0)):
        with pytest.raises(UnavailableError):
            await doing
    minio.start()
    seen = None
    for _ in range(200):  # it answers before it has loaded its keys and policies: that is no proof
        with suppress(UnavailableError):
            seen = await revoker.probe(asked)
            break
        await asyncio.sleep(0.05)
    assert seen is not None
    assert seen.state == "dead"
    assert seen.how.endswith("is off")
    await revoker.close()


def test_the_server_lets_the_revoker_do_no_more(minio: MinioServer, key: str) -> None:
    admin = minio.administrator("curfewd-revoker")
    attempts: tuple[Callable[[], object], ...] = (
        lambda: admin.user_add("mine", SECRET),
        lambda: admin.user_disable("worker"),
        lambda: admin.user_remove("worker"),
        lambda: admin.policy_set("consoleAdmin", user="curfewd-revoker"),
        lambda: admin.policy_add("mine", policy_file=str(POLICY)),
        admin.info,
        admin.service_stop,
    )
    for forbidden in attempts:
        with pytest.raises(MinioAdminException, match="403"):
            forbidden()
    client = minio.client("curfewd-revoker", SECRET)
    with pytest.raises(S3Error, match="Access Denied"):
        client.make_bucket("mine")
    assert works(minio.client(key, SECRET))
