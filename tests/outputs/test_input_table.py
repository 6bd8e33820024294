"""The table of inputs that `curfewd check` prints: what each carries, and who may speak there as whom."""

from pathlib import Path

import pytest

from detector.cli import main

CONFIGURATION = """\
[kafka]
bootstrap = "127.0.0.1:9092"
event_topics = ["audit", "gitlab-audit", "issuer", "events.*"]
log_topics = ["ci-logs", "logs.*"]

[[trust]]
topics = ["gitlab-*"]
sources = ["gitlab.audit"]
types = ["credential.used"]
header = { name = "x-gateway", value = "gitlab-audit" }

[[trust]]
topics = ["issuer"]
signature = "standard-webhooks"
[[trust.keys]]
id = "2026-05"
env = "SIGNING"

[[trust]]
topics = ["events.vault"]
sources = ["vault/*"]

[[trust]]
paths = ["archive/*.jsonl"]
sources = ["ci"]
exclusive = false
"""


@pytest.fixture
def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> "Checked":
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.setenv("CURFEWD_KEY", "00" * 16)
    monkeypatch.setenv("SIGNING", "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    return Checked(capsys)


class Checked:
    """Runs `curfewd check` on a configuration."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def rows(self, text: str) -> list[str]:
        """The lines that it prints, each blank run as one blank."""
        Path("c.toml").write_text(text)
        assert main(["check", "--config", "c.toml"]) == 0
        return [" ".join(line.split()) for line in self._capsys.readouterr().out.splitlines()]


def test_it_says_of_each_input_who_may_speak_there_as_whom(checked: Checked) -> None:
    expected = [
        "c.toml: nothing wrong",
        "",
        "input carries who may send events, and as whom",
        "audit events anyone who can write to it, as any source but gitlab.audit, vault/*",
        "gitlab-audit events as gitlab.audit; only credential.used; with the header x-gateway: gitlab-audit",
        "([[trust]] in line 6)",
        "issuer events as any source; signed (standard-webhooks, 2026-05) ([[trust]] in line 12)",
        "events.* events anyone who can write to it, as any source but gitlab.audit, vault/*",
        "of these events.vault events as vault/*; without proof: anyone who can write to it ([[trust]] in line 19)",
        "ci-logs text nobody: nothing in it is an event, whatever it looks like",
        "logs.* text nobody: nothing in it is an event, whatever it looks like",
        "files archive/*.jsonl events as ci; without proof: anyone who can write to it ([[trust]] in line 23)",
        "",
        "Where anyone may send events, only the topic's ACLs protect you: see deploy/kafka/acls.md",
    ]
    assert " ".join(" ".join(checked.rows(CONFIGURATION)).split()) == " ".join(filter(None, expected))


def test_without_topics_and_trust_there_is_no_table(checked: Checked) -> None:
    without = (
        "It has no [kafka]: `curfewd replay`, `redact` and `suggest` take it, `curfewd run` does not start."
    )
    assert checked.rows('grace_period = "2min"\n') == ["c.toml: nothing wrong", without]
    defaults = "It sets nothing: all rules and patterns are on, with their defaults."
    assert checked.rows("") == ["c.toml: nothing wrong", defaults, without]
    rows = checked.rows('[kafka]\nbootstrap = "127.0.0.1:9092"\nlog_topics = ["ci"]\n')
    assert rows[2:] == [
        "input carries who may send events, and as whom",
        "ci text nobody: nothing in it is an event, whatever it looks like",
    ]


def test_a_glob_of_an_entry_that_holds_a_part_of_the_topics_has_a_row(checked: Checked) -> None:
    text = """\
[kafka]
bootstrap = "127.0.0.1:9092"
event_topics = ["events.*"]

[[trust]]
topics = ["*.vault"]
sources = ["vault/*"]
"""
    assert "of these *.vault events as vault/*;" in " ".join(checked.rows(text))


def test_a_secret_or_an_escape_in_a_name_does_not_reach_the_terminal(checked: Checked) -> None:
    secret = "ghp_" + "RAHhEBVMmxUAmOgKdSlPUK4dtx13hK0RTZy7"  # made up
    text = f'[[trust]]\npaths = ["in/*"]\nsources = ["{secret}", "a\\u001b[2Jb"]\n'
    shown = " ".join(checked.rows(text))
    assert "as ‹github-" in shown
    assert secret not in shown
    assert "\x1b" not in shown
