"""What a command imports: `my-job | curfewd redact` must not be felt."""

import subprocess
import sys
from pathlib import Path

import pytest

from detector.patterns.deferred_plugins import load_plugins
from detector.patterns.pattern import load_bundled

REDACT = {"cramjam", "detector", "hyperscan", "msgspec", "numpy", "re2", "sortedcontainers", "zstandard"}
REPLAY = REDACT | {"cryptography", "orjson", "rich"}
LOAD = """
import sys
import {module}
from detector.patterns.deferred_plugins import load_plugins
from detector.patterns.pattern import load_bundled
load_bundled()
load_plugins()
print(*{{name.partition(".")[0] for name in sys.modules}} - set(sys.stdlib_module_names))
"""


def test_the_filter_imports_no_source_of_events() -> None:
    script = "import sys, detector.redact.command; print('detector.adapters.bundled' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "False"


def imported_by(module: str, cache: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOAD.format(module=module)],
        capture_output=True,
        check=True,
        text=True,
        env={"XDG_CACHE_HOME": str(cache)},
    )
    names = done.stdout.split()
    # msgspec takes typing_extensions where there is one; `_x` are parts of libraries, and of an editable installation.
    return {name for name in names if not name.startswith("_") and name != "typing_extensions"}


@pytest.mark.parametrize(
    ("module", "allowed"),
    [("detector.redact.command", REDACT), ("detector.replay.replay_command", REPLAY)],
)
def test_a_command_imports_what_it_needs(
    module: str, allowed: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CURFEWD_NO_CACHE", raising=False)
    load_bundled()  # what the first start on a machine keeps
    load_plugins()
    assert imported_by(module, tmp_path) == allowed
