"""What was compiled when the program was built is used for the same sources only, and gives what numba gives."""

import importlib
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from detector import built_kernels, jit

LEVEL = "x86-64-v2"


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which a module of the lowest level is built: not one that can be imported."""
    monkeypatch.setattr(built_kernels, "FOLDER", tmp_path)
    monkeypatch.setattr(built_kernels, "levels_here", lambda: iter([LEVEL]))
    monkeypatch.delenv(built_kernels.JIT_ONLY, raising=False)
    built_kernels.file_of(LEVEL, tmp_path).write_bytes(b"compiled loops" * 1000)
    built_kernels.note_build(LEVEL, tmp_path)
    monkeypatch.setattr(importlib, "import_module", lambda name: type("module", (), {"here": name}))
    return tmp_path


@pytest.mark.usefixtures("built")
def test_a_build_of_these_sources_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    functions, which = built_kernels.chosen()
    assert str(functions["here"]) == "detector.kernels.x86_64_v2"
    assert which == LEVEL
    monkeypatch.setenv(built_kernels.JIT_ONLY, "1")
    assert built_kernels.chosen() == ({}, "CURFEWD_JIT is set")


@pytest.mark.parametrize(
    ("note", "reason"),
    [
        ({"digest": "0" * 32}, "built from other sources"),
        ({"modules": ["detector.jit"]}, "built from other sources"),
        ({"modules": ["detector.gone"]}, ""),
        ({"modules": 3}, "not iterable"),
        ({"file": None}, "x86_64_v2"),
        ("cut short", "line 1 column 1"),
    ],
    ids=["other digest", "fewer modules", "a module is gone", "wrong", "no digest of the file", "no JSON"],
)
def test_any_other_build_is_not(built: Path, note: Any, reason: str) -> None:
    path = built / "x86_64_v2.json"
    kept = json.loads(path.read_bytes())
    path.write_text(note if isinstance(note, str) else json.dumps(kept | note))
    functions, said = built_kernels.chosen()
    assert functions == {}
    assert reason in said


@pytest.mark.parametrize("damage", [b"", b"compiled loops" * 999, b"compiled l00ps" * 1000])
def test_a_damaged_file_is_not_used(built: Path, damage: bytes) -> None:
    """Two builds at once wrote one file between them: it could be loaded, and did not find some secrets."""
    file = built_kernels.file_of(LEVEL, built)
    file.write_bytes(damage)
    assert built_kernels.chosen() == ({}, f"x86-64-v2: {file} is not what was built")


def test_a_build_for_another_python_is_not_used(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", missing)
    assert built_kernels.chosen() == ({}, "x86-64-v2: No module named 'detector.kernels.x86_64_v2'")
    built_kernels.file_of(LEVEL, built).unlink()
    assert built_kernels.chosen()[1].startswith("x86-64-v2: [Errno 2] No such file")
    (built / "x86_64_v2.json").unlink()
    assert built_kernels.chosen() == ({}, "none was built")


def test_a_level_is_used_only_where_the_processor_has_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    told = "processor\t: 0\nflags\t\t: ssse3 sse4_1 sse4_2 popcnt cx16 avx avx2\nbugs\t\t: avx512f\n"
    monkeypatch.setattr(os, "uname", lambda: type("uname", (), {"machine": "x86_64"}))
    monkeypatch.setattr(Path, "open", lambda *_: io.BytesIO(told.encode()))
    assert list(built_kernels.levels_here()) == ["x86-64-v2"]


def test_a_kernel_is_compiled_for_types_for_which_it_was_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    def doubled(number: int) -> int:
        return number * 2

    def built(number: object) -> object:
        return 6 if type(number) is int and number == 3 else NotImplemented

    name = f"{__name__}.{doubled.__qualname__}"
    monkeypatch.setattr(jit, "built_kernels", lambda: {name: built})
    kernel: Any = jit.compiled(doubled)
    assert kernel(3) == 6
    assert "made" not in vars(kernel)
    vars(kernel)["made"] = lambda _: "numba's"
    assert kernel(4) == "numba's"
