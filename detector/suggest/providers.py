"""Whose action a use is, and which parts of a provider's resources may vary from task to task.

The source of an event tells its provider; events of one's own tell it by the kind of the credential, or by the form
of the action. A part that says what kind of thing a resource is never varies: an account, a bucket, a mount, a
resource type.
"""

from functools import lru_cache
from typing import Final

import re2

from detector.suggest.resource_paths import Segments

AWS: Final = "aws"
KUBERNETES: Final = "kubernetes"
VAULT: Final = "vault"
GITHUB: Final = "github"
OTHER: Final = ""
_SOURCES: Final = {
    "aws.cloudtrail": AWS,
    "kubernetes.audit": KUBERNETES,
    "vault": VAULT,
    "github.audit": GITHUB,
}
_KINDS: Final = (AWS, KUBERNETES, VAULT, GITHUB)
_AWS_ACTION: Final = re2.compile(r"[a-z0-9-]+:[A-Z][A-Za-z0-9_]*")
_ROUTE: Final = re2.compile(r"(?:GET|HEAD|POST|PUT|PATCH|DELETE) /.*")
# The groups of Kubernetes without a dot (k8s.io/api); all others have one, and no core resource has.
API_GROUPS: Final = frozenset({"apps", "autoscaling", "batch", "extensions", "policy"})
_ARN_PARTS: Final = 6  # arn, partition, service, region, account, and the type or name that follows
_VAULT_ENGINES: Final = frozenset({"auth", "sys", "identity"})


@lru_cache(maxsize=65_536)
def provider_of(source: str, kind: str | None, action: str | None, *, arn: bool) -> str:
    """The provider of a use: by the event's source, else the credential's kind, else the form of the action.

    `arn`: its resource is an ARN.
    """
    found = _SOURCES.get(source.split("/", 1)[0])
    if found is not None:
        return found
    for provider in _KINDS:
        if kind is not None and kind.startswith(f"{provider}-"):
            return provider
    if action is None:
        return OTHER
    if arn and _AWS_ACTION.fullmatch(action):
        return AWS
    return GITHUB if _ROUTE.fullmatch(action) else OTHER


def may_vary(provider: str, before: Segments, width: int) -> bool:
    """Whether the segment after `before` may stand for many, in a resource of `width` segments."""
    index = len(before)
    if provider == KUBERNETES:
        return index == name_place(before, width)
    if before[:1] == ("arn",):
        return index >= min(_ARN_PARTS, width)
    if provider == VAULT:
        return index >= (3 if before[:1] and before[0] in _VAULT_ENGINES else 2)
    if before[:1] in (("http",), ("https",)):
        return index > 3  # noqa: PLR2004 - the scheme, two empty ones, the host
    return index >= 1


def name_place(before: Segments, width: int) -> int | None:
    """Where the name of an object stands in a path of Kubernetes (`apps/namespaces/ci/deployments/web`), if it does.

    `before` is the path, or its beginning as far as that place, `width` the number of all segments. A path of the URL
    has no such place.
    """
    if not before or before[0] == "":
        return None
    group = int(is_group(before[0]))
    namespaced = len(before) > group and before[group] == "namespaces" and width >= group + 3
    return group + 3 if namespaced else group + 1


def is_group(segment: object) -> bool:
    """Whether a segment is an API group, and not a resource."""
    return isinstance(segment, str) and ("." in segment or segment in API_GROUPS)
