"""numba's cache: what goes wrong with it costs time and nothing else."""

import importlib
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numba
import pytest
from numba.core.caching import IndexDataCacheFile

from detector import jit
from detector.built_kernels import digest_of, sources_of


def test_a_cache_that_cannot_be_written_or_read_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    @jit.compiled
    def doubled(number: int) -> int:
        return number * 2

    def disk_full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    def cut_short(*_: object) -> None:
        raise EOFError

    kernel: Any = doubled
    cache = vars(kernel.made)["_cache"]
    monkeypatch.setattr(cache._cache, "save_overload", disk_full)
    monkeypatch.setattr(cache._cache, "load_overload", cut_short)
    assert doubled(21) == 42


def test_two_that_keep_what_they_compiled_take_turns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Else both may write to the file that each says has its own types: a wrong loop would be loaded later."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))

    def same(number: Any) -> Any:
        return number

    def compiled_for(kind: Any) -> Any:
        dispatcher: Any = numba.njit(same)
        dispatcher.compile((kind,))
        return dispatcher.overloads[kind,]

    whole, real = numba.int64, numba.float64
    index_file: Any = IndexDataCacheFile
    one, other = (vars(jit._dispatcher(same, {}))["_cache"] for _ in range(2))
    second = threading.Thread(target=other.save_overload, args=((real,), compiled_for(real)))
    save_index = index_file._save_index

    def slow_save(file: Any, overloads: Any) -> None:
        if second.ident is None:
            second.start()
            second.join(0.5)
        save_index(file, overloads)

    monkeypatch.setattr(index_file, "_save_index", slow_save)
    one.save_overload((whole,), compiled_for(whole))
    second.join()
    for kind in (whole, real):
        dispatcher = jit._dispatcher(same, {})
        kept = vars(dispatcher)["_cache"].load_overload((kind,), dispatcher.targetctx)
        assert kept.signature.args == (kind,)


def test_what_is_kept_does_not_outlive_a_change_of_what_was_frozen_into_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "frozen_loop.py").write_text(
        "from frozen_table import TABLE\n\nfrom detector import jit\n\n\n"
        "@jit.compiled\ndef second():\n    return TABLE[1]\n"
    )

    def answer(table: tuple[int, int], modules: str) -> int:
        monkeypatch.setattr(jit, "_modules", lambda: modules)
        (tmp_path / "frozen_table.py").write_text(f"TABLE = {table}\n")
        for name in ("frozen_table", "frozen_loop"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        found: int = importlib.import_module("frozen_loop").second()
        return found

    assert answer((1, 2), "a") == 2
    assert answer((1, 3), "a") == 2  # what numba does by itself
    assert answer((1, 3), "b") == 3


def test_the_digest_follows_what_compiled_modules_take_and_nothing_else(tmp_path: Path) -> None:
    def digest(**texts: str) -> str:
        for name, text in texts.items():
            (tmp_path / "scan" / f"{name}.py").write_text(text)
        return digest_of(sources_of(tmp_path))

    (tmp_path / "scan").mkdir()
    (tmp_path / "jit.py").write_text("")
    first = digest(
        loops="from detector import jit\nfrom detector.scan import (\n    tables,\n)\n",
        tables="from detector.scan.bits import ONE\n",
        bits="ONE = 1\n",
        beside="",
    )
    assert digest(beside="x = 1\n") == first
    assert digest(bits="ONE = 2\n") != first
    assert digest(bits="ONE = 1\n") == first
    assert digest(loops="from detector.jit import compiled\n") != first


@pytest.mark.parametrize("arguments", [("--version",), ("patterns", "list"), ("check", "--config", "c.toml")])
def test_commands_that_read_no_logs_do_not_load_the_compiler(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "c.toml").write_text("")
    code = (
        "import sys\nfrom detector import cli\n"
        "try:\n    code = cli.main(sys.argv[1:])\nexcept SystemExit as exit_:\n    code = exit_.code\n"
        "assert code == 0, code\nassert 'numba' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 0, done.stderr.decode()
