"""GitLab: revokes an access token by its id, and ends the job whose `CI_JOB_TOKEN` leaked.

GitLab accepts a job's token only while the job runs, and nobody can revoke it earlier. A cancelled job may run on for a
while, with its token alive: its status is `canceling` then. GitLab answers 404 about tokens that the revoker may not
see, too (docs.gitlab.com, "Personal access tokens API", "Jobs API").
"""

import re  # over texts of bounded length
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec

from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import Observation, Plan, RefusedError, Step, UnavailableError
from detector.revoke.targets.found_names import found_names
from detector.revoke.targets.handle_fields import needed
from detector.revoke.targets.issue_times import issued_then
from detector.revoke.targets.provider_http import Answer, HttpOptions, ProviderHttp, forbidden
from detector.revoke.targets.seen_alive import SeenAlive

_NUMBER: Final = re.compile(r"[0-9]{1,20}")
_KIND: Final = re.compile(r"(personal|project|group|deploy)(_access)?_token|impersonation_token")
_PLACES: Final = {"Project": "projects", "Group": "groups"}
_PLACE: Final = re.compile("|".join(_PLACES))
_ENDED: Final = frozenset({"success", "failed", "canceled", "skipped"})
_WITHIN_TOKEN: Final = 5.0
_WITHIN_JOB: Final = 120.0
_FORCE_AFTER: Final = 30.0
_OK: Final = 200
_NOT_FOUND: Final = 404
_DONE: Final = frozenset({200, 201, 202, 204})
_RIGHT: Final = "the scope api, and a role that may do it (docs.gitlab.com, Permissions)"


class GitLabOptions(HttpOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A GitLab. `url` is that of its API, `https://gitlab.example.com/api/v4`; `token_file` is needed.

    - `deploy_tokens`: whether deploy tokens are revoked. GitLab says neither who made one nor when, so a forged event
      could name any.
    """

    deploy_tokens: bool = False

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            ValueError: one cannot be used.
        """
        super().__post_init__()
        if self.token_file is None:
            raise ValueError("token_file: name a file with the revoker's own token for GitLab")


class GitLab:
    """Revokes tokens and ends jobs."""

    name: ClassVar[str] = "gitlab"
    Options: ClassVar[type[msgspec.Struct]] = GitLabOptions

    def __init__(self, options: GitLabOptions) -> None:
        self._options = options
        self._http = ProviderHttp(options)
        self._alive = SeenAlive()

    @staticmethod
    def accepts(command: RevocationCommand) -> bool:
        """Whether it names a token or a job of GitLab."""
        return command.provider == "gitlab" and command.method in {"revoke-token", "cancel-job"}

    def plan(self, command: RevocationCommand) -> Plan:
        """Revokes the token; or cancels the job, and forces that half a minute later.

        Raises:
            RefusedError: the revocation object lacks what is needed.
        """
        path = "/".join(self._path(command))
        if command.method == "cancel-job":
            return Plan(
                steps=(
                    Step(f"cancel the job {path}"),
                    Step(f"cancel the job {path} by force, if it still runs", delay=_FORCE_AFTER),
                ),
                proof=f"GET {path} says that the job has ended; GitLab accepts its token only while it runs",
                within=_WITHIN_JOB,
            )
        return Plan(
            steps=(Step(f"revoke the token {path}"),),
            proof=f"GET {path} says that it is revoked or not active",
            within=_WITHIN_TOKEN,
            unproved="a session or clone that was opened before goes on until it ends",
        )

    async def revoke(self, command: RevocationCommand, step: int) -> str:
        """Revokes the token, or cancels the job.

        Raises:
            RefusedError: the revoker may not.
            UnavailableError: try again.
        """
        path = self._path(command)
        if command.method != "cancel-job":
            answer = await self._asked("DELETE", path)
            if answer.status == _NOT_FOUND:
                return "GitLab knows no such token (HTTP 404)"
            self._done(answer)
            return f"revoked it; GitLab answered HTTP {answer.status}"
        if step and _judged(command, self._facts(await self._asked("GET", path)))[0] == "dead":
            return "nothing: the job has ended"
        query = {"force": "true"} if step else None
        answer = await self._asked("POST", (*path, "cancel"), query)
        self._done(answer)
        return f"cancelled the job{' by force' if step else ''}; GitLab answered HTTP {answer.status}"

    async def probe(self, command: RevocationCommand) -> Observation:
        """Asks for the token or the job.

        Raises:
            RefusedError: it was made at another time than the credential, or GitLab does not show it.
            UnavailableError: GitLab cannot be asked now.
        """
        path = self._path(command)
        answer = await self._asked("GET", path)
        if answer.status == _NOT_FOUND:
            if command.id in self._alive:
                return Observation("dead", "GET answered 404, and 200 before it was revoked")
            raise RefusedError(
                "GitLab answers 404: it is gone, or the revoker's token may not see it, which nobody can tell apart"
            )
        facts = self._facts(answer)
        self._same(command, facts)
        state, how = _judged(command, facts)
        if state == "live":
            self._alive.add(command.id)
            return Observation("live", how, found=_whose(command, facts))
        return Observation("dead", how)

    async def close(self) -> None:
        """Closes connections."""
        await self._http.close()

    def _path(self, command: RevocationCommand) -> tuple[str, ...]:
        """The parts of the address of the token or job."""
        if command.method == "cancel-job":
            return (
                "projects",
                needed(command, "project_id", _NUMBER),
                "jobs",
                needed(command, "job_id", _NUMBER),
            )
        kind, token = needed(command, "token_kind", _KIND), needed(command, "token_id", _NUMBER)
        if kind.startswith(("personal", "impersonation")):
            return ("personal_access_tokens", token)
        place = _PLACES[needed(command, "entity_type", _PLACE)]
        entity = needed(command, "entity_id", _NUMBER)
        if kind.startswith("deploy"):
            if not self._options.deploy_tokens:
                raise RefusedError(
                    "GitLab does not say when a deploy token was made: set deploy_tokens = true to revoke them unchecked"
                )
            return (place, entity, "deploy_tokens", token)
        return (place, entity, "access_tokens", token)

    def _same(self, command: RevocationCommand, facts: Mapping[str, Any]) -> None:
        """Nothing, if the token or job is the command's."""
        if str(facts.get("id")) != command.text("job_id" if command.method == "cancel-job" else "token_id"):
            raise UnavailableError(f"{self._http.host} answers about something else than was asked")
        if command.method == "cancel-job":
            issued_then(command, facts.get("started_at"), "job")
        elif not command.text("token_kind").startswith("deploy"):
            issued_then(command, facts.get("created_at"), "token")

    def _facts(self, answer: Answer) -> Mapping[str, Any]:
        if answer.status != _OK:
            raise UnavailableError(f"{self._http.host} answers HTTP {answer.status}: check url")
        return answer.fields()

    async def _asked(
        self, method: str, path: tuple[str, ...], query: Mapping[str, str] | None = None
    ) -> Answer:
        answer = await self._http.ask(method, path, query=query)
        forbidden(answer, _RIGHT)
        return answer

    def _done(self, answer: Answer) -> None:
        if answer.status not in _DONE:
            raise UnavailableError(f"{self._http.host} did not do it: it answers HTTP {answer.status}")


def _whose(command: RevocationCommand, facts: Mapping[str, Any]) -> dict[str, str]:
    """What the token or job is called, and whose it is."""
    if command.method != "cancel-job":
        return found_names(facts, name="name", user_id="user_id")
    user = facts.get("user")
    by = found_names(user, username="username") if isinstance(user, dict) else {}
    return found_names(facts, name="name") | by


def _judged(command: RevocationCommand, facts: Mapping[str, Any]) -> tuple[str, str]:
    """Whether what GitLab says of the token or job means `live` or `dead`, and in which words.

    Raises:
        UnavailableError: it says neither.
    """
    if command.method == "cancel-job":
        status = facts.get("status")
        if not isinstance(status, str):
            raise UnavailableError("GitLab does not say the status of the job")
        if status in _ENDED:
            return "dead", f"the job has ended ({status}), and its token with it"
        return "live", "the job has not ended"
    revoked, active, expired = facts.get("revoked"), facts.get("active"), facts.get("expired")
    if revoked is True or active is False or expired is True:
        return "dead", "GitLab calls the token revoked or not active"
    if revoked is False:
        return "live", "GitLab calls the token active"
    raise UnavailableError("GitLab does not say whether the token is revoked")


TARGET: Final = GitLab
