"""What the `[revoke]` table says: whether `curfewd revoke` acts, its rails, its targets, who approves, whom it tells.

`detector.configuration.revoke_table` reads it. Without a `[revoke]` table everything has its default: plan, and do
nothing.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from detector.configuration.service_settings import Address
from detector.terminal.output import shown
from detector.values.bounded_files import SECRET_BYTES, BadFileError, read_bounded
from detector.values.errors import ConfigError
from detector.values.secrets import DeploymentKey, Secret
from detector.values.times import DAY, MINUTE, SECOND

PLAN: Final = "plan"
ACT: Final = "act"
OUTCOMES: Final = ("confirmed", "done-unproved", "refused", "gone-already", "failed", "held")
NOTICE_TYPES: Final = ("webhook", "slack", "alertmanager")
MATCHED: Final = ("provider", "method", "account", "issuer", "cluster", "kind")
"""What `match` of a target looks at: the credential's kind, and texts of its revocation object."""
SHORTEST_TOKEN: Final = 32  # characters of an approver's token


class SecretFile(msgspec.Struct, frozen=True):
    """A file that holds a secret. `key` is the key of the configuration that names it, for messages.

    It is read when the secret is needed, so that it can be replaced while curfewd runs.
    """

    path: str
    key: str

    def read(self) -> Secret:
        """The secret without a newline at its end.

        Raises:
            ConfigError: the file cannot be read, or is empty. The text holds nothing of it.
        """
        try:
            raw = read_bounded(self.path, SECRET_BYTES)
        except BadFileError as error:
            raise ConfigError(f"{self.key}: {shown(self.path)}: {error}") from None
        secret = raw.removesuffix(b"\n").removesuffix(b"\r")
        if not secret:
            raise ConfigError(f"{self.key}: {shown(self.path)}: empty")
        return Secret(secret)


class Scope(msgspec.Struct, frozen=True):
    """Which commands are meant, by globs. None: whatever it is; an empty list: none.

    - `targets`: names of tables `[revoke.targets.NAME]`.
    - `kinds`, `tasks`, `owners`: of the credential, its task, and who owns the task.
    """

    targets: tuple[str, ...] | None = None
    kinds: tuple[str, ...] | None = None
    tasks: tuple[str, ...] | None = None
    owners: tuple[str, ...] | None = None


class Limits(msgspec.Struct, frozen=True):
    """How many credentials are revoked at most, within any minute or hour. 0 is no limit.

    `per_owner` and `per_target` are for an hour: the blast radius.
    """

    per_minute: int = 20
    per_hour: int = 100
    per_owner: int = 20
    per_target: int = 50


class ApprovalRule(msgspec.Struct, frozen=True):
    """Commands in `scope` need the approval of so many different people.

    `irreversible`: only where no one can undo it.
    """

    approvals: int
    scope: Scope = Scope()
    irreversible: bool = False


class Approver(msgspec.Struct, frozen=True):
    """Who may approve and deny, and the token that shows it."""

    name: str
    token: SecretFile


class QuietHours(msgspec.Struct, frozen=True):
    """A time of the day in which only critical commands are carried out.

    `start` and `end` are minutes of the day in the time zone `zone` (IANA). An `end` at or before `start` is on the
    next day. `days` are those on which it begins, 0 is Monday.
    """

    start: int
    end: int
    zone: str
    days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)


class TargetTable(msgspec.Struct, frozen=True):
    """A table `[revoke.targets.NAME]`: a target of this `type`, and its `options`, which only that target knows.

    `match` has globs by a name of `MATCHED`: each must hold. `lines` has the line of each option in the file `path`.
    """

    name: str
    type: str
    match: Mapping[str, tuple[str, ...]] = {}
    options: Mapping[str, Any] = {}
    path: str = ""
    line: int | None = None
    lines: Mapping[str, int | None] = {}

    def error(self, reason: str, option: str = "") -> ConfigError:
        """What is wrong with this table, or with one of its options."""
        key = f"revoke.targets.{self.name}" + (f".{option}" if option else "")
        return ConfigError(f"{key}: {reason}", self.path, self.lines.get(option, self.line))


class Notice(msgspec.Struct, frozen=True):
    """Who is told of outcomes: the commands in `scope` that end with one of `outcomes`.

    - `url`, or a file with it if whoever knows the URL may write there, as with Slack.
    - `secret` signs a webhook (Standard Webhooks); `token` is a bearer token of Alertmanager.
    """

    name: str
    type: Literal["webhook", "slack", "alertmanager"]
    url: str = ""
    url_file: SecretFile | None = None
    secret: SecretFile | None = None
    token: SecretFile | None = None
    ca_file: str | None = None
    outcomes: tuple[str, ...] = OUTCOMES
    scope: Scope = Scope()


class RevokeSettings(msgspec.Struct, frozen=True):
    """Everything under `[revoke]`. Durations are in ns, paths are relative to the configuration's folder.

    - `given`: there is such a table.
    - `allow`: what may be revoked: every list of it must match. `deny`: what may not: one list that matches is enough,
      and a missing one matches nothing. `never`: globs of credential ids, identifiers and names in the handle.
    - `command_keys`: the signature of a command is checked with each (`DeploymentKey.for_commands`): those of the
      deployment keys, and of `command_key_file`; without one, every command is believed. `allow_unsigned`: those
      without a signature are believed too.
    - `max_age`: a command that asks for something longer ago is held until somebody approves it.
    - `approval_age`: for how long an approval is valid.
    - `deadline`: after this time a command that could not be carried out has failed.
    - `breaker_failures` in a row open the circuit breaker of a target for `breaker_pause`.
    """

    given: bool = False
    mode: Literal["plan", "act"] = "plan"
    allow: Scope = Scope()
    deny: Scope = Scope()
    never: tuple[str, ...] = ()
    limits: Limits = Limits()
    command_key_file: str | None = None
    command_keys: tuple[DeploymentKey, ...] = ()
    allow_unsigned: bool = False
    max_age: int = DAY
    approvals: tuple[ApprovalRule, ...] = ()
    approvers: tuple[Approver, ...] = ()
    approval_age: int = DAY
    quiet_hours: tuple[QuietHours, ...] = ()
    targets: tuple[TargetTable, ...] = ()
    notices: tuple[Notice, ...] = ()
    probes: Address = Address("127.0.0.1", 9466)
    audit_log: str = "curfewd-revocations.log"
    deadline: int = 10 * MINUTE
    call_timeout: int = 15 * SECOND
    concurrency: int = 8
    breaker_failures: int = 5
    breaker_pause: int = 30 * SECOND
