"""Writes examples/incident: ten tasks of five kinds, each kind once well-behaved and once not.

Usage: python examples/make_incident.py [FOLDER]

Seeded: it writes the same bytes every time. Every secret in it is made up here and opens nothing. What happens is
told in examples/README.md.
"""

import base64
import json
import random
import sys
import uuid
from pathlib import Path
from typing import Any

from detector.values.secrets import DeploymentKey, Secret
from detector.values.times import MILLISECOND, MINUTE, SECOND, format_rfc3339, parse_rfc3339

DAY = "2026-03-12"
KEY = b"curfewd demo key, not a secret!!"
CONFIG = """\
# The configuration of the bundled incident. `curfewd check --config` says what is wrong with one.

key_file = "demo-only.key"         # a real one stays out of the repository; CURFEWD_KEY does the same

# To accept a finding for a while, with a reason. It is still written, as suppressed, and asks for nothing.
# [[accept]]
# rule = "unused-grant"
# task = "orders-router-*"
# reason = "the purge grant is for the quarterly clean-up, SEC-1482"
# expiry = 2026-07-01T00:00:00Z
"""
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class Incident:
    """Collects events and log lines; every random choice comes from one seeded source.

    `midnight` is when its day begins, in nanoseconds. `events` and `logs` have each event and line with its time.
    """

    def __init__(self, midnight: int) -> None:
        self.midnight = midnight
        self.random = random.Random(4711)  # the same incident every time
        self.key = DeploymentKey.of(KEY)
        self.events: list[tuple[int, dict[str, Any]]] = []
        self.logs: dict[str, list[tuple[int, str]]] = {}

    def at(self, clock: str) -> int:
        """The time of day `HH:MM` of the incident's day."""
        hours, minutes = map(int, clock.split(":"))
        return self.midnight + (60 * hours + minutes) * MINUTE

    def event(self, kind: str, time: int, source: str, /, **data: Any) -> None:
        """Adds a canonical event; fields that are None are left out."""
        self.events.append(
            (
                time,
                {
                    "specversion": "1.0",
                    "id": f"{source}-{len(self.events) + 1:04d}",
                    "source": f"/{source}",
                    "type": kind,
                    "time": format_rfc3339(time),
                    "data": {name: value for name, value in data.items() if value is not None},
                },
            )
        )

    def start(self, source: str, time: int, minutes: int, /, **data: Any) -> None:
        """Adds the start of a task that has to end within `minutes`."""
        self.event("task.started", time, source, **data, deadline=format_rfc3339(time + minutes * MINUTE))

    def issue(self, credential: str, time: int, expires_at: int | None, /, **data: Any) -> None:
        """Adds the issue of a credential."""
        expiry = None if expires_at is None else format_rfc3339(expires_at)
        self.event("credential.issued", time, "issuer", credential_id=credential, **data, expires_at=expiry)

    def use(self, credential: str, time: int, action: str, resource: str, /, **data: Any) -> None:
        """Adds a use of a credential."""
        self.event(
            "credential.used",
            time,
            "audit",
            credential_id=credential,
            action=action,
            resource=resource,
            **data,
        )

    def token(self, prefix: str, length: int = 40) -> str:
        """A made-up token."""
        return prefix + "".join(self.random.choices(ALPHABET, k=length))

    def fingerprint(self, token: str) -> dict[str, Any]:
        """The identifier by which a scanner recognises the token without anyone storing it."""
        secret = Secret(token.encode())
        return {
            "scheme": "hmac-sha256",
            "value": self.key.fingerprint(secret),
            "length": len(secret),
            "check": self.key.check(secret),
        }

    def digest(self) -> str:
        """A digest as build logs are full of them: it looks random and is no secret."""
        return "sha256:" + self.random.randbytes(32).hex()

    def text(self, path: str, time: int, line: str) -> None:
        """A line of a text log."""
        self.logs.setdefault(path, []).append((time, f"{format_rfc3339(time)} {line}"))

    def json(self, path: str, time: int, task: str, message: str, stream: str = "stdout") -> None:
        """A record of a JSON-lines log."""
        record = {"time": format_rfc3339(time), "task_id": task, "stream": stream, "message": message}
        self.logs.setdefault(path, []).append((time, json.dumps(record)))

    def cri(self, path: str, time: int, message: str, stream: str = "stdout", tag: str = "F") -> None:
        """A line as a container runtime writes it."""
        stamp = f"{format_rfc3339(time)[:19]}.{time % SECOND:09d}Z"
        self.logs.setdefault(path, []).append((time, f"{stamp} {stream} {tag} {message}"))

    def write(self, folder: Path) -> None:
        """Writes everything, each file in the order of time."""
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        (folder / "curfewd.toml").write_text(CONFIG)
        (folder / "demo-only.key").write_text(KEY.hex() + "\n")
        events = sorted(self.events, key=lambda pair: pair[0])
        (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for _, event in events))
        for path, lines in self.logs.items():
            file = folder / "logs" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("".join(line + "\n" for _, line in sorted(lines, key=lambda pair: pair[0])))


def release(incident: Incident, number: int, clock: str, *, careful: bool) -> None:
    """A release-signing job on a CI runner. The careless one traces its shell, header and all."""
    task, credential, path = f"release-{number}", f"sign-{number}", f"ci/release-{number}.log"
    start, token = incident.at(clock), incident.token("sgn_")
    version = f"2.{number - 4707}.0"
    incident.start(
        "ci", start, 360, task_id=task, kind="release-signing", owner="release-team", workload="runner-3"
    )
    incident.issue(
        credential,
        start + 2 * SECOND,
        start + 360 * MINUTE,
        task_id=task,
        kind="signing-token",
        identifiers=[incident.fingerprint(token)],
        grants=[{"actions": ["sign"], "resources": ["artifact/*"]}],
        bound_to={"workloads": ["runner-*"], "source_ips": ["10.20.0.0/16"]},
        revocation={"provider": "signer", "token": f"tok/{number}"},
    )
    lines = [
        "Runner runner-3 picked up job sign (attempt 1)",
        "Fetching repository app at refs/tags/v" + version,
        f"HEAD is now at {incident.random.randbytes(20).hex()[:12]} Release {version}",
        f"Pulling signer image signer@{incident.digest()}",
        *(f"  layer {number_} of 9 {incident.digest()[:19]} done" for number_ in range(1, 10)),
        f"Restoring cache key release-{incident.random.randbytes(8).hex()}",
        "Token for signer.internal received, valid for 6 h: ***",
    ]
    artifacts = [
        f"app-{version}-{system}-{machine}.tar.zst"
        for system in ("linux", "darwin", "windows")
        for machine in ("amd64", "arm64")
    ]
    for artifact in artifacts:
        lines += [f"digest {artifact} {incident.digest()}", f"sign {artifact}"]
        if careful:
            lines.append("+ curl -fsS -H 'Authorization: ***' https://signer.internal/v1/sign")
        elif artifact == artifacts[-1]:
            lines.append("signer.internal answered 503, retrying with trace")
            basic = base64.b64encode(f"release-bot:{token}".encode()).decode()
            lines.append(f"+ curl -fsS -H 'Authorization: Basic {basic}' https://signer.internal/v1/sign")
        lines.append(f"  signature {uuid.UUID(bytes=incident.random.randbytes(16), version=4)} stored")
    for index, line in enumerate(lines):
        time = start + (4 + index * 17) * SECOND + incident.random.randrange(1000) * MILLISECOND
        incident.text(path, time, line)
    for index, artifact in enumerate(artifacts):
        where = {"workload": "runner-3", "source_ip": "10.20.4.17", "user_agent": "curl/8.9.1"}
        incident.use(credential, start + (300 + index * 50) * SECOND, "sign", f"artifact/{artifact}", **where)
    end = start + 14 * MINUTE
    incident.text(path, end - SECOND, "Job sign succeeded")
    incident.event("task.ended", end, "ci", task_id=task, outcome="succeeded")
    if careful:
        incident.event("credential.revoked", end + 3 * SECOND, "issuer", credential_id=credential)
        return
    for index, artifact in enumerate(("linux-amd64", "linux-arm64", "darwin-arm64")):
        incident.use(
            credential,
            end + (2 * 3600 + 3 * 60 + index * 41) * SECOND,
            "sign",
            f"artifact/app-{version}-hotfix-{artifact}.tar.zst",
            source_ip="203.0.113.9",
            user_agent="python-requests/2.32",
        )


def automation(incident: Incident, name: str, clock: str, *, careful: bool) -> None:
    """Cloud automation in an approved change window of half an hour. The careless one runs past it."""
    task, path, start = f"resize-{name}", f"automation/resize-{name}.jsonl", incident.at(clock)
    key_id = "ASIA" + "".join(incident.random.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", k=16))
    incident.start(
        "scheduler",
        start,
        60,
        task_id=task,
        kind="cloud-automation",
        owner="platform-team",
        workload="automation-1",
    )
    incident.issue(
        f"aws-{name}",
        start + SECOND,
        start + 60 * MINUTE,
        task_id=task,
        kind="aws-session",
        identifiers=[{"scheme": "aws-access-key-id", "value": key_id}],
        grants=[{"actions": ["ec2:Describe*", "ec2:ModifyInstanceAttribute"], "resources": ["instance/*"]}],
        approval={
            "not_before": format_rfc3339(start - 5 * MINUTE),
            "not_after": format_rfc3339(start + 30 * MINUTE),
        },
        revocation={
            "provider": "aws",
            "method": "deny-session",
            "account": "111122223333",
            "role_arn": "arn:aws:iam::111122223333:role/resize",
            "assumed_role_id": f"AROAEXAMPLERESIZEROLE:{task}",
        },
    )
    incident.json(path, start, task, "change CHG-88213 approved for 30 min, role resize assumed")
    count = 8 if careful else 16
    for index in range(count):
        instance = f"i-{incident.random.randbytes(8).hex()}0"[:19]
        time = start + (60 + index * 150) * SECOND
        incident.json(path, time, task, f"draining {instance} ({index + 1} of {count})")
        for step in ("connections closed", "stopped", "type m7g.large -> m7g.xlarge", "started", "healthy"):
            time += incident.random.randrange(4_000, 24_000) * MILLISECOND
            incident.json(path, time, task, f"{instance} {step}")
        incident.event(
            "credential.used",
            start + (75 + index * 150) * SECOND,
            "audit",
            identifier={"scheme": "aws-access-key-id", "value": key_id},
            action="ec2:ModifyInstanceAttribute",
            resource=f"instance/{instance}",
            workload="automation-1",
            source_ip="10.20.9.2",
        )
    end = start + (120 + count * 150) * SECOND
    incident.json(path, end - SECOND, task, "all instances resized")
    incident.event("task.ended", end, "scheduler", task_id=task, outcome="succeeded")


def router(incident: Incident, name: str, clock: str, *, careful: bool) -> None:
    """A data job that reads one queue and writes one. The careless one also looks into the customers table."""
    task, credential, start = f"orders-router-{name}", f"queue-{name}", incident.at(clock)
    pod = uuid.UUID(bytes=incident.random.randbytes(16), version=4)
    path = f"pods/data_{task}_{pod}/router/0.log"
    token = incident.token("qt_")
    grants = [
        {"actions": ["queue:Receive", "queue:Delete"], "resources": ["queue/orders-in"]},
        {"actions": ["queue:Send"], "resources": ["queue/orders-eu"]},
    ]
    if not careful:
        grants.append({"actions": ["queue:Purge"], "resources": ["queue/orders-in"]})
    incident.start(
        "scheduler", start, 30, task_id=task, kind="data-job", owner="orders-team", workload="orders-router"
    )
    incident.issue(
        credential,
        start + SECOND,
        start + 30 * MINUTE,
        task_id=task,
        kind="queue-token",
        identifiers=[incident.fingerprint(token)],
        grants=grants,
        revocation={"provider": "broker", "token": credential},
    )
    incident.cri(path, start + 3 * SECOND, "router 5.2.1 starting, queue token loaded from file (43 bytes)")
    where = {"workload": "orders-router", "source_ip": "10.30.1.44"}
    for batch in range(12):
        time = start + (20 + batch * 90) * SECOND + incident.random.randrange(9_000) * MILLISECOND
        orders = incident.random.randrange(40, 500)
        incident.cri(path, time, f"received {orders} orders from orders-in, batch {incident.digest()[7:23]}")
        for shard in range(3):
            line = f"shard {shard}: {orders // 3} routed, trace {incident.random.randbytes(16).hex()}"
            incident.cri(path, time + (shard + 1) * SECOND, line)
        incident.cri(path, time + 5 * SECOND, "a slow consumer holds the partition; ", "stderr", "P")
        incident.cri(path, time + 5 * SECOND, "backing off for 200 ms", "stderr")
        incident.use(credential, time, "queue:Receive", "queue/orders-in", **where)
        incident.use(credential, time + 5 * SECOND, "queue:Send", "queue/orders-eu", **where)
    if not careful:
        for index, (table, outcome) in enumerate(
            (("customers", None), ("customers", None), ("payouts", "denied"))
        ):
            time = start + (1150 + index * 7) * SECOND
            incident.cri(path, time, f"enriching orders from db/{table}")
            incident.use(credential, time, "db:Query", f"db/{table}", outcome=outcome, **where)
    end = start + 20 * MINUTE
    incident.cri(path, end - SECOND, "orders-in is empty, leaving")
    incident.event("task.ended", end, "scheduler", task_id=task, outcome="succeeded")
    incident.event("credential.revoked", end + 5 * SECOND, "issuer", credential_id=credential)


def rotation(incident: Incident, name: str, clock: str, *, careful: bool) -> None:
    """A remediation job that rotates a database password and must revoke its own credential when it is done.

    The careless one prints the new password and forgets the last step.
    """
    task, credential, path = f"rotate-{name}", f"vault-{name}", f"automation/rotate-{name}.jsonl"
    start, token, password = incident.at(clock), incident.token("rv_"), incident.token("", 28)
    incident.start(
        "scheduler", start, 60, task_id=task, kind="remediation", owner="security-team", workload="remediator"
    )
    accessor = "".join(incident.random.choices(ALPHABET, k=24))
    incident.issue(
        credential,
        start + SECOND,
        start + 60 * MINUTE,
        task_id=task,
        kind="vault-token",
        identifiers=[incident.fingerprint(token), {"scheme": "vault-accessor", "value": accessor}],
        grants=[{"actions": ["db:AlterRole"], "resources": ["role/orders_rw"]}],
        revocation={"provider": "vault", "method": "revoke-accessor", "accessor": accessor},
    )
    shown = "***" if careful else password
    url = f"postgresql://orders_rw:{shown}@orders-db.internal:5432/orders"
    lines = [
        f"ticket SEC-{incident.random.randrange(1000, 9999)}: password of orders_rw is 91 days old",
        "vault login with the job's identity: ok",
        "generating a password of 28 characters",
        "ALTER ROLE orders_rw PASSWORD '***'",
        f"rolling out to 6 replicas, config checksum {incident.random.randbytes(16).hex()}",
        *(f"replica orders-{replica} restarted and connected" for replica in range(6)),
        f"smoke test with {url}",
        "smoke test passed: 1 row",
        "old password refused, as it should be",
    ]
    if careful:
        lines.append("revoking my own token: done")
    for index, line in enumerate(lines):
        incident.json(path, start + (5 + index * 20) * SECOND, task, line)
    incident.use(
        credential,
        start + 65 * SECOND,
        "db:AlterRole",
        "role/orders_rw",
        workload="remediator",
        source_ip="10.20.7.7",
    )
    end = start + 6 * MINUTE
    if careful:
        incident.event("credential.revoked", end - 5 * SECOND, "issuer", credential_id=credential)
    incident.event("task.ended", end, "scheduler", task_id=task, outcome="succeeded")


def exporter(incident: Incident, name: str, clock: str, *, careful: bool) -> None:
    """A read-only export every night.

    The careless one has a token that never expires; it is revoked in the middle, and works on all the same.
    """
    task, credential, path, start = f"export-{name}", f"wh-{name}", f"exports/{name}.log", incident.at(clock)
    token = incident.token("wh_")
    incident.start(
        "scheduler", start, 30, task_id=task, kind="exporter", owner="finance-data", workload="exporter"
    )
    incident.issue(
        credential,
        start + SECOND,
        start + 30 * MINUTE if careful else None,
        task_id=task,
        kind="warehouse-token",
        identifiers=[incident.fingerprint(token)],
        grants=[{"actions": ["table:Read"], "resources": ["warehouse/sales/*"]}],
        revocation={"provider": "warehouse", "token": credential},
    )
    tables = 12 if careful else 24
    for index in range(tables):
        time = start + (30 + index * 90) * SECOND
        table = f"warehouse/sales/part-{index:02d}"
        rows = incident.random.randrange(90_000, 110_000)
        incident.text(
            path,
            time,
            f"[exporter] reading sales partition {index:02d}, query {incident.digest()[7:39]}",
        )
        incident.text(
            path, time + 31 * SECOND, f"[exporter] part-{index:02d}.parquet {rows} rows, {incident.digest()}"
        )
        incident.use(credential, time, "table:Read", table, workload="exporter", source_ip="10.30.2.8")
    end = start + (60 + tables * 90) * SECOND
    incident.text(path, end, f"[exporter] {tables} partitions exported")
    incident.event("task.ended", end, "scheduler", task_id=task, outcome="succeeded")
    revoked = end + 2 * SECOND if careful else start + 20 * MINUTE
    incident.event("credential.revoked", revoked, "issuer", credential_id=credential)


def platform(incident: Incident) -> None:
    """The scheduler's own log, from the first minute of the day to the last that we know of."""
    for minute in range(0, 16 * 60 + 31, 15):
        time = incident.at(f"{minute // 60:02d}:{minute % 60:02d}")
        queued, running = incident.random.randrange(4), incident.random.randrange(1, 5)
        request = uuid.UUID(bytes=incident.random.randbytes(16), version=4)
        incident.text("platform.log", time, f"[scheduler] tick {request} queued={queued} running={running}")


def incident_of(midnight: int) -> Incident:
    """The incident, on the day that begins at `midnight` (ns)."""
    incident = Incident(midnight)
    exporter(incident, "sales-eu", "01:00", careful=True)
    exporter(incident, "sales-us", "02:00", careful=False)
    release(incident, 4710, "08:30", careful=True)
    release(incident, 4711, "09:00", careful=False)
    automation(incident, "blue", "10:00", careful=True)
    automation(incident, "green", "13:00", careful=False)
    router(incident, "noon", "12:00", careful=True)
    router(incident, "late", "12:30", careful=False)
    rotation(incident, "orders-a", "15:00", careful=True)
    rotation(incident, "orders-b", "15:30", careful=False)
    platform(incident)
    return incident


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "incident"
    incident_of(parse_rfc3339(f"{DAY}T00:00:00Z")).write(target)
