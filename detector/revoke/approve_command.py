"""`curfewd revoke approve`, `deny`, `retry` and `held`: over Kafka, with the rights of the person who runs it."""

import asyncio
import logging
import time
import uuid
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from detector.configuration.kafka_settings import KafkaSettings
from detector.configuration.revoke_settings import Approver, RevokeSettings
from detector.configuration.settings import Settings
from detector.kafka.acls import check_rights
from detector.kafka.clients import reaction, read_to_end
from detector.kafka.connection import ConnectionSettings
from detector.kafka.connection_check import reach
from detector.kafka.handlers import Partition
from detector.kafka.topics import TopicAdmin
from detector.service.approvals.given_approvals import GivenApprovals, write_approval
from detector.service.approvals.held_commands import HeldCommand, HeldCommands, standing
from detector.service.rights import rights_to_approve
from detector.service.stage_settings import connection_of
from detector.values.approvals import RETRY, SAID, Approval, Verdict
from detector.values.errors import StopError, UsageError
from detector.values.times import format_rfc3339
from detector.values.wording import Clean, counted, moment, visible

_LONGEST: Final = 300  # characters of a line
_ID_WIDTH: Final = 36  # columns of a UUID, to be copied


class Waiting(msgspec.Struct, frozen=True):
    """A command that is held, and what each person last said about it: `approve` or `deny`."""

    held: HeldCommand
    said: dict[str, str]


def run_approve(settings: Settings, verdict: Verdict, command_id: str | None, name: str | None) -> str:
    """Writes what a person says about one command, and says what it did.

    Raises:
        UsageError: the id, or the person, is not clear; or the command does not wait, or cannot be tried again.
        RetryError, StopError: Kafka cannot be reached, or refuses.
    """
    live = _live(settings)
    command_id = _id_of(command_id, verdict)
    approver = _approver_of(settings.revoke, name)
    token = approver.token.read()
    return asyncio.run(
        _approve(live, settings.revoke, Approval(command_id, approver.name, verdict, time.time_ns()), token)
    )


async def _approve(live: KafkaSettings, revoke: RevokeSettings, approval: Approval, token: Any) -> str:
    connection = await _connected(live)
    held, _ = await _read(connection, live, revoke)
    found = held.get(approval.command_id)
    if approval.verdict == RETRY and not held.retriable(approval.command_id):
        raise UsageError(
            f"no command {approval.command_id} has failed or is not proved: the topic {live.topics.revocation_outcomes.name} has all outcomes"
        )
    if approval.verdict != RETRY and found is None:
        raise UsageError(f"no command {approval.command_id} waits: `curfewd revoke held` shows those that do")
    await write_approval(connection, live.topics.revocation_approvals.name, approval, token)
    about = "" if found is None else f": {found.credential_id}, {found.why}"
    return f"{approval.command_id}: {SAID[approval.verdict]} by {approval.approver}{about}"


def run_held(settings: Settings) -> list[Waiting]:
    """What waits, those first that have waited longest.

    Raises:
        RetryError, StopError: Kafka cannot be reached, or refuses.
    """
    live = _live(settings)

    async def read() -> list[Waiting]:
        return await _waiting(await _connected(live), live, settings.revoke)

    return asyncio.run(read())


def print_held(waiting: Sequence[Waiting], console: Console, clean: Clean) -> None:
    """Prints a table of what waits."""
    if not waiting:
        console.print(Text("Nothing is held."), soft_wrap=True)
        return
    table = Table("command", "why it waits", box=None, pad_edge=False)
    for column in table.columns:
        column.overflow = "fold"  # an id or a credential that is cut names nothing
    table.columns[0].min_width = _ID_WIDTH
    for each in waiting:
        held = each.held
        said = ", ".join(f"{name}: {verdict}" for name, verdict in sorted(each.said.items()))
        command = (
            held.command_id,
            held.credential_id,
            held.target and f"at {held.target}",
            f"since {moment(held.since)}",
        )
        table.add_row(_cell(clean, *command), _cell(clean, held.why, said))
        table.add_row()
    console.print(table)
    console.print(Text(f"{counted(len(waiting), 'command')} held."), soft_wrap=True)


def _cell(clean: Clean, *lines: str) -> Text:
    """The lines that are there, each on a line of its own."""
    return Text("\n".join(visible(clean(line), _LONGEST) for line in lines if line))


def held_json(waiting: Sequence[Waiting], clean: Clean) -> bytes:
    """What waits, as one JSON object."""
    records = [
        {
            "command_id": clean(each.held.command_id),
            "credential_id": clean(each.held.credential_id),
            "target": clean(each.held.target),
            "why": clean(each.held.why),
            "since": format_rfc3339(each.held.since),
            "said": each.said,
        }
        for each in waiting
    ]
    return msgspec.json.format(msgspec.json.encode({"held": records}), indent=2) + b"\n"


def _live(settings: Settings) -> KafkaSettings:
    if not settings.revoke.given:
        raise UsageError("there is no [revoke] table in the configuration: docs/revoke.md has an example")
    log = logging.getLogger("aiokafka")  # the error that is raised says more
    log.addHandler(logging.NullHandler())
    log.propagate = False
    return settings.live()


def _id_of(text: str | None, verdict: Verdict) -> str:
    if text is None:
        raise UsageError(f"name the command: curfewd revoke {verdict} ID --config F")
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise UsageError("a command's id is a UUID: `curfewd revoke held` shows those that wait") from None


def _approver_of(settings: RevokeSettings, name: str | None) -> Approver:
    names = [approver.name for approver in settings.approvers]
    if not names:
        raise UsageError(
            "there is no [[revoke.approver]] in the configuration: add one with your name and token_file"
        )
    if name is None and len(names) > 1:
        raise UsageError(f"say who you are with --as: {', '.join(names)}")
    wanted = names[0] if name is None else name
    for approver in settings.approvers:
        if approver.name == wanted:
            return approver
    raise UsageError(f"--as: the configuration has no such approver; it has {', '.join(names)}")


async def _connected(live: KafkaSettings) -> ConnectionSettings:
    connection = connection_of(live)
    await reach(connection)
    await check_rights(connection, rights_to_approve(live))
    return connection


async def _waiting(
    connection: ConnectionSettings, live: KafkaSettings, revoke: RevokeSettings
) -> list[Waiting]:
    held, given = await _read(connection, live, revoke)
    return [Waiting(each, standing(each.command_id, given.of(each.command_id))) for each in held.all()]


async def _read(
    connection: ConnectionSettings, live: KafkaSettings, revoke: RevokeSettings
) -> tuple[HeldCommands, GivenApprovals]:
    """Reads both topics as they are now."""
    outcomes, approvals = live.topics.revocation_outcomes.name, live.topics.revocation_approvals.name
    async with TopicAdmin(connection, "the topics cannot be listed") as admin:
        partitions = await admin.partitions()
    missing = [topic for topic in (outcomes, approvals) if topic not in partitions]
    if missing:
        raise StopError(f"there is no topic {', '.join(missing)}: run curfewd topics create")
    held = HeldCommands()
    given = GivenApprovals(approvals, revoke.approvers, lambda: time.time_ns() - revoke.approval_age)
    readers: tuple[tuple[str, Any], ...] = ((outcomes, held), (approvals, given))
    for topic, reader in readers:
        for number in range(partitions[topic]):
            try:
                async for records in read_to_end(connection, Partition(topic, number)):
                    await reader.apply(records)
            except Exception as error:
                raise reaction(error, f"reading {topic}") from error
    return held, given
