"""The `[revoke]` table: what it may say, what its messages say, and what it changes in `[kafka]`."""

from pathlib import Path

import pytest

from detector.configuration.revoke_settings import ApprovalRule, Limits, QuietHours, RevokeSettings, Scope
from detector.configuration.revoke_table import LIMIT_FIELDS, REVOKE_FIELDS
from detector.configuration.settings import Settings, problems
from detector.values.times import HOUR, MINUTE, SECOND

KAFKA = '[kafka]\nbootstrap = "127.0.0.1:9092"\nevent_topics = ["a"]\n'


def load(folder: Path, text: str) -> Settings:
    (folder / "curfewd.toml").write_text(text)
    return Settings.load(str(folder / "curfewd.toml"), {})


def wrong(folder: Path, text: str) -> list[str]:
    (folder / "curfewd.toml").write_text(text)
    found = problems(str(folder / "curfewd.toml"), {})
    return [str(error).removeprefix(f"{folder}/curfewd.toml:") for error in found]


def test_without_a_table_nothing_is_revoked_and_no_topic_is_needed(tmp_path: Path) -> None:
    settings = load(tmp_path, KAFKA)
    assert settings.revoke == RevokeSettings()
    assert (settings.revoke.given, settings.revoke.mode) == (False, "plan")
    live = settings.live()
    assert len(live.own_topics()) == 6
    assert not live.inputs.reads("curfewd.revocation-outcomes")


def test_an_empty_table_plans_has_limits_and_needs_three_topics(tmp_path: Path) -> None:
    settings = load(tmp_path, f"[revoke]\n{KAFKA}")
    assert settings.revoke == RevokeSettings(given=True)
    assert settings.revoke.limits == Limits(20, 100, 20, 50)
    live = settings.live()
    assert [(topic.name, topic.partitions, topic.retention) for topic in live.topics.of_revocation()] == [
        ("curfewd.revocation-state", 4, None),
        ("curfewd.revocation-outcomes", 4, None),
        ("curfewd.revocation-approvals", 1, 30 * 24 * HOUR),
    ]
    assert live.own_topics() == (*live.topics.all(), *live.topics.of_revocation())


@pytest.mark.parametrize("revoke", ["", "[revoke]\n"])
@pytest.mark.parametrize("events", ['["a"]', '["curfewd.revocation-outcomes"]', '["curfewd.*"]'])
@pytest.mark.parametrize("logs", ["[]", '["curfewd.rev*"]', '["ci-*"]'])
def test_outcomes_are_events_of_ours_and_never_text(
    tmp_path: Path, revoke: str, events: str, logs: str
) -> None:
    text = f"{revoke}{KAFKA}".replace('["a"]', events)
    if "*" in events and "rev" in logs:
        return  # one glob is under the other, which is refused
    inputs = load(tmp_path, f"{text}log_topics = {logs}\n").live().inputs
    outcomes = "curfewd.revocation-outcomes"
    believed = bool(revoke) or "curfewd" in events
    assert inputs.carries_events(outcomes) == inputs.reads(outcomes) == believed
    assert inputs.ambiguous([outcomes]) == []
    for other in ("curfewd.revocation-state", "curfewd.revocation-approvals", "curfewd.revocations"):
        assert not inputs.reads(other)
        assert not inputs.carries_events(other)


def test_the_number_of_partitions_is_that_of_the_commands(tmp_path: Path) -> None:
    topics = load(tmp_path, f"[revoke]\n{KAFKA}[kafka.topics.revocations]\npartitions = 7\n").live().topics
    assert [topic.partitions for topic in topics.of_revocation()] == [7, 7, 1]
    assert wrong(tmp_path, f"{KAFKA}[kafka.topics.revocation_state]\npartitions = 7\n") == [
        "5: kafka.topics.revocation_state.partitions: no such key; known here: name"
    ]


def test_everything_that_can_be_set(tmp_path: Path) -> None:
    revoke = load(
        tmp_path,
        """
        [revoke]
        mode = "act"
        never = ["root*"]
        max_age = "1h"
        audit_log = "acts.log"
        [revoke.allow]
        kinds = ["db-*"]
        [revoke.deny]
        owners = ["sre"]
        [revoke.limits]
        per_hour = 5
        [[revoke.approver]]
        name = "alice"
        token_file = "a"
        [[revoke.approver]]
        name = "bob@example.org"
        token_file = "b"
        [[revoke.approval]]
        approvals = 2
        irreversible = true
        targets = ["prod-*"]
        [[revoke.quiet_hours]]
        from = "22:00"
        until = "07:30"
        zone = "Europe/Berlin"
        days = ["sun", "mon"]
        [revoke.targets.v]
        type = "vault"
        match = { provider = "vault", kind = ["a", "b*"] }
        url = "https://v"
        [[revoke.notice]]
        name = "n"
        type = "slack"
        url_file = "u"
        outcomes = ["failed", "held"]
        owners = ["ann"]
        """,
    ).revoke
    assert (revoke.given, revoke.mode, revoke.never, revoke.max_age) == (True, "act", ("root*",), HOUR)
    assert revoke.audit_log == str(tmp_path / "acts.log")
    assert (revoke.allow, revoke.deny) == (Scope(kinds=("db-*",)), Scope(owners=("sre",)))
    assert revoke.limits == Limits(per_hour=5)
    assert [(one.name, one.token.path) for one in revoke.approvers] == [
        ("alice", str(tmp_path / "a")),
        ("bob@example.org", str(tmp_path / "b")),
    ]
    assert revoke.approvals == (ApprovalRule(2, Scope(targets=("prod-*",)), irreversible=True),)
    assert revoke.quiet_hours == (QuietHours(1320, 450, "Europe/Berlin", (0, 6)),)
    (target,) = revoke.targets
    assert (target.name, target.type, target.options) == ("v", "vault", {"url": "https://v"})
    assert target.match == {"provider": ("vault",), "kind": ("a", "b*")}
    assert str(target.error("wrong", "url")) == f"{tmp_path}/curfewd.toml:31: revoke.targets.v.url: wrong"
    (notice,) = revoke.notices
    assert (notice.type, notice.outcomes, notice.scope) == (
        "slack",
        ("failed", "held"),
        Scope(owners=("ann",)),
    )


APPROVER = '[[revoke.approver]]\nname = "{}"\ntoken_file = "{}"\n'
QUIET = '[[revoke.quiet_hours]]\nfrom = "{}"\nuntil = "{}"\nzone = "{}"\n'
NOTICE = '[[revoke.notice]]\nname = "n"\ntype = "{}"\nurl = "{}"\n'


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ('mode = "really"', 2, "revoke.mode: write plan or act"),
        ("modus = 1", 2, "revoke.modus: no such key (did you mean mode?)"),
        ("[revoke.limits]\nper_hour = -1", 3, "revoke.limits.per_hour: write a whole number from 0"),
        ('[revoke.allow]\nkinds = "a"', 3, "revoke.allow.kinds: write a list of texts"),
        ("[[revoke.allow]]\n", 1, "revoke.allow: write a table"),
        ("[revoke.approver]\n", 2, "revoke.approver: write tables, [[revoke.approver]]"),
        ('[[revoke.approver]]\nname = "a"', 2, "revoke.approver: needs token_file"),
        (APPROVER.format("a b", "x"), 3, "revoke.approver.name: a name is made of"),
        (APPROVER.format("a\\n", "x"), 3, "revoke.approver.name: a name is made of"),
        (APPROVER.format("a", "x") + APPROVER.format("a", "y"), 6, "another approver has this name"),
        (APPROVER.format("a", "x") + APPROVER.format("b", "x"), 5, "two approvers have one token_file"),
        ('[[revoke.approver]]\nname = "a"\ntoken_file = "x"\ntoken = "abc"', 5, "revoke.approver.token: no such key"),
        ("[[revoke.approval]]\n", 2, "revoke.approval: needs approvals"),
        ("[[revoke.approval]]\napprovals = 1", 3, "asks for 1 approval and the configuration has no"),
        (APPROVER.format("a", "x") + "[[revoke.approval]]\napprovals = 2", 6, "has 1 [[revoke.approver]]"),
        (QUIET.format("22:00", "7:00", "UTC"), 4, "until: write a time of the day in quotes"),
        (QUIET.format("24:00", "00:00", "UTC"), 2, "it begins when it ends"),
        (QUIET.format("22:00", "22:00", "UTC"), 2, "it begins when it ends"),
        (QUIET.format("22:00", "07:00", "Berlin"), 5, "zone: no such time zone here"),
        (QUIET.format("22:00", "07:00", "../../etc/passwd"), 5, "zone: no such time zone here"),
        (QUIET.format("22:00", "07:00", "UTC") + 'days = ["today"]', 6, "days: write a list of days"),
        (NOTICE.format("mail", "https://x"), 4, "type: write webhook, slack or alertmanager"),
        (NOTICE.format("slack", "http://x.example"), 5, "would be sent in the clear: write https"),
        (NOTICE.format("slack", "https://me@x.example"), 5, "write an https URL without a user in it"),
        (NOTICE.format("webhook", "https://x"), 2, "a webhook needs secret_file"),
        (NOTICE.format("slack", "https://x") + 'url_file = "u"', 2, "needs either url or url_file"),
        (NOTICE.format("slack", "https://x") + 'token_file = "u"', 6, "only with type alertmanager"),
        (NOTICE.format("slack", "https://x") + 'outcomes = ["won"]', 6, "write a list of outcomes"),
        ('[revoke.targets."a/b"]\ntype = "vault"', 2, "the name of a target is made of"),
    ],
)  # fmt: skip
def test_what_is_wrong_has_its_line(tmp_path: Path, text: str, line: int, reason: str) -> None:
    found = wrong(tmp_path, f"[revoke]\n{text}\n")
    assert len(found) == 1
    assert found[0].startswith(f"{line}: revoke")
    assert reason in found[0]


def test_defaults_on_the_page_are_the_real_ones() -> None:
    import tomllib  # noqa: PLC0415 - for this test alone

    for fields, owner in ((REVOKE_FIELDS, RevokeSettings()), (LIMIT_FIELDS, Limits())):
        for name, field in fields.items():
            written = tomllib.loads(f"value = {field.default}")["value"] if field.default else None
            made = None if written is None else field.type.read(written)
            assert made == getattr(owner, name), name


def test_the_executor_has_its_times(tmp_path: Path) -> None:
    revoke = load(tmp_path, '[revoke]\ndeadline = "2min"\nbreaker_pause = "5s"\ncall_timeout = 3\n').revoke
    assert (revoke.deadline, revoke.breaker_pause, revoke.call_timeout) == (
        2 * MINUTE,
        5 * SECOND,
        3 * SECOND,
    )
