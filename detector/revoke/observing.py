"""What operators see of the revoker: outcomes as metrics and log lines, and how many commands wait for what."""

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import product
from typing import Any, Final, get_args

from detector.records.dead_letters import BAD_SIGNATURE, UNSIGNED, DeadLetter
from detector.revoke.breaker import STATES
from detector.revoke.case import Case
from detector.revoke.executor import Executor
from detector.revoke.handler import STAGE, Told
from detector.revoke.outcomes import Verdict
from detector.service.observability import series
from detector.service.observability.measuring import HandlerThroughput
from detector.service.observability.metrics import Metrics
from detector.service.observability.operator_log import RepeatLimit
from detector.values.times import SECOND
from detector.values.wording import Clean, visible

BAD: Final = frozenset({"failed", "refused", "held"})
NOBODY: Final = "none"
_STATES: Final = ("turn", "provider", "held")
_NOT_BELIEVED: Final = frozenset({UNSIGNED, BAD_SIGNATURE})


class RevocationObserver:
    """`clean` masks secrets; `clock` gives ns. `log` is structlog's."""

    def __init__(self, metrics: Metrics, log: Any, clean: Clean, clock: Callable[[], int]) -> None:
        self._metrics = metrics
        self._log = log
        self._clean = clean
        self._clock = clock
        self._copies = 0
        self._differing = 0
        self._masked = 0
        self._limit = RepeatLimit(lambda: clock() / SECOND)
        metrics.add(series.REVOCATION_COPIES, amount=0)
        metrics.add(series.REVOCATION_DIFFERING, amount=0)
        metrics.add(series.MASKED_REVOCATIONS, amount=0)
        for reason in _NOT_BELIEVED:
            metrics.add(series.DEAD, STAGE, metrics.bounded("reason", reason), amount=0)

    def expect(self, targets: Iterable[str]) -> None:
        """Sets the counters of each target to zero: a rate needs a zero to start from."""
        for target, verdict in product((*targets, NOBODY), get_args(Verdict)):
            self._metrics.add(series.REVOCATIONS, self._metrics.bounded("target", target), verdict, amount=0)

    def expect_notices(self, names: Iterable[str]) -> None:
        """Sets the counters of each notice to zero."""
        for name, result in product(names, ("sent", "lost")):
            self._metrics.add(
                series.REVOCATION_NOTICES, self._metrics.bounded("notice", name), result, amount=0
            )

    def noticed(self, name: str, *, sent: bool) -> None:
        """Counts a notice that was sent, or lost."""
        result = "sent" if sent else "lost"
        self._metrics.add(series.REVOCATION_NOTICES, self._metrics.bounded("notice", name), result)

    def observe(self, fact: Any) -> list[Told]:
        """Takes the facts of the stage: only what is committed was told. Returns the outcomes in it."""
        if not isinstance(fact, HandlerThroughput):
            return []
        facts = [output.fact for output in fact.outputs]
        told = [each for each in facts if isinstance(each, Told)]
        for each in told:
            self.told(each)
        for letter in facts:
            if isinstance(letter, DeadLetter) and letter.reason in _NOT_BELIEVED:
                self._not_believed(letter)
        return told

    def _not_believed(self, letter: DeadLetter) -> None:
        if (more := self._limit(letter.reason, letter.source)) is not None:
            self._log.warning(
                "a command is not carried out: no key here has signed it",
                reason=letter.reason,
                topic=letter.source,
                partition=letter.partition,
                offset=letter.offset,
                **more,
            )

    def told(self, told: Told) -> None:
        """Counts and logs an outcome."""
        command, outcome = told.command, told.outcome
        target = self._metrics.bounded("target", outcome.target or NOBODY)
        self._metrics.add(series.REVOCATIONS, target, outcome.verdict)
        if outcome.verdict != "held" and command.appended is not None:
            seconds = max(outcome.finished_at - command.appended, 0) / SECOND
            uid = command.finding_uids[0] if command.finding_uids else command.id
            self._metrics.time(series.REVOCATION_SECONDS, seconds, target, outcome.verdict, uid=uid)
        fields = {
            "outcome": outcome.verdict,
            "command": command.id,
            "credential": visible(self._clean(command.credential_id)),
            "target": outcome.target,
            "detail": visible(self._clean(outcome.detail)),
        }
        if outcome.verdict not in BAD:
            self._log.info("command carried out", **fields)
        elif (more := self._limit(outcome.verdict, outcome.target)) is not None:
            self._log.warning("command not carried out", **fields, **more)

    def masked(self, handles: int) -> None:
        """Counts and logs revocation handles that were masked: `handles` are those since the start."""
        if handles > self._masked:
            self._metrics.add(series.MASKED_REVOCATIONS, amount=handles - self._masked)
            self._log.warning(
                "revocation handles show a secret, and masked as they are now they may not work",
                commands=handles - self._masked,
            )
            self._masked = handles

    def sample(self, executor: Executor) -> None:
        """Sets the gauges to how things are now."""
        now, metrics = self._clock(), self._metrics
        states: Counter[str] = Counter()
        rails: Counter[str] = Counter()
        oldest = now
        for case in executor.open:
            states[{"waiting": "turn", "acting": "provider"}.get(case.phase, "held")] += 1
            if case.phase == "held":
                rails[case.rail or NOBODY] += 1
            elif not (case.proved or _rests(case, now)):
                oldest = min(oldest, case.taken)
        for state in _STATES:
            metrics.set(series.REVOCATIONS_PENDING, states[state], state)
        metrics.clear(series.REVOCATIONS_HELD)
        for rail in ("plan", "approval", "signature", "age", "quiet-hours", "limit"):
            metrics.set(series.REVOCATIONS_HELD, rails[rail], rail)
        metrics.set(series.OLDEST_REVOCATION, (now - oldest) / SECOND)
        metrics.add(series.REVOCATION_COPIES, amount=executor.copies - self._copies)
        self._copies = executor.copies
        metrics.add(series.REVOCATION_DIFFERING, amount=executor.differing - self._differing)
        if executor.differing > self._differing:
            self._log.warning(
                "commands came with the ids of others and say something else: see curfewd_revocation_differing",
                commands=executor.differing - self._differing,
            )
        self._differing = executor.differing
        metrics.clear(series.BREAKERS)
        for name, state in executor.breakers(now).items():
            metrics.set(series.BREAKERS, STATES.index(state), metrics.bounded("target", name))


def _rests(case: Case, now: int) -> bool:
    """Whether all is done but a step that is due later, such as to delete what is disabled."""
    return case.step > 0 and case.move != "prove" and not case.tries and case.due > now
