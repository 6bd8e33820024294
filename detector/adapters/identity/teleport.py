"""Teleport's audit events: bots that join as CI jobs, their certificates, and what they did with them.

Events as the event handler, the log files or `tctl` give them (goteleport.com/docs, "Audit events"; the names of the
fields are those of `events.proto` in gravitational/teleport). A **bot instance** joins by a signed token of its job,
whose claims are in `attributes`, and gets certificates. Everything that is done with them has its `bot_instance_id`, so
that is the credential; the log has no serial numbers. A certificate says when it expires: that renews the instance.

The name of a join token of the method `token` is its secret. Teleport masks it, but for the last quarter; of fewer
than 16 characters it masks all (`GetSafeName`), so that such a name tells no token from another.
"""

from collections.abc import Iterator
from typing import Any, Final

import re2

from detector.adapters.adapter import Adapter, Record
from detector.adapters.ci_names import group_of_subject
from detector.adapters.fields import expiry, find, issued_to, maybe_text, text, time
from detector.adapters.oauth.claims import group_of_claims, task_of_claims
from detector.records.log_records import LogText, whole_record
from detector.records.record_ids import record_id
from detector.values.events import (
    DENIED,
    SUCCESS,
    CanonicalEvent,
    CredentialIssued,
    CredentialRenewed,
    CredentialRevoked,
    CredentialUsed,
    Identifier,
)
from detector.values.networks import split_port
from detector.values.times import DAY

INSTANCE: Final = "teleport-bot-instance-id"
JOIN_TOKEN: Final = "teleport-join-token"  # noqa: S105 - the scheme of an identifier
_MARKS: Final = (b'"ei"', b'"code":"T', b'"code": "T')
_CODE: Final = re2.compile(r"[Tt][A-Za-z0-9]{2,12}")
_WHOLE_CODE: Final = re2.compile(r"T[A-Z]{0,8}\d{2,5}[IWE]")
_LIVES: Final = DAY  # assumed until the first certificate says when it expires
_SECRET: Final = "token"  # noqa: S105 - the join method by a token whose name is its secret
_MASKED: Final = "*"
# These say that something is over, which an earlier event says that the bot began.
_ENDS: Final = (".end", ".leave", ".data", ".upload", ".disconnect", ".process_exit")
_REFUSALS: Final = frozenset({"session.rejected", "cert.generation_mismatch"})
_REFUSED: Final = (401, 403)
_LOCKED: Final = (  # what a lock may be on
    *("user", "role", "login", "mfa_device", "windows_desktop", "access_request", "device", "server_id"),
    *("bot_instance_id", "join_token"),
)
# What an event is about, by the first of these that it has; the second field says more.
_RESOURCES: Final = (
    ("kubernetes_cluster", "request_path"),
    ("db_service", "db_name"),
    ("app_name", "path"),
    ("server_hostname", "login"),
    ("name", "method"),
)
_KINDS: Final = frozenset(
    {"access_graph", "access_list", "access_path_changed", "access_request", "app", "audit_query", "auth"}
    | {"auth_preference", "autoupdate_agent_rollout", "autoupdate_config", "autoupdate_version", "billing", "bot"}
    | {"bot_token", "cert", "client", "cluster_networking_config", "contact", "crown_jewel", "db", "desktop", "device"}
    | {"discovery_config", "external_audit_storage", "git", "health_check_config", "mcp", "plugin", "secreports"}
    | {"session_recording_config", "spiffe_federation", "stable_unix_user", "static_host_user", "trusted_cluster_token"}
    | {"user_task", "vnet", "x11-forward"}
    | {"exec", "github", "instance", "integration", "join_token", "kube", "lock", "mfa", "oidc", "okta", "port"}
    | {"privilege_token", "recovery_code", "recovery_token", "reset_password_token", "resize", "role", "saml", "scp"}
    | {"session", "sftp", "spiffe", "subsystem", "trusted_cluster", "user", "windows", "workload_identity"}
    | {"scim", "sigstore", "upgradewindowstart"}
)  # fmt: skip
_UNJOINED: Final = (
    "the bot's way of joining names no job; let jobs join by `github`, `gitlab`, `kubernetes` or the like"
)
_BY_SECRET: Final = "a join token belongs to no task; let jobs join by a token of their platform"  # noqa: S105 - words


def _looks_like(record: Record) -> bool:
    """Whether an object is an audit event.

    Many that Teleport documents lack `ei`, the place of an event in its session.
    """
    code, event = record.get("code"), record.get("event")
    if "time" not in record or not isinstance(event, str) or not isinstance(code, str):
        return False
    if "ei" in record:
        return _CODE.fullmatch(code) is not None
    return event.partition(".")[0] in _KINDS and _WHOLE_CODE.fullmatch(code) is not None


def translate(record: Record, now: int) -> list[CanonicalEvent]:
    """The bot instance that joined, its certificate, a lock, or the use of an instance.

    Raises:
        BadRecordError: a field that such an event has is missing or wrong.
    """
    event = _Event(record, now)
    kind = record["event"]
    if kind == "bot.join":
        return list(_joined(event))
    if kind == "cert.create":
        return list(_certified(event))
    if kind == "join_token.create":
        return list(_token_made(event))
    if kind == "lock.created":
        return list(_locked(event))
    if kind == "bot.delete":
        return [event.revoked(group=event.user(f"bot-{text(record, 'name')}"))]
    instance = maybe_text(record, "bot_instance_id")
    return [] if instance is None or kind.endswith(_ENDS) else [event.used(Identifier(INSTANCE, instance))]


class _Event:
    """What the events of one record share."""

    def __init__(self, record: Record, now: int) -> None:
        self.record, self._now = record, now
        cluster = maybe_text(record, "cluster_name")
        self.source = "teleport" if cluster is None else f"teleport/{cluster}"
        self.id = maybe_text(record, "uid") or record_id(record)

    @property
    def time(self) -> int:
        """When it happened."""
        return time(self.record, "time", self._now)

    @property
    def address(self) -> str | None:
        """The client's address, without its port. The field's name has a dot, so that it is no path."""
        named = (
            self.record.get(name) for name in ("addr.remote", "addr_remote")
        )  # Panther has no dots there
        value = next(filter(None, named), None)
        return split_port(value)[0] if isinstance(value, str) else None

    @property
    def refused(self) -> bool:
        """Whether Teleport, or the cluster behind it, did not let the bot do it."""
        return (
            self.record.get("success") is False
            or self.record["event"] in _REFUSALS
            or self.record.get("response_code") in _REFUSED
        )

    def used(self, of: Identifier, suffix: str = "used", address: str | None = None) -> CredentialUsed:
        """What was done with an instance or a token."""
        return CredentialUsed(
            time=self.time,
            source=self.source,
            id=f"{self.id}/{suffix}",
            identifier=of,
            action=self.record["event"],
            resource=_resource(self.record),
            outcome=DENIED if self.refused else SUCCESS,
            source_ip=address or self.address,
            user_agent=maybe_text(self.record, "user_agent"),
        )

    def user(self, name: str) -> str:
        """The group of all that a user of the cluster has."""
        return f"{self.source}/user/{name}"

    def join_token(self, name: str) -> str:
        """A join token of the cluster, and the group of what joined by it."""
        return f"{self.source}/join-token/{name}"

    def revoked(self, **whom: Any) -> CredentialRevoked:
        """Who was locked or deleted."""
        return CredentialRevoked(time=self.time, source=self.source, id=f"{self.id}/revoked", **whom)


def _resource(record: Record) -> str | None:
    for names in _RESOURCES:
        first, more = (maybe_text(record, name) for name in names)
        if first is not None:
            return first if more is None else f"{first} {more}"
    return None


def _told_by_its_end(token: str) -> bool:
    """Whether a name is masked, and not whole."""
    return token.startswith(_MASKED) and token.strip(_MASKED) != ""


def _joined(event: _Event) -> Iterator[CanonicalEvent]:
    """A bot that joined, or tried to."""
    record = event.record
    token, instance = maybe_text(record, "token_name"), maybe_text(record, "bot_instance_id")
    if token is not None and _told_by_its_end(token):
        yield event.used(Identifier(JOIN_TOKEN, token), "joined")
    if instance is not None and record.get("success") is True:
        yield _issued(event, instance, token)


def _issued(event: _Event, instance: str, token: str | None) -> CredentialIssued:
    claims, subject = _claims(event.record)
    task = task_of_claims(claims)
    group = None if task is not None else group_of_claims(claims) or group_of_subject(subject)
    user = maybe_text(event.record, "user_name") or f"bot-{text(event.record, 'bot_name')}"
    secret = event.record.get("method") == _SECRET  # then the token's name is what it hides
    by_token = () if token is None or secret else (event.join_token(token),)
    return CredentialIssued(
        time=event.time,
        source=event.source,
        id=f"{event.id}/issued",
        credential_id=f"teleport/bot-instance/{instance}",
        task_id=task or (None if group is not None else f"teleport/bot-instance/{instance}"),
        task_group=group,
        identifiers=(Identifier(INSTANCE, instance),),
        kind="teleport-bot-instance",
        expires_at=event.time + _LIVES,
        revocation={"provider": "teleport", "method": "lock-bot-instance", "bot_instance_id": instance},
        groups=(event.user(user), *by_token),
        issued_to=issued_to(event.address),
        unjoined=None if task is not None else _UNJOINED,
    )


def _claims(record: Record) -> tuple[dict[str, Any], str]:
    """The claims of the token that a bot joined by, and its subject.

    Kubernetes' are one level down, if they are there.
    """
    attributes = record.get("attributes")
    if not isinstance(attributes, dict):
        return {}, ""
    raw, user = attributes.get("raw"), attributes.get("username")
    return raw if isinstance(raw, dict) else attributes, user if isinstance(user, str) else ""


def _certified(event: _Event) -> Iterator[CanonicalEvent]:
    """A certificate of a bot instance: it was asked for with the instance's identity, and renews it."""
    instance = maybe_text(event.record, "identity.bot_instance_id")
    if instance is None:
        return
    identifier, until = Identifier(INSTANCE, instance), expiry(event.record, "identity.expires")
    yield event.used(identifier, address=maybe_text(event.record, "identity.client_ip"))
    if until is not None:
        yield CredentialRenewed(
            time=event.time,
            source=event.source,
            id=f"{event.id}/renewed",
            identifier=identifier,
            expires_at=until,
        )


def _token_made(event: _Event) -> Iterator[CanonicalEvent]:
    """A join token that is a secret. By the other methods a token is a rule of who may join, and opens nothing."""
    name = text(event.record, "name")
    if event.record.get("join_method") != _SECRET or not _told_by_its_end(name):
        return
    yield CredentialIssued(
        time=event.time,
        source=event.source,
        id=f"{event.id}/issued",
        credential_id=event.join_token(name),
        task_id=event.join_token(name),
        identifiers=(Identifier(JOIN_TOKEN, name),),
        kind=JOIN_TOKEN,
        expires_at=expiry(event.record, "expires"),
        unjoined=_BY_SECRET,
    )


def _locked(event: _Event) -> Iterator[CanonicalEvent]:
    """Whom a lock ends. If it is taken away again, what it held comes back to life, and nothing here says so.

    A lock on several things, such as a user at one server, holds only where all of them meet, and ends nothing.
    """
    whole = [name for name in _LOCKED if find(event.record, f"target.{name}")]
    if whole == ["bot_instance_id"]:
        instance = text(event.record, "target.bot_instance_id")
        yield event.revoked(identifier=Identifier(INSTANCE, instance))
    elif whole == ["user"]:
        yield event.revoked(group=event.user(text(event.record, "target.user")))
    elif whole == ["join_token"]:
        yield event.revoked(group=event.join_token(text(event.record, "target.join_token")))


def scanned(record: Record, _now: int) -> LogText:
    """All that an event says: commands and queries may hold secrets."""
    return whole_record(record, record.get("time"))


def _kind(record: Record) -> str | None:
    kind = str(record["event"]).partition(".")[0]
    return kind if kind in _KINDS else None


ADAPTER: Final = Adapter(
    "teleport", _MARKS, _looks_like, translate, text=scanned, kind=_kind, type_at=("event",)
)
