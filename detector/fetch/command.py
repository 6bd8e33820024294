"""`curfewd fetch`: the token, the address and the window, each repository or project, and what was brought."""

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Final

import msgspec
from yarl import URL

from detector.fetch import github, gitlab
from detector.fetch.client import ApiClient, Limits, connected, is_safe
from detector.fetch.folder import Folder, opened
from detector.fetch.history import Counts, Fetcher, Window
from detector.fetch.request import GITHUB, GITLAB, Request
from detector.terminal.output import say, shown, why
from detector.terminal.progress import meter
from detector.values.bounded_files import SECRET_BYTES, BadFileError, read_bounded
from detector.values.errors import InputError, UsageError
from detector.values.secrets import Secret
from detector.values.times import SECOND, format_rfc3339
from detector.values.wording import counted, size

_VARIABLES: Final = {GITHUB: ("GITHUB_TOKEN", "GH_TOKEN"), GITLAB: ("GITLAB_TOKEN",)}
_MAX_TOKEN: Final = 4096
_SOON: Final = 5 * SECOND  # shorter waits are not worth a line


class Fetched(msgspec.Struct, frozen=True):
    """What is in the folder, in lines for a person; `complete` if nothing has to be tried again."""

    lines: tuple[str, ...]
    warnings: tuple[str, ...]
    complete: bool


def fetch(request: Request, environment: Mapping[str, str], limits: Limits | None = None) -> Fetched:
    """Brings the histories into the folder, and says what is there now.

    Raises:
        UsageError: the request, the token or the folder is wrong, or the API cannot be asked.
    """
    provider = _provider(request)
    url = _address(request, provider)
    token = _token(request, environment)
    if request.since > request.until:
        raise UsageError("--since is later than --until: there is nothing between them")
    counts = Counts()
    with opened(request.out) as folder:
        shared = folder.open_to_others
        try:
            asyncio.run(_fetch(request, provider, url, token, folder, counts, limits))
        except OSError as error:  # of the folder: those of the network have lines of their own
            raise InputError(
                f"{shown(request.out)}: {why(error)}: fix that, and run the same command again"
            ) from None
    return _told(request, counts, shared=shared)


def _provider(request: Request) -> ModuleType:
    if request.provider == GITHUB:
        for name in request.names:
            if not github.is_repository(name):
                raise UsageError(f"--repo {shown(name)}: write OWNER/REPO, as in the repository's address")
        for name in request.owners:
            if not github.is_owner(name):
                raise UsageError(f"--org {shown(name)}: write the organisation's name, as in its address")
        return github
    for option, names in (("--project", request.names), ("--group", request.owners)):
        for name in names:
            if not gitlab.is_path(name):
                raise UsageError(f"{option} {shown(name)}: write its path, GROUP/PROJECT, or its id")
    return gitlab


def _address(request: Request, provider: ModuleType) -> URL:
    try:
        url = URL(request.api_url or provider.API)
        usable = bool(url.host) and is_safe(url) and url.user is None and not url.query and not url.fragment
    except ValueError:
        usable = False
    if not usable:
        raise UsageError(
            "--api-url: write the address of the REST API, as https://github.example.com/api/v3 or "
            "https://gitlab.example.com/api/v4 (http:// on this machine only)"
        )
    return url


def _token(request: Request, environment: Mapping[str, str]) -> Secret | None:
    """The token of the file, else of the environment. GitHub gives no log without one."""
    variables = _VARIABLES[request.provider]
    if request.token_file is not None:
        try:
            value = read_bounded(request.token_file, SECRET_BYTES)
        except BadFileError as error:
            raise UsageError(f"{shown(request.token_file)}: {error}") from None
        where = shown(request.token_file)
    else:
        where = next((name for name in variables if environment.get(name)), "")
        value = os.fsencode(environment.get(where, ""))
    value = value.strip()
    if not value and request.provider == GITLAB and request.token_file is None:
        return None
    if not value:
        raise UsageError(
            f"no token: set {variables[0]} or name a file with --token-file"
            if not where
            else f"{where}: there is no token in it"
        )
    if len(value) > _MAX_TOKEN or not all(0x21 <= byte <= 0x7E for byte in value):  # noqa: PLR2004 - the ASCII that prints
        raise UsageError(
            f"{where}: this is not a token: it has spaces, lines or other characters that no token has"
        )
    return Secret(value)


async def _fetch(  # noqa: PLR0913, PLR0917 - what the command was told, and where it puts it
    request: Request,
    provider: ModuleType,
    url: URL,
    token: Secret | None,
    folder: Folder,
    counts: Counts,
    limits: Limits | None,
) -> None:
    headers = provider.headers(None if token is None else token.reveal().decode("ascii"))
    async with connected(
        url, headers, connections=request.connections, waiting=_waiting, limits=limits
    ) as client:
        with meter(counting=True) as shown_meter:
            window = Window(request.since, request.until)
            fetcher = Fetcher(client, folder, window, counts, shown_meter, request.connections)
            for name in await _names(request, client):
                await provider.fetch(fetcher, name)


async def _names(request: Request, client: ApiClient) -> Sequence[str]:
    """The repositories or projects, each once, without regard to case."""
    names = list(request.names)
    for owner in request.owners:
        found = (
            await github.repositories_of(client, owner)
            if request.provider == GITHUB
            else await gitlab.projects_of(client, owner)
        )
        names += [
            name
            for name in found
            if (github.is_repository if request.provider == GITHUB else gitlab.is_path)(name)
        ]
    return list({name.lower(): name for name in reversed(names)}.values())[::-1]


def _waiting(seconds: float) -> None:
    if seconds * SECOND >= _SOON:
        until = format_rfc3339(time.time_ns() + round(seconds * SECOND) // SECOND * SECOND)
        say(
            f"curfewd: the API's rate limit is reached: waiting until {until[:19]}Z. Ctrl-C stops; the same command goes "
            "on from here"
        )


def _told(request: Request, counts: Counts, *, shared: bool) -> Fetched:
    unit, log = ("run", "log") if request.provider == GITHUB else ("pipeline", "trace")
    brought = f"{counted(counts.units, unit)}, {counted(counts.jobs, 'job')} and {counted(counts.logs, log)}"
    lines = [
        f"{shown(request.out)} has {brought} ({size(counts.size)}); {counts.present:,} of the {unit}s were there already"
    ]
    if counts.running:
        lines.append(f"{counted(counts.running, 'job')} still running: run the same command again later")
    lines.append(f"next: curfewd replay {shown(request.out)}")
    warnings = []
    if shared:
        warnings.append(
            f"{shown(request.out)}: users other than its owner can enter this folder, and logs hold secrets: chmod 700"
        )
    if counts.gone:
        warnings.append(
            f"{counted(counts.gone, log)} gone: they expired or were deleted; what they showed cannot be found"
        )
    if counts.too_large:
        warnings.append(
            f"{counted(counts.too_large, log)} larger than 2 GiB, not fetched: download them by hand, under the "
            "names that the documentation gives"
        )
    if counts.missing:
        warnings.append(
            f"{counted(counts.missing, unit)} missing: the API counted but did not return them; try a shorter window"
        )
    if counts.failed:
        warnings.append(
            f"{counted(counts.failed, log)} could not be fetched, the last because of this: {counts.reason}"
        )
    return Fetched(tuple(lines), tuple(warnings), complete=not counts.failed)
