"""What the judge stage knows of one partition of work between transactions, and what the partition reports to all."""

from collections import Counter, OrderedDict
from collections.abc import Set as AbstractSet

from detector.judge.routing import WorkProgress, encode
from detector.judge.stage import Change
from detector.judge.terms import NEVER
from detector.judge.watermark import Watermark, pause_between_reports
from detector.kafka.handlers import Output
from detector.service.judge.poll import CachedAggregate
from detector.service.judge.reports import OutputCause
from detector.service.judge.store import FINDINGS_ID, Position, Store
from detector.values.stored_format import FORMAT_HEADERS, FORMAT_VALUE


class Work:
    """One partition of work. What is staged reaches the store only after the commit."""

    def __init__(self, store: Store, watermark: Watermark, findings_id: str) -> None:
        self.store = store
        self.watermark = watermark
        self.logged = self.logging = watermark.value
        self.sources: AbstractSet[str] = watermark.sources.keys()
        self.sourced = 0
        self.cached: OrderedDict[str, CachedAggregate] = OrderedDict()
        self.weight = 0
        self.recent = 0  # how many of the cached aggregates the last transaction touched
        self.staged: list[Change] = []
        self.totals = self.logged_totals = store.totals()
        self.format_logged = store.format() == FORMAT_VALUE
        self.findings_id = (store.get(FINDINGS_ID) or b"").decode()
        # Which aggregates have written their findings into a recreated topic: up to this digest.
        self.rewritten = b"" if findings_id and self.findings_id not in {"", findings_id} else None
        self.saved = 0
        self.looked = 0  # no timer is earlier than this
        self.due = 0  # nor than this, of those in the store
        self.due_staged = NEVER  # nor than this, of the others
        self.dirty = False  # whether the store has more than its `Position` says
        self.position: Position | None = None  # to be written after the next commit
        self.polled = False  # whether the open transaction has records
        self.reported: tuple[int, ...] = ()  # to all partitions of work, and when (ns)
        self.reported_at = 0
        self.late = 0
        self.expired: Counter[str] = Counter()
        self.causes: list[OutputCause] = []

    def note_timer(self, timer: int | None) -> None:
        """Notes the timer of an aggregate that is to be stored."""
        if timer is not None and timer < self.due_staged:
            self.due_staged = timer

    def progress(self, topic: str, partition: int, now: int) -> list[Output]:
        """What this partition has to report of itself to all of `topic`, behind whatever it sent before."""
        reached, partitions = self.watermark.reached, self.watermark.work_partitions
        if now - self.reported_at < pause_between_reports(partitions, news=reached != self.reported):
            return []
        self.reported, self.reported_at = reached, now
        key, value = f"w:{partition}".encode(), encode(WorkProgress.of(partition, reached))
        return [Output(topic, key, value, FORMAT_HEADERS, partition=number) for number in range(partitions)]
