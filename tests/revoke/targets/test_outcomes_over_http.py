"""What the revoker makes of the targets over HTTP: outcomes, and the time from the command to the proof."""

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from detector.revoke.executor import ExecutorSettings
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import Target
from detector.revoke.targets.oauth import OAuth, OAuthOptions
from detector.revoke.targets.program import Program, ProgramOptions
from detector.revoke.targets.webhook import Webhook, WebhookOptions
from detector.revoke.turn import TurnSettings
from detector.values.times import SECOND
from tests.revoke.recording import OpenRails
from tests.revoke.running import Running, Stored
from tests.revoke.servers import OAuthServer
from tests.revoke.servers.oauth import secret
from tests.revoke.targets.commands import command
from tests.revoke.targets.scripted_provider import Reply, scripted


def running(target: Target, stored: Stored | None = None, deadline: int = 20 * SECOND) -> Running:
    return Running(OpenRails({"t": target}), stored, ExecutorSettings(deadline=deadline), TurnSettings())


def oauth(server: OAuthServer, folder: Path, **options: Any) -> OAuth:
    (folder / "secret").write_text(secret("revoker"))
    (folder / "control").write_text(server.token())
    values = {
        "url": server.issuer,
        "client_id": "revoker",
        "client_secret_file": str(folder / "secret"),
        "token_folder": str(folder),
        "control_token_file": str(folder / "control"),
        "revocation_path": "/token/revocation",
        "introspection_path": "/token/introspection",
    }
    return OAuth(msgspec.convert(values | options, OAuthOptions))


def asked(number: int = 1) -> RevocationCommand:
    handle = {"provider": "oauth", "method": "rfc7009", "client_id": "task", "token_name": f"run-{number}"}
    return command(handle, id=f"0d6e0e52-3f0c-5a3c-9d6e-{number:012}", credential_id=f"cred-{number}")


async def test_a_token_is_confirmed_dead_within_a_second(oauth_server: OAuthServer, tmp_path: Path) -> None:
    tokens = [oauth_server.token() for _ in range(20)]
    for number, token in enumerate(tokens):
        (tmp_path / f"run-{number}").write_text(token)
    target = oauth(oauth_server, tmp_path)
    process = running(target)
    started = time.monotonic()
    process.take([asked(number) for number in range(20)])
    await process.settle()
    assert time.monotonic() - started < 15  # a second each would be 20, one after the other
    assert set(process.stored.verdicts) == {"confirmed"}
    assert not any(oauth_server.active(token) for token in tokens)
    await target.close()


async def test_killed_between_the_act_and_its_record_it_is_gone_already(
    oauth_server: OAuthServer, tmp_path: Path
) -> None:
    token = oauth_server.token()
    (tmp_path / "run-1").write_text(token)
    first = oauth(oauth_server, tmp_path)
    process = running(first)
    process.take([asked()])
    await process.until(lambda: any(act.what == "acted" for act in process.acts))
    await process.crash()  # nothing since the first transaction is stored
    await first.close()
    second = oauth(oauth_server, tmp_path)
    again = running(second, process.stored)
    await again.settle()
    assert again.stored.verdicts[-1] in {"gone-already", "confirmed"}
    assert not oauth_server.active(token)
    assert oauth_server.active((tmp_path / "control").read_text())
    await second.close()


async def test_a_client_that_may_not_revoke_never_confirms(oauth_server: OAuthServer, tmp_path: Path) -> None:
    token = oauth_server.token()
    (tmp_path / "run-1").write_text(token)
    (tmp_path / "mute").write_text(secret("mute"))
    target = oauth(oauth_server, tmp_path, client_id="mute", client_secret_file=str(tmp_path / "mute"))
    process = running(target, deadline=SECOND)
    process.take([asked()])
    await process.settle()
    assert process.stored.verdicts == ["failed"]
    assert oauth_server.active(token)
    await target.close()


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (Reply(202), "done-unproved"),
        (Reply(200, {"state": "dead"}), "confirmed"),
        (Reply(200, {"state": "dead", "control": False}), "done-unproved"),
        (Reply(200, {"state": "live"}), "failed"),
        (Reply(200, {"refused": "not ours"}), "refused"),
        (Reply(410), "refused"),
    ],
    ids=["202", "dead", "no-control", "live", "refused", "410"],
)
async def test_a_webhook_confirms_only_what_it_states(tmp_path: Path, reply: Reply, verdict: str) -> None:
    (tmp_path / "secret").write_text("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
    async with scripted(lambda _: reply) as provider:
        options = {"url": provider.url, "secret_file": str(tmp_path / "secret")}
        target = Webhook(msgspec.convert(options, WebhookOptions))
        process = running(target, deadline=SECOND)
        process.take([command({"provider": "shipit"})])
        await process.settle()
        assert process.stored.verdicts == [verdict]
        ids = {request.headers["webhook-id"] for request in provider.requests}
        assert ids == {command({}).id}
        await target.close()


async def test_a_program_that_says_not_now_is_called_again(tmp_path: Path) -> None:
    path = tmp_path / "revoke-it"
    path.write_text(
        f"#!/bin/sh\ncat > /dev/null\necho x >> {tmp_path}/calls\n[ -s {tmp_path}/once ] && exit 0\necho x > {tmp_path}/once\nexit 75\n"
    )
    path.chmod(0o755)
    process = running(Program(ProgramOptions(command=(str(path),))))
    process.take([command({"provider": "shipit"})])
    await process.settle()
    assert process.stored.verdicts == ["done-unproved"]
    assert (tmp_path / "calls").read_text().count("x") == 2
