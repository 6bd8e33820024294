"""The chart: what Helm makes of it is valid and closed; with Helm on the machine, that it does make that."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from detector.configuration.kafka_settings import KafkaSettings
from detector.configuration.settings import Settings
from detector.values.times import SECOND
from tests.deploy.charts import (
    CHART,
    KUBERNETES,
    RENDERED,
    ROOT,
    VALUES,
    command,
    digest,
    helm,
    rendered,
    text,
)

needs_helm = pytest.mark.skipif(helm() is None, reason="there is no Helm: `make chart` builds it")
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
OWN: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
# Not Kubernetes' own: what they say is tested below by name.
SERVICE = ("defaults", "everything")  # the renderings without the revoker and the receiver
CUSTOM = {"ScaledObject", "ServiceMonitor", "PrometheusRule"}


def manifests(name: str) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all((RENDERED / f"{name}.yaml").read_text()) if each]


def of_kind(name: str, kind: str) -> list[dict[str, Any]]:
    return [each for each in manifests(name) if each["kind"] == kind]


def named(manifest: dict[str, Any]) -> str:
    return str(manifest["metadata"]["name"])


def pods(name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each workload and its pod."""
    for each in manifests(name):
        if "template" in each.get("spec", {}):
            yield each, each["spec"]["template"]["spec"]


@pytest.mark.parametrize("name", VALUES)
def test_what_is_kept_was_made_of_the_chart_as_it_is(name: str) -> None:
    assert digest(name) in (RENDERED / f"{name}.yaml").read_text().splitlines()[0], "run `make chart`"


@pytest.mark.parametrize("name", VALUES)
def test_kubernetes_takes_every_manifest(name: str) -> None:
    for each in manifests(name):
        if each["kind"] not in CUSTOM:
            kubernetes_validate.validate(each, KUBERNETES, strict=True)


def test_a_slip_in_a_manifest_would_be_seen() -> None:
    (each,) = of_kind("defaults", "StatefulSet")
    each["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(each, KUBERNETES, strict=True)


def test_there_is_what_the_values_ask_for() -> None:
    kinds = {name: sorted(each["kind"] for each in manifests(name)) for name in VALUES}
    assert kinds["defaults"] == [
        *("ConfigMap", "NetworkPolicy", "PodDisruptionBudget", "Service", "StatefulSet"),
    ]
    assert kinds["everything"] == [
        *("ConfigMap", "ConfigMap", "HorizontalPodAutoscaler", "Job", "NetworkPolicy"),
        *("PodDisruptionBudget", "PodDisruptionBudget", "ScaledObject", "Service", "ServiceMonitor"),
        *("StatefulSet", "StatefulSet"),
    ]
    twice = ("ConfigMap", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceMonitor", "StatefulSet")
    assert kinds["revoker"] == sorted([*twice, *twice, "ServiceAccount"])
    others = ("ConfigMap", "Deployment", "HorizontalPodAutoscaler", "NetworkPolicy", "PodDisruptionBudget")
    assert kinds["receiver"] == sorted([*twice, *others, "Service", "Service", "ServiceMonitor"])


@pytest.mark.parametrize("name", VALUES)
def test_every_pod_is_nobody_and_writes_nowhere_but_in_its_folders(name: str) -> None:
    """The restricted profile of Kubernetes' pod security standards."""
    seen = list(pods(name))
    assert seen
    for workload, pod in seen:
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "env" not in container  # secrets are files
        assert "memory" in container["resources"]["limits"]
        claims = workload["spec"].get("volumeClaimTemplates", [])
        volumes = {each["name"] for each in pod["volumes"]} | {each["metadata"]["name"] for each in claims}
        assert {each["name"] for each in container["volumeMounts"]} == volumes
        assert all("hostPath" not in each for each in pod["volumes"])


@pytest.mark.parametrize("name", SERVICE)
def test_stages_are_probed_found_and_given_time(name: str) -> None:
    drain = (
        KafkaSettings.__struct_defaults__[KafkaSettings.__struct_fields__.index("drain_timeout") - 2] / SECOND
    )
    (service,) = of_kind(name, "Service")
    (policy,) = of_kind(name, "NetworkPolicy")
    budgets = of_kind(name, "PodDisruptionBudget")
    stages = of_kind(name, "StatefulSet")
    assert len(budgets) == len(stages) == (1 if name == "defaults" else 2)
    for stage, budget in zip(*(sorted(each, key=named) for each in (stages, budgets)), strict=True):
        labels = stage["spec"]["template"]["metadata"]["labels"]
        for selector in (
            stage["spec"]["selector"]["matchLabels"],
            budget["spec"]["selector"]["matchLabels"],
            policy["spec"]["podSelector"]["matchLabels"],
            service["spec"]["selector"],
        ):
            assert selector.items() <= labels.items()
        pod = stage["spec"]["template"]["spec"]
        assert pod["terminationGracePeriodSeconds"] >= drain + 20
        (container,) = pod["containers"]
        probes = {
            key: container[f"{key}Probe"]["httpGet"]["path"] for key in ("startup", "liveness", "readiness")
        }
        assert probes == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
        # On a port of their own, which the network policy opens to nobody: the kubelet needs no leave.
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        asked = {container[f"{key}Probe"]["httpGet"]["port"] for key in probes}
        assert asked == {"probes"}
        assert ports["probes"] != ports["metrics"]
        assert {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]} == {"metrics"}
        if name == "everything":
            assert container["args"][-2:] == ["--stage", labels["app.kubernetes.io/component"]]
            assert "replicas" not in stage["spec"]  # whatever scales it says that
    assert set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    assert policy["spec"]["ingress"][0]["from"]


def test_what_scales_looks_at_the_lag_of_its_stage() -> None:
    (scan,) = of_kind("everything", "ScaledObject")
    (judge,) = of_kind("everything", "HorizontalPodAutoscaler")
    names = {each["metadata"]["name"] for each in of_kind("everything", "StatefulSet")}
    assert {each["spec"]["scaleTargetRef"]["name"] for each in (scan, judge)} == names
    (trigger,) = scan["spec"]["triggers"]
    assert trigger["metadata"]["query"] == 'max(curfewd_lag_seconds{namespace="security",stage="scan"})'
    assert judge["spec"]["metrics"][0]["pods"]["metric"]["name"] == "curfewd_lag_seconds"
    assert "`curfewd_lag_seconds`" in (ROOT / "docs" / "metrics.md").read_text()


def test_the_operator_scrapes_it_as_the_job_that_the_rules_name() -> None:
    (monitor,) = of_kind("everything", "ServiceMonitor")
    (service,) = of_kind("everything", "Service")
    labels = service["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert labels[monitor["spec"]["jobLabel"]] == "curfewd"
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}


@pytest.mark.parametrize("name", SERVICE)
def test_the_configuration_is_right_and_no_secret_is_in_a_manifest(name: str, tmp_path: Path) -> None:
    assert not of_kind(name, "Secret")
    for number, each in enumerate(of_kind(name, "ConfigMap")):
        config = each["data"]["curfewd.toml"]
        assert tomllib.loads(config)["service"]["listen"].endswith(":9464")
        assert tomllib.loads(config)["service"]["probes"] == "0.0.0.0:9465"
        (tmp_path / "key").write_text("00" * 32)
        path = tmp_path / f"{number}.toml"
        path.write_text(config.replace("/run/secrets/curfewd", str(tmp_path)))
        assert Settings.load(str(path), {}).live().inputs.named == ("audit-events", "ci-logs")


def revoker(kind: str) -> dict[str, Any]:
    (found,) = (each for each in of_kind("revoker", kind) if named(each).endswith("-revoke"))
    return found


def receiver(kind: str, name: str = "curfewd-receive") -> dict[str, Any]:
    (found,) = (each for each in of_kind("receiver", kind) if named(each) == name)
    return found


def test_the_revoker_has_an_account_secrets_and_a_folder_that_nothing_else_has() -> None:
    pod = revoker("StatefulSet")["spec"]["template"]["spec"]
    (other,) = (each for each in of_kind("revoker", "StatefulSet") if not named(each).endswith("-revoke"))
    stage = other["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == named(revoker("ServiceAccount"))
    assert "serviceAccountName" not in stage
    assert revoker("ServiceAccount")["automountServiceAccountToken"] is False
    secrets = [
        {volume["secret"]["secretName"] for volume in each["volumes"] if "secret" in volume}
        for each in (pod, stage)
    ]
    assert not secrets[0] & secrets[1]
    (projected,) = (volume["projected"] for volume in pod["volumes"] if "projected" in volume)
    assert projected["sources"][0]["serviceAccountToken"]["expirationSeconds"] <= 3600
    assert revoker("StatefulSet")["spec"]["replicas"] == 2
    kept = revoker("StatefulSet")["spec"]["persistentVolumeClaimRetentionPolicy"]
    assert set(kept.values()) == {"Retain"}  # the audit log


def test_the_revoker_is_found_by_its_own_selectors_alone_and_let_out_to_providers() -> None:
    labels = revoker("StatefulSet")["spec"]["template"]["metadata"]["labels"]
    policy, service = revoker("NetworkPolicy")["spec"], revoker("Service")
    selectors = [
        policy["podSelector"]["matchLabels"],
        service["spec"]["selector"],
        revoker("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
    ]
    assert all(selector.items() <= labels.items() for selector in selectors)
    for each in (*of_kind("revoker", "NetworkPolicy"), *of_kind("revoker", "Service")):
        if not named(each).endswith("-revoke"):
            spec = each["spec"]
            wider = spec["podSelector"]["matchLabels"] if "podSelector" in spec else spec["selector"]
            assert not wider.items() <= labels.items()
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert {port["port"] for rule in policy["ingress"] for port in rule["ports"]} == {"probes"}
    assert {port["port"] for rule in policy["egress"] for port in rule["ports"]} == {53, 9092, 9093, 443}
    monitor = revoker("ServiceMonitor")["spec"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert service["metadata"]["labels"][monitor["jobLabel"]] == "curfewd-revoke"


def test_the_revoker_plans_until_somebody_says_act(tmp_path: Path) -> None:
    config = revoker("ConfigMap")["data"]["revoke.toml"]
    path = tmp_path / "revoke.toml"
    (tmp_path / "command-keys").write_text("00" * 32)
    path.write_text(config.replace("/run/secrets/curfewd", str(tmp_path)))
    settings = Settings.load(str(path), {})
    assert settings.revoke.mode == "plan"
    assert settings.revoke.probes.port == 9466
    (container,) = revoker("StatefulSet")["spec"]["template"]["spec"]["containers"]
    assert container["args"][0] == "revoke"
    written = {each["mountPath"] for each in container["volumeMounts"] if not each.get("readOnly")}
    assert any(settings.revoke.audit_log.startswith(f"{folder}/") for folder in written)


def test_receivers_are_found_by_their_own_selectors_alone_and_only_while_they_are_ready() -> None:
    labels = receiver("Deployment")["spec"]["template"]["metadata"]["labels"]
    entry, probes = receiver("Service"), receiver("Service", "curfewd-receive-probes")
    policy = receiver("NetworkPolicy")["spec"]
    own = [
        receiver("Deployment")["spec"]["selector"]["matchLabels"],
        receiver("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        policy["podSelector"]["matchLabels"],
        entry["spec"]["selector"],
        probes["spec"]["selector"],
    ]
    assert all(selector.items() <= labels.items() for selector in own)
    (stage,) = of_kind("receiver", "StatefulSet")
    assert not own[0].items() <= stage["spec"]["template"]["metadata"]["labels"].items()
    assert "publishNotReadyAddresses" not in entry["spec"]
    assert probes["spec"]["publishNotReadyAddresses"] is True
    assert receiver("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["kind"] == "Deployment"
    assert "replicas" not in receiver("Deployment")["spec"]  # whatever scales it says that
    monitor = receiver("ServiceMonitor")["spec"]
    assert monitor["selector"]["matchLabels"].items() <= probes["metadata"]["labels"].items()
    assert probes["metadata"]["labels"][monitor["jobLabel"]] == "curfewd-receive"
    (endpoint,) = monitor["endpoints"]
    ports = [{port["name"] for port in each["spec"]["ports"]} for each in (probes, entry)]
    assert endpoint["port"] in ports[0] - ports[1]  # once, and not by its other service too


def test_senders_reach_the_receivers_port_alone_and_its_probes_are_for_whoever_scrapes() -> None:
    policy = receiver("NetworkPolicy")["spec"]
    let_in = {rule["ports"][0]["port"]: rule["from"] for rule in policy["ingress"]}
    assert let_in["https"] == [{"ipBlock": {"cidr": "192.0.2.0/24"}}]
    assert let_in["probes"] == OWN["networkPolicy"]["from"]
    assert {port["port"] for rule in policy["egress"] for port in rule["ports"]} == {53, 9092, 9093, 443}


def test_a_receiver_listens_where_it_is_asked_and_has_time_to_answer(tmp_path: Path) -> None:
    pod = receiver("Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    config = receiver("ConfigMap")["data"]["receive.toml"]
    folders = {each["mountPath"] for each in container["volumeMounts"] if each.get("readOnly")}
    assert set(re.findall(r"/run/secrets/[a-z-]+", config)) <= folders
    (tmp_path / "curfewd").mkdir()
    (tmp_path / "curfewd" / "github").write_text("a secret of this test")
    path = tmp_path / "receive.toml"
    path.write_text(config.replace("/run/secrets", str(tmp_path)))
    receive = Settings.load(str(path), {}).receive
    assert (receive.unmet, receive.warnings) == ((), ())
    assert ports == {"https": receive.listen.port, "probes": receive.probes.port}
    assert {container[f"{key}Probe"]["httpGet"]["path"] for key in ("startup", "liveness")} == {"/healthz"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "probes"}
    (_, pause) = container["lifecycle"]["preStop"]["exec"]["command"]
    assert pod["terminationGracePeriodSeconds"] >= int(pause) + receive.drain_timeout / SECOND + 10
    assert receiver("Deployment")["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


@pytest.mark.parametrize("name", VALUES)
def test_the_values_are_by_their_schema(name: str) -> None:
    own = [yaml.safe_load(path.read_text()) for path in VALUES[name]]
    for values in (
        OWN,
        *(
            {
                **OWN,
                **each,
                "scan": OWN["scan"],
                "judge": OWN["judge"],
                "revoker": OWN["revoker"] | each.get("revoker", {}),
                "receiver": OWN["receiver"] | each.get("receiver", {}),
            }
            for each in own
        ),
    ):
        jsonschema.Draft7Validator(SCHEMA).validate(values)


@pytest.mark.parametrize(
    "values",
    [
        {"repicas": 3},
        {"secretName": ""},
        {"image": {"repository": "curfewd", "digest": "sha256:abc"}},
        {"all": {**OWN["all"], "autoscaling": {"kind": "keda"}}},
        {"persistence": {"size": "lots"}},
        {"receiver": {**OWN["receiver"], "service": {"type": "Ingress"}}},
    ],
    ids=lambda values: next(iter(values)),
)
def test_values_that_are_wrong_are_refused(values: dict[str, Any]) -> None:
    assert not jsonschema.Draft7Validator(SCHEMA).is_valid({**OWN, **values})


@needs_helm
@pytest.mark.parametrize("name", VALUES)
def test_helm_makes_what_is_kept(name: str) -> None:
    # Another version of Helm may write the same otherwise.
    made = [each for each in yaml.safe_load_all(text(name)) if each]
    assert sorted(made, key=str) == sorted(manifests(name), key=str), "run `make chart`"


@needs_helm
def test_helm_lints_it_and_holds_values_to_the_schema() -> None:
    linted = command("lint", "--strict", CHART)
    assert linted.returncode == 0, linted.stdout
    refused = rendered("--set", "all.autoscaling.kind=keda")
    assert refused.returncode != 0
    assert "/all/autoscaling/prometheus" in refused.stderr or "all.autoscaling.prometheus" in refused.stderr


@needs_helm
def test_the_operator_is_given_the_rules_as_they_are() -> None:
    made = rendered(
        "--set", "prometheusRule.enabled=true", "--set", "prometheusRule.runbooks=https://docs.example/r"
    )
    (rule,) = (each for each in yaml.safe_load_all(made.stdout) if each and each["kind"] == "PrometheusRule")
    files = sorted((ROOT / "deploy" / "prometheus" / "rules").glob("*.yml"))
    groups = [group for path in files for group in yaml.safe_load(path.read_text())["groups"]]
    assert groups
    for group in groups:
        for each in group["rules"]:
            if "annotations" in each:
                page = re.sub(".*/", "", each["annotations"]["runbook_url"])
                each["annotations"]["runbook_url"] = f"https://docs.example/r/{page}"
    assert rule["spec"]["groups"] == groups
