"""Senders that prove themselves by a signature or a secret of their own: their documents' examples, and forgeries."""

import base64
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from detector.ingest.classify import BUNDLED
from detector.receive import auth0, buildkite, circleci, okta, webhooks
from detector.receive.delivery import MOST_EVENTS, Head, RefusalError
from detector.receive.sources import Read
from detector.values.secrets import Secret
from tests.receive.serving import BEARER, JSON, SECRET, Served, serving, source

NOW = 1_790_000_000_000_000_000
SAMPLES = Path(__file__).parents[1] / "adapters" / "samples"
BUILD = b'{"event": "build.finished", "build": {"id": "f62a1b4d", "number": 27}}'
JOB = b'{"id": "3888f21b-eaa7-38e3-8f3d-75a63bba8895", "type": "job-completed"}'
BUILT = (
    b'{"subscriptionId": "1", "id": "4a5d99d6-1c75-4e53-91b9-ee80057d4ce3", "eventType": "build.complete"}'
)
HOOK = b'{"eventType": "com.okta.event_hook", "eventId": "b5a188b9-5ece-4636-b041-482ffda96311", "data": {"events": []}}'
ENTRY = '{"log_id":"90020230611142133","data":{"type":"seacft","client_id":"c"}}'


def secrets(*texts: str) -> list[Secret]:
    return [Secret(text.encode()) for text in texts]


def built(body: bytes, at: int, secret: str = SECRET) -> dict[str, str]:
    """The header by which Buildkite signs, as its page computes it."""
    tag = hmac.digest(secret.encode(), f"{at}.".encode() + body, "sha256").hex()
    return {"x-buildkite-signature": f"timestamp={at},signature={tag}"}


@pytest.mark.parametrize(
    ("body", "secret", "tag"),
    [
        ("hello world", "secret", "734cc62f32841568f45715aeb9f4d7891324e6d948e4c6c60c0621cdac48623a"),
        ("lalala", "another-secret", "daa220016c8f29a8b214fbfc3671aeec2145cfb1e6790184ffb38b6d0425fa00"),
        (
            *("an-important-request-payload", "hunter123"),
            "9be2242094a9a8c00c64306f382a7f9d691de910b4a266f67bd314ef18ac49fa",
        ),
    ],
    ids=["first", "second", "third"],
)
def test_the_signatures_of_circleci_s_documentation_hold(body: str, secret: str, tag: str) -> None:
    """circleci.com/docs, "Outbound webhooks", the examples under "Validate webhooks"."""
    verify = circleci.verifier(secrets("old secret", secret))
    for shown in (f"v1={tag}", f"v1={tag},v2=x", f"v2=x, v1={tag}"):
        verify(Head("", {"circleci-signature": shown}), body.encode())
    for shown, sent in (
        (f"v1={tag}", body + " "),
        (f"v2={tag}", body),  # another version may say something else
        (f"v1={tag},v1={tag}", body),
        (f"v1={tag.upper()}", body),
        (tag, body),
        ("v1=", body),
        ("", body),
    ):
        with pytest.raises(RefusalError) as refused:
            verify(Head("", {"circleci-signature": shown}), sent.encode())
        assert refused.value.status == 401


def test_buildkite_shows_its_token_or_signs() -> None:
    """buildkite.com/docs, "Webhooks": the HMAC of the time, a dot and the body, with the token as the key."""
    verify = buildkite.verifier(secrets("old secret", SECRET), clock=lambda: 1000.0)
    verify(Head("", {"x-buildkite-token": SECRET}), BUILD)
    verify(Head("", built(BUILD, 800)), BUILD)
    right = built(BUILD, 1000)["x-buildkite-signature"]
    for headers, body in (
        ({}, BUILD),
        ({"x-buildkite-token": SECRET + "x"}, BUILD),
        (built(BUILD, 1000), BUILD + b" "),
        (built(BUILD, 1000, "another"), BUILD),
        (built(BUILD, 699), BUILD),  # an old request, sent again
        (built(BUILD, 1301), BUILD),
        ({"x-buildkite-signature": right.replace("1000", "1001")}, BUILD),
        ({"x-buildkite-signature": right.replace("timestamp", "at")}, BUILD),
        ({"x-buildkite-signature": f"{right}, {right}"}, BUILD),
        ({"x-buildkite-signature": "timestamp=é,signature=é"}, BUILD),
    ):
        with pytest.raises(RefusalError) as refused:
            verify(Head("", headers), body)
        assert refused.value.status == 401


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


async def posted(served: Served, name: str, body: bytes, *shown: Mapping[str, str]) -> list[int]:
    return [(await served.post(f"/{name}", body, {**JSON, **each})).status for each in shown]


async def test_each_is_written_as_it_came_and_only_with_its_proof(tmp_path: Path) -> None:
    tag = hmac.digest(SECRET.encode(), JOB, "sha256").hex()
    tables: list[str] = [
        source("buildkite"),
        source("circleci"),
        source("azure-devops", user="curfewd"),
        source("okta", header="Authorization"),
        source("auth0"),
    ]
    async with serving(tmp_path, *tables) as served:
        right: list[tuple[str, bytes, dict[str, str]]] = [
            ("buildkite", BUILD, {"X-Buildkite-Token": SECRET}),
            ("circleci", JOB, {"circleci-signature": f"v1={tag}"}),
            ("azure-devops", BUILT, basic("curfewd", SECRET)),
            ("okta", HOOK, {"Authorization": SECRET}),
            ("auth0", ENTRY.encode(), BEARER),
        ]
        for name, body, shown in right:
            wrong: list[dict[str, Any]] = [{}, basic("another", SECRET), {"X-Buildkite-Token": "no"}]
            assert await posted(served, name, body, shown, *wrong) == [200, 401, 401, 401]
            assert served.lines(name) == [body.decode()]
        ping = {"X-Buildkite-Token": SECRET, "X-Buildkite-Event": "ping"}
        assert await posted(served, "buildkite", b'{"event": "ping"}', ping) == [200]
        assert len(served.lines("buildkite")) == 1


async def test_okta_s_handshake_wants_the_secret_and_its_challenge_back(tmp_path: Path) -> None:
    """support.okta.com, "Unable to verify event hook", has the request and the answer."""
    challenge = {"X-Okta-Verification-Challenge": "Me_rShK8JHsTnbyYrWXCEoMGbM_zsZ6k0hLPZ_Pg"}
    shown = {"Authorization": SECRET}
    async with serving(tmp_path, source("okta", header="Authorization"), source("github")) as served:
        answer = await served.post("/okta", None, {**shown, **challenge}, "GET")
        assert (answer.status, json.loads(answer.text)) == (
            200,
            {"verification": challenge["X-Okta-Verification-Challenge"]},
        )
        for path, headers, status in (
            ("/okta", challenge, 401),
            ("/okta", shown, 400),
            ("/okta", {**shown, "X-Okta-Verification-Challenge": "x" * 300}, 400),
            ("/github", {**shown, **challenge}, 405),
        ):
            assert (await served.post(path, None, headers, "GET")).status == status
        assert served.lines("okta") == []


@pytest.mark.parametrize(
    "body",
    [f"[{ENTRY},\n{ENTRY}]", f"{ENTRY}\n{ENTRY}\n", f"\r\n{ENTRY}\r\n\r\n{ENTRY}"],
    ids=["array", "lines", "blanks"],
)
def test_each_entry_of_auth0_is_a_record_under_its_id(body: str) -> None:
    records = auth0.read(Head("", {}), body.encode()).records
    assert [record.value.decode().strip() for record in records] == [ENTRY, ENTRY]
    assert {record.delivery for record in records} == {"90020230611142133"}


@pytest.mark.parametrize("body", ["", "7", "[7]", '{"log_id": 7}', "[[", "\xff"], ids=ascii)
def test_what_auth0_does_not_send_is_refused(body: str) -> None:
    with pytest.raises(RefusalError):
        auth0.read(Head("", {}), body.encode("latin-1"))


def test_a_batch_is_no_longer_than_can_be_told_apart_in_time() -> None:
    for body in (
        b"[%s]" % b",".join([ENTRY.encode()] * (MOST_EVENTS + 1)),
        b"\n".join([ENTRY.encode()] * (MOST_EVENTS + 1)),
    ):
        with pytest.raises(RefusalError) as refused:
            auth0.read(Head("", {}), body)
        assert refused.value.status == 413
    assert len(auth0.read(Head("", {}), b"\n".join([ENTRY.encode()] * 50)).records) == 50


@pytest.mark.parametrize(
    ("name", "read", "key"),
    [
        ("buildkite", buildkite.read, "event"),
        ("circleci", webhooks.read, "webhook"),
        ("azure-devops", webhooks.read, "subscriptionId"),
        ("okta", okta.read, "eventId"),
        ("auth0", auth0.read, "data"),
    ],
    ids=["buildkite", "circleci", "azure-devops", "okta", "auth0"],
)
def test_what_each_posts_is_read_by_its_adapter(name: str, read: Read, key: str) -> None:
    """Of the adapter's samples, those that a webhook posts: they have this key."""
    samples = json.loads((SAMPLES / f"{name}.json").read_text())
    posted = [each for each in samples if key in each["record"] and each.get("events")]
    assert posted
    for sample in posted:
        body = json.dumps(sample["record"]).encode()
        (record,) = read(Head("", {"content-type": "application/json"}), body).records
        found = [event for each in BUNDLED.read_object(record.value, NOW) for event in each.events]
        assert len(found) == len(sample["events"])
        assert (name == "buildkite") == (record.id is None)  # it has no id of a delivery
