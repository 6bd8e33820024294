"""Whatever stands in an event of a cluster, authorization server or scheduler: it gives events, or a field is named."""

import copy
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.ingest.classify import BUNDLED
from tests.adapters import test_kubernetes, test_oauth, test_schedulers
from tests.adapters.test_hostile_events import JSON, places

NOW = test_kubernetes.NOW
DELETED = test_kubernetes.event(
    "delete", "pods", requestObject={"gracePeriodSeconds": 0, "preconditions": {"uid": "u"}}
)
ACTED = test_oauth.jwt(jti="j", sub="s", iss="i", sid="x", exp=1, act={"sub": "a", "act": {"sub": "b"}})
RECORDS: dict[str, list[dict[str, Any]]] = {
    "kubernetes": [test_kubernetes.use(), test_kubernetes.token_request(), DELETED],
    "managed clusters": [
        {"records": [test_kubernetes.aks("kube-audit", json.dumps(DELETED))]},
        {"logStream": "kube-apiserver-audit", "logEvents": [{"message": json.dumps(DELETED)}]},
        test_kubernetes.gke("io.k8s.core.v1.pods.delete", "core/v1/namespaces/ci/pods/job-1-x7k2p"),
    ],
    "oauth": [
        test_oauth.message(
            {"grant_type": test_oauth.EXCHANGE, "subject_token": ACTED},
            {"access_token": ACTED, "expires_in": 60, "refresh_token": test_oauth.OPAQUE},
        ),
        test_oauth.message({"token": ACTED}, {"active": True, "jti": "j"}, endpoint="introspection"),
        test_oauth.event_token(
            f"{test_oauth.CAEP}session-revoked",
            {"format": "complex", "session": {"format": "opaque", "id": "s"}},
            event_timestamp=1,
        ),
    ],
    "schedulers": [
        test_schedulers.without(test_schedulers.LINEAGE, "run/facets/airflow", test_schedulers.AIRFLOW_FACET),
        test_schedulers.INSTANCE,
        {"type": "MODIFIED", "object": test_schedulers.WORKFLOW},
        test_schedulers.tekton("taskRun", "failed", test_schedulers.TASK_RUN),
        test_schedulers.CDEVENT,
        test_schedulers.build(phase="FINALIZED", log="text"),
    ],
}


@pytest.mark.parametrize("name", RECORDS)
@settings(max_examples=80)
@given(data=st.data())
def test_no_field_of_an_event_can_break_an_adapter(name: str, data: st.DataObject) -> None:
    record = copy.deepcopy(data.draw(st.sampled_from(RECORDS[name])))
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from(list(places(record))))
        place: Any = record
        for step in way:
            place = place[step]
        place[last] = data.draw(JSON)
    for read in BUNDLED.read_object(json.dumps(record).encode(), NOW):
        assert all(msgspec.json.encode(event) for event in read.events)
