"""`curfewd run`: settings, log and loop around the service."""

import asyncio
import contextlib
import gc
import resource
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from detector.configuration.settings import Settings
from detector.service.allocator import bound_arenas
from detector.service.observability.logs import LogMask, make_log, route_libraries
from detector.service.rights import Which
from detector.service.service import Service
from detector.service.state_lock import state_locked
from detector.service.workers import Workers
from detector.terminal.output import say
from detector.values.errors import CurfewdError, UsageError
from detector.values.shortage import MEMORY, shortage

DONE: Final = 0
FAILED: Final = 2
# Records are short-lived and hold no cycles; what Kafka's client drops does.
_COLLECTED: Final = (50_000, 20, 20)


def run_service(config: str, which: Which) -> int:
    """Runs the service until a signal; the exit code.

    Raises:
        UsageError: the configuration is wrong.
    """
    settings = Settings.load(config)
    settings.live()
    if settings.service.workers > 1 and settings.revoke.approvers:
        raise UsageError(
            "revoke.approver: approvals are given on the port of one process: set service.workers = 1"
        )

    async def work(log: Any, mask: LogMask) -> int:
        async with state_locked(Path(settings.service.state), settings.live().client_id, log.warning) as lock:
            if settings.service.workers > 1:
                return await Workers(settings, config, which, log, lock).run()
            await Service(settings, which, lambda: Settings.load(config), log, mask).run()
        return DONE

    return run_process(settings, work)


def _raise_file_limit() -> None:
    """A restore has some sixty files of each partition open, and many systems allow a process 1,024 unless it asks."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def run_process(settings: Settings, work: Callable[[Any, LogMask], Coroutine[Any, Any, int | None]]) -> int:
    """Runs the work of a process of the service, which gets the log and its mask; the exit code."""
    log_mask = LogMask()
    log = make_log(settings.service.log_format, settings.service.log_level, log_mask=log_mask)
    if settings.service.worker is not None:
        log = log.bind(worker=settings.service.worker)
    route_libraries(log)
    gc.set_threshold(*_COLLECTED)
    _raise_file_limit()
    bound_arenas()
    try:
        return asyncio.run(work(log, log_mask)) or DONE
    except CurfewdError as error:
        return _failed(log, error)
    except Exception as error:
        lacking = shortage(error)
        if lacking is None:
            raise
        return _failed(log, lacking)


def _failed(log: Any, error: CurfewdError) -> int:
    try:
        log.error("cannot go on", why=str(error))
    except MemoryError:  # to mask it takes memory
        say(f"curfewd: {MEMORY}")
    return FAILED
