"""`curfewd facts DIR --parquet OUT`: what scans found as Parquet files, one for each type of fact, with typed columns.

The columns are the fields of the facts. pyarrow is an extra.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

import msgspec

from detector.configuration.settings import Settings
from detector.ingest.remote import is_url
from detector.ingest.units import Unit
from detector.replay.facts_folder import SCAN_FOLDER, FactsFolder, open_folder
from detector.replay.unit_facts import KINDS
from detector.scan.leaks import UNKNOWN_TIME
from detector.stages.ranges import RangeFacts
from detector.terminal.output import shown, why
from detector.values.errors import UsageError
from detector.values.times import SECOND
from detector.values.wording import counted

_INSTALL: Final = "--parquet needs pyarrow: pip install '.[parquet]' in the checkout of curfewd"
_MICROSECOND: Final = SECOND // 1_000_000
_TIMES: Final = frozenset({"time", "allowed_until", "received"})
_ROWS: Final = 1 << 16  # that are written together


def write_parquet(config: str | None, folder_paths: Sequence[str], out: str) -> str:
    """Writes the facts in folders; a sentence that says what is there.

    Raises:
        UsageError: pyarrow is missing, the configuration or a folder is wrong, or `out` cannot be written.
    """
    try:
        import pyarrow.parquet  # noqa: F401, PLC0415 - an extra
    except ImportError:
        raise UsageError(_INSTALL) from None
    if is_url(out):
        raise UsageError(f"--parquet {shown(out)}: name a folder on this machine")
    settings = Settings.load(config)
    folders = [open_folder(path, settings.keys) for path in dict.fromkeys(folder_paths)]
    try:
        Path(out).mkdir(mode=0o700, parents=True, exist_ok=True)
        counts = [_written(kind, folders, Path(out)) for kind in KINDS]
    except OSError as error:
        raise UsageError(f"--parquet {shown(out)}: {why(error)}") from None
    return f"{counted(sum(counts), 'fact')} in {shown(out)}: {', '.join(f'{kind}.parquet' for kind in KINDS)}"


def schema_of(kind: str) -> Any:
    """The schema of the facts of a type."""
    import pyarrow as pa  # noqa: PLC0415 - an extra

    fields = [pa.field("folder", pa.string(), nullable=False), pa.field("unit", pa.int64(), nullable=False)]
    for name, hint in get_type_hints(KINDS[kind]).items():
        optional = type(None) in get_args(hint) or name in _TIMES
        fields.append(pa.field(name, _type_of(name, hint), nullable=optional))
    return pa.schema(fields)


def _type_of(name: str, hint: Any) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - as above

    if get_origin(hint) is UnionType:
        (hint,) = (each for each in get_args(hint) if each is not type(None))
    if get_origin(hint) is tuple:
        return pa.list_(_type_of("", get_args(hint)[0]))
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return pa.struct([(each, _type_of("", kind)) for each, kind in get_type_hints(hint).items()])
    if name in _TIMES:
        return pa.timestamp("us", "UTC")
    return {str: pa.string(), int: pa.int64()}[hint]


def _written(kind: str, folders: Sequence[FactsFolder], out: Path) -> int:
    """Writes all facts of a type. The file appears whole."""
    import pyarrow as pa  # noqa: PLC0415 - as above
    from pyarrow import parquet  # noqa: PLC0415 - as above

    schema = schema_of(kind)
    part = out / f".{kind}.parquet.part"
    written = 0
    file = os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(file, "wb") as sink, parquet.ParquetWriter(sink, schema, compression="zstd") as writer:
        rows: list[dict[str, Any]] = []
        for row in _rows(kind, folders):
            rows.append(row)
            if len(rows) == _ROWS:
                writer.write_table(pa.Table.from_pylist(rows, schema))
                written += len(rows)
                rows = []
        writer.write_table(pa.Table.from_pylist(rows, schema))
        written += len(rows)
    part.replace(out / f"{kind}.parquet")
    return written


def _rows(kind: str, folders: Sequence[FactsFolder]) -> Iterator[dict[str, Any]]:
    for folder in folders:
        for number, unit in enumerate(() if folder.inputs is None else folder.inputs.units):
            facts = _facts_of(folder, Unit(*unit))
            for fact in (*facts.leaks, *facts.limited, *facts.uses, *facts.dead_letters):
                if isinstance(fact, KINDS[kind]):
                    cells = {name: _cell(name, value) for name, value in msgspec.structs.asdict(fact).items()}
                    yield {"folder": folder.name, "unit": number, **cells}


def _facts_of(folder: FactsFolder, unit: Unit) -> RangeFacts:
    """The facts of a unit. One with nothing but lifecycle events was not scanned."""
    rest = None if folder.has(SCAN_FOLDER, unit) else folder.lifecycle(unit).rest
    return folder.scan(unit) if rest is None else rest


def _cell(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, tuple):
        return [_cell("", each) for each in value]
    if isinstance(value, msgspec.Struct):
        return {each: _cell("", part) for each, part in msgspec.structs.asdict(value).items()}
    if name in _TIMES and value is not None:
        return None if value == UNKNOWN_TIME else value // _MICROSECOND
    return value
