"""SIGHUP: what only a new start can change is reported, so that nobody thinks a removed key is out of force."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import structlog

from detector.configuration.settings import Settings
from detector.registry.finders import Finders
from detector.scan.scanner import PatternScanner
from detector.service.observability.metrics import Metrics
from detector.service.reload import Reloads

QUICK = '[patterns]\ndisable = ["*"]\ndetect_secrets = false\n'
TRUST = """
[kafka]
bootstrap = "127.0.0.1:9092"
event_topics = ["issuer"]
[[trust]]
topics = ["issuer"]
signature = "standard-webhooks"
[[trust.keys]]
id = "old"
env = "OLD"
"""
NEW = '[[trust.keys]]\nid = "new"\nenv = "NEW"\n'
ENVIRON = {"OLD": bytes(range(32)).hex(), "NEW": bytes(range(32, 64)).hex()}


@pytest.mark.parametrize(
    ("after", "warned"),
    [
        (QUICK + TRUST, False),
        (f"# a comment moves the lines\n{QUICK}{TRUST}", False),
        (QUICK + TRUST + NEW, True),
        (QUICK + TRUST.replace('"old"', '"older"'), True),
        (QUICK + TRUST[: TRUST.index("[[trust]]")], True),
        (f"{QUICK}{TRUST}[logs]\ntask_id = '{{job}}'\n", True),
        (f"grace_period = '5min'\n{QUICK}{TRUST}", False),
    ],
)
async def test_what_waits_for_a_new_start_is_said(tmp_path: Path, after: str, *, warned: bool) -> None:
    path = tmp_path / "curfewd.toml"

    def read() -> Settings:
        return Settings.load(str(path), ENVIRON)

    path.write_text(QUICK + TRUST)
    before = read()
    log: Any = structlog.get_logger()
    reloads = Reloads(before, read, Metrics(), log)
    path.write_text(after)
    with structlog.testing.capture_logs() as said:
        reloads.ask()
        running = asyncio.create_task(asyncio.sleep(60))
        reloaded = await reloads.next(Finders(PatternScanner([]), ()), running)
        running.cancel()
    assert any("need a restart" in line["event"] for line in said) == warned
    assert reloaded is not None
    assert reloaded.settings.trust == before.trust
