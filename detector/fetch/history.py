"""What both providers have in common: units of history (a run, a pipeline) with jobs, and a log for each job.

A unit is one file of JSON lines, as the API answered them: the unit first, then its jobs. It is written after the logs
of its jobs, so a unit that is there is complete, and is not fetched again unless it has changed since.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from detector.fetch.answers import ApiError, GoneError, TooLargeError, UnreachableError
from detector.fetch.client import ApiClient
from detector.fetch.folder import Folder, new_file
from detector.terminal.progress import Meter
from detector.values.times import SECOND, format_rfc3339

PER_PAGE: Final = "100"
_MAX_ID: Final = 1 << 63
_MAX_FAILED: Final = 20  # logs; then something else is wrong
_MAX_UNIT: Final = 1 << 30  # bytes of a unit's file
NOT_DOCUMENTED: Final = "its answer is not what its documentation says: is --api-url right?"


class Window(msgspec.Struct, frozen=True):
    """From when to when, in nanoseconds; both belong to it."""

    since: int
    until: int


class Counts(msgspec.Struct):
    """What is in the folder now. `failed` are logs that could not be fetched, `reason` is why the last one could not.

    `present` are units that were there before, `missing` units that the API did not list though it counted them.
    """

    units: int = 0
    jobs: int = 0
    logs: int = 0
    size: int = 0
    present: int = 0
    running: int = 0
    gone: int = 0
    too_large: int = 0
    failed: int = 0
    missing: int = 0
    reason: str = ""


class Log(msgspec.Struct, frozen=True):
    """A job that may have a log: the path of the log at the API, and the name of its file."""

    path: str
    name: str


class Fetcher(msgspec.Struct):
    """What every part of a fetch works with."""

    client: ApiClient
    folder: Folder
    window: Window
    counts: Counts
    meter: Meter
    connections: int


def number(record: Any, name: str) -> int:
    """A positive whole number: an id, which becomes part of a file's name.

    Raises:
        ApiError: it is none.
    """
    value = record.get(name) if isinstance(record, dict) else None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < _MAX_ID:
        raise ApiError(NOT_DOCUMENTED)
    return value


def listed(page: Any, name: str | None = None) -> list[dict[str, Any]]:
    """The objects of a page: an array, or the field `name` of an object.

    Raises:
        ApiError: it has another form.
    """
    values = page if name is None else page.get(name) if isinstance(page, dict) else None
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise ApiError(NOT_DOCUMENTED)
    return values


def text_of(record: Mapping[str, Any], name: str) -> str:
    """A text of an answer.

    Raises:
        ApiError: it is none.
    """
    value = record.get(name)
    if not isinstance(value, str):
        raise ApiError(NOT_DOCUMENTED)
    return value


async def names_of(
    client: ApiClient, path: str, parameters: Mapping[str, str], field: str, gone: str
) -> list[str]:
    """The names in a list, in order; `gone` says what is wrong where there is no such list.

    Raises:
        ApiError: there is none, or it cannot be asked.
    """
    try:
        pages = [page async for page in client.pages(path, {**parameters, "per_page": PER_PAGE})]
    except GoneError:
        raise ApiError(f"{client.url.host}: {gone}") from None
    return sorted(text_of(each, field) for page in pages for each in listed(page))


async def subject(client: ApiClient, path: str, field: str, gone: str) -> tuple[Any, str]:
    """A repository or project, and its full name as the API writes it.

    Raises:
        ApiError: it is not there, or cannot be asked.
    """
    try:
        answer = await client.json(path)
    except GoneError:
        raise ApiError(f"{client.url.host}: {gone}") from None
    return answer, text_of(answer if isinstance(answer, dict) else {}, field)


def whole_seconds(time: int) -> str:
    """A time as both APIs take it, rounded down to the second."""
    return format_rfc3339(time // SECOND * SECOND)


def stored(path: Path) -> list[dict[str, Any]]:
    """The lines of a unit's file; empty if it is not there or is none."""
    try:
        if path.stat().st_size > _MAX_UNIT:
            return []
        return [
            each
            for each in map(msgspec.json.decode, path.read_bytes().splitlines())
            if isinstance(each, dict)
        ]
    except (OSError, msgspec.DecodeError):
        return []


def write_unit(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """The file of a unit: a line for each object."""
    with new_file(path) as file:
        for line in lines:
            file.write(msgspec.json.encode(line) + b"\n")
        file.keep()


async def fetch_logs(fetcher: Fetcher, folder: Path, logs: Iterable[Log]) -> bool:
    """Fetches what is not there yet; whether nothing has to be tried again."""
    complete = True
    for log in logs:
        complete = await _fetch_log(fetcher, folder / log.name, log.path) and complete
    return complete


def count_logs(counts: Counts, folder: Path, logs: Iterable[Log]) -> None:
    """Counts what an earlier command has brought. A log that is not there was gone already."""
    for log in logs:
        if not _count_log(counts, folder / log.name):
            counts.gone += 1


def _count_log(counts: Counts, path: Path) -> bool:
    """Counts a log that is there; whether it is."""
    try:
        counts.size += path.stat().st_size
    except FileNotFoundError:
        return False
    counts.logs += 1
    return True


async def _fetch_log(fetcher: Fetcher, path: Path, address: str) -> bool:
    counts = fetcher.counts
    if _count_log(counts, path):
        return True
    with new_file(path) as file:

        def begin() -> Callable[[bytes], object]:
            file.empty()
            return file.write

        try:
            size = await fetcher.client.download(address, begin)
        except GoneError:
            counts.gone += 1
            return True
        except TooLargeError:
            counts.too_large += 1
            return True
        except UnreachableError as error:
            counts.failed += 1
            counts.reason = str(error)
            if counts.failed > _MAX_FAILED:
                raise
            return False
        if not size:  # no log is empty: it was erased
            counts.gone += 1
            return True
        file.keep()
    counts.logs += 1
    counts.size += size
    return True


async def each_of(
    fetcher: Fetcher, units: Sequence[dict[str, Any]], work: Callable[[dict[str, Any]], Awaitable[None]]
) -> None:
    """Does `work` for each unit, some at once, and shows how far it is.

    Raises:
        ApiError, OSError: the first that one of them raises; the others are given up.
    """
    free = asyncio.Semaphore(fetcher.connections)

    async def one(unit: dict[str, Any]) -> None:
        async with free:
            await work(unit)
        fetcher.meter.advance(1)

    try:
        async with asyncio.TaskGroup() as group:
            for unit in units:
                group.create_task(one(unit))
    except BaseExceptionGroup as errors:
        raise _first(errors) from None


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
