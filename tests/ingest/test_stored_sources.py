"""Many sources in little memory: they are what they were, in their order, and read the same bytes."""

import tracemalloc
from pathlib import Path

import msgspec
import pytest

from detector.ingest.sources import Asked, Place, Source, from_file
from detector.ingest.stored_sources import Sources, in_order


@pytest.fixture
def near(tmp_path: Path) -> Source:
    (tmp_path / "a.log").write_text("near\n")
    return from_file(tmp_path / "a.log", Asked())


def far(number: int, near: Source) -> Source:
    url = f"s3://bucket/{number:05}.log"
    return msgspec.structs.replace(near, name=url, place=Place(url, 0, number, 1), size=number)


def test_they_are_what_they_were(near: Source) -> None:
    many = [far(number, near) for number in range(1000)]
    many[3] = near
    sources = Sources(many)
    assert len(sources) == 1000
    assert [source.name for source in sources] == [source.name for source in many]
    assert (sources[999].name, sources[-1].size, sources[700].place) == (many[999].name, 999, many[700].place)
    assert sources[3] is near
    assert [source.size for source in sources[250:260]] == list(range(250, 260))
    with pytest.raises(IndexError):
        sources[1000]
    elsewhere = Sources(held=sources.packed())
    assert [source.name for source in elsewhere] == [source.name for source in many]
    assert b"".join(elsewhere[3].raw(0, 5)) == b"near\n"


def test_they_take_little_memory(near: Source) -> None:
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    sources = Sources(far(number, near) for number in range(10_000))
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(sources) == 10_000
    assert after - before < 100 * 10_000


def test_other_names_are_made_a_block_at_a_time(near: Source) -> None:
    asked: list[int] = []

    def names_of(names: object) -> list[str]:
        assert isinstance(names, list)
        asked.append(len(names))
        return [f"<{name}>" for name in names]

    sources = Sources([*(far(number, near) for number in range(600)), near]).named(names_of)
    assert asked == []
    assert sources[599].name == "<s3://bucket/00599.log>"
    assert sources[600].name == f"<{near.name}>"
    assert asked == [89]


def test_they_are_ordered_by_name_and_each_url_is_there_once(near: Source) -> None:
    sources = in_order(Sources([far(2, near), far(1, near), near, far(2, near), near]))
    assert [source.name for source in sources] == sorted(
        [near.name, f"{near.name}#2", "s3://bucket/00001.log", "s3://bucket/00002.log"]
    )
    ascending = Sources([far(1, near), far(2, near)])
    assert in_order(ascending) is ascending
