"""A plan asks no provider, so it needs no provider's library; whoever asks one is told at the start what is missing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from detector.revoke.targets.names import LIBRARIES, TARGET_MODULES
from tests.command_line import curfewd

TARGETS = """
[revoke.targets.aws]
account = "111122223333"
[revoke.targets.postgresql]
host = "db"
password_file = "password"
[revoke.targets.redis]
servers = ["store:6379"]
password_file = "password"
user_prefix = "task-"
[revoke.targets.minio]
url = "https://minio:9000"
access_key = "curfewd"
secret_key_file = "password"
"""
HANDLES = {
    "aws": {"account": "111122223333", "method": "delete-access-key", "user_name": "job"},
    "postgresql": {"role": "job"},
    "redis": {"user": "task-job"},
    "minio": {"access_key": "JOBKEY"},
}
# Python's import system finds none of them, as on a machine without the extra.
WITHOUT = f"""
import importlib.machinery, sys
class Missing(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in {{*{sorted(LIBRARIES.values())!r}, "botocore"}}:
            return None
        return super().find_spec(name, path, target)
sys.meta_path = [each for each in sys.meta_path if each is not importlib.machinery.PathFinder] + [Missing]
from detector.cli import main
sys.exit(main(sys.argv[1:]))
"""


def written(folder: Path) -> tuple[Path, Path]:
    """A configuration with each target that has a library, and a command for each."""
    tables = TARGETS
    for name in LIBRARIES:
        tables = tables.replace(f"[revoke.targets.{name}]\n", f'[revoke.targets.{name}]\ntype = "{name}"\n')
    (folder / "curfewd.toml").write_text(f'[revoke]\nmode = "act"\n{tables}')
    commands = [
        {
            "specversion": "1.0",
            "type": "credential.revocation.requested",
            "source": "curfewd",
            "id": f"00000000-0000-5000-8000-00000000000{number}",
            "subject": f"c-{name}",
            "time": "2026-05-01T00:00:00Z",
            "data": {
                "credential_id": f"c-{name}",
                "task_id": "t",
                "identifiers": [],
                "reasons": ["leaked-credential"],
                "finding_uids": [],
                "escalated": False,
                "severity": "critical",
                "revocation": {"provider": name, **handle},
            },
        }
        for number, (name, handle) in enumerate(HANDLES.items())
    ]
    (folder / "revocations.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in commands))
    return folder / "curfewd.toml", folder / "revocations.jsonl"


def without(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_a_dry_run_of_every_target_gives_the_same_without_a_library(tmp_path: Path) -> None:
    assert HANDLES.keys() == LIBRARIES.keys() <= TARGET_MODULES.keys()
    config, commands = written(tmp_path)
    arguments = ("revoke", "--config", config, "--dry-run", commands, "--json")
    there = curfewd(*arguments)
    missing = without(*arguments)
    assert (missing.returncode, missing.stderr) == (there.code, there.err.decode())
    assert json.loads(missing.stdout) == json.loads(there.out)
    for name in LIBRARIES:
        assert f'"target":"{name}"' in missing.stdout.replace(" ", "")


@pytest.mark.parametrize("command", ["check", "act"])
def test_whoever_asks_a_provider_is_told_what_is_missing(tmp_path: Path, command: str) -> None:
    config, commands = written(tmp_path)
    act = ("revoke", "--config", config, "--commands", commands, "--out", tmp_path / "out")
    done = without(*(act if command == "act" else ("check", "--config", config)))
    said = done.stdout + done.stderr
    assert done.returncode == 2
    for library in LIBRARIES.values() if command == "check" else ("aiobotocore",):
        assert f"needs the library {library}, which is not installed: pip install '.[revoke]' in the" in said
