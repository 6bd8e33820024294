"""OAuth 2: what the endpoints were asked and answered, and security event tokens."""

import hashlib
import json
from base64 import b64encode, urlsafe_b64encode
from typing import Any

import pytest

from detector.ingest.classify import BUNDLED
from detector.records.log_records import Read
from detector.values.events import (
    DENIED,
    SUCCESS,
    CanonicalEvent,
    CredentialIssued,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
    TaskStarted,
)
from detector.values.times import HOUR, parse_rfc3339

NOW = parse_rfc3339("2026-05-02T00:00:00Z")
AT = parse_rfc3339("2026-05-01T08:00:00Z")
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
OPAQUE = "mF_9.B5f-4.1JqM-made-up"
EXP = 1777626000  # 2026-05-01T09:00:00Z


def jwt(**claims: Any) -> str:
    parts = (json.dumps({"alg": "ES256"}), json.dumps(claims), "a made-up signature, long enough")
    return ".".join(urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)


def hashed(token: str) -> Identifier:
    return Identifier("sha256", hashlib.sha256(token.encode()).hexdigest(), length=len(token))


def message(request: Any, response: Any, **fields: Any) -> dict[str, Any]:
    around = {"time": "2026-05-01T08:00:00Z", "id": "r-1", "issuer": "https://as.example"}
    return {**around, "request": request, "response": response, **fields}


def read(record: Any) -> Read:
    (found,) = BUNDLED.read_object(json.dumps(record).encode(), NOW)
    return found


def events(record: Any) -> tuple[CanonicalEvent, ...]:
    found = read(record)
    assert found.error is None, str(found.error)
    return found.events


def issue(record: Any) -> CredentialIssued:
    (found,) = (one for one in events(record) if isinstance(one, CredentialIssued))
    return found


# The token endpoint


def test_a_token_is_issued_hashed_and_read() -> None:
    token = jwt(jti="j-1", iss="https://as.example", sub="robot-7", exp=EXP)
    record = message(
        {"grant_type": "client_credentials", "client_id": "batch", "scope": "orders"},
        {"access_token": token, "token_type": "Bearer", "expires_in": 60},
    )
    assert events(record) == (
        CredentialIssued(
            time=AT,
            source="oauth/https://as.example",
            id="r-1/issued",
            credential_id="j-1",
            task_id="oauth/subject/robot-7/j-1",
            identifiers=(Identifier("jwt-id", "j-1"), hashed(token)),
            kind="oauth-token",
            expires_at=AT + HOUR,  # the token's own, not `expires_in`
            revocation={
                "provider": "oauth",
                "method": "rfc7009",
                "issuer": "https://as.example",
                "client_id": "batch",
                "jti": "j-1",
                "user_id": "robot-7",
            },
            unjoined="no claim of the token names a job, a pod or an actor; issue tokens with the job's claims, or write "
            "`task_id`",
        ),
    )
    assert token not in repr(events(record))


def test_the_handle_names_the_session_that_can_be_ended() -> None:
    token = jwt(jti="j-1", iss="https://as.example", sub="u-1", sid="s-1", exp=EXP)
    record = message({"grant_type": "password", "client_id": "batch"}, {"access_token": token})
    found = issue(record).revocation
    assert found is not None
    assert (found["session_id"], found["user_id"]) == ("s-1", "u-1")
    for odd in (7, "", ["s-1"]):
        found = issue(
            message({"grant_type": "x", "client_id": "b"}, {"access_token": jwt(sid=odd, sub=odd)})
        ).revocation
        assert found is not None
        assert not {"session_id", "user_id"} & set(found)


def test_an_opaque_token_is_known_by_its_hash_and_its_record() -> None:
    found = issue(
        message(
            {"grant_type": "client_credentials", "client_id": "batch"},
            {"access_token": OPAQUE, "expires_in": "3600", "refresh_token": OPAQUE[::-1]},
        )
    )
    assert found.credential_id == "oauth/https://as.example/r-1"
    assert found.identifiers == (hashed(OPAQUE), hashed(OPAQUE[::-1]))
    assert (found.expires_at, found.task_id) == (
        AT + HOUR,
        "oauth/client/batch/oauth/https://as.example/r-1",
    )


def test_a_log_without_tokens_may_name_them() -> None:
    digest = hashlib.sha256(b"x").digest()
    claims = {"sub": "robot-7", "exp": EXP}
    found = issue(
        message(
            {"grant_type": "client_credentials"},
            {
                "access_token": "[REDACTED]",
                "access_token_sha256": b64encode(digest).decode(),
                "jti": "j-1",
                "claims": claims,
            },
        )
    )
    assert found.identifiers == (Identifier("jwt-id", "j-1"), Identifier("sha256", digest.hex()))
    assert (found.task_id, found.expires_at) == ("oauth/subject/robot-7/j-1", AT + HOUR)


def test_a_form_and_json_text_are_read_like_objects() -> None:
    token = jwt(jti="j-1", sub="robot-7", exp=EXP)
    plain = message({"grant_type": "client_credentials", "client_id": "b"}, {"access_token": token})
    texts = message("grant_type=client_credentials&client_id=b", json.dumps({"access_token": token}))
    assert events(texts) == events(plain)


@pytest.mark.parametrize(
    ("request_", "response"),
    [
        ("grant_type=client_credentials&client_id=b&client_id=c", '{"access_token": "TOKEN"}'),
        ("grant_type=client_credentials&client_id=b", '{"access_token": "other", "access_token": "TOKEN"}'),
    ],
)
def test_a_form_or_json_text_with_a_name_twice_issues_nothing(request_: str, response: str) -> None:
    token = jwt(jti="j-1", sub="robot-7", exp=EXP)
    found = read(message(request_, response.replace("TOKEN", token)))
    assert not any(isinstance(event, CredentialIssued) for event in found.events)


def test_an_exchange_uses_one_token_and_issues_another_to_the_current_actor() -> None:
    subject = jwt(jti="j-0", sub="mona", exp=EXP)
    acted = jwt(
        jti="j-1", sub="mona", exp=EXP, act={"sub": "worker", "act": {"sub": "planner", "act": {"sub": "ui"}}}
    )
    record = message(
        {
            "grant_type": EXCHANGE,
            "client_id": "worker",
            "subject_token": subject,
            "audience": "https://api.example",
        },
        {"access_token": acted, "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"},
        source_ip="192.0.2.7",
    )
    used, *actors, issued = events(record)
    assert used == CredentialUsed(
        time=AT,
        source="oauth/https://as.example",
        id="r-1",
        identifier=Identifier("jwt-id", "j-0"),
        action="token-exchange",
        resource="https://api.example",
        outcome=SUCCESS,
        workload="worker",
        source_ip="192.0.2.7",
    )
    assert [(one.task_id, one.parent_task_id) for one in actors if isinstance(one, TaskStarted)] == [
        ("oauth/actor/worker", "oauth/actor/planner"),
        ("oauth/actor/planner", "oauth/actor/ui"),
        ("oauth/actor/ui", None),
    ]
    assert isinstance(issued, CredentialIssued)
    assert (issued.credential_id, issued.task_id) == ("j-1", "oauth/actor/worker")


def test_who_hands_a_token_to_itself_is_no_child_of_its_own() -> None:
    acted = jwt(jti="j-1", sub="mona", exp=EXP, act={"sub": "worker", "act": {"sub": "worker"}})
    starts = [
        one
        for one in events(message({"grant_type": EXCHANGE}, {"access_token": acted}))
        if isinstance(one, TaskStarted)
    ]
    assert [(one.task_id, one.parent_task_id) for one in starts] == [("oauth/actor/worker", None)]


def test_a_jobs_identity_exchanged_is_the_jobs_token() -> None:
    identity = jwt(
        iss="https://token.actions.githubusercontent.com",
        sub="repo:octo/app:ref:refs/heads/main",
        jti="j-0",
        run_id="5",
        run_attempt="2",
        exp=EXP,
    )
    exchange = {"grant_type": EXCHANGE, "subject_token": identity}
    assert issue(message(exchange, {"access_token": OPAQUE})).task_id == "github/run/5/2"
    bearer = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": identity}
    used, issued = events(message(bearer, {"access_token": OPAQUE}))
    assert isinstance(used, CredentialUsed)
    assert (used.action, used.identifier) == ("jwt-bearer", Identifier("jwt-id", "j-0"))
    assert isinstance(issued, CredentialIssued)
    assert issued.task_id == "github/run/5/2"
    agent = jwt(jti="j-1", sub="x", exp=EXP, act={"sub": "agent"})
    _, started, _ = events(message(exchange, {"access_token": agent}))
    assert isinstance(started, TaskStarted)
    assert (started.task_id, started.parent_task_id) == ("oauth/actor/agent", "github/run/5/2")


def test_a_pods_token_and_a_jwt_svid_name_their_task() -> None:
    pod = {
        "namespace": "ci",
        "pod": {"name": "job-1-x7k2p", "uid": "u"},
        "serviceaccount": {"name": "runner"},
    }
    token = jwt(jti="j-0", exp=EXP, **{"kubernetes.io": pod})
    record = message({"grant_type": EXCHANGE, "subject_token": token}, {"access_token": OPAQUE})
    assert issue(record).task_id == "k8s/ci/job-1-x7k2p"
    own = issue(message({"grant_type": EXCHANGE}, {"access_token": token}))
    assert own.task_id == "k8s/ci/job-1-x7k2p"
    svid = jwt(sub="spiffe://prod.example/ns/ci/sa/runner", aud=["api"], exp=EXP)  # no jti: known by its hash
    found = issue(message({"grant_type": EXCHANGE}, {"access_token": svid}))
    assert found.identifiers == (hashed(svid),)
    assert (found.task_id, found.expires_at) == (
        "oauth/subject/spiffe://prod.example/ns/ci/sa/runner/oauth/https://as.example/r-1",
        AT + HOUR,
    )


def test_the_record_may_say_which_task_it_is() -> None:
    token = jwt(jti="j-1", sub="x", exp=EXP)
    record = message({"grant_type": "client_credentials"}, {"access_token": token}, task_id="agent/c-9")
    assert issue(record).task_id == "agent/c-9"


def test_a_refresh_is_a_use_and_a_token_handed_back_is_told_once() -> None:
    record = message(
        {"grant_type": "refresh_token", "client_id": "b", "refresh_token": OPAQUE},
        {"access_token": OPAQUE[::-1], "refresh_token": OPAQUE},
    )
    used, issued = events(record)
    assert isinstance(used, CredentialUsed)
    assert (used.action, used.identifier) == ("refresh", hashed(OPAQUE))
    assert isinstance(issued, CredentialIssued)
    assert issued.identifiers == (hashed(OPAQUE[::-1]),)


@pytest.mark.parametrize(
    ("response", "fields"), [({"error": "invalid_grant"}, {}), ({"status": 400}, {}), ({}, {"status": 403})]
)
def test_a_refused_exchange_is_a_denied_use(response: dict[str, Any], fields: dict[str, Any]) -> None:
    subject = jwt(jti="j-0", exp=EXP)
    (found,) = events(message({"grant_type": EXCHANGE, "subject_token": subject}, response, **fields))
    assert isinstance(found, CredentialUsed)
    assert found.outcome == DENIED


# Introspection and revocation


def test_an_active_token_was_shown_to_a_resource_server() -> None:
    record = message(
        {"token": OPAQUE}, {"active": True, "jti": "j-1"}, endpoint="introspection", client_id="orders-api"
    )
    (found,) = events(record)
    assert isinstance(found, CredentialUsed)
    assert (found.identifier, found.action, found.resource) == (hashed(OPAQUE), "introspection", "orders-api")


@pytest.mark.parametrize(
    "path", ["/oauth2/introspect", "/realms/x/protocol/openid-connect/token/introspect?x=1"]
)
def test_an_inactive_token_is_revoked(path: str) -> None:
    record = message({"token": jwt(jti="j-1", exp=EXP)}, {"active": False}, path=path)
    assert events(record) == (
        CredentialRevoked(
            time=AT,
            source="oauth/https://as.example",
            id="r-1/revoked",
            identifier=Identifier("jwt-id", "j-1"),
        ),
    )


def test_a_token_that_merely_expired_is_not_revoked() -> None:
    record = message({"token": jwt(jti="j-1", exp=1777622400)}, {"active": False}, endpoint="introspect")
    assert events(record) == ()


@pytest.mark.parametrize("named", [{"endpoint": "revocation"}, {"path": "/oauth2/v1/revoke"}])
def test_a_token_handed_in_is_revoked(named: dict[str, str]) -> None:
    (found,) = events(message(f"token={OPAQUE}&token_type_hint=access_token", {"status": 200}, **named))
    assert isinstance(found, CredentialRevoked)
    assert found.identifier == hashed(OPAQUE)
    assert events(message({"token": OPAQUE}, {"error": "invalid_client"}, **named)) == ()


# Security event tokens

CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"


def event_token(name: str, subject: Any, **payload: Any) -> dict[str, Any]:
    return {
        "iss": "https://idp.example/1/",
        "jti": "24c63fb5",
        "iat": 1777622500,
        "aud": "https://sp.example/caep",
        "sub_id": subject,
        "events": {name: payload},
    }


JWT_ID = {"format": "jwt_id", "iss": "https://as.example", "jti": "j-1"}


def test_a_session_revoked_event_revokes_what_its_subject_names() -> None:
    assert events(event_token(f"{CAEP}session-revoked", JWT_ID, event_timestamp=1777622400)) == (
        CredentialRevoked(
            time=AT,
            source="https://idp.example/1/",
            id="24c63fb5/session-revoked",
            identifier=Identifier("jwt-id", "j-1"),
        ),
    )


@pytest.mark.parametrize(
    ("subject", "identifier"),
    [
        ({"format": "opaque", "id": "s|1"}, Identifier("session-id", "s|1")),
        (
            {"format": "iss_sub", "iss": "https://i/", "sub": "robot"},
            Identifier("oidc-subject", "https://i/ robot"),
        ),
        ({"format": "uri", "uri": "spiffe://p/a"}, Identifier("uri", "spiffe://p/a")),
        (
            {
                "format": "complex",
                "user": {"format": "email", "email": "m@x"},
                "session": {"format": "opaque", "id": "s"},
            },
            Identifier("session-id", "s"),
        ),
        (
            {"format": "aliases", "identifiers": [{"format": "email", "email": "m@x"}, JWT_ID]},
            Identifier("jwt-id", "j-1"),
        ),
        ({"format": "email", "email": "mona@example.com"}, None),
        ({"format": "complex", "tenant": {"format": "opaque", "id": "1"}}, None),
    ],
)
def test_a_subject_becomes_an_identifier(subject: Any, identifier: Identifier | None) -> None:
    found = events(event_token(f"{RISC}credential-compromise", subject, credential_type="api-key"))
    assert [one.identifier for one in found if isinstance(one, CredentialRevoked)] == (
        [identifier] if identifier else []
    )
    assert all(one.time == AT + 100_000_000_000 for one in found)  # `iat`, where no other time is told


def test_the_end_of_a_session_ends_each_token_of_it() -> None:
    name = f"{CAEP}session-revoked"
    token = jwt(jti="j-1", iss="https://as.example", sub="mona", sid="s|1", exp=EXP)
    groups = issue(message({"grant_type": EXCHANGE}, {"access_token": token})).groups
    for subject in (
        {"format": "opaque", "id": "s|1"},
        {"format": "iss_sub", "iss": "https://as.example", "sub": "mona"},
    ):
        one, together = events(event_token(name, subject))
        assert isinstance(one, CredentialRevoked)
        assert isinstance(together, CredentialRevoked)
        assert one.group is None
        assert together.group in groups


def test_the_time_of_an_event_may_stand_in_the_token() -> None:
    record = {**event_token(f"{CAEP}session-revoked", JWT_ID), "toe": 1777622400}
    (found,) = events(record)
    assert found.time == AT


@pytest.mark.parametrize(
    ("change", "voids"), [("revoke", True), ("delete", True), ("create", False), ("update", False)]
)
def test_a_credential_change_revokes_where_it_says_so(change: str, voids: bool) -> None:  # noqa: FBT001 - parametrized
    assert bool(events(event_token(f"{CAEP}credential-change", JWT_ID, change_type=change))) == voids


@pytest.mark.parametrize(
    ("name", "unknown"), [(f"{CAEP}device-compliance-change", False), (f"{CAEP}invented", True)]
)
def test_other_events_say_nothing_or_are_counted(name: str, unknown: bool) -> None:  # noqa: FBT001 - parametrized
    found = read(event_token(name, JWT_ID))
    assert (found.format, found.events, found.unknown) == ("secevents", (), unknown)


def test_a_poll_response_is_opened() -> None:
    claims = event_token(f"{CAEP}session-revoked", JWT_ID, event_timestamp=1777622400)
    polled = {"sets": {"24c63fb5": jwt(**claims), "other": "a.b.c"}, "moreAvailable": False}
    first, broken = BUNDLED.read_object(json.dumps(polled).encode(), NOW)
    assert first.events == events(claims)
    assert broken.error is not None
    assert broken.error.field == "sets[1]"


# All of them

GRANT = {"grant_type": "client_credentials"}


@pytest.mark.parametrize(
    ("record", "reason", "field"),
    [
        (message(GRANT, {"access_token": OPAQUE}, time=None), "missing-field", "time"),
        (message(GRANT, {"access_token": OPAQUE}, time="marker"), "bad-time", "time"),
        (message(GRANT, {"access_token": OPAQUE}, time="2026-05-02T00:10:01Z"), "future-time", "time"),
        (message(GRANT, {"access_token": OPAQUE}, id=None), "missing-field", "id"),
        (message(GRANT, {}), "missing-field", "response.access_token"),
        (message(GRANT, {"access_token": OPAQUE}), "missing-field", "request.client_id"),
        (message(GRANT, {"access_token_sha256": "marker"}), "wrong-field", "response.access_token_sha256"),
        (
            message({**GRANT, "client_id": "b"}, {"access_token": OPAQUE, "expires_in": "marker"}),
            "wrong-field",
            "response.expires_in",
        ),
        (message({"token": OPAQUE}, {}, endpoint="introspect"), "missing-field", "response.active"),
        (
            message({"token": OPAQUE}, {"active": "marker"}, endpoint="introspect"),
            "wrong-field",
            "response.active",
        ),
        (message({}, {"active": False}, endpoint="introspect"), "missing-field", "request.token"),
        (message({"token": "***"}, {}, endpoint="revoke"), "missing-field", "request.token"),
        (event_token(f"{CAEP}session-revoked", None), "missing-field", "sub_id"),
        (event_token(f"{CAEP}session-revoked", "marker"), "wrong-field", "sub_id"),
        (event_token(f"{CAEP}session-revoked", {"format": "jwt_id"}), "missing-field", "jti"),
        (event_token(f"{CAEP}credential-change", JWT_ID), "missing-field", "change_type"),
        (
            event_token(f"{CAEP}session-revoked", JWT_ID, event_timestamp="marker"),
            "bad-time",
            "event_timestamp",
        ),
    ],
)
def test_a_known_message_that_lacks_a_field_names_it(record: Any, reason: str, field: str) -> None:
    error = read(record).error
    assert error is not None
    assert (error.reason, error.field) == (reason, field)
    assert "marker" not in str(error)


@pytest.mark.parametrize(
    "record",
    [
        {"message": "grant_type=client_credentials", "request": "GET /", "response": 200},
        {"request": ["grant_type"], "response": {"grant_type": 1}},
        {"endpoint": ["introspect"], "request": {}, "response": {}},
        {"events": ["https://schemas.openid.net/secevent/"], "sets": {"a": 5}},
        {"sets": {}, "events": {"https://schemas.openid.net/other": {}}},
    ],
)
def test_what_only_resembles_a_message_is_a_log_record(record: Any) -> None:
    found = read(record)
    assert (found.format, found.events, found.log is not None) == ("json", (), True)


def test_an_introspection_says_nothing_of_where_the_token_is_used() -> None:
    asked = message({"token": OPAQUE}, {"active": True}, endpoint="introspection", source_ip="192.0.2.7")
    (use,) = events(asked)
    assert isinstance(use, CredentialUsed)
    assert (use.action, use.source_ip, use.user_agent) == ("introspection", None, None)
