"""The state of one partition on disk, in RocksDB: a copy of its changelog that finds state by aggregate.

    a <digest of the aggregate's key, 16> <kind, 1> <name>   an entry of an aggregate's state
    t <time, 12> <digest, 16>                                a timer; follows from the entry `m`, not in the changelog
    w                                                        the watermark
    s                                                        how far each partition of the inputs was read, now and then
    n                                                        the totals of all aggregates
    v                                                        the version of these forms; see `stored_format`
    i                                                        the id of the topic that has all findings of this state
    p                                                        how far this copy has the changelog; not in the changelog

Keys and values are those of the changelog. If the store is lost, it is built again from there.

The changelog is the only log: RocksDB writes none of its own. What was written since the last flush is lost with the
process, the position with it. So whatever files open together are a state that the store once had, whole up to its
position. A log beside them would not be: a store that had lost its files got position and latest writes from there.
Files of a bulk load (`sst_file`) carry an id of their own, which the store remembers, and checksums that hold for one
file and place only: one of an earlier build is refused.
"""

import contextlib
import hashlib
import shutil
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from rocksdict import IngestExternalFileOptions, Options, Rdict, WriteBatch, WriteOptions

from detector.judge.stage import META, REPORTED, Change, Judgement
from detector.judge.totals import Totals
from detector.service.judge.store_memory import OPENING_BYTES, WRITING_BYTES, StoreMemory
from detector.values.shortage import check_room
from detector.values.stored_format import STORED_FORMAT
from detector.values.times import HOUR

AGGREGATE: Final = b"a"
TIMER: Final = b"t"
WATERMARK: Final = b"w"
SOURCES: Final = b"s"
TOTALS: Final = b"n"
FORMAT: Final = b"v"
FINDINGS_ID: Final = b"i"
_POSITION: Final = b"p"  # 0.1.0 kept it under `o`, and had a log: such a store is rebuilt
KIND_PLACE: Final = 17  # where the kind stands in the key of an entry
TIME_BYTES: Final = 12  # because the nanoseconds of the year 9999 do not fit into eight
LAST: Final = (1 << 8 * TIME_BYTES) - 1  # the latest time of a timer
TIMERS: Final = 1000  # are looked at together
_GATHERED: Final = 4  # RocksDB's own
_FLUSH_EVERY: Final = HOUR  # also with little to write: files whose position is too old are worth nothing


class Position(msgspec.Struct, frozen=True):
    """The offset before which a store has all of its changelog, and when that was checked (ns, wall clock).

    `topic_id` is that of the changelog, empty if brokers tell none or an earlier version wrote this. `format` is the
    version of what only the store has: this and the timers.
    """

    offset: int
    saved: int
    topic_id: str = ""
    format: int = STORED_FORMAT


def digest_of(key: str) -> bytes:
    """A digest of an aggregate's key: 16 bytes, however long the name of a task is."""
    return hashlib.blake2b(key.encode(), digest_size=16).digest()


def entry_key(digest: bytes, kind: bytes, name: bytes = b"") -> bytes:
    """The key of one entry of an aggregate's state."""
    return AGGREGATE + digest + kind + name


def time_of(timer: bytes) -> int:
    """The time of a timer, by its key."""
    return int.from_bytes(timer[1 : 1 + TIME_BYTES], "big")


def meta_value(timer: int | None, rest: bytes) -> bytes:
    """The value of the entry `m`. The timer stands first, so that the store finds it without decoding."""
    return (b"\xff" * TIME_BYTES if timer is None else max(timer, 0).to_bytes(TIME_BYTES, "big")) + rest


def changelog_changes(digest: bytes, judgement: Judgement) -> list[Change]:
    """The changes of an aggregate's state, as the changelog and the store have them."""
    prefix = AGGREGATE + digest
    return [
        (prefix + key, meta_value(judgement.timer, value) if key == META and value is not None else value)
        for key, value in judgement.changes
    ]


def _has_timer(meta: bytes) -> bool:
    """Whether the value of an entry `m` begins with a timer.

    A damaged one may be too short: whoever loads it finds out.
    """
    return len(meta) >= TIME_BYTES and meta[0] != 0xFF  # noqa: PLR2004 - as `meta_value` writes it


class Store:
    """One partition's state, with its part of `memory`. Any method may raise an error of RocksDB: destroy it then.

    It is made if there are no files. Of those that are left of a damaged one RocksDB would make an empty one.
    """

    def __init__(self, path: Path, memory: StoreMemory | None = None) -> None:
        path.mkdir(parents=True, exist_ok=True)
        check_room(OPENING_BYTES)
        threading.Thread(target=bool).start()  # RocksDB starts some, too
        options = Options(raw_mode=True)
        options.create_if_missing(not any(path.iterdir()))
        options.set_max_background_jobs(2)
        options.set_max_file_opening_threads(2)  # each takes 8 MB for its stack
        options.set_keep_log_file_num(2)
        options.set_paranoid_checks(True)
        (memory or StoreMemory()).bound(options)
        self._db: Any = Rdict(str(path), options)
        self._unlogged: Any = WriteOptions()
        self._linked: Any = IngestExternalFileOptions()
        self._linked.set_move_files(True)  # to another name: no copy is made
        self._unlogged.disable_wal = True  # type: ignore[method-assign,assignment]  # the stubs are wrong
        self._flushed: int | None = None

    @staticmethod
    def destroy(path: Path) -> None:
        """Removes a store, whatever its condition."""
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(path)

    def close(self) -> bool:
        """Closes the files. Whether RocksDB could write all of it: destroy the store else."""
        try:
            self._db.close()
        except Exception:  # noqa: BLE001 - RocksDB's errors have no class; it is closed all the same
            return False
        return True

    def position(self) -> Position | None:
        """How far it has the changelog, None if it was never complete."""
        value = self._db.get(_POSITION)
        return None if value is None else msgspec.msgpack.decode(value, type=Position)

    def watermark(self) -> int | None:
        """The watermark as written last, in ns."""
        value = self._db.get(WATERMARK)
        return None if value is None else int(value)

    def sources(self) -> dict[str, int]:
        """How far each partition of the inputs had been read when that was written last, in ns."""
        value = self._db.get(SOURCES)
        return {} if value is None else msgspec.json.decode(value, type=dict[str, int])

    def totals(self) -> Totals:
        """The totals as written last."""
        value = self._db.get(TOTALS)
        return Totals() if value is None else msgspec.json.decode(value, type=Totals)

    def format(self) -> bytes | None:
        """The version of the state's forms, None if 0.1.0 wrote all of it."""
        return self.get(FORMAT)

    def size(self) -> int:
        """Its size in bytes, with what is not in files yet. Uses RocksDB's counters and reads no data."""
        counts = ("rocksdb.live-sst-files-size", "rocksdb.cur-size-all-mem-tables")
        return sum(self._db.property_int_value(name) or 0 for name in counts)

    def get(self, key: bytes) -> bytes | None:
        """One value."""
        value: bytes | None = self._db.get(key)
        return value

    def knows(self, digest: bytes) -> bool:
        """Whether it has anything of an aggregate."""
        return self._db.get(entry_key(digest, META)) is not None

    def entries(self, digest: bytes) -> Iterator[tuple[bytes, bytes]]:
        """An aggregate's state, as `detector.judge.stage.State` has it."""
        prefix = AGGREGATE + digest
        rows = self._db.iter()
        rows.seek(prefix)
        while rows.valid():
            key = rows.key()
            if not key.startswith(prefix):
                return
            name, value = key[KIND_PLACE:], rows.value()
            yield name, value[TIME_BYTES:] if name == META else value
            rows.next()
        rows.status()  # raises if a damaged block ended the iteration, which else looks like its end

    def reporting(self, after: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """The next aggregates that have reported a finding: (digest, the value of its entry `m`).

        The digests are greater than `after`.
        """
        found: list[tuple[bytes, bytes]] = []
        rows = self._db.iter()
        rows.seek(AGGREGATE + after + b"\xff" if after else AGGREGATE)
        while rows.valid() and len(found) < limit and (key := rows.key())[:1] == AGGREGATE:
            digest = key[1:KIND_PLACE]
            rows.seek(AGGREGATE + digest + REPORTED)
            if rows.valid() and rows.key().startswith(AGGREGATE + digest + REPORTED):
                meta = self.get(entry_key(digest, META))
                found += [] if meta is None else [(digest, meta)]
            rows.seek(AGGREGATE + digest + b"\xff")
        if not rows.valid():
            rows.status()  # as above
        return found

    def due(self, start: int, until: int, limit: int) -> list[tuple[bytes, bytes]]:
        """The timers from one time to another, the earliest first: (key, digest of the aggregate).

        A late `start` saves RocksDB from stepping over the timers that were deleted.
        """
        found: list[tuple[bytes, bytes]] = []
        rows = self._db.iter()
        rows.seek(TIMER + max(start, 0).to_bytes(TIME_BYTES, "big"))
        while rows.valid() and len(found) < limit:
            key = rows.key()
            if key[:1] != TIMER or time_of(key) > until:
                break
            found.append((key, key[1 + TIME_BYTES :]))
            rows.next()
        if not rows.valid():
            rows.status()  # as above
        return found

    def is_timer(self, key: bytes, digest: bytes) -> bool:
        """Whether a timer that was `due` is still its aggregate's."""
        meta = self.get(entry_key(digest, META))
        return meta is not None and meta[:TIME_BYTES] == key[1 : 1 + TIME_BYTES]

    def ingest(self, file: Path) -> None:
        """Takes in a sorted file of changes on the same disk, all or none of them."""
        self._db.ingest_external_file([str(file)], self._linked)

    def gather(self, files: int = _GATHERED) -> None:
        """How many files come together before RocksDB merges them with others.

        It delays writes from five times as many.
        """
        self._db.set_options(
            {
                "level0_file_num_compaction_trigger": str(files),
                "level0_slowdown_writes_trigger": str(5 * files),
                "level0_stop_writes_trigger": str(9 * files),
            }
        )

    def is_behind(self, most: int) -> bool:
        """Whether RocksDB has more than so many files to merge with others, unless an error has ended that."""
        files, errors = map(
            self._db.property_int_value, ("rocksdb.num-files-at-level0", "rocksdb.background-errors")
        )
        return (files or 0) > most and not errors

    def restored(self, position: Position) -> None:
        """Says how far it has the changelog, and puts all of it into files."""
        self.write((), position)
        self._db.flush()

    def write(self, changes: Iterable[Change], position: Position | None = None) -> None:
        """Writes all changes or none. They are in files after the next flush."""
        check_room(WRITING_BYTES)
        self._db.write(self._batch(changes, position), self._unlogged)
        if position is None:
            return
        if self._flushed is None:
            self._flushed = position.saved
        elif position.saved - self._flushed >= _FLUSH_EVERY:
            self._db.flush(wait=False)
            self._flushed = position.saved

    def _batch(self, changes: Iterable[Change], position: Position | None) -> Any:
        batch = WriteBatch(raw_mode=True)
        for key, value in changes:
            if value is None:
                batch.delete(key)
                continue
            batch.put(key, value)
            if key[KIND_PLACE : KIND_PLACE + 1] == META and key[:1] == AGGREGATE and _has_timer(value):
                batch.put(TIMER + value[:TIME_BYTES] + key[1:KIND_PLACE], b"")
        if position is not None:
            batch.put(_POSITION, msgspec.msgpack.encode(position))
        return batch
