"""A task prints its credentials, and a moment later they are dead: the whole way, live, with real servers.

`make demo-loop` runs this: a broker, the topics, `curfewd run`, `curfewd revoke`, an OAuth server, and PostgreSQL if it
is installed. All of it listens on loopback only, keeps its files in a temporary folder and ends with Ctrl-C. With
`--stop SECONDS` it ends by itself so long after the story.
"""

import argparse
import asyncio
import contextlib
import heapq
import json
import secrets
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaProducer
from rich.console import Console

from detector.values.secrets import DeploymentKey
from detector.values.times import SECOND, parse_rfc3339
from examples.embedded import (
    EVENTS,
    INPUTS,
    LOGS,
    SEVERITIES,
    STYLES,
    DemoError,
    create_topics,
    options_of,
    ports,
    run_demo,
    run_live,
    service,
    show_line,
    written,
)
from tests.broker.cluster import Cluster
from tests.revoke.issuers import (
    Issued,
    Issuer,
    RoleIssuer,
    TokenIssuer,
    event,
    print_secret,
    refused,
    registered,
)
from tests.revoke.servers import OAuthServer, Postgres, ServerError
from tests.revoke.servers.postgresql import INSTALL

CARELESS, CAREFUL = "deploy-4711", "deploy-4712"
FINDINGS, COMMANDS, OUTCOMES = "curfewd.findings", "curfewd.revocations", "curfewd.revocation-outcomes"
BEHIND: Final = 0.4  # s that lines are shown late, so that they stand in the order of their times
PAUSE: Final = 2.0  # s between two parts: somebody reads them
RESOLVED: Final = 4  # OCSF
PATIENCE: Final = 90.0  # s
SHOWN: Final = 60  # characters of a line of the log: the secret is cut off


class Credential(NamedTuple):
    """One that a task has. `still_works` uses it once more; `answer` is what comes if that is refused."""

    what: str
    issued: Issued
    still_works: Callable[[], Awaitable[bool]]
    answer: str


class Line(NamedTuple):
    """What is shown, at its time in ns since the epoch."""

    time: int
    label: str
    style: str
    text: str


class Story:
    """What the processes do, in the order of time. Times are counted from `printed`."""

    def __init__(self, console: Console) -> None:
        self.printed = time.time_ns()
        self.resolved: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.late: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.proved: dict[str, int] = {}
        self._asked: dict[str, int] = {}
        self._console = console
        self._waiting: list[Line] = []
        self._seen: set[tuple[str, int]] = set()

    def say(self, label: str, style: str, text: str, at: int | None = None) -> None:
        """A line, of now or of another time."""
        heapq.heappush(self._waiting, Line(at or time.time_ns(), label, style, text))

    async def show(self) -> None:
        """Shows lines until it is cancelled, each a little late."""
        while True:
            self.flush(time.time_ns() - round(BEHIND * SECOND))
            await asyncio.sleep(0.05)

    def flush(self, until: int) -> None:
        """Shows what has a time up to that one."""
        while self._waiting and self._waiting[0].time <= until:
            line = heapq.heappop(self._waiting)
            when = f"{(line.time - self.printed) / SECOND:.2f} s"
            show_line(self._console, when, line.label, line.style, line.text)

    async def follow(self, bootstrap: str) -> None:
        """Reads what both services write."""
        told = {FINDINGS: self._finding, COMMANDS: self._command, OUTCOMES: self._outcome}
        async for topic, record in written(bootstrap, *told):
            told[topic](record)

    async def follow_acts(self, audit: Path) -> None:
        """Reads what the revoker says of its own acts."""
        place = 0
        while True:
            lines = (await asyncio.to_thread(_bytes, audit))[place:]
            whole = lines[: lines.rfind(b"\n") + 1]
            place += len(whole)
            for act in map(json.loads, whole.splitlines()):
                if act["act"] == "acted":
                    self.say("done", "cyan", act["words"], parse_rfc3339(act["time"]))
            await asyncio.sleep(0.05)

    def _finding(self, record: dict[str, Any]) -> None:
        rule, credential = record["finding_info"]["analytic"]["uid"], record["unmapped"]["credential_id"]
        status, severity = record["status_id"], record["severity_id"]
        title = record["finding_info"]["title"]
        if (record["finding_info"]["uid"], status) in self._seen:
            return
        self._seen.add((record["finding_info"]["uid"], status))
        if rule == "use-after-revocation":
            self.say(SEVERITIES[severity], STYLES[severity], title)
            self.late[credential].set()
        elif status == RESOLVED:
            self.say(
                "told", "green", "the finding is resolved: it says who revoked it, when and how that is known"
            )
            self.resolved[credential].set()
        else:  # in one transaction with the command, whichever is read first
            self.say(
                SEVERITIES[severity], STYLES[severity], title, self._asked.get(credential, time.time_ns()) - 1
            )

    def _command(self, record: dict[str, Any]) -> None:
        data = record["data"]
        reasons = ", ".join(data["reasons"])
        self._asked[data["credential_id"]] = now = time.time_ns()
        text = f"curfewd asks for the revocation of {data['credential_id']}: {reasons}"
        self.say("asked", "bold cyan", text, now)

    def _outcome(self, record: dict[str, Any]) -> None:
        data = record["data"]
        if "outcome" not in data:
            return
        at = parse_rfc3339(data["finished_at"])
        dead = data["outcome"] in {"confirmed", "gone-already"}
        self.say(
            "proved" if dead else "tried",
            "bold green" if dead else "bold red",
            f"{data['outcome']}: {proof(data)}",
            at,
        )
        self.proved[data["credential_id"]] = at - self.printed


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def proof(data: dict[str, Any]) -> str:
    """How an outcome is known, without the part that says what no one can prove."""
    known = [part for part in data["proof"].split("; ") if not part.startswith("not proved")]
    return "; ".join(known) or data["detail"]


class Part(NamedTuple):
    """What is started: the issuers, the folder of the revoker, and where the services answer."""

    console: Console
    tokens: TokenIssuer
    roles: RoleIssuer | None
    bootstrap: str
    audit: Path
    listen: str

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        """Those there are."""
        return (self.tokens,) if self.roles is None else (self.tokens, self.roles)


async def credentials_of(parts: Part, task: str) -> list[Credential]:
    """What a task gets."""
    token = await parts.tokens.issue(task)
    found = [
        Credential("its OAuth token", token, partial(parts.tokens.works, token), "its next use: HTTP 401"),
    ]
    if parts.roles is not None:
        role = await parts.roles.issue(task)
        session = await parts.roles.login(role)
        ended = "its next statement: the server has ended the session"
        found.append(Credential("its database password", role, partial(parts.roles.lasts, session), ended))
    return found


class Telling:
    """Makes the two tasks do what they do, and waits for what comes of it."""

    def __init__(self, parts: Part, story: Story, producer: AIOKafkaProducer) -> None:
        self._parts = parts
        self._story = story
        self._producer = producer

    async def tell(self) -> None:
        """The whole story."""
        parts, console = self._parts, self._parts.console
        careless, careful = [await credentials_of(parts, task) for task in (CARELESS, CAREFUL)]
        issued = [each.issued for each in (*careless, *careful)]
        starts = [event("task.started", task_id=task, kind="deployment") for task in (CARELESS, CAREFUL)]
        for told in (*starts, *(one.event for one in issued)):
            await self._producer.send_and_wait(EVENTS, json.dumps(told).encode())
        await self._until(
            partial(known, parts.listen, len(issued)), "the scanner does not know the credentials"
        )
        session = " and a database role, with a session open" if parts.roles is not None else ""
        console.print(f"\nThe tasks {CARELESS} and {CAREFUL} start. Each has an OAuth token{session}.")
        for each in careless:
            console.print(f"\n[bold]{CARELESS} prints {each.what} in its log:[/]\n")
            await self._print(each)
        console.print("\n[bold]Somebody who read the log tries what it shows:[/]\n")
        await self._try(careless)
        if not all([await each.still_works() for each in careful]):
            raise DemoError(f"what {CAREFUL} has was not printed, and no longer works")
        took = " and ".join(
            f"{self._story.proved[each.issued.credential_id] / SECOND:.2f} s for {each.what}"
            for each in careless
        )
        console.print(f"\n[bold]From the print to the proof: {took}.[/] What {CAREFUL} has goes on working.")

    async def _print(self, credential: Credential) -> None:
        """The task prints a credential; returns once that is dead and its finding resolved."""
        story, issued = self._story, credential.issued
        story.printed = await print_secret(self._producer, LOGS, issued)
        story.say("printed", "bold", f"{issued.printed()[:SHOWN]}…", story.printed)
        dead = await refused(credential.still_works)
        story.say("refused", "bold green", credential.answer, dead)
        await self._until(partial(given, story.resolved, issued), "the finding is not resolved")
        await self._pause()

    async def _try(self, credentials: Sequence[Credential]) -> None:
        """Uses of what was printed, after it is dead: each is refused, and told to curfewd."""
        story, parts = self._story, self._parts
        story.printed = time.time_ns()
        for issuer, each in zip(parts.issuers, credentials, strict=True):
            if await issuer.works(each.issued):
                raise DemoError(f"{each.issued.credential_id} works again")
            story.say(
                "refused", "bold green", f"{each.issued.credential_id}: the server lets nobody in with it"
            )
            use = event("credential.used", credential_id=each.issued.credential_id, outcome="denied")
            await self._producer.send_and_wait(EVENTS, json.dumps(use).encode())
        for each in credentials:
            await self._until(partial(given, story.late, each.issued), "no finding about the late use")
        await self._pause()

    async def _pause(self) -> None:
        """Somebody reads what came."""
        await asyncio.sleep(BEHIND)
        self._story.flush(time.time_ns())
        await asyncio.sleep(PAUSE)

    async def _until(self, holds: Callable[[], Awaitable[bool]], otherwise: str) -> None:
        end = time.monotonic() + PATIENCE
        while not await holds():
            if time.monotonic() > end:
                raise DemoError(f"after {PATIENCE:.0f} s {otherwise}")
            await asyncio.sleep(0.02)


async def known(listen: str, count: int) -> bool:
    """Whether the scanner knows so many credentials."""
    return await registered(listen) >= count


async def given(events: dict[str, asyncio.Event], issued: Issued) -> bool:
    """Whether that has come for a credential."""
    return events[issued.credential_id].is_set()


async def live(parts: Part, view: str, stop: float | None) -> None:
    """Tells the story, and stays until somebody stops it."""
    story = Story(parts.console)
    async with AIOKafkaProducer(bootstrap_servers=parts.bootstrap, linger_ms=0) as producer:
        watching = [
            asyncio.create_task(each)
            for each in (story.follow(parts.bootstrap), story.follow_acts(parts.audit), story.show())
        ]
        try:
            telling = asyncio.create_task(Telling(parts, story, producer).tell())
            await asyncio.wait([telling, *watching], return_when=asyncio.FIRST_COMPLETED)
            for each in (telling, *watching):
                if each.done():
                    each.result()  # raises what it failed with
            parts.console.print(f"\nThe revoker's own log: {parts.audit}", soft_wrap=True)
            parts.console.print(f"The live view stays at {view} until you press Ctrl-C.", soft_wrap=True)
            await asyncio.wait(watching, timeout=stop)
        finally:
            for each in (telling, *watching):
                each.cancel()
            await asyncio.gather(telling, *watching, return_exceptions=True)


def configuration(folder: Path, bootstrap: str, issuers: Sequence[Issuer], free: Sequence[int]) -> Path:
    """Writes the configuration of both services. `free`: the three ports."""
    target = folder / "curfewd.toml"
    target.write_text(
        'key_file = "deployment.key"\n'
        'skew = "0s"             # one machine, one clock: a use right after the end is a use after it\n'
        'watermark_delay = "0s"\n\n'
        f'[kafka]\nbootstrap = ["{bootstrap}"]\n{INPUTS}'
        f'[service]\nlisten = "127.0.0.1:{free[0]}"\nprobes = "127.0.0.1:{free[1]}"\nview = true\nstate = "state"\n\n'
        f'[revoke]\nmode = "act"            # by default it only plans\nprobes = "127.0.0.1:{free[2]}"\n'
        'audit_log = "audit.jsonl"\n\n' + "\n".join(issuer.table() for issuer in issuers)
    )
    return target


def database(stack: contextlib.ExitStack) -> Postgres | None:
    """PostgreSQL, started; None if it cannot be had."""
    try:
        server = Postgres()
        stack.push(server)
        stack.callback(server.kill)  # first all of its processes, then its folder
        server.create()
        return server.start()
    except ServerError:
        return None


def run(console: Console, options: argparse.Namespace) -> None:
    """Starts all that it takes, one after the other."""
    with tempfile.TemporaryDirectory(prefix="curfewd-loop-") as name, contextlib.ExitStack() as stack:
        folder, text = Path(name), secrets.token_hex(32)
        (folder / "deployment.key").write_text(text)
        key = DeploymentKey.of(bytes.fromhex(text))
        console.print(
            "A task prints its credentials in its log. A moment later they are dead, and that is proved.\n"
        )
        broker = Cluster(folder / "kafka")
        stack.push(broker)  # ends it also if somebody interrupts its start
        broker.start()
        console.print(f"Apache Kafka listens on {broker.bootstrap}.", soft_wrap=True)
        oauth = OAuthServer()
        stack.push(oauth)
        oauth.start()
        console.print(f"An OAuth server issues tokens at {oauth.issuer}.", soft_wrap=True)
        tokens, roles = TokenIssuer(oauth, folder, key), None
        if (postgres := database(stack)) is not None:
            roles = RoleIssuer(postgres, folder, key)
            asyncio.run(roles.install())
            console.print(f"PostgreSQL listens on 127.0.0.1:{postgres.port}.", soft_wrap=True)
        else:
            console.print(f"PostgreSQL with pgaudit is not there ({INSTALL}): the story goes without it.")
        free = ports(9464, 9465, 9466)
        issuers = (tokens,) if roles is None else (tokens, roles)
        config = configuration(folder, broker.bootstrap, issuers, free)
        create_topics(console, config, listed=False)
        for command, probes in (("run", free[1]), ("revoke", free[2])):
            console.print(f"\n[bold]$ curfewd {command} --config {config}[/]", soft_wrap=True)
            stack.enter_context(service(command, config, probes, console))
        listen = f"127.0.0.1:{free[0]}"
        view = f"http://{listen}/view"
        console.print(f"ready. Open the live view: [bold]{view}[/]", soft_wrap=True)
        parts = Part(console, tokens, roles, broker.bootstrap, folder / "audit.jsonl", listen)
        run_live(live(parts, view, options.stop))


def main() -> int:
    """The command line."""
    return run_demo(run, options_of(__doc__).parse_args())


if __name__ == "__main__":
    sys.exit(main())
