"""Completion in real shells, and the manual page: both are made from the parser, so that no option is missing."""

import argparse
import contextlib
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.cli import command_parser
from detector.terminal.completion import SHELLS

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0  # seconds
CASES = [
    ("curfewd basel", "curfewd baseline "),
    ("curfewd replay --sar", "curfewd replay --sarif "),
    ("curfewd replay --fail-on crit", "curfewd replay --fail-on critical "),
    ("curfewd replay --config pyproj", "curfewd replay --config pyproject.toml "),
    ("curfewd redact --unexamined mar", "curfewd redact --unexamined mark "),
    ("curfewd completion fi", "curfewd completion fish "),
    ("curfewd revoke --dry", "curfewd revoke --dry-run "),
]


def needs(program: str) -> pytest.MarkDecorator:
    """`make test` installs what is missing."""
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `curfewd completion` prints, in one file for each shell."""
    folder = tmp_path_factory.mktemp("completion")
    for shell in SHELLS:
        with (folder / shell).open("wb") as script:
            subprocess.run(
                [sys.executable, "-m", "detector.cli", "completion", shell], stdout=script, check=True
            )
    return folder


def typed(command: list[str], setup: list[str], text: str, expected: str) -> str:
    """What a shell on a terminal shows once the text and a tab were typed; until it shows what is expected."""
    ours, its = pty.openpty()
    environ = {"TERM": "dumb", "PS1": "> ", "PATH": os.environ["PATH"]}
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdin=its, stdout=its, stderr=its, start_new_session=True
    ) as shell:
        try:
            for line in (*setup, "echo rea''dy"):
                os.write(ours, line.encode() + b"\n")
            seen(ours, "ready\r\n")
            os.write(ours, text.encode() + b"\t")
            return seen(ours, expected)
        finally:
            shell.kill()
            os.close(its)
            os.close(ours)


def seen(terminal: int, expected: str) -> str:
    """What a terminal shows, until it shows this or the patience ends."""
    shown, until = b"", time.monotonic() + PATIENCE
    while expected.encode() not in shown and time.monotonic() < until:
        if select.select([terminal], [], [], 0.2)[0]:
            with contextlib.suppress(OSError):
                shown += os.read(terminal, 65536)
    return shown.decode("utf-8", "replace")


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_bash_completes_commands_options_choices_and_files(scripts: Path, text: str, expected: str) -> None:
    assert expected in typed(["bash", "--norc", "-i"], [f"source {scripts}/bash"], text, expected)


@needs("zsh")
@pytest.mark.parametrize("how", ["eval", "fpath"])
@pytest.mark.parametrize(("text", "expected"), CASES)
def test_zsh_completes_commands_options_choices_and_files(
    scripts: Path, tmp_path: Path, text: str, expected: str, how: str
) -> None:
    shutil.copy(scripts / "zsh", tmp_path / "_curfewd")
    begin = "autoload -Uz compinit && compinit -u -D"
    setup = {
        "eval": [begin, f'eval "$(cat {scripts}/zsh)"'],
        "fpath": [f"fpath=({tmp_path} $fpath)", begin],
    }
    assert expected in typed(["zsh", "-f", "-i"], setup[how], text, expected)


@needs("fish")
@pytest.mark.parametrize(("text", "expected"), CASES)
def test_fish_completes_commands_options_choices_and_files(scripts: Path, text: str, expected: str) -> None:
    asked = f'source {scripts}/fish; complete -C "{text}"'
    done = subprocess.run(["fish", "-N", "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)
    words = [line.partition("\t")[0] for line in done.stdout.splitlines()]
    assert expected.rsplit(maxsplit=1)[-1] in words


def options(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The commands and the long options of a parser. Every one has --help, which the page names once."""
    for action in parser._actions:
        yield from (name for name in action.option_strings if name.startswith("--") and name != "--help")
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                yield name
                yield from options(command)


@pytest.fixture(scope="module")
def manual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manual page, as `make man` makes it."""
    path = tmp_path_factory.mktemp("man") / "curfewd.1"
    made = [sys.executable, "deploy/man/manual_page.py", str(path)]
    subprocess.run(made, cwd=ROOT, check=True, capture_output=True)
    return path


def test_the_manual_page_has_every_command_and_option(manual: Path) -> None:
    text = manual.read_text().replace("\\-", "-")
    assert {name for name in options(command_parser()) if name not in text} == set()
    for section in ("NAME", "SYNOPSIS", "EXIT STATUS", "ENVIRONMENT"):
        assert f".SH {section}\n" in text


@needs("mandoc")
def test_the_manual_page_is_valid(manual: Path) -> None:
    lint = ["mandoc", "-T", "lint", "-W", "error", str(manual)]
    done = subprocess.run(lint, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    read = subprocess.run(["mandoc", "-T", "utf8", manual], capture_output=True, text=True, check=True)
    assert "find task credentials that leak or outlive their task" in read.stdout
