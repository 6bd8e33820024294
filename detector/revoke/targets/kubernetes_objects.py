"""Objects of Kubernetes that tokens are bound to, as its API has them: looked up, deleted by uid, and made again.

The revoker needs no right to read secrets: a deletion on trial (`dryRun`) with the uid as a precondition says whether a
secret is the one, and answers with no content.
"""

import email.utils
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from detector.revoke.target import RefusedError, UnavailableError
from detector.revoke.targets.provider_http import Answer, ProviderHttp, forbidden
from detector.values.times import SECOND, parse_rfc3339

PODS, SECRETS, ACCOUNTS = "pods", "secrets", "serviceaccounts"
_OK: Final = frozenset({200, 201, 202})
_NOT_FOUND: Final = 404
_CONFLICT: Final = 409
_REVIEWS: Final = ("apis", "authentication.k8s.io", "v1", "tokenreviews")


class Found(NamedTuple):
    """An object: its uid, when it was made and when its deletion was asked for (ns), and all of it.

    `now` is the time of the API server as it answered (ns).
    """

    uid: str
    created: int
    deleting: int | None
    now: int
    fields: Mapping[str, Any]

    @property
    def annotations(self) -> Mapping[str, Any]:
        """Its annotations."""
        found = self.fields["metadata"].get("annotations")
        return found if isinstance(found, dict) else {}


class KubernetesObjects:
    """The API of one cluster."""

    def __init__(self, http: ProviderHttp) -> None:
        self._http = http

    async def find(self, kind: str, namespace: str, name: str) -> Found | None:
        """The object of that name; None if there is none.

        Raises:
            RefusedError, UnavailableError: it could not be looked up.
        """
        answer = await self._http.ask("GET", _path(namespace, kind, name))
        if answer.status == _NOT_FOUND:
            self._missing(answer)
            return None
        self._check(answer, f"get {kind}")
        return _found(answer)

    async def delete(self, kind: str, namespace: str, name: str, uid: str, grace: int | None = None) -> bool:
        """Whether the object of that name and uid was deleted; False if there is none with that uid.

        `grace`: seconds that a pod's processes have; None for what else has none.

        Raises:
            RefusedError, UnavailableError: it was not deleted.
        """
        more = {} if grace is None else {"gracePeriodSeconds": grace}
        return await self._delete(_path(namespace, kind, name), uid, more)

    async def deletable(self, kind: str, namespace: str, name: str, uid: str) -> bool:
        """Whether there is an object of that name and uid, by a deletion on trial, which deletes nothing.

        Raises:
            RefusedError, UnavailableError: it could not be asked.
        """
        return await self._delete(_path(namespace, kind, name), uid, {"dryRun": ["All"]})

    async def _delete(self, path: Sequence[str], uid: str, more: Mapping[str, Any]) -> bool:
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}, **more}
        answer = await self._http.ask("DELETE", path, json=options)
        if answer.status == _NOT_FOUND:
            self._missing(answer)
            return False
        if answer.status == _CONFLICT:
            return False
        self._check(answer, f"delete {path[4]}")
        return True

    async def create(self, kind: str, namespace: str, manifest: Mapping[str, Any]) -> bool:
        """Whether the object was made; False if there is one of that name already.

        Raises:
            RefusedError, UnavailableError: it was not made.
        """
        answer = await self._http.ask("POST", _path(namespace, kind), json=manifest)
        if answer.status == _CONFLICT:
            return False
        self._check(answer, f"create {kind}")
        return True

    async def patch(self, kind: str, namespace: str, name: str, manifest: Mapping[str, Any]) -> None:
        """Merges fields into an object (RFC 7386).

        Raises:
            RefusedError, UnavailableError: they were not merged.
        """
        answer = await self._http.ask(
            "PATCH",
            _path(namespace, kind, name),
            body=msgspec.json.encode(manifest),
            headers={"Content-Type": "application/merge-patch+json"},
        )
        self._check(answer, f"patch {kind}")

    async def accepts(self, token: str) -> bool:
        """Whether the API server accepts a token, by a TokenReview.

        Raises:
            RefusedError, UnavailableError: it could not be asked.
        """
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        answer = await self._http.ask("POST", _REVIEWS, json=review)
        self._check(answer, "create tokenreviews.authentication.k8s.io")
        status = answer.fields().get("status")
        return isinstance(status, dict) and status.get("authenticated") is True

    def _check(self, answer: Answer, right: str) -> None:
        forbidden(answer, f"the right to {right} (deploy/revoke/kubernetes.yaml)")
        if answer.status not in _OK:
            raise RefusedError(f"{self._http.host} answers HTTP {answer.status} to a request to {right}")

    def _missing(self, answer: Answer) -> None:
        """Nothing, if it is the API that says so: whatever else listens at that address may answer 404 too.

        Raises:
            UnavailableError: it is something else.
        """
        status = answer.fields()
        if status.get("kind") != "Status" or status.get("reason") != "NotFound":
            raise UnavailableError(
                f"{self._http.host} answers HTTP 404, but not as Kubernetes does: check url"
            )


def _path(namespace: str, kind: str, *name: str) -> Sequence[str]:
    return ("api", "v1", "namespaces", namespace, kind, *name)


class _Metadata(msgspec.Struct, frozen=True, rename="camel"):
    uid: str
    creation_timestamp: str
    deletion_timestamp: str | None = None


class _Object(msgspec.Struct, frozen=True):
    metadata: _Metadata


def _found(answer: Answer) -> Found:
    fields = answer.fields()
    try:
        meta = msgspec.convert(fields, _Object).metadata
        deleting = meta.deletion_timestamp
        return Found(
            meta.uid,
            parse_rfc3339(meta.creation_timestamp),
            None if deleting is None else parse_rfc3339(deleting),
            _clock(answer),
            fields,
        )
    except ValueError:  # of which msgspec's errors are some
        raise UnavailableError("the API server answers with an object without uid or times") from None


def _clock(answer: Answer) -> int:
    """The API server's time, as the header `Date` has it: whole seconds. Without one, this machine's."""
    try:
        return int(email.utils.parsedate_to_datetime(answer.headers["date"]).timestamp()) * SECOND
    except (KeyError, ValueError, TypeError, OverflowError):
        return time.time_ns()
