"""`curfewd receive`: one process, from its start to a clean end.

1. The ports open. The probes say that it is not ready until the sink is.
2. With Kafka it waits for the brokers as long as that takes, and checks that it may write to each topic.
3. SIGHUP: `[[receive.source]]` and the secrets are read again, and the certificate too.
4. SIGTERM and SIGINT: it is no longer ready and stops listening. Requests that have arrived are answered, within
   `receive.drain_timeout`.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from detector import __version__
from detector.configuration.receive_settings import ReceiveSettings
from detector.configuration.settings import Settings
from detector.ingest.mapped_adapter import configured_classifier
from detector.kafka.acls import Right, check_rights
from detector.kafka.connection_check import reach
from detector.kafka.topics import TopicAdmin
from detector.receive.delivery import REASONS
from detector.receive.file_sink import FileSink
from detector.receive.issuer_keys import IssuerKeys
from detector.receive.kafka_sink import KafkaSink
from detector.receive.port import Received, ReceivePort, RefusedRequest
from detector.receive.sinks import Sink
from detector.receive.sources import make_source
from detector.receive.tls import ReloadedTls
from detector.service.compiling import compile_beside
from detector.service.http.probes import ProbeServer
from detector.service.http.server import probe_answer
from detector.service.lifecycle import Lifecycle, end
from detector.service.observability import series
from detector.service.observability.http_log import HttpLog
from detector.service.observability.logs import LogMask
from detector.service.observability.metrics import Metrics, MetricsPage
from detector.service.observability.operator_log import RepeatLimit
from detector.service.observability.readiness import Readiness
from detector.service.stage_settings import connection_of
from detector.values.errors import ConfigError, RetryError, StopError, UsageError
from detector.values.times import SECOND
from detector.values.wording import Fixed, masked

_STAGE: Final = "receive"
_LOOK_SECONDS: Final = 1.0


class ReceiveService:
    """One process. `reread` gives the settings as they are now, for SIGHUP; `out` replaces Kafka."""

    def __init__(
        self,
        settings: Settings,
        out: str | None,
        reread: Callable[[], Settings],
        log: Any,
        log_mask: LogMask,
    ) -> None:
        self._settings = settings
        self._reread = reread
        self._log = log
        self._clean = log_mask.clean
        self._metrics = Metrics(self._clean)
        self._readiness = Readiness(settings.service.ready_lag)
        self._metrics.set_function(series.READY, lambda: float(self._readiness.ready() is None))
        self._metrics.add(series.RELOADS, "refused", amount=0)
        self._lifecycle = Lifecycle(self._readiness, log, "what has arrived is answered")
        self._limit = RepeatLimit(time.monotonic)
        self._reload = asyncio.Event()
        self._keys: dict[str, IssuerKeys] = {}
        self._tls = None if settings.receive.tls is None else ReloadedTls(settings.receive.tls)
        topics = (source.topic for source in settings.receive.sources)
        self._sink: Sink = (
            KafkaSink(settings.live(), self._unwritten) if out is None else FileSink(Path(out), topics)
        )
        self._to_kafka = out is None

    async def run(self) -> None:
        """Works until a signal.

        Raises:
            UsageError: a port, a certificate or the file cannot be used.
            StopError: it cannot go on, and a person has to know why.
        """
        receive = self._settings.receive
        refused = HttpLog("receive", self._metrics, self._log).observe
        port = ReceivePort(receive, self._sink, self._observe, refused, self._tls)
        self._metrics.set_function(series.RECEIVE_WAITING, lambda: float(port.waiting.bytes))
        if (tls := self._tls) is not None:
            self._metrics.set_function(series.RECEIVE_CERTIFICATE, lambda: tls.expires)
        self._use(port, self._settings)
        self._lifecycle.listen(self._reload.set)
        probed = {
            "/healthz": lambda _: probe_answer(self._masked(self._readiness.alive())),
            "/readyz": lambda _: probe_answer(self._masked(self._readiness.ready())),
            "/metrics": MetricsPage(self._metrics).page,
        }
        refused = HttpLog("probes", self._metrics, self._log).observe
        probes = ProbeServer(receive.probes, probed, refused, setting="receive.probes")
        async with probes, self._lifecycle.turning():
            if await compile_beside(self._lifecycle, self._readiness, self._log):
                await port.open()
                self._log.info(
                    "started",
                    version=__version__,
                    listen=str(port.address),
                    probes=str(probes.address),
                    tls=self._tls is not None,
                    sources=[source.name for source in receive.sources],
                )
                self._warn(receive)
                await self._work(port, receive)
        await self._sink.close()
        if self._lifecycle.failure is not None:
            raise self._lifecycle.failure
        self._log.info(Fixed("stopped"))

    async def _work(self, port: ReceivePort, receive: ReceiveSettings) -> None:
        tasks = [self._lifecycle.watched(self._run_sink()), self._lifecycle.watched(self._look(port))]
        if self._tls is not None:
            tasks.append(self._lifecycle.watched(self._tls.watch(self._certificate_read)))
        try:
            await self._lifecycle.stopping.wait()
            await port.close(receive.drain_timeout / SECOND)
        finally:
            await end(*tasks)

    async def _run_sink(self) -> None:
        if self._to_kafka:
            await self._lifecycle.retry(self._check_topics, "cannot reach Kafka yet")
        self._readiness.assigned(_STAGE)
        if not self._lifecycle.stopping.is_set():
            self._readiness.waiting = None
        await self._sink.run()

    async def _check_topics(self) -> None:
        """Raises RetryError or StopError if the topics cannot be written."""
        connection = connection_of(self._settings.live())
        await reach(connection)
        topics = sorted({source.topic for source in self._settings.receive.sources})
        await check_rights(connection, [Right("topic", topic, "Write") for topic in topics])
        async with TopicAdmin(connection, "looking for the topics") as admin:
            found = await admin.partitions(topics)
        missing = [topic for topic in topics if topic not in found]
        if missing:
            raise StopError(
                f"there is no topic {', '.join(missing)}: create it (`curfewd topics create --inputs` creates those of "
                "kafka.event_topics and log_topics)"
            )

    async def _look(self, port: ReceivePort) -> None:
        """Tells the probes how the sink is, and reads the sources again when that is asked."""
        while True:
            self._readiness.update(_STAGE, {}, 0.0, self._sink.problem)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._reload.wait(), _LOOK_SECONDS)
            if self._reload.is_set():
                self._reload.clear()
                await self._read_again(port)

    async def _read_again(self, port: ReceivePort) -> None:
        try:
            settings = await asyncio.to_thread(self._reread)
            known = {source.topic for source in self._settings.receive.sources}
            _refuse_others({source.topic for source in settings.receive.sources} - known)
            self._use(port, settings)
            if self._tls is not None:
                self._tls.load()
        except UsageError as error:
            self._log.error("the configuration was not reloaded, the old one stays in force", why=str(error))
            self._metrics.add(series.RELOADS, "refused")
            return
        self._metrics.add(series.RELOADS, "done")
        self._log.info(
            "the sources are reloaded", sources=[source.name for source in settings.receive.sources]
        )
        self._warn(settings.receive)

    def _warn(self, receive: ReceiveSettings) -> None:
        for warning in receive.warnings:
            self._log.warning("a sender may do more than it needs", why=warning)

    def _use(self, port: ReceivePort, settings: Settings) -> None:
        entries, classifier = settings.receive.sources, configured_classifier(settings.sources)
        port.use([make_source(entry, self._keys_at, self._sink, classifier) for entry in entries])
        for entry in entries:  # from the first on, so that an increase shows the first of all
            self._metrics.add(series.RECEIVED, entry.name, amount=0)
            for reason in REASONS:
                self._metrics.add(series.RECEIVE_REFUSED, entry.name, reason, amount=0)

    def _keys_at(self, url: str) -> IssuerKeys:
        return self._keys.setdefault(url, IssuerKeys(url))

    def _certificate_read(self, error: ConfigError | None) -> None:
        if error is None:
            self._log.info("the certificate has changed and was read again")
        else:
            self._log.error(
                "the certificate has changed and cannot be used, the old one stays", why=str(error)
            )

    def _unwritten(self, error: RetryError) -> None:
        if (more := self._limit("unwritten")) is not None:
            self._log.warning("Kafka does not accept what arrives, trying again", why=str(error), **more)

    def _masked(self, why: str | None) -> str | None:
        return None if why is None else masked(why, self._clean)

    def _observe(self, fact: Received | RefusedRequest) -> None:
        metrics = self._metrics
        if isinstance(fact, Received):
            metrics.add(series.RECEIVED, fact.source)
            metrics.add(series.RECEIVED_RECORDS, fact.source, amount=fact.records)
            metrics.add(series.RECEIVED_BYTES, fact.source, amount=fact.size)
            metrics.time(series.RECEIVE_SECONDS, fact.seconds, fact.source)
            return
        metrics.add(series.RECEIVE_REFUSED, fact.source, fact.reason)
        more = self._limit(fact.source, fact.reason)
        if more is not None:
            told = {} if fact.error is None else {"error": fact.error}
            self._log.warning(
                "a request is refused",
                source=fact.source,
                why=fact.reason,
                client=fact.client,
                **told,
                **more,
            )


def _refuse_others(topics: set[str]) -> None:
    """Raises UsageError if there are topics: nobody has looked whether they can be written."""
    if topics:
        raise UsageError(f"new topics need a restart: {', '.join(sorted(topics))}")
