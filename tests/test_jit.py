"""numba's cache: what goes wrong with it costs time and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from detector import jit

pytestmark = pytest.mark.skipif(not jit.AVAILABLE, reason="numba is not installed")


def test_a_cache_that_cannot_be_written_or_read_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    @jit.compiled
    def doubled(number: int) -> int:
        return number * 2

    def disk_full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    def cut_short(*_: object) -> None:
        raise EOFError

    cache = vars(doubled)["_cache"]
    monkeypatch.setattr(cache._cache, "save_overload", disk_full)
    monkeypatch.setattr(cache._cache, "load_overload", cut_short)
    assert doubled(21) == 42


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
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    assert done.returncode == 0, done.stderr.decode()
