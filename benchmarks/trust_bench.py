"""What `[[trust]]` costs an event: its pin, its header, and each kind of signature, beside reading it without an entry.

Each way reads the same events from Kafka records. They take turns, run by run, so that a noisy machine disturbs all of
them alike; CPU time, best of all runs.
"""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from benchmarks import compare, tables
from detector.configuration.trust_settings import (
    ALGORITHMS,
    ED25519,
    GITHUB,
    JWS,
    SIGNATURE_HEADERS,
    STANDARD_WEBHOOKS,
    Signature,
    TrustedHeader,
    TrustEntry,
    TrustKey,
)
from detector.ingest.kafka_records import Contents, read_record
from detector.ingest.trust.policy import InputTrust, TrustPolicy
from detector.values.secrets import Secret
from detector.values.times import DAY
from tests.fake_records import NOW, TOPIC, FakeRecord
from tests.ingest.signing import (
    SECRET,
    Headers,
    PrivateKey,
    hub_headers,
    jws,
    private_key,
    public_pem,
    webhook_headers,
)

_EVENTS: Final = 64
_RUNS: Final = 25
_FORGED: Final = "jws Ed25519, forged"
_WITHOUT: Final = "no entry"
_SOURCE: Final = "https://tokens.example"


class Way(msgspec.Struct):
    """One way to prove an event: the records, what holds them, and the best CPU time (s) for all of them."""

    name: str
    records: Sequence[FakeRecord]
    trust: InputTrust | None
    seconds: float = 1e9


class Cost(msgspec.Struct, frozen=True):
    """Microseconds of CPU for an event in all, and beyond those without an entry; and the first over the latter."""

    proof: str
    microseconds: float
    more: float
    ratio: float


def _values() -> list[bytes]:
    """Issues as a token service writes them."""
    return [
        json.dumps(
            {
                "specversion": "1.0",
                "type": "credential.issued",
                "source": _SOURCE,
                "id": f"issue-{number}",
                "time": "2026-05-31T23:58:00Z",
                "data": {
                    "credential_id": f"token-{number}",
                    "task_id": f"build-{number}",
                    "kind": "deploy-token",
                    "identifiers": [
                        {
                            "scheme": "hmac-sha256",
                            "value": f"{number:064x}",
                            "length": 44,
                            "check": "b338e83f",
                        }
                    ],
                    "expires_at": "2026-06-01T00:58:00Z",
                    "grants": [{"actions": ["deploy"], "resources": ["web/*"]}],
                    "revocation": {"provider": "deployer", "handle": f"tk-{number}"},
                },
            }
        ).encode()
        for number in range(_EVENTS)
    ]


def signed_by(key: PrivateKey, algorithm: str) -> Callable[[bytes], Headers]:
    """Makes the header with the JWS of a value."""
    return lambda value: [(SIGNATURE_HEADERS[JWS], jws(key, algorithm, value))]


def ways() -> list[Way]:
    """Every way, with its records."""
    values = _values()

    def way(name: str, headers: Callable[[bytes], Headers], **fields: Any) -> Way:
        entry = TrustEntry(topics=(TOPIC,), sources=(_SOURCE,), **fields)
        records = [FakeRecord(value, headers=headers(value)) for value in values]
        return Way(name, records, TrustPolicy((entry,)).of_topic(TOPIC))

    def signature(scheme: str, key: TrustKey) -> Signature:
        return Signature(scheme, SIGNATURE_HEADERS[scheme], (key,), DAY)

    secret = TrustKey("k1", secret=Secret(SECRET))
    found = [
        Way(_WITHOUT, [FakeRecord(value) for value in values], None),
        way("sources and types", lambda _: [], types=("credential.*",)),
        way("header", lambda _: [("gateway", b"audit")], header=TrustedHeader("gateway", "audit")),
        way(STANDARD_WEBHOOKS, webhook_headers, signature=signature(STANDARD_WEBHOOKS, secret)),
        way(GITHUB, hub_headers, signature=signature(GITHUB, secret)),
    ]
    for algorithm in ALGORITHMS:
        private = private_key(algorithm)
        asked = signature(JWS, TrustKey("k1", algorithm, public=public_pem(private)))
        found.append(way(f"jws {algorithm}", signed_by(private, algorithm), signature=asked))
        if algorithm == ED25519:
            forger = signed_by(private_key(algorithm), algorithm)
            found.append(way(_FORGED, forger, signature=asked))
    return found


def measure(made: Sequence[Way], runs: int = _RUNS) -> list[Cost]:
    """The ways in turn, run by run."""
    for _ in range(runs):
        for way in made:
            begun = time.process_time()
            contents = Contents()
            for record in way.records:
                read_record(record, NOW, contents, trust=way.trust)
            way.seconds = min(way.seconds, time.process_time() - begun)
            if bool(contents.events) == (way.name == _FORGED):
                raise RuntimeError(f"{way.name}: {len(contents.events)} events are believed")
    base = made[0].seconds
    return [
        Cost(
            way.name,
            way.seconds / len(way.records) * 1e6,
            (way.seconds - base) / len(way.records) * 1e6,
            way.seconds / base,
        )
        for way in made
    ]


def report(costs: Sequence[Cost], machine: compare.Machine) -> str:
    """The table."""
    rows = [
        [
            one.proof,
            f"{one.microseconds:.1f}",
            f"{one.more:.1f}",
            f"{one.ratio:.1f}",
            f"{1e6 / one.microseconds:,.0f}",
        ]
        for one in costs
    ]
    head = ["proof", "µs an event", "µs more", "times no entry", "events/s of one core"]
    return "\n".join(
        (
            "# What `[[trust]]` costs an event\n",
            tables.about(machine),
            f"\nReading an event of {len(_values()[0])} bytes from its Kafka record. The ways take turns.\n",
            tables.table(head, rows),
            "",
        )
    )


def main() -> None:
    """Measures every way."""
    costs = measure(ways())
    text = report(costs, compare.machine())
    print(text)
    tables.save(compare.RESULTS, "trust", text, costs)
