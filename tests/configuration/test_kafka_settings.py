"""The `[kafka]` table: what it may say, where its secrets are, and what `check` and a replay make of it."""

import re
from pathlib import Path

import pytest

from detector.cli import main
from detector.configuration.kafka_settings import KafkaSettings
from detector.configuration.settings import Settings, problems
from detector.kafka.clients import StageSettings
from detector.kafka.connection import ConnectionSettings
from detector.service.stage_settings import connection_of, stage_of
from detector.values.errors import ConfigError
from detector.values.times import DAY, MINUTE, SECOND

SECRET = "hunter2-hunter2"


def load(folder: Path, text: str, environ: dict[str, str] | None = None) -> Settings:
    (folder / "curfewd.toml").write_text(text)
    return Settings.load(str(folder / "curfewd.toml"), environ or {})


def wrong(folder: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    (folder / "curfewd.toml").write_text(text)
    found = problems(str(folder / "curfewd.toml"), environ or {})
    return [str(error).removeprefix(f"{folder}/curfewd.toml:") for error in found]


def test_a_bootstrap_is_enough(tmp_path: Path) -> None:
    live = load(tmp_path, '[kafka]\nbootstrap = "127.0.0.1:9092"\n').live()
    assert live.bootstrap == ("127.0.0.1:9092",)
    assert [(topic.name, topic.partitions, topic.retention) for topic in live.topics.all()] == [
        ("curfewd.work", 16, 7 * DAY),
        ("curfewd.registry", 4, None),
        ("curfewd.state", 16, None),
        ("curfewd.findings", 4, None),
        ("curfewd.revocations", 4, 30 * DAY),
        ("curfewd.dead-letters", 4, 14 * DAY),
    ]
    assert (live.replication, live.min_insync, live.lookback) == (3, 2, 5 * MINUTE)
    assert live.security.protocol == "PLAINTEXT"
    assert live.warnings == ("kafka: neither event_topics nor log_topics: there is nothing to read",)


def test_everything_that_can_be_set(tmp_path: Path) -> None:
    for name in ("ca.pem", "client.pem", "client.key"):
        (tmp_path / name).write_text("")
    (tmp_path / "password").write_text(f"{SECRET}\n")
    live = load(
        tmp_path,
        """
        [kafka]
        bootstrap = ["b1.example:9093", "[::1]:9094"]
        group = "sec"
        prefix = "sec."
        event_topics = ["audit-*"]
        log_topics = ["ci.logs"]
        replication = 1
        poll_records = 2000
        compression = "ZSTD"
        transaction_timeout = "1min"
        [kafka.topics.work]
        partitions = 3
        retention = "1d"
        [kafka.topics.dead_letters]
        name = "graveyard"
        [kafka.security]
        protocol = "sasl_ssl"
        ca_file = "ca.pem"
        cert_file = "client.pem"
        key_file = "client.key"
        mechanism = "scram-sha-512"
        username = "scanner"
        password_file = "password"
        """,
    ).live()
    assert live.bootstrap == ("b1.example:9093", "[::1]:9094")
    assert (live.group, live.replication, live.min_insync) == ("sec", 1, 1)
    assert (live.topics.work.partitions, live.topics.state.partitions) == (3, 3)
    assert live.topics.work.retention == DAY
    assert (live.topics.findings.name, live.topics.dead_letters.name) == ("sec.findings", "graveyard")
    assert (live.poll_records, live.compression, live.transaction_timeout) == (2000, "zstd", 60 * SECOND)
    security = live.security
    assert (security.protocol, security.mechanism) == ("SASL_SSL", "SCRAM-SHA-512")
    assert security.ca_file == str(tmp_path / "ca.pem")
    assert security.password is not None
    assert security.password.reveal() == SECRET.encode()
    assert SECRET not in repr(live)
    assert live.warnings == ()


def test_names_and_globs_are_one_subscription(tmp_path: Path) -> None:
    base = '[kafka]\nbootstrap = "127.0.0.1:9092"\nlog_topics = ["ci.logs"]\n'
    assert load(tmp_path, base).live().inputs.subscription() == (("ci.logs",), None)
    live = load(tmp_path, base + 'event_topics = ["audit", "k8s-*"]\n').live()
    names, pattern = live.inputs.subscription()
    assert names == ()
    assert pattern is not None
    all_names = ("ci.logs", "audit", "k8s-a", "cixlogs", "audit2", "ci.logs.old", "my-audit", "k8s-")
    taken = [name for name in all_names if re.match(pattern, name)]
    assert taken == [name for name in all_names if live.inputs.reads(name)]
    assert taken == ["ci.logs", "audit", "k8s-a", "k8s-"]
    assert [name for name in all_names if live.carries_events(name)] == ["audit", "k8s-a", "k8s-"]


def test_a_glob_takes_neither_our_topics_nor_kafkas(tmp_path: Path) -> None:
    live = load(
        tmp_path,
        '[kafka]\nbootstrap = "127.0.0.1:9092"\nlog_topics = ["*"]\n[kafka.redacted]\ntopics = ["pods.*"]\n',
    ).live()
    _, pattern = live.inputs.subscription()
    assert pattern is not None
    others = ["curfewd.work", "curfewd.findings", "__consumer_offsets", "pods.web.redacted"]
    assert [name for name in ("ci", *others, "pods.web") if live.inputs.reads(name)] == ["ci", "pods.web"]
    assert [name for name in ("ci", *others, "pods.web") if re.match(pattern, name)] == ["ci", "pods.web"]


def test_without_topics_of_events_a_warning_says_what_is_missed(tmp_path: Path) -> None:
    live = load(tmp_path, '[kafka]\nbootstrap = "127.0.0.1:9092"\nlog_topics = ["ci"]\n').live()
    (warning,) = live.warnings
    assert warning.startswith("kafka.event_topics: there are none, so no event is believed")


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("group = 5", "3: kafka.group: write text in quotes"),
        ("grup = 'x'", "3: kafka.grup: no such key (did you mean group?)"),
        ("bootstrap = 'kafka://b:9092'", "2: kafka.bootstrap"),
        ("bootstrap = 'a..b:9092'", "2: kafka.bootstrap: not a host name"),
        ("bootstrap = '::1:9092'", "2: kafka.bootstrap: write"),
        ("bootstrap = 'b:99999'", "2: kafka.bootstrap: write"),
        ("bootstrap = []", "2: kafka.bootstrap: write"),
        ("event_topics = 'logs'", "3: kafka.event_topics: write a list of topic names"),
        ("log_topics = ['a b']", "3: kafka.log_topics: a topic's name"),
        ("log_topics = ['logs.[ab]']", "3: kafka.log_topics: a topic's name"),
        (
            "event_topics = ['curfewd.work']",
            "3: kafka.event_topics: curfewd writes to curfewd.work: it would be read again",
        ),
        (
            "log_topics = ['curfewd.work']",
            "3: kafka.log_topics: curfewd writes to curfewd.work: it would be read again",
        ),
        (
            "inputs = ['logs']",
            "3: kafka.inputs: this key is gone: write topics that carry events under event_topics",
        ),
        (
            "input_pattern = 'logs.*'",
            "3: kafka.input_pattern: this key is gone: write topics that carry events under event_topics",
        ),
        (
            "event_topics = ['a']\nlog_topics = ['b', 'a']",
            "4: kafka.log_topics: a is under event_topics too (a): a topic carries events or text, not both",
        ),
        (
            "event_topics = ['ci.audit']\nlog_topics = ['ci.*']",
            "3: kafka.event_topics: ci.audit is under log_topics too (ci.*)",
        ),
        (
            "event_topics = ['*']\nlog_topics = ['ci.?']",
            "4: kafka.log_topics: ci.? is under event_topics too (*)",
        ),
        ("session_timeout = '1s'", "3: kafka.session_timeout: write a duration from 6s to 30min"),
        ("replication = 0", "3: kafka.replication: write a whole number from 1 to 32"),
        ("replication = true", "3: kafka.replication: write a whole number from 1 to 32"),
        ("replication = 2\nmin_insync = 3", "4: kafka.min_insync: more than the 2 copies there are"),
        ("[kafka.topics.wrok]", "3: kafka.topics.wrok: no such key (did you mean work?)"),
        ("[kafka.topics.state]\npartitions = 4", "4: kafka.topics.state.partitions: no such key"),
        ("[kafka.topics.findings]\nretention = '1d'", "4: kafka.topics.findings.retention: no such key"),
        ("[kafka.topics.state]\nname = 'curfewd.work'", "3: kafka.topics.state: has the same name as work"),
        (
            "[kafka.security]\nprotocol = 'tls'",
            "4: kafka.security.protocol: write PLAINTEXT, SSL, SASL_PLAINTEXT",
        ),
        (
            "[kafka.security]\nca_file = 'x'",
            "4: kafka.security.ca_file: has an effect only with protocol SSL or",
        ),
        ("[kafka.security]\nprotocol = 'SASL_SSL'", "4: kafka.security.protocol: SASL_SSL needs a mechanism"),
        (
            "[kafka.security]\nprotocol = 'SASL_SSL'\nmechanism = 'PLAIN'",
            "5: kafka.security.mechanism: PLAIN needs a username",
        ),
        (
            "[kafka.security]\nprotocol = 'SASL_SSL'\nmechanism = 'OAUTHBEARER'",
            "5: kafka.security.mechanism: OAUTHBEARER needs either",
        ),
        (
            "[kafka.security]\nprotocol = 'SASL_SSL'\ntoken_endpoint = 'http://idp.example/token'",
            "5: kafka.security.token_endpoint: the client's secret would be sent in the clear",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, lines: str, says: str) -> None:
    text = f"[kafka]\nbootstrap = '127.0.0.1:9092'\n{lines}\n"
    if lines.startswith("bootstrap"):
        text = f"[kafka]\n{lines}\n"
    found = wrong(tmp_path, text)
    assert len(found) == 1
    assert found[0].startswith(says)


def test_a_missing_bootstrap_is_told_at_the_table(tmp_path: Path) -> None:
    assert wrong(tmp_path, "\n[kafka]\n") == ['2: kafka: needs bootstrap = ["host:port"]']


@pytest.mark.parametrize("name", ["password", "client_secret", "key_password", "token"])
def test_a_secret_in_the_configuration_is_refused_and_not_shown(tmp_path: Path, name: str) -> None:
    found = wrong(tmp_path, f"[kafka]\nbootstrap = '127.0.0.1:9092'\n[kafka.security]\n{name} = '{SECRET}'\n")
    assert len(found) == 1
    assert found[0].startswith(f"4: kafka.security.{name}: never write a secret in the configuration")
    assert SECRET not in found[0]


SCRAM = """[kafka]
bootstrap = "127.0.0.1:9092"
[kafka.security]
protocol = "SASL_SSL"
mechanism = "SCRAM-SHA-256"
username = "scanner"
"""


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("", "5: kafka.security.mechanism: the environment variable CURFEWD_KAFKA_PASSWORD with the secret"),
        (
            "password_env = 'PW'",
            "7: kafka.security.password_env: the environment variable PW with the secret",
        ),
        ("password_file = 'none'", "7: kafka.security.password_file: "),
        ("password_file = 'empty'", "7: kafka.security.password_file: "),
    ],
)
def test_what_this_machine_lacks_is_told_by_check_and_does_not_stop_a_replay(
    tmp_path: Path, lines: str, says: str
) -> None:
    (tmp_path / "empty").write_text("\n")
    found = wrong(tmp_path, SCRAM + lines + "\n")
    assert len(found) == 1
    assert found[0].startswith(says)
    settings = Settings.load(str(tmp_path / "curfewd.toml"), {})
    with pytest.raises(ConfigError, match=r"kafka\.security"):
        settings.live()


def test_the_environment_has_the_password(tmp_path: Path) -> None:
    live = load(tmp_path, SCRAM, {"CURFEWD_KAFKA_PASSWORD": SECRET}).live()
    assert live.security.password is not None
    assert live.security.password.reveal() == SECRET.encode()


def test_a_password_in_the_clear_is_warned_of_unless_it_stays_on_this_machine(tmp_path: Path) -> None:
    def warnings(host: str) -> tuple[str, ...]:
        text = SCRAM.replace("SASL_SSL", "SASL_PLAINTEXT").replace("127.0.0.1", host)
        text = text.replace("[kafka]", "[kafka]\nevent_topics = ['a']")
        return load(tmp_path, text, {"CURFEWD_KAFKA_PASSWORD": SECRET}).live().warnings

    assert warnings("127.0.0.1") == ()
    assert "also the credentials, is sent in the clear" in warnings("b1.example")[0]


def test_without_a_kafka_table_there_is_nothing_live(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no \[kafka\] table"):
        load(tmp_path, "").live()


def test_check_tells_a_certificate_that_cannot_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ca.pem").write_text("no certificate")
    Path("c.toml").write_text(
        "[kafka]\nbootstrap = '127.0.0.1:9092'\n[kafka.security]\nprotocol = 'SSL'\nca_file = 'ca.pem'\n"
    )
    assert main(["check", "--config", "c.toml"]) == 2
    assert capsys.readouterr().err == "ca.pem: has no certificate in PEM form\n"


def test_the_defaults_of_the_class_are_those_of_the_table(tmp_path: Path) -> None:
    live = load(tmp_path, '[kafka]\nbootstrap = "127.0.0.1:9092"\nevent_topics = ["a"]\n').live()
    assert live == KafkaSettings(bootstrap=live.bootstrap, topics=live.topics, event_topics=("a",))


def test_a_stage_has_its_limits_from_the_table(tmp_path: Path) -> None:
    live = load(tmp_path, '[kafka]\nbootstrap = "127.0.0.1:9092"\n').live()
    assert stage_of(live, "scan", ("logs",)) == StageSettings(
        group="curfewd-scan",
        topics=("logs",),
        poll_records=16_000,
        partition_fetch_bytes=4 << 20,
        columns=True,
        counts={"curfewd.work": 16, "curfewd.state": 16},
    )
    judge = stage_of(live, "judge", ("work",))
    assert (judge.poll_records, judge.columns) == (1000, True)
    assert connection_of(live) == ConnectionSettings(
        ("127.0.0.1:9092",), security={"security_protocol": "PLAINTEXT"}
    )


PASSED_ON = '[kafka]\nbootstrap = "127.0.0.1:9092"\nevent_topics = ["audit"]\nlog_topics = ["ci.logs", "pods?*", "pods"]\n'


def test_what_is_passed_on_goes_to_a_topic_that_is_never_read(tmp_path: Path) -> None:
    live = load(tmp_path, f'{PASSED_ON}[kafka.redacted]\ntopics = ["ci.*", "pods-?"]\n').live()
    assert live.passed_on(["ci.logs", "audit", "pods-1", "pods-12"]) == {
        "ci.logs": "ci.logs.redacted",
        "pods-1": "pods-1.redacted",
    }
    read = ["ci.logs", "audit", "pods-1", "pods-1.redacted", "pods-12.redacted", "pods.redacted", "cixlogs"]
    assert [name for name in read if live.inputs.reads(name)] == [
        "ci.logs",
        "audit",
        "pods-1",
        "pods-12.redacted",  # an input all the same: no input of that name is passed on
        "pods.redacted",
    ]
    assert load(tmp_path, PASSED_ON).live().passed_on(["ci.logs"]) == {}


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("name = '{topic}.clean'", "kafka.redacted: needs topics"),
        ("topics = ['*']\nname = 'clean'", "kafka.redacted.name: write a topic's name with {topic} in it"),
        ("topics = ['*']\nname = '{topic}'", "kafka.redacted.name: write a topic's name with {topic} in it"),
        ("topics = ['*']\nname = '{topic} clean'", "kafka.redacted.name: write a topic's name with {topic}"),
        (f"topics = ['*']\nname = '{'x' * 248}.{{topic}}'", "for audit it has more than 249 characters"),
        (
            "topics = ['audit']\nname = 'ci.{topic}'",
            "kafka.event_topics: curfewd writes to ci.audit: it would be read again",
        ),
        ("topics = ['a*']\nname = 'ci.{topic}'", "kafka.event_topics: curfewd writes to ci.audit"),
        ("topics = ['audits']", "kafka.redacted.topics: audits is no input: name it in event_topics or"),
        (
            "topics = ['audit']\nname = 'curfewd.{topic}'",
            "audit would go to curfewd.audit, which is one of curfewd's own topics",
        ),
    ],
)
def test_what_is_wrong_with_a_redacted_topic_is_told(tmp_path: Path, lines: str, says: str) -> None:
    table = (
        '[kafka]\nbootstrap = "127.0.0.1:9092"\nevent_topics = ["audit", "ci.audit"]\n'
        '[kafka.topics.work]\nname = "curfewd.audit"\n'
    )
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, f"{table}[kafka.redacted]\n{lines}\n").live()
    assert says in str(raised.value)
