"""Writes the output files of a replay: each appears whole or not at all, and the same input gives the same bytes."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final

import orjson

from detector.judge.rules.titles import Patterns
from detector.outputs.commands import command_record
from detector.outputs.ocsf import finding_records
from detector.outputs.summary import Summary
from detector.records.dead_letters import DeadLetter
from detector.values.errors import UsageError
from detector.values.findings import Command, Finding
from detector.values.wording import Clean

FINDINGS: Final = "findings.jsonl"
REVOCATIONS: Final = "revocations.jsonl"
DEAD_LETTERS: Final = "dead-letters.jsonl"
SUMMARY: Final = "summary.json"


def write_all(  # noqa: PLR0913 - the four files of the contract, and what two of them are made with
    folder: Path,
    *,
    findings: Iterable[Finding],
    commands: Iterable[Command],
    dead_letters: Iterable[DeadLetter],
    summary: Summary,
    patterns: Patterns,
    clean: Clean,
) -> None:
    """Writes findings.jsonl, revocations.jsonl, dead-letters.jsonl and summary.json into `folder`, made if need be.

    Raises:
        UsageError: the folder or a file cannot be written; what was there before is left as it was.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the output folder {folder}: {error.strerror}") from error
    write_lines(folder / FINDINGS, finding_records(findings, patterns, clean))
    write_lines(folder / REVOCATIONS, (command_record(one, clean) for one in commands))
    write_lines(folder / DEAD_LETTERS, (_cleaned(one.record(), clean) for one in dead_letters))
    write_document(folder / SUMMARY, summary.record())


def _cleaned(record: Mapping[str, Any], clean: Clean) -> dict[str, Any]:
    """A dead letter names a source and a field, which may be anything that was read."""
    return {name: clean(value) if isinstance(value, str) else value for name, value in record.items()}


def line(record: Mapping[str, Any]) -> bytes:
    """One record as one line of JSON, its newline included."""
    return dumps(record, orjson.OPT_APPEND_NEWLINE)


def dumps(record: Mapping[str, Any], option: int = 0) -> bytes:
    """JSON bytes; half of a surrogate pair, which JSON text can carry and UTF-8 cannot, becomes `?`."""
    try:
        return orjson.dumps(record, option=option)
    except orjson.JSONEncodeError:
        return orjson.dumps(_utf8(record), option=option)


def _utf8(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, Mapping):
        return {_utf8(key): _utf8(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_utf8(item) for item in value]
    return value


def write_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Writes JSON lines."""
    with replacing(path) as file:
        for record in records:
            file.write(line(record))


def write_document(path: Path, record: Mapping[str, Any]) -> None:
    """Writes one JSON document, indented for a person."""
    with replacing(path) as file:
        file.write(dumps(record, orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of `path` once it is complete and on disk, and vanishes if it never is.

    Raises:
        UsageError: it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
