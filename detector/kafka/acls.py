"""Which rights a user lacks on the brokers.

A process checks its rights before it does anything else. The brokers say what the user may do with each topic and group
(KIP-430, Kafka 2.3), so one message names every missing right, even one that would show late or never, such as Read on
an input. They say nothing about transactional ids: a missing right there shows when the id is first used.
"""

from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec
from aiokafka import errors as kafka
from aiokafka.protocol.admin import DescribeGroupsRequest_v3, DescribeGroupsResponse_v3
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

from detector.kafka.clients import started_admin
from detector.kafka.connection import ConnectionSettings
from detector.kafka.security import explain, retriable
from detector.values.errors import RetryError, StopError

Kind = Literal["topic", "group", "transactional id"]
Operation = Literal["Read", "Write", "Describe", "Create", "DescribeConfigs"]

_UNKNOWN: Final = -(1 << 31)  # what a broker answers that does not say
# The bits of an answer, by org.apache.kafka.common.acl.AclOperation. Any of the others implies Describe.
_BITS: Final[dict[Operation, int]] = {
    "Read": 1 << 3,
    "Write": 1 << 4,
    "Create": 1 << 5,
    "Describe": 1 << 8,
    "DescribeConfigs": 1 << 10,
}
_TEXT: Final = String("utf-8")


class Right(msgspec.Struct, frozen=True, order=True):
    """One ACL. A `name` that ends in `*` allows every resource whose name begins like it (Kafka's PREFIXED)."""

    kind: Kind
    name: str
    operation: Operation

    def __str__(self) -> str:
        return f"{self.operation} on {self.kind} {self.name}"


class _MetadataResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    """Version 8 of Kafka's MetadataResponse.json; aiokafka stops at 5."""

    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", Array(("node_id", Int32), ("host", _TEXT), ("port", Int32), ("rack", _TEXT))),
        ("cluster_id", _TEXT),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", _TEXT),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
        ("cluster_authorized_operations", Int32),
    )


class _MetadataStruct(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        ("topics", Array(_TEXT)),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class _TopicRights(Request[_MetadataStruct]):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 3

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_MetadataStruct]) -> _MetadataStruct:
        return request_struct_class(self._topics, False, False, True)


class _GroupStruct(DescribeGroupsRequest_v3):  # type: ignore[misc]  # aiokafka has no types
    RESPONSE_TYPE = (
        DescribeGroupsResponse_v3  # aiokafka 0.14 reads the answer as version 2, without what is asked
    )


class _GroupRights(Request[_GroupStruct]):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 15

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: type[_GroupStruct]) -> _GroupStruct:
        return request_struct_class([self._group], True)


async def check_rights(connection: ConnectionSettings, needed: Iterable[Right]) -> None:
    """Returns if no right is missing, as far as the brokers say.

    Raises:
        StopError: a right is missing; the text names it.
        RetryError: the brokers do not answer now.
    """
    try:
        async with started_admin(connection) as admin:
            await check_rights_by(admin, connection.user, needed)
    except (kafka.KafkaError, OSError, ValueError) as error:
        text = f"cannot ask for the rights of this user: {explain(error)}"
        raise (RetryError(text) if retriable(error) else StopError(text)) from None


async def check_rights_by(admin: Any, user: str, needed: Iterable[Right]) -> None:
    """Does the same with a client that is connected as `user`.

    Raises:
        StopError: as above.
        Exception: Kafka's own error.
    """
    whole = [right for right in needed if not right.name.endswith("*")]
    of_topics, of_groups = ([right for right in whole if right.kind == kind] for kind in ("topic", "group"))
    try:
        missing = [
            *await _missing_topics(admin, of_topics),
            *[right for right in of_groups if not await _may_join(admin, right)],
        ]
    except NotImplementedError:  # brokers before Kafka 2.3 do not say
        return
    if missing:
        raise StopError(f"Kafka does not let user {user} do all that is needed: {lacking(missing)}")


def lacking(missing: Iterable[Right]) -> str:
    """What to do about missing rights."""
    return f"allow it {', '.join(map(str, missing))} (ACLs; docs/deploy.md lists all)"


async def _missing_topics(admin: Any, needed: list[Right]) -> list[Right]:
    """The missing rights. Only a user who may describe a topic learns that it does not exist."""
    names = sorted({right.name for right in needed})
    answer = await admin._send_request(_TopicRights(names))  # noqa: SLF001 - the client has no method that asks this
    allowed: dict[str, int] = {}
    for topic in answer.to_object()["topics"]:
        error = kafka.for_code(topic["error_code"])
        if error is kafka.TopicAuthorizationFailedError:
            allowed[topic["topic"]] = 0
        elif error is kafka.NoError:
            allowed[topic["topic"]] = topic["authorized_operations"]
    return [
        right
        for right in needed
        if right.name in allowed and not _allows(allowed[right.name], right.operation)
    ]


async def described(admin: Any, name: str) -> dict[str, Any]:
    """A group as its coordinator describes it. One that nobody has used has no `members`.

    Raises:
        Exception: Kafka's own error.
    """
    node = await admin.find_coordinator(name)
    answer = await admin._send_request_to_node(node, _GroupRights(name))  # noqa: SLF001 - as above
    group: dict[str, Any]
    (group,) = answer.to_object()["groups"]
    error = kafka.for_code(group["error_code"])
    if error is not kafka.NoError:
        raise error(name)
    return group


async def _may_join(admin: Any, right: Right) -> bool:
    try:
        group = await described(admin, right.name)
    except kafka.GroupAuthorizationFailedError:
        return False
    return _allows(group["authorized_operations"], right.operation)


def _allows(operations: int, operation: Operation) -> bool:
    return operations == _UNKNOWN or bool(operations & _BITS[operation])
