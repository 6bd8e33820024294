"""What the `[kafka]` table means for the connection and for each stage."""

from typing import Final, Literal, cast

from detector.configuration.kafka_settings import KafkaSettings
from detector.kafka.clients import StageSettings
from detector.kafka.connection import ConnectionSettings, secured
from detector.values.times import SECOND

Codec = Literal["gzip", "snappy", "lz4", "zstd"]
_NONE: Final = "none"
# Judging holds the event loop: a thousand events take up to a tenth of a second, and the scan stage waits as long.
_MOST_JUDGED: Final = 1000


def connection_of(live: KafkaSettings) -> ConnectionSettings:
    """How the brokers are reached.

    Raises:
        ConfigError: a certificate or key cannot be used.
    """
    return secured(
        live.bootstrap,
        live.security,
        client_id=live.client_id,
        request_seconds=live.request_timeout / SECOND,
    )


def stage_of(
    live: KafkaSettings, name: str, topics: tuple[str, ...] = (), pattern: str | None = None
) -> StageSettings:
    """The stage `name` of the group, which reads those topics, or those whose names match.

    A transaction costs about 3 ms of CPU beside its records, a poll without outputs less. A poll takes as many records
    as there are, so only a stage that is behind polls `poll_records`.
    """
    return StageSettings(
        group=f"{live.group}-{name}",
        topics=topics,
        pattern=pattern,
        poll_records=min(live.poll_records, _MOST_JUDGED) if name == "judge" else live.poll_records,
        partition_fetch_bytes=live.partition_fetch_bytes,
        fetch_bytes=live.fetch_bytes,
        batch_bytes=live.batch_bytes,
        record_bytes=live.record_bytes,
        compression=None if live.compression == _NONE else cast("Codec", live.compression),
        transaction_seconds=live.transaction_timeout / SECOND,
        rebalance_seconds=live.rebalance_timeout / SECOND,
        drain_seconds=live.drain_timeout / SECOND,
        session_seconds=live.session_timeout / SECOND,
        columns=name in {"scan", "judge"},
        counts={topic.name: topic.partitions for topic in (live.topics.work, live.topics.state)},
    )
