"""GitHub: takes a token its access to an organisation, cancels a run for its `GITHUB_TOKEN`, deletes a deploy key.

`DELETE /applications/{client_id}/token`, `DELETE /installation/token` and `POST /credentials/revoke` want the token
itself, which the revoker never has. An answer of 202 is a promise: what GitHub says afterwards is the proof.
"""

from typing import ClassVar, Final

import msgspec

from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import Observation, Plan
from detector.revoke.targets.github_app import AppTokens
from detector.revoke.targets.github_things import DeployKey, GitHubApi, OrganisationAccess, Run, Thing
from detector.revoke.targets.provider_http import HttpOptions, ProviderHttp
from detector.revoke.targets.seen_alive import SeenAlive

_HEADERS: Final = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
_METHODS: Final = frozenset({"revoke-token", "cancel-run", "delete-deploy-key"})
_LISTS: Final = 4 << 20  # bytes of one page


class GitHubOptions(HttpOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """GitHub's REST API, with the revoker's own token; or, as a GitHub App, with the app's key.

    - `token_file`: the token.
    - `app_id`, `installation_id`, `private_key_file`: those of the app. Its tokens, of an hour each, are then asked
      for.

    - `sso`: tokens lose their authorisation for the organisation's single sign-on, for which GitHub wants the token
      of an owner. Without it, fine-grained tokens lose their grant, for which it wants that of a GitHub App.
    """

    url: str = "https://api.github.com"
    app_id: str | None = None
    installation_id: str | None = None
    private_key_file: str | None = None
    sso: bool = False

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            ValueError: one cannot be used.
        """
        super().__post_init__()
        app = (self.app_id, self.installation_id, self.private_key_file)
        if (self.token_file is None) == (None in app) or (self.token_file and any(app)):
            raise ValueError("write either token_file, or app_id, installation_id and private_key_file")

    def app(self, http: ProviderHttp) -> AppTokens | None:
        """The tokens of the app, if it is one."""
        if self.app_id is None or self.installation_id is None or self.private_key_file is None:
            return None
        return AppTokens(http, self.app_id, self.installation_id, self.private_key_file)


class GitHub:
    """Revokes what GitHub can revoke by an id."""

    name: ClassVar[str] = "github"
    Options: ClassVar[type[msgspec.Struct]] = GitHubOptions

    def __init__(self, options: GitHubOptions) -> None:
        scheme = "Bearer" if options.token_file else ""
        self._http = ProviderHttp(options, scheme=scheme, headers=_HEADERS, limit=_LISTS)
        api = GitHubApi(self._http, options.app(self._http))
        self._things: dict[str, Thing] = {
            "revoke-token": OrganisationAccess(api, SeenAlive(), sso=options.sso),
            "cancel-run": Run(api),
            "delete-deploy-key": DeployKey(api),
        }

    @staticmethod
    def accepts(command: RevocationCommand) -> bool:
        """Whether it names a token, a run or a deploy key of GitHub."""
        return command.provider == "github" and command.method in _METHODS

    def plan(self, command: RevocationCommand) -> Plan:
        """What would be done.

        Raises:
            RefusedError: the revocation object lacks what is needed.
        """
        return self._things[command.method].plan(command)

    async def revoke(self, command: RevocationCommand, step: int) -> str:
        """Carries out a step.

        Raises:
            RefusedError, UnavailableError: it was not done.
        """
        return await self._things[command.method].act(command, step)

    async def probe(self, command: RevocationCommand) -> Observation:
        """Looks it up.

        Raises:
            RefusedError: it is not the command's.
            UnavailableError: GitHub cannot be asked now.
        """
        return await self._things[command.method].look(command)

    async def close(self) -> None:
        """Closes connections."""
        await self._http.close()


TARGET: Final = GitHub
