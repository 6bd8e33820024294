"""The judge's state for very many credentials, as the judge itself would have written it, without judging each.

The state of one task with one credential is made by the judge's own code; that of every other is the same with another
number in it, and the keys that follow from it. `agrees` compares some of them with what the judge's code makes.
"""

import hashlib
from collections.abc import Iterator
from typing import Final

from detector.judge.policy import Policy
from detector.judge.routing import encode, route
from detector.judge.stage import FACT, AggregateState
from detector.outputs.output import Run
from detector.registry.credential_registry import CredentialRegistry
from detector.scan.known_credentials import HMAC
from detector.service.judge.store import changelog_changes, digest_of
from detector.service.judge.topic_output import OutputTopics, TopicOutput
from detector.values.events import CredentialIssued, Identifier, TaskStarted
from detector.values.times import DAY, SECOND

_TEMPLATE: Final = 77_359_418
_DIGITS: Final = 8
_COMPACT_EVERY: Final = 1000  # facts of one aggregate: more than there are, so none is compacted
_KIND: Final = 17  # where in a key the kind stands, after a letter and the aggregate's digest

Change = tuple[bytes, bytes]


def judged(number: int, time: int) -> Iterator[tuple[str, list[Change]]]:
    """By aggregate what the judge writes of a task that started and got a credential: the slow way."""
    name = f"{number:0{_DIGITS}d}"
    start = TaskStarted(time=time, source="ci", id=f"s-{name}", task_id=f"task-{name}", workload="runner-1")
    issue = CredentialIssued(
        time=time + SECOND,
        source="bench/issuer",
        id=f"i-{name}",
        credential_id=f"cred-{name}",
        task_id=f"task-{name}",
        identifiers=(Identifier(HMAC, name * 8, 40, name),),
        kind="token",
        expires_at=time + DAY,
        revocation={"method": "http", "handle": f"handle-{name}"},
    )
    policy, registry = Policy(), CredentialRegistry()
    states: dict[str, AggregateState] = {}
    for event in (start, issue):
        for key, payload in route(event, registry):
            state = states.setdefault(key, AggregateState(key, policy, _COMPACT_EVERY))
            state.take(payload, encode(payload), time)
    run = Run({}, lambda text: text)
    for key, state in states.items():
        judgement = state.judge(time + 2 * SECOND, TopicOutput(OutputTopics(), run).digest)
        changes = changelog_changes(digest_of(key), judgement)
        yield key, [(each, value) for each, value in changes if value is not None]


class States:
    """Changes of any number of such tasks, all started at `time` (ns)."""

    def __init__(self, time: int) -> None:
        self._time = time
        self._name = f"{_TEMPLATE:0{_DIGITS}d}"
        self._made = list(judged(_TEMPLATE, time))

    def changes(self, number: int) -> Iterator[Change]:
        """Those of one."""
        old, new = self._name.encode(), b"%08d" % number
        for key, changes in self._made:
            digest = digest_of(key.replace(self._name, new.decode()))
            for place, template in changes:
                value = template.replace(old, new)
                kind = place[_KIND : _KIND + 1]
                name = hashlib.blake2b(value, digest_size=12).digest() if kind == FACT else place[_KIND + 1 :]
                yield place[:1] + digest + kind + name, value

    def agrees(self, number: int) -> bool:
        """Whether the judge's own code makes just these."""
        slow = [change for _, changes in judged(number, self._time) for change in changes]
        return sorted(slow) == sorted(self.changes(number))
