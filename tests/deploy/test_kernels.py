"""A few loops compiled as the build does it: the same results as numba's, and other types are left to numba."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import typeof

from detector.jit import Kernel
from detector.scan import binary_payloads, grids, kernels, runs
from tests.deploy import tuple_kernel

ROOT = Path(__file__).parents[2]
KERNELS = ROOT / "deploy" / "kernels"
TEXT = np.frombuffer(b"a line: c2VjcmV0==  \r\n  and \xc3\xa4 another 0x1f\n" * 3, np.uint8)
TABLES = np.arange(256) % 7, np.arange(512, dtype=np.uint8).reshape(256, 2)
SCRATCH = np.empty(2, np.int64), np.empty(1, np.uint64)
CALLS: list[tuple[Any, tuple[Any, ...]]] = [
    *((kernels.count_bits, (np.uint64(number),)) for number in (0, 1, 2**64 - 1)),
    *((runs.after_padding, (TEXT, at)) for at in range(30)),
    *((runs.below, (TEXT, at, 4, 60)) for at in range(0, 60, 7)),
    *((grids.extent, (TEXT, at, len(TEXT) - at)) for at in (0, 23)),
    *((binary_payloads._begins_another, (TEXT, at, 90, flag)) for at in range(5) for flag in (True, False)),
    (tuple_kernel.weighed, (TEXT, TABLES, SCRATCH)),
]


def loaded(path: Path) -> Any:
    """A module that is in no package."""
    spec = importlib.util.spec_from_file_location(path.stem.partition(".")[0], path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SIGNATURES = loaded(KERNELS / "signatures.py")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The extension module with these loops."""
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    folder = tmp_path_factory.mktemp("kernels")
    called = folder / "called.txt"
    SIGNATURES.write([(kernel.name, tuple(map(typeof, arguments))) for kernel, arguments in CALLS], called)
    command = [sys.executable, KERNELS / "build.py", "--of", "x86-64-v2", called, folder]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "CURFEWD_JIT": "1"}
    subprocess.run(list(map(str, command)), check=True, cwd=ROOT, env=environ)
    (path,) = folder.glob("x86_64_v2.*.so")
    return loaded(path)


@pytest.mark.slow
def test_what_was_built_gives_what_numba_gives(built: Any) -> None:
    assert len(CALLS) == len([call for call in CALLS if isinstance(call[0], Kernel)])
    for kernel, arguments in CALLS:
        mine, theirs = vars(built)[kernel.name](*arguments), kernel.made(*arguments)
        assert repr(mine) == repr(theirs)


@pytest.mark.slow
def test_other_types_are_left_to_numba(built: Any) -> None:
    after_padding, bits = (
        vars(built)[f"detector.scan.{name}"] for name in ("runs.after_padding", "kernels.count_bits")
    )
    assert after_padding(TEXT, 3) is not NotImplemented
    others: list[tuple[Any, ...]] = [
        (TEXT,), (TEXT, 3, 4), (TEXT, 2**64), (TEXT, True), (TEXT, 3.0), (TEXT, None), (TEXT.astype(np.int8), 3),
        (TEXT[::2], 3), (TEXT.reshape(3, -1), 3), (b"text", 3), (TEXT.astype(">u4"), 3),
    ]  # fmt: skip
    assert [after_padding(*each) for each in others] == [NotImplemented] * len(others)
    weighed = vars(built)["tests.deploy.tuple_kernel.weighed"]
    tables: list[Any] = [
        TABLES[0],
        TABLES[:1],
        (*TABLES, TEXT),
        list(TABLES),
        TABLES[::-1],
        (TABLES[0], None),
    ]
    assert [weighed(TEXT, each, SCRATCH) for each in tables] == [NotImplemented] * len(tables)
    assert [bits(3), bits(np.int64(3)), bits(np.uint32(3))] == [NotImplemented] * 3
    assert after_padding(TEXT.copy(), np.int64(3)) == after_padding(
        TEXT, 3
    )  # one that could be written may be read


def test_types_are_read_as_they_were_written(tmp_path: Path) -> None:
    called = [(kernel.name, tuple(map(typeof, arguments))) for kernel, arguments in CALLS]
    SIGNATURES.write(called, tmp_path / "a.txt")
    assert set(SIGNATURES.read(tmp_path / "a.txt")) == set(called)


@pytest.mark.slow
def test_what_is_built_is_what_commands_call(tmp_path: Path) -> None:
    """A kernel that is called with other types than those of the list would be compiled at each first start."""
    subprocess.run([sys.executable, KERNELS / "warm_up.py", tmp_path / "called.txt"], check=True, cwd=ROOT)
    called = (tmp_path / "called.txt").read_text()
    assert called == (KERNELS / "signatures.txt").read_text(), "run `make signatures`"
