"""The catalogue of the sources: each adapter is in it, and its shapes are those of the samples."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from detector.adapters import names
from detector.adapters.adapter import Adapter
from detector.adapters.bundled import ADAPTERS
from detector.adapters.catalog import CATALOG, nearest_source
from detector.adapters.fields import find
from tests.adapters.test_samples import FOLDER

SHAPES = [(name, shape) for name, entry in CATALOG.items() for shape in entry.shapes]


def test_every_source_is_in_the_catalogue_in_its_order() -> None:
    assert list(CATALOG) == list(names.SOURCES)


def samples(name: str) -> Iterator[dict[str, Any]]:
    """The records of a source, without a carrier."""
    for sample in json.loads((FOLDER / f"{name}.json").read_text()):
        record = sample["record"]
        bare = next((held for key in ("object", "body") if isinstance(held := record.get(key), dict)), record)
        if adapter_of(name).looks_like(bare):
            yield bare


def adapter_of(name: str) -> Adapter:
    return next(one for one in ADAPTERS if one.name == name)


def without(record: Any, path: str) -> Any:
    name, _, rest = path.partition(".")
    if not rest:
        return {key: value for key, value in record.items() if key != name}
    return {**record, name: without(record[name], rest)}


@pytest.mark.parametrize(
    ("name", "shape"), SHAPES, ids=[f"{name}-{'-'.join(shape)}" for name, shape in SHAPES]
)
def test_a_record_that_lacks_one_field_of_a_shape_is_nearest_to_its_source(
    name: str, shape: tuple[str, ...]
) -> None:
    whole = [record for record in samples(name) if all(find(record, path) is not None for path in shape)]
    assert whole, "no sample has these fields"
    adapter = adapter_of(name)
    needed = 0
    for path in shape:
        lacking = without(whole[0], path)
        if not adapter.looks_like(lacking):
            needed += 1
            nearest = nearest_source(lacking)
            assert nearest is None or nearest.source == name
            assert nearest is None or path in nearest.missing
    assert needed, "its records are recognised without any of these fields"


def test_everyday_records_are_near_to_no_source() -> None:
    for record in (
        {"message": "hello", "time": "2026-05-01T08:00:00Z", "level": "info"},
        {"type": "request", "request": {"path": "/"}},
        {"kind": "Pod"},
        {},
    ):
        assert nearest_source(record) is None
