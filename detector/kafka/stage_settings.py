"""A stage's clients and limits as the `[kafka]` table has them."""

from typing import Final, Literal, cast

from detector.configuration.kafka_settings import LiveSettings
from detector.kafka.clients import KafkaSettings, StageSettings
from detector.kafka.security import security_options
from detector.values.times import SECOND

Codec = Literal["gzip", "snappy", "lz4", "zstd"]
_NONE: Final = "none"
# Judging holds the event loop: a thousand events take up to a tenth of a second, and the scan stage waits as long.
_JUDGED: Final = 1000


def clients_of(live: LiveSettings) -> KafkaSettings:
    """How the brokers are reached.

    Raises:
        ConfigError: a certificate or key cannot be used.
    """
    return KafkaSettings(
        bootstrap=live.bootstrap,
        client_id=live.client_id,
        security=security_options(live.security),
        request_seconds=live.request_timeout / SECOND,
    )


def stage_of(
    live: LiveSettings, name: str, topics: tuple[str, ...] = (), pattern: str | None = None
) -> StageSettings:
    """The stage `name` of the group, reading those topics, or those that match.

    What a transaction costs apart from its records, about 3 ms of CPU, is shared by as many as are there: only a stage
    that is behind polls that many.
    """
    return StageSettings(
        group=f"{live.group}-{name}",
        topics=topics,
        pattern=pattern,
        poll_records=min(live.poll_records, _JUDGED) if name == "judge" else live.poll_records,
        partition_fetch_bytes=live.partition_fetch_bytes,
        fetch_bytes=live.fetch_bytes,
        batch_bytes=live.batch_bytes,
        record_bytes=live.record_bytes,
        compression=None if live.compression == _NONE else cast("Codec", live.compression),
        transaction_seconds=live.transaction_timeout / SECOND,
        rebalance_seconds=live.rebalance_timeout / SECOND,
        drain_seconds=live.drain_timeout / SECOND,
        session_seconds=live.session_timeout / SECOND,
        counts={topic.name: topic.partitions for topic in (live.topics.work, live.topics.state)},
    )
