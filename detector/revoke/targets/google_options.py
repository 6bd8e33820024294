"""What the target `google` may be told."""

import re  # over names of bounded length

from detector.revoke.targets.delays import Delay, delay_of
from detector.revoke.targets.provider_http import HttpOptions, check_address

_PROJECT = re.compile(r"[a-z][a-z0-9-]{4,61}[a-z0-9]|[0-9]{1,20}")
_PERMISSION = re.compile(r"[a-z0-9-]+\.googleapis\.com/(?:[A-Za-z0-9]+|\*)\.(?:[A-Za-z0-9]+|\*)")


class GoogleOptions(HttpOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The revoker's access: a service account's key in `credentials_file`, or an access token in `token_file`.

    - `credentials_file`: the key of the revoker's service account. Or `token_file`.
    - `token_url`: where the key is exchanged for access tokens.
    - `delete_after`: a duration after which a disabled key is deleted; by default never, so that a person can enable
      it.
    - `disable_service_accounts`: whether a service account may be disabled for a token of it. That ends all its tokens.
    - `deny_project`, `denied_permissions`: the project in which a federated principal is denied, and what:
      `storage.googleapis.com/objects.*`.
    - `shared_principals`: whether a principal may be denied whose subject names no job.
    """

    url: str = "https://iam.googleapis.com"
    credentials_file: str | None = None
    token_url: str = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
    delete_after: Delay | None = None
    disable_service_accounts: bool = False
    deny_project: str = ""
    denied_permissions: tuple[str, ...] = ()
    shared_principals: bool = False

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            ValueError: one cannot be used.
        """
        super().__post_init__()
        check_address("token_url", self.token_url)
        if (self.credentials_file is None) == (self.token_file is None):
            raise ValueError("set one of credentials_file and token_file")
        delay_of("delete_after", self.delete_after)
        if self.deny_project and _PROJECT.fullmatch(self.deny_project) is None:
            raise ValueError("deny_project: write the project's id")
        for permission in self.denied_permissions:
            if _PERMISSION.fullmatch(permission) is None:
                raise ValueError("denied_permissions: write SERVICE.googleapis.com/RESOURCE.ACTION")
