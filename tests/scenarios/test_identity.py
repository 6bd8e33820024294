"""A job on GitHub gets a credential from an identity provider, and somebody uses it after the job has ended."""

import json
from pathlib import Path
from typing import Any

from tests.scenarios.telling import ReportedFinding, story, told

JOB = story("google")["webhooks.jsonl"]  # github/job/71, from 08:00 to 08:10
UNTIL = "2026-05-04T12:00:00Z"


def comes_of(folder: Path, records: list[dict[str, Any]], jobs: bytes = JOB) -> ReportedFinding:
    """What comes of the records, which is the same in the other order."""
    found, backwards = (
        told(folder / name, {"webhooks.jsonl": jobs, "audit.jsonl": "\n".join(lines)}, until=UNTIL)
        for name, lines in (
            ("forwards", list(map(json.dumps, records))),
            ("backwards", list(map(json.dumps, records[::-1]))),
        )
    )
    assert (found.findings, found.commands) == (backwards.findings, backwards.commands)
    return found


def of_okta(at: str, kind: str, address: str, **fields: Any) -> dict[str, Any]:
    return {
        "uuid": f"{kind}-{at}",
        "published": f"2026-05-04T{at}:00.000Z",
        "eventType": kind,
        "actor": {"id": "00u1", "type": "User"},
        "client": {"ipAddress": address},
        "outcome": {"result": "SUCCESS"},
        **fields,
    }


def test_an_api_token_of_okta_outlives_its_job(tmp_path: Path) -> None:
    token = [{"id": "00Tpki36zlWjhjQ1u2p4", "type": "Token", "displayName": "github-job-71"}]
    with_it = {"transaction": {"id": "x", "detail": {"requestApiTokenId": "00Tpki36zlWjhjQ1u2p4"}}}
    records = [
        of_okta("08:01", "system.api_token.create", "192.0.2.7", target=token),
        of_okta("08:05", "group.user_membership.add", "192.0.2.7", **with_it),
        of_okta("08:40", "user.account.privilege.grant", "203.0.113.9", **with_it),
        of_okta("08:50", "system.api_token.revoke", "198.51.100.4", target=token),
        of_okta("08:55", "user.session.start", "198.51.100.4"),
    ]
    found = comes_of(tmp_path, records)
    assert found.rules == {
        "outlives-task",
        "overlong-credential",
        "use-after-termination",
        "use-from-elsewhere",
    }
    (command,) = found.result.commands
    assert command.credential.task_id == "github/job/71"
    assert command.credential.revocation == {
        "provider": "okta",
        "method": "revoke-api-token",
        "token_id": "00Tpki36zlWjhjQ1u2p4",
    }
    assert dict(found.result.summary.idle) == {"okta/user": 1}
    assert found.dead == ()


def of_auth0(at: str, kind: str, address: str, **fields: Any) -> dict[str, Any]:
    data = {
        "date": f"2026-05-04T{at}:00.000Z",
        "type": kind,
        "log_id": f"{kind}-{at}",
        "ip": address,
        **fields,
    }
    return {"log_id": data["log_id"], "data": data}


def administered(method: str, path: str, answer: dict[str, Any]) -> dict[str, Any]:
    request = {"method": method, "path": path, "auth": {"user": {"user_id": "auth0|1"}}}
    return {"details": {"request": request, "response": {"statusCode": 200, "body": answer}}}


def test_a_client_of_auth0_outlives_its_job(tmp_path: Path) -> None:
    answer = {"name": "github-job-71", "client_id": "OjVPk", "grant_types": ["client_credentials"]}
    call = {
        "request": {"method": "patch", "path": "/api/v2/connections/con_1"},
        "response": {"statusCode": 200},
    }
    records = [
        of_auth0("08:01", "sapi", "198.51.100.4", **administered("post", "/api/v2/clients", answer)),
        of_auth0("08:05", "seccft", "192.0.2.7", client_id="OjVPk"),
        of_auth0("08:40", "seccft", "203.0.113.9", client_id="OjVPk"),
        of_auth0("08:41", "sapi", "203.0.113.9", client_id="OjVPk", details=call),
        of_auth0("08:50", "sapi", "198.51.100.4", **administered("delete", "/api/v2/clients/OjVPk", {})),
        of_auth0("08:55", "feccft", "203.0.113.9", client_id="OjVPk"),
        of_auth0("08:56", "seacft", "198.51.100.4", client_id="Portal"),
    ]
    found = comes_of(tmp_path, records)
    assert found.rules == {
        "outlives-task",
        "overlong-credential",
        "use-after-termination",
        "use-from-elsewhere",
    }
    assert found.finding("use-after-termination").count == 3
    (command,) = found.result.commands
    assert command.credential.task_id == "github/job/71"
    assert (command.credential.revocation or {})["method"] == "delete-client"
    assert dict(found.result.summary.idle) == {"auth0/success": 1}
    assert found.dead == ()


INSTANCE = "6dd675ef-907f-4538-8ce5-eeaf38a77db7"


def of_teleport(at: str, kind: str, address: str, **fields: Any) -> dict[str, Any]:
    return {
        "ei": 0,
        "event": kind,
        "uid": f"{kind}-{at}",
        "code": "T2000I",
        "time": f"2026-05-04T{at}Z",
        "addr.remote": f"{address}:35242",
        **fields,
    }


def of_run(action: str, **ends: Any) -> dict[str, Any]:
    run = {"id": 5, "run_attempt": 1, "run_started_at": "2026-05-04T08:00:00Z", "conclusion": None, **ends}
    return {"action": action, "workflow_run": run, "repository": {"full_name": "octo/app"}}


def certificate(at: str, until: str, address: str) -> dict[str, Any]:
    identity = {"bot_instance_id": INSTANCE, "expires": f"2026-05-04T{until}Z", "client_ip": address}
    return of_teleport(at, "cert.create", address, identity=identity)


def test_a_bot_of_teleport_that_joined_as_a_job_outlives_it(tmp_path: Path) -> None:
    claims = {"repository": "octo/app", "run_id": "5", "run_attempt": "1"}
    bot = {"bot_name": "deployer", "bot_instance_id": INSTANCE}
    end = {"conclusion": "success", "updated_at": "2026-05-04T08:10:00Z"}
    records = [
        certificate("08:01:00.222", "09:01:00", "192.0.2.7"),
        of_teleport("08:01:00.228", "bot.join", "192.0.2.7", success=True, attributes=claims, **bot),
        certificate("08:01:00.267", "09:01:00", "192.0.2.7"),
        of_teleport("08:05:00", "session.start", "192.0.2.7", server_hostname="web-1", **bot),
        of_teleport("08:10:30", "session.end", "192.0.2.7", server_hostname="web-1", **bot),
        of_teleport("08:40:00", "kube.request", "203.0.113.9", kubernetes_cluster="prod", **bot),
        certificate("08:41:00", "09:41:00", "203.0.113.9"),
        of_teleport("08:50:00", "lock.created", "198.51.100.4", target={"bot_instance_id": INSTANCE}),
        of_teleport("08:55:00", "db.session.start", "203.0.113.9", success=False, **bot),
        of_teleport("08:56:00", "user.login", "198.51.100.4", success=True),
    ]
    runs = [of_run("in_progress"), of_run("completed", **end)]
    found = comes_of(tmp_path, records, "\n".join(map(json.dumps, runs)).encode())
    assert found.rules == {"outlives-task", "use-after-termination", "use-from-elsewhere"}
    assert found.finding("use-after-termination").count == 3
    (command,) = found.result.commands
    assert command.credential.task_id == "github/run/5/1"
    assert (command.credential.revocation or {})["bot_instance_id"] == INSTANCE
    assert dict(found.result.summary.idle) == {"teleport/session": 1, "teleport/user": 1}
    assert (found.dead, found.unresolved) == ((), {})


def of_spire(at: str, method: str, address: str, **fields: Any) -> dict[str, Any]:
    return {
        "msg": "API accessed",
        "type": "audit",
        "status": "success",
        "service": "svid.v1.SVID",
        "method": method,
        "request_id": f"{method}-{at}",
        "time": f"2026-05-04T{at}:00.228Z",
        "caller_addr": f"{address}:42012",
        **fields,
    }


def test_an_svid_of_spire_outlives_its_job_and_an_agent_calls_from_elsewhere(tmp_path: Path) -> None:
    agent, workload = "spiffe://example.org/spire/agent/x509pop/1", "spiffe://example.org/ci/github-job-71"
    svid = {"csr": "aa", "entry_id": "8bc5", "spiffe_id": workload, "expires_at": "2026-05-04T09:01:00Z"}
    used = {
        "specversion": "1.0",
        "type": "credential.used",
        "source": "envoy",
        "id": "1",
        "time": "2026-05-04T08:40:00Z",
        "data": {
            "identifier": {"scheme": "spiffe-id", "value": workload},
            "action": "GET",
            "resource": "/orders",
        },
    }
    records = [
        of_spire("07:59", "AttestAgent", "192.0.2.7", agent_id=agent),
        of_spire("08:01", "BatchNewX509SVID", "192.0.2.7", caller_id=agent, **svid),
        used,
        of_spire("08:45", "BatchNewX509SVID", "203.0.113.9", caller_id=agent, **{**svid, "status": "error"}),
        of_spire("08:50", "BanAgent", "198.51.100.4", spiffe_id=agent),
    ]
    found = comes_of(tmp_path, records)
    assert {(rule, key) for rule, key, _, _ in found.findings} == {
        ("outlives-task", workload),
        ("use-after-termination", workload),
        ("use-from-elsewhere", agent),
    }
    (command,) = found.result.commands
    assert command.credential.task_id == "github/job/71"
    assert (command.credential.revocation or {})["entry_id"] == "8bc5"
    assert (found.dead, found.unresolved) == ((), {})
