"""Signed commands in the real revoker on real Kafka: a forged one does nothing and keeps no true one away."""

import json
import signal
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from detector.outputs.command_signature import signed, signing_key
from detector.values.secrets import DeploymentKey
from tests.broker import Cluster
from tests.ingest.streams import until
from tests.revoke.deployment import RevokerDeployment, command_event
from tests.revoke.faulty_provider import FaultyProvider
from tests.service.whole.deployment import ended, terminate

KEY = DeploymentKey.of(bytes(range(32)), "2026")
NAMES = ("early", "early-forged", "true", "unsigned", "victim")


def own(event: dict[str, Any]) -> bytes:
    return signed(json.dumps(event).encode(), signing_key([KEY]))[0]


async def _last(deployment: RevokerDeployment, name: str, verdict: str, words: str = "") -> bool:
    found = (await deployment.outcomes())[command_event(name, 0)["id"]]
    told = [each["data"] for each in found if "outcome" in each["data"]]
    return bool(told) and told[-1]["outcome"] == verdict and words in told[-1]["detail"]


async def _letters(deployment: RevokerDeployment, **wanted: int) -> bool:
    found = await deployment.topic("dead-letters")
    return Counter(json.loads(each.value)["reason"].replace("-", "_") for each in found) == wanted


async def test_with_a_key_signed_commands_alone_are_carried_out(broker: Cluster, tmp_path: Path) -> None:
    (tmp_path / "command.key").write_text(KEY.for_commands().material.hex())
    async with FaultyProvider(faults=0) as provider:
        keyed = 'command_key_file = "command.key"\n'
        deployment = RevokerDeployment(broker.bootstrap, tmp_path, provider.port, keyed)
        acting = deployment.config.read_text()
        deployment.config.write_text(acting.replace(keyed, "").replace('mode = "act"', 'mode = "plan"'))
        await deployment.create()
        provider.live |= {name: f"task-of-{name}" for name in NAMES}
        commands = {name: command_event(name, time.time_ns()) for name in NAMES}
        mallorys = {"revocation": {"provider": "faulty", "name": "victim"}}

        last, letters = partial(_last, deployment), partial(_letters, deployment)
        process = deployment.start()
        try:
            early = command_event("early", time.time_ns(), **mallorys)
            await deployment.ask([early, commands["early-forged"]])
            await until(lambda: last("early", "held", "plan"), "a plan")
            await until(lambda: last("early-forged", "held", "plan"), "a plan")
            deployment.config.write_text(acting)
            process.send_signal(signal.SIGHUP)
            await until(lambda: last("early", "held", "signature"), "a hold")
            await until(lambda: last("early-forged", "held", "signature"), "a hold")
            forged = command_event("true", time.time_ns(), **mallorys)
            copy = own(commands["true"]).replace(b'"name": "true"', b'"name": "victim"')
            await deployment.ask([forged, copy, commands["unsigned"]])
            await until(lambda: letters(unsigned=2, bad_signature=1), "dead letters")
            await deployment.ask([own(commands["true"]), own(commands["early"])])
            await until(lambda: last("true", "confirmed"), "a revocation")
            await until(lambda: last("early", "confirmed"), "a revocation")
            assert sorted(provider.live) == ["early-forged", "unsigned", "victim"]

            async def counted() -> bool:
                return {
                    'curfewd_dead_letters_total{reason="unsigned",stage="revoke"} 2.0',
                    'curfewd_dead_letters_total{reason="bad-signature",stage="revoke"} 1.0',
                    'curfewd_revocations_held{rail="signature"} 1.0',
                } <= {*deployment.get("/metrics")[1].splitlines()}

            await until(counted, "the metrics")
            deployment.config.write_text(acting.replace(keyed, f"{keyed}allow_unsigned = true\n"))
            process.send_signal(signal.SIGHUP)
            await until(lambda: last("early-forged", "confirmed"), "what waited goes")
            await deployment.ask([commands["unsigned"], copy])
            await until(lambda: last("unsigned", "confirmed"), "an unsigned one goes")
            await until(lambda: letters(unsigned=2, bad_signature=2), "a letter")
            assert sorted(provider.live) == ["victim"]
            warned = [line for line in deployment.said() if "no key here has signed it" in line["event"]]
            assert {line["reason"] for line in warned} == {"unsigned", "bad-signature"}
            terminate(process)
            assert await ended(process) == 0
        finally:
            deployment.end()
        written = deployment.audit.read_bytes() + b"".join(
            path.read_bytes() for path in tmp_path.glob("*.log")
        )
        assert KEY.for_commands().material.hex().encode() not in written
