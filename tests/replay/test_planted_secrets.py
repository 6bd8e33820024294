"""A replay of secrets in every field, name and setting: none of them stands in anything that it writes."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from detector import cli
from tests import planted
from tests.command_line import curfewd

NAMES = (
    "file name",
    "folder name",
    "archive member",
    "archive name",
    "accepted",
    "allowed",
    "event type",
    "unread",
)


def write(folder: Path) -> list[str]:
    """Writes the inputs and the configuration; the places in which secrets are."""
    events, logs, matching = planted.event_places(), planted.log_places(), planted.matching_events()
    places = [*events, *logs, *matching, *NAMES]
    (folder / "in").mkdir()
    (folder / "in" / "registry.jsonl").write_bytes(b"\n".join(planted.registrations(places)) + b"\n")
    (folder / "in" / "events.jsonl").write_bytes(b"\n".join([*events.values(), *matching.values()]) + b"\n")
    (folder / "in" / "logs.jsonl").write_bytes(b"\n".join(logs.values()) + b"\n")
    inside = folder / "in" / f"{planted.token('folder name')}" / planted.registered("folder name")
    inside.mkdir(parents=True)
    named = f"{planted.token('file name')} {planted.registered('file name')}.log"
    (inside / named).write_bytes(f'a leak: {planted.token("file name")}\n{{"specversion": 1'.encode())
    packed = inside / f"{planted.token('archive name')}.{planted.registered('archive name')}.gz"
    member = planted.text_at("archive member").replace("/", ".")
    with packed.open("wb") as raw, gzip.GzipFile(member, "wb", fileobj=raw) as archive:
        archive.write(f"time=1 another leak: {planted.token('archive member')}\n".encode())
    (inside / f"{planted.token('unread')}-{planted.registered('unread')}.gz").write_bytes(
        b"\x1f\x8b\x08broken"
    )
    unknown = planted.event(
        "task." + planted.text_at("event type"), {"x": planted.text_at("event type")}, "u"
    )
    # The uses among the events name their credentials by an identifier too: of this one nobody knows anything.
    use = {"credential_id": "never-issued", "task_id": "t", "action": "read"}
    stray = planted.event("credential.used", use, "s", source=planted.text_at("matching source"))
    (inside / f"{planted.token('event type')}.jsonl").write_bytes(unknown + b"\n" + stray + b"\n")
    (folder / "curfewd.toml").write_text(f"""
[[accept]]
rule = "overdue-task"
reason = "{planted.text_at("accepted")}"
expiry = 2099-01-01T00:00:00Z

[[allow]]
pattern = "slack-*"
reason = "{planted.text_at("allowed")}"
expiry = 2099-01-01T00:00:00Z
""")
    return places


def replay(folder: Path, key: str | None, *more: str) -> dict[str, bytes]:
    """Everything that a replay writes, by where."""
    options = (
        "--config",
        "curfewd.toml",
        "--out",
        "out",
        "--report",
        "report.html",
        "--sarif",
        "report.sarif",
    )
    done = curfewd("replay", *options, *more, "in", folder=folder, environ={"CURFEWD_KEY": key})
    assert done.code == 0, done.err.decode()
    written = [*(folder / "out").iterdir(), folder / "report.html", folder / "report.sarif"]
    found = {path.name: path.read_bytes() for path in written}
    return {**found, "stdout": done.out, "stderr": done.err}


def replay_started_anew(folder: Path) -> dict[str, bytes]:
    """The findings and the like of a replay in a process of its own, without a key: what is random differs in it."""
    environ = {name: value for name, value in os.environ.items() if name != "CURFEWD_KEY"}
    command = [sys.executable, "-m", "detector.cli", "replay", "--config", "curfewd.toml", "--out", "anew"]
    subprocess.run([*command, "--jobs", "2", "in"], cwd=folder, env=environ, capture_output=True, check=True)
    return {path.name: path.read_bytes() for path in (folder / "anew").iterdir()}


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_replay_writes_none_of_the_secrets_that_stand_anywhere_in_its_input(
    tmp_path: Path, jobs: str
) -> None:
    places = write(tmp_path)
    written = replay(tmp_path, planted.KEY_TEXT, "--jobs", jobs)
    assert planted.shown(places, written) == []
    summary = json.loads(written["summary.json"])
    assert summary["masked_revocations"] > 0
    assert summary["dead_letters"]["wrong-field"] > 0
    assert any("‹gitlab-pat:26:" in source for source in summary["unresolved"])
    findings = [json.loads(line) for line in written["findings.jsonl"].splitlines()]
    (after,) = [one for one in findings if one["finding_info"]["analytic"]["uid"] == "use-after-termination"]
    assert after["unmapped"]["task_id"].startswith("‹gitlab-pat:26:"), (
        "the events of a masked task still match"
    )


def test_without_a_key_the_same_input_gives_the_same_names(tmp_path: Path) -> None:
    places = write(tmp_path)
    first = replay(tmp_path, None, "--jobs", "1")
    again = replay_started_anew(tmp_path)
    for name in ("findings.jsonl", "revocations.jsonl", "dead-letters.jsonl"):
        assert first[name] == again[name]
    tokens = [line for line in planted.shown(places, first) if ": token in" in line]
    assert tokens == [], "without a key only patterns see"
    (tmp_path / "in" / "more.log").write_text("one line more\n")
    other = replay(tmp_path, None)
    assert first["findings.jsonl"] != other["findings.jsonl"], "other inputs, other names"


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay", "SECRET"),
        ("replay", "--config", "SECRET", "in"),
        ("replay", "--until", "SECRET", "in"),
        ("replay", "--fail-on", "SECRET", "in"),
        ("replay", "--sarif", "SECRET/x", "in"),
        ("check", "--config", "wrong.toml"),
        ("run", "--config", "wrong.toml"),
        ("patterns", "list", "--config", "wrong.toml"),
        ("redact", "--known", "SECRET"),
        ("SECRET",),
    ],
    ids=" ".join,
)
def test_an_error_shows_no_secret(
    arguments: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    secret = planted.token("argument")
    (tmp_path / "in").write_text("a line\n")
    (tmp_path / "wrong.toml").write_text(f"{secret} = 1\n[kafka]\nbootstrap = '{secret}'\n[rules.{secret}]\n")
    try:
        code = cli.main([argument.replace("SECRET", secret) for argument in arguments])
    except SystemExit as ended:
        code = int(ended.code or 0)
    said = "".join(capsys.readouterr())
    assert code == 2
    assert "curfewd" in said or "wrong.toml" in said
    assert planted.shown(["argument"], {"terminal": said.encode()}) == []
    if arguments != ("replay", "--until", "SECRET", "in"):  # which says what it wants, not what it got
        assert "‹gitlab-pat:26›" in said
