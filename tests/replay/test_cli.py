import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from detector import cli
from detector.outputs import files
from detector.replay.arguments import SEVERITIES
from detector.terminal.command_groups import GROUPS
from detector.values.findings import Severity
from tests.small_history import KEY, KEY_TEXT, at, jsonl, logs, secret_of, write

QUICK = ("--config", "quick.toml")  # no patterns: registered credentials alone, ready at once
FILES = sorted(files.FILES)


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CURFEWD_KEY", KEY_TEXT)
    (tmp_path / "quick.toml").write_text('[patterns]\ndisable = ["*"]\ndetect_secrets = false\n')
    paths = write(tmp_path / "history")
    return paths[0].relative_to(tmp_path), paths[1].relative_to(tmp_path)


def start(*arguments: object, **options: Any) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "detector.cli", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def run(*arguments: object, given: bytes = b"", **environ: str) -> tuple[int, str, str]:
    with start(*arguments, stdin=subprocess.PIPE, env={**os.environ, **environ}) as process:
        out, err = process.communicate(given)
        return process.returncode, out.decode(), err.decode()


def main(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """The same inside this process, for what needs no process of its own."""
    try:
        code = cli.main([str(argument) for argument in arguments])
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def output(folder: Path) -> dict[str, bytes]:
    """The files of a run, the summary without its durations."""
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    summary = json.loads(found["summary.json"])
    assert summary.pop("durations")
    found["summary.json"] = json.dumps(summary).encode()
    return found


# Replay


def test_replay_prints_for_a_person_and_writes_four_files(
    history: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = main(capsys, "replay", "--out", "out", *history)
    assert (code, err) == (0, "")
    assert "cred-3" in out
    assert sorted(path.name for path in Path("out").iterdir()) == FILES
    findings = [json.loads(line) for line in Path("out/findings.jsonl").read_bytes().splitlines()]
    commands = [json.loads(line) for line in Path("out/revocations.jsonl").read_bytes().splitlines()]
    summary = json.loads(Path("out/summary.json").read_bytes())
    assert {finding["activity_id"] for finding in findings} == {1}
    assert sum(summary["findings"]["by_rule"].values()) == len(findings)
    assert {command["type"] for command in commands} == {"credential.revocation.requested"}
    assert summary["records"]["history/logs.jsonl"] == {"json": 480}
    everything = out.encode() + b"".join(path.read_bytes() for path in Path("out").iterdir())
    for task in range(12):
        assert secret_of(task) not in everything


def test_the_same_input_gives_the_same_bytes_on_any_number_of_processes(
    history: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("detector.replay.runner.SMALL", 0)
    printed = []
    for jobs in (1, 2, 3):
        code, out, _ = main(capsys, "replay", *QUICK, "--jobs", jobs, "--out", f"out{jobs}", *history)
        printed.append((code, out.replace(f"out{jobs}", "out")))
    assert printed[0] == printed[1] == printed[2]
    assert output(Path("out1")) == output(Path("out2")) == output(Path("out3"))
    code, _, _ = main(
        capsys, "replay", *QUICK, "--out", "out1", "history", "out1"
    )  # over its own earlier output
    assert code == 0
    assert output(Path("out1")) == output(Path("out2"))


@pytest.mark.slow
def test_standard_input_may_be_a_pipe_or_a_file(history: tuple[Path, Path]) -> None:
    both = history[0].read_bytes() + history[1].read_bytes()
    Path("both.jsonl").write_bytes(both)
    assert run("replay", *QUICK, "--out", "piped", "--events", "-", given=both)[0] == 0
    with Path("both.jsonl").open("rb") as file:
        with start("replay", *QUICK, "--out", "redirected", "--events", "-", stdin=file) as process:
            process.communicate()
        assert process.returncode == 0
    assert output(Path("piped")) == output(Path("redirected"))
    assert b"cred-3" in output(Path("piped"))["findings.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 0),
        (["--fail-on", "critical"], 1),
        (["--fail-on", "low"], 1),
        (["--strict"], 0),
    ],
)
def test_exit_codes(
    history: tuple[Path, Path], capsys: pytest.CaptureFixture[str], arguments: list[str], code: int
) -> None:
    assert main(capsys, "replay", *QUICK, *arguments, *history)[0] == code


def test_strict_tells_of_dead_letters_and_a_finding_weighs_more(
    history: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bad.jsonl").write_bytes(jsonl(logs(1)) + b'{"message": "cut\n')
    assert main(capsys, "replay", *QUICK, "bad.jsonl")[0] == 0
    assert main(capsys, "replay", *QUICK, "--strict", "--out", "out", "bad.jsonl")[0] == 3
    assert main(capsys, "replay", *QUICK, "--strict", "--fail-on", "low", "bad.jsonl", *history)[0] == 1
    (letter,) = Path("out/dead-letters.jsonl").read_bytes().splitlines()
    assert json.loads(letter) == {
        "source": "bad.jsonl",
        "line": 13,
        "reason": "truncated-json",
        "detail": "the JSON ends in the middle; it was scanned as text",
    }


def test_an_accepted_finding_does_not_fail(
    history: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    accept = '[patterns]\ndisable = ["*"]\ndetect_secrets = false\n[[accept]]\nreason = "known"\nexpiry = 2030-01-01T00:00:00Z\ncredential = "*"\n'
    Path("curfewd.toml").write_text(accept)
    assert main(capsys, "replay", "--config", "curfewd.toml", "--fail-on", "low", *history)[0] == 0


def test_outputs_in_a_folder_of_inputs_replace_those_of_an_earlier_replay(
    history: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = history[0].parent
    pages = [folder / name for name in ("r.html", "f.sarif", "f.jsonl")]
    options = zip(("--report", "--sarif", "--findings"), pages, strict=True)
    arguments = [str(each) for option in options for each in option]
    written = []
    for _ in range(2):
        assert main(capsys, "replay", *QUICK, *arguments, folder)[0] == 0
        written.append([page.read_bytes() for page in pages])
    assert written[0][1:] == written[1][1:]


def test_until_says_how_far_to_judge(history: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    def outliving(until: str) -> int:
        main(capsys, "replay", *QUICK, "--out", "out", "--until", until, *history)
        summary = json.loads(Path("out/summary.json").read_bytes())
        return int(summary["findings"]["by_rule"].get("outlives-task", 0))

    assert outliving(at(219)) == 0
    assert outliving(at(220)) == 1
    assert outliving(at(100_000)) == 6
    assert (outliving("18000d"), outliving("2099-01-01")) == (0, 6)


def test_without_a_key_a_warning_says_so(
    history: tuple[Path, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CURFEWD_KEY")
    code, out, err = main(capsys, "replay", *QUICK, "--out", "out", *history)
    assert code == 0
    assert "no deployment key" in out + err
    assert "no deployment key" in json.loads(Path("out/summary.json").read_bytes())["warnings"][0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["replay"], "name a file or folder"),
        (["replay", "--config", "quick.toml", "nowhere.log"], "nowhere.log: no such file or folder"),
        (["replay", "--until", "noon", "history"], "an age such as 7d"),
        (["replay", "--format", "xml", "history"], "invalid choice: 'xml'"),
        (["replay", "--fail-on", "grave", "history"], "critical"),
        (["replay", "--jobs", "0", "history"], "1 to 1024"),
        (
            ["replay", "--config", "quick.toml", "--out", "history/logs.jsonl", "history"],
            "cannot make the output folder history/logs.jsonl: a file has that name",
        ),
        (["replay", "--config", "nowhere.toml", "history"], "nowhere.toml"),
        (
            ["replay", *QUICK, "--report", "no/r.html", "history"],
            "cannot write no/r.html: there is no folder no",
        ),
        (["replay", *QUICK, "--report", "history", "x"], "cannot write history: it exists and is not a file"),
        (
            ["replay", *QUICK, "--sarif", "/dev/null", "history"],
            "cannot write /dev/null: it exists and is not a file",
        ),
        (
            ["replay", *QUICK, "--sarif", "quick.toml", "history", "./quick.toml"],
            "quick.toml: it is an input",
        ),
        (
            ["replay", *QUICK, "--findings", "history/logs.jsonl", "history"],
            "cannot write history/logs.jsonl: it is in an input folder, and no earlier replay wrote it",
        ),
        (["replay", *QUICK, "--sarif", "a", "--report", "./a", "history"], "would both write a"),
        (["frobnicate"], "invalid choice"),
        (["patterns"], "arguments are required: list|test"),
        (
            ["redact", "job.log"],
            "it takes no such argument; it reads standard input: curfewd redact < job.log",
        ),
        (["redact", "--mask"], "unrecognized arguments: --mask; it reads standard input"),
        (
            ["check", "--config", "quick.toml", "history"],
            "unrecognized arguments: history\nusage: curfewd check",
        ),
        ([], "COMMAND"),
    ],
)
def test_bad_usage_is_told_in_a_line_before_anything_is_written(
    history: tuple[Path, Path], capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert history[0].exists()
    code, out, err = main(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("curfewd: ") or "curfewd" in err
    assert says in err
    assert "Traceback" not in err


@pytest.mark.parametrize("name", files.FILES)
def test_the_output_folder_may_hold_inputs_but_none_of_a_name_that_is_written(
    history: tuple[Path, Path], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert history[0].exists()
    folder = Path("own")
    folder.mkdir()
    (folder / "job.log").write_bytes(b"token " + secret_of(0) + b"\n")
    (folder / "binary").write_bytes(bytes(200))
    (folder / 'a "name".zip').write_bytes(b"PK\x03\x04 cut")
    for _ in range(2):  # what the first replay wrote, the second replaces
        assert main(capsys, "replay", *QUICK, "--out", "own", "own")[0] in {0, 3}
        assert all((folder / each).read_bytes() for each in (files.DEAD_LETTERS, files.SUMMARY))
    (folder / name).write_text('{"specversion":"1.0","id":"7","source":"ci"}\n')
    for inputs, says in (
        ("own", "it is in an input folder, and no earlier replay wrote it"),
        (f"own/{name}", "it is an input"),
    ):
        code, out, err = main(capsys, "replay", *QUICK, "--out", "own", inputs)
        assert (code, out, err) == (2, "", f"curfewd: cannot write own/{name}: {says}\n")
    assert "ci" in (folder / name).read_text()


def test_a_secret_given_as_an_argument_is_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    secret = "zq8v1mt4wk7rj2xd"
    for arguments in ([secret], [f"--secret={secret}"]):
        code, out, err = main(capsys, "fingerprint", *arguments)
        assert (code, out) == (2, "")
        assert 'it reads standard input: printf %s "$TOKEN" | curfewd fingerprint' in err
        assert secret not in err


def test_each_command_says_first_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    for name in (*cli._COMMANDS, "fetch github", "fetch gitlab"):
        code, out, _ = main(capsys, *name.split(), "--help")
        assert code == 0
        assert out.split("\n\n")[1].strip().endswith("."), name


def test_help_shows_every_command_in_its_group_the_everyday_ones_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = main(capsys, "--help")
    groups = {
        heading: tuple(line.split()[0] for line in rest.splitlines() if re.match(r"  [a-z]", line))
        for heading, _, rest in (part.partition(":\n") for part in out.split("\n\n")[2:])
    }
    assert code == 0
    assert {heading: groups[heading] for heading in GROUPS} == GROUPS
    assert next(iter(groups)) == "everyday commands"
    assert [name for names in GROUPS.values() for name in names] == [*cli._COMMANDS]


def test_a_full_disk_is_told_and_leaves_no_half_file(history: tuple[Path, Path]) -> None:
    assert history[0].exists()
    limit = """
import resource, signal, sys
from detector.cli import main
main(["replay", "--config", "quick.toml", "history"])  # whatever is compiled is compiled now
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
sys.exit(main(["replay", "--config", "quick.toml", "--out", "out", "history"]))
"""
    done = subprocess.run([sys.executable, "-B", "-c", limit], capture_output=True, check=False)
    assert done.returncode == 2
    assert b"cannot write out/findings.jsonl: File too large" in done.stderr
    assert list(Path("out").iterdir()) == []


def test_an_error_of_ours_shows_where_and_never_what_was_read(
    history: tuple[Path, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise ValueError(secret_of(0).decode())

    monkeypatch.setattr("detector.replay.plan.units", broken)
    code, out, err = main(capsys, "replay", *QUICK, *history)
    assert (code, out) == (70, "")
    assert "internal error, ValueError" in err
    assert "plan.py:" in err
    assert secret_of(0).decode() not in err


@pytest.mark.slow
def test_a_closed_pipe_ends_the_printing_and_no_more(history: tuple[Path, Path]) -> None:
    for fail_on, code in (([], 0), (["--fail-on", "low"], 1)):
        with start("replay", *QUICK, *fail_on, *history) as process:
            assert process.stdout is not None
            process.stdout.close()
            assert process.stderr is not None
            assert process.stderr.read() == b""
        assert process.returncode == code


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A program started in the background ignores interrupts, and so would those that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def opened(pipe: str, process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """The writing end of a named pipe, once the program waits at the other."""
    end = None
    while end is None and process.poll() is None:
        with contextlib.suppress(OSError):
            end = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        time.sleep(0.05)
    yield
    if end is not None:
        os.close(end)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_with_130(history: tuple[Path, Path]) -> None:
    os.mkfifo("pipe")
    with start("replay", *QUICK, *history, "pipe") as process, opened("pipe", process):
        # A signal just before the read is seen after it, in every Python program: who waits presses again.
        for _ in range(6):
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
                break
        else:
            process.kill()
        assert process.stderr is not None
        assert process.stderr.read() == b"curfewd: interrupted\n"
    assert process.returncode == 130


# The other commands


@pytest.fixture
def fingerprint(
    history: tuple[Path, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    assert history[0].exists()

    def fingerprint_of(secret: bytes, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(secret)))
        return main(capsys, "fingerprint", *(arguments or QUICK))

    return fingerprint_of


def test_fingerprint_prints_the_identifiers_of_a_secret(
    fingerprint: Callable[..., tuple[int, str, str]],
) -> None:
    code, out, err = fingerprint(b"a made-up secret\n")
    assert (code, err) == (0, "")
    assert json.loads(out) == [
        {
            "scheme": "hmac-sha256",
            "value": "30f2510cb11e28b0b3851309f83a07e40d383d364e3af836c4dddb0e782751f8",
            "length": 16,
            "check": "64fae953",
        }
    ]
    assert fingerprint(b"a made-up secret")[1] == out
    assert fingerprint(b"a made-up secret\n\n")[1] != out


def test_fingerprint_prints_public_identifiers_and_never_a_plain_hash(
    fingerprint: Callable[..., tuple[int, str, str]],
) -> None:
    key_id = "AKIA" + "Q3EGRIWXK7L2MN4P"
    Path("aws.toml").write_text("[patterns]\ndetect_secrets = false\n")
    code, out, err = fingerprint(key_id.encode(), "--config", "aws.toml")
    assert code == 0
    assert json.loads(out) == [{"scheme": "aws-access-key-id", "value": key_id}]
    assert "warning: this is a public identifier, aws-access-key-id" in err
    assert key_id not in err


def test_fingerprint_needs_a_key_and_a_secret(
    fingerprint: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for nothing in (b"", b"\n"):
        code, out, err = fingerprint(nothing)
        assert (code, out) == (2, "")
        assert "there is no secret" in err
    for key, says in (("", "no deployment key: set CURFEWD_KEY"), ("0011", "at least 16 bytes")):
        monkeypatch.setenv("CURFEWD_KEY", key)
        code, out, err = fingerprint(b"secret")
        assert (code, out) == (2, "")
        assert says in err


def test_patterns_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = main(capsys, "patterns", "list")
    assert code == 0
    rows = [line.split("\t") for line in out.splitlines()]
    assert {len(row) for row in rows} == {6}  # not a terminal: whole, for `cut`
    assert ["github-pat-classic", "github"] in [row[:2] for row in rows]


def test_patterns_are_tested(
    capsys: pytest.CaptureFixture[str], history: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert history[0].exists()
    monkeypatch.setattr("detector.scan.scanner_loader.load_bundled", tuple)  # they have a test of their own
    Path("mine.toml").write_text(
        'family = "mine"\n[[pattern]]\nid = "mine"\nname = "Mine"\nregex = "(?P<secret>mine-[0-9]{8})"\n'
        'keywords = ["mine-"]\nseverity = "low"\nexamples = ["no match"]\nnear_misses = []\n'
    )
    Path("curfewd.toml").write_text('[patterns]\npaths = ["mine.toml"]\n')
    code, out, _ = main(capsys, "patterns", "test", "--config", "curfewd.toml")
    assert code == 1
    assert "mine.toml" in out
    code, _, err = main(capsys, "check", "--config", "curfewd.toml")
    assert code == 2  # what finds nothing is not run, either
    assert "mine.toml:2: pattern `mine`: example 1: not found: the regex does not match" in err
    Path("mine.toml").write_text(Path("mine.toml").read_text().replace("no match", "here is mine-48151623"))
    assert main(capsys, "patterns", "test", "--config", "curfewd.toml")[0] == 0


def test_check_says_what_is_wrong_and_where(
    capsys: pytest.CaptureFixture[str], history: tuple[Path, Path]
) -> None:
    assert history[0].exists()
    Path("good.toml").write_text('grace_period = "2 min"\n' + Path("quick.toml").read_text())
    code, out, err = main(capsys, "check", "--config", "good.toml")
    assert (code, out.splitlines()[0], err) == (0, "good.toml: nothing wrong", "")
    Path("bad.toml").write_text('grace_period = "soon"\n\nskeww = 3\n')
    code, out, err = main(capsys, "check", "--config", "bad.toml")
    assert (code, out) == (2, "")
    assert "bad.toml:1: " in err
    assert "bad.toml:3: " in err


@pytest.mark.parametrize(
    "command",
    [
        ("check", "--config", "old.toml"),
        ("replay", "--config", "old.toml", "."),
        ("run", "--config", "old.toml"),
        ("topics", "create", "--config", "old.toml"),
        ("patterns", "list", "--config", "old.toml"),
        ("patterns", "test", "--config", "old.toml", "--against", "."),
        ("fingerprint", "--config", "old.toml"),
        ("redact", "--config", "old.toml"),
    ],
    ids=lambda command: command[0],
)
def test_every_command_names_the_new_key_for_an_old_one(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("old.toml").write_text('skew = "5s"\nlinger = "2min"\n')
    code, out, err = main(capsys, *command)
    assert (code, out) == (2, "")
    assert "old.toml:2: linger: this key is now called grace_period\n" in err


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = main(capsys, "--version")
    assert code == 0
    assert out.startswith("curfewd ")


def test_no_deployment_key_is_ever_printed(
    capsys: pytest.CaptureFixture[str], history: tuple[Path, Path]
) -> None:
    _, out, err = main(capsys, "replay", *QUICK, "--out", "out", *history)
    written = b"".join(path.read_bytes() for path in Path("out").iterdir()).decode()
    for form in (KEY_TEXT, KEY.material.decode("latin-1"), repr(KEY.material)):
        assert form not in out + err + written


def test_fail_on_takes_every_severity() -> None:
    assert list(SEVERITIES) == [severity.label for severity in Severity]
