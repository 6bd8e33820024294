import os
import random

from detector.ingest.spool import Spool


def filled(data: bytes) -> Spool:
    spool = Spool()
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(data)
    spool.fill(reading)
    os.close(reading)
    return spool


def test_a_spool_gives_back_any_part_of_what_went_in() -> None:
    data = random.Random(1).randbytes(50_000)
    spool = filled(data)
    assert spool.size == len(data)
    for start, end in ((0, 50_000), (0, 1), (15, 17), (16, 32), (31, 49_999), (49_999, 60_000), (7, 7)):
        assert b"".join(spool.read(start, end)) == data[start:end]
    assert b"".join(spool.read(3, 40)) == data[3:40]  # and again


def test_what_is_on_disk_is_not_what_went_in() -> None:
    spool = filled(b"token=a-made-up-secret " * 100)
    on_disk = os.pread(spool._file.fileno(), spool.size, 0)
    assert len(on_disk) == spool.size
    assert b"secret" not in on_disk
    assert "key" not in repr(spool)


def test_the_file_has_no_name(tmp_path: "os.PathLike[str]") -> None:
    spool = Spool(str(tmp_path))
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - nothing is there, whatever the way to look
    assert spool.size == 0
