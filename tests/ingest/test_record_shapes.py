"""Sources are not asked about objects whose names they always turn away, and nothing else changes."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.adapters.adapter import Adapter, Record
from detector.adapters.bundled import ADAPTERS, CARRIERS
from detector.ingest.record_shapes import RecordShapes

SAMPLES = Path(__file__).parents[1] / "adapters" / "samples"


def objects_in(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for held in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects_in(held)


OBJECTS = [
    value
    for path in sorted(SAMPLES.glob("*.json"))
    for value in objects_in(json.loads(path.read_text()))
    if len(value) > 1
]
VALUES = [*(held for value in OBJECTS[::7] for held in value.values()), None, "", 0, 1.5, [], {}, [{}], True]


@settings(max_examples=60)
@given(st.randoms(use_true_random=False), st.sampled_from([0.0, 0.3, 0.8]))
def test_whoever_accepts_an_object_is_asked(rng: random.Random, changed: float) -> None:
    """What an object with the same names has taught says nothing of the values that this one has."""
    first = rng.choice(OBJECTS)
    if rng.random() < 0.5:
        first = {**rng.choice(OBJECTS), **first}
    then = {name: rng.choice(VALUES) if rng.random() < changed else held for name, held in first.items()}
    for sources in (ADAPTERS, CARRIERS):
        shapes: RecordShapes[Any] = RecordShapes(sources)
        for taught in (then, first, first, then):
            asked = shapes.may_accept(taught)
            assert [each for each in sources if each.looks_like(taught)] == [
                each for each in asked if each.looks_like(taught)
            ]


@pytest.mark.parametrize("name", ["cloudtrail", "github", "kubernetes", "vault", "okta"])
def test_few_are_asked_about_what_comes_often(name: str) -> None:
    adapter = next(each for each in ADAPTERS if each.name == name)
    value = next(value for value in OBJECTS if adapter.looks_like(value))
    shapes = RecordShapes(ADAPTERS)
    assert shapes.may_accept(value) == ADAPTERS
    assert len(shapes.may_accept(value)) < len(ADAPTERS) / 3
    assert adapter in shapes.may_accept(value)


def test_a_plug_in_is_always_asked() -> None:
    def looks_like(record: Record) -> bool:
        return type(record) is dict and "own" in record

    plugged = Adapter("plugged", (b"own",), looks_like, lambda _record, _now: [])
    shapes = RecordShapes((plugged, *ADAPTERS))
    assert all(plugged in shapes.may_accept({"no": 1, "such": 2}) for _ in range(3))


def test_invented_names_fill_no_memory() -> None:
    shapes = RecordShapes(ADAPTERS)
    for number in range(700):
        shapes.may_accept({f"n{number}": 1})
        shapes.may_accept({f"n{number // 2}": 1})
    assert len(shapes._known) <= 512
    for number in range(5000):
        shapes._again(number)
    assert len(shapes._seen) <= 4096
