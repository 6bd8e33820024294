"""The target `google` against answers as Google documents them: contract only."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import RSAKey

from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import GoneError, RefusedError, UnavailableError
from detector.revoke.targets.google import GoogleTarget
from detector.revoke.targets.google_options import GoogleOptions
from detector.values.times import SECOND, format_rfc3339
from tests.revoke.targets.scripted_provider import Reply, Request, scripted

ISSUED = 1_790_000_000 * SECOND
ACCOUNT = "deploy@shop.iam.gserviceaccount.com"
KEY_ID = "0123456789abcdef0123456789abcdef01234567"
PRINCIPAL = (
    "principal://iam.googleapis.com/projects/12/locations/global/workloadIdentityPools/ci/subject/"
    "github-job-71"
)
KEY = {"method": "disable-service-account-key", "service_account": ACCOUNT, "key_id": KEY_ID}
DENY = {"method": "deny-principal", "principal": PRINCIPAL}
PATH = f"/v1/projects/-/serviceAccounts/{ACCOUNT}"
DENIED = {"deny_project": "shop-prod", "denied_permissions": ("storage.googleapis.com/objects.*",)}


class Google:
    """One key, one account, one deny policy."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {
            f"{PATH}/keys/{KEY_ID}": {
                "name": f"projects/shop/serviceAccounts/{ACCOUNT}/keys/{KEY_ID}",
                "keyType": "USER_MANAGED",
                "validAfterTime": format_rfc3339(ISSUED),
            },
            PATH: {"name": f"projects/shop/serviceAccounts/{ACCOUNT}"},
        }
        self.policy: dict[str, Any] | None = None

    def answer(self, request: Request) -> Reply:
        if request.headers.get("Authorization") != "Bearer the-access-token":
            return Reply(401)
        if request.path.startswith("/v2/policies/"):
            return self._denied(request)
        path, _, verb = request.path.partition(":")
        found = self.objects.get(path)
        if found is None:
            return Reply(404, {"error": {"code": 404, "status": "NOT_FOUND"}})
        if verb == "disable":
            found["disabled"] = True
        if request.method == "DELETE":
            del self.objects[path]
        return Reply(200, {} if request.method != "GET" else found)

    def _denied(self, request: Request) -> Reply:
        assert "cloudresourcemanager.googleapis.com/projects/shop-prod" in request.path
        if request.method != "GET":
            if request.body.get("etag") != (self.policy or {}).get("etag"):
                return Reply(409, {})
            self.policy = {**request.body, "etag": f"e{len(str(request.body))}"}
            return Reply(200, {"name": "operation"})
        return Reply(404, {}) if self.policy is None else Reply(200, self.policy)


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text("the-access-token")
    return str(path)


def command(revocation: dict[str, Any], **fields: Any) -> RevocationCommand:
    known: dict[str, Any] = {"id": "c", "time": ISSUED, "credential_id": "x", "issued_at": ISSUED}
    return RevocationCommand(revocation={"provider": "gcp", **revocation}, **{**known, **fields})


def target(url: str, token_file: str, **options: Any) -> GoogleTarget:
    return GoogleTarget(GoogleOptions(url=url, token_file=token_file, **options))


async def test_contract_a_key_is_disabled_and_deleted_later(token_file: str) -> None:
    google, asked = Google(), command(KEY)
    async with scripted(google.answer) as api:
        made = target(api.url, token_file, delete_after="1d")
        assert [step.reversible for step in made.plan(asked).steps] == [True, False]
        assert (await made.probe(asked)).state == "live"
        with pytest.raises(RefusedError, match="enabled"):
            await made.revoke(asked, 1)
        await made.revoke(asked, 0)
        assert (await made.probe(asked)).state == "dead"
        with pytest.raises(GoneError):
            await made.revoke(asked, 0)
        await made.revoke(asked, 1)
        assert (await made.probe(asked)).how.startswith("IAM has no")
        assert "deleted already" in await made.revoke(asked, 1)
        await made.close()
    assert f"{PATH}/keys/{KEY_ID}:disable" in api.calls("POST")
    assert "an hour" in made.plan(asked).unproved


async def test_contract_an_account_is_disabled_only_if_allowed(token_file: str) -> None:
    google, asked = Google(), command({**DENY, "service_account": ACCOUNT})
    async with scripted(google.answer) as api:
        with pytest.raises(RefusedError, match="disable_service_accounts"):
            await target(api.url, token_file).revoke(asked, 0)
        made = target(api.url, token_file, disable_service_accounts=True)
        await made.revoke(asked, 0)
        assert (await made.probe(asked)).state == "dead"
        await made.close()


async def test_contract_a_principal_is_denied_beside_others(token_file: str) -> None:
    google, jobs = Google(), ("github-job-71", "github-job-72")
    asked = [command({**DENY, "principal": PRINCIPAL[:-2] + job[-2:]}, task_ids=(job,)) for job in jobs]
    async with scripted(google.answer) as api:
        made = target(api.url, token_file, **DENIED)
        assert (await made.probe(asked[0])).state == "live"
        for each in asked:
            await made.revoke(each, 0)
        with pytest.raises(GoneError):
            await made.revoke(asked[0], 0)
        assert [(await made.probe(each)).state for each in asked] == ["unknown", "unknown"]
        await made.close()
    assert google.policy is not None
    assert google.policy["rules"] == [
        {
            "denyRule": {
                "deniedPrincipals": [each.text("principal") for each in asked],
                "deniedPermissions": ["storage.googleapis.com/objects.*"],
            }
        }
    ]
    assert [request.query for request in api.requests if request.method == "POST"] == [
        {"policyId": "curfewd-revoked"}
    ]


async def test_contract_a_deny_policy_of_other_hands_is_left_alone(token_file: str) -> None:
    google = Google()
    google.policy = {"rules": [{"denyRule": {}}], "etag": "e"}
    async with scripted(google.answer) as api:
        made = target(api.url, token_file, **DENIED)
        with pytest.raises(RefusedError, match="look at it"):
            await made.revoke(command(DENY, task_ids=("job",)), 0)
        await made.close()
    assert google.policy["etag"] == "e"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"validAfterTime": format_rfc3339(ISSUED - 90 * SECOND)}, "another time"),
        ({"keyType": "SYSTEM_MANAGED"}, "Google's own"),
    ],
    ids=["time", "system"],
)
async def test_contract_a_key_that_does_not_fit_is_left_alone(
    change: dict[str, Any], words: str, token_file: str
) -> None:
    google = Google()
    google.objects[f"{PATH}/keys/{KEY_ID}"].update(change)
    async with scripted(google.answer) as api:
        made = target(api.url, token_file)
        with pytest.raises(RefusedError, match=words):
            await made.revoke(command(KEY), 0)
        await made.close()
    assert api.calls("POST") == []


@pytest.mark.parametrize(
    ("revocation", "fields", "words"),
    [
        ({"method": "revoke-token"}, {}, "wants the token"),
        ({"method": "delete-project"}, {}, "`method`"),
        ({**KEY, "key_id": "../x"}, {}, "`key_id`"),
        ({**KEY, "service_account": "root@example.com"}, {}, "`service_account`"),
        (DENY, {"task_ids": ("gcp/principal/ci/repo:shop",)}, "names no job"),
        (DENY, {}, "names no job"),
        ({**DENY, "principal": "principalSet://goog/public:all"}, {"task_ids": ("j",)}, "`principal`"),
        (DENY, {"task_ids": ("j",)}, "denied_permissions"),
    ],
    ids=["token", "method", "key", "account", "shared", "no-task", "everyone", "not-configured"],
)
def test_what_cannot_be_revoked_is_refused(
    revocation: dict[str, Any], fields: dict[str, Any], words: str, token_file: str
) -> None:
    with pytest.raises(RefusedError, match=words):
        target("http://127.0.0.1:9", token_file).plan(command(revocation, **fields))


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (Reply(403, {"error": {"status": "PERMISSION_DENIED"}}), RefusedError, r"google\.yaml"),
        (Reply(404, b"not here"), UnavailableError, "not JSON|not a JSON"),
        (Reply(404, {"error": "x"}), UnavailableError, "not as IAM"),
        (Reply(200, {"name": "another"}), UnavailableError, "something else"),
        (Reply(200, {"name": f"keys/{KEY_ID}x/keys/{KEY_ID}"}), RefusedError, "Google's own"),
        (Reply(429, {}, {"Retry-After": "3"}), UnavailableError, "429"),
        (Reply(200, b"{" * 9_000), UnavailableError, "not JSON|not a JSON"),
    ],
    ids=["rights", "text", "other-404", "other-key", "no-type", "throttled", "garbage"],
)
async def test_contract_odd_answers_prove_nothing(
    reply: Reply, error: type[Exception], words: str, token_file: str
) -> None:
    async with scripted(lambda _: reply) as api:
        made = target(api.url, token_file)
        with pytest.raises(error, match=words):
            await made.probe(command(KEY))
        await made.close()


async def test_contract_a_key_is_exchanged_for_a_token_once(tmp_path: Path) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    path = tmp_path / "key.json"
    key = {
        "client_email": "revoker@x",
        "private_key": pem,
        "private_key_id": "k1",
        "token_uri": "http://evil/",
    }
    path.write_text(json.dumps(key))
    google = Google()

    def answer(request: Request) -> Reply:
        if request.path == "/token":
            return Reply(200, {"access_token": "the-access-token", "expires_in": 3599})
        return google.answer(request)

    async with scripted(answer) as api:
        options = GoogleOptions(url=api.url, token_url=f"{api.url}/token", credentials_file=str(path))
        made = GoogleTarget(options)
        await made.probe(command(KEY))
        await made.revoke(command(KEY), 0)
        path.write_text("{}")
        await made.probe(command(KEY))
        await made.close()
        broken = GoogleTarget(options)
        with pytest.raises(UnavailableError, match="not a service account") as failed:
            await broken.probe(command(KEY))
        await broken.close()
    (exchange,) = [request for request in api.requests if request.path == "/token"]
    claims = jwt.decode(exchange.body["assertion"], RSAKey.import_key(pem)).claims
    assert (claims["iss"], claims["aud"]) == ("revoker@x", f"{api.url}/token")
    assert "PRIVATE" not in str(failed.value)
