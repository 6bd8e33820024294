"""GitHub's webhooks at the port: signatures by GitHub's own example, the ping, and the ids of deliveries."""

from pathlib import Path

import pytest

from detector.receive import github
from detector.receive.delivery import Head, RefusalError
from detector.values.secrets import Secret
from tests.receive.serving import JSON, SECRET, serving, signed, source

BODY = b'{"action": "completed",\n "workflow_job": {"id": 1}}'


def test_the_signature_of_githubs_documentation_holds() -> None:
    """docs.github.com, "Validating webhook deliveries", "Testing the webhook payload validation"."""
    tag = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    verify = github.verifier([Secret(b"another secret of sixteen"), Secret(SECRET.encode())])
    verify(Head("", {"x-hub-signature-256": tag}), b"Hello, World!")
    for wrong, body in (
        (tag, b"Hello, World"),
        (tag.replace("7", "8"), b"Hello, World!"),
        (tag.upper(), b"Hello, World!"),
        (tag.removeprefix("sha256="), b"Hello, World!"),
        (f"{tag}, {tag}", b"Hello, World!"),
        ("sha256=", b"Hello, World!"),
        ("", b"Hello, World!"),
    ):
        with pytest.raises(RefusalError):
            verify(Head("", {"x-hub-signature-256": wrong}), body)


async def test_a_delivery_is_written_as_it_came(tmp_path: Path) -> None:
    async with serving(tmp_path, source("github")) as served:
        answer = await served.post("/github", BODY, signed(BODY))
        assert (answer.status, answer.text) == (200, "ok\n")
        assert served.lines("github") == [BODY.decode().replace("\n", " ")]


async def test_a_wrong_signature_writes_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path, source("github")) as served:
        for headers in (
            JSON,
            signed(BODY, "another secret"),
            {**signed(BODY), "Content-Type": "text/plain"},
            {**signed(BODY), "Content-Encoding": "gzip"},
        ):
            answer = await served.post("/github", BODY, headers)
            assert answer.status in {401, 415}
            assert SECRET not in answer.text
        assert served.lines("github") == []
        assert served.refusals == ["proof", "proof", "content-type", "content-type"]


async def test_a_ping_is_answered_and_not_written(tmp_path: Path) -> None:
    body = b'{"zen": "Keep it logically awesome.", "hook_id": 1}'
    async with serving(tmp_path, source("github")) as served:
        answer = await served.post("/github", body, {**signed(body), "X-GitHub-Event": "ping"})
        assert answer.status == 200
        assert served.lines("github") == []


def test_the_record_has_the_id_of_the_delivery_and_the_signature() -> None:
    """So a copy is recognised, and `[[trust]]` can check the signature again."""
    headers = {name.lower(): text for name, text in signed(BODY).items()}
    (record,) = github.read(Head("", headers), BODY).records
    assert record.delivery == "72d3162e-cc78-11e3-81ab-4c9367dc0958"
    assert dict(record.headers)["x-hub-signature-256"].startswith(b"sha256=")
