"""From a log to a credential that is dead: `curfewd run` and `curfewd revoke` as two processes beside each other."""

import asyncio
import json
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from tests.ingest.streams import until
from tests.revoke.issuers import Issued, Issuer, event, registered
from tests.service.whole.deployment import Deployment, ask
from tests.small_history import KEY_TEXT

# The clocks are one clock, and nothing comes late: a use is judged at once.
POLICY: Final = 'key_file = "deployment.key"\nskew = "0s"\nwatermark_delay = "0s"\n'
NO_LIMITS: Final = "[revoke.limits]\nper_minute = 0\nper_hour = 0\nper_owner = 0\nper_target = 0\n"
LOGS, EVENTS = range(2)


class WholeWay(Deployment):
    """A detector and a revoker that act on the credentials of these issuers. `revoke` is more of its table."""

    def __init__(self, bootstrap: str, folder: Path, issuers: Iterable[Issuer], revoke: str = "") -> None:
        super().__init__(bootstrap, folder, POLICY, partitions=1)
        (folder / "deployment.key").write_text(KEY_TEXT)
        self.audit = folder / "audit.jsonl"
        self.revoker_log = folder / "revoker.log"
        with self.config.open("a") as config:
            config.write(
                f'[revoke]\nmode = "act"\nprobes = "127.0.0.1:0"\naudit_log = "{self.audit}"\n{revoke}'
                + "".join(issuer.table() for issuer in issuers)
            )

    def start_revoker(self) -> "subprocess.Popen[bytes]":
        """`curfewd revoke`."""
        return self.launch("revoke", self.revoker_log)

    async def ready(self) -> bool:
        """Whether both are."""
        return await super().ready() and await self.revoker_ready()

    async def revoker_ready(self) -> bool:
        return (await asyncio.to_thread(ask, self.revoker_log, "probes", "/readyz"))[0] == 200

    async def begin(self, issued: Sequence[Issued]) -> None:
        """Tells of tasks and their credentials, and waits until the scanner knows these."""
        tasks = [event("task.started", task_id=task) for task in sorted({each.task for each in issued})]
        await self.tell([*tasks, *(each.event for each in issued)])
        await until(lambda: self._knows(len(issued)), "the scanner knows the credentials", every=0.05)

    async def _knows(self, count: int) -> bool:
        (listen,) = {line["listen"] for line in self.said() if line["event"] == "started"}
        try:
            return await registered(listen) >= count
        except TimeoutError:  # on a busy machine
            return False

    async def tell(self, events: Iterable[dict[str, Any]]) -> None:
        """Events, into one partition: they are in order."""
        await self.put((EVENTS, 0, json.dumps(each).encode()) for each in events)

    async def outcomes(self) -> dict[str, list[dict[str, Any]]]:
        """All outcomes of each command, in order; `credential.revoked` among them."""
        found = defaultdict(list)
        for record in await self.topic("revocation-outcomes"):
            found[record.key.decode()].append(json.loads(record.value))
        return found
