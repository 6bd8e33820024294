"""A spool of its own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.register.receiver import Receiver, receiver


@pytest.fixture(autouse=True)
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the spool, which is not there yet."""
    folder = tmp_path / "spool"
    monkeypatch.setenv("CURFEWD_SPOOL", str(folder))
    for name in ("CURFEWD_KEY", "CURFEWD_TO", "CURFEWD_TASK", "CURFEWD_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def receiving() -> Iterator[Receiver]:
    with receiver() as taken:
        yield taken
