"""What docs/threat-model.md says an attacker can and cannot do, where no test of a part shows it."""

import base64
import hashlib
import json
import random
import string
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from detector.configuration.settings import PatternSettings
from detector.ingest.inputs import find_sources
from detector.judge.policy import Policy
from detector.replay.plan import Plan
from detector.replay.replay import Result, replay
from detector.scan.known_credentials import KnownIndex
from detector.scan.leaks import LeakFinder
from detector.scan.scanner import PatternScanner
from detector.scan.scanner_loader import load_scanner
from detector.terminal.progress import NoMeter
from detector.values.findings import MOST_FINDINGS
from tests.small_history import KEY, NOW, at, event, identifier_of, secret_of

VICTIM = "victim"
SECRET = secret_of(7).decode()
PUBLIC = "acc-5b1c2d3e4f"
FLOOD = 3000
STORY = [
    event(1, "task.started", 0, task_id="t", kind="ci"),
    event(
        2,
        "credential.issued",
        1,
        credential_id=VICTIM,
        task_id="t",
        identifiers=[
            identifier_of(7),
            {"scheme": "sha256", "value": hashlib.sha256(SECRET.encode()).hexdigest(), "length": len(SECRET)},
            {"scheme": "vault-accessor", "value": PUBLIC},
        ],
        expires_at=at(90_000),
        bound_to={"workloads": ["runner-*"]},
        revocation={"handle": "h7"},
    ),
]


@pytest.fixture(scope="module")
def scanner() -> PatternScanner:
    return load_scanner(PatternSettings())[0]


def told(folder: Path, scanner: PatternScanner, events: Iterable[Any], lines: Iterable[str] = ()) -> Result:
    """What a replay says of these events and lines of a log."""
    records, log = folder / "events.jsonl", folder / "job.log"
    records.write_text("".join(json.dumps(each) + "\n" for each in events))
    log.write_text("".join(line + "\n" for line in lines))
    sources, letters = find_sources([str(records), str(log)])

    def finder_of(identifiers: Any) -> LeakFinder:
        return LeakFinder(scanner, KnownIndex(identifiers, [KEY]), [KEY])

    return replay(Plan(sources, Policy(), finder_of, keyed=True, now=NOW, letters=letters), NoMeter())


def rules(result: Result) -> set[str]:
    return {finding.rule for finding in result.findings if finding.key == VICTIM}


def test_who_knows_a_credentials_names_and_fingerprints_cannot_make_it_leak(
    scanner: PatternScanner, tmp_path: Path
) -> None:
    keyed = identifier_of(7)
    digest = hashlib.sha256(SECRET.encode())
    public = [
        VICTIM,
        PUBLIC,
        keyed["value"],
        keyed["check"],
        digest.hexdigest(),
        base64.b64encode(digest.digest()).decode(),
    ]
    lines = [f"{at(100)} token={text} password: {text} Authorization: Bearer {text}" for text in public]
    encoded = [f"{at(100)} {base64.b64encode(text.encode()).decode()}" for text in public]
    result = told(tmp_path, scanner, STORY, [*lines, *encoded])
    assert rules(result) == set()
    assert result.commands == []
    assert "leaked-credential" in rules(told(tmp_path, scanner, STORY, [f"{at(100)} token={SECRET}"]))


def test_a_flood_of_made_up_tokens_revokes_nothing_and_hides_no_leak(
    scanner: PatternScanner, tmp_path: Path
) -> None:
    rng = random.Random(1)
    alphabet = string.ascii_letters + string.digits
    fakes = ["glpat-" + "".join(rng.choices(alphabet, k=20)) for _ in range(FLOOD)]
    lines = [f"{at(100)} fetching with {fake}" for fake in fakes]
    lines.insert(FLOOD // 2, f"{at(101)} fetching with {SECRET}")
    result = told(tmp_path, scanner, STORY, lines)
    told_of = Counter(finding.rule for finding in result.findings)
    assert told_of["leaked-secret"] == MOST_FINDINGS
    assert told_of["scan-limited"] == 1
    assert rules(result) == {"leaked-credential"}
    assert [command.credential.credential_id for command in result.commands] == [VICTIM]


def forged(number: int, kind: str, seconds: float, **data: Any) -> dict[str, Any]:
    return event(number, kind, seconds, **data) | {"source": "an intruder"}


def test_whatever_is_forged_about_a_credential_two_commands_are_all_it_gives(
    scanner: PatternScanner, tmp_path: Path
) -> None:
    spoken: dict[str, Any] = {"credential_id": VICTIM}
    about = [
        lambda n: forged(n, "credential.used", n, **spoken, action="x", workload=f"w{n}"),
        lambda n: forged(n, "task.ended", n, task_id="t"),
        lambda n: forged(n, "credential.revoked", n, **spoken),
        lambda n: forged(n, "credential.renewed", n, **spoken, expires_at=at(n + 90_000)),
        lambda n: forged(n, "task.started", n, task_id="t", deadline=at(n)),
    ]
    lies = [about[number % len(about)](number) for number in range(1000, 2000)]
    result = told(tmp_path, scanner, [*STORY, *lies], [f"{at(1500)} {SECRET}"] * 200)
    assert sorted((one.credential.credential_id, one.escalated) for one in result.commands) == [
        (VICTIM, False),
        (VICTIM, True),
    ]
    assert {piece.event.source for one in result.findings for piece in one.evidences} >= {"an intruder"}


def test_a_forged_revocation_makes_a_use_worse_and_hides_none(
    scanner: PatternScanner, tmp_path: Path
) -> None:
    use = event(5, "credential.used", 500, credential_id=VICTIM, action="read", workload="laptop")
    lie = forged(6, "credential.revoked", 400, credential_id=VICTIM)
    honest = told(tmp_path, scanner, [*STORY, use])
    assert "use-by-other-workload" in rules(honest)
    result = told(tmp_path, scanner, [*STORY, use, lie])
    assert rules(result) >= {"use-by-other-workload", "use-after-revocation"}
    assert [command.escalated for command in result.commands] == [True]


def test_a_forged_revocation_silences_a_leak_until_the_credential_is_used(
    scanner: PatternScanner, tmp_path: Path
) -> None:
    lie = forged(6, "credential.revoked", 400, credential_id=VICTIM)
    leak = [f"{at(500)} token={SECRET}"]
    use = event(5, "credential.used", 600, credential_id=VICTIM, action="read", workload="runner-1")
    silent = told(tmp_path, scanner, [*STORY, lie], leak)
    assert rules(silent) == {"leaked-credential"}
    assert silent.commands == []
    assert [one.escalated for one in told(tmp_path, scanner, [*STORY, lie, use], leak).commands] == [True]
