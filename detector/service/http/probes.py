"""The port of the probes, served by a thread of its own: it answers however busy the event loop of the service is.

What it answers tells a busy loop from a hung one (`detector.service.observability.readiness`). Were the probes on the
port of the metrics, whoever takes all its connections could have the process restarted.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from threading import Thread
from typing import Final, Self

from detector.configuration.service_settings import Address
from detector.service.http.connection_limits import Limits, Refused
from detector.service.http.server import CLOSE_SECONDS, HttpServer, Page

LIMITS: Final = Limits(connections=64, share=64)
SETTING: Final = "service.probes"


class ProbeServer:
    """Serves `pages` while its context is open. They and `observe` are called in its thread.

    `setting` is what the configuration calls its address.
    """

    def __init__(
        self,
        address: Address,
        pages: Mapping[str, Page],
        observe: Callable[[Refused], None] = lambda _: None,
        *,
        setting: str = SETTING,
    ) -> None:
        self._server = HttpServer(address, pages, setting=setting, limits=LIMITS, observe=observe)
        self._thread = Thread(target=self._run, name="probes", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end = asyncio.Event()
        self._opened: Future[Address] = Future()
        self.address = address

    async def __aenter__(self) -> Self:
        """Listens.

        Raises:
            UsageError: the address cannot be had.
        """
        self._thread.start()
        self.address = await asyncio.wrap_future(self._opened)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._end.set)
        await asyncio.to_thread(self._thread.join, 2 * CLOSE_SECONDS)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - whoever waits for the port gets it
            if not self._opened.done():
                self._opened.set_exception(error)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with self._server as server:
            self._opened.set_result(server.address)
            await self._end.wait()
