"""Suggestions as an AWS session policy, for the `Policy` of AssumeRole and its like.

CloudTrail has the names of API calls, a policy has IAM's names of permissions. Most are equal;
`detector.adapters.aws.session_policy` holds the differences that it also needs the other way round, `_PERMISSIONS` and
`_UNSURE` the rest. Source: the Service Authorization Reference, and CloudTrail's lists of events of each service.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import re2

from detector.adapters.aws.session_policy import permissions_of
from detector.suggest.providers import AWS
from detector.suggest.suggestion import Covered
from detector.suggest.translation import Form, Notes, Translated, shown
from detector.values.errors import UsageError

LONGEST: Final = 2048  # characters of a session policy (STS API reference, AssumeRole)
_ACTION: Final = re2.compile(r"[a-z0-9-]+:[A-Z][A-Za-z0-9]*")
_PERMISSIONS: Final = {
    "kms:ReEncrypt": ("kms:ReEncryptFrom", "kms:ReEncryptTo"),
    "s3:CopyObject": (
        "s3:PutObject",
    ),  # and s3:GetObject of the source, which the event's resource does not name
    "s3:DeleteBucketPublicAccessBlock": ("s3:PutBucketPublicAccessBlock",),
    "s3:DeletePublicAccessBlock": ("s3:PutBucketPublicAccessBlock",),
    "s3:GetBucketAccelerateConfiguration": ("s3:GetAccelerateConfiguration",),
    "s3:GetBucketAnalyticsConfiguration": ("s3:GetAnalyticsConfiguration",),
    "s3:GetBucketInventoryConfiguration": ("s3:GetInventoryConfiguration",),
    "s3:GetBucketMetricsConfiguration": ("s3:GetMetricsConfiguration",),
    "s3:GetBucketNotificationConfiguration": ("s3:GetBucketNotification",),
    "s3:GetPublicAccessBlock": ("s3:GetBucketPublicAccessBlock",),
    "s3:PutBucketNotificationConfiguration": ("s3:PutBucketNotification",),
    "s3:PutPublicAccessBlock": ("s3:PutBucketPublicAccessBlock",),
    "sns:PublishBatch": ("sns:Publish",),
    "sqs:ChangeMessageVisibilityBatch": ("sqs:ChangeMessageVisibility",),
    "sqs:DeleteMessageBatch": ("sqs:DeleteMessage",),
    "sqs:SendMessageBatch": ("sqs:SendMessage",),
    # Whoever has the token of a provider may call these, and every session the last.
    "sts:AssumeRoleWithSAML": (),
    "sts:AssumeRoleWithWebIdentity": (),
    "sts:GetSessionToken": (),
}
_UNSURE: Final = {
    "dynamodb:BatchExecuteStatement": "a PartiQL statement needs a permission by what it does",
    "dynamodb:ExecuteStatement": "a PartiQL statement needs a permission by what it does",
    "dynamodb:ExecuteTransaction": "a PartiQL statement needs a permission by what it does",
    "dynamodb:TransactGetItems": "a transaction needs the permissions of its items, which the event's name does not say",
    "dynamodb:TransactWriteItems": "a transaction needs the permissions of its items, which the event's name does not say",
}
_BY_METHOD: Final = "apigateway:"  # its permissions are HTTP methods: apigateway:GET


def session_policy(covered: Sequence[Covered], _name: str) -> Translated:
    """A session policy that allows this.

    Raises:
        UsageError: there is nothing that needs a permission.
    """
    notes = Notes()
    resources: defaultdict[str, set[str]] = defaultdict(set)
    for each in covered:
        resource = _resource(each, notes)
        for permission in _permissions(each, notes) if resource is not None else ():
            resources[permission].add(str(resource))
    actions: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for permission in sorted(resources):
        known = resources[permission]
        actions[("*",) if "*" in known else tuple(sorted(known))].append(permission)
    if not actions:
        raise UsageError(
            "suggest: nothing that these tasks did in AWS can be written as a policy: "
            + "; ".join(notes.lines())
        )
    statements: list[dict[str, Any]] = [
        {"Effect": "Allow", "Action": names, "Resource": list(arns)}
        for arns, names in sorted(actions.items())
    ]
    text = json.dumps(
        {"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"), ensure_ascii=False
    )
    size = (
        (
            f"the policy has {len(text):,} characters, and AWS takes {LONGEST:,} as a session policy: give tasks that do "
            "different things roles or kinds of their own, or put it into the role"
        ),
    )
    return Translated(text, (*notes.lines(), *(size if len(text) > LONGEST else ())))


def _permissions(each: Covered, notes: Notes) -> tuple[str, ...]:
    call = each.action or ""
    if not _ACTION.fullmatch(call.replace("_", "")):
        notes.add("not the name of a call, so it is left out", shown(each))
        return ()
    if call in _UNSURE or call.startswith(_BY_METHOD):
        why = _UNSURE.get(call, "its permissions are named by HTTP methods, which the event does not say")
        notes.add(f"{why}: it is left out, add it by hand", call)
        return ()
    if call == "s3:CopyObject":
        notes.add("the events do not name the object that was copied: allow s3:GetObject of it", call)
    known = _PERMISSIONS.get(call)
    return permissions_of(call) if known is None else known


def _resource(each: Covered, notes: Notes) -> str | None:
    """The resource as a policy has it; None if it is none."""
    if each.resource is None or each.pattern is None:
        notes.add("the events name no resource, so it is allowed on all", each.action or "")
        return "*"
    if each.resource[:4] != "arn:":
        notes.add("no ARN, so it is left out", shown(each))
        return None
    if not each.resource.isprintable():
        notes.add("a name that does not print, so it is left out", shown(each))
        return None
    return "*".join(map(_literal, each.pattern.path.pieces()))


def _literal(text: str) -> str:
    """A text in which `*`, `?` and `${` stand for themselves (IAM user guide, "Policy variables")."""
    made = text.replace("${", "\0{").replace("*", "${*}").replace("?", "${?}")
    return made.replace("\0{", "${$}{")


FORM: Final = Form(AWS, "AWS", session_policy)
