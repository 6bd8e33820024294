"""Who is in a group: members whose protocol is not ours cannot work beside us.

The brokers refuse a member that has no protocol in common with those in its group. They do so for each group alone, and
one stage's records are read by the other's group. So whoever starts first looks at all groups.
"""

import asyncio
import time
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from aiokafka import errors as kafka
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata

from detector.kafka.assignor import OURS, PROTOCOL, version_told
from detector.kafka.clients import reaction, started_admin
from detector.kafka.connection import ConnectionSettings
from detector.values.errors import RetryError
from detector.values.wording import counted, visible

_AGAIN_SECONDS: Final = 0.25
_REBALANCE_SECONDS: Final = 30.0
_DIGITS: Final = 9
_FIRST: Final = frozenset({"curfewd-sticky", "curfewd-exclusive"})  # without a number


class _Group(msgspec.Struct, frozen=True):
    """A group as its coordinator describes it. While it rebalances it has members and no protocol."""

    name: str
    protocol: str
    hosts: tuple[str, ...]
    versions: frozenset[str]


async def check_alone(connection: ConnectionSettings, groups: Iterable[str]) -> None:
    """Returns if every member of these groups can work beside us. A group that we may not describe is skipped.

    Raises:
        RetryError: another version is in one of them and has to leave, or Kafka cannot be reached.
        StopError: Kafka refuses us.
    """
    try:
        async with started_admin(connection) as admin:
            for name in groups:
                _check(await _settled(admin, name))
    except Exception as error:
        raise reaction(error, "finding out who is in a group") from error


def _check(group: _Group | None) -> None:
    """Raises RetryError if those in the group cannot work beside us."""
    if group is not None and group.hosts and group.protocol not in {"", *OURS}:
        raise RetryError(_waits_for(group))


async def _settled(admin: Any, name: str) -> _Group | None:
    """The group, once it does not rebalance; as it is, if that takes too long. None if we may not know."""
    end = time.monotonic() + _REBALANCE_SECONDS
    while True:
        try:
            (answer,) = await admin.describe_consumer_groups([name])
        except kafka.GroupAuthorizationFailedError:
            return None
        error_code, _, _, _, protocol, members, *_ = answer.groups[0]
        if error_code == kafka.GroupAuthorizationFailedError.errno:
            return None
        if error_code:
            raise kafka.for_code(error_code)
        if protocol or not members or time.monotonic() > end:
            told = (_version(metadata) for _, _, _, metadata, *_ in members)
            hosts = (str(host).removeprefix("/") for _, _, host, *_ in members)
            return _Group(name, protocol, tuple(sorted(hosts)), frozenset(each for each in told if each))
        await asyncio.sleep(_AGAIN_SECONDS)


def _version(metadata: bytes) -> str:
    try:
        return version_told(ConsumerProtocolMemberMetadata.decode(metadata).user_data)
    except Exception:  # noqa: BLE001 - whatever a stranger has told
        return ""


def _waits_for(group: _Group) -> str:
    kind, _, number = group.protocol.rpartition("-")
    if group.protocol in _FIRST:
        who = "an earlier version of curfewd"
    elif kind in _FIRST and number.isdecimal() and len(number) <= _DIGITS:
        who = f"{'a later' if int(number) > PROTOCOL else 'an earlier'} version of curfewd"
    else:
        who = "another version of curfewd"
    if group.versions:
        who += f" ({', '.join(sorted(group.versions))})"
    places = ", ".join(sorted(set(group.hosts)))
    return visible(
        f"waiting for {who} to leave the group {group.name}: it has {counted(len(group.hosts), 'member')}, at {places}; "
        "stop that version, as the two cannot work side by side"
    )
