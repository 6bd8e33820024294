"""A run of a task, as a source tells how it is: the events of its start and its end."""

from typing import NamedTuple

from detector.values.events import CanonicalEvent, TaskEnded, TaskStarted


class TaskRun(NamedTuple):
    """One run. Of `started`, `ended` and `deadline` (ns) those are None that the source does not tell."""

    source: str
    task_id: str
    kind: str
    started: int | None
    ended: int | None = None
    outcome: str | None = None
    owner: str | None = None
    workload: str | None = None
    parent: str | None = None
    group: str | None = None
    deadline: int | None = None

    def events(self) -> list[CanonicalEvent]:
        """Its start and its end. Their ids have their times: a state that is told again changes nothing."""
        events: list[CanonicalEvent] = []
        if self.started is not None:
            events.append(
                TaskStarted(
                    time=self.started,
                    source=self.source,
                    id=f"{self.task_id}/started/{self.started}",
                    task_id=self.task_id,
                    kind=self.kind,
                    owner=self.owner,
                    workload=self.workload,
                    parent_task_id=self.parent,
                    group=self.group,
                    deadline=self.deadline,
                )
            )
        if self.ended is not None:
            events.append(
                TaskEnded(
                    time=self.ended,
                    source=self.source,
                    id=f"{self.task_id}/ended/{self.ended}",
                    task_id=self.task_id,
                    outcome=self.outcome,
                )
            )
        return events
