"""Requests that aiokafka has only in older versions, or not at all (KIP-447, KIP-516, KIP-664).

- `TxnOffsetCommit` v3 says which member of which generation commits, so that the coordinator can refuse others.
- `OffsetFetch` v7 can ask for stable offsets: while a transaction that commits one is open, the answer is an error.
- `ListTransactions` lists what is open.
- `Metadata` v10 tells the id of a topic, which another topic of its name does not have.

Each request is made and each answer read as in Kafka's protocol guide.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka import errors as kafka
from aiokafka.protocol.api import RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

from detector.kafka.membership import Membership, Offsets

_TEXT: Final = CompactString("utf-8")
_TAGS: Final = ("tags", TaggedFields)
_NO_TAGS: Final[dict[int, bytes]] = {}


def _topics(*partition: tuple[str, Any]) -> CompactArray:
    """An array of topics, each with an array of its partitions."""
    return CompactArray(("topic", _TEXT), ("partitions", CompactArray(*partition, _TAGS)), _TAGS)


def errors_of(answer: Any) -> list[type[kafka.KafkaError]]:
    """The errors in an answer about partitions. Their code is the last field of each, tags apart."""
    codes = [getattr(answer, "error_code", 0)]
    for _, partitions, *_ in answer.topics:
        codes += [next(code for code in reversed(each) if isinstance(code, int)) for each in partitions]
    return [kafka.for_code(code) for code in codes if code]


class _TxnOffsetCommitAnswer(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 28
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32), ("topics", _topics(("partition", Int32), ("error_code", Int16))), _TAGS
    )


class _TxnOffsetCommit(RequestStruct):  # type: ignore[misc]  # as above
    API_KEY = 28
    API_VERSION = 3
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _TxnOffsetCommitAnswer
    SCHEMA = Schema(
        ("transactional_id", _TEXT),
        ("group_id", _TEXT),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("generation_id", Int32),
        ("member_id", _TEXT),
        ("group_instance_id", _TEXT),
        (
            "topics",
            _topics(("partition", Int32), ("offset", Int64), ("leader_epoch", Int32), ("metadata", _TEXT)),
        ),
        _TAGS,
    )


class _OffsetFetchAnswer(Response):  # type: ignore[misc]  # as above
    API_KEY = 9
    API_VERSION = 7
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            _topics(
                ("partition", Int32),
                ("offset", Int64),
                ("leader_epoch", Int32),
                ("metadata", _TEXT),
                ("error_code", Int16),
            ),
        ),
        ("error_code", Int16),
        _TAGS,
    )


class _OffsetFetch(RequestStruct):  # type: ignore[misc]  # as above
    API_KEY = 9
    API_VERSION = 7
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _OffsetFetchAnswer
    SCHEMA = Schema(
        ("group_id", _TEXT),
        (
            "topics",
            CompactArray(("topic", _TEXT), ("partitions", CompactArray(Int32)), _TAGS),
        ),
        ("require_stable", Boolean),
        _TAGS,
    )


class _ListTransactionsAnswer(Response):  # type: ignore[misc]  # as above
    API_KEY = 66
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("unknown_states", CompactArray(_TEXT)),
        (
            "transactions",
            CompactArray(("transactional_id", _TEXT), ("producer_id", Int64), ("state", _TEXT), _TAGS),
        ),
        _TAGS,
    )


class _ListTransactions(RequestStruct):  # type: ignore[misc]  # as above
    API_KEY = 66
    API_VERSION = 0
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _ListTransactionsAnswer
    SCHEMA = Schema(("states", CompactArray(_TEXT)), ("producer_ids", CompactArray(Int64)), _TAGS)


class _Id:
    """A topic's id: 16 bytes."""

    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        return data.read(16)


class _MetadataAnswer(Response):  # type: ignore[misc]  # as above
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(("node_id", Int32), ("host", _TEXT), ("port", Int32), ("rack", _TEXT), _TAGS),
        ),
        ("cluster_id", _TEXT),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("topic", _TEXT),
                ("topic_id", _Id),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline", CompactArray(Int32)),
                        _TAGS,
                    ),
                ),
                ("operations", Int32),
                _TAGS,
            ),
        ),
        ("operations", Int32),
        _TAGS,
    )


class _Metadata(RequestStruct):  # type: ignore[misc]  # as above
    API_KEY = 3
    API_VERSION = 10
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _MetadataAnswer
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _Id), ("topic", _TEXT), _TAGS)),
        ("allow_auto_topic_creation", Boolean),
        ("cluster_operations", Boolean),
        ("topic_operations", Boolean),
        _TAGS,
    )


class _Made:
    """A request as aiokafka's connections take it: they ask for the form of a version that the broker knows."""

    def __init__(self, struct: Any, *fields: Any) -> None:
        self._struct = struct
        self._fields = fields

    def prepare(self, versions: Mapping[int, tuple[int, int]]) -> Any:
        """The request to send, if the broker's `versions` of each kind allow it."""
        lowest, highest = versions.get(self._struct.API_KEY, (0, -1))
        if not lowest <= self._struct.API_VERSION <= highest:
            raise kafka.IncompatibleBrokerVersion(
                f"the broker is too old: it does not know {type(self).__name__} in version {self._struct.API_VERSION}"
            )
        return self._struct(*self._fields, _NO_TAGS)


class TxnOffsetCommit(_Made):
    """Commits offsets in a producer's transaction."""

    def __init__(
        self, transactional_id: str, producer: tuple[int, int], by: Membership, offsets: Offsets
    ) -> None:
        topics: dict[str, list[Any]] = defaultdict(list)
        for source, each in offsets.items():
            topics[source.topic].append((source.partition, each.offset, -1, each.metadata, _NO_TAGS))
        named = [(topic, partitions, _NO_TAGS) for topic, partitions in topics.items()]
        super().__init__(
            _TxnOffsetCommit, transactional_id, by.group, *producer, by.generation, by.member, None, named
        )


class OffsetFetch(_Made):
    """Asks for the offset of a partition once no transaction that commits it is open."""

    def __init__(self, group: str, source: TopicPartition) -> None:
        topics = [(source.topic, [source.partition], _NO_TAGS)]
        super().__init__(_OffsetFetch, group, topics, True)


class ListTransactions(_Made):
    """Asks for the open transactions of which a broker is the coordinator. Kafka 3.0 has it."""

    def __init__(self) -> None:
        super().__init__(_ListTransactions, ["Ongoing"], [])


class TopicIds(_Made):
    """Asks for the ids of topics. Kafka 2.8 has it."""

    def __init__(self, topics: Iterable[str]) -> None:
        asked = [(bytes(16), topic, _NO_TAGS) for topic in topics]
        super().__init__(_Metadata, asked, False, False, False)
