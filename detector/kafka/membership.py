"""Who commits: a member of a group, in one generation of it."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

Offsets = Mapping[TopicPartition, OffsetAndMetadata]


class Membership(NamedTuple):
    """A member of a group in one generation."""

    group: str
    member: str
    generation: int

    @classmethod
    def of(cls, consumer: Any) -> Self:
        """What the consumer is at the moment of its assignment."""
        coordinator = consumer._coordinator  # noqa: SLF001 - aiokafka says it nowhere else
        return cls(coordinator.group_id, coordinator.member_id, coordinator.generation)

    def follows(self, before: Self | None) -> bool:
        """Whether nobody else can have held in between what was ours before and is ours now."""
        return before is not None and self == before._replace(generation=before.generation + 1)
