"""A folder of facts: what the units of a history say, kept so that it can be judged again without reading the history.

    facts.json                what is in the folder, and what it was made with
    inputs.sealed             the sources and the units they are cut into
    lifecycle/000/000012.sealed   what unit 12 says of tasks and credentials
    scan/000/000012.jsonl.zst     what a scan found in unit 12
    complete.json             written last: all units are there

A file appears whole or not at all. So an interrupted scan resumes where it was. docs/scale.md has the format.

Events that nobody has masked yet may hold a secret, and so may the name of a file. They are sealed: encrypted with
AES-256-GCM under a key made of the deployment key. All files of this machine can be read by their owner alone.
"""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeVar

import msgspec
import zstandard

from detector.ingest.remote import is_url
from detector.ingest.sources import StoredSource
from detector.ingest.units import Unit
from detector.records.dead_letters import DeadLetter
from detector.replay.facts_files import LOCK, FactsFiles, FarFiles, NearFiles
from detector.replay.sealing import MOST, Sealer
from detector.replay.unit_facts import COLUMNS, FORMAT, Blinding, scan_facts, scan_rows
from detector.scan.pages import Rows
from detector.stages.ranges import LifecycleFacts, RangeFacts
from detector.terminal.output import shown, why
from detector.values.errors import InputError, UsageError
from detector.values.events import Identifier
from detector.values.secrets import DeploymentKey

_FACTS: Final = "facts.json"
_INPUTS: Final = "inputs.sealed"
_COMPLETE: Final = "complete.json"
_IN_A_FOLDER: Final = 1000  # files
_LEVEL: Final = 3  # of Zstandard
_HASH: Final = 16  # bytes: two of several billion identifiers do not have the same

_T = TypeVar("_T")


class Made(msgspec.Struct, frozen=True):
    """What facts were made with: of other settings, other facts would come.

    `keys` are the ids of the deployment keys, made under themselves. `settings` has a keyed hash of each part of the
    configuration that a scan goes by. `now` is the wall clock of the scan (ns).
    """

    curfewd: str
    now: int
    keys: tuple[str, ...]
    settings: dict[str, str]
    facts: int = FORMAT
    columns: dict[str, tuple[str, ...]] = msgspec.field(default_factory=lambda: COLUMNS)


class Inputs(msgspec.Struct, frozen=True):
    """What was read: the sources, their units (source, start, end), inputs that could not be opened, and warnings."""

    sources: tuple[StoredSource, ...]
    units: tuple[tuple[int, int, int], ...]
    letters: tuple[DeadLetter, ...]
    passed_over: tuple[str, ...]


class Completed(msgspec.Struct, frozen=True):
    """What is known at the end of a scan.

    `registry` is a keyed hash of all registered identifiers: the logs were searched for these. `text_lines` has, for
    files of text with records that look like events, the line that makes them text.
    """

    registry: str
    text_lines: dict[int, int | None]


class FactsFolder:
    """The facts in one folder. `made`, `inputs` and `completed` are None until they are there.

    Raises:
        UsageError: it is no such folder, was made with another key, or cannot be read.
    """

    def __init__(self, path: str, keys: Sequence[DeploymentKey]) -> None:
        self.name = shown(path)
        self._files: FactsFiles = FarFiles(path) if is_url(path) else NearFiles(path)
        self._present: dict[str, set[str]] = {}  # files by stage
        self.sealer = Sealer(keys)
        self.blinding = Blinding(self.sealer.hash_key)
        self.made = self._read(_FACTS, Made)
        self.inputs: Inputs | None = None
        if self.made is not None:
            if self.made.facts != FORMAT:
                raise UsageError(
                    f"{self.name}: facts of another version of curfewd: scan again, into another folder"
                )
            if self.made.keys != self.sealer.keys:
                raise UsageError(
                    f"{self.name}: the facts were made with other deployment keys: use the configuration of the scan"
                )
            self.inputs = self._unsealed(_INPUTS, Inputs)
        self.completed = self._read(_COMPLETE, Completed)
        self._numbers: dict[tuple[int, int, int], int] = {}
        self._number_units()

    def create(self, made: Made, inputs: Inputs) -> None:
        """Begins a scan of these inputs.

        Raises:
            UsageError: there are files in the folder already, or it cannot be written.
        """
        try:
            if self._files.names() - {LOCK}:
                raise UsageError(f"{self.name}: there are other files in it: name a new folder")
            self.made, self.inputs = made, inputs
            self._number_units()
            self._files.write(_INPUTS, self.sealer.seal(_INPUTS, inputs))
            self._files.write(
                _FACTS, msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n", new=True
            )
        except FileExistsError:
            raise UsageError(
                f"{self.name}: another scan has started there: start again to resume it"
            ) from None
        except OSError as error:
            raise UsageError(f"{self.name}: {why(error)}") from None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other scans out.

        Raises:
            UsageError: another one is at work, or the folder cannot be written.
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self._files.locked())
            except BlockingIOError:
                raise UsageError(f"{self.name}: another scan writes into it") from None
            except OSError as error:
                raise UsageError(f"{self.name}: {why(error)}") from None
            yield

    def complete(self, completed: Completed) -> None:
        """Says that all units are there."""
        self._files.write(_COMPLETE, msgspec.json.encode(completed) + b"\n")
        self.completed = completed

    def registry_hash(self, identifiers: Iterable[Identifier]) -> str:
        """A keyed hash of a set of identifiers."""
        encoder = msgspec.json.Encoder()
        hashes = Rows()
        for each in identifiers:
            data = encoder.encode(each)
            hashes.add(hashlib.blake2b(data, digest_size=_HASH, key=self.sealer.hash_key.material).digest())
        ordered = hashes.array(f"S{_HASH}")
        ordered.sort()
        return self.sealer.hash_of(hashlib.sha256(ordered).digest())

    # The facts of units

    def has(self, stage: str, unit: Unit) -> bool:
        """Whether the facts of a unit are there."""
        if stage not in self._present:
            self._present[stage] = self._files.names(stage)
        return self._file(stage, unit) in self._present[stage]

    def keep_lifecycle(self, unit: Unit, facts: LifecycleFacts) -> None:
        """Writes what a unit says of tasks and credentials.

        Raises:
            OSError: it cannot be written.
        """
        name = self._file(LIFECYCLE_FOLDER, unit)
        self._files.write(name, self.sealer.seal(name, facts))

    def lifecycle(self, unit: Unit) -> LifecycleFacts:
        """What a unit says of tasks and credentials.

        Raises:
            UsageError: it is damaged or missing.
        """
        found = self._unsealed(self._file(LIFECYCLE_FOLDER, unit), LifecycleFacts)
        if found is None:
            raise self._damaged(self._file(LIFECYCLE_FOLDER, unit))
        return found

    def keep_scan(self, unit: Unit, facts: RangeFacts) -> None:
        """Writes what a scan found in a unit.

        Raises:
            OSError: it cannot be written.
        """
        rows = scan_rows(facts, self.blinding)
        self._files.write(
            self._file(SCAN_FOLDER, unit),
            zstandard.ZstdCompressor(_LEVEL, write_checksum=True).compress(rows),
        )

    def scan(self, unit: Unit) -> RangeFacts:
        """What a scan found in a unit.

        Raises:
            UsageError: it is damaged or missing.
        """
        name = self._file(SCAN_FOLDER, unit)
        try:
            packed = self._files.read(name)
            if packed is None:
                raise self._damaged(name)
            return scan_facts(zstandard.ZstdDecompressor().decompress(packed, MOST), self.blinding)
        except (OSError, zstandard.ZstdError, msgspec.DecodeError, ValueError):
            raise self._damaged(name) from None

    def _number_units(self) -> None:
        if self.inputs is not None:
            self._numbers = {unit: number for number, unit in enumerate(self.inputs.units)}

    def _file(self, stage: str, unit: Unit) -> str:
        number = self._numbers[unit.source, unit.start, unit.end]
        ending = "jsonl.zst" if stage == SCAN_FOLDER else "sealed"
        return f"{stage}/{number // _IN_A_FOLDER:03d}/{number:06d}.{ending}"

    def _damaged(self, name: str) -> UsageError:
        return UsageError(
            f"{self.name}: {name} is missing or damaged: remove it, and scan again into this folder"
        )

    # Files

    def _read(self, name: str, gives: type[_T]) -> _T | None:
        try:
            data = self._files.read(name)
            return None if data is None else msgspec.json.decode(data, type=gives)
        except OSError as error:
            raise UsageError(f"{self.name}: {why(error)}") from None
        except msgspec.DecodeError:
            raise UsageError(
                f"{self.name}: {name} is not one of curfewd's files: name another folder"
            ) from None

    def _unsealed(self, name: str, gives: type[_T]) -> _T | None:
        try:
            data = self._files.read(name)
            return None if data is None else self.sealer.unseal(name, data, gives)
        except (OSError, ValueError):
            raise self._damaged(name) from None


LIFECYCLE_FOLDER: Final = "lifecycle"
SCAN_FOLDER: Final = "scan"


def open_folder(path: str, keys: Sequence[DeploymentKey]) -> FactsFolder:
    """A folder whose scan is complete.

    Raises:
        InputError: it is not there, or its scan is not complete.
        UsageError: as `FactsFolder`.
    """
    folder = FactsFolder(path, keys)
    if folder.made is None or folder.inputs is None:
        raise InputError(f"{folder.name}: no facts in it: `curfewd scan --facts` writes them")
    if folder.completed is None:
        raise InputError(f"{folder.name}: its scan is not finished: run it again, and it resumes")
    return folder
