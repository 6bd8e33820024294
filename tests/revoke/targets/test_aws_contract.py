"""The target `aws` against moto: contract only, because moto enforces neither policies nor inactive keys."""

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiobotocore.session import get_session
from moto.server import ThreadedMotoServer

from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import GoneError, RefusedError, UnavailableError
from detector.revoke.targets.aws import AwsTarget
from detector.revoke.targets.aws_iam import Iam
from detector.revoke.targets.aws_options import AwsOptions
from detector.revoke.targets.aws_session_policy import NAME, Denial, has, with_denials
from detector.revoke.targets.aws_sessions import SessionRevocation
from detector.revoke.targets.settling import FirstSeen
from detector.values.events import Identifier
from detector.values.times import HOUR, SECOND
from tests.revoke.targets.hostile_server import answer, answering
from tests.revoke.targets.scripted_provider import Reply, scripted

ACCOUNT = "123456789012"  # moto's
NOW = 1_790_000_000 * SECOND
ASSUMED = "AROAQ3EGAAAAAAAAAAAAA:job-1"
SESSION = {
    "method": "deny-session",
    "role_arn": f"arn:aws:iam::{ACCOUNT}:role/x",
    "assumed_role_id": ASSUMED,
}
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    path = tmp_path / "credentials"
    path.write_text("[default]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = not-a-real-one\n")
    return str(path)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def target(endpoint: str, credentials: str, clock: Clock | None = None, **options: Any) -> AwsTarget:
    made = {"account": ACCOUNT, "endpoint_url": endpoint, "credentials_file": credentials}
    # As long as it may be: a client first loads some MB of descriptions, on a busy machine slowly.
    known = made | {"timeout": 14.0} | options
    return AwsTarget(AwsOptions(**known), clock or Clock())


async def iam(endpoint: str, operation: str, **parameters: Any) -> Any:
    session = get_session()
    async with session.create_client(
        "iam",
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id="AKIAEXAMPLE",
        aws_secret_access_key="x",
    ) as client:
        return await getattr(client, operation)(**parameters)


def command(revocation: dict[str, Any], **fields: Any) -> RevocationCommand:
    known: dict[str, Any] = {"id": "c", "time": NOW, "credential_id": "x", "issued_at": NOW, **fields}
    return RevocationCommand(revocation={"provider": "aws", "account": ACCOUNT, **revocation}, **known)


async def new_key(endpoint: str, user: str) -> tuple[dict[str, Any], int]:
    await iam(endpoint, "create_user", UserName=user)
    key = (await iam(endpoint, "create_access_key", UserName=user))["AccessKey"]
    revocation = {"method": "delete-access-key", "access_key_id": key["AccessKeyId"], "user_name": user}
    return revocation, int(key["CreateDate"].timestamp()) * SECOND


async def new_role(endpoint: str, role: str) -> dict[str, Any]:
    made = (await iam(endpoint, "create_role", RoleName=role, Path="/ci/", AssumeRolePolicyDocument=TRUST))[
        "Role"
    ]
    return {
        "method": "deny-session",
        "access_key_id": "ASIAEXAMPLEEXAMPLE",
        "role_arn": made["Arn"],
        "assumed_role_id": f"{made['RoleId']}:job-1",
    }


async def test_contract_a_key_is_made_inactive_and_deleted_later(endpoint: str, credentials: str) -> None:
    revocation, created = await new_key(endpoint, "deploy")
    clock, asked = Clock(), command(revocation, issued_at=created)
    made = target(endpoint, credentials, clock, delete_after="24h")
    steps = made.plan(asked).steps
    assert [(step.reversible, step.delay) for step in steps] == [(True, 0), (False, 86_400)]
    assert (await made.probe(asked)).state == "live"
    with pytest.raises(RefusedError, match="active again"):
        await made.revoke(asked, 1)
    assert "inactive" in await made.revoke(asked, 0)
    assert (await made.probe(asked)).state == "unknown"  # IAM takes some seconds to be in force
    clock.now = 10.0
    seen = await made.probe(asked)
    assert (seen.state, seen.control) == ("dead", True)
    with pytest.raises(GoneError) as inactive:
        await made.revoke(asked, 0)
    assert inactive.value.known
    assert "deleted the" in await made.revoke(asked, 1)
    assert "deleted already" in await made.revoke(asked, 1)
    seen = await made.probe(asked)
    assert (seen.state, "has no" in seen.how) == ("absent", True)
    with pytest.raises(GoneError) as deleted:
        await made.revoke(asked, 0)
    assert not deleted.value.known
    await made.close()


async def test_contract_a_key_of_another_user_or_time_is_left_alone(endpoint: str, credentials: str) -> None:
    revocation, created = await new_key(endpoint, "owner")
    await iam(endpoint, "create_user", UserName="bystander")
    made = target(endpoint, credentials)
    for user in ("bystander", "nobody"):
        forged = command({**revocation, "user_name": user}, issued_at=created)
        with pytest.raises(RefusedError, match="belongs to another user"):
            await made.revoke(forged, 0)
        with pytest.raises(RefusedError, match="belongs to another user"):
            await made.probe(forged)
    with pytest.raises(RefusedError, match="another time"):
        await made.revoke(command(revocation, issued_at=created - 100 * SECOND), 0)
    await made.close()
    listed = await iam(endpoint, "list_access_keys", UserName="owner")
    assert [one["Status"] for one in listed["AccessKeyMetadata"]] == ["Active"]


async def test_contract_a_session_is_denied_by_its_name_and_time(endpoint: str, credentials: str) -> None:
    revocation, clock = await new_role(endpoint, "deployer"), Clock()
    asked, other = (
        command(revocation),
        command({**revocation, "assumed_role_id": revocation["assumed_role_id"] + "2"}),
    )
    made = target(endpoint, credentials, clock)
    assert (await made.probe(asked)).state == "live"
    await made.revoke(asked, 0)
    assert (await made.probe(other)).state == "live"
    await made.probe(asked)
    clock.now = 11.0
    seen = await made.probe(asked)
    assert (seen.state, seen.control) == ("dead", True)
    with pytest.raises(GoneError):
        await made.revoke(asked, 0)
    policy = await iam(endpoint, "get_role_policy", RoleName="deployer", PolicyName=NAME)
    assert [each["Condition"] for each in policy["PolicyDocument"]["Statement"]] == [
        {
            "DateLessThan": {"aws:TokenIssueTime": "2026-09-21T14:13:25Z"},
            "StringEquals": {"aws:userid": revocation["assumed_role_id"]},
        }
    ]
    await made.close()


async def test_contract_sessions_denied_at_once_are_all_denied(endpoint: str, credentials: str) -> None:
    revocation = await new_role(endpoint, "busy")
    all_asked = [
        command({**revocation, "assumed_role_id": f"{revocation['assumed_role_id']}{number}"})
        for number in range(6)
    ]
    made = target(endpoint, credentials, settle_seconds=0.0)
    await asyncio.gather(*(made.revoke(asked, 0) for asked in all_asked))
    assert [(await made.probe(asked)).state for asked in all_asked] == ["dead"] * 6
    await made.close()


class SlowIam(Iam):
    """One role, whose policy the first call takes longer to write than the second."""

    def __init__(self, options: AwsOptions) -> None:
        super().__init__(options)
        self.pauses = [0.05, 0.0]
        self.document: dict[str, Any] | None = None

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any] | None:
        assert service == "iam"
        if operation == "get_role":
            arn = f"arn:aws:iam::{ACCOUNT}:role/x"
            return {"Role": {"Arn": arn, "RoleId": ASSUMED.partition(":")[0]}}
        if operation == "get_role_policy":
            return None if self.document is None else {"PolicyDocument": self.document}
        await asyncio.sleep(self.pauses.pop(0))
        self.document = json.loads(parameters["PolicyDocument"])
        return {}


async def test_a_slow_write_loses_no_denial_of_a_fast_one() -> None:
    options = AwsOptions(account=ACCOUNT)
    iam = SlowIam(options)
    sessions = SessionRevocation(options, iam, FirstSeen())
    revocation = {"method": "deny-session", "role_arn": f"arn:aws:iam::{ACCOUNT}:role/x"}
    both = [command({**revocation, "assumed_role_id": f"{ASSUMED}{number}"}) for number in range(2)]
    await asyncio.gather(*(sessions.revoke(each) for each in both))
    assert iam.document is not None
    assert len(iam.document["Statement"]) == 2


async def test_contract_a_read_that_is_too_old_loses_no_denial(endpoint: str, credentials: str) -> None:
    revocation = await new_role(endpoint, "stale")
    first, second = (
        command({**revocation, "assumed_role_id": f"{revocation['assumed_role_id']}{number}"})
        for number in range(2)
    )
    made = target(endpoint, credentials, settle_seconds=0.0)
    await made.revoke(first, 0)
    await iam(endpoint, "delete_role_policy", RoleName="stale", PolicyName=NAME)  # as an old replica shows it
    await made.revoke(second, 0)
    assert (await made.probe(first)).state == "dead"
    await made.close()


async def test_contract_a_role_of_another_id_or_path_is_refused(endpoint: str, credentials: str) -> None:
    revocation = await new_role(endpoint, "twice")
    made = target(endpoint, credentials)
    with pytest.raises(RefusedError, match="recreated"):
        await made.revoke(command({**revocation, "assumed_role_id": ASSUMED}), 0)
    moved = revocation["role_arn"].replace("/ci/", "/prod/")
    with pytest.raises(RefusedError, match="another ARN"):
        await made.probe(command({**revocation, "role_arn": moved}))
    await made.close()


async def test_contract_sessions_of_a_user(endpoint: str, credentials: str) -> None:
    user = (await iam(endpoint, "create_user", UserName="asker"))["User"]
    revocation = {"method": "deny-user-sessions", "user_arn": user["Arn"]}
    with pytest.raises(RefusedError, match="all_sessions"):
        target(endpoint, credentials).plan(command(revocation))
    federated = {
        **revocation,
        "federated_user_arn": f"arn:aws:sts::{ACCOUNT}:federated-user/bob",
    }
    made = target(endpoint, credentials, all_sessions=True, settle_seconds=0.0)
    assert "all older sessions" in made.plan(command(revocation)).steps[0].words
    await made.revoke(command(federated), 0)
    policy = await iam(endpoint, "get_user_policy", UserName="asker", PolicyName=NAME)
    condition = policy["PolicyDocument"]["Statement"][0]["Condition"]
    assert condition["StringEquals"] == {"aws:userid": f"{ACCOUNT}:bob"}
    assert (await made.probe(command(federated))).state == "dead"
    assert (await made.probe(command(revocation))).state == "live"
    await made.close()


@pytest.mark.parametrize(
    ("revocation", "fields", "words"),
    [
        ({"account": "999999999999"}, {}, "999999999999"),
        ({"account": None}, {}, "`account`"),
        ({"role_arn": "arn:aws:iam::999999999999:role/x"}, {}, "another account"),
        ({"role_arn": f"arn:aws:iam::{ACCOUNT}:user/x"}, {}, "no role or user"),
        ({"role_arn": f"arn:aws:iam::{ACCOUNT}:root"}, {}, "`role_arn`"),
        ({"role_arn": "arn:" + "a:" * 5000}, {}, "`role_arn`"),
        ({"assumed_role_id": "*"}, {}, "`assumed_role_id`"),
        ({"assumed_role_id": None}, {}, "all_sessions"),
        ({"method": "delete-user"}, {}, "`method`"),
        ({}, {"issued_at": None}, "does not say when"),
        ({}, {"identifiers": (Identifier("aws-access-key-id", "ASIAANOTHERANOTHER"),)}, "`access_key_id`"),
        (
            {"method": "delete-access-key", "access_key_id": "AKIAEXAMPLEEXAMPLE", "user_name": "a/b"},
            {},
            "`user_name`",
        ),
    ],
    ids=[
        "account",
        "no-account",
        "role-account",
        "user",
        "root",
        "long",
        "glob",
        "no-session",
        "method",
        "no-time",
        "key",
        "path",
    ],
)
def test_a_forged_or_incomplete_command_asks_nobody(
    revocation: dict[str, Any], fields: dict[str, Any], words: str
) -> None:
    known = {
        "method": "deny-session",
        "access_key_id": "ASIAEXAMPLEEXAMPLE",
        "role_arn": f"arn:aws:iam::{ACCOUNT}:role/ci/x",
        "assumed_role_id": ASSUMED,
    }
    with pytest.raises(RefusedError, match=words):
        target("http://127.0.0.1:9", "none").plan(command({**known, **revocation}, **fields))


async def test_contract_credentials_of_another_account_do_nothing(endpoint: str, credentials: str) -> None:
    made = target(endpoint, credentials, account="111122223333")
    revocation = {
        "account": "111122223333",
        "method": "deny-session",
        "role_arn": "arn:aws:iam::111122223333:role/x",
        "assumed_role_id": ASSUMED,
    }
    with pytest.raises(UnavailableError, match="not of the account"):
        await made.revoke(command(revocation), 0)
    await made.close()


def error_xml(code: str) -> bytes:
    return (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>m</Message></Error>"
        "<RequestId>r</RequestId></ErrorResponse>"
    ).encode()


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (Reply(403, error_xml("AccessDenied")), RefusedError, r"aws\.json"),
        (Reply(403, error_xml("ExpiredToken")), UnavailableError, "renew them"),
        (Reply(400, error_xml("Throttling")), UnavailableError, "Throttling"),
        (Reply(409, error_xml("LimitExceeded")), RefusedError, "LimitExceeded"),
        (Reply(500, b"oops"), UnavailableError, "AWS"),
        (Reply(200, b"<html>"), UnavailableError, "AWS"),
        (Reply(200, b""), UnavailableError, "AWS|account"),
        (Reply(503, b"", {"Retry-After": "7"}), UnavailableError, "AWS"),
        (Reply(400, error_xml("\x1b[31m" + "x" * 5000).replace(b"\x1b", b"&#27;")), UnavailableError, "AWS"),
    ],
    ids=["rights", "own", "throttled", "full", "failing", "html", "empty", "busy", "escape"],
)
async def test_contract_odd_answers_prove_nothing(
    reply: Reply, error: type[Exception], words: str, credentials: str
) -> None:
    async with scripted(lambda _: reply) as api:
        made = target(api.url, credentials)
        with pytest.raises(error, match=words) as failed:
            await made.probe(
                command(
                    {
                        "method": "deny-session",
                        "role_arn": f"arn:aws:iam::{ACCOUNT}:role/x",
                        "assumed_role_id": ASSUMED,
                    }
                )
            )
        await made.close()
    assert str(failed.value).isprintable()
    assert len(str(failed.value)) < 300
    if "Retry-After" in reply.headers:
        assert failed.value.after == 7.0  # type: ignore[attr-defined]


async def test_contract_an_endless_answer_is_cut(credentials: str) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n"
    async with answering(head, endless=b"<a>" * 20_000) as server:
        made = target(server.url.removesuffix("/api"), credentials)
        with pytest.raises(UnavailableError, match="cannot be asked"):
            await made.probe(command(SESSION))
        await made.close()


async def test_contract_a_redirect_is_not_followed(credentials: str) -> None:
    async with answering(answer("200 OK")) as elsewhere:
        moved = answer("307 Temporary Redirect", Location=elsewhere.url)
        async with answering(moved) as server:
            made = target(server.url.removesuffix("/api"), credentials)
            with pytest.raises(UnavailableError):
                await made.probe(command(SESSION))
            await made.close()
    assert len(server.heads) == 1
    assert elsewhere.heads == []


def test_expired_denials_go_and_those_of_other_hands_stay() -> None:
    theirs = {"Sid": "Theirs", "Effect": "Deny", "Action": "s3:*", "Resource": "*"}
    old, new = Denial.of(NOW - 13 * HOUR, ASSUMED), Denial.of(NOW, ASSUMED)
    document = with_denials({"Version": "2012-10-17", "Statement": theirs}, [old], "role", NOW - 12 * HOUR)
    made = with_denials(document, [new, new], "role", NOW)
    assert made["Statement"] == [theirs, new.statement()]
    assert with_denials(made, [new], "role", NOW) == made
    assert has(made, new)
    assert not has(made, old)
    assert with_denials(document, [new], "user", NOW)["Statement"][1] == old.statement()  # lives 36 hours


@pytest.mark.parametrize(
    "document",
    [
        {"Version": "2008-10-17", "Statement": []},
        {"Version": "2012-10-17"},
        {"Version": "2012-10-17", "Statement": ["x"]},
        {"Version": "2012-10-17", "Statement": [{**Denial.of(NOW, ASSUMED).statement(), "Effect": "Allow"}]},
    ],
    ids=["version", "none", "text", "changed"],
)
def test_a_policy_that_somebody_changed_is_left_to_a_person(document: dict[str, Any]) -> None:
    with pytest.raises(RefusedError, match="look at it"):
        with_denials(document, [Denial.of(NOW, ASSUMED)], "role", NOW)


def test_a_full_policy_is_refused_and_never_widened() -> None:
    document: dict[str, Any] | None = None
    for number in range(40):
        document = with_denials(document, [Denial.of(NOW, f"{ASSUMED}{number}")], "role", NOW)
    with pytest.raises(RefusedError, match="has no room"):
        with_denials(document, [Denial.of(NOW, f"{ASSUMED}{number}") for number in range(1000)], "role", NOW)
    assert document is not None
    assert len(msgspec.json.encode(document)) <= 10_240
    assert all("aws:userid" in each["Condition"]["StringEquals"] for each in document["Statement"])
