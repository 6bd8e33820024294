"""A sender speaks for its own sources: nobody tells by one sender's path what is another's."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.receive.serving import BEARER, JSON, SECRET, serving, signed, source

END: Final[dict[str, Any]] = {
    "specversion": "1.0",
    "id": "workflow_job/71/completed",
    "source": "github/octo/app",
    "type": "task.ended",
    "time": "2026-05-04T08:00:00Z",
    "data": {"task_id": "github/job/71", "outcome": "succeeded"},
}
CALL: Final[dict[str, Any]] = {
    "eventSource": "sts.amazonaws.com",
    "eventName": "GetCallerIdentity",
    "eventID": "e-1",
    "eventTime": "2026-05-04T08:00:00Z",
    "userIdentity": {"accessKeyId": "ASIAEXAMPLEJOB710000"},
}
JOB: Final[dict[str, Any]] = {
    "action": "completed",
    "workflow_job": {"id": 71, "completed_at": "2026-05-04T08:00:00Z", "conclusion": "success"},
    "repository": {"full_name": "octo/app"},
}
LIST: Final = {"kind": "EventList", "apiVersion": "audit.k8s.io/v1"}
SENDERS: Final = (
    "github",
    "gitlab",
    "buildkite",
    "azure-devops",
    "okta",
    "auth0",
    "otlp",
    "kubernetes",
    "eventbridge",
)


def held_by(sender: str, event: dict[str, Any]) -> bytes:
    """The event, in what the sender sends."""
    if sender == "kubernetes":
        return json.dumps({**LIST, "items": [event]}).encode()
    if sender == "auth0":
        return json.dumps({"log_id": "1", **event}).encode()
    return json.dumps(event).encode()


def shown_by(sender: str, body: bytes) -> dict[str, str]:
    """What proves that it is the sender's."""
    proofs = {"gitlab": {"X-Gitlab-Token": SECRET}, "buildkite": {"X-Buildkite-Token": SECRET}}
    return signed(body) if sender == "github" else {**JSON, **proofs.get(sender, BEARER)}


@pytest.mark.parametrize("sender", SENDERS)
@pytest.mark.parametrize("event", [END, CALL, JOB], ids=["cloudevent", "cloudtrail", "github"])
async def test_no_sender_speaks_for_another(sender: str, event: dict[str, Any], tmp_path: Path) -> None:
    own = (sender, event) in (("github", JOB), ("eventbridge", CALL))
    path = "/otlp/v1/logs" if sender == "otlp" else f"/{sender}"
    async with serving(tmp_path, source(sender)) as served:
        body = held_by(sender, event)
        answer = await served.post(path, body, shown_by(sender, body))
        assert (answer.status, served.refusals) == ((200, []) if own else (403, ["source"]))
        assert len(served.lines(sender)) == own


@pytest.mark.parametrize("many", [json.dumps([JOB, END]), f"{json.dumps(END)}"], ids=["array", "alone"])
async def test_one_of_many_is_enough(many: str, tmp_path: Path) -> None:
    async with serving(tmp_path, source("azure-devops")) as served:
        assert (await served.post("/azure-devops", many.encode(), {**JSON, **BEARER})).status in (400, 403)
        assert served.lines("azure-devops") == []


@pytest.mark.parametrize("sender", ["cloudevents", "eventbridge", "eventgrid"])
async def test_who_may_carry_cloudevents_says_of_which_sources(sender: str, tmp_path: Path) -> None:
    structured = {
        "Content-Type": "application/cloudevents+json" if sender != "eventbridge" else "application/json"
    }
    mine = {**END, "source": "ci/main"}
    async with serving(tmp_path, source(sender, sources=["ci/*"])) as served:
        for event, status in ((mine, 200), (END, 403)):
            answer = await served.post(f"/{sender}", json.dumps(event).encode(), {**BEARER, **structured})
            assert answer.status == status
        assert [json.loads(line)["source"] for line in served.lines(sender)] == ["ci/main"]


@pytest.mark.parametrize("sender", ["eventbridge", "eventgrid"])
async def test_who_names_no_sources_carries_no_cloudevents_of_curfewd_s_types(
    sender: str, tmp_path: Path
) -> None:
    kind = "application/cloudevents+json" if sender == "eventgrid" else "application/json"
    async with serving(tmp_path, source(sender)) as served:
        answer = await served.post(f"/{sender}", json.dumps(END).encode(), {**BEARER, "Content-Type": kind})
        assert (answer.status, served.lines(sender)) == (403, [])
        other = json.dumps({**END, "type": "Microsoft.Storage.BlobCreated"}).encode()
        assert (await served.post(f"/{sender}", other, {**BEARER, "Content-Type": kind})).status == 200


async def test_an_allowed_source_does_not_cover_what_stands_in_the_envelope(tmp_path: Path) -> None:
    """An envelope that also looks like a webhook, and one of Event Grid's that also is a CloudEvent."""
    hidden = {**END, "source": "ci/main", "type": "some.webhook", **JOB}
    mixed = {**END, "topic": "/subscriptions/1/a"}
    kind = {"Content-Type": "application/cloudevents+json"}
    tables = source("cloudevents", sources=["ci/*"]), source("eventgrid", sources=["/subscriptions/1/*"])
    async with serving(tmp_path, *tables) as served:
        assert (
            await served.post("/cloudevents", json.dumps(hidden).encode(), {**BEARER, **kind})
        ).status == 403
        answer = await served.post("/eventgrid", json.dumps([mixed]).encode(), {**BEARER, **JSON})
        assert answer.status == 403
        binary = {f"ce-{name}": END[name] for name in ("specversion", "id", "type", "time")} | {
            "ce-source": "ci/main"
        }
        body = json.dumps(END["data"]).encode()
        assert (await served.post("/cloudevents", body, {**BEARER, **JSON, **binary})).status == 200
        assert (len(served.lines("cloudevents")), served.lines("eventgrid")) == (1, [])


async def test_what_is_no_event_goes_through(tmp_path: Path) -> None:
    async with serving(tmp_path, source("github"), source("eventbridge")) as served:
        push = b'{"ref": "refs/heads/main", "commits": []}'
        assert (await served.post("/github", push, signed(push))).status == 200
        assert (await served.post("/eventbridge", push, {**JSON, **BEARER})).status == 200
