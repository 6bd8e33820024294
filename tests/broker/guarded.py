"""One broker that asks who is there and what they may: SASL on loopback, and the authorizer of KRaft."""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest_v1, DeleteAclsRequest_v1, DescribeAclsRequest
from aiokafka.protocol.api import Request

from detector.kafka.acls import Right
from tests.broker.cluster import SETTINGS, BrokerError, Node, free_ports, new_cluster_id

PASSWORD: Final = "a password for loopback alone"
# Kafka's codes: org.apache.kafka.common.resource.ResourceType and PatternType, common.acl.AclOperation.
_KINDS: Final = {"topic": 2, "group": 3, "cluster": 4, "transactional id": 5}
_OPERATIONS: Final = {"Read": 3, "Write": 4, "Create": 5, "Describe": 8, "DescribeConfigs": 10}
_ANY, _LITERAL, _PREFIXED, _DENY, _ALLOW = 1, 3, 4, 2, 3
_Entry = tuple[int, str, int, str, str, int, int]


class _CreateAcls(Request[CreateAclsRequest_v1]):  # type: ignore[misc]  # aiokafka has no types
    """Many in one request; aiokafka's own takes one."""

    API_KEY = 30

    def __init__(self, entries: Sequence[_Entry]) -> None:
        self._entries = entries

    def build(self, request_struct_class: type[CreateAclsRequest_v1]) -> CreateAclsRequest_v1:
        return request_struct_class(list(self._entries))


class _DeleteAcls(Request[DeleteAclsRequest_v1]):  # type: ignore[misc]  # as above
    """Of the same form: an entry says all of the ACL that is to go."""

    API_KEY = 31

    def __init__(self, entries: Sequence[_Entry]) -> None:
        self._entries = entries

    def build(self, request_struct_class: type[DeleteAclsRequest_v1]) -> DeleteAclsRequest_v1:
        return request_struct_class(list(self._entries))


def _entries(grants: Iterable[tuple[str, Right]], permission: int) -> list[_Entry]:
    return [
        (
            _KINDS[right.kind],
            right.name.removesuffix("*"),
            _PREFIXED if right.name.endswith("*") else _LITERAL,
            f"User:{user}",
            "*",
            _OPERATIONS[right.operation],
            permission,
        )
        for user, right in grants
    ]


async def _in_force(admin: AIOKafkaAdminClient) -> set[_Entry]:
    """All that the broker's authorizer knows, as they are created."""
    answer = await admin._send_request(DescribeAclsRequest(_ANY, None, _ANY, None, None, _ANY, _ANY))
    return {(kind, name, pattern, *acl) for kind, name, pattern, acls in answer.resources for acl in acls}


class GuardedBroker:
    """Apache Kafka with the authorizer on. `open` is for whoever may do everything, `guarded` for `users`."""

    def __init__(self, folder: Path, users: Iterable[str]) -> None:
        ports = free_ports(3)
        self.open, self.guarded = (f"127.0.0.1:{port}" for port in ports[:2])
        listeners = f"OPEN://{self.open},GUARDED://{self.guarded}"
        plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
        known = " ".join(f'user_{user}="{PASSWORD}"' for user in users)
        settings = {
            **SETTINGS,
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{ports[2]}",
            "listeners": f"{listeners},CONTROLLER://127.0.0.1:{ports[2]}",
            "advertised.listeners": listeners,
            "listener.security.protocol.map": "OPEN:PLAINTEXT,GUARDED:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "OPEN",
            "log.dirs": str(folder / "node-1" / "data"),
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "listener.name.guarded.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.guarded.plain.sasl.jaas.config": f"{plain} {known};",
        }
        self.node = Node(1, folder / "node-1", ports[0], settings)

    async def allow(self, grants: Iterable[tuple[str, Right]]) -> None:
        """Gives users rights, in one request; a name that ends in `*` stands for all that begin like it.

        The controller answers before its broker acts by them, so this waits for that.
        """
        await self._ask(_CreateAcls, _entries(grants, _ALLOW))

    async def deny(self, grants: Iterable[tuple[str, Right]]) -> None:
        """Takes rights from users, whatever else allows them, until `give_back`."""
        await self._ask(_CreateAcls, _entries(grants, _DENY))

    async def give_back(self, grants: Iterable[tuple[str, Right]]) -> None:
        """Ends a `deny`."""
        await self._ask(_DeleteAcls, _entries(grants, _DENY))

    async def _ask(self, kind: type[_CreateAcls | _DeleteAcls], entries: list[_Entry]) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.open)
        await admin.start()
        there = kind is _CreateAcls
        try:
            answer = await admin._send_request(kind(entries))
            answers = answer.creation_responses if there else answer.filter_responses
            if any(code for code, *_ in answers):
                raise BrokerError(f"the broker takes no such rights: {answer}")
            while set(entries) & await _in_force(admin) != (set(entries) if there else set()):  # noqa: ASYNC110 - the broker tells nobody
                await asyncio.sleep(0.05)
        finally:
            await admin.close()

    def __enter__(self) -> Self:
        self.node.format(new_cluster_id())
        self.node.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.node.kill()
