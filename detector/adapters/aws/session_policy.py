"""Session policies of AWS as grants, in the names that CloudTrail uses for calls.

A policy's `Action` is IAM's name for a permission; an event has the API's name for a call. Most are equal. `_CALLS`
and `_PREFIXES` hold the differences for the widely used services (for S3 from its list of CloudTrail events). A
permission grants every call that needs it. A policy that grants cannot express gives None: a wrong scope is worse than
none.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import re2

from detector.records.repeated_names import has_repeated_name
from detector.values.events import Grant
from detector.values.globs import compile_glob

_MAX_POLICY: Final = 16 * 1024  # AWS takes 2,048 characters
_MAX_ITEMS: Final = 256
# IAM ignores the case of an action, a glob does not: only actions in the case of the API are accepted.
_ACTION = re2.compile(r"[A-Za-z0-9-]+:[A-Z*?][A-Za-z0-9*?]*")
_PREFIXES: Final = {"cloudwatch": "monitoring", "tag": "tagging"}  # IAM's, and the event source's
_SERVICES: Final = {source: service for service, source in _PREFIXES.items()}
_VERSION: Final = re2.compile(r"20[0-9]{2}_?[0-9]{2}_?[0-9]{2}(?:v[0-9])?$")
_VERSIONED: Final = frozenset(
    {"cloudfront", "lambda"}
)  # their calls end in the API's version: `Invoke20150331`
_CALLS: Final = {
    "lambda:InvokeFunction": ("lambda:Invoke*",),
    "s3:DeleteObject": ("s3:DeleteObjects",),
    "s3:GetBucketCORS": ("s3:GetBucketCors",),
    "s3:GetEncryptionConfiguration": ("s3:GetBucketEncryption",),
    "s3:GetLifecycleConfiguration": ("s3:GetBucketLifecycle", "s3:GetBucketLifecycleConfiguration"),
    "s3:GetObject": ("s3:HeadObject", "s3:SelectObjectContent"),
    "s3:GetReplicationConfiguration": ("s3:GetBucketReplication",),
    "s3:ListAllMyBuckets": ("s3:ListBuckets",),
    "s3:ListBucket": ("s3:HeadBucket", "s3:ListObjects", "s3:ListObjectsV2"),
    "s3:ListBucketMultipartUploads": ("s3:ListMultipartUploads",),
    "s3:ListBucketVersions": ("s3:ListObjectVersions",),
    "s3:ListMultipartUploadParts": ("s3:ListParts",),
    "s3:PutBucketCORS": ("s3:PutBucketCors", "s3:DeleteBucketCors"),
    "s3:PutBucketTagging": ("s3:DeleteBucketTagging",),
    "s3:PutEncryptionConfiguration": ("s3:PutBucketEncryption", "s3:DeleteBucketEncryption"),
    "s3:PutLifecycleConfiguration": (
        "s3:PutBucketLifecycle",
        "s3:PutBucketLifecycleConfiguration",
        "s3:DeleteBucketLifecycle",
    ),
    "s3:PutObject": (
        "s3:CompleteMultipartUpload",
        "s3:CopyObject",
        "s3:CreateMultipartUpload",
        "s3:PostObject",
        "s3:UploadPart",
        "s3:UploadPartCopy",
    ),
    "s3:PutReplicationConfiguration": ("s3:PutBucketReplication", "s3:DeleteBucketReplication"),
}
# Every session may call this, even one that is denied everything, and SDKs and Terraform do so at once. It is part of
# the first grant, because a grant of its own would be reported as unused.
_ALWAYS: Final = "sts:GetCallerIdentity"
_SAID: Final = frozenset({"Sid", "Effect", "Action", "Resource"})
_decoder: Final = msgspec.json.Decoder()


def grants_of(policy: object, managed: object = None) -> tuple[Grant, ...] | None:
    """The grants of a session policy; None if grants cannot express it.

    `policy` is the document as text, as a request has it. `managed` are policies named by ARN, whose contents are not
    in the log. Globs cannot express a statement that denies, inverts a list, or has a condition or a variable.
    """
    if not isinstance(policy, str) or not policy or len(policy) > _MAX_POLICY or managed:
        return None
    try:
        document = _decoder.decode(policy)
    except (msgspec.DecodeError, RecursionError):
        return None
    if has_repeated_name(policy.encode("utf-8", "replace")):
        return None
    statements = document.get("Statement") if isinstance(document, Mapping) else None
    if isinstance(statements, Mapping):
        statements = [statements]
    if not isinstance(statements, list) or not statements or len(statements) > _MAX_ITEMS:
        return None
    grants = [_grant(statement) for statement in statements]
    known = [grant for grant in grants if grant is not None]
    return (_with_always(known[0]), *known[1:]) if len(known) == len(grants) else None


def permissions_of(call: str) -> tuple[str, ...]:
    """The permissions that a call needs, in IAM's names: the reverse of what a session policy grants.

    `call` is `service:EventName` as CloudTrail has it. A call that needs none gives none.
    """
    if call == _ALWAYS:
        return ()
    source, _, name = call.partition(":")
    if source in _VERSIONED:
        name = _VERSION.sub("", name)
        call = f"{source}:{name}"
    found = tuple(
        permission
        for permission, calls in _CALLS.items()
        if any(compile_glob(each)(call) for each in calls) and permission != call
    )
    service = _SERVICES.get(source, source)
    return found or (f"{service}:{name}",)


def _with_always(grant: Grant) -> Grant:
    actions = grant.actions or ()
    if any(compile_glob(action)(_ALWAYS) for action in actions):
        return grant
    return Grant((*actions, _ALWAYS), grant.resources)


def _grant(statement: Any) -> Grant | None:
    if not isinstance(statement, Mapping) or not _SAID.issuperset(statement):
        return None
    actions, resources = _listed(statement.get("Action")), _listed(statement.get("Resource"))
    if statement.get("Effect") != "Allow" or actions is None or resources is None:
        return None
    if any("${" in resource for resource in resources):
        return None
    calls: dict[str, None] = {}
    for action in actions:
        if action != "*" and not _ACTION.fullmatch(action):
            return None
        calls.update(dict.fromkeys(_calls(action)))
    return Grant(tuple(calls), tuple(resources))


def _listed(value: object) -> list[str] | None:
    """A text or a list of texts: policies have either."""
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not items or len(items) > _MAX_ITEMS:
        return None
    return items if all(isinstance(item, str) and item for item in items) else None


def _calls(action: str) -> list[str]:
    """The calls that an action allows, as globs."""
    prefix, colon, name = action.partition(":")
    service = prefix.lower()
    action = service + colon + name
    calls = [action]
    if service in _PREFIXES:
        calls.append(f"{_PREFIXES[service]}:{name}")
    if service in _VERSIONED:
        calls.append(f"{action}20*")
    allows = compile_glob(action)
    for permission, needed in _CALLS.items():
        if allows(permission):
            calls += [call for call in needed if not allows(call)]
    return calls
