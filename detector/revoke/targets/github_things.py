"""What can be revoked at GitHub by an id: a token's access to an organisation, a run with its tokens, a deploy key.

Each knows its plan, its state and its steps. `docs.github.com/rest` describes the endpoints.
"""

import re  # over texts of bounded length
from collections.abc import Mapping
from typing import Any, Final, Protocol

from detector.adapters.github.audit_log import TOKEN_ID
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import Observation, Plan, RefusedError, Step, UnavailableError
from detector.revoke.targets.found_names import found_names
from detector.revoke.targets.github_app import AppTokens
from detector.revoke.targets.handle_fields import needed, optional
from detector.revoke.targets.issue_times import SKEW, issued_then
from detector.revoke.targets.provider_http import Answer, ProviderHttp, forbidden
from detector.revoke.targets.seen_alive import SeenAlive
from detector.values.times import parse_rfc3339

_LOGIN: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98})(?:\[bot\])?")
_NUMBER: Final = re.compile(r"[0-9]{1,19}")
_REPOSITORY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,98}/[A-Za-z0-9._-]{1,100}")
_OK: Final = 200
_CONFLICT: Final = 409
_NOT_FOUND: Final = 404
_PAGE: Final = 100
_PAGES: Final = 20
_WITHIN: Final = 10.0
_WITHIN_RUN: Final = 120.0
_FORCE_AFTER: Final = 60.0


class Thing(Protocol):
    """One kind of thing: planned, looked at, and acted on, as a target is."""

    def plan(self, command: RevocationCommand) -> Plan:
        """Its steps and proof."""

    async def act(self, command: RevocationCommand, step: int) -> str:
        """Carries out a step."""

    async def look(self, command: RevocationCommand) -> Observation:
        """Its state, if it is the command's."""


class GitHubApi:
    """Requests to GitHub, with what every answer of it has to pass."""

    def __init__(self, http: ProviderHttp, app: AppTokens | None = None) -> None:
        self._http = http
        self._app = app

    async def get(self, path: tuple[str, ...], right: str, query: Mapping[str, str] | None = None) -> Answer:
        """An answer of 200 or 404."""
        answer = await self._asked("GET", path, query=query)
        forbidden(answer, right)
        if answer.status not in {_OK, _NOT_FOUND}:
            raise UnavailableError(f"GitHub answers HTTP {answer.status}: check url")
        return answer

    async def change(
        self, method: str, path: tuple[str, ...], right: str, *done: int, json: Any = None
    ) -> int:
        """The status, which must be one of `done`."""
        answer = await self._asked(method, path, json=json)
        forbidden(answer, right)
        if answer.status not in done:
            raise UnavailableError(f"GitHub did not do it: it answers HTTP {answer.status}")
        return answer.status

    async def listed(
        self, path: tuple[str, ...], right: str, query: Mapping[str, str]
    ) -> list[dict[str, Any]]:
        """All objects of a list, at most 2,000.

        Raises:
            RefusedError: GitHub shows no such list. That it is empty must not be read from this.
            UnavailableError: it does not end, or is no list of objects.
        """
        found: list[dict[str, Any]] = []
        for page in range(1, _PAGES + 1):
            answer = await self.get(path, right, {**query, "per_page": str(_PAGE), "page": str(page)})
            if answer.status == _NOT_FOUND:
                raise RefusedError(f"GitHub does not show this list to the revoker's token: give it {right}")
            part = answer.json()
            if not isinstance(part, list) or not all(isinstance(each, dict) for each in part):
                raise UnavailableError("GitHub answers with no list of objects")
            found += part
            if len(part) < _PAGE:
                return found
        raise UnavailableError(f"GitHub lists more than {_PAGES * _PAGE} objects")

    async def _asked(
        self, method: str, path: tuple[str, ...], *, query: Mapping[str, str] | None = None, json: Any = None
    ) -> Answer:
        headers = await self._app.headers() if self._app is not None else None
        try:
            return await self._http.ask(method, path, query=query, json=json, headers=headers)
        except UnavailableError:
            if self._app is not None:
                self._app.forget()  # the token may be what it does not like
            raise


class OrganisationAccess:
    """The access of a person's token to an organisation: a fine-grained token's grant, or an authorisation for SSO.

    The organisation takes away its own access only. The token lives on elsewhere, because GitHub revokes a token itself
    only for whoever holds it.
    """

    _GRANTS: Final = "Personal access tokens: write, as a GitHub App of the organisation"
    _AUTHORIZATIONS: Final = "admin:org, as an owner of the organisation"

    def __init__(self, api: GitHubApi, alive: SeenAlive, *, sso: bool) -> None:
        self._api = api
        self._alive = alive
        self._sso = sso

    def plan(self, command: RevocationCommand) -> Plan:
        """One step."""
        org, user, token = self._named(command)
        return Plan(
            steps=(Step(f"remove the access of token {token} of {user} to the organisation {org}"),),
            proof=f"the organisation {org} lists it before, and not after",
            within=_WITHIN,
            unproved="the token still works outside the organisation; only its owner can revoke the token itself",
        )

    async def act(self, command: RevocationCommand, step: int) -> str:
        """Revokes the grant, or removes the authorisation."""
        del step
        org = self._named(command)[0]
        found = await self._found(command)
        if found is None:
            return "nothing: the organisation no longer lists it"
        path, right, json = (
            (("orgs", org, "personal-access-tokens", found[1]), self._GRANTS, {"action": "revoke"})
            if found[0] == "grant"
            else (("orgs", org, "credential-authorizations", found[1]), self._AUTHORIZATIONS, None)
        )
        method = "POST" if json else "DELETE"
        status = await self._api.change(method, path, right, 202, 204, _NOT_FOUND, json=json)
        return f"revoked its {found[0]} {found[1]}; GitHub answered HTTP {status}, which proves nothing yet"

    async def look(self, command: RevocationCommand) -> Observation:
        """Whether the organisation lists it."""
        found = await self._found(command)
        if found is not None:
            self._alive.add(command.id)
            return Observation("live", f"the organisation lists its {found[0]} {found[1]}")
        if command.id in self._alive:
            return Observation("dead", "the organisation no longer lists it")
        raise RefusedError(
            "the organisation lists no such token: it is gone, or of a kind that the organisation cannot revoke"
        )

    def _named(self, command: RevocationCommand) -> tuple[str, str, str]:
        org, user = needed(command, "org", _LOGIN), needed(command, "user", _LOGIN)
        token = needed(command, "token_id", _NUMBER)
        known = [each.value for each in command.identifiers if each.scheme == TOKEN_ID]
        if known and token not in known:
            raise RefusedError("token_id of the revocation object is not that of the credential")
        return org, user, token

    async def _found(self, command: RevocationCommand) -> tuple[str, str] | None:
        """What the organisation lists for the token: `grant` or `authorization`, with its id.

        Raises:
            RefusedError: the token is somebody else's.
        """
        org, user, token = self._named(command)
        grant = optional(command, "grant_id", _NUMBER)
        if self._sso:
            path = ("orgs", org, "credential-authorizations")
            for each in await self._api.listed(path, self._AUTHORIZATIONS, {"login": user}):
                if str(each.get("authorized_credential_id")) == token:
                    _owned(each, user)
                    return "authorization", _id(each.get("credential_id"))
            return None
        path = ("orgs", org, "personal-access-tokens")
        for each in await self._api.listed(path, self._GRANTS, {"token_id[]": token}):
            if str(each.get("token_id")) == token:
                if grant and str(each.get("id")) != grant:
                    raise RefusedError("the token has another grant than the command says")
                _owned(each.get("owner"), user)
                return "grant", _id(each.get("id"))
        return None


class Run:
    """A workflow run: its jobs' `GITHUB_TOKEN` die with the jobs, and nobody can revoke them earlier."""

    _RIGHT: Final = "Actions: write on the repository"

    def __init__(self, api: GitHubApi) -> None:
        self._api = api

    def plan(self, command: RevocationCommand) -> Plan:
        """Cancels it, and forces that a minute later."""
        words = f"cancel the run {'/'.join(self._path(command)[1:3])} {self._path(command)[-1]}"
        return Plan(
            steps=(Step(words), Step(f"{words} by force, if it still runs", delay=_FORCE_AFTER)),
            proof="GET of the run says that it is completed; the tokens of its jobs end with them",
            within=_WITHIN_RUN,
        )

    async def act(self, command: RevocationCommand, step: int) -> str:
        """Cancels the run. 409 says that it has ended, or cannot be cancelled: the next look tells."""
        if step and (await self.look(command)).state == "dead":
            return "nothing: the run has ended"
        path = (*self._path(command), "force-cancel" if step else "cancel")
        status = await self._api.change("POST", path, self._RIGHT, 202, _CONFLICT)
        how = " by force" if step else ""
        return f"asked to cancel the run{how}; GitHub answered HTTP {status}, which proves nothing yet"

    async def look(self, command: RevocationCommand) -> Observation:
        """The run's status, if it is the attempt in which the token was issued."""
        answer = await self._api.get(self._path(command), self._RIGHT)
        if answer.status == _NOT_FOUND:
            raise RefusedError(
                "GitHub answers 404: there is no such run, or the revoker's token may not see it"
            )
        facts = answer.fields()
        attempt = facts.get("run_attempt")
        wanted = optional(command, "run_attempt", _NUMBER)
        if wanted and type(attempt) is int and attempt > int(wanted):
            return Observation("dead", f"attempt {attempt} runs now, so that of the credential has ended")
        if wanted and attempt != int(wanted):
            raise RefusedError("the run has no such attempt yet")
        self._began_before(command, facts.get("run_started_at"))
        status = facts.get("status")
        if not isinstance(status, str):
            raise UnavailableError("GitHub does not say the status of the run")
        if status == "completed":
            return Observation("dead", "the run is completed, and the tokens of its jobs ended with them")
        return Observation("live", "the run is not completed")

    @staticmethod
    def _began_before(command: RevocationCommand, started: object) -> None:
        if command.issued_at is None:
            raise RefusedError("nothing shows that the run is meant: the command has no time of issue")
        try:
            then = parse_rfc3339(started if isinstance(started, str) else "")
        except ValueError:
            raise UnavailableError("GitHub does not say when the run started") from None
        if then > command.issued_at + SKEW:
            raise RefusedError("the run started after the credential of the command was issued")

    @staticmethod
    def _path(command: RevocationCommand) -> tuple[str, ...]:
        owner, name = needed(command, "repo", _REPOSITORY).split("/")
        return "repos", owner, name, "actions", "runs", needed(command, "run_id", _NUMBER)


class DeployKey:
    """A repository's deploy key. The list of keys is the control: who may see it would see the key too."""

    _RIGHT: Final = "Administration: write on the repository"

    def __init__(self, api: GitHubApi) -> None:
        self._api = api

    def plan(self, command: RevocationCommand) -> Plan:
        """One step."""
        path = "/".join(self._path(command)[1:])
        return Plan(
            steps=(Step(f"delete the deploy key {path}"),),
            proof="GET of the key answers 404, and that of the repository's keys 200",
            within=_WITHIN,
            unproved="a connection that was opened with it before goes on until it ends",
        )

    async def act(self, command: RevocationCommand, step: int) -> str:
        """Deletes the key."""
        del step
        status = await self._api.change("DELETE", self._path(command), self._RIGHT, 204, _NOT_FOUND)
        return f"deleted the key; GitHub answered HTTP {status}"

    async def look(self, command: RevocationCommand) -> Observation:
        """Whether it is there, and was made when the credential was issued."""
        path = self._path(command)
        answer = await self._api.get(path, self._RIGHT)
        if answer.status == _OK:
            facts = answer.fields()
            if str(facts.get("id")) != path[-1]:
                raise UnavailableError("GitHub answers about something else than was asked")
            issued_then(command, facts.get("created_at"), "deploy key")
            return Observation("live", "GET of the key answers 200", found=found_names(facts, title="title"))
        control = (await self._api.get(path[:-1], self._RIGHT)).status == _OK
        if not control:
            raise RefusedError(
                "GitHub shows the revoker's token no keys of the repository: give it " + self._RIGHT
            )
        return Observation(
            "absent", "GET of the key answers 404, and that of the repository's keys 200", control
        )

    @staticmethod
    def _path(command: RevocationCommand) -> tuple[str, ...]:
        owner, name = needed(command, "repo", _REPOSITORY).split("/")
        return "repos", owner, name, "keys", needed(command, "key_id", _NUMBER)


def _owned(owner: object, user: str) -> None:
    login = owner.get("login") if isinstance(owner, dict) else None
    if not isinstance(login, str) or login.lower() != user.lower():
        raise RefusedError("the token belongs to another person than the command says")


def _id(value: object) -> str:
    if type(value) is not int or value < 0:
        raise UnavailableError("GitHub lists something without an id")
    return str(value)
