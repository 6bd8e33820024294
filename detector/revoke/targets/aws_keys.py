"""AWS access keys of users: made inactive, which a person can undo, and deleted later if the configuration says so."""

import asyncio
import datetime as dt
import re  # over ids of bounded length
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import GoneError, Observation, Plan, RefusedError, Step
from detector.revoke.targets.aws_iam import Iam
from detector.revoke.targets.aws_options import AwsOptions
from detector.revoke.targets.delays import delay_of, later
from detector.revoke.targets.handle_fields import needed
from detector.revoke.targets.issue_times import issued_then
from detector.revoke.targets.settling import FirstSeen

_KEY = re.compile(r"AKIA[A-Z0-9]{12,124}")
_USER = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_MOST_PAGES: Final = 20
_WITHIN: Final = 60.0


class _Key(NamedTuple):
    id: str
    user: str

    def __str__(self) -> str:
        return f"access key {self.id} of user {self.user}"


class KeyRevocation:
    """Makes keys inactive, and deletes them."""

    def __init__(self, options: AwsOptions, iam: Iam, seen: FirstSeen) -> None:
        self._options = options
        self._iam = iam
        self._seen = seen

    def plan(self, command: RevocationCommand) -> Plan:
        """What it would do.

        Raises:
            RefusedError: the command lacks what is needed.
        """
        key = _key(command)
        return Plan(
            (
                Step(f"make the {key} inactive", reversible=True),
                *later(f"delete the {key}", delay_of("delete_after", self._options.delete_after)),
            ),
            "IAM lists the key as inactive, or not at all",
            _WITHIN + self._options.settle_seconds,
            "a change in IAM takes some seconds to take effect everywhere; sessions that the key requested live on, as "
            "credentials of their own",
            forgets=False,
        )

    async def revoke(self, command: RevocationCommand, step: int) -> str:
        """Carries out a step.

        Raises:
            RefusedError, GoneError, UnavailableError: it was not done.
        """
        key = _key(command)
        found = await self._find(command, key)
        if step:
            return await self._delete(key, found)
        if found is None or found.get("Status") == "Inactive":
            how = f"IAM has no {key}" if found is None else f"the {key} is inactive already"
            await asyncio.sleep(max(0.0, self._options.settle_seconds - self._seen.seconds(key)))
            raise GoneError(how, known=found is not None)
        await self._iam.call(
            "iam", "update_access_key", UserName=key.user, AccessKeyId=key.id, Status="Inactive"
        )
        return f"made the {key} inactive"

    async def probe(self, command: RevocationCommand) -> Observation:
        """What IAM says of the key.

        Raises:
            RefusedError, UnavailableError: it cannot be said.
        """
        key = _key(command)
        found = await self._find(command, key)
        if found is not None and found.get("Status") != "Inactive":
            self._seen.forget(key)
            return Observation("live", f"iam:ListAccessKeys has the {key}, which is active")
        how = f"iam:ListAccessKeys has no {key}"
        if found is not None:
            how = f"iam:ListAccessKeys has the {key} as inactive"
        if self._seen.seconds(key) < self._options.settle_seconds:
            return Observation("unknown", f"{how}; AWS may accept it for some seconds more")
        await self._iam.own_account()
        return Observation("absent" if found is None else "dead", how, control=True)

    async def _delete(self, key: _Key, found: Mapping[str, Any] | None) -> str:
        if found is None:
            return f"the {key} was deleted already"
        if found.get("Status") != "Inactive":
            raise RefusedError(f"somebody made the {key} active again: it is not deleted")
        await self._iam.call("iam", "delete_access_key", UserName=key.user, AccessKeyId=key.id)
        return f"deleted the {key}"

    async def _find(self, command: RevocationCommand, key: _Key) -> Mapping[str, Any] | None:
        """The key among those of its user; None if nobody has it.

        Raises:
            RefusedError: it belongs to another user, or is of another time.
            UnavailableError: IAM cannot be asked.
        """
        found = await self._listed(key)
        if found is None:
            used = await self._iam.call("iam", "get_access_key_last_used", AccessKeyId=key.id) or {}
            if used.get("UserName") not in (None, "", key.user):
                raise RefusedError(f"the access key {key.id} belongs to another user than {key.user}")
            return None
        created = found.get("CreateDate")
        issued_then(command, created.isoformat() if isinstance(created, dt.datetime) else None, str(key))
        return found

    async def _listed(self, key: _Key) -> Mapping[str, Any] | None:
        more: dict[str, Any] = {}
        for _ in range(_MOST_PAGES):
            page = await self._iam.call("iam", "list_access_keys", UserName=key.user, **more) or {}
            for one in page.get("AccessKeyMetadata", []):
                if one.get("AccessKeyId") == key.id:
                    return dict(one)
            if not page.get("IsTruncated"):
                break
            more = {"Marker": page["Marker"]}
        return None


def _key(command: RevocationCommand) -> _Key:
    return _Key(needed(command, "access_key_id", _KEY), needed(command, "user_name", _USER))
