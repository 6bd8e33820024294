"""The whole way while both processes are killed again and again: `make chaos-revoke` runs it, `make test` does not.

Tokens and roles of real servers are printed, some more than once, while `kill -9` hits the detector or the revoker. At
the end what was printed is dead at the servers, nothing else was touched, and each command has one last outcome.
"""

import asyncio
import json
import os
import random
import signal
import subprocess
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from aiokafka import AIOKafkaProducer

from detector.revoke.audit_log import verify_audit_log
from tests.broker import Cluster
from tests.ingest.streams import until
from tests.revoke.issuers import Issued, Issuer, RoleIssuer, TokenIssuer, print_secret
from tests.revoke.servers import OAuthServer, Postgres
from tests.revoke.whole_way import LOGS, NO_LIMITS, WholeWay
from tests.service.whole.deployment import ended, terminate
from tests.small_history import KEY

KILLS = int(os.environ.get("CURFEWD_CHAOS_KILLS", "4"))
SEED = int(os.environ.get("CURFEWD_CHAOS_SEED", "3"))
LEAKS = 4 * KILLS  # of each kind
QUIET = 10  # of each kind, which nobody prints
DEAD = {"confirmed", "gone-already"}


async def test_what_is_printed_is_dead_whatever_dies(
    broker: Cluster, postgres: Postgres, oauth_server: OAuthServer, tmp_path: Path
) -> None:
    rng = random.Random(SEED)
    tokens, roles = TokenIssuer(oauth_server, tmp_path, KEY), RoleIssuer(postgres, tmp_path, KEY)
    await roles.install()
    way = WholeWay(broker.bootstrap, tmp_path, (tokens, roles), f'deadline = "5min"\n{NO_LIMITS}')
    await way.create()
    issuers: dict[str, Issuer] = {"token": tokens, "role": roles}
    made = [
        await issuers[kind].issue(f"{way.name}-{number}-{kind}")
        for number in range(LEAKS + QUIET)
        for kind in issuers
    ]
    leaking, quiet = made[: 2 * LEAKS], made[2 * LEAKS :]
    processes = {"run": way.start(), "revoke": way.start_revoker()}
    try:
        await until(way.ready, "both are ready", every=0.05)
        await way.begin(made)
        async with AIOKafkaProducer(bootstrap_servers=way.bootstrap) as producer:
            for kill in range(KILLS):
                *most, last = leaking[8 * kill : 8 * kill + 8]
                await printed(producer, way, rng, most)
                command = rng.choice(("run", "revoke", "revoke"))
                size = size_of(way.audit)
                await print_secret(producer, way.inputs[LOGS], last)
                if command == "revoke":  # in the middle of an act
                    await until(partial(grown, way.audit, size), "an act", every=0.001)
                processes[command].send_signal(signal.SIGKILL)
                await ended(processes[command])
                processes[command] = way.start() if command == "run" else way.start_revoker()
            await until(way.ready, "both are ready again", every=0.05)
            twice = rng.sample(leaking, 5)  # a leak after the end is new evidence: its finding is open again
            for each in twice:
                await print_secret(producer, way.inputs[LOGS], each)
        await until(partial(all_dead, way, leaking), "an outcome of each", every=0.5)
        await until(
            partial(resolved, way, [each for each in leaking if each not in twice]),
            "each finding is resolved",
            every=0.5,
        )
        await check(way, issuers, leaking, quiet)
        await stopped(processes)
    finally:
        way.end()
    assert list(verify_audit_log(way.audit, {})) == []


def size_of(audit: Path) -> int:
    return audit.stat().st_size if audit.exists() else 0


async def grown(audit: Path, size: int) -> bool:
    return size_of(audit) > size


async def printed(
    producer: AIOKafkaProducer, way: WholeWay, rng: random.Random, leaking: Sequence[Issued]
) -> None:
    for each in leaking:
        await print_secret(producer, way.inputs[LOGS], each)
        await asyncio.sleep(rng.random() * 0.3)


async def all_dead(way: WholeWay, leaking: Sequence[Issued]) -> bool:
    told = (await way.outcomes()).values()
    dead = {each[-1]["data"]["credential_id"] for each in told if each[-1]["data"].get("outcome") in DEAD}
    return dead >= {each.credential_id for each in leaking}


async def resolved(way: WholeWay, once: Sequence[Issued]) -> bool:
    found = (await way.findings()).values()
    done = {each["unmapped"]["credential_id"] for each in found if each["status_id"] == 4}
    return done >= {each.credential_id for each in once}


async def check(
    way: WholeWay, issuers: dict[str, Issuer], leaking: Sequence[Issued], quiet: Sequence[Issued]
) -> None:
    for each in leaking:
        assert not await issuers[each.task.rpartition("-")[2]].works(each), f"{each.credential_id} works"
    for each in quiet:
        assert await issuers[each.task.rpartition("-")[2]].works(each), f"{each.credential_id} was touched"
    commands, outcomes = await way.commands(), await way.outcomes()
    assert sorted(each["subject"] for each in commands) == sorted(each.credential_id for each in leaking)
    for command in commands:
        told = [each["data"]["outcome"] for each in outcomes[command["id"]]]
        assert [each in DEAD for each in told].count(True) == 1, told
        assert told[-1] in DEAD
        assert [each["id"] for each in outcomes[command["id"]]] == [
            f"{command['id']}/{number + 1}" for number in range(len(told))
        ]
        assert len(outcomes[f"{command['id']}/revoked"]) == 1
    assert len(outcomes) == 2 * len(commands)
    acts = [json.loads(line) for line in way.audit.read_text().splitlines()]
    assert {each["credential_id"] for each in acts if "credential_id" in each} == {
        each.credential_id for each in leaking
    }


async def stopped(processes: dict[str, "subprocess.Popen[bytes]"]) -> None:
    for process in processes.values():
        terminate(process)
        assert await ended(process) == 0
