"""What `curfewd fetch` is asked for, and how the command line says it. Importing this loads no HTTP client."""

import argparse
import time
from typing import Final, NamedTuple

from detector.values.errors import UsageError
from detector.values.times import read_moment

GITHUB: Final = "github"
GITLAB: Final = "gitlab"
_MOST: Final = 32  # connections; more would only meet the rate limit
_PROVIDERS: Final = (
    (
        GITHUB,
        "GitHub",
        "GITHUB_TOKEN or GH_TOKEN",
        ("--repo", "OWNER/REPO", "a repository"),
        ("--org", "ORG"),
    ),
    (GITLAB, "GitLab", "GITLAB_TOKEN", ("--project", "GROUP/PROJECT", "a project"), ("--group", "GROUP")),
)


class Request(NamedTuple):
    """What was asked for. `names` are repositories or projects, `owners` organisations or groups; times in ns."""

    provider: str
    names: tuple[str, ...]
    owners: tuple[str, ...]
    since: int
    until: int
    out: str
    api_url: str | None
    token_file: str | None
    connections: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `curfewd fetch`."""
    providers = parser.add_subparsers(dest="provider", metavar="github|gitlab", required=True)
    for provider, title, variables, (option, form, thing), (above, above_form) in _PROVIDERS:
        one = providers.add_parser(
            provider,
            help=f"from {title}; the token is in {variables}, or --token-file",
            description=f"Download runs, jobs and logs from {title}. The token is in {variables}, or in --token-file.",
        )
        for name, dest, metavar, help_text in (
            (option, "names", form, f"{thing} to download (may be repeated)"),
            (
                above,
                "owners",
                above_form,
                "download all that the token can see in this organisation or group (may be repeated)",
            ),
        ):
            one.add_argument(name, dest=dest, metavar=metavar, action="append", default=[], help=help_text)
        one.add_argument(
            "--since",
            metavar="TIME",
            type=_ago,
            required=True,
            help="a time, a day, or how long ago: 7d, 12h",
        )
        one.add_argument("--until", metavar="TIME", type=_ago, help="the same (by default now)")
        one.add_argument(
            "--out", metavar="DIR", default="fetched", help="write into this folder (by default fetched)"
        )
        one.add_argument("--api-url", metavar="URL", help="the REST API of your own server")
        one.add_argument("--token-file", metavar="F", help="read the token from this file")
        one.add_argument(
            "--connections", metavar="N", type=_connections, default=4, help="requests at once (by default 4)"
        )


def request_of(options: argparse.Namespace, now: int) -> Request:
    """The request that was written.

    Raises:
        UsageError: it names nothing to bring.
    """
    if not (options.names or options.owners):
        _, _, _, (option, form, thing), (above, above_form) = next(
            each for each in _PROVIDERS if each[0] == options.provider
        )
        raise UsageError(
            f"fetch: name {thing} with {option} {form}, or all of them with {above} {above_form}"
        )
    return Request(
        provider=options.provider,
        names=tuple(options.names),
        owners=tuple(options.owners),
        since=options.since,
        until=now if options.until is None else options.until,
        out=options.out,
        api_url=options.api_url,
        token_file=options.token_file,
        connections=options.connections,
    )


def _ago(text: str) -> int:
    try:
        return read_moment(text, time.time_ns())
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _connections(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST:
        raise argparse.ArgumentTypeError(f"write a number of connections from 1 to {_MOST}")
    return int(text)
