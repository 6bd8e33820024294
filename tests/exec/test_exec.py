"""`curfewd exec` tells of a job, and the job does not notice."""

import base64
import codecs
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final

import pytest

from detector.configuration.reference_page import page
from detector.exec.child import CannotRunError, spawn
from detector.exec.command import OWN_VARIABLES
from detector.values.times import SECOND, format_rfc3339, parse_rfc3339
from tests.command_line import curfewd
from tests.exec.running import EXEC, TOKEN, children_of, ends_in, environment, events_in, run, spooled, until
from tests.register.receiver import receiver


def test_a_job_is_told_with_its_secrets_and_its_outcome(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("file-7KdWq4ZtB9xLr2MvN6hPc8Yj\n")
    done = run(
        tmp_path, "--owner", "web", "--deadline", "10m", "--secret-env", "DEPLOY_TOKEN", "--secret-file", "token",
        "--", "sh", "-c", 'echo "$CURFEWD_TASK"; exit 7',
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (7, b"deploy/1\n", b"")
    started, first, second, ended = events_in(tmp_path)
    assert {name: started["data"][name] for name in ("task_id", "kind", "owner")} == {
        "task_id": "deploy/1",
        "kind": "job",
        "owner": "web",
    }
    assert started["data"]["deadline"] > started["time"]
    assert [first["data"]["credential_id"], second["data"]["credential_id"]] == [
        "deploy/1/DEPLOY_TOKEN",
        "deploy/1/token",
    ]
    assert second["data"]["identifiers"][0]["length"] == len("file-7KdWq4ZtB9xLr2MvN6hPc8Yj")
    assert ended["data"] == {"task_id": "deploy/1", "outcome": "failed", "exit_code": 7}
    assert spooled(tmp_path) == []


@pytest.mark.parametrize(
    ("command", "code", "outcome"),
    [
        (("true",), 0, "succeeded"),
        (("sh", "-c", "exit 255"), 255, "failed"),
        (("./no-such-command",), 127, "failed"),
        (("./plain",), 126, "failed"),
        (("./no-shebang", "5"), 5, "failed"),
        (("sh", "-c", "kill -SEGV $$"), -signal.SIGSEGV, "failed"),
        (("sh", "-c", "kill -KILL $$"), -signal.SIGKILL, "failed"),
        (("sh", "-c", "kill -TERM $$"), -signal.SIGTERM, "cancelled"),
    ],
    ids=["success", "failure", "missing", "not executable", "no shebang", "crash", "killed", "terminated"],
)
def test_it_exits_as_the_command_does(
    tmp_path: Path, command: tuple[str, ...], code: int, outcome: str
) -> None:
    (tmp_path / "plain").touch()
    script = tmp_path / "no-shebang"
    script.write_text("exit $1\n")
    script.chmod(0o755)
    assert run(tmp_path, "--", *command).returncode == code
    end = ends_in(tmp_path)["deploy/1"]
    assert end["outcome"] == outcome
    assert end.get("signal") == (-code if code < 0 else None)


def test_a_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotRunError, match=r"/no-such-command cannot be run: No such file or directory$"):
        spawn([f"{tmp_path}/no-such-command"], os.environ, frozenset(), {})


def test_streams_and_arguments_reach_the_command_as_they_are(tmp_path: Path) -> None:
    given = bytes(range(256)) * 300
    done = run(tmp_path, "--", "sh", "-c", 'cat; printf "%s|" "$@" >&2', "sh", "--", "-x", "a b", given=given)
    assert done.stdout == given
    assert done.stderr == b"--|-x|a b|"


CONFIGURATION: Final = """
[[keys]]
id = "new"
env = "TEAM_KEY"

[kafka]
bootstrap = "127.0.0.1:9092"
event_topics = ["pushes"]

[kafka.security]
protocol = "SASL_SSL"
mechanism = "PLAIN"
username = "curfewd"
password_env = "TEAM_PASSWORD"
key_password_env = "TEAM_PASSPHRASE"
cert_file = "client.pem"

[[trust]]
topics = ["pushes"]
signature = "github"
sources = ["github"]
keys = [{ id = "hook", env = "TEAM_HOOK" }]

[[receive.source]]
name = "github"
type = "github"
topic = "pushes"
secrets = ["env:TEAM_WEBHOOK"]
"""
NAMED: Final = {
    "TEAM_KEY": "11" * 16,
    "TEAM_PASSWORD": "made-up-password",
    "TEAM_PASSPHRASE": "made-up-passphrase",
    "TEAM_HOOK": "made-up-hook-secret-of-32-letters",
    "TEAM_WEBHOOK": "made-up-webhook-secret-of-32-let",
}


def configured(folder: Path) -> tuple[str, ...]:
    """The arguments for a configuration that names the variables in `NAMED`."""
    (folder / "curfewd.toml").write_text(CONFIGURATION)
    (folder / "client.pem").touch()
    return ("--config", "curfewd.toml")


def test_the_command_gets_no_secret_of_curfewd(tmp_path: Path) -> None:
    own = dict.fromkeys(OWN_VARIABLES, "00" * 16)
    environ = environment(tmp_path, **own, **NAMED, KEPT="yes")
    done = run(
        tmp_path, *configured(tmp_path), "--secret-env", "DEPLOY_TOKEN", "--", "env", "-0", environ=environ
    )
    given = dict(line.split("=", 1) for line in done.stdout.decode().split("\0") if line)
    assert given["KEPT"] == "yes"
    assert given["DEPLOY_TOKEN"] == TOKEN
    assert {*given} & {*own, *NAMED} == set()
    identifiers = events_in(tmp_path)[1]["data"]["identifiers"]
    assert [one.get("key_id") for one in identifiers] == [None, "new"]


def test_the_command_gets_no_secret_that_has_a_name_by_default(tmp_path: Path) -> None:
    environ = environment(tmp_path, **dict.fromkeys(OWN_VARIABLES, "00" * 16))
    given = run(tmp_path, "--", "env", environ=environ).stdout.decode().splitlines()
    assert [line for line in given if line.split("=")[0] in OWN_VARIABLES] == []


def test_all_variables_on_the_page_of_the_configuration_are_kept_from_the_command() -> None:
    named = set(re.findall(r"^\| `(CURFEWD_\w+)` \|", page(), re.MULTILINE))
    assert len(named) > 3
    assert named <= {*OWN_VARIABLES}


def test_no_key_of_the_configuration_names_a_variable_that_is_not_tried_here() -> None:
    assert re.findall(r"^\| `(\w*env)` \|", page(), re.MULTILINE) == [
        "env",
        "key_password_env",
        "password_env",
        "client_secret_env",  # in test_settings
        "env",
    ]


@pytest.mark.parametrize(
    ("variables", "dumpable"),
    [*(({name: "00" * 16}, "0") for name in OWN_VARIABLES), (NAMED, "0"), ({"UNRELATED": "x"}, "1")],
    ids=[*OWN_VARIABLES, "of a configuration", "unrelated"],
)
def test_the_command_cannot_read_our_secrets_from_our_memory(
    tmp_path: Path, variables: dict[str, str], dumpable: str
) -> None:
    arguments = configured(tmp_path) if variables == NAMED else ()
    code = f"""
import ctypes
from detector import cli
cli.main(["exec", "--task", "a", "--to", "events.jsonl", *{arguments!r}, "--", "true"])
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))  # PR_GET_DUMPABLE: 0 hides environ and memory from others of the same user
"""
    environ = environment(tmp_path, **variables)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, cwd=tmp_path, check=True, capture_output=True
    )
    assert done.stdout.decode().strip() == dumpable


def test_a_job_in_a_job_names_its_parent(tmp_path: Path) -> None:
    inner = [*EXEC, "--task", "deploy/1/step", "--to", str(tmp_path / "events.jsonl"), "--", "true"]
    assert run(tmp_path, "--to", "events.jsonl", "--", *inner).returncode == 0
    starts = {
        event["data"]["task_id"]: event["data"] for event in events_in(tmp_path) if "kind" in event["data"]
    }
    assert starts["deploy/1/step"]["parent_task_id"] == "deploy/1"
    assert "parent_task_id" not in starts["deploy/1"]


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1], ids=lambda one: one.name
)
def test_signals_are_passed_on(tmp_path: Path, number: signal.Signals) -> None:
    script = f"""
import signal, sys, time
def heard(number, frame):
    open("heard", "a").write(f"{{number}} ")
    sys.exit(9)
signal.signal({int(number)}, heard)
open("ready", "w").close()
time.sleep(60)
"""
    process = subprocess.Popen(
        [*EXEC, "--task", "deploy/1", "--to", "events.jsonl", "--", sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment(tmp_path),
    )
    until((tmp_path / "ready").exists)
    process.send_signal(number)
    assert process.wait(60) == 9
    assert (tmp_path / "heard").read_text() == f"{int(number)} "
    assert ends_in(tmp_path)["deploy/1"]["outcome"] == ("failed" if number == signal.SIGUSR1 else "cancelled")


def sleeping(folder: Path, *more: str) -> "subprocess.Popen[bytes]":
    """A job that does nothing for a minute, and has written its process to the file `pid`."""
    job = ("sh", "-c", "echo $$ > pid; exec sleep 60")
    process = subprocess.Popen(
        [*EXEC, "--task", "deploy/1", "--to", "events.jsonl", *more, "--", *job],
        cwd=folder,
        env=environment(folder),
    )
    until(lambda: (folder / "pid").exists() and (folder / "pid").read_text().strip())
    until(lambda: any("process" in path.read_text() for path in spooled(folder)))
    return process


def test_the_task_ends_though_exec_is_killed(tmp_path: Path) -> None:
    process = sleeping(tmp_path)
    process.kill()
    process.wait()
    time.sleep(0.2)
    assert ends_in(tmp_path) == {}  # the command runs on
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)
    until(lambda: ends_in(tmp_path))
    assert ends_in(tmp_path)["deploy/1"] == {
        "task_id": "deploy/1",
        "outcome": "failed",
        "detail": "curfewd exec was killed",
    }
    until(lambda: not spooled(tmp_path))


def test_the_lease_ends_a_task_whose_machine_died(tmp_path: Path) -> None:
    process = sleeping(tmp_path)
    command = int((tmp_path / "pid").read_text())
    [sender] = [one for one in children_of(process.pid) if one != command]
    os.kill(sender, signal.SIGKILL)
    process.kill()
    process.wait()
    assert run(tmp_path, "--flush").returncode == 0
    assert ends_in(tmp_path) == {}  # the command still runs, so its task does
    os.kill(command, signal.SIGKILL)
    [left] = spooled(tmp_path)
    until(lambda: not Path(f"/proc/{command}").exists() or " Z " in Path(f"/proc/{command}/stat").read_text())
    done = run(tmp_path, "--flush")
    assert (done.returncode, done.stderr) == (0, b"curfewd: exec: 1 task sent from the spool\n")
    assert ends_in(tmp_path)["deploy/1"]["detail"] == "its lease ran out"
    assert not left.exists()


def test_a_replay_ends_a_task_whose_machine_never_comes_back(tmp_path: Path) -> None:
    process = sleeping(tmp_path, "--lease", "3s", "--secret-env", "DEPLOY_TOKEN")
    until(lambda: len(events_in(tmp_path)) > 3)  # the start, its credential, two heartbeats
    for number in (process.pid, *children_of(process.pid)):
        os.kill(number, signal.SIGKILL)
    process.wait()
    told = events_in(tmp_path)
    beats = [event for event in told if event["type"] == "task.heartbeat"]
    assert {beat["data"]["lease"] for beat in beats} == {"3s"}
    assert "task.ended" not in {event["type"] for event in told}
    lapsed = parse_rfc3339(beats[-1]["time"]) + 3 * SECOND
    use = {"credential_id": "deploy/1/DEPLOY_TOKEN", "action": "deploy"}
    used = {**told[0], "source": "audit", "type": "credential.used", "data": use}
    uses = [
        json.dumps({**used, "id": str(after), "time": format_rfc3339(lapsed + after * SECOND)})
        for after in (5, 6)  # the skew is 5 s
    ]
    (tmp_path / "audit.jsonl").write_text("\n".join(uses) + "\n")
    done = curfewd("replay", "events.jsonl", "audit.jsonl", "--findings", "-", folder=tmp_path)
    [found] = [line for line in done.out.splitlines() if b'"uid":"use-after-termination"' in line]
    assert json.loads(found)["count"] == 1
    assert b"6 s after the task's lease lapsed" in found


def test_what_cannot_be_sent_does_not_hold_the_job_up_and_is_sent_later(tmp_path: Path) -> None:
    with receiver() as gone:
        pass
    done = run(
        tmp_path,
        "--secret-env",
        "DEPLOY_TOKEN",
        "--wait",
        "300ms",
        "--to",
        gone.url,
        "--",
        "sh",
        "-c",
        "echo done; exit 3",
    )
    assert (done.returncode, done.stdout) == (3, b"done\n")
    assert done.stderr.startswith(b"curfewd: exec: not all events of the task were sent (")
    [waiting] = spooled(tmp_path)
    assert TOKEN not in waiting.read_text()
    refused = run(tmp_path, "--flush", "--to", gone.url)
    assert refused.returncode == 2
    assert b"not all were sent" in refused.stderr
    with receiver(int(gone.url.split(":")[2].split("/")[0])) as back:
        assert run(tmp_path, "--to", back.url, "--", "true", task="deploy/2").returncode == 0
        told = [event["type"] for event in back.events if event["data"]["task_id"] == "deploy/1"]
    assert told == ["task.started", "credential.issued", "task.ended"]
    assert spooled(tmp_path) == []


def test_a_full_disk_keeps_no_job_from_running(tmp_path: Path) -> None:
    (tmp_path / "spool").symlink_to("/dev/full")  # as a folder it cannot be used
    done = run(tmp_path, "--secret-env", "DEPLOY_TOKEN", "--", "sh", "-c", "exit 3")
    assert done.returncode == 3
    assert b"the spool cannot be written" in done.stderr
    assert [event["type"] for event in events_in(tmp_path)] == [
        "task.started",
        "credential.issued",
        "task.ended",
    ]


def test_an_end_that_the_spool_cannot_hold_is_sent_all_the_same(tmp_path: Path) -> None:
    code = f"""
import resource
from detector import cli
resource.setrlimit(resource.RLIMIT_FSIZE, (1500, -1))  # the spool is as good as full when the job ends
cli.main(["exec", "--task", "{"a" * 900}", "--to", {str(tmp_path / "fifo")!r}, "--", "true"])
"""
    os.mkfifo(tmp_path / "fifo")
    reading = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    try:
        subprocess.run([sys.executable, "-c", code], env=environment(tmp_path), cwd=tmp_path, check=True)
        told = [json.loads(line)["type"] for line in os.read(reading, 1 << 16).splitlines()]
    finally:
        os.close(reading)
    assert told == ["task.started", "task.ended"]


@pytest.mark.parametrize("folder", ["/dev/full", "kept"])
def test_what_the_spool_could_not_hold_is_said_to_be_lost(tmp_path: Path, folder: str) -> None:
    code = f"""
import resource
from detector import cli
resource.setrlimit(resource.RLIMIT_FSIZE, (1500, -1))  # it holds the start, and not the end
cli.main(["exec", "--task", "{"a" * 900}", "--to", "http://127.0.0.1:9/", "--wait", "300ms", "--", "true"])
"""
    environ = environment(tmp_path, CURFEWD_SPOOL=str(tmp_path / folder))
    process = [sys.executable, "-c", code]
    done = subprocess.run(process, env=environ, cwd=tmp_path, check=True, capture_output=True)
    assert b"what the spool could not hold is lost" in done.stderr
    assert b"wait in the spool" not in done.stderr


def test_the_last_events_are_tried_until_the_wait_is_over(tmp_path: Path) -> None:
    with receiver() as taken:
        taken.status = 503
        timer = threading.Timer(1.0, setattr, (taken, "status", 200))
        timer.start()
        done = run(tmp_path, "--wait", "60s", "--to", taken.url, "--", "true")
        timer.join()
        assert (done.returncode, done.stderr) == (0, b"")
        assert taken.types() == ["task.started", "task.ended"]
    assert spooled(tmp_path) == []


def test_a_server_that_does_not_answer_is_waited_for_no_longer_than_asked(tmp_path: Path) -> None:
    import socket  # noqa: PLC0415 - here alone

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        before = time.monotonic()
        done = run(tmp_path, "--wait", "300ms", "--to", url, "--", "true")
    assert done.returncode == 0
    assert b"it took more than 0.3 s" in done.stderr
    assert time.monotonic() - before < 4.5  # the request itself may take five
    assert len(spooled(tmp_path)) == 1


@pytest.mark.parametrize(
    ("arguments", "variables", "reason"),
    [
        (("--secret-env", "ABSENT"), {}, "ABSENT of --secret-env is not set"),
        (("--secret-env", "EMPTY"), {"EMPTY": ""}, "EMPTY of --secret-env is empty"),
        (("--secret-file", "absent"), {}, "absent of --secret-file: cannot be read"),
        (("--secret-env", "WEAK"), {"WEAK": "hunter2hunter2"}, "with a deployment key in CURFEWD_KEY"),
        (("--secret-env", "WEAK"), {"WEAK": "x"}, "the minimum is 8"),
        (("--secret-env", "DEPLOY_TOKEN", "--owner", f"by {TOKEN}"), {}, "stands in the id of the task"),
        (("--deadline", "soon"), {}, "deadline"),
        (("--to", "ftp://x/y"), {}, "unknown scheme"),
        (("--wait", "x"), {}, "--wait"),
    ],
)
def test_what_cannot_be_carried_out_runs_nothing(
    tmp_path: Path, arguments: tuple[str, ...], variables: dict[str, str], reason: str
) -> None:
    done = run(tmp_path, *arguments, "--", "touch", "ran", environ=environment(tmp_path, **variables))
    assert done.returncode == 2
    assert reason in done.stderr.decode()
    assert TOKEN not in done.stderr.decode()
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "events.jsonl").exists()
    assert spooled(tmp_path) == []


FORMS: Final = {
    "base64": base64.b64encode(TOKEN.encode()).decode(),
    "base64 of more": base64.b64encode(f"by:{TOKEN}!".encode()).decode(),
    "base64url": base64.urlsafe_b64encode(f"?>~{TOKEN}".encode()).decode().rstrip("="),
    "hex": TOKEN.encode().hex(),
    "upper hex": TOKEN.encode().hex().upper(),
    "base32": base64.b32encode(TOKEN.encode()).decode(),
    "percent": "".join(f"%{byte:02X}" for byte in TOKEN.encode()),
    "escaped": "".join(f"\\x{byte:02x}" for byte in TOKEN.encode()),
    "gzip": base64.b64encode(gzip.compress(TOKEN.encode())).decode(),
    "hex of base64": base64.b64encode(TOKEN.encode()).hex(),
    "reversed": TOKEN[::-1],
    "rot13": codecs.encode(TOKEN, "rot13"),
    "swapped case": TOKEN.swapcase(),
    "a character short": TOKEN[:-1],
    "spaced": "-".join(TOKEN),
}


@pytest.mark.parametrize("form", FORMS)
def test_an_id_that_shows_the_secret_in_another_form_runs_nothing(tmp_path: Path, form: str) -> None:
    done = run(tmp_path, "--secret-env", "DEPLOY_TOKEN", "--", "touch", "ran", task=f"deploy/{FORMS[form]}")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"stands in the id of the task, or in another field" in done.stderr
    assert FORMS[form] not in done.stderr.decode()
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "events.jsonl").exists()
    assert spooled(tmp_path) == []


@pytest.mark.parametrize("option", ["--kind", "--owner", "--group", "--workload", "--parent"])
def test_no_option_may_show_the_secret_in_another_form(tmp_path: Path, option: str) -> None:
    done = run(
        tmp_path, option, f"by {FORMS['base64']}", "--secret-env", "DEPLOY_TOKEN", "--", "touch", "ran"
    )
    assert done.returncode == 2
    assert b"stands in the id of the task, or in another field" in done.stderr
    assert not (tmp_path / "ran").exists()


def test_a_line_of_a_secret_may_not_be_shown_in_another_form(tmp_path: Path) -> None:
    lines = ["9fKq2LxTz8WbVn4RmYcH", "Zt5Jp7QdXs1GvBk3LwNr"]
    (tmp_path / "key").write_text("\n".join(lines))
    shown = lines[1].encode().hex()
    done = run(tmp_path, "--secret-file", "key", "--", "touch", "ran", task=f"deploy/{shown}",
               environ=environment(tmp_path, CURFEWD_KEY="00" * 16))  # fmt: skip
    assert done.returncode == 2
    assert b"stands in the id of the task, or in another field" in done.stderr


def test_a_long_id_that_shows_no_secret_is_told(tmp_path: Path) -> None:
    task = f"acme/shop/{base64.b64encode(b'something else that is as long as the token').decode()}/{'7' * 40}"
    assert (
        run(tmp_path, "--secret-env", "DEPLOY_TOKEN", "--canary", "hex", "--", "true", task=task).returncode
        == 0
    )
    assert ends_in(tmp_path)[task]["outcome"] == "succeeded"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--to", "f", "--", "true"), "name the task"),
        (("--task", "a", "--", "true"), "say where the events go"),
        (("--task", "a", "--to", "f"), "say what to run"),
        (("--flush", "--to", "f", "--", "true"), "runs no command"),
    ],
)
def test_what_is_missing_is_said(tmp_path: Path, arguments: tuple[str, ...], reason: str) -> None:
    done = curfewd("exec", *arguments, folder=tmp_path, environ={"CURFEWD_TO": None})
    assert done.code == 2
    assert reason in done.err.decode()


def test_it_loads_neither_scanner_nor_libraries(tmp_path: Path) -> None:
    code = """
import sys
from detector import cli
cli.main(["exec", "--task", "a", "--secret-env", "DEPLOY_TOKEN", "--to", "events.jsonl", "--", "true"])
print(*sorted({name.split(".")[0] for name in sys.modules}))
"""
    environ = environment(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, cwd=tmp_path, check=True, capture_output=True
    )
    loaded = set(done.stdout.decode().split())
    assert not loaded & {
        "numpy",
        "numba",
        "msgspec",
        "hyperscan",
        "asyncio",
        "ssl",
        "aiokafka",
        "logging",
        "subprocess",
    }


def test_a_secret_that_is_printed_after_its_task_is_a_finding(tmp_path: Path) -> None:
    run(tmp_path, "--secret-env", "DEPLOY_TOKEN", "--", "true")
    ended = events_in(tmp_path)[-1]["time"]
    (tmp_path / "later.log").write_text(f"2030-01-01T00:00:00Z deploying with {TOKEN}\n")
    done = curfewd("replay", "events.jsonl", "later.log", "--findings", "-", folder=tmp_path)
    assert ended < "2030"
    assert '"uid":"leaked-credential"' in done.out.decode()
    assert '"task_id":"deploy/1"' in done.out.decode()
    assert TOKEN not in (done.out + done.err).decode()
