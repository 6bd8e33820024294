"""The topics behind the approvals that `curfewd run` serves: it follows both, and writes what people say.

Approvals are beside the work: whatever happens to these topics, leaks are still found.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from detector.configuration.settings import Settings
from detector.kafka.connection import ConnectionSettings
from detector.kafka.topic_follower import TopicFollower
from detector.service.approvals.given_approvals import GivenApprovals, write_approval
from detector.service.approvals.held_commands import HeldCommands
from detector.service.approvals.pages import ApprovalPages
from detector.values.approvals import Approval
from detector.values.errors import CurfewdError, RetryError
from detector.values.secrets import Secret
from detector.values.wording import Clean


class ApprovalTopics:
    """`pages` can be served at once; they know what waits, and can write, while `run` runs. `warn` gets problems."""

    def __init__(self, settings: Settings, clean: Callable[[], Clean], warn: Callable[[str], None]) -> None:
        topics, revoke = settings.live().topics, settings.revoke
        self._outcomes = topics.revocation_outcomes.name
        self._approvals = topics.revocation_approvals.name
        self._warn = warn
        self._connection: ConnectionSettings | None = None
        self._held = HeldCommands()
        self._given = GivenApprovals(
            self._approvals, revoke.approvers, lambda: time.time_ns() - revoke.approval_age, refused=warn
        )
        self.pages = ApprovalPages(
            revoke.approvers,
            self._held,
            self._given,
            self._write,
            local=settings.service.listen.loopback,
            clean=clean,
        )

    async def run(self, connection: ConnectionSettings) -> None:
        """Follows both topics until it is cancelled."""
        self._connection = connection
        readers: tuple[tuple[str, Any], ...] = ((self._outcomes, self._held), (self._approvals, self._given))
        await asyncio.gather(*(self._follow(topic, connection, reader) for topic, reader in readers))

    async def _follow(self, topic: str, connection: ConnectionSettings, reader: Any) -> None:
        try:
            await TopicFollower(topic, connection, reader, observe=self._warn).run()
        except CurfewdError as error:
            self._warn(f"{error}; approvals are not served until a restart")
            await asyncio.Event().wait()

    async def _write(self, approval: Approval, token: Secret) -> None:
        if self._connection is None:
            raise RetryError("not connected to Kafka yet")
        await write_approval(self._connection, self._approvals, approval, token)
