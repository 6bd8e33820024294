"""Kubernetes: deletes the pod or secret that a token is bound to, or makes its service account again.

No token can be revoked alone. It dies with the object that it is bound to, by that object's uid, and each API server
goes on accepting it for up to ten seconds more (`tokencache` in k8s.io/apiserver; `pkg/serviceaccount/claims.go`).
"""

import asyncio
import math
import re  # over names of bounded length
import time
from collections.abc import Callable
from typing import ClassVar, Final, NamedTuple

from detector.adapters.kubernetes.tokens import OTHER_AUDIENCE, POD_UID
from detector.records.pod_names import pod_task
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import GoneError, Observation, Plan, RefusedError, Step
from detector.revoke.targets.handle_fields import needed, optional
from detector.revoke.targets.kubernetes_accounts import copy_name, is_other, recreate
from detector.revoke.targets.kubernetes_objects import ACCOUNTS, PODS, SECRETS, Found, KubernetesObjects
from detector.revoke.targets.provider_http import HttpOptions, ProviderHttp, read_secret
from detector.revoke.targets.settling import FirstSeen
from detector.values.times import SECOND, SKEW

_MOUNTED: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?")  # RFC 1123
_UID = re.compile(r"[0-9a-zA-Z-]{1,64}")
_CLUSTER = re.compile(r"[^\x00-\x20\x7f]{1,256}")
_CACHED: Final = 12.0  # seconds: ten in the token cache, and two for the servers to hear of a deletion
_LEEWAY: Final = 60.0  # seconds after its deletion was asked for, for which an object's tokens are accepted
_METHODS: Final = {"delete-pod": PODS, "delete-secret": SECRETS, "recreate-service-account": ACCOUNTS}
TASK: Final = "curfewd/task-id"  # an annotation of a pod
_WORDS: Final = {PODS: "pod", SECRETS: "secret", ACCOUNTS: "service account"}
_LONGEST_GRACE: Final = 3600


class KubernetesOptions(HttpOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A cluster. Inside of it nothing has to be set but `cluster`.

    - `cluster`: its name, as revocation objects have it. Commands for another one are refused: an object that is not in
      this cluster may be alive in that one.
    - `assume_cluster`: whether commands that name no cluster are about this one.
    - `control_token_file`: a token of a service account that must go on working; a TokenReview asks for it.
    - `grace_seconds`: how long a pod's processes have to stop. 0 takes the pod away before its node has stopped it.
    - `recreate_service_accounts`: whether a service account may be made again for a token that is bound to nothing
      else. That ends the tokens of all its pods.
    """

    url: str = "https://kubernetes.default.svc"
    token_file: str | None = f"{_MOUNTED}/token"
    ca_file: str | None = f"{_MOUNTED}/ca.crt"
    cluster: str
    assume_cluster: bool = False
    control_token_file: str | None = None
    grace_seconds: int = 1
    recreate_service_accounts: bool = False

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            ValueError: one cannot be used.
        """
        super().__post_init__()
        if not 0 <= self.grace_seconds <= _LONGEST_GRACE:
            raise ValueError("grace_seconds: write seconds, from 0 to 3600")


class _Handle(NamedTuple):
    """What a command names: an object, and the service account of the token. `uid` is empty for an account."""

    kind: str
    namespace: str
    name: str
    uid: str
    account: str

    def __str__(self) -> str:
        uid = f" (uid {self.uid})" if self.uid else ""
        return f"{_WORDS[self.kind]} {self.namespace}/{self.name}{uid}"


class _Sight(NamedTuple):
    """What the API server says of an object: whether it is there, and for how long its tokens are accepted (seconds).

    `remaining` is None while nobody has asked to delete it; 0 or less once no API server accepts them. `known` says
    of an object that is not there that it was. `account` is the service account as which a pod runs.
    """

    there: bool
    how: str
    remaining: float | None = None
    known: bool = False
    account: str = ""


class KubernetesTarget:
    """Tokens of service accounts."""

    name: ClassVar[str] = "kubernetes"
    Options: ClassVar[type[KubernetesOptions]] = KubernetesOptions

    def __init__(self, options: KubernetesOptions, clock: Callable[[], float] = time.monotonic) -> None:
        self._options = options
        self._http = ProviderHttp(options)
        self._objects = KubernetesObjects(self._http)
        self._missed = FirstSeen(clock)

    @staticmethod
    def accepts(command: RevocationCommand) -> bool:
        """Whether it is a token of Kubernetes."""
        return command.provider == "kubernetes"

    def plan(self, command: RevocationCommand) -> Plan:
        """What it would do.

        Raises:
            RefusedError: the command lacks what is needed, or contradicts itself.
        """
        handle = self._handle(command)
        unproved = "the token itself is not tried: nobody but its holder has it"
        if command.kind == OTHER_AUDIENCE:
            unproved = "its verifier is not the API server, and may accept the token until it expires"
        if handle.kind == ACCOUNTS:
            words = f"delete the {handle} and make it again: ends all its tokens; its pods must be restarted"
            proof = "the account of that name was made after the token was issued, ten seconds ago or more"
            return Plan((Step(words),), proof, _LEEWAY + _CACHED, unproved)
        words = f"delete the {handle}: its tokens end with it"
        proof = f"the cluster has had no {handle} for ten seconds"
        grace = self._options.grace_seconds if handle.kind == PODS else 0
        return Plan((Step(words),), proof, grace + _LEEWAY + _CACHED, unproved)

    async def revoke(self, command: RevocationCommand, step: int) -> str:
        """Deletes the object, if it is the one. If it is gone, waits until no API server accepts its tokens.

        Raises:
            RefusedError, GoneError, UnavailableError: it was not done.
        """
        del step  # there is one
        handle = self._handle(command)
        sight = await self._look(command, handle)
        if not sight.there:
            if command.kind == OTHER_AUDIENCE:
                return f"nothing to do: {sight.how}"
            await asyncio.sleep(max(0.0, sight.remaining or 0.0))
            raise GoneError(sight.how, known=sight.known)
        if handle.kind == ACCOUNTS:
            issued = command.issued_at or 0
            return await recreate(self._objects, handle.namespace, handle.name, issued, command.id)
        grace = self._options.grace_seconds if handle.kind == PODS else None
        await self._objects.delete(handle.kind, handle.namespace, handle.name, handle.uid, grace=grace)
        return f"deleted {handle}"

    async def probe(self, command: RevocationCommand) -> Observation:
        """Whether the object is there, and whether its tokens may still be accepted.

        Raises:
            RefusedError, UnavailableError: it cannot be said.
        """
        handle = self._handle(command)
        sight = await self._look(command, handle)
        control = await self._control()
        if sight.remaining is None:
            found = {"service_account": sight.account} if sight.account else {}
            return Observation("live", sight.how, control, found)
        if sight.remaining > 0:
            left = f"API servers may accept its tokens for {math.ceil(sight.remaining)} s more"
            return Observation("live" if sight.there else "unknown", f"{sight.how}; {left}", control)
        if command.kind == OTHER_AUDIENCE:
            return Observation("unknown", f"{sight.how}, but its token's verifier need not ask", control)
        return Observation("dead" if sight.there or sight.known else "absent", sight.how, control)

    async def close(self) -> None:
        """Closes connections."""
        await self._http.close()

    def _handle(self, command: RevocationCommand) -> _Handle:
        """The object that the command names.

        Raises:
            RefusedError: it names none, or one of another cluster or credential.
        """
        kind = _METHODS.get(command.method)
        if kind is None:
            raise RefusedError("`method` is not one of " + ", ".join(_METHODS))
        cluster = optional(command, "cluster", _CLUSTER)
        if cluster != self._options.cluster and (cluster or not self._options.assume_cluster):
            ours = f"this target is the cluster {self._options.cluster}"
            raise RefusedError(
                f"the command is about another cluster; {ours}"
                if cluster
                else f"the command names no cluster; {ours}: set assume_cluster if it has all that name none"
            )
        namespace, account = needed(command, "namespace", _NAME), optional(command, "service_account", _NAME)
        if kind == ACCOUNTS:
            if not self._options.recreate_service_accounts:
                raise RefusedError(
                    "the token is bound to its service account alone: set recreate_service_accounts = true to make "
                    "that again, which ends the tokens of all its pods"
                )
            if command.issued_at is None:
                raise RefusedError("the command does not say when the token was issued")
            return _Handle(kind, namespace, needed(command, "service_account", _NAME), "", account)
        handle = _Handle(
            kind, namespace, needed(command, "name", _NAME), needed(command, "uid", _UID), account
        )
        if kind == PODS:
            _check_pod(command, handle)
        return handle

    async def _look(self, command: RevocationCommand, handle: _Handle) -> _Sight:
        if handle.kind == ACCOUNTS:
            return await self._account(handle, command.issued_at or 0, command.id)
        if handle.kind == SECRETS:
            there = await self._objects.deletable(SECRETS, handle.namespace, handle.name, handle.uid)
            return _Sight(True, f"{handle} is there") if there else self._missing(handle)
        found = await self._objects.find(PODS, handle.namespace, handle.name)
        if (
            found is None or found.uid != handle.uid
        ):  # the task is called after a pod that the API server has told of
            was_there = pod_task(handle.namespace, handle.name, handle.uid) in command.task_ids
            return self._missing(handle, known=was_there)
        spec = found.fields.get("spec")
        account = spec.get("serviceAccountName") if isinstance(spec, dict) else None
        if handle.account and account != handle.account:
            raise RefusedError(f"{handle} runs as another service account than the token's")
        if command.issued_at is not None and found.created > command.issued_at + SKEW:
            raise RefusedError(f"{handle} was made after the token was issued")
        if not _is_linked(command, handle) and found.annotations.get(TASK) not in command.task_ids:
            raise RefusedError(
                f"nothing shows that the token of {handle} is meant: annotate pods with `{TASK}`, their task's id"
            )
        return _ending(handle, found)._replace(account=account if isinstance(account, str) else "")

    async def _account(self, handle: _Handle, issued_at: int, command_id: str) -> _Sight:
        found = await self._objects.find(ACCOUNTS, handle.namespace, handle.name)
        if found is not None and not is_other(found, issued_at, command_id):
            return _ending(handle, found)
        copy = copy_name(handle.namespace, handle.name)
        if await self._objects.find(ACCOUNTS, handle.namespace, copy) is not None:
            return _Sight(True, f"{handle} is being made again")
        if found is None:
            return self._missing(handle)
        remaining = (found.created - found.now) / SECOND + _CACHED
        return _Sight(False, f"{handle} was made after the token was issued", remaining, known=True)

    def _missing(self, handle: _Handle, *, known: bool = False) -> _Sight:
        """The API does not say since when an object is gone: the time counts from when it was first missed."""
        return _Sight(False, f"the cluster has no {handle}", _CACHED - self._missed.seconds(handle), known)

    async def _control(self) -> bool:
        """Whether other tokens are accepted: the revoker's own is, or it had no answer; and the configured one."""
        if self._options.control_token_file is None:
            return True
        token = await read_secret(self._options.control_token_file)
        return await self._objects.accepts(token.reveal().decode("ascii"))


def _check_pod(command: RevocationCommand, handle: _Handle) -> None:
    """Nothing, unless the command's credential is another pod's, by its identifiers or its task.

    Raises:
        RefusedError: it is.
    """
    uids = {one.value for one in command.identifiers if one.scheme == POD_UID}
    if uids and handle.uid not in uids:
        raise RefusedError("`uid` of the revocation object is not the one of the credential's pod")
    tasks = [task for task in command.task_ids if task.startswith("k8s/")]
    if tasks and pod_task(handle.namespace, handle.name, handle.uid) not in tasks:
        raise RefusedError("the revocation object names another pod than the credential's task")


def _is_linked(command: RevocationCommand, handle: _Handle) -> bool:
    """Whether the command's own credential or task names the pod."""
    if any(one.scheme == POD_UID and one.value == handle.uid for one in command.identifiers):
        return True
    return pod_task(handle.namespace, handle.name, handle.uid) in command.task_ids


def _ending(handle: _Handle, found: Found) -> _Sight:
    """An object that is there. Once its deletion was asked for, its tokens are refused a minute after that time."""
    if found.deleting is None:
        return _Sight(True, f"{handle} is there")
    remaining = (found.deleting - found.now) / SECOND + _LEEWAY + _CACHED
    return _Sight(True, f"{handle} is being deleted", remaining)


TARGET: Final = KubernetesTarget
