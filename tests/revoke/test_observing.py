"""What operators see: outcomes with the time to each, and what waits, in metrics and log lines without secrets."""

import time

from detector.kafka.handlers import Output, Partition
from detector.records.dead_letters import DeadLetter
from detector.revoke.handler import Told
from detector.revoke.observing import RevocationObserver
from detector.revoke.outcomes import Outcome, Verdict
from detector.revoke.rails import Go, Held
from detector.revoke.target import Step, UnavailableError
from detector.scan.message_masks import masked_message
from detector.service.observability.measuring import HandlerThroughput
from detector.service.observability.metrics import Metrics
from detector.service.scan.dead_letter_records import dead_letter_output
from detector.values.times import SECOND
from tests.revoke.recording import OpenRails, RecordingOptions, RecordingTarget
from tests.revoke.running import QUICK, Running, command

NOW = 1_800_000_000 * SECOND
SECRET = "glpat-" + "aB3dE5gH7jK9mN1pQ3sT"


class Lines:
    """Takes the place of structlog's logger."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, object]]] = []

    def info(self, event: str, **fields: object) -> None:
        self.lines.append(("info", event, fields))

    def warning(self, event: str, **fields: object) -> None:
        self.lines.append(("warning", event, fields))


def observer(lines: Lines) -> tuple[Metrics, RevocationObserver]:
    metrics = Metrics()
    return metrics, RevocationObserver(metrics, lines, masked_message, lambda: NOW)


def told(verdict: Verdict, seconds: float = 0.4, detail: str = "") -> HandlerThroughput:
    outcome = Outcome(1, verdict, "vault", NOW, proof="p", detail=detail)
    one = command(appended=NOW - round(seconds * SECOND), finding_uids=("f-1",))
    outputs = (Output("outcomes", b"k", b"v", fact=Told(one, outcome)), Output("state", b"k", b"v"))
    return HandlerThroughput(Partition("c", 0), 1, 1, None, outputs, 0.1)


def test_the_time_to_dead_has_its_target_outcome_and_finding() -> None:
    lines = Lines()
    metrics, seen = observer(lines)
    seen.observe(told("confirmed"))
    page = metrics.page("application/openmetrics-text").body.decode()
    assert (
        'curfewd_revocation_seconds_bucket{le="0.5",outcome="confirmed",target="vault"} 1.0 # {finding_uid="f-1"} 0.4'
        in page
    )
    assert 'curfewd_revocations_total{outcome="confirmed",target="vault"} 1.0' in page
    assert lines.lines[0][:2] == ("info", "command carried out")


def test_what_is_held_counts_and_takes_no_time_yet() -> None:
    metrics, seen = observer(Lines())
    seen.observe(told("held"))
    page = metrics.page("application/openmetrics-text").body.decode()
    assert 'curfewd_revocations_total{outcome="held",target="vault"} 1.0' in page
    assert "curfewd_revocation_seconds_bucket{" not in page


def test_failures_warn_without_secrets_and_not_for_each() -> None:
    lines = Lines()
    _, seen = observer(lines)
    for _ in range(5):
        seen.observe(told("failed", detail=f"it said {SECRET}"))
    ((level, _, fields),) = lines.lines
    assert level == "warning"
    assert SECRET not in str(fields)


async def test_gauges_say_what_waits_for_what() -> None:
    target = RecordingTarget()
    target.live |= {"a", "b"}

    def down(_: str) -> None:
        raise UnavailableError("HTTP 503")

    target.trouble = down
    rails = OpenRails(
        {"memory": target},
        lambda one, _: Held("limit", "too many", NOW * 2) if one.credential_id == "b" else Go(),
    )
    running = Running(rails, settings=QUICK)
    running.take([command("a"), command("b")])
    await running.until(lambda: "held" in running.stored.verdicts)
    metrics, seen = observer(Lines())
    seen.sample(running.executor)
    page = metrics.page("").body.decode()
    assert 'curfewd_revocations_pending{state="provider"} 1.0' in page
    assert 'curfewd_revocations_pending{state="held"} 1.0' in page
    assert 'curfewd_revocations_held{rail="limit"} 1.0' in page
    assert 'curfewd_revocation_breaker_state{target="memory"} 0.0' in page
    await running.crash()


async def test_what_was_told_and_only_has_a_later_step_left_does_not_wait() -> None:
    """A key that is disabled now and deleted in a day would be an alert for all of that day."""
    steps = (Step("disable"), Step("delete", delay=86_400))
    target = RecordingTarget(RecordingOptions(steps=steps, within=0.0))
    target.live.add("a")
    target.state = "unknown"
    running = Running(OpenRails({"memory": target}), settings=QUICK)
    running.take([command("a")])
    await running.until(lambda: "done-unproved" in running.stored.verdicts)
    metrics = Metrics()
    RevocationObserver(metrics, Lines(), masked_message, time.time_ns).sample(running.executor)
    page = metrics.page("").body.decode()
    assert 'curfewd_revocations_pending{state="provider"} 1.0' in page
    assert "curfewd_revocation_oldest_seconds 0.0" in page
    await running.crash()


def test_notices_and_commands_that_differ_are_counted_from_zero() -> None:
    lines = Lines()
    metrics, seen = observer(lines)
    seen.expect_notices(["owners"])
    page = metrics.page("").body.decode()
    assert 'curfewd_revocation_notices_total{notice="owners",result="lost"} 0.0' in page
    assert "curfewd_revocation_differing_total 0.0" in page
    seen.noticed("owners", sent=True)
    seen.noticed("owners", sent=False)
    running = Running(OpenRails({"memory": RecordingTarget()}))
    running.take([command(), command(owner="mallory"), command(owner="mallory")])
    seen.sample(running.executor)
    seen.sample(running.executor)
    page = metrics.page("").body.decode()
    for result in ("sent", "lost"):
        assert f'curfewd_revocation_notices_total{{notice="owners",result="{result}"}} 1.0' in page
    assert "curfewd_revocation_differing_total 2.0" in page
    assert [line[0] for line in lines.lines] == ["warning"]


def test_commands_that_no_key_signed_are_counted_from_zero_and_logged() -> None:
    lines = Lines()
    metrics, seen = observer(lines)
    page = metrics.page("").body.decode()
    letters = [
        DeadLetter("c.revocations", reason, "d", offset=number, partition=0)
        for number, reason in enumerate(("unsigned", "unsigned", "bad-signature", "wrong-field"))
    ]
    for reason in ("unsigned", "bad-signature"):
        assert f'curfewd_dead_letters_total{{reason="{reason}",stage="revoke"}} 0.0' in page
    outputs = tuple(dead_letter_output("dead", letter) for letter in letters)
    assert seen.observe(HandlerThroughput(Partition("c", 0), 4, 4, None, outputs, 0.1)) == []
    assert [(kind, fields["reason"], fields["offset"]) for kind, _, fields in lines.lines] == [
        ("warning", "unsigned", 0),
        ("warning", "bad-signature", 2),
    ]
