"""A deny policy of Google IAM that holds the denied principals: read, added to, and written with its etag.

cloud.google.com/iam/docs/reference/rest/v2/policies. A deny policy has at most 500 rules; principals share one here.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from detector.revoke.target import RefusedError, UnavailableError
from detector.revoke.targets.access_tokens import AuthorizedHttp
from detector.revoke.targets.google_options import GoogleOptions
from detector.revoke.targets.provider_http import Answer, forbidden

NAME: Final = "curfewd-revoked"
_OK: Final = 200
_NOT_FOUND: Final = 404
_CHANGED: Final = frozenset({409, 412})
_MOST: Final = 2_500  # principals of all deny policies of a resource


class Denials:
    """The principals that are denied in one project. A person takes them out again when their tokens have expired."""

    def __init__(self, options: GoogleOptions, http: AuthorizedHttp) -> None:
        self._permissions = list(options.denied_permissions)
        self._project = options.deny_project
        self._ask = http.ask
        self._lock = asyncio.Lock()

    @property
    def configured(self) -> bool:
        """Whether the options say where and what to deny."""
        return bool(self._project and self._permissions)

    async def has(self, principal: str) -> bool:
        """Whether a principal is denied.

        Raises:
            RefusedError, UnavailableError: the policy cannot be read.
        """
        return principal in _principals(await self._policy())

    async def add(self, principal: str) -> bool:
        """Whether the principal was added; False if it is denied already.

        Raises:
            RefusedError, UnavailableError: it was not.
        """
        async with self._lock:
            policy = await self._policy()
            denied = _principals(policy)
            if principal in denied:
                return False
            if len(denied) >= _MOST:
                raise RefusedError(
                    f"the deny policy {NAME} is full: take out the principals whose tokens expired"
                )
            rule = {"deniedPrincipals": [*denied, principal], "deniedPermissions": self._permissions}
            made = {"displayName": "Revoked by curfewd", "rules": [{"denyRule": rule}]}
            if policy is None:
                path = (*self._place(), "denypolicies")
                answer = await self._ask("POST", path, made, {"policyId": NAME})
            else:
                answer = await self._ask(
                    "PUT", (*self._place(), "denypolicies", NAME), {**made, "etag": policy.get("etag")}
                )
            if answer.status in _CHANGED:
                raise UnavailableError(f"somebody changed the deny policy {NAME} just now")
            _check(answer)
            return True

    async def _policy(self) -> Mapping[str, Any] | None:
        answer = await self._ask("GET", (*self._place(), "denypolicies", NAME))
        if answer.status == _NOT_FOUND:
            return None
        _check(answer)
        return answer.fields()

    def _place(self) -> tuple[str, ...]:
        return ("v2", "policies", f"cloudresourcemanager.googleapis.com/projects/{self._project}")


def _principals(policy: Mapping[str, Any] | None) -> list[str]:
    """The denied principals.

    Raises:
        RefusedError: the policy is not as curfewd writes it.
    """
    if policy is None:
        return []
    try:
        (rule,) = policy["rules"]
        found = rule["denyRule"]["deniedPrincipals"]
        if not all(isinstance(one, str) for one in found):
            raise TypeError  # noqa: TRY301 - as of what has another form
    except (KeyError, TypeError, ValueError):
        raise RefusedError(
            f"the deny policy {NAME} is not as curfewd wrote it: look at it, and delete it"
        ) from None
    return list(found)


def _check(answer: Answer) -> None:
    forbidden(answer, "the role Deny Admin on the project (deploy/revoke/google.yaml)")
    if answer.status != _OK:
        raise UnavailableError(f"Google's IAM answers HTTP {answer.status} about the deny policy")
