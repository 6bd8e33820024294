"""Names, streams and terminals as nobody plans them: closed, full, not UTF-8, full of escapes.

Each is told in a line.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from detector import cli
from tests.small_history import KEY_TEXT

TOKEN = b"glpat-" + b"Rk2Wd81xQzTn7VbLm4Yc"
HOSTILE = "\x1b]0;gone\x07\n\u202e\x9b2J"
QUICK = '[patterns]\ndisable = ["*"]\ndetect_secrets = false\n'


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CURFEWD_KEY", KEY_TEXT)
    Path("quick.toml").write_text(QUICK)
    Path("a.log").write_bytes(b"hello\n")


def shell(command: str) -> tuple[int, str, str]:
    """What a shell makes of `curfewd …` with its redirections."""
    program = f'curfewd() {{ exec {sys.executable} -m detector.cli "$@"; }}; {command}'
    done = subprocess.run(["bash", "-c", program], capture_output=True, check=False, timeout=120)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


CLOSED_OUTPUT = "curfewd: standard output: it is closed\n"
CLOSED_INPUT = "curfewd: standard input: it is closed\n"
FULL = "curfewd: standard output: No space left on device\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("curfewd replay --config quick.toml a.log >&-", CLOSED_OUTPUT),
        ("curfewd replay --config quick.toml - <&-", CLOSED_INPUT),
        ("curfewd fingerprint --config quick.toml <&-", CLOSED_INPUT),
        ("echo a-long-enough-secret-Rk2Wd81x | curfewd fingerprint --config quick.toml >&-", CLOSED_OUTPUT),
        ("curfewd redact --config quick.toml <&-", CLOSED_INPUT),
        ("echo x | curfewd redact --config quick.toml >&-", CLOSED_OUTPUT),
        ("curfewd patterns list >&-", CLOSED_OUTPUT),
        ("curfewd check --config quick.toml >&-", CLOSED_OUTPUT),
        ("curfewd --version >&-", CLOSED_OUTPUT),
        ("curfewd replay --help >/dev/full", FULL),
        ("curfewd replay --config quick.toml a.log >/dev/full", FULL),
        ("echo x | curfewd redact --config quick.toml >/dev/full", FULL),
        ("curfewd patterns list >/dev/full", FULL),
    ],
)
def test_a_stream_that_is_closed_or_full_is_told_in_a_line(command: str, says: str) -> None:
    code, out, err = shell(command)
    assert (code, out, err) == (2, "", says)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "code", "out"),
    [
        ("curfewd replay --config quick.toml --out out a.log <&- >/dev/null 2>&-", 0, ""),
        ("echo x | curfewd redact --config quick.toml 2>&-", 0, "x\n"),
        ("curfewd replay nothing-there 2>&-", 2, ""),
        ("curfewd replay --config quick.toml a.log <&- >&- 2>&-", 2, ""),
        ("seq 100000 | curfewd redact --config quick.toml | head -1", 0, "1\n"),
    ],
)
def test_a_closed_stream_that_is_not_needed_stops_nothing(command: str, code: int, out: str) -> None:
    found, printed, err = shell(command)
    assert (found, printed, err) == (code, out, "")


@pytest.mark.slow
def test_what_is_printed_never_goes_into_a_file_that_took_the_place_of_a_closed_stream() -> None:
    shell("curfewd replay --config quick.toml --out out a.log >&- 2>&-")
    shell("curfewd replay --out out a.log --config missing.toml >&- 2>&-")
    for path in Path("out").iterdir():
        assert b"curfewd:" not in path.read_bytes()
        assert b"Nothing found" not in path.read_bytes()


@pytest.mark.slow
def test_an_encoding_that_lacks_a_character_ends_no_command() -> None:
    Path("leak.log").write_bytes(b"token=" + TOKEN + b"\n")
    code, out, err = shell("PYTHONIOENCODING=ascii curfewd replay leak.log")
    assert (code, err) == (0, "")
    assert "1 critical" in out or "1 high" in out
    assert shell(f"echo 'a {TOKEN.decode()}' | PYTHONIOENCODING=ascii curfewd redact")[1].startswith("a ‹")


def main(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    try:
        code = cli.main(arguments)
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def logs() -> Iterator[tuple[str, bytes]]:
    yield os.fsdecode(b"logs/b\xff.log"), rb"logs/b\xff.log"
    yield os.fsdecode(b"logs/b\xfe.log"), rb"logs/b\xfe.log"
    yield r"logs/b\xff.log", rb"logs/b\\xff.log"  # these are its characters
    yield "logs/b\ufffd.log", "logs/b\ufffd.log".encode()


def test_names_that_are_not_utf8_are_read_told_apart_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    Path("logs").mkdir()
    for number, (name, _) in enumerate(logs()):
        Path(name).write_bytes(b"token=" + TOKEN + b"\n" * (number + 1))
    arguments = ("--out", "out", "--report", "r.html", "--sarif", "r.sarif")
    code, out, err = main(capsys, "replay", *arguments, "logs")
    assert (code, err) == (0, "")
    assert "4 sources" in out
    named = {name.decode() for _, name in logs()}
    (finding,) = [json.loads(line) for line in Path("out/findings.jsonl").read_text("utf-8").splitlines()]
    assert finding["count"] == 4
    assert named <= set(json.dumps(finding, ensure_ascii=False).replace("\\\\", "\\").split('"'))
    summary = json.loads(Path("out/summary.json").read_text("utf-8"))
    assert set(summary["records"]) == named
    uris = {
        place["physicalLocation"]["artifactLocation"]["uri"]
        for place in json.loads(Path("r.sarif").read_text("utf-8"))["runs"][0]["results"][0]["locations"]
    }
    assert {"logs/b%FF.log", "logs/b%FE.log", "logs/b%5Cxff.log", "logs/b%EF%BF%BD.log"} <= uris
    assert Path("r.html").read_text("utf-8").endswith("</html>\n")
    # What is named on the command line is read as what is found in a folder.
    code, _, _ = main(capsys, "replay", "--out", "again", *(name for name, _ in logs()))
    assert code == 0
    assert Path("again/findings.jsonl").read_bytes() == Path("out/findings.jsonl").read_bytes()


def test_outputs_and_configurations_may_have_any_name(capsys: pytest.CaptureFixture[str]) -> None:
    bad = os.fsdecode(b"\xff")
    Path(f"{bad}.toml").write_text(f"{QUICK}[patterns.more]\n")
    code, out, err = main(capsys, "replay", "--config", f"{bad}.toml", "a.log")
    assert (code, out) == (2, "")
    assert r"curfewd: \xff.toml:4: patterns.more" in err
    code, out, err = main(
        capsys, "replay", "--config", "quick.toml", "--out", bad, "--sarif", f"{bad}.sarif", "a.log"
    )
    assert (code, err) == (0, "")
    assert r"written     \xff/ findings" in out
    assert (Path(bad) / "summary.json").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay", HOSTILE),
        ("replay", "--config", HOSTILE, "a.log"),
        ("replay", "--config", "hostile.toml", "a.log"),
        ("replay", "--out", f"a.log/{HOSTILE}", "a.log"),
        ("replay", "--report", f"no/{HOSTILE}", "a.log"),
        ("replay", "--sarif", "a.log", "a.log", HOSTILE),
        ("replay", "--until", HOSTILE, "a.log"),
        ("replay", "--jobs", HOSTILE, "a.log"),
        ("replay", "--format", HOSTILE, "a.log"),
        ("replay", "a.log", f"--{HOSTILE}"),
        ("redact", "--known", HOSTILE),
        ("redact", "--config", HOSTILE),
        ("fingerprint", "--config", HOSTILE),
        ("patterns", "list", "--config", HOSTILE),
        ("patterns", "list", "--config", "patterns.toml"),
        ("patterns", "test", "--config", "patterns.toml"),
        ("patterns", "test", "--config", "quick.toml", "--against", HOSTILE),
        ("patterns", HOSTILE),
        ("check", "--config", HOSTILE),
        ("check", "--config", "hostile.toml"),
        ("check", "--config", "patterns.toml"),
        ("check", "--config", f"named{HOSTILE}.toml"),
        ("run", "--config", HOSTILE),
        ("run", "--config", "hostile.toml"),
        ("topics", "create", "--config", HOSTILE),
        (HOSTILE,),
        ("replay", "--config", "quick.toml", "--out", f"out{HOSTILE}", f"log{HOSTILE}.log"),
    ],
)
def test_nothing_that_is_printed_acts_on_the_terminal(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    text = json.dumps(HOSTILE)
    Path(f"named{HOSTILE}.toml").write_text(QUICK)
    Path(f"log{HOSTILE}.log").write_text(f"hello {HOSTILE}\n")
    Path("hostile.toml").write_text(
        f"key_file = {text}\n{text} = 1\n[rules.{text}]\n[kinds.{text}]\nskew = {text}\n"
        f"[kafka]\nbootstrap = {text}\n[kafka.security]\nca_file = {text}\n[sources.{text}]\n"
        f"[patterns]\npaths = [{text}]\nbaseline = {text}\nplugins = [{text}]\n"
    )
    Path("patterns.toml").write_text('[patterns]\npaths = ["own.toml"]\ndetect_secrets = false\n')
    Path("own.toml").write_text(
        f'[[rules]]\nid = "own"\ndescription = {text}\nregex = "ownsecret-[0-9]+"\nkeywords = [{text}]\npath = {text}\n'
    )
    code, out, err = main(capsys, *arguments)
    assert code in {0, 1, 2}
    assert (out + err).replace("\n", "").isprintable()
    assert out + err
