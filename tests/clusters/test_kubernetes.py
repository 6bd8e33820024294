"""The target `kubernetes` against a kube-apiserver, which enforces the roles of deploy/revoke/kubernetes.yaml."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
import yaml

from detector.adapters.kubernetes.tokens import POD_UID
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import GoneError, Observation, RefusedError
from detector.revoke.targets.kubernetes import KubernetesOptions, KubernetesTarget
from detector.revoke.targets.provider_http import Answer, HttpOptions, ProviderHttp
from detector.values.events import Identifier
from tests.clusters.servers import KubernetesServer

ROLES = Path(__file__).parent.parent.parent / "deploy/revoke/kubernetes.yaml"
REVOKER = "system:serviceaccount:curfewd:curfewd-revoke"
NAMESPACES = itertools.count()
REVIEW = ("apis", "authentication.k8s.io", "v1", "selfsubjectreviews")


class Cluster:
    """What a person, a task and the revoker do in one namespace."""

    def __init__(self, server: KubernetesServer, folder: Path) -> None:
        self.server, self.folder, self.namespace = server, folder, f"ci-{next(NAMESPACES)}"
        self.admin = self.http(server.admin_file)
        self.revoker_file = folder / "revoker"

    def http(self, token_file: Path) -> ProviderHttp:
        options = HttpOptions(
            url=self.server.url, token_file=str(token_file), ca_file=str(self.server.ca_file), timeout=14
        )
        return ProviderHttp(options)

    async def make(self, path: tuple[str, ...], body: dict[str, Any], *also: int) -> dict[str, Any]:
        answer = await self.admin.ask("POST", path, json=body)
        assert answer.status in (201, *also), answer.body
        return answer.fields()

    def path(self, *names: str) -> tuple[str, ...]:
        return ("api", "v1", "namespaces", self.namespace, *names)

    async def account(self, name: str, **more: Any) -> dict[str, Any]:
        return await self.make(self.path("serviceaccounts"), {"metadata": {"name": name, **more}})

    async def pod(self, name: str) -> dict[str, Any]:
        spec = {"serviceAccountName": "builder", "containers": [{"name": "c", "image": "none"}]}
        return await self.make(self.path("pods"), {"metadata": {"name": name}, "spec": spec})

    async def token(self, bound: dict[str, Any] | None = None, kind: str = "") -> Path:
        """A token of `builder`, in a file; bound to an object, if one is given."""
        spec: dict[str, Any] = {"expirationSeconds": 3600}
        if bound is not None:
            meta = bound["metadata"]
            spec["boundObjectRef"] = {
                "kind": kind,
                "apiVersion": "v1",
                "name": meta["name"],
                "uid": meta["uid"],
            }
        made = await self.make(self.path("serviceaccounts", "builder", "token"), {"spec": spec})
        path = self.folder / f"token-{time.monotonic_ns()}"
        path.write_text(made["status"]["token"])
        return path

    async def works(self, token_file: Path) -> bool:
        """Whether the API server accepts a token, by a request with it."""
        token = token_file.read_text()
        http = ProviderHttp(
            HttpOptions(url=self.server.url, ca_file=str(self.server.ca_file), timeout=14), scheme=""
        )
        try:
            review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
            answer = await http._answered(
                "POST",
                http._address(REVIEW, None),
                {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
                msgspec.json.encode(review),
            )
        finally:
            await http.close()
        assert answer.status in (201, 401), answer.body
        return answer.status == 201

    async def grant(self, role: str) -> None:
        binding = {
            "metadata": {"name": role},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": "curfewd-revoke", "namespace": "curfewd"}],
        }
        path = (
            "apis",
            "rbac.authorization.k8s.io",
            "v1",
            "namespaces",
            self.namespace,
            "rolebindings",
        )
        await self.make(path, binding)

    def target(self, **options: Any) -> KubernetesTarget:
        known = {
            "url": self.server.url,
            "token_file": str(self.revoker_file),
            "ca_file": str(self.server.ca_file),
            "cluster": "test",
            "timeout": 14.0,
        }
        return KubernetesTarget(KubernetesOptions(**{**known, **options}))

    def command(self, method: str, found: dict[str, Any], **fields: Any) -> RevocationCommand:
        meta = found["metadata"]
        revocation = {
            "provider": "kubernetes",
            "method": method,
            "cluster": "test",
            "namespace": self.namespace,
            "service_account": "builder",
            "name": meta["name"],
            "uid": meta["uid"],
        }
        known: dict[str, Any] = {"id": "c-1", "time": time.time_ns(), "credential_id": "x"}
        known["identifiers"] = (Identifier(POD_UID, meta["uid"]),)
        return RevocationCommand(revocation=revocation, **{**known, "issued_at": time.time_ns(), **fields})


@pytest_asyncio.fixture
async def cluster(kubernetes: KubernetesServer, tmp_path: Path) -> AsyncIterator[Cluster]:
    made = Cluster(kubernetes, tmp_path)
    await made.make(("api", "v1", "namespaces"), {"metadata": {"name": "curfewd"}}, 409)
    await made.make(("api", "v1", "namespaces"), {"metadata": {"name": made.namespace}})
    for document in yaml.safe_load_all(ROLES.read_text()):
        if document["kind"] == "ClusterRole":
            await made.make(("apis", "rbac.authorization.k8s.io", "v1", "clusterroles"), document, 409)
        elif document["kind"] == "ServiceAccount":
            await made.make(("api", "v1", "namespaces", "curfewd", "serviceaccounts"), document, 409)
    await made.grant("curfewd-revoke")
    own = await made.make(
        ("api", "v1", "namespaces", "curfewd", "serviceaccounts", "curfewd-revoke", "token"),
        {"spec": {"expirationSeconds": 3600}},
    )
    made.revoker_file.write_text(own["status"]["token"])
    await made.account("builder", labels={"team": "a"}, annotations={"role": "arn:aws:iam::1:role/x"})
    yield made
    await made.admin.close()


async def proved(target: KubernetesTarget, asked: RevocationCommand) -> Observation:
    until = time.monotonic() + target.plan(asked).within
    seen = await target.probe(asked)
    while seen.state not in {"dead", "absent"} and time.monotonic() < until:
        await asyncio.sleep(0.5)
        seen = await target.probe(asked)
    return seen


@pytest.mark.parametrize("kind", ["Pod", "Secret"])
async def test_a_bound_token_is_refused_when_it_is_said_to_be_dead(cluster: Cluster, kind: str) -> None:
    if kind == "Pod":
        bound, other = await cluster.pod("job-1"), await cluster.pod("job-2")
    else:
        bound, other = [
            await cluster.make(cluster.path("secrets"), {"metadata": {"name": name}})
            for name in ("bound", "other")
        ]
    leaked, control = await cluster.token(bound, kind), await cluster.token(other, kind)
    asked, target = cluster.command(f"delete-{kind.lower()}", bound), cluster.target()
    assert await cluster.works(leaked)
    assert (await target.probe(asked)).state == "live"
    await target.revoke(asked, 0)
    started = time.monotonic()
    assert await cluster.works(leaked)  # the token cache: a deletion alone proves nothing
    assert (await target.probe(asked)).state == "unknown"
    seen = await proved(target, asked)
    assert (seen.state, seen.control) == ("absent", True)
    assert not await cluster.works(leaked)
    assert await cluster.works(control)
    assert time.monotonic() - started < 20
    with pytest.raises(GoneError):
        await target.revoke(asked, 0)
    await target.close()


async def test_only_the_object_of_that_uid_is_deleted(cluster: Cluster) -> None:
    first = await cluster.pod("web-0")
    await cluster.admin.ask("DELETE", cluster.path("pods", "web-0"))
    second = await cluster.pod("web-0")
    target = cluster.target()
    assert not await target._objects.delete("pods", cluster.namespace, "web-0", first["metadata"]["uid"])
    with pytest.raises(GoneError):
        await target.revoke(cluster.command("delete-pod", first), 0)
    answer = await cluster.admin.ask("GET", cluster.path("pods", "web-0"))
    assert answer.fields()["metadata"]["uid"] == second["metadata"]["uid"]
    await target.close()


async def test_a_pod_of_another_account_or_a_younger_one_is_refused(cluster: Cluster) -> None:
    pod = await cluster.pod("job-1")
    target = cluster.target()
    asked = cluster.command("delete-pod", pod, issued_at=time.time_ns() - 3_600_000_000_000)
    with pytest.raises(RefusedError, match="after the token"):
        await target.revoke(asked, 0)
    forged = cluster.command("delete-pod", pod)
    forged = msgspec.structs.replace(forged, revocation={**forged.revocation, "service_account": "admin"})
    with pytest.raises(RefusedError, match="another service account"):
        await target.revoke(forged, 0)
    await target.close()


async def test_an_account_made_again_ends_its_tokens_and_keeps_what_it_had(cluster: Cluster) -> None:
    leaked = await cluster.token()
    await asyncio.sleep(1.1)  # Kubernetes tells times in seconds
    found = await cluster.admin.ask("GET", cluster.path("serviceaccounts", "builder"))
    asked = cluster.command("recreate-service-account", found.fields())
    target = cluster.target(recreate_service_accounts=True)
    with pytest.raises(RefusedError, match=r"kubernetes\.yaml"):
        await target.probe(asked)
    await cluster.grant("curfewd-recreate-service-accounts")
    assert (await target.probe(asked)).state == "live"
    assert await cluster.works(leaked)
    await target.revoke(asked, 0)
    seen = await proved(target, asked)
    assert seen.state == "dead"
    assert not await cluster.works(leaked)
    made = (await cluster.admin.ask("GET", cluster.path("serviceaccounts", "builder"))).fields()["metadata"]
    assert made["labels"] == {"team": "a"}
    assert made["annotations"] == {"role": "arn:aws:iam::1:role/x", "curfewd/made-for": "c-1"}
    assert await cluster.works(await cluster.token())
    listed = (await cluster.admin.ask("GET", cluster.path("serviceaccounts"))).fields()["items"]
    assert [one["metadata"]["name"] for one in listed] == ["builder"]
    await target.close()


async def test_a_control_token_is_reviewed(cluster: Cluster) -> None:
    pod = await cluster.pod("job-1")
    control = await cluster.token()
    target = cluster.target(control_token_file=str(control))
    with pytest.raises(RefusedError, match="tokenreviews"):
        await target.probe(cluster.command("delete-pod", pod))
    binding = {
        "metadata": {"name": f"review-{cluster.namespace}"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "curfewd-review-tokens",
        },
        "subjects": [{"kind": "ServiceAccount", "name": "curfewd-revoke", "namespace": "curfewd"}],
    }
    path = ("apis", "rbac.authorization.k8s.io", "v1", "clusterrolebindings")
    await cluster.make(path, binding)
    assert (await target.probe(cluster.command("delete-pod", pod))).control is True
    control.write_text(control.read_text()[:-8] + "AAAAAAAA")
    assert (await target.probe(cluster.command("delete-pod", pod))).control is False
    await cluster.admin.ask("DELETE", (*path, f"review-{cluster.namespace}"))
    await target.close()


async def test_the_roles_allow_no_more_than_the_target_does(cluster: Cluster) -> None:
    await cluster.grant("curfewd-recreate-service-accounts")
    await cluster.make(cluster.path("secrets"), {"metadata": {"name": "s"}})
    pod = await cluster.pod("job-1")
    revoker = cluster.http(cluster.revoker_file)
    elsewhere = ("api", "v1", "namespaces", "kube-system")
    body = {"metadata": {"name": "x"}}

    async def status(method: str, path: tuple[str, ...], json: Any = None) -> int:
        answer: Answer = await revoker.ask(method, path, json=json)
        return answer.status

    assert await status("GET", cluster.path("pods", "job-1")) == 200
    refused: list[tuple[str, tuple[str, ...], Any]] = [
        ("GET", cluster.path("secrets", "s"), None),
        ("GET", cluster.path("secrets"), None),
        ("GET", cluster.path("pods"), None),
        ("POST", cluster.path("pods"), pod),
        ("DELETE", cluster.path("pods"), None),
        ("POST", cluster.path("secrets"), body),
        ("GET", cluster.path("serviceaccounts"), None),
        ("POST", cluster.path("serviceaccounts", "builder", "token"), {"spec": {}}),
        ("GET", (*elsewhere, "pods", "x"), None),
        ("DELETE", (*elsewhere, "secrets", "x"), None),
        ("DELETE", (*elsewhere, "serviceaccounts", "x"), None),
        ("DELETE", ("api", "v1", "namespaces", cluster.namespace), None),
    ]
    assert [await status(*each) for each in refused] == [403] * len(refused)
    await revoker.close()
