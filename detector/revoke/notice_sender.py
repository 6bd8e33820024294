"""Sends notices beside the work: retried, in their order, and never waited for.

Each notice has a queue in memory. Where it is full or a receiver does not answer for long, notices are dropped, and the
log says so: the topic of outcomes has them all. A process that is killed loses those that it had not sent.
"""

import asyncio
import contextlib
import random
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Final

import aiohttp

from detector import __version__
from detector.configuration.revoke_settings import Notice, SecretFile
from detector.configuration.trust_keys import webhook_secret
from detector.fetch.answers import wait_of
from detector.kafka.authorities import trusting
from detector.revoke.handler import Told
from detector.revoke.notices import Message, alert_message, slack_message, wanted, webhook_message
from detector.values.errors import ConfigError
from detector.values.wording import Clean

MOST_WAITING: Final = 1000
ANSWER_SECONDS: Final = 10.0
KEEP_TRYING_SECONDS: Final = 900.0
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
_ACCEPTED: Final = range(200, 300)
_BUSY: Final = frozenset({408, 425, 429})
_FAILED: Final = 500


class _Refused(Exception):  # noqa: N818 - what a receiver says, not an error of ours
    """It will not take it: trying again does not help. The text says why."""


class _Later(Exception):  # noqa: N818 - as above
    """It did not take it now. `after` are seconds that it asked for."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        self.after = after
        super().__init__(reason)


class NoticeSender:
    """`clean` masks secrets; `observe` gets the name of a notice and why one was not sent, None if it was."""

    def __init__(
        self,
        notices: Sequence[Notice],
        clean: Clean,
        observe: Callable[[str, str | None], object],
        *,
        first_pause: float = FIRST_PAUSE,
        keep_trying: float = KEEP_TRYING_SECONDS,
    ) -> None:
        self._clean = clean
        self._observe = observe
        self._first_pause = first_pause
        self._keep_trying = keep_trying
        self._queues: dict[str, tuple[Notice, asyncio.Queue[Told]]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.use(notices)

    def use(self, notices: Sequence[Notice]) -> None:
        """Takes the notices of a new configuration. What waits for one of the same name is sent as that one says."""
        fresh = {notice.name: notice for notice in notices}
        for name in [name for name in self._queues if name not in fresh]:
            del self._queues[name]
            if name in self._tasks:
                self._tasks.pop(name).cancel()
        for name, notice in fresh.items():
            queue = self._queues[name][1] if name in self._queues else asyncio.Queue(MOST_WAITING)
            self._queues[name] = (notice, queue)

    def tell(self, told: Told) -> None:
        """Queues the notices of an outcome. It returns at once."""
        for name, (notice, queue) in self._queues.items():
            if not wanted(notice, told.command, told.outcome):
                continue
            if queue.full():
                self._observe(name, f"{MOST_WAITING} wait already, so one is dropped")
                continue
            queue.put_nowait(told)
            task = self._tasks.get(name)
            if task is None or task.done():
                self._tasks[name] = asyncio.create_task(self._work(name))

    async def close(self, seconds: float = 2.0) -> None:
        """Gives what waits a moment to be sent, and ends."""
        tasks = [task for task in self._tasks.values() if not task.done()]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, name: str) -> None:
        """Sends what waits for one notice, then ends."""
        async with contextlib.AsyncExitStack() as stack:
            sessions: dict[str | None, aiohttp.ClientSession] = {}
            while name in self._queues and not self._queues[name][1].empty():
                told = self._queues[name][1].get_nowait()
                try:
                    await self._send(name, told, sessions, stack)
                    self._observe(name, None)
                except _Refused as error:
                    self._observe(name, str(error))

    async def _send(
        self,
        name: str,
        told: Told,
        sessions: dict[str | None, aiohttp.ClientSession],
        stack: contextlib.AsyncExitStack,
    ) -> None:
        """Tries until it is sent.

        Raises:
            _Refused: the receiver will not take it, or did not for too long.
        """
        pause, until = self._first_pause, time.monotonic() + self._keep_trying
        while name in self._queues:
            notice = self._queues[name][0]
            try:
                if notice.ca_file not in sessions:
                    session = aiohttp.ClientSession(
                        connector=aiohttp.TCPConnector(ssl=trusting(notice.ca_file)),
                        cookie_jar=aiohttp.DummyCookieJar(),
                        timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
                    )
                    sessions[notice.ca_file] = await stack.enter_async_context(session)
                return await self._once(notice, told, sessions[notice.ca_file])
            except (_Later, ConfigError) as error:
                after = error.after if isinstance(error, _Later) else None
                wait = max(pause * (0.5 + random.random()), after or 0.0)  # noqa: S311 - jitter
                if time.monotonic() + wait > until:
                    raise _Refused(f"not sent, and given up: {error}") from None
            await asyncio.sleep(wait)
            pause = min(2 * pause, LONGEST_PAUSE)
        return None

    async def _once(self, notice: Notice, told: Told, session: aiohttp.ClientSession) -> None:
        """One try.

        Raises:
            _Refused, _Later: it was not taken.
            ConfigError: a file cannot be read.
        """
        message, headers = self._message(notice, told), {"Content-Type": "application/json"}
        url = notice.url or _text(notice.url_file)
        if notice.token is not None:
            headers["Authorization"] = f"Bearer {_text(notice.token)}"
        headers |= {"User-Agent": f"curfewd/{__version__}", **message.headers}
        address = url.rstrip("/") + message.path if message.path else url
        try:
            async with session.post(
                address, data=message.body, headers=headers, allow_redirects=False
            ) as answer:
                status, named = answer.status, {key.lower(): text for key, text in answer.headers.items()}
        except TimeoutError:
            raise _Later(f"no answer within {ANSWER_SECONDS:g} s") from None
        except (aiohttp.ClientConnectorCertificateError, ssl.SSLError):
            raise _Later("its certificate is not trusted: set ca_file to your authorities") from None
        except (aiohttp.InvalidURL, ValueError):
            raise _Refused("its URL is none") from None
        except (aiohttp.ClientError, OSError):
            raise _Later("it cannot be reached, or answers no HTTP") from None
        if status in _ACCEPTED:
            return
        if status in _BUSY or status >= _FAILED:
            raise _Later(f"it answers HTTP {status}", wait_of(status, named, b"", time.time()))
        raise _Refused(f"it does not accept the notice: HTTP {status}")

    def _message(self, notice: Notice, told: Told) -> Message:
        command, outcome = told.command, told.outcome
        if notice.type == "slack":
            return slack_message(command, outcome, self._clean)
        if notice.type == "alertmanager":
            return alert_message(command, outcome, self._clean)
        assert notice.secret is not None  # noqa: S101 - a webhook without one is a mistake in the configuration
        try:
            secret = webhook_secret(_text(notice.secret))
        except ValueError as error:
            raise ConfigError(f"{notice.secret.key}: {error}") from None
        return webhook_message(command, outcome, self._clean, secret, int(time.time()))


def _text(file: SecretFile | None) -> str:
    """The text in a file; empty if there is none.

    Raises:
        ConfigError: it cannot be read, or is not ASCII.
    """
    if file is None:
        return ""
    try:
        return file.read().reveal().decode("ascii").strip()
    except UnicodeDecodeError:
        raise ConfigError(f"{file.key}: not ASCII") from None
