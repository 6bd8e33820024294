"""A thief uses a key while its job still runs: in time, within its grants, from another network. And who is no thief.

GitHub's webhooks report the job, CloudTrail the session and its calls; Vault's audit device reports tokens.
"""

import json
from pathlib import Path
from typing import Any

from detector.values.times import MINUTE
from tests.scenarios.telling import told
from tests.scenarios.test_default_session_names import FIRST, HOUR_LONG, THEIRS, call, comes_of, job, session

JOB = list(job(71, "08:00", "09:00"))
GATEWAY, OTHER_GATEWAY, PRIVATE, IPV6 = "54.10.0.4", "54.99.0.4", "10.0.1.5", "2600:1f14:1:2::5"
HMAC = "hmac-sha256:"


def through(address: str, made: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The same call from another address, or with other fields."""
    return {**made, "sourceIPAddress": address, **fields}


def test_a_key_is_stolen_and_used_while_its_job_runs(tmp_path: Path) -> None:
    trail = [
        session(FIRST, "08:01"),
        call(FIRST, "08:05"),
        call(FIRST, "08:20", THEIRS),
        call(FIRST, "08:30"),
    ]
    found = comes_of(tmp_path, JOB, trail)
    assert found.findings == (("use-from-elsewhere", FIRST, 1, "high"),)
    assert found.commands == ()  # many have more than one way out: it asks for nothing unless told to
    (stolen,) = found.finding("use-from-elsewhere").evidences
    assert stolen.detail == "203.0.113.0/24; issued to 192.0.2.44 in 192.0.2.0/24"
    loud = f"{HOUR_LONG}[rules.use-from-elsewhere]\nrevoke = true\n"
    assert comes_of(tmp_path / "loud", JOB, trail, loud).commands == (
        (FIRST, False, ("use-from-elsewhere",)),
    )


def test_a_thief_who_is_first_is_the_one_from_elsewhere(tmp_path: Path) -> None:
    trail = [session(FIRST, "08:01"), call(FIRST, "08:02", THEIRS), call(FIRST, "08:05")]
    found = comes_of(tmp_path, JOB, trail)
    assert [piece.time // MINUTE % 60 for piece in found.finding("use-from-elsewhere").evidences] == [2]


def test_a_thief_whose_tries_are_refused_is_found_too(tmp_path: Path) -> None:
    refused = {**call(FIRST, "08:20", THEIRS), "errorCode": "AccessDenied"}
    found = comes_of(tmp_path, JOB, [session(FIRST, "08:01"), call(FIRST, "08:05"), refused])
    assert found.findings == (("use-from-elsewhere", FIRST, 1, "medium"),)


def test_a_runner_in_a_vpc_has_many_faces_and_is_one(tmp_path: Path) -> None:
    """It asks STS through a NAT gateway, reads S3 through a gateway endpoint, and has services act on its behalf."""
    trail = [
        through(GATEWAY, session(FIRST, "08:01")),
        through(GATEWAY, call(FIRST, "08:02")),
        through(PRIVATE, call(FIRST, "08:03"), vpcEndpointId="vpce-0a1b"),
        through("cloudformation.amazonaws.com", call(FIRST, "08:04")),
        through("AWS Internal", call(FIRST, "08:05")),
        through(IPV6, call(FIRST, "08:06")),
        through(IPV6, call(FIRST, "08:07"), vpcEndpointId="vpce-0a1b"),
    ]
    assert comes_of(tmp_path, JOB, trail).findings == ()


def test_a_session_that_a_broker_asked_for_belongs_to_who_used_it_first(tmp_path: Path) -> None:
    broker = through(GATEWAY, session(FIRST, "08:01"), eventName="AssumeRole")
    broker["userIdentity"] = {
        "type": "AssumedRole",
        "arn": "arn:aws:sts::111122223333:assumed-role/vault/i-0a",
    }
    trail = [broker, call(FIRST, "08:05"), call(FIRST, "08:06")]
    assert "use-from-elsewhere" not in comes_of(tmp_path, JOB, trail).rules
    stolen = comes_of(tmp_path / "stolen", JOB, [*trail, call(FIRST, "08:20", THEIRS)])
    assert len(stolen.finding("use-from-elsewhere").evidences) == 1


def test_two_gateways_are_two_networks_until_they_are_listed(tmp_path: Path) -> None:
    trail = [
        through(GATEWAY, session(FIRST, "08:01")),
        through(OTHER_GATEWAY, call(FIRST, "08:02")),
        call(FIRST, "08:20", THEIRS),
    ]
    assert comes_of(tmp_path, JOB, trail).findings == (("use-from-elsewhere", FIRST, 2, "high"),)
    listed = f'expected_networks = ["{GATEWAY}", "{OTHER_GATEWAY}"]\n{HOUR_LONG}'
    assert comes_of(tmp_path / "listed", JOB, trail, listed).findings == (
        ("use-from-elsewhere", FIRST, 1, "high"),
    )
    (tmp_path / "nat.json").write_text(json.dumps([GATEWAY, OTHER_GATEWAY, "203.0.113.0/24"]))
    saved = f'{HOUR_LONG}expected_networks_files = ["../nat.json"]\n'
    assert comes_of(tmp_path / "saved", JOB, trail, saved).findings == ()


def vault(number: int, path: str, address: str, response: dict[str, Any] | None = None) -> dict[str, Any]:
    """An entry of Vault's audit device: a request, or a response that gives a token."""
    token = {"client_token": HMAC + "a" * 64, "accessor": HMAC + "b" * 64, "token_type": "service"}
    login = response is not None and "/login" in path
    request = {"id": f"r-{number}", "operation": "read", "path": path, "remote_address": address}
    if not login:
        request |= {"client_token": token["client_token"], "client_token_accessor": token["accessor"]}
    return {
        "time": f"2026-05-04T08:{number:02d}:00Z",
        "type": "request" if response is None else "response",
        "auth": token | (response or {}).get("auth", {})
        if login or response is None
        else {"token_type": "service"},
        "request": request,
        **({} if response is None else {"response": {"auth": token | response["auth"]}}),
    }


FOR_A_JOB = {"auth": {"token_ttl": 3600, "metadata": {"run_id": "5", "run_attempt": "1"}}}


def minutes_of_uses_from_elsewhere(folder: Path, entries: list[dict[str, Any]]) -> list[int]:
    found = told(folder, {"audit.log": "".join(f"{json.dumps(one)}\n" for one in entries)})
    return [piece.time // MINUTE % 60 for piece in found.finding("use-from-elsewhere").evidences]


def test_a_token_of_vault_belongs_to_the_job_that_logged_in(tmp_path: Path) -> None:
    login = vault(1, "auth/jwt/login", "10.0.0.5", FOR_A_JOB)
    entries = [login, vault(2, "kv/a", THEIRS), vault(3, "kv/a", "10.0.0.6")]
    assert minutes_of_uses_from_elsewhere(tmp_path, entries) == [2]


def test_a_token_of_vault_that_a_broker_made_belongs_to_who_used_it_first(tmp_path: Path) -> None:
    made = vault(1, "auth/token/create", "10.0.0.5", FOR_A_JOB)
    broker = {"accessor": HMAC + "e" * 64, "client_token": HMAC + "f" * 64}
    made["auth"] = {"token_type": "service", **broker}
    made["request"] |= {"client_token": broker["client_token"], "client_token_accessor": broker["accessor"]}
    entries = [made, vault(2, "kv/a", "192.0.2.44"), vault(3, "kv/a", THEIRS)]
    assert minutes_of_uses_from_elsewhere(tmp_path, entries) == [3]
