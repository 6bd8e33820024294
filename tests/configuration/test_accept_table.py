"""`[[accept]]`: entries by globs and by uid, their mistakes, and what is doubtful about them."""

from pathlib import Path

import pytest

from detector.configuration.entry_warnings import entry_warnings
from detector.configuration.settings import Settings, problems
from detector.judge.policy import Accept
from detector.values.findings import Severity
from detector.values.times import parse_rfc3339

UID = "0b9f3a52-6f4c-5d0e-9a53-3c0a6f2c8d11"
EXPIRY = parse_rfc3339("2027-01-31T00:00:00Z")
REST = "reason = 'why'\nexpiry = 2027-01-31T00:00:00Z\n"


def written(folder: Path, text: str) -> str:
    path = folder / "curfewd.toml"
    path.write_text(text)
    return str(path)


def test_one_finding_is_accepted_by_its_uid(tmp_path: Path) -> None:
    path = written(tmp_path, f"[[accept]]\nuid = '{UID}'\nseverity = 'medium'\n{REST}")
    settings = Settings.load(path, {})
    assert settings.policy.accepts == (Accept("why", EXPIRY, uid=UID, severity=Severity.MEDIUM),)
    assert settings.policy.accepting_globs == ()
    assert list(settings.policy.accepting_uids) == [UID]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("uid = 'x'", "write the uid of a finding"),
        (f"uid = '{UID.upper()}'", "write the uid of a finding"),
        (f"uid = '{UID}'\nrule = 'leaked-*'", "leave the globs out"),
        ("severity = 'low'\nrule = 'leaked-*'", "severity goes with uid"),
        ("", "needs uid, or at least one of rule"),
    ],
)
def test_a_mistake_in_an_entry_is_told_with_its_line(tmp_path: Path, entry: str, words: str) -> None:
    (problem,) = problems(written(tmp_path, f"[[accept]]\n{entry}\n{REST}"), {})
    assert words in str(problem)
    assert problem.line is not None


@pytest.mark.parametrize("table", ["accept", "allow"])
def test_an_entry_by_fingerprint_needs_a_key(tmp_path: Path, table: str) -> None:
    path = written(tmp_path, f"[[{table}]]\nfingerprint = 'ab*'\n{REST}")
    said = f"[[{table}]] by fingerprint needs a deployment key"
    assert any(warning.startswith(said) for warning in Settings.load(path, {}).warnings)
    assert Settings.load(path, {"CURFEWD_KEY": "00" * 16}).warnings == ()


@pytest.mark.parametrize(("table", "glob"), [("accept", "task"), ("allow", "source")])
def test_expired_entries_and_those_that_cover_everything_are_named(
    tmp_path: Path, table: str, glob: str
) -> None:
    text = "".join(f"[[{table}]]\n{glob} = '{value}'\n{REST}" for value in ("build-*", "**"))
    settings = Settings.load(written(tmp_path, text), {})
    before, after = (list(entry_warnings(settings, now)) for now in (EXPIRY, EXPIRY + 1))
    assert [warning.partition(" covers all")[0] for warning in before] == [f"[[{table}]] 2"]
    assert [warning.partition(" at 2027")[0] for warning in after if "expired" in warning] == [
        f"[[{table}]] 1 expired",
        f"[[{table}]] 2 expired",
    ]
