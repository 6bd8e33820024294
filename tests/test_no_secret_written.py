"""Every command, with a secret in every field of every input: none of them stands in anything that it writes.

`fetch` and `receive` write down what came, for others to read: of them what they say is searched. `run` and `topics`
work on Kafka and have tests of their own there; here they get a configuration full of secrets.
"""

import base64
import http.client
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import zstandard

from detector.cli import command_parser
from tests import planted
from tests.command_line import Done, curfewd
from tests.exec.running import environment, until
from tests.exec.running import run as run_exec
from tests.fetch.api_server import TOKEN, Server, serving
from tests.fetch.conftest import small_history
from tests.fixtures.github_answers import job, run
from tests.receive.receiver_process import Receiver
from tests.receive.serving import SECRET
from tests.replay.test_planted_secrets import write

COMMAND: Final[dict[str, Any]] = {
    "specversion": "1.0",
    "id": "00000000-0000-4000-8000-000000000000",
    "source": "curfewd",
    "subject": "cred-1",
    "type": "credential.revocation.requested",
    "time": planted.TIME,
    "data": {
        "credential_id": "cred-1",
        "task_id": "task-1",
        "candidate_task_ids": ["task-1"],
        "kind": "api-key",
        "owner": "ann",
        "issued_at": planted.TIME,
        "identifiers": [{"scheme": "vault-accessor", "value": "an-accessor", "key_id": "k1"}],
        "revocation": {"provider": "echo", "handle": {"deep": ["text"]}},
        "reasons": ["outlives-task"],
        "finding_uids": ["00000000-0000-4000-8000-000000000001"],
        "severity": "high",
    },
}
# Says all that it is asked, in each part of its answer.
ECHO: Final = """
import json, sys
asked = sys.stdin.read()
print(json.dumps({"state": "live", "detail": asked, "refused": asked, "found": {"all": asked}}))
print(asked, file=sys.stderr)
sys.exit(4 if "refuse" in sys.argv else 0)
"""


def commands() -> dict[str, bytes]:
    """A command for each text of one, by place, with secrets there; and one with secrets in all."""
    found = {}
    paths = [path for path in planted.paths_in(COMMAND) if path[-1] != "value"]  # it is no secret
    for number, path in enumerate(paths, start=1):
        place = ".".join(map(str, path))
        numbered = {**COMMAND, "id": f"00000000-0000-4000-8000-{number:012}"}
        found[place] = json.dumps(planted.with_text(numbered, path, planted.text_at(place))).encode()
    everywhere = {**COMMAND, "id": "00000000-0000-4000-8000-999999999999", "data": {**COMMAND["data"]}}
    for path in paths:
        if path[0] == "data" and path[1] not in {"severity", "issued_at"}:
            everywhere = planted.with_text(everywhere, path, planted.text_at("everywhere"))
    everywhere["data"]["revocation"][planted.text_at("everywhere")] = planted.token("everywhere")
    found["everywhere"] = json.dumps(everywhere).encode()
    alone = {**COMMAND, "id": "00000000-0000-4000-8000-999999999998"}
    found["alone"] = json.dumps(
        planted.with_text(alone, ("data", "credential_id"), planted.token("alone"))
    ).encode()
    return found


def revoked(folder: Path, key: str | None) -> tuple[list[str], list[Done]]:
    """The forms of `revoke` that need no Kafka; and each again, on what it wrote."""
    lines = commands()
    (folder / "in").mkdir()
    (folder / "in" / "r.jsonl").write_bytes(b"\n".join(lines.values()) + b"\n")
    (folder / "in" / "echo.py").write_text(ECHO)
    for name, refuses in (("acts", ""), ("refuses", "refuse")):
        program = json.dumps([sys.executable, str(folder / "in" / "echo.py"), *refuses.split()])
        (folder / "in" / f"{name}.toml").write_text(
            f'[revoke]\nmode = "act"\ndeadline = "1s"\naudit_log = "{folder}/{name}.audit.jsonl"\n'
            f'[revoke.targets.echo]\ntype = "program"\ncommand = {program}\nprobes = true\n'
        )
    done = []
    for name in ("acts", "refuses"):
        config = ("revoke", "--config", f"in/{name}.toml")
        forms = (
            ("--dry-run", "in/r.jsonl"),
            ("--dry-run", "in/r.jsonl", "--json"),
            ("--commands", "in/r.jsonl", "--out", name),
            ("--commands", "in/r.jsonl", "--out", name),
            ("held",),
            ("approve", planted.token("alone")),
        )
        done += [curfewd(*config, *form, folder=folder, environ={"CURFEWD_KEY": key}) for form in forms]
        checked = ("revoke", "check-audit-log", f"{name}.audit.jsonl", "--outcomes", f"{name}/outcomes.jsonl")
        done.append(curfewd(*checked, folder=folder))
    return [*lines], done


def history(folder: Path, key: str | None) -> tuple[list[str], list[Done]]:
    """The commands that read files of events and logs."""
    places = write(folder)
    logs = b"".join(path.read_bytes() for path in sorted((folder / "in").rglob("*.jsonl")))
    given = planted.token("log message").encode()
    config = ("--config", "curfewd.toml")
    runs: list[tuple[tuple[str, ...], bytes]] = [
        (("replay", *config, "--out", "out", "--report", "report.html", "--sarif", "r.sarif", "in"), b""),
        (("replay", *config, "--json", "in"), b""),
        (("scan", *config, "--facts", "facts", "in"), b""),
        (("judge", *config, "--out", "judged", "--findings", "-", "facts"), b""),
        (("facts", *config, "--parquet", "parquet", "facts"), b""),
        (("baseline", "write", "base.jsonl", "--from", "out", "--reason", planted.token("accepted")), b""),
        (("sources", "explain", *config, "in"), b""),
        (("sources", "explain", *config, "--json", "in"), b""),
        (("suggest", *config, "in"), b""),
        (("suggest", *config, "--json", "in"), b""),
        (("redact", *config, "--known", "in/registry.jsonl", "--pass-unrecognised"), logs),
        (("patterns", "test", *config, "--against", "in"), b""),
        (("patterns", "list", *config), b""),
        (("check", *config), b""),
        (("fingerprint", *config, "--sha256", "--force"), given),
        (("completion", "bash"), b""),
    ]
    environ = {"CURFEWD_KEY": key}
    done = [curfewd(*arguments, folder=folder, environ=environ, given=given) for arguments, given in runs]
    (folder / "curfewd.toml").unlink()  # an input
    return places, done


def fetched(folder: Path, _key: str | None) -> tuple[list[str], list[Done]]:
    """What is said of a history that is fetched, and the names of the files."""
    server = Server()
    small_history(server)
    place = "fetched"
    server.runs["octo/app"] = [run(5, name=planted.text_at(place), display_title=planted.text_at(place))]
    server.jobs = {5: [job(51, 5, name=planted.text_at(place)), job(52, 5)]}
    server.logs = {51: planted.text_at(place).encode(), 52: b"quiet\n"}
    with serving(server):
        arguments = ("fetch", "github", "--repo", "octo/app", "--repo", f"octo/{planted.token(place)}")
        done = curfewd(
            *arguments, "--api-url", server.api, "--since", "2026-05-01", "--out", "in",
            folder=folder, environ={"GITHUB_TOKEN": TOKEN},
        )  # fmt: skip
    names = "\n".join(str(path.relative_to(folder)) for path in folder.rglob("*"))
    return [place], [done, Done(0, names.encode(), b"")]


def configured(folder: Path, key: str | None) -> tuple[list[str], list[Done]]:
    """A configuration that is wrong in each table, with secrets in names and values."""
    (folder / "in").mkdir()
    place, done = "configuration", []
    text, token = planted.text_at(place), planted.token(place)
    wrong = f'"{token}" = 1\nskew = "{text}"\n[rules."{token}"]\n[kafka]\nbootstrap = "{text}"\nevent_topics = ["{text}"]\n'
    wrong += f'[revoke.targets."{token}"]\ntype = "{text}"\n[receive]\nlisten = "{text}"\n[[receive.source]]\nname = "{text}"\n'
    (folder / "in" / "wrong.toml").write_text(wrong)
    for arguments in (
        ("check",), ("run",), ("topics", "create"), ("receive",), ("revoke",), ("redact",), ("patterns", "list"),
        ("replay", "in"), ("facts", "in"), ("exec", "--task", "t", "--to", "x", "--"), ("fingerprint",),
    ):  # fmt: skip
        where = ("--config", "in/wrong.toml")
        done.append(
            curfewd(arguments[0], *where, *arguments[1:], folder=folder, environ={"CURFEWD_KEY": key})
        )
    # A right one, whose brokers are away.
    accepted = f'[[accept]]\nrule = "overdue-task"\nreason = "{text}"\nexpiry = 2099-01-01T00:00:00Z\n'
    topics = f'[kafka]\nbootstrap = "127.0.0.1:9"\nevent_topics = ["{token}"]\nprefix = "{token}."\n'
    (folder / "in" / "right.toml").write_text(accepted + topics)
    for command in (("check",), ("topics", "create", "--inputs"), ("topics", "accept", token)):
        arguments = (command[0], "--config", "in/right.toml", *command[1:])
        done.append(curfewd(*arguments, folder=folder, environ={"CURFEWD_KEY": key}))
    return [place], done


def executed(folder: Path, key: str | None) -> tuple[list[str], list[Done]]:
    """A job that prints secrets, and jobs whose texts show the one that is registered: these do not run."""
    (folder / "in").mkdir()
    place = "executed"
    text = planted.text_at(place).encode()
    encoded = (base64.b64encode(text), text.hex().encode(), planted.registered(place)[::-1].encode())
    prints = "; ".join(f"print({each.decode()!r})" for each in (text, *encoded))
    environ = environment(folder, SECRET=planted.registered(place), **({"CURFEWD_KEY": key} if key else {}))
    done = [
        run_exec(
            folder, "--secret-env", "SECRET", "--mask", "--", sys.executable, "-c", prints, environ=environ
        )
    ]
    assert done[0].returncode == 0
    for option in ("--task", "--kind", "--owner", "--group", "--workload", "--parent"):
        refused = run_exec(
            folder, "--secret-env", "SECRET", option, planted.registered(place), "--", "true", environ=environ
        )
        assert refused.returncode == 2
        done.append(refused)
    return [place], [Done(each.returncode, each.stdout, each.stderr) for each in done]


def received(folder: Path, _key: str | None) -> tuple[list[str], list[Done]]:
    """What is said of requests with secrets in their bodies, paths and headers."""
    (folder / "in").mkdir()
    receiver = Receiver(folder / "in", "127.0.0.1:9", "events", folder / "in" / "events.jsonl")
    receiver.log = folder / "receive.log"
    events, answers = planted.event_places(), []
    with receiver.running():
        until(lambda: asked(receiver.probes, "/readyz")[0] == 200)
        for place, body in events.items():
            bearer = {"authorization": f"Bearer {planted.token(place)}", "user-agent": planted.token(place)}
            for path, headers in (
                ("/events", bearer),
                ("/events", {"authorization": f"Bearer {SECRET}", "x-request-id": planted.text_at(place)}),
                (f"/{planted.token(place)}", bearer),
            ):
                answers.append(asked(receiver.port, path, body, headers)[1])
        answers.append(asked(receiver.probes, "/metrics")[1])
    return [*events], [Done(0, b"\n".join(answers), receiver.log.read_bytes())]


def asked(
    port: int, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """The status and the answer, with its headers; 0 if nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        kind = {"content-type": "application/json"}
        connection.request("GET" if body is None else "POST", path, body, {**kind, **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.read() + str(answer.getheaders()).encode()
    except OSError:
        return 0, b""
    finally:
        connection.close()


SCENARIOS: Final[dict[str, tuple[Callable[[Path, str | None], tuple[list[str], list[Done]]], set[str]]]] = {
    "history": (
        history,
        {"replay", "scan", "judge", "baseline", "sources", "suggest", "redact", "patterns", "check",
         "fingerprint", "completion", "facts"},
    ),
    "revoke": (revoked, {"revoke"}),
    "fetch": (fetched, {"fetch"}),
    "exec": (executed, {"exec"}),
    "receive": (received, {"receive"}),
    "configuration": (configured, {"run", "topics"}),
}  # fmt: skip


def test_every_command_is_here() -> None:
    named = {name for action in command_parser()._actions for name in (action.choices or ())}
    assert set().union(*(commands for _, commands in SCENARIOS.values())) == named


@pytest.mark.parametrize("key", [planted.KEY_TEXT, None], ids=["key", "no key"])
@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_no_command_writes_a_secret(tmp_path: Path, scenario: str, key: str | None) -> None:
    places, done = SCENARIOS[scenario][0](tmp_path, key)
    assert all(each.out or each.err for each in done)
    said = {
        f"{number} {name}": getattr(each, name) for number, each in enumerate(done) for name in ("out", "err")
    }
    shown = planted.shown(places, {**said, **dict(written(tmp_path))})
    if key is None or scenario not in {
        "history",
        "exec",
    }:  # what is registered is known by the events and the key alone
        shown = [one for one in shown if ": token in" in one]
    assert shown == []


def written(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file that is no input, unpacked, and its name. Parquet is written where pyarrow is installed."""
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if name.startswith("in/") or not path.is_file():
            continue
        data = path.read_bytes()
        if data.startswith(zstandard.FRAME_HEADER):
            data = zstandard.ZstdDecompressor().stream_reader(data).read()
        elif path.suffix == ".parquet":
            parquet = pytest.importorskip("pyarrow.parquet")
            data = str(parquet.read_table(path).to_pylist()).encode()
        yield name, data + name.encode()
