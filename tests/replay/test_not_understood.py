"""Inputs that are not understood are named, give no all-clear, and are in the exit code."""

import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from detector import cli
from tests.ingest.archives_made import zipped
from tests.small_history import KEY_TEXT

SECRET = "ghp_" + "RAHhEBVMmxUAmOgKdSlPUK4dtx13hK0RTZy7"  # made up


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CURFEWD_KEY", KEY_TEXT)
    Path("quick.toml").write_text('[patterns]\ndisable = ["*"]\ndetect_secrets = false\n')
    Path("logs").mkdir()
    Path("logs/a.log").write_text("2026-05-01T00:00:00Z hello\n")
    return Path("logs")


def replayed(capsys: Any, *arguments: str) -> tuple[int, str, dict[str, Any]]:
    code = cli.main(["replay", "--config", "quick.toml", "--out", "out", *arguments])
    return code, capsys.readouterr().out, json.loads(Path("out/summary.json").read_text())


def test_all_that_was_read_is_an_all_clear(folder: Path, capsys: Any) -> None:
    code, out, summary = replayed(capsys, "--strict", str(folder))
    assert (code, summary["unread"]) == (0, {})
    assert out.startswith("Nothing found.\n")


@pytest.mark.parametrize(
    ("name", "content", "reason", "clause"),
    [
        ("x.xz", lzma.compress(b"text\n"), "unsupported-archive", "1 record or file could not be read"),
        ("core", bytes(999), "binary", "1 file did not look like text"),
        (
            "middle.log",
            b"hello\n" * 400_000 + bytes(999) + b"hello\n" * 9_000,
            "binary",
            "1 file did not look like text",
        ),
        ("empty.log", b"", "empty", "1 file or folder had nothing to read"),
        ("empty.zip", zipped({}), "empty", "1 file or folder had nothing to read"),
    ],
    ids=["an unknown archive", "binary", "binary in the middle", "empty", "an empty archive"],
)
def test_what_is_not_understood_is_named(  # noqa: PLR0913, PLR0917 - an input, and what is said of it
    folder: Path, capsys: Any, name: str, content: bytes, reason: str, clause: str
) -> None:
    (folder / name).write_bytes(content)
    code, out, summary = replayed(capsys, str(folder))
    assert (code, summary["unread"]) == (0, {f"logs/{name}": reason})
    assert out.startswith(f"Nothing found, but {clause}.\n")
    assert f"logs/{name}: {reason}" in out
    assert replayed(capsys, "--strict", str(folder))[0] == 3


def test_a_few_zeros_in_a_text_are_text(folder: Path, capsys: Any) -> None:
    (folder / "zeros.log").write_bytes(b"hello \0 and more of the same line, which goes on\n" * 99_000)
    assert replayed(capsys, "--strict", str(folder))[0] == 0


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_another_encoding_in_the_middle_of_a_text_is_text(folder: Path, capsys: Any, encoding: str) -> None:
    line = "the answer of an old tool, as it came\n".encode(encoding)
    (folder / "mixed.log").write_bytes(b"a line\n" * 60_000 + line * 40 + b"a line\n" * 60_000)
    assert replayed(capsys, "--strict", str(folder))[0] == 0


def test_a_file_of_the_kernel_is_read_though_its_size_is_zero(folder: Path, capsys: Any) -> None:
    path = Path("/proc/self/status")
    assert path.stat().st_size == 0
    code, _, summary = replayed(capsys, "--strict", str(path), str(folder))
    assert (code, summary["unread"]) == (0, {})
    assert summary["records"][str(path)]["text"] > 10


def test_an_empty_folder_is_named(folder: Path, capsys: Any) -> None:
    Path("none").mkdir()
    code, out, summary = replayed(capsys, "--strict", str(folder), "none")
    assert (code, summary["unread"]) == (3, {"none": "empty"})
    assert out.startswith("Nothing found, but 1 file or folder had nothing to read.\n")


def test_a_file_in_a_folder_that_cannot_be_opened_is_in_the_exit_code(folder: Path, capsys: Any) -> None:
    (folder / "gone.log").symlink_to("nowhere")
    code, out, summary = replayed(capsys, str(folder))
    assert (code, summary["unread"]) == (3, {"logs/gone.log": "unreadable"})
    assert "logs/gone.log: unreadable" in out
    assert summary["records"] == {"logs/a.log": {"text": 1}}
    assert cli.main(["replay", "--config", "quick.toml", "logs/gone.log"]) == 2  # named, and nothing was read


def test_a_leak_in_a_deflated_archive_of_a_run_is_found(folder: Path, capsys: Any) -> None:
    """As GitHub packs it: the log of the job, and those of its steps."""
    line = f"2026-05-01T10:00:00.1234567Z token {SECRET}\n".encode()
    Path("run.zip").write_bytes(zipped({"0_build.txt": line, "build/3_Test.txt": b"\xef\xbb\xbf" + line}))
    Path("some.toml").write_text("[patterns]\ndetect_secrets = false\n")
    code = cli.main(
        ["replay", "--config", "some.toml", "--out", "out", "--fail-on", "low", "run.zip", str(folder)]
    )
    (finding,) = map(json.loads, Path("out/findings.jsonl").read_text().splitlines())
    assert (code, finding["count"]) == (1, 2)
    assert [piece["data"]["source"] for piece in finding["evidences"]] == [
        "run.zip!0_build.txt",
        "run.zip!build/3_Test.txt",
    ]
    assert [piece["data"]["stream"] for piece in finding["evidences"]] == ["build", "build/Test"]
    assert SECRET not in capsys.readouterr().out + Path("out/findings.jsonl").read_text()
