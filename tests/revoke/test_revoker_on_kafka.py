"""`curfewd revoke` on a real Kafka, with a provider that hangs, lies and answers garbage, and under kill -9."""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from detector.kafka.connection import ConnectionSettings
from detector.revoke.audit_log import verify_audit_log
from detector.service.approvals.given_approvals import write_approval
from detector.values.approvals import Approval
from detector.values.secrets import Secret
from tests.broker import Cluster
from tests.ingest.streams import until
from tests.revoke.deployment import RevokerDeployment, command_event
from tests.revoke.faulty_provider import FaultyProvider
from tests.service.whole.deployment import ended, terminate

FINAL = {"confirmed", "gone-already", "refused", "failed", "done-unproved"}
# `make chaos-revoke` asks for more.
KILLS = int(os.environ.get("CURFEWD_CHAOS_KILLS", "2"))
COMMANDS = 15 * KILLS


async def done(deployment: RevokerDeployment, ids: set[str]) -> bool:
    found = await deployment.outcomes()
    return all(found[one] and found[one][-1]["data"]["outcome"] in FINAL for one in ids)


@pytest.mark.slow
async def test_what_is_asked_is_done_once_whatever_dies(broker: Cluster, tmp_path: Path) -> None:
    rng = random.Random(5)
    async with FaultyProvider(faults=6) as provider:
        deployment = RevokerDeployment(broker.bootstrap, tmp_path, provider.port)
        await deployment.create()
        names = [f"cred-{number}" for number in range(COMMANDS)]
        forged = [f"forged-{number}" for number in range(5)]
        bystanders = [f"bystander-{number}" for number in range(20)]
        provider.live |= {name: f"task-of-{name}" for name in (*names, *bystanders)}
        provider.live |= dict.fromkeys(forged, "somebody-else")
        now = time.time_ns()
        events = [command_event(name, now) for name in (*names, *forged)]
        rng.shuffle(events)
        try:
            at = 0
            for kill in range(KILLS):
                process = deployment.start()
                part = events[at : at + len(events) // KILLS + 1]
                at += len(part)
                await until(deployment.ready, "ready", every=0.05)
                before = provider.requests["revoke"]
                await deployment.ask([*part, *rng.sample(events[:at], 3)])  # copies of what came before, too
                if kill % 2:
                    await until(partial(_more, provider, before), "an act", every=0.002)
                await asyncio.sleep(rng.random() * 0.3)
                process.send_signal(signal.SIGKILL)
                await ended(process)
            provider.faults = 3
            process = deployment.start()
            await deployment.ask([b"{", b'{"specversion": "1.0"}', b"\xff" * 10, *events])
            ids = {event["id"] for event in events}
            await until(lambda: done(deployment, ids), "an outcome of each", every=0.5)
            await until(partial(_idle, deployment), "the gauges say so")
            terminate(process)
            assert await ended(process) == 0
        finally:
            deployment.end()
            await print_living(deployment, provider, names)
        await check(deployment, provider, names, forged, bystanders)


async def _idle(deployment: RevokerDeployment) -> bool:
    metrics = (await asyncio.to_thread(deployment.get, "/metrics"))[1]
    assert "curfewd_revocation_seconds_bucket" in metrics
    return 'curfewd_revocations_pending{state="provider"} 0.0' in metrics


async def _more(provider: FaultyProvider, before: int) -> bool:
    return provider.requests["revoke"] > before


async def print_living(deployment: RevokerDeployment, provider: FaultyProvider, names: list[str]) -> None:
    """Prints all that was said of each credential that lives and should be dead: pytest shows it if a test fails."""
    living = [name for name in names if name in provider.live]
    if not living:
        return
    outcomes, acts = await deployment.outcomes(), deployment.audit.read_text().splitlines()
    for name in living:
        print(f"{name} lives", *outcomes[command_event(name, 0)["id"]], sep="\n  ")  # noqa: T201 - for a person
        print(*(act for act in acts if f'"{name}"' in act), sep="\n")  # noqa: T201 - the same


async def check(
    deployment: RevokerDeployment,
    provider: FaultyProvider,
    names: list[str],
    forged: list[str],
    bystanders: list[str],
) -> None:
    outcomes = await deployment.outcomes()
    ids = {name: command_event(name, 0)["id"] for name in (*names, *forged)}
    for name in provider.live.keys() & set(names):
        told = [each["data"].get("outcome") for each in outcomes[ids[name]]]
        assert not {"confirmed", "gone-already"}.intersection(told), f"{name} lives: {told}"
        assert f"{ids[name]}/revoked" not in outcomes, f"{name} lives"
    assert set(provider.live) == {*forged, *bystanders}, "what was asked is dead, and nothing else"
    assert set(provider.kills.values()) == {1}
    for name in names:
        told = outcomes[ids[name]]
        assert [each["id"] for each in told] == [f"{ids[name]}/{n + 1}" for n in range(len(told))]
        assert told[-1]["data"]["outcome"] in {"confirmed", "gone-already"}, told[-1]
        (revoked,) = outcomes[f"{ids[name]}/revoked"]
        assert revoked["time"] == told[-1]["data"]["finished_at"]
        assert revoked["data"] == {"credential_id": name}
    for name in forged:
        assert [each["data"]["outcome"] for each in outcomes[ids[name]]] == ["refused"]
        assert f"{ids[name]}/revoked" not in outcomes
    anchors = [
        each["curfewdaudit"].split(":")
        for told in outcomes.values()
        for each in told
        if "curfewdaudit" in each
    ]
    assert list(verify_audit_log(deployment.audit, {int(number): digest for number, digest in anchors})) == []
    letters = await deployment.topic("dead-letters")
    assert len(letters) == 3
    assert (
        Counter(name for told in outcomes.values() for each in told for name in [each["id"]]).most_common(1)[
            0
        ][1]
        == 1
    )


async def test_plan_approval_standby_and_handover(broker: Cluster, tmp_path: Path) -> None:
    """A plan holds; SIGHUP lets it act; what needs an approval waits for it; a second process takes over."""
    (tmp_path / "ann.token").write_text("t" * 40)
    rules = (
        '[[revoke.approver]]\nname = "ann"\ntoken_file = "ann.token"\n'
        '[[revoke.approval]]\nkinds = ["root-key"]\napprovals = 1\n'
    )
    async with FaultyProvider(faults=0) as provider:
        deployment = RevokerDeployment(broker.bootstrap, tmp_path, provider.port, rules)
        acting = deployment.config.read_text()
        deployment.config.write_text(acting.replace('mode = "act"', 'mode = "plan"'))
        await deployment.create()
        provider.live |= {f"c-{number}": f"task-of-c-{number}" for number in range(20)}
        now = time.time_ns()
        events = [
            command_event(f"c-{number}", now, kind="root-key" if number == 7 else "token")
            for number in range(20)
        ]
        special = events[7]["id"]
        try:
            first = deployment.start()
            await until(deployment.ready, "ready")
            await deployment.ask(events[:10])
            await until(partial(_verdicts, deployment, {"held": 10}), "all are held")
            assert not provider.requests
            deployment.config.write_text(acting)
            first.send_signal(signal.SIGHUP)
            await until(partial(_verdicts, deployment, {"held": 1, "confirmed": 9}), "all but one go")
            deployment.config.write_text(
                acting.replace(str(deployment.audit), str(tmp_path / "second.jsonl"))
            )
            second = deployment.start()
            await until(deployment.ready, "the second is ready")
            assert 'curfewd_partitions{stage="revoke",state="held"} 0.0' in deployment.get("/metrics")[1]
            terminate(first)
            assert await ended(first) == 0
            await deployment.ask(events)
            await until(partial(_verdicts, deployment, {"held": 1, "confirmed": 19}), "all but one go")
            topic = f"{deployment.name}.revocation-approvals"
            approval = Approval(special, "ann", "approve", time.time_ns())
            await write_approval(ConnectionSettings(broker.bootstrap), topic, approval, Secret(b"t" * 40))
            await until(partial(_verdicts, deployment, {"confirmed": 20}), "the last one goes")
            terminate(second)
            assert await ended(second) == 0
        finally:
            deployment.end()
        assert not provider.live
        assert set(provider.kills.values()) == {1}
        outcomes = await deployment.outcomes()
        assert outcomes[special][-1]["data"]["detail"].endswith("approved by ann")
        assert all(len(outcomes[event["id"]]) == 1 for event in events[10:])


async def _verdicts(deployment: RevokerDeployment, wanted: dict[str, int]) -> bool:
    """Whether the last outcomes are these."""
    told = [each[-1] for each in (await deployment.outcomes()).values()]
    return Counter(one["data"]["outcome"] for one in told if "outcome" in one["data"]) == wanted
