"""A snapshot of the registry is what the registry was, or it is not used."""

import contextlib
import os
import random
import resource
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.judge.routing import encode, registry_key
from detector.registry.finders import Finders
from detector.registry.registered import RegisteredCredentials
from detector.registry.snapshot import (
    OLDEST,
    VERSION,
    Header,
    Origin,
    SnapshotError,
    Writing,
    keys_id,
    opened,
)
from detector.scan.known_credentials import KeyRing
from detector.scan.sightings import NoPatterns
from detector.values.events import CredentialIssued, Identifier
from detector.values.secrets import DeploymentKey, Secret
from detector.values.times import HOUR
from tests.fake_records import FakeRecord

KEY = DeploymentKey.of(bytes(range(32)))
ORIGIN = Origin("registry", "0f" * 16, keys_id((KEY,)))
NOW = 1_764_333_333_000_000_000
SPANS = {0: (0, 1000)}
SECRETS = [f"aGlkZGVuU2VjcmV0{number:02}" for number in range(6)]


def issue(number: int, event: int) -> CredentialIssued:
    identifiers = (
        *KeyRing((KEY,)).identifiers(Secret(SECRETS[number].encode())),
        Identifier("jwt-id", f"j{number % 2}"),
    )
    return CredentialIssued(
        time=event,
        source="s",
        id=str(event),
        credential_id=f"c{number}",
        task_id=f"t{number}",
        identifiers=identifiers,
    )


def record(offset: int, number: int, event: int, *, gone: bool = False) -> FakeRecord:
    one = issue(number, event)
    return FakeRecord(None if gone else encode(one), offset, key=registry_key(one))


def fresh() -> RegisteredCredentials:
    return RegisteredCredentials(Finders(NoPatterns(), (KEY,)))


def saved(path: Path, registered: RegisteredCredentials, offset: int, now: int = NOW) -> int:
    writing = Writing(path)
    try:
        image = registered.registry.image()
        writing.write(image)
        return writing.finish(ORIGIN, image, {0: offset}, now)
    finally:
        writing.close()


def answers(registered: RegisteredCredentials) -> object:
    registry, seen = registered.registry, registered.finders.known.seen
    return (
        sorted(map(repr, registry.identifiers())),
        [registry.known(f"c{number}") for number in range(len(SECRETS))],
        [registry.by_identifier(Identifier("jwt-id", f"j{number}")) for number in range(2)],
        [seen(f"x {secret} y".encode()) for secret in SECRETS],
        [seen(f"x {secret} y".lower().encode()) for secret in SECRETS],
        (len(registry), registry.conflicts),
    )


steps = st.lists(
    st.tuples(st.integers(0, len(SECRETS) - 1), st.integers(0, 2), st.booleans()), min_size=1, max_size=20
)


@given(steps, st.integers(0, 20), st.integers(0, 20), st.booleans())
async def test_a_snapshot_and_the_rest_are_as_the_whole_topic(
    tmp_path_factory: pytest.TempPathFactory,
    some: list[tuple[int, int, bool]],
    cut: int,
    again: int,
    compacted: bool,  # noqa: FBT001 - drawn
) -> None:
    records = [record(offset, number, event, gone=gone) for offset, (number, event, gone) in enumerate(some)]
    cut = min(cut, len(records))
    whole, first, second = fresh(), fresh(), fresh()
    await whole.apply(records)
    await first.apply(records[:cut])
    if compacted:
        first.registry.compact()
    path = tmp_path_factory.mktemp("snapshot") / "registry.snapshot"
    saved(path, first, cut)
    image, header = opened(path, ORIGIN, NOW + HOUR, SPANS)
    await second.resume(image)
    assert answers(second) == answers(first)
    before = path.read_bytes()
    # What came after the offsets were noted is in it already, and is read again.
    await second.apply(records[max(header.offsets[0] - again, 0) :])
    assert answers(second) == answers(whole)
    assert path.read_bytes() == before


@pytest.fixture
async def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    registered = fresh()
    await registered.apply([record(offset, offset, offset) for offset in range(len(SECRETS))])
    path = tmp_path_factory.mktemp("snapshot") / "registry.snapshot"
    saved(path, registered, len(SECRETS))
    return path


def test_it_is_for_its_owner_only_and_has_no_key(snapshot: Path) -> None:
    assert snapshot.stat().st_mode & 0o777 == 0o600
    data = snapshot.read_bytes()
    assert not any(
        part in data for part in (KEY.material, KEY.material.hex().encode(), *map(str.encode, SECRETS))
    )


async def test_one_that_is_damaged_is_not_used(snapshot: Path, tmp_path: Path) -> None:
    data, rng, refused = snapshot.read_bytes(), random.Random(7), 0
    image, _ = opened(snapshot, ORIGIN, NOW, SPANS)
    ours = fresh()
    await ours.resume(image)
    path = tmp_path / "damaged"
    for at in [*rng.sample(range(len(data)), 200), *range(48)]:
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :])
        try:
            image, _ = opened(path, ORIGIN, NOW, SPANS)
        except SnapshotError:
            refused += 1
            continue
        theirs = fresh()  # what was hit is no part of it
        await theirs.resume(image)
        assert answers(theirs) == answers(ours)
    assert refused >= 48


def test_one_that_ends_too_early_is_not_used(snapshot: Path, tmp_path: Path) -> None:
    data, path = snapshot.read_bytes(), tmp_path / "short"
    for size in {
        0,
        1,
        40,
        48,
        4096,
        len(data) // 2,
        len(data) - 1,
        *random.Random(7).sample(range(len(data)), 50),
    }:
        path.write_bytes(data[:size])
        with pytest.raises(SnapshotError, match=r"not whole|damaged|cannot be read"):
            opened(path, ORIGIN, NOW, SPANS)


def replaced(path: Path, new: Path, **changes: object) -> Path:
    """The same snapshot with another header."""
    _, header = opened(path, ORIGIN, NOW, SPANS)
    data = path.read_bytes()
    new.write_bytes(data)
    text = msgspec.json.encode(msgspec.structs.replace(header, **changes))
    with new.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        begin = file.tell()
        file.write(text)
        file.seek(16)
        file.write(b"".join(number.to_bytes(8, "little") for number in (begin, len(text), zlib.crc32(text))))
    return new


def test_one_of_something_else_is_not_used(snapshot: Path, tmp_path: Path) -> None:
    def why(path: Path, origin: Origin = ORIGIN, now: int = NOW, spans: object = SPANS) -> str:
        with pytest.raises(SnapshotError) as raised:
            opened(path, origin, now, spans)  # type: ignore[arg-type]
        return str(raised.value)

    other = DeploymentKey.of(bytes(32))
    assert why(tmp_path / "none") == "there is none"
    assert "Is a directory" in why(tmp_path)
    assert why(snapshot, msgspec.structs.replace(ORIGIN, topic_id="e1" * 16)) == "it belongs to another topic"
    assert why(snapshot, msgspec.structs.replace(ORIGIN, topic="other")) == "it belongs to another topic"
    assert "deployment keys" in why(snapshot, msgspec.structs.replace(ORIGIN, keys=keys_id((other,))))
    assert "too old" in why(snapshot, now=NOW + OLDEST + 1)
    assert "too old" in why(snapshot, now=NOW - 1)
    for spans in ({0: (7, 1000)}, {0: (0, 5)}, {1: (0, 1000)}):
        assert "offsets" in why(snapshot, spans=spans)
    assert f"format {VERSION + 1}" in why(replaced(snapshot, tmp_path / "later", version=VERSION + 1))
    (tmp_path / "link").symlink_to(snapshot)
    assert "cannot be opened" in why(tmp_path / "link")


def test_places_outside_the_file_are_not_mapped(snapshot: Path, tmp_path: Path) -> None:
    header: Header
    _, header = opened(snapshot, ORIGIN, NOW, SPANS)
    for change in (
        {"room": 1 << 40},
        {"begin": 1 << 40},
        {"begin": 1},
        {"used": 1 << 40},
        {"used": 0},
        {"type": "|O"},
    ):
        sections = (msgspec.structs.replace(header.sections[0], **change), *header.sections[1:])
        with pytest.raises(SnapshotError):
            opened(replaced(snapshot, tmp_path / "outside", sections=sections), ORIGIN, NOW, SPANS)


def test_two_do_not_write_at_once(tmp_path: Path) -> None:
    with contextlib.closing(Writing(tmp_path / "s")), pytest.raises(BlockingIOError):
        Writing(tmp_path / "s")
    assert not [*tmp_path.iterdir()]


WRITER = """
import asyncio, sys
from pathlib import Path
from tests.registry.test_snapshot import fresh, record, saved
async def main():
    registered = fresh()
    await registered.apply([record(offset, offset % 6, offset) for offset in range(60)])
    while True:
        saved(Path(sys.argv[1]), registered, 60)
        print("saved", flush=True)
asyncio.run(main())
"""


@contextlib.contextmanager
def writer(path: Path) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_kill_leaves_a_snapshot_that_is_whole(tmp_path: Path) -> None:
    path, rng = tmp_path / "registry.snapshot", random.Random(7)
    for _ in range(3):
        with writer(path) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "saved\n"
            time.sleep(rng.random() / 20)
            process.send_signal(signal.SIGKILL)
        opened(path, ORIGIN, NOW, SPANS)
        with contextlib.closing(Writing(path)):  # what it left beside is taken over
            pass


async def test_a_full_disk_leaves_the_last_one(tmp_path: Path) -> None:
    registered, path = fresh(), tmp_path / "registry.snapshot"
    await registered.apply([record(offset, offset, offset) for offset in range(3)])
    saved(path, registered, 3)
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with pytest.raises(OSError, match="large"):
            saved(path, registered, 3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before
    assert [*tmp_path.iterdir()] == [path]
