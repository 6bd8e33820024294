"""SIGHUP: patterns, allowlist and policy are read again. What a new start alone can change is only reported."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from detector.configuration.allowlist import Allowlist
from detector.configuration.settings import Settings
from detector.configuration.trust_settings import TrustEntry
from detector.registry.finders import Finders
from detector.scan.scanner import PatternScanner
from detector.scan.scanner_loader import load_scanner
from detector.service.observability import series
from detector.service.observability.metrics import Metrics
from detector.values.errors import UsageError


class Reloaded(msgspec.Struct, frozen=True):
    """The settings and the scanner that are in force now."""

    settings: Settings
    scanner: PatternScanner


class Reloads:
    """Reloads the configuration when asked. `read` gives the settings as they are now; `log` is structlog's."""

    def __init__(self, settings: Settings, read: Callable[[], Settings], metrics: Metrics, log: Any) -> None:
        self._settings = settings
        self._read = read
        self._metrics = metrics
        self._log = log
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Asks for a reload. A signal handler of the loop may call it."""
        self._log.info("reading patterns and policy again", why="SIGHUP")
        self._asked.set()

    async def run(self, finders: Finders) -> None:
        """Reloads patterns whenever asked, until it is cancelled."""
        while True:
            await self._asked.wait()
            await self._reload(finders)

    async def next(self, finders: Finders, until: "asyncio.Task[Any]") -> Reloaded | None:
        """Waits for a reload, and gives what is new. None if the configuration is wrong, or that task ends first."""
        asked = asyncio.create_task(self._asked.wait())
        try:
            await asyncio.wait([asked, until], return_when=asyncio.FIRST_COMPLETED)
        finally:
            asked.cancel()
        return await self._reload(finders) if self._asked.is_set() else None

    async def _reload(self, finders: Finders) -> Reloaded | None:
        self._asked.clear()
        try:
            settings = await asyncio.to_thread(self._read)
            scanner, warnings = await asyncio.to_thread(load_scanner, settings.patterns)
        except UsageError as error:
            self._log.error("the configuration was not reloaded, the old one stays in force", why=str(error))
            self._metrics.add(series.RELOADS, "refused")
            return None
        for warning in warnings:
            self._log.warning(warning)
        kept = {
            name: getattr(self._settings, name) for name in ("kafka", "service", "keys", "sources", "trust")
        }
        if any(_said(getattr(settings, name)) != _said(value) for name, value in kept.items()):
            self._log.warning("changes to [kafka], [service], sources, [[trust]] and keys need a restart")
        finders.reload(scanner, Allowlist(settings.allows))
        self._metrics.add(series.RELOADS, "done")
        self._log.info("patterns and policy reloaded", patterns=len(scanner.patterns))
        return Reloaded(Settings(policy=settings.policy, patterns=settings.patterns, **kept), scanner)


def _said(value: Any) -> Any:
    """A part of the settings without the lines on which its `[[trust]]` entries stand."""
    if not isinstance(value, tuple):
        return value
    return tuple(
        msgspec.structs.replace(one, line=None) if isinstance(one, TrustEntry) else one for one in value
    )
