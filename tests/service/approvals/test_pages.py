"""Approvals over HTTP: who may give one, and what a page elsewhere, a guesser and a broken broker get."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from detector.configuration.service_settings import Address
from detector.service.approvals.pages import TRIES, TRIES_SECONDS, WrongTokens
from detector.service.http.server import HttpServer
from detector.values.errors import RetryError
from tests.service.approvals.people import HOSTILE, TOKENS, Pages, command_id, outcome
from tests.service.http.test_server import asked, status_of

WRONG = "f" * 32
APPROVE, DENY, RETRY = "/approvals/approve", "/approvals/deny", "/approvals/retry"


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[Pages, HttpServer]]:
    made = Pages(folder)
    made.held.take(outcome(1))
    async with HttpServer(Address("127.0.0.1", 0), made.pages.pages()) as server:
        yield made, server


def request(target: str, token: str | None = None, method: str = "POST", **headers: str) -> bytes:
    named = {
        "Host": "127.0.0.1",
        "Connection": "close",
        **{k.replace("_", "-"): v for k, v in headers.items()},
    }
    if token is not None:
        named["Authorization"] = f"Bearer {token}"
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode()


def one(path: str, number: int = 1) -> str:
    return f"{path}?id={command_id(number)}"


async def test_a_person_approves_and_denies(tmp_path: Path) -> None:
    async with served(tmp_path) as (made, server):
        answer = await asked(server, request(one(APPROVE), TOKENS["alice"]))
        assert status_of(answer) == 200
        assert answer.endswith(b"approved by alice\n")
        answer = await asked(server, request(one(DENY), TOKENS["bob"]))
        assert answer.endswith(b"denied by bob\n")
    assert [(each.approver, each.verdict, each.command_id) for each in made.written] == [
        ("alice", "approve", command_id(1)),
        ("bob", "deny", command_id(1)),
    ]
    assert made.refused == []


async def test_what_waits_is_listed_for_an_approver(tmp_path: Path) -> None:
    async with served(tmp_path) as (made, server):
        made.held.take(outcome(2, detail=HOSTILE, credential_id=HOSTILE))
        await asked(server, request(one(APPROVE), TOKENS["alice"]))
        answer = await asked(server, request("/approvals", TOKENS["bob"], "GET"))
        head, body = answer.split(b"\r\n\r\n", 1)
        first, second = json.loads(body)["held"]
        assert b"Cache-Control: no-store" in head
        assert first == {
            "command_id": command_id(1),
            "credential_id": "cred-1",
            "target": "vault",
            "why": "needs 2 approvals: revoke.approval asks for it",
            "since": "2026-11-03T12:00:00Z",
            "said": {"alice": "approve"},
        }
        assert second["credential_id"] == HOSTILE
        for token in TOKENS.values():
            assert token.encode() not in answer
        assert status_of(await asked(server, request("/approvals", None, "GET"))) == 401


async def test_what_has_failed_is_tried_again_and_nothing_else(tmp_path: Path) -> None:
    async with served(tmp_path) as (made, server):
        made.held.take(outcome(6, "done-unproved"))
        made.held.take(outcome(7, "failed"))
        assert status_of(await asked(server, request(one(RETRY, 7)))) == 401
        assert status_of(await asked(server, request(one(RETRY, 1), TOKENS["bob"]))) == 404  # it waits
        assert made.written == []
        answer = await asked(server, request(one(RETRY, 7), TOKENS["bob"]))
        assert b"to be tried again, asked for by bob" in answer
        assert status_of(await asked(server, request(one(RETRY, 6), TOKENS["alice"]))) == 200
        listed = json.loads(
            (await asked(server, request("/approvals", TOKENS["bob"], "GET"))).split(b"\r\n\r\n")[1]
        )
    assert [(one.approver, one.verdict) for one in made.written] == [("bob", "retry"), ("alice", "retry")]
    assert [(one["outcome"], one["said"]) for one in listed["retriable"]] == [
        ("done-unproved", {"alice": "retry"}),
        ("failed", {"bob": "retry"}),
    ]


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (request(one(APPROVE)), 401),
        (request(one(APPROVE), WRONG), 401),
        (request(one(APPROVE), ""), 401),
        (request(one(APPROVE), TOKENS["alice"][:-1]), 401),
        (request(one(APPROVE), Authorization=f"Basic {TOKENS['alice']}"), 401),
        (request(one(APPROVE), Cookie=f"token={TOKENS['alice']}"), 401),
        (request(f"{one(APPROVE)}&token={TOKENS['alice']}"), 401),
        (request(one(APPROVE), TOKENS["alice"], "GET"), 405),  # a link or an image does nothing
        (request(one(APPROVE), TOKENS["alice"], "OPTIONS", Origin="https://evil.example"), 405),
        (request("/approvals", TOKENS["alice"], "POST"), 405),
        (request(one(APPROVE), TOKENS["alice"], Sec_Fetch_Site="cross-site"), 403),
        (request(one(APPROVE), TOKENS["alice"], Sec_Fetch_Site="same-site"), 403),
        (request(one(APPROVE), TOKENS["alice"], Host="evil.example"), 403),
        (request(one(APPROVE, 5), TOKENS["alice"]), 404),
        (request(APPROVE, TOKENS["alice"]), 400),
        (request(f"{APPROVE}?id=x", TOKENS["alice"]), 400),
        (request(f"{one(APPROVE)}&id={command_id(2)}", TOKENS["alice"]), 400),
        (request(f"{APPROVE}/{command_id(1)}", TOKENS["alice"]), 404),
    ],
)
async def test_what_is_refused_writes_nothing(tmp_path: Path, message: bytes, status: int) -> None:
    async with served(tmp_path) as (made, server):
        answer = await asked(server, message)
        assert status_of(answer) == status
        assert b"Access-Control" not in answer
        assert made.written == []


async def test_who_guesses_has_to_wait_and_others_need_not(tmp_path: Path) -> None:
    async with served(tmp_path) as (made, server):
        for _ in range(TRIES):
            assert status_of(await asked(server, request(one(APPROVE), WRONG))) == 401
        answer = await asked(server, request(one(APPROVE), TOKENS["alice"]))
        assert status_of(answer) == 429
        assert b"Retry-After: 60" in answer
        assert made.written == []
        answer = await asked(server, request(one(APPROVE), TOKENS["alice"]), "127.0.0.2")
        assert status_of(answer) == 200


def test_wrong_tokens_are_forgotten_after_a_while_and_of_many_clients() -> None:
    now = 0.0
    wrong = WrongTokens(lambda: now)
    for _ in range(TRIES):
        assert wrong.wait("a") == 0
        wrong.count("a")
    assert wrong.wait("a") == TRIES_SECONDS
    now = TRIES_SECONDS - 1
    assert wrong.wait("a") == 1
    now = TRIES_SECONDS
    assert wrong.wait("a") == 0
    for number in range(5000):
        wrong.count(f"client-{number}")
    assert len(wrong._tried) == 1000


async def test_a_broker_that_is_away_is_said_without_its_name(tmp_path: Path) -> None:
    async with served(tmp_path) as (made, server):
        made.failure = RetryError("cannot connect to broker-1.internal:9092")
        answer = await asked(server, request(one(APPROVE), TOKENS["alice"]))
        assert status_of(answer) == 503
        assert b"internal" not in answer


async def test_a_token_file_that_goes_or_is_replaced_counts_at_once(tmp_path: Path) -> None:
    async with served(tmp_path) as (made, server):
        (tmp_path / "alice.token").write_text("c3" * 16)
        assert status_of(await asked(server, request(one(APPROVE), TOKENS["alice"]))) == 401
        assert status_of(await asked(server, request(one(APPROVE), "c3" * 16))) == 200
        (tmp_path / "alice.token").unlink()
        assert status_of(await asked(server, request(one(APPROVE), "c3" * 16))) == 401
        assert status_of(await asked(server, request(one(APPROVE), TOKENS["bob"]))) == 200
        (tmp_path / "alice.token").write_text(TOKENS["bob"])  # then nobody knows who it is
        assert status_of(await asked(server, request(one(APPROVE), TOKENS["bob"]))) == 401
        assert len(made.written) == 2
