"""The facts of a scan as Parquet: pyarrow and DuckDB read back what the scan found, with the documented types."""

from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import pytest

from detector.cli import main
from detector.configuration.deployment_keys import KEY_VARIABLE
from detector.configuration.settings import Settings
from detector.ingest.units import Unit
from detector.replay.facts_commands import run_scan
from detector.replay.facts_folder import open_folder
from detector.replay.facts_parquet import schema_of
from detector.replay.replay_command import Request
from detector.replay.unit_facts import KINDS
from detector.scan.leaks import UNKNOWN_TIME
from tests.replay.files_of_histories import POLICY, everything
from tests.small_history import KEY_TEXT, NOW

pytestmark = pytest.mark.spark  # which installs pyarrow
PAGE = Path(__file__).parents[2] / "docs" / "scale.md"


@pytest.fixture
def facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[msgspec.Struct]:
    """All facts of a scan of every kind of input, in order."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY_VARIABLE, KEY_TEXT)
    everything(Path("all"))
    Path("curfewd.toml").write_text(POLICY)
    run_scan(Request(config="curfewd.toml", paths=("all",), jobs=1, now=NOW), "facts")
    folder = open_folder("facts", Settings.load("curfewd.toml").keys)
    assert folder.inputs is not None
    units = [Unit(*unit) for unit in folder.inputs.units]
    found = [
        folder.scan(unit)
        if folder.has("scan", unit)
        else folder.lifecycle(unit).rest or pytest.fail("no facts")
        for unit in units
    ]
    return [*chain.from_iterable((*one.leaks, *one.limited, *one.uses, *one.dead_letters) for one in found)]


def plain(value: Any) -> Any:
    """A value as it comes back from Parquet."""
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    if isinstance(value, msgspec.Struct):
        return {name: plain(each) for name, each in msgspec.structs.asdict(value).items()}
    return value


def test_they_are_read_back(facts: list[msgspec.Struct]) -> None:
    import duckdb  # noqa: PLC0415 - `make test` has none
    from pyarrow import parquet  # noqa: PLC0415 - as above

    assert main(["facts", "facts", "--parquet", "out", "--config", "curfewd.toml"]) == 0
    counts = {}
    for name, kind in KINDS.items():
        expected = [plain(fact) for fact in facts if isinstance(fact, kind)]
        table = parquet.read_table(f"out/{name}.parquet")
        assert table.schema.equals(schema_of(name))
        for column in table.column_names[2:]:
            found = table[column]
            if str(found.type) == "timestamp[us, tz=UTC]":
                found = found.cast("int64")
                for row in expected:
                    row[column] = None if row[column] in {None, UNKNOWN_TIME} else row[column] // 1000
            assert found.to_pylist() == [row[column] for row in expected], (name, column)
        assert set(table["folder"].to_pylist()) <= {"facts"}
        (counted,) = duckdb.read_parquet(f"out/{name}.parquet").count("*").fetchall()[0]
        assert counted == len(expected)
        assert counted or name == "limited"
        counts[name] = counted
        assert Path(f"out/{name}.parquet").stat().st_mode & 0o777 == 0o600
    assert sum(counts.values()) == len(facts)
    assert sorted(path.name for path in Path("out").iterdir()) == sorted(f"{name}.parquet" for name in KINDS)


def test_what_cannot_be_written_is_told(
    facts: list[msgspec.Struct], capsys: pytest.CaptureFixture[str]
) -> None:
    assert facts
    Path("file").write_text("x")
    assert main(["facts", "facts", "--parquet", "file", "--config", "curfewd.toml"]) == 2
    assert main(["facts", "facts", "--parquet", "s3://bucket/out", "--config", "curfewd.toml"]) == 2
    assert "name a folder on this machine" in capsys.readouterr().err


def test_the_page_has_the_schema() -> None:
    rows = [
        f"| `{name}.parquet` | {', '.join(f'`{field.name}` {field.type}' for field in schema_of(name))} |"
        for name in KINDS
    ]
    assert "\n".join(rows) in PAGE.read_text()
