"""Cases of the revoker at a real PostgreSQL: what their outcomes are, after crashes and failures too."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from detector.configuration.revoke_settings import (
    ApprovalRule,
    Approver,
    Limits,
    RevokeSettings,
    Scope,
    SecretFile,
    TargetTable,
)
from detector.revoke.audit_records import act_record
from detector.revoke.deciding import Configured
from detector.revoke.executor import ExecutorSettings
from detector.revoke.target import UnavailableError
from detector.revoke.target_tables import TableTarget
from detector.revoke.targets.postgresql import PostgresOptions, PostgresTarget
from detector.revoke.turn import TurnSettings
from detector.values.approvals import Approval
from detector.values.times import MILLISECOND, SECOND
from tests.revoke.recording import OpenRails
from tests.revoke.running import Running, command
from tests.revoke.servers import Postgres

PASSWORD = "of-a-role-on-loopback"
SETTINGS = ExecutorSettings(deadline=20 * SECOND, breaker_failures=1000)
TURNS = TurnSettings(call_timeout=15 * SECOND, first_pause=20 * MILLISECOND, longest_pause=100 * MILLISECOND)
numbers = itertools.count()


@pytest.fixture(scope="module")
def password_file(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cases") / "password"
    path.write_text(PASSWORD)
    asyncio.run(postgres.install_revoker(path))
    return path


@pytest_asyncio.fixture
async def admin(postgres: Postgres) -> AsyncIterator[asyncpg.Connection]:
    connection = await postgres.connect()
    yield connection
    await connection.close()


async def made(admin: asyncpg.Connection) -> str:
    role = f"case_{next(numbers)}"
    note = json.dumps({"credential_id": role})
    await admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}' IN ROLE curfewd_tasks")
    await admin.execute(f"COMMENT ON ROLE {role} IS 'curfewd:{note}'")
    return role


def running(
    postgres: Postgres, password_file: Path, before: Running | None = None, **options: Any
) -> Running:
    made = PostgresOptions(host="127.0.0.1", port=postgres.port, password_file=str(password_file), **options)
    stored = None if before is None else before.stored
    return Running(OpenRails({"db": PostgresTarget(made)}), stored, SETTINGS, TURNS)


def asked(role: str, credential: str | None = None, **fields: Any) -> Any:
    revocation = {"provider": "postgresql", "role": role}
    return command(credential or role, revocation=revocation, **fields)


async def test_a_role_is_confirmed_dead_and_the_next_command_finds_it_so(
    postgres: Postgres, password_file: Path, admin: asyncpg.Connection
) -> None:
    role = await made(admin)
    session = await postgres.connect(role, PASSWORD)
    revoker = running(postgres, password_file)
    revoker.take([asked(role), asked(role, escalated=True)])
    await revoker.settle()
    assert revoker.stored.verdicts[0] == "confirmed"
    assert "NOLOGIN" in revoker.stored.outcomes[0][1].proof
    assert not [one for one in revoker.stored.verdicts if one in {"failed", "done-unproved", "held"}]
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError)):
        await session.fetchval("SELECT 1")
    await revoker.crash()


async def test_a_role_of_another_credential_is_refused(
    postgres: Postgres, password_file: Path, admin: asyncpg.Connection
) -> None:
    role = await made(admin)
    revoker = running(postgres, password_file)
    revoker.take([asked(role, "mine"), asked("postgres", "its")])
    await revoker.settle()
    assert revoker.stored.verdicts == ["refused", "refused"]
    (await postgres.connect(role, PASSWORD)).terminate()
    await revoker.crash()


@pytest.mark.parametrize("acts", [0, 1, 2, 3])
async def test_a_crash_at_any_act_ends_in_a_dead_role(
    acts: int, postgres: Postgres, password_file: Path, admin: asyncpg.Connection
) -> None:
    role = await made(admin)
    first = running(postgres, password_file)
    first.take([asked(role)])
    first.transaction()
    await first.until(lambda: len(first.acts) > acts)
    await first.crash()
    second = running(postgres, password_file, first)
    await second.settle()
    assert set(second.stored.verdicts) <= {"confirmed", "gone-already"}
    assert len(second.stored.verdicts) == 1
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await postgres.connect(role, PASSWORD)
    await second.crash()


async def test_a_server_that_is_down_is_waited_for(
    postgres: Postgres, password_file: Path, admin: asyncpg.Connection
) -> None:
    role = await made(admin)
    postgres.stop()
    revoker = running(postgres, password_file)
    revoker.take([asked(role)])
    with pytest.raises(AssertionError, match="not done"):
        await revoker.settle(0.3)
    postgres.start()
    await revoker.settle()
    assert revoker.stored.verdicts == ["confirmed"]
    await revoker.crash()


async def test_a_role_that_owns_something_is_confirmed_dead_and_kept(
    postgres: Postgres, password_file: Path, admin: asyncpg.Connection
) -> None:
    role = await made(admin)
    await admin.execute(f"CREATE SCHEMA of_{role} AUTHORIZATION {role}")
    revoker = running(postgres, password_file, drop_after=0)
    revoker.take([asked(role)])
    await revoker.settle()
    (outcome,) = (one for _, one in revoker.stored.outcomes)
    assert outcome.verdict == "confirmed"
    assert "A person must" in outcome.detail
    await revoker.crash()


def under_rails(
    postgres: Postgres,
    password_file: Path,
    before: Running | None = None,
    said: Sequence[Approval] = (),
    match: dict[str, tuple[str, ...]] | None = None,
    **changes: Any,
) -> Running:
    made = PostgresTarget(
        PostgresOptions(host="127.0.0.1", port=postgres.port, password_file=str(password_file))
    )
    settings = RevokeSettings(
        given=True, mode="act", approvers=(Approver("ann", SecretFile("ann", "")),), **changes
    )
    table = TargetTable("db", "postgresql", match=match or {})
    rails = Configured(settings, (TableTarget(table, made),), lambda _: said)
    return Running(rails, None if before is None else before.stored, SETTINGS, TURNS)


async def test_the_rails_are_asked_about_the_role_that_was_found(
    postgres: Postgres, password_file: Path, admin: asyncpg.Connection
) -> None:
    """The handle names no role; the comment of one that must never be touched names the credential."""
    role = await made(admin)
    revoker = under_rails(postgres, password_file, never=(role,))
    revoker.take([asked("no_such_role", role)])
    await revoker.settle()
    assert revoker.stored.verdicts == ["refused"]
    assert "revoke.never names it" in revoker.stored.outcomes[0][1].detail
    assert revoker.acts == []
    (await postgres.connect(role, PASSWORD)).terminate()
    await revoker.crash()


async def test_the_name_of_the_handle_still_counts_for_the_rails(
    postgres: Postgres, password_file: Path, admin: asyncpg.Connection
) -> None:
    role = await made(admin)
    revoker = under_rails(postgres, password_file, approvals=(ApprovalRule(1, Scope()),))
    revoker.take([asked("no_such_role", role)])
    await revoker.until(lambda: revoker.stored.verdicts == ["held"])
    await revoker.crash()
    approved = [Approval(asked("x", role).id, "ann", "approve", time.time_ns())]
    revoker = under_rails(postgres, password_file, revoker, approved, approvals=(ApprovalRule(1, Scope()),))
    await revoker.until(lambda: revoker.stored.verdicts == ["held", "held"])
    await revoker.crash()
    revoker = under_rails(postgres, password_file, revoker, approved, never=("no_such_*",))
    await revoker.settle()
    assert revoker.stored.verdicts[-1] == "refused"
    (await postgres.connect(role, PASSWORD)).terminate()
    await revoker.crash()


async def test_an_approval_is_of_the_role_that_it_was_asked_for(
    postgres: Postgres, password_file: Path, admin: asyncpg.Connection
) -> None:
    role = await made(admin)
    rule = (ApprovalRule(1, Scope()),)
    command_id = asked("x", role).id
    said = [Approval(command_id, "ann", "approve", time.time_ns())]
    revoker = under_rails(postgres, password_file, said=said, approvals=rule)
    revoker.take([asked("no_such_role", role)])
    await revoker.until(lambda: revoker.stored.verdicts == ["held"])
    detail = revoker.stored.outcomes[0][1].detail
    assert f"ALTER ROLE {role} NOLOGIN" in detail
    assert "what ann approved before was about something else" in detail
    await revoker.crash()
    revoker = under_rails(postgres, password_file, revoker, said, approvals=rule)
    await revoker.until(lambda: not revoker.executor.busy and bool(list(revoker.executor.open)))
    assert revoker.stored.verdicts == ["held"]  # a restart makes it no approval of the other
    said.append(Approval(command_id, "ann", "approve", time.time_ns()))
    revoker.executor.wake(command_id)
    await revoker.settle()
    assert revoker.stored.verdicts == ["held", "confirmed"]
    await revoker.crash()


async def test_plan_and_audit_name_the_role_that_was_found(
    postgres: Postgres, password_file: Path, admin: asyncpg.Connection
) -> None:
    role = await made(admin)
    await admin.execute(f"ALTER ROLE {role} RENAME TO {role}_hidden")
    revoker = under_rails(postgres, password_file, limits=Limits(per_minute=1))
    revoker.take([asked(role)])
    await revoker.settle()
    assert revoker.stored.verdicts == ["confirmed"]  # and it counts once for the limits
    lines = [act_record(act, str) for act in revoker.acts]
    begun = [line for line in lines if line["act"] == "acting"]
    assert [line["words"] for line in begun] == [
        f"ALTER ROLE {role}_hidden NOLOGIN",
        f"end the sessions of {role}_hidden",
    ]
    assert all(line["found"] == {"role": f"{role}_hidden"} for line in begun)
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await postgres.connect(f"{role}_hidden", PASSWORD)
    await revoker.crash()


async def test_what_was_found_must_be_one_that_the_target_takes(
    postgres: Postgres, password_file: Path, admin: asyncpg.Connection
) -> None:
    role = await made(admin)
    revoker = under_rails(postgres, password_file, match={"role": ("no_such_*",)})
    revoker.take([asked("no_such_role", role)])
    await revoker.settle()
    assert revoker.stored.verdicts == ["refused"]
    (await postgres.connect(role, PASSWORD)).terminate()
    await revoker.crash()


async def test_a_role_that_is_renamed_between_look_and_act_is_decided_anew(
    postgres: Postgres, password_file: Path, admin: asyncpg.Connection
) -> None:
    role = await made(admin)
    target = PostgresTarget(
        PostgresOptions(host="127.0.0.1", port=postgres.port, password_file=str(password_file))
    )
    assert (await target.probe(asked(role))).found == {"role": role}
    await admin.execute(f"ALTER ROLE {role} RENAME TO {role}_hidden")
    for step in range(2):
        with pytest.raises(UnavailableError, match="is called"):
            await target.revoke(asked(role), step)
    (await postgres.connect(f"{role}_hidden", PASSWORD)).terminate()
