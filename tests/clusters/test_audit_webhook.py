"""A kube-apiserver sends to `curfewd receive`: it posts its audit log, with the policy and kubeconfig of the pages."""

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from detector.configuration.receive_settings import TlsFiles
from detector.receive.tls import ReloadedTls
from tests.broker.secure import Authority
from tests.clusters.servers import KubernetesServer
from tests.clusters.test_kubernetes import Cluster
from tests.command_line import curfewd
from tests.receive.serving import Served, serving, source

pytestmark = pytest.mark.clusters
PAGES = Path(__file__).parents[2] / "docs"
TABLE = source("cluster-1", type="kubernetes", secrets=None, clients=["kube-apiserver-audit"])
REVIEWS = "selfsubjectreviews"


def block(page: str, begins: str) -> str:
    """The YAML on a page that begins so."""
    found = re.findall(r"```yaml\n(.*?)```", (PAGES / page).read_text(), re.DOTALL)
    (text,) = (each for each in found if each.startswith(begins))
    return str(text)


def options(folder: Path, url: str, authority: Authority) -> list[str]:
    """Of an API server that posts to `url`."""
    (folder / "policy.yaml").write_text(block("sources/kubernetes.md", "apiVersion: audit.k8s.io/v1"))
    own = str(authority.issue("kube-apiserver-audit"))
    config = block("receive.md", "apiVersion: v1\nkind: Config")
    for there, here in (
        ("https://HOST/cluster-1", url),
        ("/etc/kubernetes/receive-ca.crt", str(authority.file)),
        ("/etc/kubernetes/audit.crt", own),
        ("/etc/kubernetes/audit.key", own),
    ):
        assert there in config
        config = config.replace(there, here)
    (folder / "webhook.yaml").write_text(config)
    return [
        f"--audit-policy-file={folder}/policy.yaml",
        f"--audit-webhook-config-file={folder}/webhook.yaml",
        "--audit-webhook-batch-max-wait=1s",
    ]


def received(served: Served) -> list[dict[str, Any]]:
    """The audit events that have arrived."""
    return [event for line in served.lines("cluster-1") for event in json.loads(line)["items"]]


async def uses(served: Served, count: int) -> None:
    """Waits for so many reviews by the pod's token."""
    async with asyncio.timeout(60):
        while True:
            seen = [
                event for event in received(served) if event.get("objectRef", {}).get("resource") == REVIEWS
            ]
            if len(seen) >= count:
                return
            await asyncio.sleep(0.2)


async def test_a_token_that_outlives_its_pod_is_found_in_what_the_audit_webhook_posts(tmp_path: Path) -> None:
    authority = Authority.make(tmp_path / "authority")
    files = TlsFiles(str(authority.issue("receive")), client_ca_file=str(authority.file))
    top = f"cert_file = '{files.cert_file}'\nclient_ca_file = '{files.client_ca_file}'"
    async with serving(tmp_path, TABLE, top=top, tls=ReloadedTls(files)) as served:
        url = f"https://127.0.0.1:{served.port.address.port}/cluster-1"
        server = KubernetesServer(options(tmp_path, url, authority))
        try:
            await asyncio.to_thread(server.start)
            task_id, uid = await used_after_its_pod(Cluster(server, tmp_path), served)
        finally:
            await asyncio.to_thread(server.remove)
        assert served.refusals == []
    out = tmp_path / "replayed"
    done = curfewd("replay", tmp_path / "out" / "cluster-1.jsonl", "--out", out)
    assert done.code == 0, done.err
    summary = json.loads((out / "summary.json").read_text())
    assert summary["dead_letters"] == {}
    assert list(summary["records"].values()) == [{"kubernetes": len(received(served))}]
    findings = [json.loads(line) for line in (out / "findings.jsonl").read_text().splitlines()]
    rules = {each["finding_info"]["analytic"]["uid"]: each["unmapped"] for each in findings}
    assert rules["use-after-termination"]["task_id"] == task_id
    assert uid in (out / "revocations.jsonl").read_text()


async def used_after_its_pod(cluster: Cluster, served: Served) -> tuple[str, str]:
    """A pod's token, used while it runs and after it is gone: the API server accepts it for a minute more.

    There is no kubelet: the pod is deleted with what a kubelet sends.
    """
    await cluster.make(("api", "v1", "namespaces"), {"metadata": {"name": cluster.namespace}})
    await cluster.account("builder")
    pod = await cluster.pod("job-1")
    token = await cluster.token(pod, "Pod")
    assert await cluster.works(token)
    ended = time.monotonic()
    uid = pod["metadata"]["uid"]
    last = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}}
    gone = await cluster.admin.ask("DELETE", cluster.path("pods", "job-1"), json=last)
    assert gone.status == 200, gone.body
    while time.monotonic() - ended < 6:  # noqa: ASYNC110 - more than clocks may differ
        await asyncio.sleep(0.5)
    assert await cluster.works(token)
    await cluster.admin.close()
    await uses(served, 2)
    assert token.read_text() not in json.dumps(received(served))
    return f"k8s/{cluster.namespace}/job-1/{uid}", uid
