"""The target `azure` against answers as Microsoft Graph documents them: contract only."""

from pathlib import Path
from typing import Any

import pytest

from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import GoneError, RefusedError, UnavailableError
from detector.revoke.targets.azure import AzureOptions, AzureTarget
from detector.values.times import SECOND, format_rfc3339
from tests.revoke.targets.scripted_provider import Reply, Request, scripted

ISSUED = 1_790_000_000 * SECOND
TENANT, CLIENT, OBJECT, KEY_ID, OTHER = (f"{digit * 8}-1111-4111-8111-111111111111" for digit in "abcde")
SECRET = {"method": "remove-secret", "application": OBJECT, "key_id": KEY_ID}
PRINCIPAL = {"method": "disable-service-principal", "service_principal": OBJECT}
SESSIONS = {"method": "revoke-sign-in-sessions", "user": "ann@shop.example"}


class Graph:
    """One application with two secrets, its service principal, and a user; and the endpoint for tokens."""

    def __init__(self) -> None:
        self.secrets = [{"keyId": name, "startDateTime": format_rfc3339(ISSUED)} for name in (KEY_ID, OTHER)]
        self.enabled = True
        self.since = ISSUED - 100 * SECOND
        self.tokens = 0
        self.names: dict[str, str] = {}

    def answer(self, request: Request) -> Reply:
        if request.path == f"/{TENANT}/oauth2/v2.0/token":
            assert request.body["client_secret"] == "the-client-secret"
            self.tokens += 1
            return Reply(200, {"access_token": f"token-{self.tokens}", "expires_in": 3599})
        if request.headers["Authorization"] != f"Bearer token-{self.tokens}":
            return Reply(401)
        return self._read(request) if request.method == "GET" else self._written(request)

    def _written(self, request: Request) -> Reply:
        if request.path == f"/v1.0/applications/{OBJECT}/removePassword":
            self.secrets = [one for one in self.secrets if one["keyId"] != request.body["keyId"]]
            return Reply(204)
        if request.path == f"/v1.0/servicePrincipals/{OBJECT}":
            self.enabled = request.body["accountEnabled"]
            return Reply(204)
        assert request.path == "/v1.0/users/ann@shop.example/revokeSignInSessions"
        self.since = ISSUED + SECOND
        return Reply(200, {"value": True})

    def _read(self, request: Request) -> Reply:
        known: dict[str, dict[str, Any]] = {
            f"/v1.0/applications/{OBJECT}": {"id": OBJECT, "passwordCredentials": self.secrets},
            f"/v1.0/servicePrincipals/{OBJECT}": {"id": OBJECT, "accountEnabled": self.enabled},
            "/v1.0/users/ann@shop.example": {
                "id": OBJECT,
                "signInSessionsValidFromDateTime": format_rfc3339(self.since),
            },
        }
        found = known.get(request.path)
        return (
            Reply(404, {"error": {"code": "Request_ResourceNotFound"}})
            if found is None
            else Reply(200, {**found, **self.names})
        )


@pytest.fixture
def secret_file(tmp_path: Path) -> str:
    path = tmp_path / "secret"
    path.write_text("the-client-secret")
    return str(path)


def command(revocation: dict[str, Any], **fields: Any) -> RevocationCommand:
    known: dict[str, Any] = {"id": "c", "time": ISSUED, "credential_id": "x", "issued_at": ISSUED}
    return RevocationCommand(revocation={"provider": "azure", **revocation}, **{**known, **fields})


def target(url: str, secret_file: str, **options: Any) -> AzureTarget:
    known = {"url": url, "login_url": url, "tenant": TENANT, "client_id": CLIENT}
    return AzureTarget(AzureOptions(**{**known, "client_secret_file": secret_file, **options}))


@pytest.mark.parametrize(
    ("revocation", "end"),
    [(SECRET, "absent"), (PRINCIPAL, "unknown"), (SESSIONS, "dead")],
    ids=["secret", "principal", "sessions"],
)
async def test_contract_it_revokes_and_says_what_graph_says(
    revocation: dict[str, Any], end: str, secret_file: str
) -> None:
    graph, asked = Graph(), command(revocation)
    async with scripted(graph.answer) as api:
        made = target(api.url, secret_file, disable_service_principals=True)
        assert "an hour" in made.plan(asked).unproved
        assert (await made.probe(asked)).state == "live"
        await made.revoke(asked, 0)
        seen = await made.probe(asked)
        assert (seen.state, seen.control) == (end, True)
        if end != "unknown":
            with pytest.raises(GoneError) as raised:
                await made.revoke(asked, 0)
            assert raised.value.known is (end == "dead")
        else:
            assert "nothing to do" in await made.revoke(asked, 0)
        await made.close()
    assert graph.tokens == 1
    assert OTHER in [one["keyId"] for one in graph.secrets]


async def test_contract_an_access_token_is_never_proved_dead(secret_file: str) -> None:
    graph, asked = Graph(), command(SESSIONS, kind="azure-token")
    async with scripted(graph.answer) as api:
        made = target(api.url, secret_file)
        await made.revoke(asked, 0)
        assert (await made.probe(asked)).state == "unknown"
        await made.close()


async def test_contract_a_secret_of_another_time_is_left_alone(secret_file: str) -> None:
    graph = Graph()
    async with scripted(graph.answer) as api:
        made = target(api.url, secret_file)
        with pytest.raises(RefusedError, match="another time"):
            await made.revoke(command(SECRET, issued_at=ISSUED + 100 * SECOND), 0)
        await made.close()
    assert len(graph.secrets) == 2


@pytest.mark.parametrize(
    ("revocation", "fields", "words"),
    [
        (PRINCIPAL, {}, "disable_service_principals"),
        ({**SECRET, "key_id": None}, {}, "`key_id`"),
        ({**SECRET, "application": "x/../y"}, {}, "`application`"),
        ({**SECRET, "tenant": OTHER}, {}, "another tenant"),
        ({**SESSIONS, "user": "a b"}, {}, "`user`"),
        (SESSIONS, {"issued_at": None}, "does not say when"),
        ({"method": "delete-user"}, {}, "`method`"),
    ],
    ids=["principal", "no-key", "path", "tenant", "user", "time", "method"],
)
def test_what_cannot_be_revoked_is_refused(
    revocation: dict[str, Any], fields: dict[str, Any], words: str, secret_file: str
) -> None:
    with pytest.raises(RefusedError, match=words):
        target("http://127.0.0.1:9", secret_file).plan(command(revocation, **fields))


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (Reply(403, {"error": {"code": "Authorization_RequestDenied"}}), RefusedError, "permissions"),
        (Reply(404, {"message": "x"}), UnavailableError, "not as Graph"),
        (Reply(404, b"<html>"), UnavailableError, "not JSON|not a JSON"),
        (Reply(200, {"passwordCredentials": "none"}), UnavailableError, "does not list"),
        (Reply(200, {}), UnavailableError, "does not list"),
        (
            Reply(200, {"passwordCredentials": [{"keyId": KEY_ID, "startDateTime": "then"}]}),
            UnavailableError,
            "does not say when",
        ),
        (Reply(503, {}, {"Retry-After": "9"}), UnavailableError, "503"),
    ],
    ids=["rights", "other-404", "html", "text", "nothing", "time", "busy"],
)
async def test_contract_odd_answers_prove_nothing(
    reply: Reply, error: type[Exception], words: str, secret_file: str
) -> None:
    graph = Graph()
    async with scripted(lambda request: graph.answer(request) if "oauth2" in request.path else reply) as api:
        made = target(api.url, secret_file)
        with pytest.raises(error, match=words):
            await made.probe(command(SECRET))
        await made.close()


@pytest.mark.parametrize(
    "reply",
    [
        Reply(400, {"error": "invalid_client"}),
        Reply(200, {"access_token": "a\nb", "expires_in": 9}),
        Reply(200, {}),
    ],
    ids=["refused", "two-lines", "nothing"],
)
async def test_contract_without_a_token_nothing_is_asked(reply: Reply, secret_file: str) -> None:
    async with scripted(lambda _: reply) as api:
        made = target(api.url, secret_file)
        with pytest.raises(UnavailableError) as failed:
            await made.probe(command(SECRET))
        await made.close()
    assert "the-client-secret" not in str(failed.value)
    assert len(api.requests) == 1


@pytest.mark.parametrize("revocation", [SECRET, PRINCIPAL, SESSIONS])
async def test_contract_it_says_what_an_id_is_called(revocation: dict[str, Any], secret_file: str) -> None:
    graph, asked = Graph(), command(revocation)
    graph.names = {"displayName": "Break glass", "appId": CLIENT, "userPrincipalName": "bg@example.com"}
    async with scripted(graph.answer) as api:
        made = target(api.url, secret_file, disable_service_principals=True)
        found = (await made.probe(asked)).found
        assert found["display_name"] == "Break glass"
        assert {CLIENT, "bg@example.com"} & {*found.values()}
        assert found["object_id"]
        with pytest.raises(RefusedError, match="another object"):  # the name went to somebody else since
            await made.revoke(command({**revocation, **found, "object_id": OTHER}), 0)
        await made.close()
