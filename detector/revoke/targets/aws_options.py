"""What the target `aws` may be told."""

import re  # over an account's number

import msgspec

from detector.revoke.targets.delays import Delay, delay_of
from detector.revoke.targets.provider_http import check_address

_ACCOUNT = re.compile(r"[0-9]{12}")


class AwsOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One account. The revoker's credentials are those of its pod, instance or environment, or in a file.

    - `account`: its number. Commands for another one are refused.
    - `region`: where STS is asked.
    - `credentials_file`, `profile`: a file as the AWS CLI has it, and the profile in it.
    - `delete_after`: a duration after which an access key that was made inactive is deleted; by default never, so that
      a person can make it active again.
    - `all_sessions`: whether all older sessions of a role or user are denied where those of one name cannot be.
    - `settle_seconds`: how long AWS may go on accepting what IAM has revoked.
    - `timeout`: seconds for one answer.
    - `endpoint_url`: another address of the API.
    """

    account: str
    region: str = "us-east-1"
    credentials_file: str | None = None
    profile: str = "default"
    delete_after: Delay | None = None
    all_sessions: bool = False
    settle_seconds: float = 10.0
    timeout: float = 10.0
    endpoint_url: str | None = None

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            ValueError: one cannot be used.
        """
        if _ACCOUNT.fullmatch(self.account) is None:
            raise ValueError("account: write its twelve digits")
        delay_of("delete_after", self.delete_after)
        if not 0 <= self.settle_seconds <= 12 or not 0 < self.timeout <= 14:  # noqa: PLR2004 - the message says it
            raise ValueError("settle_seconds: 0 to 12, timeout: more than 0 and at most 14 seconds")
        if self.endpoint_url is not None:
            check_address("endpoint_url", self.endpoint_url)
