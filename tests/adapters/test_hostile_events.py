"""Whatever stands in a field of a provider's event, its adapter gives events, or says which field is wrong."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from detector.ingest.classify import BUNDLED
from detector.values.times import parse_rfc3339
from tests.adapters.test_cloudtrail import ASSUME_ROLE, OLDER, USE, attached
from tests.adapters.test_github import AUDIT, about, job
from tests.adapters.test_gitlab import AUDIT as GITLAB_AUDIT
from tests.adapters.test_gitlab import BUILD, DONE, PIPELINE, token

NOW = parse_rfc3339("2026-06-01T00:00:00Z")
EVENTS: list[dict[str, Any]] = [
    ASSUME_ROLE,
    USE,
    attached(OLDER),
    {"detail-type": "AWS API Call via CloudTrail", "detail": USE},
    {"Records": [ASSUME_ROLE, USE]},
    job("in_progress"),
    AUDIT,
    about("oauth_access.create"),
    {
        "action": "workflows.completed_workflow_run",
        "workflow_run_id": 5,
        "_document_id": "d",
        "created_at": 1,
    },
    DONE,
    {**PIPELINE, "builds": [BUILD]},
    GITLAB_AUDIT,
    token("personal_access_token_revoked"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to all that stands in a value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, held in inside:
        yield (*way, step)
        yield from places(held, (*way, step))


@given(st.data())
def test_no_field_of_an_event_can_break_an_adapter(data: st.DataObject) -> None:
    record = copy.deepcopy(data.draw(st.sampled_from(EVENTS)))
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from(list(places(record))))
        place: Any = record
        for step in way:
            place = place[step]
        place[last] = data.draw(JSON)
    for read in BUNDLED.read_object(json.dumps(record).encode(), NOW):
        for event in read.events:
            assert msgspec.json.encode(event)
            assert event.time <= NOW + 10 * 60 * 10**9
