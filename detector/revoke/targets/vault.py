"""HashiCorp Vault and OpenBao: revokes a token by its accessor, or a lease by its id. Never a prefix.

Vault answers with success when it is asked to revoke an accessor that it does not know. So the token is always looked
up first (developer.hashicorp.com/vault/api-docs/auth/token and …/system/leases).
"""

import re  # over texts of bounded length
from collections.abc import Mapping
from typing import Any, ClassVar, Final, NamedTuple

from detector.adapters.vault.entry import HMAC
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import (
    GoneError,
    Observation,
    Plan,
    RefusedError,
    State,
    Step,
    UnavailableError,
)
from detector.revoke.targets.found_names import found_names
from detector.revoke.targets.handle_fields import needed, optional
from detector.revoke.targets.issue_times import issued_then
from detector.revoke.targets.provider_http import Answer, HttpOptions, ProviderHttp, forbidden
from detector.terminal.output import printable
from detector.values.times import SECOND, format_rfc3339

_ACCESSOR = re.compile(r"[A-Za-z0-9_.-]{8,256}")
_NAMESPACE = re.compile(r"[\w-]+(?:/[\w-]+)*/?", re.ASCII)
_LEASE = re.compile(r"[\w.@+=:-]+(?:/[\w.@+=:-]+)+", re.ASCII)  # no slash at the end: that would be a prefix
_TEXT = re.compile(r"[^\x00-\x1f\x7f]+")
_WITHIN: Final = 10.0
_OK: Final = frozenset({200, 202, 204})
_UNKNOWN: Final = frozenset({400, 403, 404})
_UNKNOWN_WORDS: Final = ("invalid accessor", "invalid lease", "lease not found", "bad token")
_SELF: Final = ("v1", "auth", "token", "lookup-self")
_EXPECTED: Final = ("display_name", "entity_id", "path")
_SHOWN: Final = 200
_LATEST: Final = 1 << 36  # seconds since the epoch


class VaultOptions(HttpOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A Vault or OpenBao. `token_file` is needed; `url` is without `/v1`.

    - `namespace`: the namespace of the revoker's own token, and of commands that name none.
    """

    namespace: str = ""

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            ValueError: one cannot be used.
        """
        super().__post_init__()
        if self.namespace and _NAMESPACE.fullmatch(self.namespace) is None:
            raise ValueError("namespace: write names with slashes between them")


class _Kind(NamedTuple):
    """A token or a lease: how it is called, looked up and revoked, and the field with its issue time."""

    words: str
    key: str
    lookup: tuple[str, ...]
    revoke: tuple[str, ...]
    issued: str


_TOKEN: Final = _Kind(
    "token with accessor",
    "accessor",
    ("v1", "auth", "token", "lookup-accessor"),
    ("v1", "auth", "token", "revoke-accessor"),
    "creation_time",
)
_LEASES: Final = _Kind(
    "lease", "lease_id", ("v1", "sys", "leases", "lookup"), ("v1", "sys", "leases", "revoke"), "issue_time"
)


class _Handle(NamedTuple):
    kind: _Kind
    id: str
    namespace: str

    def __str__(self) -> str:
        where = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.kind.words} {self.id}{where}"


class VaultTarget:
    """Tokens and leases of one Vault."""

    name: ClassVar[str] = "vault"
    Options: ClassVar[type[VaultOptions]] = VaultOptions

    def __init__(self, options: VaultOptions) -> None:
        self._options = options
        self._http = ProviderHttp(options, scheme="")

    @staticmethod
    def accepts(command: RevocationCommand) -> bool:
        """Whether it is a token or lease of Vault or OpenBao."""
        return command.provider in {"vault", "openbao"}

    def plan(self, command: RevocationCommand) -> Plan:
        """What it would do.

        Raises:
            RefusedError: the command lacks what is needed, or its credential cannot be revoked.
        """
        handle = self._handle(command)
        if handle.kind is _TOKEN:
            step, unproved = f"revoke the {handle}, its child tokens and their leases", ""
        else:
            step = f"revoke the {handle}"
            unproved = "that the database or cloud refuses what was leased: Vault says so"
        return Plan((Step(step),), f"Vault no longer knows the {handle}", _WITHIN, unproved)

    async def revoke(self, command: RevocationCommand, step: int) -> str:
        """Looks the token or lease up, and revokes it.

        Raises:
            RefusedError, GoneError, UnavailableError: it was not done.
        """
        del step  # there is one
        handle = self._handle(command)
        if await self._look(command, handle) is None:
            raise GoneError(f"Vault does not know the {handle}")
        sent: dict[str, Any] = {handle.kind.key: handle.id}
        if handle.kind is _LEASES:
            sent["sync"] = True  # else it answers before it has asked the database or cloud
        answer = await self._ask("POST", handle.kind.revoke, handle.namespace, sent)
        if not _is_unknown(answer):
            forbidden(answer, f"update on {'/'.join(handle.kind.revoke[1:])} (deploy/revoke/vault.hcl)")
            if answer.status not in _OK:
                raise UnavailableError(f"{self._http.host} answers HTTP {answer.status} to the revocation")
        return f"revoked the {handle}"

    async def probe(self, command: RevocationCommand) -> Observation:
        """Whether Vault knows the token or lease, and whether the revoker's own token works.

        Raises:
            RefusedError, UnavailableError: it cannot be said.
        """
        handle = self._handle(command)
        data = await self._look(command, handle)
        path = "/".join(handle.kind.lookup[1:])
        state: State = "absent" if data is None else "live"
        how = f"{path} does not know it" if data is None else f"{path} knows it"
        own = await self._ask("GET", _SELF, self._options.namespace)
        found = found_names(data or {}, **{name: name for name in _EXPECTED})
        return Observation(state, how, control=own.status in _OK, found=found)

    async def close(self) -> None:
        """Closes connections."""
        await self._http.close()

    def _handle(self, command: RevocationCommand) -> _Handle:
        """The token or lease that the command names.

        Raises:
            RefusedError: it names none that can be revoked.
        """
        namespace = optional(command, "namespace", _NAMESPACE) or self._options.namespace
        if command.method == "revoke-accessor":
            accessor = command.text("accessor")
            if accessor.startswith(HMAC):
                raise RefusedError(
                    "the accessor is hashed: enable Vault's audit device with `hmac_accessor=false`"
                )
            return _Handle(_TOKEN, needed(command, "accessor", _ACCESSOR), namespace)
        if command.method == "revoke-lease":
            if command.text("lease_id").startswith(HMAC):
                raise RefusedError("the lease id is hashed: leave it unhashed in Vault's audit device")
            lease = needed(command, "lease_id", _LEASE)
            if ".." in lease.split("/"):
                raise RefusedError("`lease_id` of the revocation object does not have the form of one")
            return _Handle(_LEASES, lease, namespace)
        if command.method == "none" or "batch" in command.kind:
            raise RefusedError(
                "a batch token cannot be revoked: it ends with its parent, or when it expires. Disable what issues it"
            )
        raise RefusedError("`method` is not one of revoke-accessor, revoke-lease")

    async def _look(self, command: RevocationCommand, handle: _Handle) -> Mapping[str, Any] | None:
        """What Vault knows of it; None if nothing.

        Raises:
            RefusedError: it is not the command's credential, or one that must not be revoked.
            UnavailableError: Vault cannot be asked.
        """
        answer = await self._ask("POST", handle.kind.lookup, handle.namespace, {handle.kind.key: handle.id})
        if _is_unknown(answer):
            return None
        forbidden(answer, f"update on {'/'.join(handle.kind.lookup[1:])} (deploy/revoke/vault.hcl)")
        data = answer.fields().get("data") if answer.status in _OK else None
        if not isinstance(data, dict):
            raise UnavailableError(f"{self._http.host} answers HTTP {answer.status} to a lookup")
        if data.get("id" if handle.kind is _LEASES else "accessor") != handle.id:
            raise UnavailableError(f"{self._http.host} answers a lookup with something else")
        if data.get("type") == "batch":
            raise RefusedError("a batch token cannot be revoked: it ends when it expires")
        self._compare(command, handle, data)
        if handle.kind is _TOKEN and await self._own_accessor() == handle.id:
            raise RefusedError("the command names the revoker's own token")
        return data

    def _compare(self, command: RevocationCommand, handle: _Handle, data: Mapping[str, Any]) -> None:
        """Nothing, unless Vault says another issue time, name, policies or task than the command.

        Raises:
            RefusedError: it does.
        """
        issued = data.get(handle.kind.issued)
        if isinstance(issued, int) and 0 < issued < _LATEST:
            issued = format_rfc3339(issued * SECOND)
        issued_then(command, issued, str(handle))
        for name in _EXPECTED:
            expected = optional(command, name, _TEXT)
            if expected and data.get(name) != expected:
                raise RefusedError(f"Vault says another `{name}` of the {handle} than the command")
        policies = command.revocation.get("policies")
        if policies is not None and policies != data.get("policies"):
            raise RefusedError(f"Vault says other `policies` of the {handle} than the command")
        meta = data.get("meta")
        task = meta.get("task_id") if isinstance(meta, dict) else None
        if isinstance(task, str) and command.task_ids and task not in command.task_ids:
            said = printable(task[:_SHOWN])
            raise RefusedError(f"Vault says that the {handle} is of task {said}, not of the command's")

    async def _own_accessor(self) -> object:
        answer = await self._ask("GET", _SELF, self._options.namespace)
        forbidden(answer, "read on auth/token/lookup-self (deploy/revoke/vault.hcl)")
        data = answer.fields().get("data")
        return data.get("accessor") if isinstance(data, dict) else None

    async def _ask(
        self, method: str, path: tuple[str, ...], namespace: str, json: Mapping[str, Any] | None = None
    ) -> Answer:
        token = await self._http.token()
        if token is None:
            raise UnavailableError("set token_file to a file with the revoker's token for Vault")
        headers = {"X-Vault-Token": token, "X-Vault-Request": "true"}
        if namespace:
            headers["X-Vault-Namespace"] = namespace
        return await self._http.ask(method, path, json=json, headers=headers)


def _is_unknown(answer: Answer) -> bool:
    """Whether Vault says that it does not know a token or lease; it may also mean that the revoker lacks a right."""
    if answer.status not in _UNKNOWN:
        return False
    errors = answer.fields().get("errors")
    texts = [one for one in errors if isinstance(one, str)] if isinstance(errors, list) else []
    return any(words in text for text in texts for words in _UNKNOWN_WORDS)


TARGET: Final = VaultTarget
