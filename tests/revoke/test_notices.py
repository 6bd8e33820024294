"""Notices: their forms, their signature, that they are sent again and hold nothing up, and a real Alertmanager."""

import asyncio
import base64
import json
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from detector.configuration.revoke_settings import Notice, Scope, SecretFile
from detector.configuration.trust_keys import webhook_secret
from detector.revoke import notice_sender
from detector.revoke.handler import Told
from detector.revoke.notice_sender import MOST_WAITING, NoticeSender
from detector.revoke.notices import (
    alert_message,
    slack_message,
    wanted,
    webhook_message,
)
from detector.revoke.outcomes import Outcome, Verdict
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.webhook_signature import webhook_headers
from detector.values.times import SECOND, format_rfc3339
from tests.broker.cluster import free_ports
from tests.deploy.monitoring.hook import listening
from tests.ingest.streams import until

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
HOSTILE = "<!channel> @all <https://evil|x> `*_&\x1b[31m\u202e\n" + "x" * 5000


def clean(text: str) -> str:
    return text.replace("sekret", "‹masked›")


def told(
    verdict: Verdict = "confirmed", number: int = 1, *, owner: str = "ann", target: str = "vault", **more: Any
) -> Told:
    command = RevocationCommand(
        id=f"00000000-0000-0000-0000-{number:012}",
        time=0,
        credential_id=more.pop("credential_id", f"cred-{number}"),
        task_ids=("t-1",),
        owner=owner,
        kind="db-login",
        revocation={"provider": "x", "password": "sekret"},
    )
    outcome = Outcome(
        1, verdict, target, time.time_ns(), detail="locked the user; approved by alice", proof="login refused"
    )
    return Told(command, msgspec.structs.replace(outcome, **more))


def test_the_signature_is_that_of_the_specifications_example() -> None:
    body = b'{"event_type":"ping","data":{"success":true}}'
    secret = base64.b64decode("plJ3nmyCDGBKInavdOK15jsl")  # shorter than what we take for a secret of ours
    headers = webhook_headers(secret, "msg_loFOjxBNrRLzqYUf", body, 1731705121)
    assert headers["webhook-signature"] == "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="


def test_a_webhook_says_everything_and_has_one_id_for_each_outcome() -> None:
    made = told(detail="sekret")
    first, again = (webhook_message(made.command, made.outcome, clean, b"k" * 24, now) for now in (1, 2))
    assert first.body == again.body
    assert first.headers["webhook-id"] == again.headers["webhook-id"] == f"{made.command.id}_1"
    assert first.headers["webhook-signature"] != again.headers["webhook-signature"]
    said = json.loads(first.body)
    assert said["data"]["detail"] == "‹masked›"
    assert (said["data"]["credential"], said["data"]["outcome"], said["data"]["owner"]) == (
        "cred-1",
        "confirmed",
        "ann",
    )


@pytest.mark.parametrize("form", [slack_message, alert_message])
def test_no_form_tells_a_secret_or_lets_a_name_act(form: Callable[..., Any]) -> None:
    made = told(
        "failed", owner=HOSTILE, target="t", credential_id=HOSTILE, detail=f"sekret {HOSTILE}", proof=HOSTILE
    )
    body = form(made.command, made.outcome, clean).body
    assert len(body) < 8000
    assert b"sekret" not in body
    assert not {"\x1b", "\u202e"} & set(body.decode())
    if form is slack_message:
        text = json.loads(body)["text"]
        assert "<" not in text
        assert text.count("`") % 2 == 0
        outside = "".join(text.split("`")[::2])  # what is not between code marks is ours
        assert "@" not in outside
        assert "evil" not in outside
        assert len(text.split("\n")) == 5


@pytest.mark.parametrize(
    "verdict", ["confirmed", "done-unproved", "refused", "gone-already", "failed", "held"]
)
def test_each_outcome_has_words_and_only_those_that_are_wanted_are_told(verdict: Any) -> None:
    made = told(verdict)
    for form in (slack_message, alert_message):
        assert b"cred-1" in form(made.command, made.outcome, clean).body
    tells = Notice("n", "slack", outcomes=("failed", "held"), scope=Scope(owners=("a*",), targets=("vault",)))
    assert wanted(tells, made.command, made.outcome) == (verdict in {"failed", "held"})
    for other in (told("failed", owner="bob"), told("failed", target="db")):
        assert not wanted(tells, other.command, other.outcome)


# Sending


class Receiver:
    """Answers as it is told, and keeps what it got."""

    def __init__(self) -> None:
        self.answers: list[int | str] = []
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.url = ""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        answer = self.answers.pop(0) if self.answers else 200
        if answer == "hang":
            await asyncio.sleep(2 * notice_sender.ANSWER_SECONDS)
            return web.Response()
        if answer == "garbage":
            assert request.transport is not None
            request.transport.write(b"\xff\xfe no HTTP\r\n\r\n")
            request.transport.close()
            return web.Response()
        if answer == "redirect":
            return web.Response(status=307, headers={"Location": f"{self.url}/elsewhere"})
        self.got.append(({key.lower(): text for key, text in request.headers.items()}, body))
        headers = {"Retry-After": "0"} if answer == 429 else {}
        return web.Response(status=int(answer), headers=headers, body=b"x" * 100)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = web.Server(receiver.handle)
    runner = web.ServerRunner(server)
    await runner.setup()
    (port,) = free_ports(1)
    await web.TCPSite(runner, "127.0.0.1", port).start()
    receiver.url = f"http://127.0.0.1:{port}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


def files(folder: Path, **texts: str) -> dict[str, SecretFile]:
    for name, text in texts.items():
        (folder / name).write_text(f"{text}\n")
    return {name: SecretFile(str(folder / name), name) for name in texts}


@asynccontextmanager
async def sending(*notices: Notice, **how: Any) -> AsyncIterator[tuple[NoticeSender, list[str]]]:
    warned: list[str] = []
    made = NoticeSender(
        notices,
        clean,
        lambda name, why: None if why is None else warned.append(f"{name}: {why}"),
        first_pause=0.01,
        **how,
    )
    try:
        yield made, warned
    finally:
        await made.close(0)


async def test_it_is_sent_again_until_it_is_taken_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notice_sender, "ANSWER_SECONDS", 1.5)  # a slow machine answers in less
    secret = files(tmp_path, secret=SECRET)["secret"]
    async with receiving() as receiver:
        receiver.answers = [503, "garbage", "hang", 500, 200, 200]
        async with sending(Notice("n", "webhook", url=receiver.url, secret=secret)) as (sender, warned):
            for number in (1, 2):
                sender.tell(told(number=number))
            await until(lambda: asyncio.sleep(0, len(receiver.got) >= 4), "both notices")
            assert warned == []
        ids = [headers["webhook-id"][-3:] for headers, _ in receiver.got]
        assert ids == ["1_1", "1_1", "1_1", "2_1"]
        for headers, body in receiver.got:
            stamp = int(headers["webhook-timestamp"])
            signed = webhook_headers(webhook_secret(SECRET), headers["webhook-id"], body, stamp)
            assert headers["webhook-signature"] == signed["webhook-signature"]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([400], "it does not accept the notice: HTTP 400"),
        ([404], "it does not accept the notice: HTTP 404"),
        (["redirect"], "it does not accept the notice: HTTP 307"),
        ([503] * 50, "not sent, and given up: it answers HTTP 503"),
    ],
)
async def test_what_is_not_taken_is_said_and_the_next_one_is_sent(answers: list[Any], said: str) -> None:
    async with receiving() as receiver:
        receiver.answers = list(answers)
        async with sending(Notice("n", "slack", url=receiver.url), keep_trying=0.2) as (sender, warned):
            sender.tell(told(number=1))
            await until(lambda: asyncio.sleep(0, len(warned) == 1), "a warning")
            assert warned == [f"n: {said}"]
            receiver.answers = []
            sender.tell(told(number=2))
            await until(
                lambda: asyncio.sleep(0, bool(receiver.got) and b"cred-2" in receiver.got[-1][1]), "the next"
            )


async def test_a_receiver_that_is_away_holds_nothing_up() -> None:
    (port,) = free_ports(1)
    async with sending(Notice("gone", "slack", url=f"http://127.0.0.1:{port}/x")) as (sender, warned):
        began = time.perf_counter()
        for number in range(MOST_WAITING + 10):
            sender.tell(told(number=number))
        assert time.perf_counter() - began < 2
        assert warned == [f"gone: {MOST_WAITING} wait already, so one is dropped"] * 10


async def test_the_url_in_a_file_is_never_told_and_may_be_replaced(tmp_path: Path) -> None:
    async with receiving() as receiver:
        file = files(tmp_path, url="http://127.0.0.1:1/T000/SECRETPART")["url"]
        async with sending(Notice("n", "slack", url_file=file)) as (sender, warned):
            sender.tell(told())
            await asyncio.sleep(0.1)
            (tmp_path / "url").write_text(receiver.url)
            await until(lambda: asyncio.sleep(0, len(receiver.got) == 1), "the notice")
        async with sending(Notice("n", "slack", url_file=file), keep_trying=0.05) as (sender, warned):
            (tmp_path / "url").write_text("http://127.0.0.1:1/T000/SECRETPART")
            sender.tell(told())
            await until(lambda: asyncio.sleep(0, bool(warned)), "a warning")
            assert "SECRETPART" not in "".join(warned)


async def test_a_reload_changes_where_what_waits_is_sent() -> None:
    away = Notice("n", "slack", url="http://127.0.0.1:1/x")
    async with receiving() as receiver, sending(away) as (sender, _):
        sender.tell(told())
        await asyncio.sleep(0.05)
        sender.use([Notice("n", "slack", url=receiver.url)])
        await until(lambda: asyncio.sleep(0, len(receiver.got) == 1), "the notice")
        sender.use([])
        sender.tell(told())
        await asyncio.sleep(0.05)
        assert len(receiver.got) == 1


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[tuple[str, str, Any]]:
    """A real one: its address, and what its receivers got. Alerts of one owner have a receiver of their own."""
    name = next(
        (path for each in ("prometheus-alertmanager", "alertmanager") if (path := shutil.which(each))), None
    )
    assert name, "install Alertmanager (Debian: apt-get install prometheus-alertmanager)"
    (port,) = free_ports(1)
    with listening() as (hook, received):
        receivers = [
            {"name": each, "webhook_configs": [{"url": f"{hook}/{each}", "send_resolved": False}]}
            for each in ("all", "ann")
        ]
        route = {
            "receiver": "all",
            "group_by": ["..."],
            "group_wait": "0s",
            "routes": [{"matchers": ["owner = ann"], "receiver": "ann"}],
        }
        (tmp_path / "am.yml").write_text(json.dumps({"route": route, "receivers": receivers}))
        process = subprocess.Popen(
            [name, f"--config.file={tmp_path / 'am.yml'}", f"--storage.path={tmp_path / 'am'}",
             f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield f"http://127.0.0.1:{port}", hook, received
        finally:
            process.terminate()
            process.wait(60)


async def test_alertmanager_takes_the_alert_and_routes_it_to_the_owner(
    alertmanager: tuple[str, str, Any],
) -> None:
    address, _, received = alertmanager
    async with sending(Notice("am", "alertmanager", url=f"{address}/")) as (sender, warned):
        sender.tell(told("failed", 1))  # it still starts: the notice is sent again until it is there
        sender.tell(told("confirmed", 2, owner="bob", credential_id=HOSTILE, detail=HOSTILE))
        await until(lambda: asyncio.sleep(0, len(received["ann"]) >= 1 and len(received["all"]) >= 1), "both")
        assert warned == []
    (mine,) = received["ann"]
    assert mine["status"] == "firing"
    assert mine["labels"] == {
        "alertname": "CurfewdRevocation", "command": "00000000-0000-0000-0000-000000000001", "credential": "cred-1",
        "kind": "db-login", "outcome": "failed", "owner": "ann", "severity": "ticket", "target": "vault", "team": "security",
    }  # fmt: skip
    assert mine["annotations"]["summary"] == "cred-1 could not be revoked"
    assert mine["annotations"]["description"].startswith(
        "task: t-1; detail: locked the user; approved by alice"
    )
    assert received["all"][0]["labels"]["outcome"] == "confirmed"


def test_an_alert_ends_by_itself() -> None:
    made = told()
    (alert,) = json.loads(alert_message(made.command, made.outcome, clean).body)
    assert alert["startsAt"] == format_rfc3339(made.outcome.finished_at)
    assert alert["endsAt"] == format_rfc3339(made.outcome.finished_at + 600 * SECOND)
