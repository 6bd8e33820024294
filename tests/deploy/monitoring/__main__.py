"""Prints how long it takes from nothing to the first alert.

Run `python -m tests.deploy.monitoring`, after `make test` or `make broker` once. Kafka, the service, Prometheus and
Alertmanager are started one after the other, with the intervals of deploy/prometheus (15 s); a leak is produced as soon
as the service is ready, and the clock stops when Alertmanager's API shows the alert.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.broker import Cluster
from tests.deploy.monitoring import Monitoring
from tests.deploy.monitoring.hook import listening
from tests.deploy.monitoring.tasks import leak, life
from tests.ingest.streams import until
from tests.service.whole.deployment import Deployment
from tests.small_history import KEY_TEXT

ALERT: Final = "CurfewdLiveCredentialLeaked"


async def measure(folder: Path) -> None:
    """One line for each step: seconds since the start."""
    began = time.monotonic()

    def tell(step: str) -> None:
        sys.stdout.write(f"{time.monotonic() - began:6.1f} s  {step}\n")
        sys.stdout.flush()

    with Cluster(folder / "kafka") as broker, listening() as (hook, told):
        tell("Kafka answers")
        deployment = Deployment(broker.bootstrap, folder, 'key_file = "key"')
        (folder / "key").write_text(KEY_TEXT)
        await deployment.create()
        tell("topics are made")
        deployment.start()
        try:
            await until(deployment.ready, "readiness")
            tell("curfewd is ready")
            listen = next(line["listen"] for line in deployment.said() if line["event"] == "started")
            with Monitoring(folder / "monitoring", listen, hook, hurry=False) as monitoring:
                await deployment.put([*life(1), leak(1)])
                tell("Prometheus and Alertmanager are started; the leak is in the log")

                async def found() -> bool:
                    return bool(await deployment.commands())

                async def shown() -> bool:
                    alerts = await asyncio.to_thread(monitoring.alerts)
                    return any(each["labels"]["alertname"] == ALERT for each in alerts)

                async def sent() -> bool:
                    return any(each["labels"]["alertname"] == ALERT for each in told["security-page"])

                await until(found, "the command")
                tell("the revocation is asked for")
                await until(shown, "the alert")
                tell("Alertmanager shows the alert")
                await until(sent, "the notification")
                tell("the receiver has it")
        finally:
            deployment.end()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        asyncio.run(measure(Path(place)))
