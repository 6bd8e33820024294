"""What an audit device of Vault or OpenBao writes becomes: tokens and leases issued, used, renewed and revoked."""

from typing import Any

import pytest

from detector.adapters.vault.audit import ADAPTER
from detector.values.errors import BadRecordError
from detector.values.events import (
    DENIED,
    SUCCESS,
    CredentialIssued,
    CredentialRenewed,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
    IssuedTo,
)
from detector.values.secrets import Secret, sha256_hex
from detector.values.times import HOUR, MINUTE, parse_rfc3339

NOW = parse_rfc3339("2026-05-02T00:00:00Z")
AT = parse_rfc3339("2026-05-01T08:00:00Z")


def hmac(digit: str) -> str:
    return "hmac-sha256:" + digit * 64


TOKEN, ACCESSOR = hmac("a"), hmac("b")
NEW_TOKEN, NEW_ACCESSOR = hmac("c"), hmac("d")
CALLER: dict[str, Any] = {
    "client_token": TOKEN,
    "accessor": ACCESSOR,
    "display_name": "jwt-ci",
    "metadata": {"run_id": "5", "run_attempt": "2"},
    "entity_id": "ent-1",
    "token_type": "service",
    "token_ttl": 3600,
    "token_issue_time": "2026-05-01T07:30:00Z",
}
NEW: dict[str, Any] = {
    "client_token": NEW_TOKEN,
    "accessor": NEW_ACCESSOR,
    "metadata": {"run_id": "9"},
    "policies": ["default", "ci"],
    "token_type": "service",
    "token_ttl": 900,
}


def entry(kind: str, path: str, *, operation: str = "update", **parts: Any) -> dict[str, Any]:
    """An entry of a caller with a token; `request` adds to the request, the other parts stand at the top."""
    request = {
        "id": "r-1",
        "operation": operation,
        "mount_type": "kv",
        "client_token": TOKEN,
        "client_token_accessor": ACCESSOR,
        "namespace": {"id": "root"},
        "path": path,
        "remote_address": "192.0.2.4",
        **parts.pop("request", {}),
    }
    return {"time": "2026-05-01T08:00:00.000Z", "type": kind, "auth": CALLER, "request": request, **parts}


def response(path: str, **parts: Any) -> dict[str, Any]:
    return entry("response", path, **{"response": {}, **parts})


def login(auth: dict[str, Any], kind: str = "response", path: str = "auth/jwt/login") -> dict[str, Any]:
    record = entry(kind, path, request={"data": {"jwt": hmac("e")}})
    for name in ("client_token", "client_token_accessor"):
        del record["request"][name]
    record["auth"] = auth if kind == "response" else {"token_type": "default"}
    return {**record, "response": {"auth": auth}} if kind == "response" else record


def translate(record: dict[str, Any]) -> list[Any]:
    assert ADAPTER.looks_like(record)
    assert ADAPTER.known(record)
    return list(ADAPTER.translate(record, NOW))


def of(kind: type[Any], record: dict[str, Any]) -> Any:
    (found,) = (event for event in translate(record) if isinstance(event, kind))
    return found


def test_a_login_issues_a_token_to_the_task_that_its_metadata_names() -> None:
    assert translate(login(NEW, "request")) == []
    (issue,) = translate(login(NEW))
    assert issue == CredentialIssued(
        time=AT,
        source="vault",
        id="r-1/issued",
        credential_id=f"vault/{NEW_ACCESSOR}",
        task_id="github/run/9/1",
        issued_to=IssuedTo("192.0.2.4"),
        identifiers=(Identifier("vault-accessor", NEW_ACCESSOR), Identifier("vault-hmac", NEW_TOKEN)),
        kind="vault-token",
        expires_at=AT + 15 * MINUTE,
        revocation={
            "provider": "vault",
            "method": "revoke-accessor",
            "accessor": NEW_ACCESSOR,
            "accessor_is_hmac": True,
        },
    )


def test_who_logs_in_or_unwraps_got_the_token_and_who_creates_one_may_be_a_broker() -> None:
    named = {**NEW, "display_name": "jwt-ci"}
    for record in (login(named), response("sys/wrapping/unwrap", response={"auth": named})):
        assert of(CredentialIssued, record).issued_to == IssuedTo("192.0.2.4", "jwt-ci")
    for path in ("auth/token/create", "auth/token/create-orphan", "auth/token/create/role"):
        assert of(CredentialIssued, response(path, response={"auth": named})).issued_to is None


@pytest.mark.parametrize(
    "path", ["auth/userpass/login/alice", "auth/team/aws/login", "auth/oidc/oidc/callback"]
)
def test_a_token_that_comes_with_a_login_is_not_used_by_it(path: str) -> None:
    for kind in ("request", "response"):
        record = login(NEW, kind, path)
        record["request"]["client_token"] = TOKEN
        assert not [event for event in translate(record) if isinstance(event, CredentialUsed)]


@pytest.mark.parametrize(
    ("auth", "task"),
    [
        ({"metadata": {"job_id": "71", "pipeline_id": "8"}}, "gitlab/job/71"),
        ({"metadata": {"AllocationID": "al-1", "Task": "runner"}}, "nomad/al-1/runner"),
        (
            {"metadata": {}, "display_name": "jwt-repo:octo/app:ref:refs/heads/main:run_id:5:run_attempt:2"},
            "github/run/5/2",
        ),
        ({"metadata": {"job_id": "0190-uuid", "pipeline_slug": "p"}}, "buildkite/job/0190-uuid"),
        ({"metadata": {"prj_id": "271ef6f7", "run_id": "5", "def_id": "1"}}, "azure-devops/run/271ef6f7/5"),
        ({"metadata": None, "entity_id": "ent-2"}, f"vault/entity/ent-2/{NEW_ACCESSOR}"),
        ({"metadata": {}, "display_name": "approle"}, f"vault/name/approle/{NEW_ACCESSOR}"),
    ],
)
def test_the_task_of_a_token_is_told_by_its_metadata_else_its_identity(
    auth: dict[str, Any], task: str
) -> None:
    assert of(CredentialIssued, login({**NEW, **auth})).task_id == task


@pytest.mark.parametrize(
    ("auth", "group", "says"),
    [
        (
            {"metadata": {"service_account_namespace": "ci", "service_account_name": "runner"}},
            "kubernetes:ci/runner",
            "use a JWT role",
        ),
        ({"metadata": {"repository": "Octo/App", "role": "ci"}}, "github:octo/app", "`check_run_id`"),
        ({"metadata": {"project_path": "acme/app", "role": "ci"}}, "gitlab:acme/app", "`job_id`"),
        (
            {"metadata": {"role": "ci"}, "display_name": "jwt-repo:octo/app:ref:refs/heads/main"},
            "github:octo/app",
            "map `run_id`, `run_attempt` and `check_run_id` in `claim_mappings` of the role",
        ),
        (
            {"metadata": None, "display_name": "gitlab-project_path:acme/app:ref_type:branch:ref:main"},
            "gitlab:acme/app",
            "map `job_id` and `pipeline_id`",
        ),
        (
            {"metadata": {"role": "ci"}, "display_name": "jwt-mona"},
            None,
            "a login at `auth/jwt` names no job",
        ),
    ],
)
def test_without_a_job_the_metadata_names_the_group_and_what_to_map(
    auth: dict[str, Any], group: str | None, says: str
) -> None:
    found = of(CredentialIssued, login({**NEW, **auth}, path="auth/jwt/login"))
    assert (found.task_id is None, found.task_group) == (group is not None, group)
    assert found.unjoined is not None
    assert says in found.unjoined


def test_what_a_token_of_a_group_asks_for_is_the_groups_too() -> None:
    caller = {**CALLER, "metadata": {"repository": "octo/app"}}
    lease = response(
        "database/creds/ro", auth=caller, response={"secret": {"lease_id": "database/creds/ro/abc"}}
    )
    made = response("auth/token/create", auth=caller, response={"auth": {**NEW, "metadata": None}})
    for record in (lease, made):
        found = of(CredentialIssued, record)
        assert (found.task_id, found.task_group) == (None, "github:octo/app")


def test_what_a_token_of_nobody_asks_for_is_that_tokens() -> None:
    caller = {**CALLER, "metadata": None}
    lease = response(
        "database/creds/ro", auth=caller, response={"secret": {"lease_id": "database/creds/ro/abc"}}
    )
    assert of(CredentialIssued, lease).task_id == of(CredentialIssued, login(caller)).task_id


def test_a_token_made_by_another_is_its_makers_unless_it_says_otherwise() -> None:
    made = response("auth/token/create", response={"auth": {**NEW, "metadata": None}})
    (issue,) = translate(made)  # the request told of the use
    assert issue.task_id == "github/run/5/2"
    assert (
        of(CredentialIssued, response("auth/token/create/role", response={"auth": NEW})).task_id
        == "github/run/9/1"
    )


def test_a_batch_token_has_no_accessor_and_nobody_can_revoke_it() -> None:
    batch = {**NEW, "token_type": "batch"}
    del batch["accessor"]
    issue = of(CredentialIssued, login(batch))
    assert (issue.kind, issue.identifiers) == ("vault-batch-token", (Identifier("vault-hmac", NEW_TOKEN),))
    assert issue.credential_id == f"vault/{NEW_TOKEN}"
    assert issue.revocation["method"] == "none"
    caller = {"client_token": NEW_TOKEN, "client_token_accessor": None}
    used = entry(
        "request", "secret/data/x", request=caller, auth={"client_token": NEW_TOKEN, "token_type": "batch"}
    )
    assert of(CredentialUsed, used).identifier == Identifier("vault-hmac", NEW_TOKEN)


def test_an_accessor_in_clear_is_one_that_a_revoker_can_use() -> None:
    issue = of(CredentialIssued, login({**NEW, "accessor": "vUsk2AZ3VjAb"}))
    assert issue.identifiers[0] == Identifier("vault-accessor", "vUsk2AZ3VjAb")
    assert issue.revocation == {
        "provider": "vault",
        "method": "revoke-accessor",
        "accessor": "vUsk2AZ3VjAb",
        "accessor_is_hmac": False,
    }


def test_a_request_and_its_response_are_one_use() -> None:
    pair = (entry("request", "secret/data/x", operation="read"), response("secret/data/x", operation="read"))
    assert [translate(half) for half in pair] == [
        [
            CredentialUsed(
                time=AT,
                source="vault",
                id="r-1",
                identifier=Identifier("vault-accessor", ACCESSOR),
                action="read",
                resource="secret/data/x",
                outcome=SUCCESS,
                source_ip="192.0.2.4",
            )
        ],
        [],
    ]


def test_a_refused_request_and_its_response_are_one_denied_use() -> None:
    error = "1 error occurred:\n\t* permission denied\n\n"
    pair = (entry("request", "secret/x", error=error), response("secret/x", error=error))
    (use,) = (event for half in pair for event in translate(half))
    assert use.outcome == DENIED


def test_a_dead_token_is_known_by_its_hmac_alone() -> None:
    caller = {"client_token_accessor": None}
    refused = response("secret/x", request=caller, auth={"token_type": "default"}, error="permission denied")
    assert of(CredentialUsed, refused).identifier == Identifier("vault-hmac", TOKEN)


def test_a_request_that_fails_for_another_reason_was_allowed() -> None:
    auth = {**CALLER, "policy_results": {"allowed": True}}
    failed = response("secret/x", auth=auth, error="permission denied by the backend")
    assert translate(failed) == []  # the request told of the use
    refused = {**failed, "auth": {**CALLER, "policy_results": {"allowed": False}}}
    assert of(CredentialUsed, refused).outcome == DENIED


def test_the_namespace_is_part_of_source_and_resource() -> None:
    inside = {"namespace": {"id": "x", "path": "team/a/"}, "headers": {"user-agent": ["vault/1"]}}
    use = of(CredentialUsed, entry("request", "team/a/secret/x", request=inside))
    assert (use.source, use.resource, use.user_agent) == ("vault/team/a", "team/a/secret/x", "vault/1")


def test_a_lease_ends_with_the_token_that_asked_for_it_unless_it_says_when() -> None:
    secret = {"lease_id": "database/creds/ro/abc"}
    lease = of(
        CredentialIssued,
        response("database/creds/ro", response={"secret": secret, "data": {"username": hmac("f")}}),
    )
    assert (lease.credential_id, lease.task_id) == ("vault/lease/database/creds/ro/abc", "github/run/5/2")
    assert lease.identifiers == (Identifier("vault-lease-id", "database/creds/ro/abc"),)
    assert lease.expires_at == AT + HOUR
    assert lease.revocation["lease_id"] == "database/creds/ro/abc"
    told = of(
        CredentialIssued, response("database/creds/ro", response={"secret": secret, "data": {"ttl": 60}})
    )
    assert told.expires_at == AT + MINUTE


def test_a_lease_of_the_aws_engine_is_known_by_its_key_where_that_is_not_hashed() -> None:
    data = {"access_key": "AKIAEXAMPLE000000000", "secret_key": hmac("f")}
    lease = of(
        CredentialIssued,
        response("aws/creds/ci", response={"secret": {"lease_id": "aws/creds/ci/x"}, "data": data}),
    )
    assert lease.identifiers[1] == Identifier("aws-access-key-id", "AKIAEXAMPLE000000000")


def test_a_wrapped_response_gives_a_token_that_is_spent_by_unwrapping() -> None:
    info = {"token": NEW_TOKEN, "accessor": NEW_ACCESSOR, "ttl": 300, "wrapped_accessor": hmac("e")}
    wrapping = of(CredentialIssued, response("auth/approle/role/r/secret-id", response={"wrap_info": info}))
    assert (wrapping.kind, wrapping.expires_at) == ("vault-wrapping-token", AT + 5 * MINUTE)
    assert wrapping.identifiers == (
        Identifier("vault-accessor", NEW_ACCESSOR),
        Identifier("vault-hmac", NEW_TOKEN),
    )
    unwrapped = response("sys/wrapping/unwrap", response={"auth": {**NEW, "accessor": hmac("e")}})
    _, issue, spent = translate(unwrapped)
    assert issue.credential_id == f"vault/{hmac('e')}"
    assert spent.identifier == Identifier("vault-accessor", ACCESSOR)
    for path in ("sys/wrapping/unwrap", "sys/wrapping/rewrap"):
        by_body = response(path, request={"data": {"token": NEW_TOKEN}})
        assert of(CredentialRevoked, by_body).identifier == Identifier("vault-hmac", NEW_TOKEN)


def test_a_wrapping_token_that_was_spent_is_a_denied_use_of_it_and_of_nobody_else() -> None:
    invalid = "1 error occurred:\n\t* wrapping token is not valid or does not exist\n\n"
    for path in ("sys/wrapping/unwrap", "sys/wrapping/lookup"):
        for data, used in (
            ({"token": NEW_TOKEN}, Identifier("vault-hmac", NEW_TOKEN)),
            (None, Identifier("vault-accessor", ACCESSOR)),
        ):
            assert translate(entry("request", path, request={"data": data})) == []  # not looked at yet
            refused = translate(response(path, request={"data": data}, error=invalid))
            assert [(use.identifier, use.outcome) for use in refused] == [(used, DENIED)]
            use = of(CredentialUsed, response(path, request={"data": data}))
            assert (use.identifier, use.outcome) == (used, SUCCESS)


def test_an_entry_of_the_first_versions_has_no_type_of_token() -> None:
    caller = {"client_token": TOKEN, "accessor": ACCESSOR, "metadata": None}
    assert of(CredentialUsed, {**entry("request", "secret/x", auth=caller), "error": ""}).outcome == SUCCESS


def test_renewing_a_token_or_a_lease_moves_its_end() -> None:
    renewed = {**CALLER, "token_ttl": 7200}
    for path in ("auth/token/renew", "auth/token/renew-self", "auth/token/renew-accessor"):
        assert translate(response(path, response={"auth": renewed})) == [
            CredentialRenewed(
                time=AT,
                source="vault",
                id="r-1/renewed",
                identifier=Identifier("vault-accessor", ACCESSOR),
                expires_at=AT + 2 * HOUR,
            )
        ]
    for path in (
        "sys/leases/renew",
        "sys/leases/renew/database/creds/ro/abc",
        "sys/renew/database/creds/ro/abc",
    ):
        lease = of(
            CredentialRenewed, response(path, response={"secret": {"lease_id": "database/creds/ro/abc"}})
        )
        assert lease.identifier == Identifier("vault-lease-id", "database/creds/ro/abc")
        assert lease.expires_at == AT + HOUR


@pytest.mark.parametrize(
    ("path", "data", "identifier"),
    [
        ("auth/token/revoke-self", None, Identifier("vault-accessor", ACCESSOR)),
        ("auth/token/revoke", {"token": NEW_TOKEN}, Identifier("vault-hmac", NEW_TOKEN)),
        ("auth/token/revoke-orphan", {"token": NEW_TOKEN}, Identifier("vault-hmac", NEW_TOKEN)),
        (
            "auth/token/revoke-accessor",
            {"accessor": NEW_ACCESSOR},
            Identifier("vault-accessor", NEW_ACCESSOR),
        ),
        ("auth/token/revoke-accessor/vUsk2AZ3", None, Identifier("vault-accessor", "vUsk2AZ3")),
        (
            "sys/leases/revoke/database/creds/ro/abc",
            None,
            Identifier("vault-lease-id", "database/creds/ro/abc"),
        ),
        ("sys/leases/revoke", {"lease_id": "aws/creds/x"}, Identifier("vault-lease-id", "aws/creds/x")),
        ("sys/revoke/aws/creds/x", None, Identifier("vault-lease-id", "aws/creds/x")),
        ("sys/leases/revoke", {"lease_id": hmac("e")}, Identifier("vault-hmac", hmac("e"))),
    ],
)
def test_what_is_revoked_is_named_by_the_path_or_the_data(
    path: str, data: Any, identifier: Identifier
) -> None:
    revoked, *groups = translate(response(path, request={"data": data}))
    assert (revoked.id, revoked.identifier) == ("r-1/revoked", identifier)
    assert bool(groups) == path.startswith("auth/")
    assert not [
        event
        for record in (
            response(path, request={"data": data}, error="x"),
            entry("request", path, request={"data": data}),
        )
        for event in translate(record)
        if isinstance(event, CredentialRevoked)
    ]


def revokes(revocation: dict[str, Any], issue: dict[str, Any]) -> bool:
    """Whether a revocation is for what was issued a minute before, as one of a group."""
    issued = of(CredentialIssued, {**issue, "time": "2026-05-01T07:59:00Z"})
    revoked = [event for event in translate(revocation) if isinstance(event, CredentialRevoked)]
    assert len({event.id for event in revoked}) == len(revoked)
    return any(event.group is not None and event.revokes(issued) for event in revoked)


LEASED = response("database/creds/ro", response={"secret": {"lease_id": "database/creds/ro/abc"}})
CHILD = response("auth/token/create", response={"auth": NEW})


@pytest.mark.parametrize(
    ("path", "data", "lease", "child"),
    [
        ("auth/token/revoke-self", None, True, True),
        ("auth/token/revoke", {"token": TOKEN}, True, True),
        ("auth/token/revoke-accessor", {"accessor": ACCESSOR}, True, True),
        ("auth/token/revoke-orphan", {"token": TOKEN}, True, False),
        ("auth/token/revoke", {"token": NEW_TOKEN}, False, False),
        ("sys/leases/revoke-prefix/database/creds", None, True, False),
        ("sys/leases/revoke-force/database/creds/ro/", None, True, False),
        ("sys/leases/revoke-prefix/data", None, False, False),
        ("sys/leases/revoke/aws/creds/x", None, False, False),
    ],
)
def test_a_token_takes_its_leases_and_children_with_it(
    path: str, data: Any, *, lease: bool, child: bool
) -> None:
    revocation = response(path, request={"data": data})
    assert (revokes(revocation, LEASED), revokes(revocation, CHILD)) == (lease, child)


def test_a_token_with_one_use_left_ends_with_it_allowed_or_not() -> None:
    for remaining, error in ((1, ""), (1, "permission denied"), (2, ""), (None, "")):
        auth = {**CALLER, "remaining_uses": remaining}
        ended = [
            (event.id, event.identifier, event.group)
            for event in translate(response("secret/x", auth=auth, error=error))
            if isinstance(event, CredentialRevoked)
        ]
        spent = [
            ("r-1/spent", Identifier("vault-accessor", ACCESSOR), None),
            (f"r-1/revoked/under/{ACCESSOR}", None, f"vault/under/{ACCESSOR}"),
        ]
        assert ended == (spent if remaining == 1 else [])
        assert not translate(entry("request", "secret/x", auth=auth, error=error))[1:]


def test_an_entry_without_an_id_has_one_of_its_contents() -> None:
    bare = entry("request", "secret/x", request={"id": None})
    (use,) = translate(bare)
    assert [event.id for event in translate({**bare})] == [use.id]
    assert translate({**bare, "time": "2026-05-01T08:00:01Z"})[0].id != use.id


def test_an_orphan_and_a_login_end_with_nobody() -> None:
    orphan = response("auth/token/create", request={"data": {"no_parent": True}}, response={"auth": NEW})
    for record in (orphan, response("auth/token/create-orphan", response={"auth": NEW}), login(NEW)):
        assert of(CredentialIssued, record).groups == ()


def test_what_a_raw_device_shows_is_kept_as_a_hash_and_scanned() -> None:
    raw = "hvs.CAESIExampleExampleExample"
    auth = {**NEW, "client_token": raw}
    del auth["accessor"]
    record = login(auth)
    issue = of(CredentialIssued, record)
    assert issue.identifiers == (Identifier("sha256", sha256_hex(Secret(raw.encode())), length=len(raw)),)
    assert raw not in repr(issue)
    assert sha256_hex(Secret(raw.encode())) not in issue.credential_id
    assert ADAPTER.text is not None
    shown = ADAPTER.text(record, NOW)
    assert shown is not None
    assert raw.encode() in shown.text
    assert hmac("e").encode() not in shown.text
    assert shown.time == AT
    assert ADAPTER.text(login(NEW), NOW) is None
    leased = response(
        "aws/creds/ci", response={"data": {"access_key": "AKIAEXAMPLE000000000", "secret_key": hmac("f")}}
    )
    assert ADAPTER.text(leased, NOW) is None  # the id of a key is no secret


@pytest.mark.parametrize(
    ("record", "reason", "field"),
    [
        ({**entry("request", "x"), "time": None}, "missing-field", "time"),
        ({**entry("request", "x"), "time": "marker"}, "bad-time", "time"),
        ({**entry("request", "x"), "time": "2026-05-02T00:10:01Z"}, "future-time", "time"),
        (entry("request", "x", request={"id": ["marker"]}), "wrong-field", "request.id"),
        (entry("request", ""), "missing-field", "request.path"),
        (
            entry("request", "x", request={"client_token_accessor": ["marker"]}),
            "wrong-field",
            "request.client_token_accessor",
        ),
        (login({"token_type": "service"}), "missing-field", "response.auth.client_token"),
        (response("auth/token/revoke-accessor"), "missing-field", "request.data.accessor"),
        (response("auth/token/revoke"), "missing-field", "request.data.token"),
        (response("sys/leases/revoke"), "missing-field", "request.data.lease_id"),
        (
            response("auth/token/renew", response={"auth": {"token_ttl": 5}}),
            "missing-field",
            "response.auth.accessor",
        ),
    ],
)
def test_a_known_entry_that_lacks_a_field_names_it(record: dict[str, Any], reason: str, field: str) -> None:
    with pytest.raises(BadRecordError) as caught:
        ADAPTER.translate(record, NOW)
    assert (caught.value.reason, caught.value.field) == (reason, field)
    assert "marker" not in str(caught.value)


def test_what_else_an_enterprise_device_writes_is_unknown_and_a_request_log_is_none() -> None:
    assert not ADAPTER.known({**entry("request", "x"), "type": "kmip-request"})
    for other in (
        {"type": "request", "request": {"path": "/api", "id": "1"}, "message": "GET"},
        {"type": "request", "request": "GET /"},
        {"type": ["request"], "request": {"path": "x", "mount_type": "kv"}},
        {"token_type": "bearer"},
    ):
        assert not ADAPTER.looks_like(other)
