"""The target `kubernetes` against answers as the API documents them: contract only.

tests/clusters/test_kubernetes.py has the same against an API server.
"""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from detector.adapters.kubernetes.tokens import OTHER_AUDIENCE, POD_UID
from detector.records.pod_names import pod_task
from detector.revoke.revocation_command import RevocationCommand
from detector.revoke.target import GoneError, RefusedError, UnavailableError
from detector.revoke.targets.kubernetes import TASK, KubernetesOptions, KubernetesTarget
from detector.revoke.targets.kubernetes_accounts import COPY_OF, MADE_FOR, copy_name, recreate
from detector.revoke.targets.kubernetes_objects import KubernetesObjects
from detector.revoke.targets.provider_http import ProviderHttp
from detector.values.events import Identifier
from detector.values.times import SECOND, format_rfc3339
from tests.revoke.targets.scripted_provider import Reply, Request, scripted

NOW = 1_790_000_000 * SECOND
UID = "7d2f6c1e-0000-4000-8000-00000000000a"
ISSUED = NOW - 60 * SECOND
POD = {
    "provider": "kubernetes",
    "method": "delete-pod",
    "cluster": "prod",
    "namespace": "ci",
    "service_account": "builder",
    "name": "job-1-x",
    "uid": UID,
}
ACCOUNT = {
    "provider": "kubernetes",
    "method": "recreate-service-account",
    "cluster": "prod",
    "namespace": "ci",
    "service_account": "builder",
}
NOT_FOUND = Reply(404, {"kind": "Status", "reason": "NotFound", "code": 404})
DATE = {"Date": "Mon, 21 Sep 2026 14:13:20 GMT"}  # NOW


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Cluster:
    """The few objects of a cluster, by path: made, deleted with the uid as a precondition, merged."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}
        self.uids = 0
        self.fail_at: tuple[str, str] | None = None

    def put(self, path: str, uid: str = UID, created: int = ISSUED - SECOND, **fields: Any) -> None:
        meta = {"name": path.rpartition("/")[2], "uid": uid, "creationTimestamp": format_rfc3339(created)}
        self.objects[path] = {"metadata": {**meta, **fields.pop("metadata", {})}, **fields}

    def answer(self, request: Request) -> Reply:
        if self.fail_at == (request.method, request.path):
            self.fail_at = None
            return Reply(500)
        if request.path.endswith("/tokenreviews"):
            good = request.body["spec"]["token"] == "control-token"
            return Reply(201, {"status": {"authenticated": good}})
        if request.method == "POST":
            return self._made(request)
        found = self.objects.get(request.path)
        if found is None:
            return NOT_FOUND
        if request.method == "DELETE":
            return self._deleted(request, found["metadata"]["uid"])
        if request.method == "PATCH":
            found["metadata"].setdefault("annotations", {}).update(request.body["metadata"]["annotations"])
        return Reply(200, found, DATE)

    def _made(self, request: Request) -> Reply:
        name = f"{request.path}/{request.body['metadata']['name']}"
        if name in self.objects:
            return Reply(409, {"kind": "Status", "reason": "AlreadyExists"})
        self.uids += 1
        self.put(name, f"new-{self.uids}", NOW, **msgspec.json.decode(msgspec.json.encode(request.body)))
        return Reply(201, self.objects[name])

    def _deleted(self, request: Request, uid: str) -> Reply:
        if request.body["preconditions"]["uid"] != uid:
            return Reply(409, {"kind": "Status", "reason": "Conflict"})
        if "dryRun" not in request.body:
            del self.objects[request.path]
        return Reply(200, {"kind": "Status", "status": "Success"})


PODS = "/api/v1/namespaces/ci/pods"
ACCOUNTS = "/api/v1/namespaces/ci/serviceaccounts"


@pytest.fixture
def cluster() -> Cluster:
    made = Cluster()
    made.put(f"{PODS}/job-1-x", spec={"serviceAccountName": "builder"})
    made.put(f"{ACCOUNTS}/builder", metadata={"labels": {"team": "a"}, "annotations": {"role": "arn"}})
    return made


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text("the-revokers-token")
    return str(path)


def command(revocation: dict[str, Any], **fields: Any) -> RevocationCommand:
    known: dict[str, Any] = {"id": "c-1", "time": NOW, "credential_id": "x", "issued_at": ISSUED}
    mine = {"identifiers": (Identifier(POD_UID, UID),)}
    return RevocationCommand(revocation=revocation, **{**known, **mine, **fields})


def target(url: str, token_file: str, clock: Clock | None = None, **options: Any) -> KubernetesTarget:
    known: dict[str, Any] = {"url": url, "token_file": token_file, "ca_file": None, "cluster": "prod"}
    return KubernetesTarget(KubernetesOptions(**{**known, **options}), clock or Clock())


async def test_contract_a_pods_token_is_dead_ten_seconds_after_its_pod(
    cluster: Cluster, token_file: str
) -> None:
    clock, asked = Clock(), command(POD)
    async with scripted(cluster.answer) as api:
        kubernetes = target(api.url, token_file, clock)
        assert (await kubernetes.probe(asked)).state == "live"
        assert "uid" in await kubernetes.revoke(asked, 0)
        at_once = await kubernetes.probe(asked)
        clock.now = 12.0
        later = await kubernetes.probe(asked)
        await kubernetes.close()
    assert (at_once.state, at_once.control) == ("unknown", True)
    assert "12 s more" in at_once.how
    assert (later.state, later.control) == ("absent", True)
    deletion = next(each for each in api.requests if each.method == "DELETE")
    assert deletion.body["preconditions"] == {"uid": UID}
    assert deletion.headers["Authorization"] == "Bearer the-revokers-token"


async def test_contract_another_pod_of_that_name_is_left_alone(cluster: Cluster, token_file: str) -> None:
    cluster.put(f"{PODS}/job-1-x", uid="other", spec={"serviceAccountName": "builder"})
    clock = Clock()
    async with scripted(cluster.answer) as api:
        kubernetes = target(api.url, token_file, clock)
        await kubernetes.probe(command(POD))
        clock.now = 20.0
        with pytest.raises(GoneError):
            await kubernetes.revoke(command(POD), 0)
        await kubernetes.close()
    assert api.calls("DELETE") == []


@pytest.mark.parametrize(
    ("change", "fields", "words"),
    [
        ({"cluster": "staging"}, {}, "another cluster"),
        ({"cluster": None}, {}, "no cluster"),
        ({"uid": None}, {}, "`uid`"),
        ({"name": "../../secrets/x"}, {}, "`name`"),
        ({"name": ["x"]}, {}, "`name`"),
        ({"namespace": "a/b"}, {}, "`namespace`"),
        ({"namespace": "x" * 100_000}, {}, "`namespace`"),
        ({"method": "delete-node"}, {}, "`method`"),
        ({}, {"identifiers": (Identifier(POD_UID, "another"),)}, "`uid`"),
        ({}, {"task_ids": ("k8s/ci/other-pod",)}, "another pod"),
    ],
    ids=["cluster", "no-cluster", "no-uid", "path", "list", "slash", "long", "method", "identifier", "task"],
)
async def test_a_forged_or_incomplete_command_asks_nobody(
    change: dict[str, Any], fields: dict[str, Any], words: str, token_file: str
) -> None:
    kubernetes = target("http://127.0.0.1:9", token_file)
    forged = command({**POD, **change}, **fields)
    with pytest.raises(RefusedError, match=words):
        kubernetes.plan(forged)
    with pytest.raises(RefusedError, match=words):
        await kubernetes.revoke(forged, 0)


@pytest.mark.parametrize(
    ("pod", "words"),
    [
        ({"spec": {"serviceAccountName": "admin"}}, "another service account"),
        ({"spec": {"serviceAccountName": "builder"}, "created": NOW}, "after the token"),
        ({"spec": "?"}, "another service account"),
    ],
    ids=["account", "younger", "garbage"],
)
async def test_contract_a_pod_that_does_not_fit_the_command_is_refused(
    cluster: Cluster, token_file: str, pod: dict[str, Any], words: str
) -> None:
    cluster.put(f"{PODS}/job-1-x", **pod)
    async with scripted(cluster.answer) as api:
        kubernetes = target(api.url, token_file)
        with pytest.raises(RefusedError, match=words):
            await kubernetes.revoke(command(POD), 0)
        with pytest.raises(RefusedError, match=words):
            await kubernetes.probe(command(POD))
        await kubernetes.close()
    assert api.calls("DELETE") == []


async def test_contract_a_pod_must_be_the_credentials(cluster: Cluster, token_file: str) -> None:
    asked = command(POD, identifiers=(), task_ids=("deploy-7",))
    async with scripted(cluster.answer) as api:
        kubernetes = target(api.url, token_file)
        with pytest.raises(RefusedError, match="nothing shows"):
            await kubernetes.revoke(asked, 0)
        cluster.objects[f"{PODS}/job-1-x"]["metadata"]["annotations"] = {TASK: "deploy-7"}
        assert (await kubernetes.probe(asked)).state == "live"
        with pytest.raises(RefusedError, match="nothing shows"):
            await kubernetes.probe(command(POD, identifiers=(), task_ids=()))
        await kubernetes.close()


async def test_contract_a_terminating_pods_token_is_live_until_a_minute_after(
    cluster: Cluster, token_file: str
) -> None:
    pod = cluster.objects[f"{PODS}/job-1-x"]
    async with scripted(cluster.answer) as api:
        kubernetes = target(api.url, token_file)
        pod["metadata"]["deletionTimestamp"] = format_rfc3339(NOW - 65 * SECOND)
        assert (await kubernetes.probe(command(POD))).state == "live"
        pod["metadata"]["deletionTimestamp"] = format_rfc3339(NOW - 73 * SECOND)
        assert (await kubernetes.probe(command(POD))).state == "dead"
        await kubernetes.close()


async def test_contract_a_token_for_another_verifier_is_never_proved_dead(
    cluster: Cluster, token_file: str
) -> None:
    clock, asked = Clock(), command(POD, kind=OTHER_AUDIENCE)
    async with scripted(cluster.answer) as api:
        kubernetes = target(api.url, token_file, clock)
        await kubernetes.revoke(asked, 0)
        await kubernetes.probe(asked)
        clock.now = 20.0
        assert (await kubernetes.probe(asked)).state == "unknown"
        assert "nothing to do" in await kubernetes.revoke(asked, 0)
        await kubernetes.close()
    assert "may accept" in target(api.url, token_file).plan(asked).unproved


async def test_contract_a_secret_is_looked_up_without_reading_it(cluster: Cluster, token_file: str) -> None:
    path, clock = "/api/v1/namespaces/ci/secrets/bound", Clock()
    cluster.put(path)
    asked = command({**POD, "method": "delete-secret", "name": "bound"})
    async with scripted(cluster.answer) as api:
        kubernetes = target(api.url, token_file, clock)
        assert (await kubernetes.probe(asked)).state == "live"
        assert path in cluster.objects
        await kubernetes.revoke(asked, 0)
        assert path not in cluster.objects
        await kubernetes.probe(asked)
        clock.now = 13.0
        assert (await kubernetes.probe(asked)).state == "absent"
        await kubernetes.close()
    assert path not in api.calls("GET")


async def test_contract_a_pod_that_no_task_is_called_after_may_never_have_been_there(
    cluster: Cluster, token_file: str
) -> None:
    nobody = {**POD, "name": "nobody"}
    clock, named = Clock(), command(nobody, task_ids=(pod_task("ci", "nobody", UID),))
    async with scripted(cluster.answer) as api:
        kubernetes = target(api.url, token_file, clock)
        for asked, state in ((command(nobody, task_ids=("build-7",)), "absent"), (named, "dead")):
            await kubernetes.probe(asked)
            clock.now += 13.0
            assert (await kubernetes.probe(asked)).state == state
            with pytest.raises(GoneError) as raised:
                await kubernetes.revoke(asked, 0)
            assert raised.value.known is (state == "dead")
        await kubernetes.close()


async def test_an_account_is_made_again_only_if_the_configuration_says_so(token_file: str) -> None:
    with pytest.raises(RefusedError, match="recreate_service_accounts"):
        target("http://127.0.0.1:9", token_file).plan(command(ACCOUNT))
    with pytest.raises(RefusedError, match="when the token was issued"):
        target("http://127.0.0.1:9", token_file, recreate_service_accounts=True).plan(
            command(ACCOUNT, issued_at=None)
        )


async def test_contract_an_account_made_again_keeps_what_it_had(cluster: Cluster, token_file: str) -> None:
    async with scripted(cluster.answer) as api:
        kubernetes = target(api.url, token_file, recreate_service_accounts=True)
        assert "made it again" in await kubernetes.revoke(command(ACCOUNT), 0)
        made = cluster.objects[f"{ACCOUNTS}/builder"]
        assert (await kubernetes.probe(command(ACCOUNT))).state == "unknown"  # made this second
        await kubernetes.close()
    assert made["metadata"]["uid"] != UID
    assert made["metadata"]["labels"] == {"team": "a"}
    assert made["metadata"]["annotations"] == {"role": "arn", MADE_FOR: "c-1"}
    assert f"{ACCOUNTS}/{copy_name('ci', 'builder')}" not in cluster.objects


@pytest.mark.parametrize(
    "at",
    [("DELETE", "builder"), ("POST", ""), ("GET", "builder"), ("DELETE", copy_name("ci", "builder"))],
    ids=["delete", "make", "look", "delete-copy"],
)
async def test_contract_an_account_is_made_again_though_each_call_is_cut_short(
    cluster: Cluster, token_file: str, at: tuple[str, str]
) -> None:
    async with scripted(cluster.answer) as api:
        options = KubernetesOptions(url=api.url, token_file=token_file, ca_file=None, cluster="prod")
        objects = KubernetesObjects(ProviderHttp(options))
        cluster.fail_at = (at[0], f"{ACCOUNTS}/{at[1]}".rstrip("/"))
        with pytest.raises(UnavailableError):
            await recreate(objects, "ci", "builder", ISSUED, "c-1")
        await recreate(objects, "ci", "builder", ISSUED, "c-1")
        made = cluster.objects[f"{ACCOUNTS}/builder"]
        with pytest.raises(GoneError):
            await recreate(objects, "ci", "builder", ISSUED, "c-1")
        await objects._http.close()
    assert made is cluster.objects[f"{ACCOUNTS}/builder"]
    assert made["metadata"]["annotations"] == {"role": "arn", MADE_FOR: "c-1"}
    assert [path for path in cluster.objects if "curfewd-" in path] == []


async def test_contract_an_account_that_the_controller_made_first_gets_what_it_had(
    cluster: Cluster, token_file: str
) -> None:
    copy = f"{ACCOUNTS}/{copy_name('ci', 'builder')}"
    cluster.put(copy, uid="copy", metadata={"annotations": {"role": "arn", COPY_OF: "builder"}})
    cluster.put(f"{ACCOUNTS}/builder", uid="new", created=NOW)
    async with scripted(cluster.answer) as api:
        kubernetes = target(api.url, token_file, recreate_service_accounts=True)
        await kubernetes.revoke(command(ACCOUNT), 0)
        await kubernetes.close()
    assert cluster.objects[f"{ACCOUNTS}/builder"]["metadata"]["annotations"]["role"] == "arn"
    assert copy not in cluster.objects


async def test_contract_the_control_token_is_reviewed(
    cluster: Cluster, token_file: str, tmp_path: Path
) -> None:
    control = tmp_path / "control"
    async with scripted(cluster.answer) as api:
        kubernetes = target(api.url, token_file, control_token_file=str(control))
        control.write_text("control-token")
        assert (await kubernetes.probe(command(POD))).control is True
        control.write_text("refused-token")
        assert (await kubernetes.probe(command(POD))).control is False
        await kubernetes.close()


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (Reply(404, b"<html>not here</html>"), UnavailableError, "not JSON|not a JSON"),
        (Reply(404, {"message": "no route"}), UnavailableError, "not as Kubernetes"),
        (Reply(403, {"kind": "Status"}), RefusedError, "right to get pods"),
        (Reply(418, {}), RefusedError, "418"),
        (Reply(200, {"metadata": {"uid": 7}}), UnavailableError, "without uid"),
        (Reply(200, [1]), UnavailableError, "not a JSON object"),
        (
            Reply(200, {"metadata": {"uid": UID, "creationTimestamp": "yesterday"}}),
            UnavailableError,
            "without uid",
        ),
        (Reply(200, b"[" * 100_000), UnavailableError, "not JSON|not a JSON"),
        (Reply(302, None, {"Location": "http://127.0.0.1:1/"}), UnavailableError, "redirects"),
        (Reply(401), UnavailableError, "own token"),
    ],
    ids=[
        "proxy",
        "other-api",
        "rights",
        "teapot",
        "number",
        "list",
        "time",
        "deep",
        "redirect",
        "own-token",
    ],
)
async def test_contract_odd_answers_prove_nothing(
    reply: Reply, error: type[Exception], words: str, token_file: str
) -> None:
    async with scripted(lambda _: reply) as api:
        kubernetes = target(api.url, token_file)
        with pytest.raises(error, match=words):
            await kubernetes.probe(command(POD))
        await kubernetes.close()


async def test_contract_it_says_as_whom_a_pod_runs(cluster: Cluster, token_file: str) -> None:
    asked = command({**POD, "service_account": ""})
    async with scripted(cluster.answer) as api:
        kubernetes = target(api.url, token_file)
        seen = await kubernetes.probe(asked)
        assert seen.found == {"service_account": "builder"}
        cluster.objects[f"{PODS}/job-1-x"]["spec"]["serviceAccountName"] = "other"
        with pytest.raises(RefusedError, match="another service account"):
            await kubernetes.revoke(command({**POD, **seen.found}), 0)
        await kubernetes.close()
