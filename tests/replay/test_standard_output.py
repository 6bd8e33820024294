"""`--findings -`, `--sarif -` and `--json`: data for a program on standard output, the summary on standard error."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import Done, curfewd
from tests.small_history import KEY_TEXT, write

QUICK = ("--config", "quick.toml")
OPTIONS = (("--findings", "-"), ("--sarif", "-"), ("--json",))


@pytest.fixture(autouse=True)
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("quick.toml").write_text('[patterns]\ndisable = ["*"]\ndetect_secrets = false\n')
    write(Path("history"))


def replay(*arguments: str) -> Done:
    return curfewd("replay", *QUICK, *arguments, environ={"CURFEWD_KEY": KEY_TEXT})


def started(*arguments: str, **options: Any) -> "subprocess.CompletedProcess[bytes]":
    """The same in a process of its own, whose streams are what is tested."""
    command = [sys.executable, "-m", "detector.cli", "replay", *QUICK, *arguments]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    environ = os.environ | {"CURFEWD_KEY": KEY_TEXT}
    return subprocess.run(command, env=environ, check=False, timeout=300, **options)


def without_durations(summary: dict[str, Any]) -> dict[str, Any]:
    return {**summary, "durations": None}


def test_standard_output_has_what_the_file_would_have_and_standard_error_the_summary() -> None:
    files = ("--out", "out", "--sarif", "s.sarif", "--findings", "f.jsonl")
    plain = replay(*files, "history")
    assert plain.code == 0
    findings = Path("out/findings.jsonl").read_bytes()
    assert Path("f.jsonl").read_bytes() == findings
    made = {option[0]: replay(*option, "history") for option in OPTIONS}
    for done in made.values():
        assert done.code == 0
        assert done.err.decode().splitlines()[0] == plain.out.decode().splitlines()[0]
    assert made["--findings"].out == findings
    assert made["--sarif"].out == Path("s.sarif").read_bytes()
    whole = json.loads(made["--json"].out)
    assert list(whole) == ["findings", "revocations", "dead_letters", "summary"]
    for name in ("findings", "revocations", "dead-letters"):
        lines = Path(f"out/{name}.jsonl").read_bytes().splitlines()
        assert whole[name.replace("-", "_")] == [json.loads(line) for line in lines]
    assert whole["findings"]
    summary = json.loads(Path("out/summary.json").read_bytes())
    assert without_durations(whole["summary"]) == without_durations(summary)


def test_one_document_of_nothing_is_json_too() -> None:
    Path("empty.log").write_text("nothing\n")
    whole = json.loads(replay("--json", "empty.log").out)
    assert (whole["findings"], whole["revocations"], whole["dead_letters"]) == ([], [], [])


def test_the_exit_code_stays() -> None:
    assert replay("--findings", "-", "--fail-on", "critical", "history").code == 1


@pytest.mark.parametrize(
    "options",
    [("--findings", "-", "--json"), ("--findings", "-", "--sarif", "-"), ("--sarif", "-", "--json")],
)
def test_only_one_kind_of_data_goes_to_standard_output(options: tuple[str, ...]) -> None:
    done = replay(*options, "history")
    assert (done.code, done.out) == (2, b"")
    assert b"would both write to standard output: name a file for one of them" in done.err
    assert done.err.count(b"\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option[0])
@pytest.mark.parametrize("output", ["full", "closed", "no reader"])
def test_an_output_that_does_not_take_it_all_is_told_in_a_line_and_the_files_are_complete(
    option: tuple[str, ...], output: str
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        done = started(
            *option,
            "--out",
            "out",
            "history",
            stdout={"full": full, "closed": None, "no reader": writing}[output],
            preexec_fn=(lambda: os.close(1)) if output == "closed" else None,
        )
    finally:
        os.close(writing)
        os.close(full)
    said = {
        "full": "No space left on device",
        "closed": "it is closed",
        "no reader": "its reader closed it before everything was written",
    }
    assert done.returncode == 2
    assert done.stderr.decode() == f"curfewd: standard output: {said[output]}\n"
    assert json.loads(Path("out/summary.json").read_bytes())["findings"]["by_rule"]


def test_a_closed_standard_error_does_not_matter() -> None:
    done = started("--findings", "-", "history", stderr=None, preexec_fn=lambda: os.close(2))
    assert done.returncode == 0
    assert done.stdout.startswith(b'{"activity_id":1,')


def test_the_findings_do_not_replace_an_input_or_another_output() -> None:
    for options in (("--findings", "history/logs.jsonl"), ("--findings", "x", "--sarif", "./x")):
        done = replay(*options, "history/logs.jsonl")
        assert done.code == 2
        assert done.err.count(b"\n") == 1
