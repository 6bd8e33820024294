"""JWTs as Google signs them for Pub/Sub's pushes: by whom, for whom, whose, until when, and where the keys are from."""

import base64
import contextlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey

from detector.configuration.receive_settings import TokenClaims
from detector.receive.delivery import Head, RefusalError
from detector.receive.issuer_keys import IssuerKeys
from detector.receive.tokens import TokenProof
from tests.receive.serving import JSON, serving, source

ISSUER = "https://accounts.google.com"
AUDIENCE = "https://receive.example.com/gcp"
EMAIL = "push@project.iam.gserviceaccount.com"
KEY = ECKey.generate_key("P-256", {"kid": "first"}, auto_kid=False)
OTHER = ECKey.generate_key("P-256", {"kid": "first"}, auto_kid=False)
SECOND = ECKey.generate_key("P-256", {"kid": "second"}, auto_kid=False)


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    made = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "email": EMAIL,
        "email_verified": True,
        "iat": now,
        "exp": now + 3600,
    }
    return {name: value for name, value in {**made, **changed}.items() if value is not None}


def token(key: Any = KEY, algorithm: str = "ES256", **changed: Any) -> str:
    return jwt.encode({"alg": algorithm, "kid": key.kid}, claims(**changed), key)


def signed_with_the_public_key() -> str:
    """A token whose HMAC has the public key as its secret: it holds for whoever lets the token say the algorithm."""
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "kid": "first"}, claims())]
    content = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    tag = hmac.digest(KEY.as_pem(private=False), content, "sha256")
    return f"{content.decode()}.{base64.urlsafe_b64encode(tag).rstrip(b'=').decode()}"


class Issuer:
    """A server with public keys, and how often they were asked for."""

    def __init__(self) -> None:
        self.keys: list[Any] = [KEY]
        self.asked = 0
        self.status = 200
        self.url = ""

    async def answer(self, _: web.BaseRequest) -> web.Response:
        self.asked += 1
        return web.json_response(
            {"keys": [key.as_dict(private=False) for key in self.keys]}, status=self.status
        )


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    made = Issuer()
    runner = web.ServerRunner(web.Server(made.answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/certs"
    yield made
    await runner.cleanup()


def proof(issuer: Issuer, clock: Callable[[], float] = time.monotonic) -> TokenProof:
    return TokenProof(TokenClaims(ISSUER, AUDIENCE, issuer.url, (EMAIL,)), IssuerKeys(issuer.url, clock))


async def status_of(checked: TokenProof, shown: str) -> int:
    with contextlib.suppress(RefusalError):
        await checked.check(Head("", {"authorization": f"Bearer {shown}"}))
        return 200
    with pytest.raises(RefusalError) as refused:
        await checked.check(Head("", {"authorization": f"Bearer {shown}"}))
    return refused.value.status


async def test_only_googles_token_for_this_audience_and_account_is_right(issuer: Issuer) -> None:
    checked, now = proof(issuer), int(time.time())
    assert await status_of(checked, token()) == 200
    assert await status_of(checked, token(exp=now - 30, iat=now + 30, nbf=now + 30)) == 200  # clocks differ
    for wrong in (
        token(OTHER),
        token(iss="https://accounts.google.com.example"),
        token(aud="https://other.example"),
        token(aud=None),
        token(email="other@project.iam.gserviceaccount.com"),
        token(email_verified=False),
        token(email_verified="true"),
        token(exp=now - 120),
        token(exp=None),
        token(nbf=now + 600),
        token(iat=now + 600),
        token(exp="soon"),
        token().rpartition(".")[0] + ".",
        token()[:-4] + "AAAA",
        signed_with_the_public_key(),
        jwt.encode({"alg": "ES256"}, claims(), KEY),
        "eyJhbGciOiJub25lIiwia2lkIjoiZmlyc3QifQ.e30.",  # alg none
        "no.token.at-all",
        "é" * 10,
        "",
        "x" * 9000,
    ):
        assert await status_of(checked, wrong) == 401
    assert issuer.asked == 1


async def test_a_new_key_is_fetched_but_not_again_and_again(issuer: Issuer) -> None:
    now = 1000.0
    checked = proof(issuer, lambda: now)
    assert await status_of(checked, token()) == 200
    issuer.keys = [KEY, SECOND]
    for _ in range(5):
        assert await status_of(checked, token(SECOND)) == 401
    assert issuer.asked == 1
    now += 31
    assert await status_of(checked, token(SECOND)) == 200
    assert issuer.asked == 2


async def test_without_keys_the_sender_comes_again_and_old_keys_stay_good(issuer: Issuer) -> None:
    now = 1000.0
    checked = proof(issuer, lambda: now)
    issuer.status = 500
    assert await status_of(checked, token()) == 503
    now, issuer.status = now + 31, 200
    assert await status_of(checked, token()) == 200
    now, issuer.status = now + 4000, 500
    assert await status_of(checked, token()) == 200
    assert issuer.asked == 3


async def test_a_push_is_written(tmp_path: Path, issuer: Issuer) -> None:
    push = json.dumps({"message": {"data": "aGVsbG8=", "messageId": "1"}, "subscription": "s"})
    gcp = source("pubsub", secrets=None, audience=AUDIENCE, emails=[EMAIL], keys_url=issuer.url)
    async with serving(tmp_path, gcp) as served:
        shown = {**JSON, "Authorization": f"Bearer {token()}"}
        assert (await served.post("/pubsub", push.encode(), shown)).status == 200
        assert (await served.post("/pubsub", push.encode(), JSON)).status == 401
        assert served.lines("pubsub") == [push]
