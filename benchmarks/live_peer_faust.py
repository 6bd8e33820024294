"""The scan written on Faust (faust-streaming), in the peers' environment: batches by `take_events`.

`exactly_once` or `at_least_once`, the second argument.
"""

import sys
import time
from typing import Any

import faust

from benchmarks.live_job import Job
from benchmarks.live_peer_scan import Scan, job


def application(given: Job, scan: Scan, guarantee: str) -> Any:
    """The app with its one agent."""
    app = faust.App(
        given.group,
        broker=f"aiokafka://{given.bootstrap}",
        store="memory://",
        processing_guarantee=guarantee,
        datadir=given.folder,
        topic_disable_leader=True,
        topic_replication_factor=1,
        consumer_auto_offset_reset="earliest",
        stream_buffer_maxsize=given.batch * 4,
        broker_max_poll_records=given.batch,
        web_enabled=False,
        value_serializer="raw",
        key_serializer="raw",
    )
    source = app.topic(given.source, value_type=bytes, key_type=bytes)
    target = app.topic(given.target, value_type=bytes, key_type=bytes)

    @app.agent(source)  # type: ignore[untyped-decorator]  # typed where it is installed
    async def findings(stream: Any) -> None:
        async for events in stream.take_events(given.batch, within=0.2):
            by_partition: dict[int, list[Any]] = {}
            for event in events:
                by_partition.setdefault(event.message.partition, []).append(event.message)
            for partition, messages in by_partition.items():
                for key, value in scan(given.source, partition, messages):
                    await target.send(key=key, value=value)

    return app


if __name__ == "__main__":
    asked = job()
    app = application(asked, Scan(asked), sys.argv[2])
    print("ready", time.time(), flush=True)
    worker = faust.Worker(app, loglevel="error")
    worker.execute_from_commandline()
