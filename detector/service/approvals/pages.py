"""Approvals over HTTP, on the port of the live view. They are served only if there is a `[[revoke.approver]]`.

    GET  /approvals                 the commands that wait, and those that can be tried again, as JSON
    POST /approvals/approve?id=…    lets one go
    POST /approvals/deny?id=…       stops one for good
    POST /approvals/retry?id=…      has one tried again that failed or is not proved

Each takes the token of an approver, in the Authorization header and nowhere else. No page elsewhere can make a browser
send that header, so there is nothing for a forged request to ride on. What is written is the record that
`curfewd revoke approve` writes.
"""

import time
import uuid
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from detector.configuration.revoke_settings import Approver
from detector.service.approvals.given_approvals import GivenApprovals
from detector.service.approvals.held_commands import HeldCommand, HeldCommands, standing
from detector.service.http.server import Answer, Page, Post, Request, line
from detector.service.view.access import Access, bearer_token
from detector.service.view.page import DATA_HEADERS
from detector.values.approvals import APPROVE, DENY, RETRY, SAID, Approval, Verdict
from detector.values.errors import ConfigError, CurfewdError
from detector.values.secrets import Secret
from detector.values.times import format_rfc3339
from detector.values.wording import Clean

TRIES: Final = 5
"""So many wrong tokens of a client within a minute, and it has to wait."""
TRIES_SECONDS: Final = 60.0
MOST_SHOWN: Final = 500
MOST_RETRIABLE_SHOWN: Final = 50
_CLIENTS: Final = 1000
_JSON: Final = "application/json"

Write = Callable[[Approval, Secret], Awaitable[None]]


class WrongTokens:
    """Counts wrong tokens by client, for the latest clients. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tried: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, client: str) -> float:
        """How many seconds a client has to wait before its next try; 0 if it need not."""
        tried = self._tried.get(client)
        if tried is None or len(tried) < TRIES:
            return 0.0
        return max(0.0, tried[0] + TRIES_SECONDS - self._clock())

    def count(self, client: str) -> None:
        """A client showed a wrong token."""
        self._tried.setdefault(client, deque(maxlen=TRIES)).append(self._clock())
        self._tried.move_to_end(client)
        while len(self._tried) > _CLIENTS:
            self._tried.popitem(last=False)


class ApprovalPages:
    """Serves `pages`. `write` writes an approval to its topic; `local` says that the port is on loopback."""

    def __init__(  # noqa: PLR0913 - what waits, what was said, who may say more, and where it goes
        self,
        approvers: Sequence[Approver],
        held: HeldCommands,
        given: GivenApprovals,
        write: Write,
        *,
        local: bool,
        clean: Callable[[], Clean],
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self._approvers = tuple(approvers)
        self._held = held
        self._given = given
        self._write = write
        self._access = Access(None, local=local)
        self._clean = clean
        self._wrong = WrongTokens(clock)
        self._now = now
        self._made: tuple[tuple[int, int], bytes] = ((-1, -1), b"")

    def pages(self) -> dict[str, Page | Post]:
        """The pages by path."""
        return {
            "/approvals": self._list,
            f"/approvals/{APPROVE}": Post(lambda request: self._decide(request, "approve")),
            f"/approvals/{DENY}": Post(lambda request: self._decide(request, "deny")),
            f"/approvals/{RETRY}": Post(lambda request: self._decide(request, "retry")),
        }

    @property
    def version(self) -> tuple[int, int]:
        """Changes with everything that `shown` shows."""
        return self._held.version, self._given.version

    def shown(self) -> bytes:
        """The commands that wait and can be tried again, as JSON for a page, and how many they are.

        First stand those that have waited longest, and those that ended last. It is made once for all readers, and
        again when something changed.
        """
        if self._made[0] == self.version:
            return self._made[1]
        version, clean = self.version, self._clean()
        waiting, ended = self._held.all(), self._held.all_retriable()
        shown = {
            "held": [self._row(held, clean) for held in waiting[:MOST_SHOWN]],
            "total": len(waiting),
            "retriable": [
                {**self._row(one, clean), "outcome": one.outcome} for one in ended[:MOST_RETRIABLE_SHOWN]
            ],
            "retriable_total": len(ended),
        }
        self._made = version, msgspec.json.encode(shown)
        return self._made[1]

    def _row(self, held: HeldCommand, clean: Clean) -> dict[str, Any]:
        return {
            "command_id": clean(held.command_id),
            "credential_id": clean(held.credential_id),
            "target": clean(held.target),
            "why": clean(held.why),
            "since": format_rfc3339(held.since),
            "said": standing(held.command_id, self._given.of(held.command_id)),
        }

    def _list(self, request: Request) -> Answer:
        found = self._approver_of(request)
        if isinstance(found, Answer):
            return found
        return Answer(200, self.shown(), _JSON, DATA_HEADERS)

    async def _decide(self, request: Request, verdict: Verdict) -> Answer:
        found = self._approver_of(request)
        if isinstance(found, Answer):
            return found
        approver, token = found
        command_id = _id_of(parse_qs(request.query, errors="replace"))
        if command_id is None:
            return line(400, "name one command: ?id=…, a UUID", DATA_HEADERS)
        if verdict == RETRY and not self._held.retriable(command_id):
            return line(404, "no such command has failed or is not proved", DATA_HEADERS)
        if verdict != RETRY and self._held.get(command_id) is None:
            return line(404, "no such command waits", DATA_HEADERS)
        try:
            await self._write(Approval(command_id, approver, verdict, self._now()), token)
        except CurfewdError:  # its text may name brokers and topics
            return line(503, "it cannot be written now, try again", {**DATA_HEADERS, "Retry-After": "5"})
        return line(200, f"{SAID[verdict]} by {approver}", DATA_HEADERS)

    def _approver_of(self, request: Request) -> tuple[str, Secret] | Answer:
        """Whose token the request shows, or its refusal. Every token is compared, however early one is right."""
        refusal = self._access.refuse(request.headers)
        if refusal is not None:
            return refusal
        wait = self._wrong.wait(request.client)
        if wait:
            return line(
                429, "too many wrong tokens, wait", {**DATA_HEADERS, "Retry-After": str(int(wait) + 1)}
            )
        given = bearer_token(request.headers)
        found = [
            (approver.name, token) for approver in self._approvers if (token := _token(approver)) == given
        ]
        if given is None or len(found) != 1:
            if given is not None:
                self._wrong.count(request.client)
            return line(
                401,
                "send your token: Authorization: Bearer …",
                {**DATA_HEADERS, "WWW-Authenticate": "Bearer"},
            )
        name, token = found[0]
        assert token is not None  # noqa: S101 - it equals the one that was given
        return name, token


def _token(approver: Approver) -> Secret | None:
    try:
        return approver.token.read()
    except ConfigError:  # `curfewd check` says why
        return None


def _id_of(query: Mapping[str, list[str]]) -> str | None:
    ids = query.get("id", [])
    try:
        return str(uuid.UUID(ids[0])) if len(ids) == 1 else None
    except ValueError:
        return None
