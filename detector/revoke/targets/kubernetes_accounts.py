"""Makes a service account again under a new uid, so that no token of the old one is accepted.

A kill between the deletion and the creation must lose nothing. So a copy of the account, which nothing is bound to, is
made first and deleted last; whoever goes on finds it by its name, which follows from the account's.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from detector.revoke.target import GoneError, UnavailableError
from detector.revoke.targets.kubernetes_objects import ACCOUNTS, Found, KubernetesObjects
from detector.values.times import SECOND

MADE_FOR: Final = (
    "curfewd/made-for"  # an annotation: the id of the command that an account was made again for
)
COPY_OF: Final = "curfewd/copy-of"
_KEPT: Final = ("secrets", "imagePullSecrets", "automountServiceAccountToken")


def is_other(found: Found, issued_at: int, command_id: str) -> bool:
    """Whether an account is not the one that a token was issued for: its tokens are not accepted as this one's.

    Kubernetes tells times in whole seconds: within the second of the issue, the annotation tells.
    """
    same_second = found.created > issued_at - SECOND
    return found.created > issued_at or (same_second and found.annotations.get(MADE_FOR) == command_id)


def copy_name(namespace: str, name: str) -> str:
    """The name of an account's copy."""
    return f"curfewd-{hashlib.sha256(f'{namespace}/{name}'.encode()).hexdigest()[:24]}"


async def recreate(
    objects: KubernetesObjects, namespace: str, name: str, issued_at: int, command_id: str
) -> str:
    """Makes an account again, or goes on where a call before this one was killed. Says what was done.

    Raises:
        GoneError: the account that the token was issued for is gone, and nothing is left to do.
        RefusedError, UnavailableError: it was not done, or not to its end.
    """
    spare = copy_name(namespace, name)
    account = await objects.find(ACCOUNTS, namespace, name)
    copy = await objects.find(ACCOUNTS, namespace, spare)
    if copy is not None and copy.annotations.get(COPY_OF) != name:
        raise UnavailableError(f"the service account {namespace}/{spare} is in the way: delete it")
    if account is not None and not is_other(account, issued_at, command_id):
        if copy is None:
            copied = _manifest(account, spare, {COPY_OF: name})
            if not await objects.create(ACCOUNTS, namespace, copied):
                raise UnavailableError(f"the copy {namespace}/{spare} was made by somebody else just now")
            copy = await objects.find(ACCOUNTS, namespace, spare)
        await objects.delete(ACCOUNTS, namespace, name, account.uid)
    elif copy is None:
        raise GoneError(
            f"the service account {namespace}/{name} of that time is gone", known=account is not None
        )
    if copy is None:
        raise UnavailableError(f"the copy {namespace}/{spare} was deleted by somebody else just now")
    if account is None or account.annotations.get(MADE_FOR) != command_id:
        made = _manifest(copy, name, {MADE_FOR: command_id, COPY_OF: None})
        if not await objects.create(ACCOUNTS, namespace, made):
            # The controller makes `default` again at once, without what it had.
            await objects.patch(ACCOUNTS, namespace, name, made)
    await objects.delete(ACCOUNTS, namespace, spare, copy.uid)
    return f"deleted the service account {namespace}/{name} and made it again: no token of before is accepted"


def _manifest(found: Found, name: str, annotations: Mapping[str, str | None]) -> dict[str, Any]:
    """What an account of another name needs to be like this one."""
    meta = found.fields["metadata"]
    noted = {**found.annotations, **annotations}
    kept = {
        "name": name,
        "annotations": {key: value for key, value in noted.items() if value is not None},
        "labels": meta.get("labels"),
        "ownerReferences": meta.get("ownerReferences"),
    }
    rest = {key: found.fields[key] for key in _KEPT if found.fields.get(key) is not None}
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {key: value for key, value in kept.items() if value is not None},
        **rest,
    }
