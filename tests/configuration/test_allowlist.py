"""`[[allow]]`: what is let go, until when, and that a registered credential's leak never is."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from detector import cli
from detector.configuration.allowlist import Allow, Allowlist
from detector.configuration.settings import Settings, problems
from detector.judge.ledger import Ledger
from detector.judge.policy import Policy
from detector.judge.rules.apply import judge_secret
from detector.registry.finders import Finders
from detector.scan.known_credentials import KeyRing, KnownIndex
from detector.scan.leaks import UNKNOWN_TIME, Batch, LeakFinder, RecordAt
from detector.scan.redactor import Allowing, Redactor
from detector.scan.scanner import PatternScanner
from detector.service.scan.handler import ScanHandler, ScannedPoll, ScanSettings
from detector.values.events import CredentialIssued, Identifier, Leak
from detector.values.secrets import Secret, sha256_hex
from tests.fake_records import NOW, PARTITION, records
from tests.scan.test_leaks import BLOCK, GENERIC, KEY, KEY_ID, SCANNER, TOKEN, URL, VENDOR, hmac, lines
from tests.service.scan.test_scan_handler import OTHER, Scan, log
from tests.service.scan.test_scan_handler import TOPICS as SCAN_TOPICS
from tests.small_history import KEY_TEXT

LATER = 1000
SECOND_TOKEN = b"vnd_7Yj1Pv8Kl3Sw"


def allow(**entry: Any) -> Allow:
    return Allow(**{"reason": "a test's", "expiry": LATER, **entry})


def found(
    data: bytes, *allows: Allow, registered: Sequence[Identifier] = ()
) -> list[tuple[str | None, bool]]:
    """The leaks in `data`, line n at time 10 n, by pattern, and whether each is allowed."""
    finder = LeakFinder(SCANNER, KnownIndex(registered, [KEY]), [KEY], allowlist=Allowlist(allows))
    return [(leak.pattern, leak.allowed) for leak in finder.find(Batch("ci/app.log", data, lines(data)))]


@pytest.mark.parametrize(
    ("entry", "covers"),
    [
        ({"pattern": "vendor-*"}, True),
        ({"pattern": "vendor"}, False),
        ({"source": "ci/*.log"}, True),
        ({"source": "*.txt"}, False),
        ({"fingerprint": KEY.fingerprint(Secret(TOKEN))}, True),
        ({"fingerprint": KEY.fingerprint(Secret(SECOND_TOKEN))}, False),
        ({"regex": "8Zk2"}, True),
        ({"regex": "^8Zk2"}, False),
        ({"regex": "fixture"}, False),  # stands in the line, not in the secret
        ({"regex": "fixture .* here$", "target": "line"}, True),
        ({"pattern": "vendor-*", "source": "ci/*", "regex": "9Lm4Tx$"}, True),
        ({"pattern": "vendor-*", "source": "ci/*", "regex": "nothing"}, False),  # all have to hold
    ],
)
def test_what_an_entry_covers(entry: dict[str, Any], *, covers: bool) -> None:
    assert found(b"before\na fixture " + TOKEN + b" here\nafter", allow(**entry)) == [
        ("vendor-token", covers)
    ]


def test_only_what_an_entry_covers_is_let_go() -> None:
    data = TOKEN + b" and " + SECOND_TOKEN + b"\nhttps://me:hunter2@host/"
    assert found(data, allow(regex="8Zk2")) == [
        ("vendor-token", True),
        ("vendor-token", False),
        (URL.id, False),
    ]


def test_an_entry_ends_with_the_time_of_the_record() -> None:
    data = b"\n".join([TOKEN] * 4)  # at 10, 20, 30, 40
    assert [allowed for _, allowed in found(data, allow(pattern="*", expiry=20))] == [
        True,
        True,
        False,
        False,
    ]
    entries = allow(pattern="*", expiry=20), allow(source="*", expiry=30)  # the longer one counts
    assert [allowed for _, allowed in found(data, *entries)] == [True, True, True, False]


def test_a_registered_credentials_leak_is_never_allowed() -> None:
    assert found(TOKEN, allow(pattern="*"), registered=[hmac(TOKEN)]) == [("vendor-token", False)]


def test_an_encoded_secret_is_held_against_its_value_and_the_line_as_written() -> None:
    encoded = b"fixture " + b"".join(b"%%%02X" % byte for byte in TOKEN)
    assert found(encoded, allow(regex="^vnd_")) == [("vendor-token", True)]
    assert found(encoded, allow(regex="^fixture %76", target="line")) == [("vendor-token", True)]


def test_the_judge_says_nothing_of_an_allowed_leak_until_a_credential_claims_it() -> None:
    leak = Leak(
        time=5, source="s", id="1", identifiers=(), fingerprint="f", pattern="p", severity=4, excerpt=""
    )
    marked = Leak(**{name: getattr(leak, name) for name in leak.__struct_fields__} | {"allowed_until": 5})
    assert len(judge_secret(Policy(), leak)) == 1
    assert judge_secret(Policy(), marked) == ()
    late = msgspec.structs.replace(
        marked, received=6
    )  # when Kafka got it, the entry had expired: its time is no excuse
    assert len(judge_secret(Policy(), late)) == 1


def test_an_allowed_secret_beside_a_leak_is_masked_in_its_excerpt_all_the_same() -> None:
    data = TOKEN + b" " + SECOND_TOKEN
    finder = LeakFinder(SCANNER, KnownIndex(), [KEY], allowlist=Allowlist([allow(regex="8Zk2")]))
    for leak in finder.find(Batch("s", data, lambda _: RecordAt(0, len(data), "1"))):
        assert leak.excerpt == "‹vendor-token:16› ‹vendor-token:16›"
        assert leak.time == UNKNOWN_TIME


def redacted(data: bytes, *allows: Allow, registered: Sequence[Identifier] = ()) -> bytes | None:
    allowing = Allowing(Allowlist(allows), "-", [KEY])
    return Redactor(SCANNER, KnownIndex(registered, [KEY]), allowing).masked(data)


def test_a_redactor_passes_what_is_allowed_and_masks_the_rest() -> None:
    data = b"a " + TOKEN + b" b " + SECOND_TOKEN
    masked = "‹vendor-token:16›".encode()
    assert redacted(data, allow(regex="8Zk2")) == b"a " + TOKEN + b" b " + masked
    assert redacted(data, allow(pattern="*", source="-")) == data
    assert (
        redacted(data, allow(pattern="*"), registered=[hmac(TOKEN)]) == b"a " + masked + b" b " + SECOND_TOKEN
    )
    assert redacted(data, allow(source="*.log")) == b"a " + masked + b" b " + masked


def test_what_else_sees_an_allowed_secret_does_not_mask_it() -> None:
    generic = b"password=" + TOKEN
    assert redacted(generic, allow(pattern="vendor-token")) == generic
    decoded = b"password=hunter2%41 x"  # and `hunter2A` once decoded: one leak, as a finder tells it
    assert redacted(decoded, allow(regex="%41$")) == decoded
    allowing = Allowing(Allowlist([allow(pattern="vendor-token")]), "-", [KEY])
    (mask_span,) = Redactor(SCANNER, None, allowing).mask_spans(b"password=hunter2hunter2 " + TOKEN)
    assert (mask_span.rule, mask_span.start) == (
        "generic-password",
        9,
    )  # which only what it overlaps with makes superfluous


def test_a_redactor_knows_no_times_and_takes_that_of_its_start() -> None:
    entries = Allowlist([allow(pattern="a", expiry=10), allow(pattern="b", expiry=20)])
    assert bool(entries.in_force(20))
    assert not entries.in_force(21)


async def test_live_an_allowed_leak_travels_marked_and_is_counted_by_pattern() -> None:
    scanner = PatternScanner([VENDOR, URL, GENERIC, KEY_ID, BLOCK])
    scan, facts = Scan(scanner), list[ScannedPoll]()
    scan.registered.finders = Finders(
        scanner, (KEY,), None, Allowlist([allow(pattern="vendor-*", expiry=1 << 62)])
    )
    scan.handler = ScanHandler(
        ScanSettings(SCAN_TOPICS),
        scan.registered,
        scan.threads,
        clock=lambda: NOW,
        observe=lambda fact: facts.append(cast("ScannedPoll", fact)),
    )
    await scan.handler.assigned(PARTITION)
    await scan.poll(records([log(f"x {TOKEN.decode()}"), log("https://me:hunter2@host/")]))
    assert (facts[-1].allowed, facts[-1].leaks) == ({"vendor-token": 1}, 1)
    scan.registered.finders.reload(scanner, Allowlist())
    await scan.poll(records([log(f"x {TOKEN.decode()}")]))
    assert (facts[-1].allowed, facts[-1].leaks) == ({}, 1)


CONFIGURATION = """\
[[allow]]
pattern = "github-*"
source = "*app.log"
reason = "SEC-1: revoked, stands in a fixture"
expiry = 2026-06-01T00:00:00Z
"""
TIMED = "\n".join(
    f'{{"time": "{time}", "message": "token {OTHER}"}}'
    for time in ("2026-05-31T23:59:59Z", "2026-06-02T00:00:00Z")
)


def replayed(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str, configuration: str = CONFIGURATION
) -> tuple[list[str], dict[str, Any], str]:
    """Each finding's evidence, the summary, and all that was written."""
    (folder / "app.log").write_text(text)
    (folder / "curfewd.toml").write_text(configuration)
    arguments = ["replay", "--config", "curfewd.toml", "--out", "out", "--jobs", "1", "app.log"]
    assert cli.main(arguments) == 0
    written = "".join(path.read_text() for path in sorted(Path("out").iterdir())) + capsys.readouterr().out
    records = [json.loads(line) for line in Path("out/findings.jsonl").read_text().splitlines()]
    return (
        [f"{one['finding_info']['analytic']['uid']} x{one['count']}" for one in records],
        json.loads(Path("out/summary.json").read_text()),
        written,
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CURFEWD_KEY", KEY_TEXT)
    return tmp_path


def test_a_replay_lets_go_what_is_allowed_at_the_time_of_its_record(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    findings, summary, written = replayed(folder, capsys, TIMED)
    assert findings == ["leaked-secret x1"]  # the second record's: after the expiry
    assert summary["allowed"] == {"github-pat-classic": 1}
    assert "leaks that [[allow]] passes: 1 github-pat-classic" in written
    assert OTHER not in written


def test_a_record_without_a_time_is_held_against_the_time_that_it_inherits(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    early, late = "2026-05-31T10:00:00Z first", "2026-06-03T10:00:00Z first"
    assert replayed(folder, capsys, f"{early}\ntoken {OTHER}\n")[1]["allowed"] == {"github-pat-classic": 1}
    findings, summary, _ = replayed(folder, capsys, f"{late}\ntoken {OTHER}\n")
    assert (findings, summary["allowed"]) == (["leaked-secret x1"], {})


@pytest.mark.slow
def test_the_command_redact_passes_what_is_allowed(folder: Path) -> None:
    from tests.replay.test_cli import run  # noqa: PLC0415 - a process of its own: it reads file descriptor 0

    (folder / "now.toml").write_text(CONFIGURATION.replace("2026-06", "2999-06").replace("*app.log", "-"))
    (folder / "past.toml").write_text(CONFIGURATION.replace("2026-06", "2020-06").replace("*app.log", "-"))
    line = f"token {OTHER}\n"
    assert run("redact", "--config", "now.toml", given=line.encode())[1] == line
    assert run("redact", "--config", "past.toml", given=line.encode())[1] == "token ‹github-pat-classic:40›\n"


def test_what_is_wrong_is_told_with_its_line_and_without_the_regex(tmp_path: Path) -> None:
    path = tmp_path / "curfewd.toml"
    path.write_text(
        """[[allow]]
pattern = "x"
reason = "why"
[[allow]]
reason = "why"
expiry = 2027-01-01T00:00:00Z
target = "line"
[[allow]]
regex = "(hunter2hunter2"
reason = "why"
expiry = "tomorrow"
[[allow]]
patern = "x"
target = "file"
regex = "é"
reason = "why"
expiry = 2027-01-01T00:00:00Z
"""
    )
    told = [str(error).removeprefix(f"{path}:") for error in problems(str(path), {"CURFEWD_KEY": KEY_TEXT})]
    assert [line.split(": ")[0] for line in told] == ["1", "4", "7", "9", "11", "13", "14", "15"]
    assert "needs expiry" in told[0]
    assert "at least one of fingerprint, source, pattern, regex" in told[1]
    assert "target says where regex is searched for, and there is no regex" in told[2]
    assert "allow.regex: RE2 refuses it: missing )" in told[3]
    assert "did you mean pattern?" in told[5]
    assert "hunter2" not in "".join(told)


def test_a_fingerprint_without_a_key_to_make_it_with_is_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "curfewd.toml"
    path.write_text('[[allow]]\nfingerprint = "ab*"\nreason = "why"\nexpiry = 2027-01-01T00:00:00Z\n')
    assert any("needs a deployment key" in text for text in Settings.load(str(path), {}).warnings)
    assert Settings.load(str(path), {"CURFEWD_KEY": KEY_TEXT}).warnings == ()


def test_one_secret_in_many_identifiers_is_asked_for_by_all_of_them() -> None:
    secret = Secret(TOKEN)
    every = (*KeyRing([KEY]).identifiers(secret), Identifier("sha256", sha256_hex(secret), len(TOKEN)))
    for identifier in every:
        assert found(TOKEN, allow(pattern="*"), registered=[identifier]) == [("vendor-token", False)]


def test_a_credential_that_is_registered_later_claims_its_allowed_leak_in_any_order() -> None:
    secret = Identifier("hmac-sha256", "ab" * 32)
    leak = Leak(
        time=50,
        source="s",
        id="1",
        identifiers=(secret,),
        fingerprint=secret.value,
        pattern="p",
        severity=4,
        excerpt="",
        allowed_until=LATER,
    )
    issue = CredentialIssued(
        time=10, source="i", id="1", credential_id="c", task_id="t", identifiers=(secret,), expires_at=LATER
    )
    for events in ((leak, issue), (issue, leak)):
        ledger = Ledger(Policy())
        ledger.apply(events[0])
        if events[0] is leak:
            assert ledger.findings(100) == []
        ledger.apply(events[1])
        assert [finding.rule for finding in ledger.findings(100)] == ["leaked-credential"]
        assert [command.credential.credential_id for command in ledger.commands(100)] == ["c"]
