"""MinIO's target without a server: what it refuses, and answers that are no MinIO's.

tests/clusters/test_minio.py has the same against a MinIO.
"""

from pathlib import Path
from typing import Any

import pytest

from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import GoneError, RefusedError, UnavailableError
from detector.revoke.targets.minio import MinioOptions, MinioTarget
from tests.revoke.targets.hostile_server import answer, answering

ABSENT = b'{"Code": "XMinioInvalidIAMCredentials"}'
NO_KEY = b'{"Code": "XMinioAdminNoSuchAccessKey"}'
NO_USER = b'{"Code": "XMinioAdminNoSuchUser"}'


def target(url: str, tmp_path: Path, **options: Any) -> MinioTarget:
    secret = tmp_path / "secret"
    secret.write_text("a secret of loopback")
    given = {"url": url, "access_key": "revoker", "secret_key_file": str(secret), **options}
    return MinioTarget(MinioOptions(**given))


def command(credential_id: str = "job-1", **revocation: Any) -> RevocationCommand:
    return RevocationCommand(
        id="1",
        time=0,
        credential_id=credential_id,
        revocation={"provider": "minio", "access_key": "JOBKEY", **revocation},
    )


def test_a_plan_switches_off_and_deletes_later_or_revokes_a_session(tmp_path: Path) -> None:
    made = target("http://127.0.0.1:1", tmp_path, delete_after=60).plan(command())
    assert [(step.words, step.reversible, step.delay) for step in made.steps] == [
        ("switch off the access key JOBKEY", True, 0),
        ("delete the access key JOBKEY", False, 60),
    ]
    made = target("http://127.0.0.1:1", tmp_path).plan(command(method="revoke-tokens", user="worker"))
    assert [step.words for step in made.steps] == ["revoke the tokens of worker with TokenRevokeType job-1"]
    assert "other nodes" in made.unproved


@pytest.mark.parametrize(
    "wrong",
    [
        command(access_key=""),
        command(access_key="a b"),
        command(access_key="x&accessKey=other"),
        command(access_key="\ud800aa"),
        command(access_key=7),
        command(access_key="revoker"),
        command(cluster="another"),
        command(method="revoke-tokens"),
        command(method="revoke-tokens", user=""),
        command(method="revoke-tokens", user="revoker"),
        command("two words", method="revoke-tokens", user="worker"),
    ],
    ids=[
        "none",
        "blank",
        "two",
        "surrogate",
        "number",
        "own",
        "cluster",
        "no user",
        "empty",
        "own user",
        "id",
    ],
)
async def test_what_it_must_not_touch_is_refused_before_anybody_is_asked(
    wrong: RevocationCommand, tmp_path: Path
) -> None:
    revoker = target("http://127.0.0.1:1", tmp_path)
    with pytest.raises(RefusedError):
        revoker.plan(wrong)
    with pytest.raises(RefusedError):
        await revoker.revoke(wrong, 0)


async def test_a_key_is_gone_only_if_no_kind_of_key_is_there(tmp_path: Path) -> None:
    answers = [answer("404 Not Found", body) for body in (ABSENT, NO_KEY, NO_USER)]
    async with answering(*answers) as server:
        revoker = target(server.url, tmp_path)
        with pytest.raises(GoneError):
            await revoker.revoke(command(), 0)
        assert [head.split("?")[0].rpartition("/")[2] for head in server.heads] == [
            "info-service-account",
            "info-access-key",
            "user-info",
        ]
        assert all("a secret of loopback" not in head for head in server.heads)
        await revoker.close()


@pytest.mark.parametrize(
    "sent",
    [
        answer("200 OK", b"not encrypted"),
        answer("200 OK", b"\0" * 4096),
        answer("200 OK"),
        answer("403 Forbidden", b'{"Code": "SignatureDoesNotMatch"}'),
        answer("403 Forbidden", b"[]"),
        answer("404 Not Found", b"<html>"),
        answer("404 Not Found", b"{}"),
        answer("500 Internal Server Error"),
        answer("307 Moved", Location="http://127.0.0.1:1/"),
    ],
    ids=["clear", "zeros", "empty", "signature", "list", "html", "no code", "500", "redirect"],
)
async def test_whatever_else_answers_is_unavailable(sent: bytes, tmp_path: Path) -> None:
    async with answering(sent) as server:
        revoker = target(server.url, tmp_path)
        with pytest.raises(UnavailableError):
            await revoker.probe(command())
        await revoker.close()
