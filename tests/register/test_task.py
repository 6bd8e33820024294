"""A task tells of itself to a file, an HTTP server, and later what it could not tell at once."""

import asyncio
import base64
import hashlib
import json
import logging
import os
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from detector.adapters.cloudevents import decode
from detector.register import Task
from detector.register.delivery import LEASE_SECONDS, send_abandoned
from detector.register.destinations import destination_of
from detector.register.spool import MOST_BYTES, Spool, SpoolFullError
from detector.values.errors import CurfewdError, InputError, UsageError
from detector.values.secrets import DeploymentKey, Secret
from tests.register.receiver import Receiver, receiver

TOKEN = "dep1_7KdWq4ZtB9xLr2MvN6hPc8YjQm3v"
KEY = "00112233445566778899aabbccddeeff"


def events_in(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def files_of(spool: Path) -> list[Path]:
    return [path for path in spool.rglob("*") if path.is_file()]


def test_a_task_tells_its_start_its_credentials_and_its_end(tmp_path: Path, spool: Path) -> None:
    out = tmp_path / "events.jsonl"
    with Task("agent/42", kind="agent", owner="research", deadline="15m", to=str(out)) as task:
        grants = [{"actions": ["git.push"], "resources": ["acme/shop"]}]
        named = task.credential(TOKEN, kind="github-token", name="push", grants=grants, lifetime="10m")
        task.credential(b"another-7KdWq4ZtB9xLr2MvN6hPc8Yj")
        task.revoked(named)
    started, issued, second, revoked, ended = events_in(out)
    assert started["data"]["task_id"] == "agent/42"
    assert {started["data"][name] for name in ("kind", "owner")} == {"agent", "research"}
    assert started["data"]["deadline"] > started["time"]
    assert issued["data"]["credential_id"] == "agent/42/push"
    assert issued["data"]["grants"] == grants
    assert issued["data"]["identifiers"] == [
        {"scheme": "sha256", "value": hashlib.sha256(TOKEN.encode()).hexdigest(), "length": len(TOKEN)}
    ]
    assert second["data"]["credential_id"] == "agent/42/credential-2"
    assert revoked["data"] == {"credential_id": "agent/42/push"}
    assert (ended["type"], ended["data"]["outcome"]) == ("task.ended", "succeeded")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert files_of(spool) == []
    assert TOKEN not in out.read_text()


def test_curfewd_reads_every_event_that_it_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURFEWD_KEY", KEY)
    out = tmp_path / "events.jsonl"
    with Task("a/1", group="g", workload="w", parent="a/0", deadline=60, to=str(out)) as task:
        bound = {"workloads": ["w*"], "source_ips": ["10.0.0.0/8"]}
        task.credential(
            TOKEN, bound_to=bound, revocation={"handle": "h"}, approval={"not_after": "2030-01-01T00:00:00Z"}
        )
    decoded = [decode(line, time.time_ns()) for line in out.read_bytes().splitlines()]
    assert [type(event).__name__ for event in decoded] == ["TaskStarted", "CredentialIssued", "TaskEnded"]


def test_with_a_deployment_key_it_registers_hmac_and_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURFEWD_KEY", KEY)
    key, out = DeploymentKey.of(bytes.fromhex(KEY)), tmp_path / "events.jsonl"
    with Task("a/1", to=str(out)) as task:
        task.credential(TOKEN)
    [identifier] = events_in(out)[1]["data"]["identifiers"]
    secret = Secret(TOKEN.encode())
    assert identifier["scheme"] == "hmac-sha256"
    assert (identifier["value"], identifier["check"]) == (key.fingerprint(secret), key.check(secret))
    assert hashlib.sha256(TOKEN.encode()).hexdigest() not in out.read_text()


async def test_it_is_an_asynchronous_context_manager_too(receiving: Receiver) -> None:
    async with Task("a/1", to=receiving.url) as task:
        task.credential(TOKEN)
        await asyncio.sleep(0)
    assert receiving.types() == ["task.started", "credential.issued", "task.ended"]
    assert {header["Content-Type"] for header in receiving.headers} == {
        "application/cloudevents+json; charset=UTF-8"
    }


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "succeeded"),
        (ValueError("x"), "failed"),
        (SystemExit(3), "failed"),
        (SystemExit(0), "succeeded"),
        (TimeoutError(), "timed_out"),
        (KeyboardInterrupt(), "cancelled"),
        (asyncio.CancelledError(), "cancelled"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_the_way_out_of_the_block_is_the_outcome(
    tmp_path: Path, error: BaseException | None, outcome: str
) -> None:
    out = tmp_path / "events.jsonl"

    def run() -> None:
        with Task("a/1", to=str(out)):
            if error is not None:
                raise error

    if error is None:
        run()
    else:
        with pytest.raises(type(error)):
            run()
    assert events_in(out)[-1]["data"]["outcome"] == outcome


def test_what_cannot_be_sent_waits_without_a_secret_and_is_sent_later(
    spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with receiver() as gone:
        pass
    with caplog.at_level(logging.WARNING), Task("a/1", to=gone.url, patience=1) as task:
        task.credential(TOKEN)
    assert "3 events of the task wait in the spool" in caplog.text
    [waiting] = files_of(spool)
    assert stat.S_IMODE(waiting.stat().st_mode) == 0o600
    assert stat.S_IMODE(waiting.parent.stat().st_mode) == 0o700
    assert TOKEN not in waiting.read_text() + caplog.text
    assert gone.url not in str(waiting)
    with receiver(int(gone.url.split(":")[2].split("/")[0])) as back:
        with Task("a/2", to=back.url):
            pass
        told = [(event["type"], event["data"]["task_id"]) for event in back.events]
    assert [kind for kind, task_id in told if task_id == "a/1"] == [
        "task.started",
        "credential.issued",
        "task.ended",
    ]
    assert ("task.ended", "a/2") in told
    assert files_of(spool) == []


def test_an_answer_that_a_person_can_mend_keeps_the_events(receiving: Receiver, spool: Path) -> None:
    for status in (302, 401, 503, 400):
        receiving.status = status
        with Task(f"a/{status}", to=receiving.url, patience=1):
            pass
    assert len(files_of(spool)) == 4
    receiving.status = 200
    assert send_abandoned(Spool(spool, receiving.url), destination_of(receiving.url)) == (4, None)
    assert files_of(spool) == []


def test_a_killed_process_ends_its_task_when_its_lease_ran_out(tmp_path: Path, spool: Path) -> None:
    out = tmp_path / "events.jsonl"
    code = f"""
import os, signal
from detector.register import Task
with Task("a/killed", to={str(out)!r}) as task:
    task.credential({TOKEN!r})
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    [left] = files_of(spool)
    died = left.stat().st_mtime - 100
    os.utime(left, (died, died))  # some time ago
    with Task("a/next", to=str(out)):
        pass
    ends = {event["data"]["task_id"]: event for event in events_in(out) if event["type"] == "task.ended"}
    assert ends["a/killed"]["data"] == {
        "task_id": "a/killed",
        "outcome": "failed",
        "detail": "its lease ran out",
    }
    expected = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(died + LEASE_SECONDS))
    assert ends["a/killed"]["time"].startswith(expected)
    assert files_of(spool) == []


def test_a_task_that_lives_is_not_ended_by_another(tmp_path: Path) -> None:
    out = tmp_path / "events.jsonl"
    with Task("a/long", to=str(out)), Task("a/short", to=str(out)):
        pass
    ends = [event["data"]["task_id"] for event in events_in(out) if event["type"] == "task.ended"]
    assert ends == ["a/short", "a/long"]


def test_a_fork_that_leaves_the_block_does_not_end_the_task(tmp_path: Path) -> None:
    out = tmp_path / "events.jsonl"
    code = f"""
import os
from detector.register import Task
with Task("a/1", to={str(out)!r}) as task:
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        print("parent")
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True)
    assert [event["type"] for event in events_in(out)] == ["task.started", "task.ended"]


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        ("", "nothing was read"),
        ("tiny9", "the minimum is 8"),
        ("hunter2hunter2", "SHA-256 is for generated tokens"),
        ("correct horse battery staple", "SHA-256 is for generated tokens"),
        ("aaaaaaaaaaaaaaaaaaaaaaaaaa", "over and over"),
    ],
    ids=["empty", "short", "password", "phrase", "repeated"],
)
def test_a_secret_that_cannot_be_registered_is_refused(tmp_path: Path, secret: str, reason: str) -> None:
    out = tmp_path / "events.jsonl"
    with Task("a/1", to=str(out)) as task, pytest.raises(InputError, match=reason) as told:
        task.credential(secret)
    assert not secret or secret not in str(told.value)
    assert [event["type"] for event in events_in(out)] == ["task.started", "task.ended"]


def test_a_secret_in_another_field_is_not_told(tmp_path: Path) -> None:
    out = tmp_path / "events.jsonl"
    with Task("a/1", to=str(out)) as task, pytest.raises(UsageError, match="stands in the id"):
        task.credential(TOKEN, name=f"token-{TOKEN}")
    assert TOKEN not in out.read_text()


@pytest.mark.parametrize(
    "fields",
    [
        {"name": TOKEN.encode().hex()},
        {"kind": base64.b64encode(TOKEN.encode()).decode()},
        {"grants": [{"actions": ["git.push"], "resources": [base64.b64encode(TOKEN.encode()).decode()]}]},
        {"revocation": {"handle": {"part1": TOKEN[:16], "part2": TOKEN[16:]}}},
    ],
    ids=["name", "kind", "grants", "revocation"],
)
def test_a_secret_in_another_form_in_another_field_is_not_told(
    tmp_path: Path, fields: dict[str, Any]
) -> None:
    out = tmp_path / "events.jsonl"
    with Task("a/1", to=str(out)) as task, pytest.raises(UsageError, match="stands in the id"):
        task.credential(TOKEN, **fields)
    assert [event["type"] for event in events_in(out)] == ["task.started", "task.ended"]


def test_a_task_whose_id_shows_the_secret_registers_no_credential(tmp_path: Path) -> None:
    with Task(f"a/{TOKEN.encode().hex()}", to=str(tmp_path / "o")) as task, pytest.raises(UsageError):
        task.credential(TOKEN)


def test_a_task_that_does_not_run_says_so(tmp_path: Path) -> None:
    task = Task("a/1", to=str(tmp_path / "events.jsonl"))
    with pytest.raises(UsageError, match="does not run"):
        task.credential(TOKEN)
    with task:
        pass
    with pytest.raises(UsageError, match="does not run"):
        task.credential(TOKEN)
    with pytest.raises(UsageError, match="no destination"):
        Task("a/2")
    with pytest.raises(UsageError, match="at most 1024"), Task("", to=str(tmp_path / "o")):
        pass
    with pytest.raises(UsageError, match="UTF-8"), Task("a/\udc80", to=str(tmp_path / "o")):
        pass
    with pytest.raises(UsageError, match="deadline"), Task("a", deadline="soon", to=str(tmp_path / "o")):
        pass


@pytest.mark.parametrize(
    ("address", "token", "reason"),
    [
        ("https://ann:pw@host/x", None, "user or password"),
        ("http://collector.example/x", "t0ken", "unencrypted"),
        ("https://host/\n", None, "URL of the destination"),
        ("https://", None, "URL of the destination"),
        ("ftp://host/x", None, "unknown scheme"),
        ("kafka:", None, "not a topic"),
        ("kafka://host:9092", None, "not a topic"),
        ("", None, "no destination"),
    ],
)
def test_a_destination_that_is_none_is_refused(address: str, token: str | None, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        destination_of(address, {} if token is None else {"CURFEWD_TOKEN": token})


def test_the_token_is_sent_to_its_url_only(
    receiving: Receiver, monkeypatch: pytest.MonkeyPatch, spool: Path
) -> None:
    monkeypatch.setenv("CURFEWD_TOKEN", "t0ken-for-the-receiver")
    receiving.status = 307
    with Task("a/1", to=receiving.url, patience=1):
        pass
    assert {header["Authorization"] for header in receiving.headers} == {"Bearer t0ken-for-the-receiver"}
    assert receiving.events == []
    assert not any("t0ken" in path.read_text() for path in files_of(spool))


def test_the_spool_is_bounded(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Spool(spool, "x").create()
    with pytest.raises(SpoolFullError):
        file.append(b"x" * MOST_BYTES)
    file.close()
    monkeypatch.setattr("detector.register.spool.MOST_FILES", 2)
    for _ in range(4):
        Spool(spool, "x").create().close()
    assert Spool(spool, "x").shed() == 3
    assert len(files_of(spool)) == 2


def test_without_a_spool_the_events_are_sent_all_the_same(
    receiving: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CURFEWD_SPOOL", str(tmp_path / "file" / "spool"))
    with Task("a/1", to=receiving.url):
        pass
    assert receiving.types() == ["task.started", "task.ended"]
    assert "what cannot be sent is lost" in caplog.text


def test_a_spool_that_others_may_write_is_not_used(
    receiving: Receiver, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool.mkdir()
    spool.chmod(0o777)
    with Task("a/1", to=receiving.url):
        pass
    assert receiving.types() == ["task.started", "task.ended"]
    assert "others can write" in caplog.text


def test_importing_it_loads_the_standard_library_only() -> None:
    code = (
        "import sys; import detector.register; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split()) - sys.stdlib_module_names - {"__main__", "detector"}
    assert {name for name in loaded if not name.startswith("_")} == set()
    assert not {"asyncio", "logging", "urllib", "ssl", "http"} & set(done.stdout.split()) - {"urllib"}


def test_errors_are_of_one_family() -> None:
    assert issubclass(UsageError, CurfewdError)
