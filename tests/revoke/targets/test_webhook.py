"""The webhook, against a receiver that verifies signatures with code of its own: that of `[[trust]]`."""

import base64
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from detector.configuration.trust_settings import STANDARD_WEBHOOKS, Signature, TrustKey
from detector.ingest.trust.signatures import verifier_of
from detector.revoke.target import GoneError, RefusedError, UnavailableError
from detector.revoke.targets.webhook import Webhook, WebhookOptions
from detector.values.errors import BadRecordError
from detector.values.secrets import Secret
from detector.values.times import MINUTE
from tests.revoke.targets.commands import command
from tests.revoke.targets.hostile_server import answer, answering
from tests.revoke.targets.scripted_provider import Reply, Request, scripted

KEY = bytes(range(32))
ASKED = command({"provider": "shipit", "id": "71"}, kind="shipit-token", owner="ann", issued_at=None)


class Receiver:
    """Answers as it is told, and keeps what came."""

    def __init__(self) -> None:
        self.reply = Reply(202)
        self.came: list[Request] = []

    def answer(self, request: Request) -> Reply:
        self.came.append(request)
        return self.reply


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


Make = Callable[..., Webhook]


@pytest_asyncio.fixture
async def webhook(receiver: Receiver, tmp_path: Path) -> AsyncIterator[Make]:
    made: list[Webhook] = []
    (tmp_path / "secret").write_text(f"whsec_{base64.b64encode(KEY).decode()}")
    async with scripted(receiver.answer) as provider:

        def make(**options: Any) -> Webhook:
            values = {"url": f"{provider.url}/revocations", "secret_file": str(tmp_path / "secret")}
            made.append(Webhook(msgspec.convert(values | options, WebhookOptions)))
            return made[-1]

        yield make
        for each in made:
            await each.close()


async def test_2xx_proves_nothing(webhook: Make, receiver: Receiver) -> None:
    target = webhook()
    assert target.accepts(ASKED)
    assert (await target.probe(ASKED)).state == "unknown"
    assert receiver.came == []
    assert "everything" in target.plan(ASKED).unproved
    assert (await target.revoke(ASKED, 0)).endswith("which took it")
    assert (await target.probe(ASKED)).state == "unknown"
    body = receiver.came[0].body
    assert body["type"] == "credential.revocation.requested"
    assert body["data"] == {
        "command_id": ASKED.id,
        "credential_id": "cred-1",
        "task_ids": ["task-1"],
        "kind": "shipit-token",
        "owner": "ann",
        "issued_at": None,
        "identifiers": [],
        "revocation": {"provider": "shipit", "id": "71"},
        "reasons": [],
        "severity": "critical",
        "escalated": False,
    }
    assert receiver.came[0].path == "/revocations"


async def test_the_signature_holds_and_the_id_stays(webhook: Make) -> None:
    async with answering(answer("200 OK")) as server:
        target = webhook(url=server.url)
        for _ in range(2):
            await target.revoke(ASKED, 0)
    key = TrustKey("k", secret=Secret(KEY))
    verify = verifier_of(Signature(STANDARD_WEBHOOKS, "webhook-signature", (key,), max_age=MINUTE))
    for head, body in zip(server.heads, server.bodies, strict=True):
        lines = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
        headers = [(name, value.encode()) for name, value in zip(lines, _values(head), strict=True)]
        verify(headers, body)
        with pytest.raises(BadRecordError):
            verify(headers, body + b" ")
        assert lines["webhook-id"] == ASKED.id


def _values(head: str) -> list[str]:
    return [line.split(": ", 1)[1] for line in head.split("\r\n")[1:] if line]


async def test_an_answer_that_quotes_the_revokers_token_is_told_without_it(
    webhook: Make, receiver: Receiver, tmp_path: Path
) -> None:
    token = "the-token-of-the-revoker/1"
    (tmp_path / "token").write_text(token)
    target = webhook(token_file=str(tmp_path / "token"), probes=True)
    receiver.reply = Reply(200, {"state": "live", "how": f"asked with Bearer {token}"})
    assert (await target.probe(ASKED)).how.endswith("asked with Bearer ‹secret›")
    receiver.reply = Reply(200, {"refused": f"what is {token}?"})
    with pytest.raises(RefusedError, match="what is ‹secret›") as raised:
        await target.revoke(ASKED, 0)
    assert token not in str(raised.value)


@pytest.mark.parametrize(("state", "control"), [("dead", True), ("live", None), ("unknown", None)])
async def test_an_answer_may_state_what_became_of_it(
    webhook: Make, receiver: Receiver, state: str, control: object
) -> None:
    receiver.reply = Reply(200, {"state": state, "how": "\x1b[31mlooked\n", "control": control, "more": 1})
    target = webhook()
    assert f"is {state}" in await target.revoke(ASKED, 0)
    seen = await target.probe(ASKED)
    assert (seen.state, seen.control) == (state, control)
    assert seen.how.endswith(r"says so: \x1b[31mlooked\n")


async def test_it_is_asked_for_the_state_if_it_can_tell(webhook: Make, receiver: Receiver) -> None:
    target = webhook(probes=True)
    receiver.reply = Reply(200, {"state": "live"})
    assert (await target.probe(ASKED)).state == "live"
    assert receiver.came[0].body["type"] == "credential.revocation.probe"
    assert receiver.came[0].headers["webhook-id"] == f"{ASKED.id}_probe"
    receiver.reply = Reply(410)
    assert (await target.probe(ASKED)).state == "absent"


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (Reply(410), GoneError, "410"),
        (Reply(200, {"refused": "not ours"}), RefusedError, "not ours"),
        (Reply(403), RefusedError, "may not"),
        (Reply(404), UnavailableError, "404"),
        (Reply(302, None, {"Location": "https://elsewhere.example/"}), UnavailableError, "redirects"),
        (Reply(503, None, {"Retry-After": "3"}), UnavailableError, "503"),
        (Reply(200, b"OK"), UnavailableError, "does not describe"),
        (Reply(200, {"state": "perhaps"}), UnavailableError, "does not describe"),
        (Reply(200, {"state": True}), UnavailableError, "does not describe"),
        (Reply(200, {"how": "x" * 20_000}), UnavailableError, "does not describe"),
        (Reply(200, b"[" * 60_000), UnavailableError, "does not describe"),
        (Reply(200, b"x" * 70_000), UnavailableError, "more than 64 KiB"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_other_answers_are_errors(
    webhook: Make, receiver: Receiver, reply: Reply, error: type[Exception], words: str
) -> None:
    receiver.reply = reply
    target = webhook()
    with pytest.raises(error, match=words):
        await target.revoke(ASKED, 0)
    assert (await target.probe(ASKED)).state == "unknown"


@pytest.mark.parametrize("text", ["whsec_x", "short", "whsec_" + base64.b64encode(b"x" * 8).decode()])
async def test_a_weak_or_broken_secret_signs_nothing(
    webhook: Make, receiver: Receiver, tmp_path: Path, text: str
) -> None:
    (tmp_path / "weak").write_text(text)
    with pytest.raises(UnavailableError, match="secret") as raised:
        await webhook(secret_file=str(tmp_path / "weak")).revoke(ASKED, 0)
    assert receiver.came == []
    assert text not in str(raised.value)
