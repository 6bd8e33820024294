"""The executor with a target that only records: each command is carried out once and ends with what is known."""

import asyncio
import contextlib
import time
from typing import Any

import msgspec
import pytest

from detector.configuration.revoke_settings import Limits, RevokeSettings, TargetTable
from detector.revoke.deciding import Configured
from detector.revoke.executor import ExecutorSettings
from detector.revoke.outcomes import DEAD
from detector.revoke.rails import Go, Held, Refused
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import GoneError, Observation, Plan, RefusedError, Step, UnavailableError
from detector.revoke.target_tables import TableTarget
from detector.values.findings import Severity
from detector.values.times import SECOND
from tests.ingest.streams import until
from tests.revoke.recording import OpenRails, RecordingOptions, RecordingTarget
from tests.revoke.running import QUICK, QUICK_TURNS, Running, command, some_id


def settings_with(**changes: int) -> ExecutorSettings:
    return msgspec.structs.replace(QUICK, **changes)


async def idle(running: Running) -> None:
    """Until no turn runs, without beginning another."""
    await until(lambda: _true(not running.executor.busy), "no turn runs", every=0.001)


async def _true(value: bool) -> bool:  # noqa: FBT001 - an answer
    return value


def ready(*credentials: str, options: RecordingOptions | None = None) -> tuple[RecordingTarget, Running]:
    target = RecordingTarget(options)
    target.live |= set(credentials)
    return target, Running(OpenRails({"memory": target}))


async def test_a_live_credential_is_revoked_and_proved_dead() -> None:
    target, running = ready("cred-1")
    running.take([command()])
    await running.settle()
    (outcome,) = running.stored.of(command().id)
    assert outcome.verdict == "confirmed"
    assert outcome.revoked
    assert outcome.target == "memory"
    assert outcome.proof == "before: live (memory); now: dead (memory)"
    assert outcome.detail == "done: forget it"
    assert target.kills == {"cred-1": 1}
    assert [act.what for act in running.acts] == ["acting", "acted"]


async def test_a_dead_credential_is_gone_already_and_nothing_is_done() -> None:
    target, running = ready()
    running.take([command()])
    await running.settle()
    assert running.stored.verdicts == ["gone-already"]
    assert target.revoked == []


async def test_a_handle_that_names_nothing_is_refused_and_no_all_clear() -> None:
    target, running = ready(options=RecordingOptions(forgets=True))
    running.take([command()])
    await running.settle()
    (outcome,) = running.stored.of(command().id)
    assert (outcome.verdict, outcome.revoked) == ("refused", False)
    assert outcome.proof == "before: not there (memory)"
    assert outcome.detail.startswith("nothing has this name")
    assert target.revoked == []


@pytest.mark.parametrize("known", [True, False])
async def test_what_a_target_cannot_find_is_gone_already_only_if_it_says_dead(*, known: bool) -> None:
    target, running = ready()
    target.state = "unknown"

    def trouble(what: str) -> None:
        if what == "revoke":
            raise GoneError("no such role", known=known)

    target.trouble = trouble
    running.take([command()])
    await running.settle()
    assert running.stored.verdicts == ["gone-already" if known else "refused"]


async def test_an_escalated_command_about_nothing_proves_nothing() -> None:
    target, running = ready(options=RecordingOptions(forgets=True))
    running.take([command(escalated=True)])
    await running.settle()
    (outcome,) = running.stored.of(command(escalated=True).id)
    assert (outcome.verdict, outcome.revoked) == ("done-unproved", False)
    assert len(target.revoked) == 1


async def test_a_target_that_forgets_is_asked_to_act_only_once_it_is_stored_that_the_credential_was_alive() -> (
    None
):
    target, running = ready("cred-1", options=RecordingOptions(forgets=True))
    stored_before_the_act = []

    def trouble(what: str) -> None:
        if what == "revoke":
            stored_before_the_act.append(msgspec.json.decode(running.stored.cases[command().id])["before"])

    target.trouble = trouble
    running.take([command()])
    await running.settle()
    assert stored_before_the_act == ["live"]
    (outcome,) = running.stored.of(command().id)
    assert (outcome.verdict, outcome.revoked) == ("confirmed", True)
    assert outcome.proof == "before: live (memory); now: not there (memory)"


async def test_killed_between_the_act_and_its_record_a_target_that_forgets_is_confirmed() -> None:
    target, running = ready("cred-1", options=RecordingOptions(forgets=True))
    running.take([command()])
    await running.until(lambda: bool(target.kills))
    await running.crash()  # what the act did is stored nowhere
    again = Running(OpenRails({"memory": target}), running.stored)
    await again.settle()
    assert again.stored.verdicts[-1] in {"confirmed", "gone-already"}
    assert target.kills == {"cred-1": 1}


async def test_killed_while_it_looks_for_what_is_not_there_it_is_refused_all_the_same() -> None:
    target, running = ready(options=RecordingOptions(forgets=True))
    target.trouble = lambda _: asyncio.sleep(60)
    running.take([command()])
    await running.until(lambda: target.probes["cred-1"] > 0)
    await running.crash()
    target.trouble = None
    again = Running(OpenRails({"memory": target}), running.stored)
    await again.settle()
    assert again.stored.verdicts == ["refused"]


async def test_what_is_refused_or_dead_already_leaves_its_place_under_a_limit_to_others() -> None:
    target, running = limited("live-1", "live-2", limit=2)

    async def look(asked: RevocationCommand) -> None:
        if asked.credential_id.startswith("other"):
            raise RefusedError("it belongs to another task")

    target.look = look
    others = [command(f"other-{n}", severity=Severity.CRITICAL) for n in range(20)]
    gone = [command(f"gone-{n}", severity=Severity.CRITICAL) for n in range(20)]
    true = [command(f"live-{n}", severity=Severity.LOW) for n in (1, 2, 3)]
    running.take([*others, *gone, *true])
    await running.until(lambda: len(target.revoked) == 2, 60.0)
    held = [case for case in running.executor.open if case.phase == "held"]
    assert [case.command.credential_id for case in held] == ["live-3"], "what was revoked counts"
    again = Running(Configured(target.settings, (target.table,)), running.stored)
    again.take([command("live-4")])
    again.transaction()
    assert again.stored.of(command("live-4").id)[-1].verdict == "held"


class Looking(RecordingTarget):
    """Does more at each look."""

    look: Any
    settings: RevokeSettings
    table: TableTarget

    async def probe(self, command: RevocationCommand) -> Observation:
        await self.look(command)
        return await super().probe(command)


def limited(*credentials: str, limit: int) -> tuple[Looking, Running]:
    target = Looking()
    target.live |= set(credentials)
    target.settings = RevokeSettings(
        given=True, mode="act", limits=Limits(per_minute=0, per_hour=limit, per_owner=0, per_target=0)
    )
    target.table = TableTarget(TargetTable("memory", "recording"), target)
    return target, Running(Configured(target.settings, (target.table,)))


async def test_a_second_command_of_an_id_that_says_something_else_is_counted_and_told() -> None:
    target, running = ready("cred-1")
    forged = command(revocation={"provider": "recording", "refuse": "yes"})
    grown = command(reasons=("leaked-credential", "outlives-task"), severity=Severity.LOW)
    running.take([forged])
    await running.settle()
    running.take([command(), command()])
    await running.settle()
    assert running.executor.differing == 2
    first, second = running.stored.of(command().id)
    assert (first.verdict, second.verdict) == ("refused", "refused")
    assert second.detail.startswith("the object says refuse; another command with this id")
    assert target.live == {"cred-1"}
    target.live.add("cred-2")
    running.take([command("cred-2"), msgspec.structs.replace(forged, id=command("cred-2").id)])
    await running.settle()
    (outcome,) = running.stored.of(command("cred-2").id)
    assert (outcome.verdict, "another command with this id" in outcome.detail) == ("confirmed", True)
    running.take([msgspec.structs.replace(grown, id=some_id()), grown])
    assert running.executor.copies == 0


@pytest.mark.parametrize("held", [True, False])
async def test_a_signed_command_takes_the_place_of_one_that_nobody_signed(*, held: bool) -> None:
    """Who could write to the topic before a key was there has not kept the true command away."""
    forged: dict[str, Any] = (
        {"owner": "mallory"} if held else {"revocation": {"provider": "recording", "refuse": "yes"}}
    )
    target = RecordingTarget()
    target.live.add("cred-1")
    rails = OpenRails({"memory": target}, lambda _command, _history: Held("plan", "held"))
    running = Running(rails)
    running.take([command(**forged), command("cred-2", **forged)])
    running.transaction()
    first = "held" if held else "refused"
    assert running.stored.verdicts == [first, first]
    await running.crash()
    running = Running(OpenRails({"memory": target}), running.stored)
    running.take([command(signed=True), command("cred-2", owner="eve")])
    await running.settle()
    told = running.stored.of(command().id)
    assert [(each.number, each.verdict) for each in told] == [(1, first), (2, "confirmed")]
    assert target.kills == {"cred-1": 1}
    assert running.executor.differing == 1
    running.take([command(signed=True), command(**forged), command(signed=True, owner="eve")])
    await running.settle()
    assert (running.executor.copies, running.executor.differing) == (1, 3)
    assert target.kills == {"cred-1": 1}


async def test_what_was_done_for_an_unsigned_command_is_not_done_again_for_a_signed_one() -> None:
    target, running = ready("cred-1")
    running.take([command(owner="ann")])
    await running.settle()
    running.take([command(signed=True)])
    await running.settle()
    assert running.stored.verdicts == ["confirmed"]
    assert (target.kills, running.executor.differing) == ({"cred-1": 1}, 1)


async def test_more_evidence_for_the_same_is_a_copy() -> None:
    _, running = ready("cred-1")
    running.take([command(), command(reasons=("leaked-credential",), time=5, finding_uids=("u",))])
    assert (running.executor.copies, running.executor.differing) == (1, 0)


async def test_what_failed_is_tried_again_once_a_person_asks_and_once_for_each_time() -> None:
    target, running = ready("cred-1", options=RecordingOptions(forgets=True))
    target.lies = True
    running.take([command()])
    await running.settle()
    assert running.stored.verdicts == ["failed"]
    running.executor.wake(command().id)
    await running.settle()
    assert running.stored.verdicts == ["failed"], "nobody asked"
    rails = OpenRails({"memory": target})
    rails.asked[command().id] = (time.time_ns(), "alice")
    again = Running(rails, running.stored)  # the process before it may be gone
    await again.settle()
    assert again.stored.verdicts == ["failed", "failed"]
    target.lies = False
    again.executor.wake(command().id)
    await again.settle()
    assert again.stored.verdicts == ["failed", "failed"], "it was asked for once"
    rails.asked[command().id] = (time.time_ns(), "alice")
    again.executor.wake(command().id)
    await again.settle()
    last = again.stored.of(command().id)[-1]
    assert (last.number, last.verdict, last.revoked) == (3, "confirmed", True)
    assert "tried again, asked by alice" in last.detail
    again.executor.wake(command().id)
    await again.settle()
    assert len(again.stored.verdicts) == 3, "what is done is not done again"


async def test_a_copy_changes_nothing_and_the_escalated_command_is_another() -> None:
    target, running = ready("cred-1")
    running.take([command(), command()])
    await running.settle()
    running.take([command()])
    await running.settle()
    assert running.stored.verdicts == ["confirmed"]
    assert running.executor.copies == 2
    target.live.add("cred-1")
    running.take([command(escalated=True)])
    await running.settle()
    assert running.stored.verdicts == ["confirmed", "confirmed"]
    assert target.kills == {"cred-1": 2}


async def test_an_escalated_command_acts_although_the_provider_says_dead_and_proves_nothing() -> None:
    target, running = ready()
    running.take([command(escalated=True)])
    await running.settle()
    (outcome,) = running.stored.of(command(escalated=True).id)
    assert outcome.verdict == "done-unproved"
    assert "and yet it was used" in outcome.detail
    assert len(target.revoked) == 1


async def test_what_cannot_be_asked_is_never_confirmed() -> None:
    target, running = ready("cred-1")
    target.state = "unknown"
    running.take([command()])
    await running.settle()
    (outcome,) = running.stored.of(command().id)
    assert outcome.verdict == "done-unproved"
    assert outcome.proof == "before: not known (memory); now: not known (memory)"


@pytest.mark.parametrize("lives", [True, False])
async def test_a_provider_that_refuses_everything_proves_nothing(*, lives: bool) -> None:
    target, running = ready(*(["cred-1"] if lives else []))
    target.control = False
    running.take([command()])
    await running.settle()
    (outcome,) = running.stored.of(command().id)
    assert outcome.verdict == "done-unproved"
    assert "the control credential does not work either" in outcome.proof


async def test_a_provider_that_lies_is_asked_again_and_then_it_has_failed() -> None:
    target, running = ready("cred-1")
    target.lies = True
    running.take([command()])
    await running.settle()
    (outcome,) = running.stored.of(command().id)
    assert outcome.verdict == "failed"
    assert outcome.detail.endswith("the credential is still live")
    assert len(target.revoked) > 1


async def test_a_provider_that_is_slow_to_refuse_is_probed_again() -> None:
    target, running = ready("cred-1", options=RecordingOptions(within=5.0))
    target.after = 7
    running.take([command()])
    await running.settle()
    assert running.stored.verdicts == ["confirmed"]
    assert len(target.revoked) == 1


async def test_a_step_whose_answer_was_lost_is_not_done_again() -> None:
    target, running = ready("cred-1")
    hung = asyncio.Event()

    def trouble(what: str) -> object:
        if what == "revoke" and not hung.is_set():
            hung.set()
            target.live.discard("cred-1")  # it is done, and nobody hears of it
            return asyncio.sleep(60)
        return None

    target.trouble = trouble
    running.take([command()])
    await running.settle()
    assert running.stored.verdicts == ["confirmed"]
    assert target.revoked == []


async def test_errors_are_tried_again_until_the_deadline() -> None:
    target, running = ready("cred-1")
    tries = []

    def trouble(what: str) -> None:
        tries.append(what)
        if len(tries) < 4:
            raise UnavailableError("HTTP 503")

    target.trouble = trouble
    running.take([command()])
    await running.settle()
    assert running.stored.verdicts == ["confirmed"]

    def down(_: str) -> None:
        raise UnavailableError("HTTP 503")

    target.trouble = down
    target.live.add("cred-2")
    running.take([command("cred-2")])
    await running.settle()
    (outcome,) = running.stored.of(command("cred-2").id)
    assert outcome.verdict == "failed"
    assert outcome.detail.endswith("the last one: HTTP 503")


async def test_retry_after_is_honoured() -> None:
    target, running = ready("cred-1")
    asked: list[float] = []

    def trouble(_: str) -> None:
        asked.append(asyncio.get_running_loop().time())
        if len(asked) == 1:
            raise UnavailableError("HTTP 429", after=0.3)

    target.trouble = trouble
    running.take([command()])
    await running.settle()
    assert asked[1] - asked[0] >= 0.29
    assert running.stored.verdicts == ["confirmed"]


async def test_a_refusal_ends_it() -> None:
    target, running = ready("cred-1")

    def trouble(_: str) -> None:
        raise RefusedError("the accessor belongs to task build-8")

    target.trouble = trouble
    running.take([command()])
    await running.settle()
    (outcome,) = running.stored.of(command().id)
    assert (outcome.verdict, outcome.detail) == ("refused", "the accessor belongs to task build-8")
    assert target.revoked == []


@pytest.mark.parametrize("gone", [True, False])
async def test_what_the_provider_no_longer_knows_is_gone_already_if_a_look_says_so_too(*, gone: bool) -> None:
    target, running = ready("cred-1")

    def trouble(what: str) -> None:
        if what == "revoke":
            target.live -= {"cred-1"} if gone else set()
            raise GoneError("HTTP 404")

    target.trouble = trouble
    running.take([command()])
    await running.settle()
    (outcome,) = running.stored.of(command().id)
    assert outcome.verdict == ("gone-already" if gone else "failed")
    assert outcome.proof == ("before: live (memory); now: dead (memory)" if gone else "before: live (memory)")


async def test_what_another_target_saw_proves_nothing_at_this_one() -> None:
    target, running = ready("cred-1", options=RecordingOptions(forgets=True))
    target.lies = True
    running.take([command()])
    await running.settle()
    elsewhere = RecordingTarget(RecordingOptions(forgets=True))
    rails = OpenRails({"elsewhere": elsewhere})
    rails.asked[command().id] = (time.time_ns(), "alice")
    again = Running(rails, running.stored)
    await again.settle()
    assert again.stored.verdicts == ["failed", "refused"]


@pytest.mark.parametrize("same", [True, False])
async def test_what_one_command_proved_counts_for_the_other_of_the_same_handle(*, same: bool) -> None:
    _, running = ready("cred-1", options=RecordingOptions(forgets=True))
    running.take([command(escalated=True)])
    await running.settle()
    handle = {"provider": "recording", **({} if same else {"name": "another"})}
    running.take([command(revocation=handle)])
    await running.settle()
    assert running.stored.verdicts == ["confirmed", "gone-already" if same else "refused"]


async def test_no_target_and_no_plan_are_refused_with_what_to_do() -> None:
    _, running = ready()
    running.take([command("a", revocation={"provider": "elsewhere"})])
    running.take([command("b", revocation={"provider": "recording", "refuse": "yes"})])
    await running.settle()
    (nobody,), (planned,) = running.stored.of(command("a").id), running.stored.of(command("b").id)
    assert nobody.verdict == planned.verdict == "refused"
    assert "[revoke.targets.…]" in nobody.detail
    assert planned.detail == "the object says refuse"


async def test_a_later_step_follows_after_its_delay_and_death_is_told_before_it() -> None:
    options = RecordingOptions(steps=(Step("disable it", reversible=True), Step("delete it", delay=0.4)))
    target, running = ready("cred-1", options=options)
    running.take([command()])
    await running.settle()
    first, second = running.stored.of(command().id)
    assert (first.verdict, first.revoked) == ("confirmed", True)
    assert first.detail == "done: disable it; later: delete it"
    assert (second.verdict, second.revoked) == ("confirmed", False)
    assert [step for _, _, step in target.revoked] == [0, 1]
    assert second.finished_at - first.finished_at >= 390_000_000


async def test_what_a_person_undid_is_not_deleted() -> None:
    options = RecordingOptions(steps=(Step("disable it", reversible=True), Step("delete it", delay=0.4)))
    target, running = ready("cred-1", options=options)
    running.take([command()])
    await running.until(lambda: running.stored.verdicts == ["confirmed"])
    target.live.add("cred-1")
    await running.settle()
    assert running.stored.verdicts == ["confirmed", "failed"]
    assert [step for _, _, step in target.revoked] == [0]


async def test_a_step_that_is_left_to_a_person_leaves_the_proof_of_those_before_it() -> None:
    options = RecordingOptions(steps=(Step("no login"), Step("drop the role")))
    target, running = ready("cred-1", options=options)

    def trouble(what: str) -> None:
        if what == "revoke" and target.revoked:
            raise RefusedError("the role owns 3 tables")

    target.trouble = trouble
    running.take([command()])
    await running.settle()
    (outcome,) = running.stored.of(command().id)
    assert outcome.verdict == "confirmed"
    assert outcome.detail == "done: no login; left: the role owns 3 tables"


async def test_held_until_approved_and_told_once() -> None:
    target, running = ready("cred-1")
    approved: list[str] = []
    rails = OpenRails(
        {"memory": target},
        lambda one, _: Go(("alice", "bob")) if one.id in approved else Held("approval", "needs 2 approvals"),
    )
    running = Running(rails)
    running.take([command()])
    await running.until(lambda: running.stored.verdicts == ["held"])
    running.executor.wake()
    running.transaction()
    running.transaction()
    assert running.stored.verdicts == ["held"]
    approved.append(command().id)
    running.executor.wake(command().id)
    await running.settle()
    held, confirmed = running.stored.of(command().id)
    assert (held.number, confirmed.number) == (1, 2)
    assert confirmed.detail == "done: forget it; approved by alice, bob"


async def test_the_rails_refuse() -> None:
    target = RecordingTarget()
    running = Running(
        OpenRails({"memory": target}, lambda *_: Refused("never", "on the list of names never to revoke"))
    )
    running.take([command()])
    await running.settle()
    assert running.stored.verdicts == ["refused"]
    assert not target.probes


async def test_the_most_severe_go_first_and_a_target_has_only_so_many_at_once() -> None:
    target, running = ready("low", "high", "critical", "medium")
    began: list[str] = []
    at_once = 0

    async def slow(_: str) -> None:
        nonlocal at_once
        at_once = max(at_once, running.executor.busy)
        await asyncio.sleep(0.005)

    target.trouble = slow
    running = Running(OpenRails({"memory": target}), settings=settings_with(concurrency=1))
    running.take(
        [command(name, severity=Severity.of(name)) for name in ("low", "high", "critical", "medium")]
    )
    await running.settle()
    began = [act.case.command.credential_id for act in running.acts if act.what == "acting"]
    assert began == ["critical", "high", "medium", "low"]
    assert at_once == 1


async def test_an_open_breaker_leaves_the_target_alone_and_one_trial_closes_it() -> None:
    target, _ = ready("a", "b", "c")
    down = True

    def trouble(_: str) -> None:
        if down:
            raise UnavailableError("HTTP 500")

    target.trouble = trouble
    settings = settings_with(breaker_failures=3, breaker_pause=100_000_000, deadline=5_000_000_000)
    running = Running(OpenRails({"memory": target}), settings=settings)
    running.take([command(name) for name in "abc"])
    await running.until(lambda: running.executor.breakers(running.clock()) == {"memory": "open"})
    await idle(running)
    asked = target.probes.total()
    down = False
    running.transaction()
    assert target.probes.total() == asked
    await running.settle()
    assert running.stored.verdicts == ["confirmed"] * 3
    assert running.executor.breakers(running.clock()) == {"memory": "closed"}


class _OtherTarget(RecordingTarget):
    @staticmethod
    def accepts(command: RevocationCommand) -> bool:
        return command.provider == "other"


async def test_garbage_and_what_hangs_hold_up_nobody_else() -> None:
    target, other = RecordingTarget(), _OtherTarget()
    target.live |= {f"cred-{number}" for number in range(20)}
    other.live.add("cred-x")

    async def stubborn() -> Observation:
        """Hangs, and does not let itself be cancelled at once."""
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(1.5)
        return Observation("dead", "too late")

    answers: list[object] = [42, {"state": "dead"}, msgspec.json.decode(b'"dead"')]
    target.trouble = lambda _: answers.pop() if answers else stubborn()
    running = Running(OpenRails({"memory": target, "other": other}))
    running.take([command(f"cred-{number}") for number in range(20)])
    running.transaction()
    running.take([command("cred-x", revocation={"provider": "other"})])
    await running.until(lambda: "confirmed" in running.stored.verdicts, seconds=3)
    assert running.stored.of(command("cred-x").id)[0].verdict == "confirmed"
    assert running.stored.verdicts == ["confirmed"]
    await running.crash()


async def test_limits_hold_over_a_restart() -> None:
    target = RecordingTarget()
    target.live |= set("abc")
    settings = RevokeSettings(given=True, mode="act", limits=Limits(per_hour=2))
    table = TableTarget(TargetTable("memory", "recording"), target)
    first = Running(Configured(settings, (table,)))
    first.take([command("a")])
    await first.settle()
    await first.crash()
    second = Running(Configured(settings, (table,)), first.stored)
    second.take([command("b"), command("c", time=time.time_ns() + SECOND)])
    await second.until(lambda: len(second.stored.verdicts) == 3)
    assert sorted(second.stored.verdicts) == ["confirmed", "confirmed", "held"]
    assert second.stored.of(command("c").id)[0].detail == (
        "more than revoke.limits lets through: 2 an hour; would forget it"
    )


async def test_without_an_audit_log_nothing_is_done() -> None:
    target, running = ready("cred-1")
    running.broken = True
    running.take([command()])
    running.transaction()
    await until(lambda: _true(running.executor.failure is not None), "it stops", every=0.001)
    running.transaction()
    assert not target.revoked
    assert not running.stored.outcomes
    assert target.live


async def test_what_drains_ends_and_begins_nothing() -> None:
    target, running = ready("cred-1", "cred-2")
    running.take([command("cred-1")])
    running.transaction()
    running.executor.draining = True
    running.take([command("cred-2")])
    await until(lambda: _true(running.executor.busy == 0), "no turn runs", every=0.001)
    running.transaction()
    assert running.executor.drained
    assert running.stored.verdicts == ["confirmed"]
    assert target.live == {"cred-2"}


LATER = RecordingOptions(
    steps=(Step("disable it", reversible=True), Step("delete it", delay=0.3)), within=0.1
)


def configured(
    target: RecordingTarget, name: str = "memory", url: str = "https://one.example", **settings: Any
) -> Configured:
    tables = [TableTarget(TargetTable(name, target.name, options={"url": url}), target)]
    return Configured(RevokeSettings(**{"given": True, "mode": "act", **settings}), tables)


async def waits_for_its_last_step() -> tuple[RecordingTarget, Running]:
    target = RecordingTarget(LATER)
    target.live.add("cred-1")
    running = Running(configured(target))
    running.take([command()])
    await running.until(lambda: running.stored.verdicts == ["confirmed"])
    return target, running


async def test_plan_stops_what_was_begun_and_act_goes_on_with_it() -> None:
    target, running = await waits_for_its_last_step()
    running.executor.use(configured(target, mode="plan"), QUICK, QUICK_TURNS)
    await running.until(lambda: running.stored.verdicts == ["confirmed", "held"])
    assert [step for _, _, step in target.revoked] == [0]
    assert 'revoke.mode is "plan"' in running.stored.outcomes[-1][1].detail
    running.executor.use(configured(target), QUICK, QUICK_TURNS)
    await running.settle()
    assert [step for _, _, step in target.revoked] == [0, 1]
    assert running.stored.verdicts[-1] == "confirmed"


async def test_a_name_that_must_never_be_revoked_stops_what_another_process_began() -> None:
    target, running = await waits_for_its_last_step()
    await running.crash()
    running = Running(configured(target, never=("cred-1",)), running.stored)
    await running.settle()
    assert [step for _, _, step in target.revoked] == [0]
    assert running.stored.verdicts == ["confirmed", "confirmed"]
    assert "left: revoke.never names it" in running.stored.outcomes[-1][1].detail


async def test_what_never_succeeded_is_not_tried_again_in_plan() -> None:
    target = RecordingTarget()
    target.live.add("cred-1")

    def down(what: str) -> None:
        if what == "revoke":
            raise UnavailableError("down")

    target.trouble = down
    running = Running(configured(target))
    running.take([command()])
    await running.until(lambda: target.probes["cred-1"] > 1)
    await running.crash()
    target.trouble = None
    running = Running(configured(target, mode="plan"), running.stored)
    await running.until(lambda: running.stored.verdicts == ["held"])
    assert target.live == {"cred-1"}


async def test_a_target_that_is_renamed_takes_what_was_not_begun() -> None:
    target = RecordingTarget()
    target.live.add("cred-1")
    target.trouble = lambda _: (_ for _ in ()).throw(UnavailableError("down"))
    running = Running(configured(target))
    running.take([command()])
    await running.until(lambda: any(case.tries for case in running.executor.open))
    target.trouble = None
    running.executor.use(configured(target, "renamed"), QUICK, QUICK_TURNS)
    await running.settle()
    assert [(one.verdict, one.target) for _, one in running.stored.outcomes] == [("confirmed", "renamed")]


async def test_what_was_seen_at_a_server_says_nothing_about_another_one_of_the_same_name() -> None:
    """The credential was alive at the first server; the second one never heard of it."""
    first, second = (RecordingTarget(RecordingOptions(forgets=True)) for _ in range(2))
    first.live.add("cred-1")

    def down(what: str) -> None:
        if what == "revoke":
            raise UnavailableError("down")

    first.trouble = down
    running = Running(configured(first))
    running.take([command()])
    await running.until(lambda: any(case.before == "live" for case in running.executor.open))
    await running.crash()
    running = Running(configured(second, url="https://two.example"), running.stored)
    await running.settle()
    assert running.stored.verdicts in (
        ["failed"],
        ["refused"],
    )  # as a try was made at the first one, or was not
    running = Running(configured(second, url="https://two.example"), running.stored)
    running.take([command(escalated=True)])
    await running.settle()
    assert running.stored.verdicts[-1] not in DEAD
    assert first.live == {"cred-1"}


async def test_the_other_command_of_a_credential_proves_nothing_at_another_server() -> None:
    first, second = (RecordingTarget(RecordingOptions(forgets=True)) for _ in range(2))
    first.live.add("cred-1")
    running = Running(configured(first))
    running.take([command()])
    await running.settle()
    running.executor.use(configured(second, url="https://two.example"), QUICK, QUICK_TURNS)
    running.take([command(escalated=True)])
    await running.settle()
    assert running.stored.verdicts[0] == "confirmed"
    assert running.stored.verdicts[-1] not in DEAD


async def test_what_is_dead_stays_confirmed_if_its_target_is_gone() -> None:
    target, running = await waits_for_its_last_step()
    running.executor.use(configured(target, "renamed"), QUICK, QUICK_TURNS)
    await running.settle()
    assert running.stored.verdicts == ["confirmed", "confirmed"]
    assert "the configuration no longer has a target memory" in running.stored.outcomes[-1][1].detail


class _Broken(RecordingTarget):
    """A target of one's own with a mistake in it; `how` says which."""

    how = ""

    @staticmethod
    def accepts(command: RevocationCommand) -> bool:
        if _Broken.how == "accepts":
            raise KeyError("x")
        return command.provider == "recording"

    def plan(self, command: RevocationCommand) -> Any:
        return {"text": "garbage", "step": Plan((Step("x", delay="y"),), "", 0.0)}.get(  # type: ignore[arg-type]  # the mistake
            _Broken.how, super().plan(command)
        )


@pytest.mark.parametrize("how", ["accepts", "text", "step", "surrogate"])
async def test_a_broken_target_does_not_end_the_work_of_others(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Broken, "how", how)
    broken = _Broken()
    broken.live.add("cred-1")
    if how == "surrogate":
        broken.trouble = lambda what: "\ud800" if what == "revoke" else None
    running = Running(configured(broken))
    running.take([command()])
    await running.settle()
    assert running.stored.verdicts == ["failed" if how == "surrogate" else "refused"]


async def test_a_secret_in_the_words_of_a_provider_is_not_stored() -> None:
    secret = "SECRET" * 4

    def trouble(what: str) -> Any:
        if what == "revoke" and not target.revoked:
            target.revoked.append(("", "", 0))
            raise UnavailableError(f"{'x' * 290} {secret}")
        words = f"with {secret} again"
        return words if what == "revoke" else Observation("live", words)

    target = RecordingTarget(LATER)
    target.trouble = trouble
    running = Running(
        configured(target),
        clean=lambda text: text.replace(secret, "***"),
        settings=settings_with(deadline=SECOND),
    )
    running.take([command()])
    await running.until(lambda: any(case.did for case in running.executor.open))
    running.transaction()
    (case,) = running.stored.cases.values()
    assert b"with *** again" in case
    assert not any(b"SECR" in each for each in running.stored.versions)


async def test_what_was_held_is_decided_again_by_the_next_process() -> None:
    target = RecordingTarget()
    target.live.add("cred-1")
    running = Running(configured(target, mode="plan"))
    running.take([command()])
    await running.until(lambda: running.stored.verdicts == ["held"])
    for _ in range(2):  # the same reason is told once
        await running.crash()
        running = Running(configured(target, mode="plan"), running.stored)
        running.transaction()
        running.transaction()
        assert running.stored.verdicts == ["held"]
    await running.crash()
    running = Running(configured(target), running.stored)
    await running.settle()
    assert running.stored.verdicts == ["held", "confirmed"]


@pytest.mark.parametrize(
    "after", ["soon", float("nan"), float("inf"), -5.0], ids=["text", "nan", "inf", "past"]
)
async def test_a_wait_that_is_none_ends_nothing(after: Any) -> None:
    target, running = ready("cred-1")
    running.executor.use(OpenRails({"memory": target}), settings_with(deadline=SECOND // 5), QUICK_TURNS)
    target.trouble = lambda _: (_ for _ in ()).throw(UnavailableError("later", after))
    running.take([command()])
    await running.settle()
    assert running.stored.verdicts == ["failed"]


class _Finding(RecordingTarget):
    """It finds whose the credential is; `whose` may change."""

    whose = "break_glass"

    async def probe(self, command: RevocationCommand) -> Observation:
        seen = await super().probe(command)
        return msgspec.structs.replace(seen, found={"user": self.whose})


async def test_the_rails_see_whose_a_credential_is_that_has_an_id_only() -> None:
    target = _Finding()
    target.live.add("cred-1")
    running = Running(configured(target, never=("break_glass",)))
    running.take([command()])
    await running.settle()
    assert running.stored.verdicts == ["refused"]
    assert not target.revoked
    running = Running(configured(target, never=("somebody",)))
    running.take([command()])
    await running.settle()
    assert running.stored.verdicts == ["confirmed"]


async def test_what_turns_out_to_be_something_else_after_an_act_is_left() -> None:
    target = _Finding(RecordingOptions(steps=(Step("disable it"), Step("delete it", delay=0.2))))
    target.live.add("cred-1")
    running = Running(configured(target))
    running.take([command()])
    await running.until(lambda: bool(running.stored.verdicts))
    target.whose = "somebody"
    await running.settle()
    assert [step for _, _, step in target.revoked] == [0]
    assert "its name changed" in running.stored.outcomes[-1][1].detail
    assert running.stored.verdicts[-1] == "done-unproved"


async def test_a_name_that_is_a_secret_is_not_stored() -> None:
    target = _Finding()
    target.live.add("cred-1")
    running = Running(configured(target), clean=lambda text: text.replace("break_glass", "‹secret›"))
    running.take([command()])
    await running.settle()
    assert running.stored.verdicts == ["refused"]
    assert not [each for each in running.stored.versions if b"break_glass" in each]


async def test_who_is_found_to_be_another_each_time_is_not_asked_for_without_a_pause() -> None:
    target = _Finding()
    target.live.add("cred-1")

    def another(what: str) -> None:
        if what == "probe":
            target.whose += "x"

    target.trouble = another
    running = Running(configured(target))
    running.take([command()])
    await running.until(lambda: target.probes["cred-1"] > 1)
    await running.until(lambda: [case.due > running.clock() for case in running.executor.open] == [True])
    assert not target.revoked
