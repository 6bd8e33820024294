"""The configuration: what it may say, and how it says what is wrong and where."""

from pathlib import Path

import pytest

from detector.configuration.settings import NO_KEY_WARNING, Settings, problems
from detector.judge.policy import Policy
from detector.values.errors import ConfigError
from detector.values.findings import LEAKED_SECRET, OUTLIVES_TASK, USE_AFTER_TERMINATION, Severity
from detector.values.forms import FORMS
from detector.values.times import HOUR, MINUTE, SECOND, parse_rfc3339

KEY = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"


def write(folder: Path, text: str) -> str:
    path = folder / "curfewd.toml"
    path.write_text(text)
    return str(path)


def messages(folder: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    path = write(folder, text)
    return [
        str(error).removeprefix(f"{folder}/") for error in problems(path, {} if environ is None else environ)
    ]


def test_without_a_file_and_a_key_the_defaults_stand_and_a_warning_says_what_is_lost() -> None:
    settings = Settings.load(None, {})
    assert settings.policy == Policy()
    assert settings.keys == ()
    assert settings.warnings == (NO_KEY_WARNING,)


def test_everything_that_can_be_set(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    (tmp_path / "old.key").write_text("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=\n")
    (tmp_path / "mine.toml").write_text("")
    path = write(
        tmp_path,
        """
        key_file = "key"
        skew = "2s"
        grace_period = 90
        max_task_age = "6h"

        [[keys]]
        id = "2026-01"
        file = "old.key"

        [rules.use-after-termination]
        severity = "low"
        command_delay = "30s"

        [kinds.cloud-session]
        grace_period = "1h"
        [kinds.cloud-session.rules.outlives-task]
        revoke = false

        [[accept]]
        rule = "outlives-*"
        credential = "legacy-*"
        reason = "SEC-12"
        expiry = 2027-01-31T00:00:00Z

        [patterns]
        paths = ["mine.toml"]
        disable = ["generic-*"]

        [scan]
        every_window = false
        forms = ["encodings", "joined"]
        """,
    )
    settings = Settings.load(path, {})
    policy = settings.policy
    assert [key.id for key in settings.keys] == ["", "2026-01"]
    (warning,) = settings.warnings
    assert "leaves out escapes, compressed, dumps, spaced, obfuscated:" in warning
    assert (policy.skew, policy.grace_period, policy.max_task_age) == (2 * SECOND, 90 * SECOND, 6 * HOUR)
    assert policy.confirm_timeout == 5 * MINUTE
    late = policy.rules[USE_AFTER_TERMINATION]
    assert (late.severity, late.denied, late.command_delay) == (Severity.LOW, Severity.LOW, 30 * SECOND)
    assert policy.rules[LEAKED_SECRET].severity is None
    session = policy.resolve("cloud-session", "ci")
    assert session.grace_period == HOUR
    assert not session.rules[OUTLIVES_TASK].revoke
    assert policy.resolve("other", "ci").rules[OUTLIVES_TASK].revoke
    assert policy.accepts[0].expiry == parse_rfc3339("2027-01-31T00:00:00Z")
    assert settings.patterns.paths == (str(tmp_path / "mine.toml"),)
    assert not settings.scan.every_window
    assert settings.scan.forms == {"encodings", "joined"}
    assert Settings().scan.every_window
    assert Settings().scan.forms == {*FORMS}


def test_a_form_that_nobody_knows_is_a_mistake(tmp_path: Path) -> None:
    (found,) = messages(tmp_path, '[scan]\nforms = ["joined", "encoding"]\n')
    assert found.startswith("curfewd.toml:2: scan.forms: there is no encoding (did you mean encodings?)")
    assert Settings.load(write(tmp_path, "[scan]\nforms = []\n"), {}).scan.forms == frozenset()


def test_the_credentials_kind_wins_over_the_tasks(tmp_path: Path) -> None:
    policy = Settings.load(
        write(tmp_path, "[kinds.job]\nskew = 1\ngrace_period = 7\n[kinds.token]\nskew = 2\n"), {}
    ).policy
    resolved = policy.resolve("token", "job")
    assert (resolved.skew, resolved.grace_period) == (2 * SECOND, 7 * SECOND)


def test_the_key_of_the_environment_and_that_of_the_file_are_both_in_force(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    path = write(tmp_path, 'key_file = "key"\n')
    assert len(Settings.load(path, {"CURFEWD_KEY": "ff" * 16}).keys) == 2
    assert len(Settings.load(path, {"CURFEWD_KEY": KEY}).keys) == 1


def test_all_problems_are_named_with_their_lines(tmp_path: Path) -> None:
    text = """skwe = "5s"
grace_period = -1
[rules.leaked-credentials]
enabled = true
[rules.outlives-task]
severity = "severe"
[[accept]]
rule = "outlives-task"
reason = "why"
[[accept]]
reason = "why"
expiry = "2027-01-01"
[patterns]
paths = ["nowhere.toml"]
"""
    found = messages(tmp_path, text)
    assert [message.split(": ")[0] for message in found] == [
        f"curfewd.toml:{n}" for n in (1, 2, 3, 6, 7, 10, 12, 14)
    ]
    assert "did you mean skew?" in found[0]
    assert "did you mean leaked-credential?" in found[2]
    assert "low, medium, high or critical" in found[3]
    assert "needs expiry" in found[4]
    assert "needs uid, or at least one of rule" in found[5]
    assert "with a zone" in found[6]


def test_an_old_key_is_an_error_that_names_the_new_one_with_its_line(tmp_path: Path) -> None:
    text = """linger = "2min"
confirm = "5min"
[rules.outlives-task]
hold = "30s"
[kinds.cloud-session]
linger = "1h"
[kinds.cloud-session.rules.outlives-task]
hold = "1min"
[[allow]]
regex = "^x"
over = "line"
reason = "why"
expiry = 2027-01-01T00:00:00Z
[kafka]
bootstrap = "127.0.0.1:9092"
log_topics = ["logs"]
request = "15s"
session = "15s"
transaction = "30s"
rebalance = "20s"
drain = "20s"
[service]
cached = 100000
caught_up = "1min"
"""
    assert messages(tmp_path, text) == [
        f"curfewd.toml:{line}: {old}: this key is now called {new}"
        for line, old, new in (
            (1, "linger", "grace_period"),
            (2, "confirm", "confirm_timeout"),
            (4, "rules.outlives-task.hold", "command_delay"),
            (6, "kinds.cloud-session.linger", "grace_period"),
            (8, "kinds.cloud-session.rules.outlives-task.hold", "command_delay"),
            (11, "allow.over", "target"),
            (17, "kafka.request", "request_timeout"),
            (18, "kafka.session", "session_timeout"),
            (19, "kafka.transaction", "transaction_timeout"),
            (20, "kafka.rebalance", "rebalance_timeout"),
            (21, "kafka.drain", "drain_timeout"),
            (23, "service.cached", "cache_size"),
            (24, "service.caught_up", "ready_lag"),
        )
    ]


def test_the_name_of_a_renamed_key_is_unknown_in_another_table(tmp_path: Path) -> None:
    (found,) = messages(tmp_path, "[patterns]\nlinger = 1\n")
    assert "no such key; known here: paths" in found


@pytest.mark.parametrize(
    ("key", "says"),
    [("00ff", "at least 16 bytes"), ("not a key!", "hex or base64"), ("kühn" * 8, "hex or base64")],
)
def test_a_bad_key_is_refused_without_being_shown(tmp_path: Path, key: str, says: str) -> None:
    (tmp_path / "key").write_text(key)
    for found in (
        messages(tmp_path, 'key_file = "key"\n'),
        messages(tmp_path, "", {"CURFEWD_KEY": key}),
        messages(tmp_path, '[[keys]]\nid = "a"\nenv = "OTHER"\n', {"OTHER": key}),
    ):
        assert len(found) == 1
        assert says in found[0]
        assert key not in found[0]


def test_a_file_that_is_no_toml_says_where(tmp_path: Path) -> None:
    assert messages(tmp_path, "skew = 5\ngrace_period = \n") == ["curfewd.toml:2: not TOML: Invalid value"]
    with pytest.raises(ConfigError, match="cannot be read"):
        Settings.load(str(tmp_path / "none.toml"), {})


def test_lines_are_right_behind_multiline_text_and_arrays(tmp_path: Path) -> None:
    text = '[patterns]\ndisable = [\n  "a",\n]\n[[accept]]\nreason = """\nexpiry = 1\n"""\nexpiry = "soon"\nrule = "x*"\n'
    assert [message.split(": ")[0] for message in messages(tmp_path, text)] == ["curfewd.toml:9"]


def test_a_variable_for_a_secret_is_told_also_where_it_is_not_set(tmp_path: Path) -> None:
    (tmp_path / "curfewd.toml").write_text(
        """
[kafka]
bootstrap = "127.0.0.1:9092"
[kafka.security]
protocol = "SASL_SSL"
mechanism = "OAUTHBEARER"
token_endpoint = "https://login.example/token"
oauth_client_id = "curfewd"
client_secret_env = "TEAM_CLIENT_SECRET"
"""
    )
    settings = Settings.load(str(tmp_path / "curfewd.toml"), {})
    assert settings.secret_variables == {"TEAM_CLIENT_SECRET"}
    assert len(settings.unmet) == 1
