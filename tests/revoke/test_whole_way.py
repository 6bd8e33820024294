"""A task prints its credentials; the servers refuse them, and the findings are resolved. Everything in it is real."""

import json
from functools import partial
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from tests.broker import Cluster
from tests.ingest.streams import until
from tests.revoke.issuers import Issued, RoleIssuer, TokenIssuer, event, print_secret, refused
from tests.revoke.servers import OAuthServer, Postgres
from tests.revoke.whole_way import EVENTS, LOGS, WholeWay
from tests.service.whole.deployment import ended, terminate
from tests.small_history import KEY

NEW, RESOLVED = 1, 4
LOW, CRITICAL = 2, 5


async def test_a_printed_credential_is_dead_before_its_finding_is_resolved(
    broker: Cluster, postgres: Postgres, oauth_server: OAuthServer, tmp_path: Path
) -> None:
    tokens, roles = TokenIssuer(oauth_server, tmp_path, KEY), RoleIssuer(postgres, tmp_path, KEY)
    await roles.install()
    way = WholeWay(broker.bootstrap, tmp_path, (tokens, roles))
    await way.create()
    careless, careful = f"job-1-{way.name}", f"job-2-{way.name}"
    token, other_token = await tokens.issue(careless), await tokens.issue(careful)
    role, other_role = await roles.issue(careless), await roles.issue(careful)
    session = await roles.login(role)
    try:
        processes = [way.start(), way.start_revoker()]
        await until(way.ready, "both are ready", every=0.05)
        await way.begin([token, role, other_token, other_role])
        async with AIOKafkaProducer(bootstrap_servers=way.bootstrap) as producer:
            assert await tokens.works(token)
            printed = await print_secret(producer, way.inputs[LOGS], token)
            dead = await refused(partial(tokens.works, token))
            said = [f"a token: {(dead - printed) / 1e6:.0f} ms from its print to its first refused use"]
            assert await roles.works(role), "the other credential of the task was not asked for"
            printed = await print_secret(producer, way.inputs[LOGS], role)
            dead = await refused(partial(roles.lasts, session))
            said.append(f"a role: {(dead - printed) / 1e6:.0f} ms from its print to the end of its session")
        print("\n".join(said))  # noqa: T201 - `pytest -s` shows it; a busy machine takes as long as it takes
        await until(partial(resolved, way, 2), "both findings are resolved", every=0.1)

        # Whoever read the log comes too late. What the servers say of it is told to curfewd.
        assert not await tokens.works(token)
        assert not await roles.works(role)
        await way.tell([event("credential.used", credential_id=token.credential_id, outcome="denied")])
        await until(partial(denied, postgres, role), "PostgreSQL has logged that", every=0.05)
        await way.put((EVENTS, 0, line) for line in denials(postgres, role))
        await until(partial(watched, way), "the uses that were denied", every=0.1)

        await check(way, {each.credential_id for each in (token, role)})
        assert await tokens.works(other_token)
        assert await roles.works(other_role)
        for process in processes:
            terminate(process)
            assert await ended(process) == 0
    finally:
        way.end()


def denials(postgres: Postgres, role: Issued) -> list[bytes]:
    """The lines of PostgreSQL's own log in which it refuses a login of the role."""
    lines = (postgres.log_folder / "postgresql.json").read_bytes().split(b"\n")[:-1]  # whole ones
    wanted = {"user": role.task, "state_code": "28000"}
    return [line for line in lines if wanted.items() <= json.loads(line).items()]


async def denied(postgres: Postgres, role: Issued) -> bool:
    return bool(denials(postgres, role))


def of(findings: dict[str, dict[str, Any]], rule: str) -> dict[str, dict[str, Any]]:
    """The findings of a rule, by credential."""
    return {
        each["unmapped"]["credential_id"]: each
        for each in findings.values()
        if each["finding_info"]["analytic"]["uid"] == rule
    }


async def resolved(way: WholeWay, count: int) -> bool:
    found = of(await way.findings(), "leaked-credential").values()
    return len([each for each in found if each["status_id"] == RESOLVED]) == count


async def watched(way: WholeWay) -> bool:
    return len(of(await way.findings(), "use-after-revocation")) == 2


async def check(way: WholeWay, credentials: set[str]) -> None:
    commands, outcomes, findings = await way.commands(), await way.outcomes(), await way.findings()
    assert {each["subject"] for each in commands} == credentials
    assert len(commands) == 2, "a use that was denied asks for nothing more"
    leaks, late = of(findings, "leaked-credential"), of(findings, "use-after-revocation")
    assert set(leaks) == set(late) == credentials
    assert len(findings) == 4
    for command in commands:
        (outcome,), (revoked,) = outcomes[command["id"]], outcomes[f"{command['id']}/revoked"]
        told, leak = outcome["data"], leaks[command["subject"]]
        assert told["outcome"] == "confirmed"
        assert told["proof"].startswith("before: live ")
        assert "; now: dead (" in told["proof"]
        assert revoked["time"] == told["finished_at"]
        assert (leak["status_id"], leak["severity_id"], leak["activity_id"]) == (RESOLVED, CRITICAL, 2)
        resolution = leak["unmapped"]["resolution"]
        assert (resolution["target"], resolution["proof"]) == (told["target"], told["proof"])
    for each in late.values():
        assert (each["status_id"], each["severity_id"], each["count"]) == (NEW, LOW, 1)
