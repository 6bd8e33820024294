"""The forms of providers: each is read back by a schema or a parser, and says what it could not say."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import hcl2
import jsonschema  # type: ignore[import-untyped]
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from policy_sentry.querying.actions import get_action_data

from detector.adapters.aws import session_policy as adapter
from detector.suggest import aws_policy
from detector.suggest.arguments import FORMS as OPTIONS
from detector.suggest.forms import FORMS
from detector.suggest.providers import provider_of
from detector.suggest.suggestion import Suggestion
from detector.suggest.translation import Form, Translated
from detector.values.errors import UsageError
from detector.values.events import CredentialUsed
from tests.suggest.made_history import jobs, suggested, use

SOURCES = {
    "aws": "aws.cloudtrail/1",
    "kubernetes": "kubernetes.audit",
    "vault": "vault",
    "github": "github.audit/acme",
}
# The grammar of the JSON policy language (IAM user guide, "Grammar of the IAM JSON policy language"), as far as a
# session policy that only allows needs it.
POLICY_SCHEMA = {
    "type": "object",
    "required": ["Version", "Statement"],
    "additionalProperties": False,
    "properties": {
        "Version": {"const": "2012-10-17"},
        "Statement": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["Effect", "Action", "Resource"],
                "additionalProperties": False,
                "properties": {
                    "Effect": {"const": "Allow"},
                    "Action": {
                        "type": "array",
                        "minItems": 1,
                        "items": {"pattern": "^[a-z0-9-]+:[A-Za-z0-9]+$"},
                    },
                    "Resource": {
                        "type": "array",
                        "minItems": 1,
                        "items": {"pattern": "^(\\*|arn:[^:]*:[^:]*:[^:]*:[^:]*:.+)$"},
                    },
                },
            },
        },
    },
}
KUBERNETES = "1.34"


def made(provider: str, *uses: tuple[str | None, str | None], tasks: int = 3) -> Suggestion:
    """What is suggested where three tasks each did all of this."""
    events: list[CredentialUsed] = [
        use(
            f"c{job}",
            f"{job}/{number}",
            action,
            resource and resource.replace("JOB", f"job-{job}"),
            source=SOURCES[provider],
        )
        for job in range(3)
        for number, (action, resource) in enumerate(uses)
    ]
    (one,) = suggested(jobs(3), events, tasks)
    return one


def form(name: str) -> Form:
    return FORMS[name]


def aws(*uses: tuple[str | None, str | None]) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    done = form("aws-session-policy").of(made("aws", *uses))
    policy = json.loads(done.text)
    jsonschema.validate(policy, POLICY_SCHEMA)
    return policy["Statement"], done.notes


def kubernetes(*uses: tuple[str | None, str | None]) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    done = form("kubernetes-rbac").of(made("kubernetes", *uses))
    roles = list(yaml.safe_load_all(done.text))
    for role in roles:
        kubernetes_validate.validate(role, KUBERNETES, strict=True)
    return roles, done.notes


def vault(*uses: tuple[str | None, str | None]) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    done = form("vault-policy").of(made("vault", *uses))
    return rules(done), done.notes


def rules(done: Translated) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for block in hcl2.loads(done.text + "\n")["path"]:
        ((path, body),) = block.items()
        found[path.strip('"')] = [name.strip('"') for name in body["capabilities"]]
    return found


def github(tmp_path: Path, *uses: tuple[str | None, str | None]) -> tuple[Any, tuple[str, ...]]:
    done = form("github-permissions").of(made("github", *uses))
    workflow = (
        f"on: push\n{done.text}\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: make\n"
    )
    file = tmp_path / "ci.yml"
    file.write_text(workflow)
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.github-workflows",
        str(file),
    ]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    return yaml.safe_load(done.text)["permissions"], done.notes


def test_the_options_are_the_forms() -> None:
    assert list(OPTIONS) == list(FORMS)


# AWS


def test_calls_become_permissions_on_the_resources_that_events_name() -> None:
    statements, notes = aws(
        ("s3:ListObjects", "arn:aws:s3:::logs"),
        ("s3:HeadObject", "arn:aws:s3:::logs/runs/JOB/a.txt"),
        ("s3:GetObject", "arn:aws:s3:::logs/runs/JOB/a.txt"),
        ("lambda:Invoke20150331", "arn:aws:lambda:eu-west-1:1:function:resize"),
        ("monitoring:PutMetricData", None),
        ("sts:GetCallerIdentity", None),
    )
    assert statements == [
        {"Effect": "Allow", "Action": ["cloudwatch:PutMetricData"], "Resource": ["*"]},
        {
            "Effect": "Allow",
            "Action": ["lambda:InvokeFunction"],
            "Resource": ["arn:aws:lambda:eu-west-1:1:function:resize"],
        },
        {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::logs"]},
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::logs/runs/job-*/a.txt"]},
    ]
    assert notes == (
        "monitoring:PutMetricData, sts:GetCallerIdentity: the events name no resource, so it is allowed on all",
    )


def test_the_name_of_each_permission_is_one_of_iams() -> None:
    """policy-sentry has them from the Service Authorization Reference."""
    calls = [
        *aws_policy._PERMISSIONS,
        *(call.replace("*", "") for calls in adapter._CALLS.values() for call in calls),
        "lambda:GetFunction20150331v2",
        "cloudfront:GetDistribution2020_05_31",
        "monitoring:PutMetricData",
        "tagging:GetResources",
        "ec2:DescribeInstances",
    ]
    permissions = {
        permission
        for call in calls
        for permission in aws_policy._PERMISSIONS.get(call, adapter.permissions_of(call))
    }
    unknown = {one for one in permissions if not _known(one)}
    assert unknown == set()
    needless = {
        call
        for call in aws_policy._PERMISSIONS
        if _known(call) and not call.startswith(("sts:", "s3:CopyObject"))
    }
    assert needless == set()
    assert not any(_known(call) for call in aws_policy._UNSURE)


def _known(permission: str) -> bool:
    service, _, name = permission.partition(":")
    found = get_action_data(service, name)
    return bool(found) and any(one["action"].lower() == permission.lower() for one in found[service])


def test_what_iam_calls_otherwise_is_left_out_and_said() -> None:
    statements, notes = aws(
        ("s3:GetObject", "arn:aws:s3:::b/k"),
        ("dynamodb:TransactWriteItems", "arn:aws:dynamodb:eu-west-1:1:table/t"),
        ("apigateway:GetRestApi", None),
        ("ec2:ModifyInstanceAttribute", "instance/i-1"),
        ("Not a call", "arn:aws:s3:::b/k"),
        ("s3:CopyObject", "arn:aws:s3:::b/copy"),
    )
    assert [statement["Action"] for statement in statements] == [["s3:PutObject"], ["s3:GetObject"]]
    assert len(notes) == 6
    assert any("allow s3:GetObject of it" in note for note in notes)


def test_stars_and_variables_in_names_stand_for_themselves() -> None:
    statements, _ = aws(("s3:GetObject", "arn:aws:s3:::b/a*b?c${x}"))
    assert statements[0]["Resource"] == ["arn:aws:s3:::b/a${*}b${?}c${$}{x}"]


def test_a_policy_that_is_too_long_says_so() -> None:
    _, notes = aws(*(("s3:GetObject", f"arn:aws:s3:::bucket-{number}/key") for number in range(120)))
    assert any("AWS takes 2,048" in note for note in notes)


def test_nothing_that_needs_a_permission_is_an_error() -> None:
    with pytest.raises(UsageError, match="can be written as a policy"):
        aws(("sts:GetCallerIdentity", None))


# Kubernetes


def test_a_role_for_each_namespace_and_one_for_the_cluster() -> None:
    roles, notes = kubernetes(
        ("get", "namespaces/ci/configmaps/settings"),
        ("list", "namespaces/ci/pods"),
        ("create", "namespaces/ci/pods"),
        ("create", "namespaces/ci/pods/worker/exec"),
        ("patch", "apps/namespaces/shop/deployments/web"),
        ("get", "nodes/n1"),
        ("get", "/healthz"),
        ("delete", "namespaces/ci/pods/JOB"),
    )
    assert [(role["kind"], role["metadata"].get("namespace")) for role in roles] == [
        ("Role", "ci"),
        ("Role", "shop"),
        ("ClusterRole", None),
    ]
    assert roles[0]["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "delete", "list"]},
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["settings"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods/exec"], "resourceNames": ["worker"], "verbs": ["create"]},
    ]
    assert roles[1]["rules"] == [
        {"apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["web"], "verbs": ["patch"]}
    ]
    assert roles[2]["rules"] == [
        {"apiGroups": [""], "resources": ["nodes"], "resourceNames": ["n1"], "verbs": ["get"]},
        {"nonResourceURLs": ["/healthz"], "verbs": ["get"]},
    ]
    assert notes == (
        "delete namespaces/ci/pods/job-*: a rule has no globs for names, so it holds for all of them",
    )


def test_a_namespace_and_a_kind_of_object_never_become_a_star() -> None:
    roles, _ = kubernetes(("get", "namespaces/JOB/pods/x"))
    assert [role["metadata"]["namespace"] for role in roles] == ["job-0", "job-1", "job-2"]


# Vault


def test_operations_become_capabilities() -> None:
    found, notes = vault(
        ("read", "secret/data/ci/JOB/token"),
        ("update", "secret/data/ci/job-1/token"),
        ("read", "secret/data/shared"),
        ("list", "secret/metadata/ci/"),
        ("update", "sys/leases/revoke-prefix/aws/creds/deploy"),
        ("create", "secret/data/out/JOB"),
        ("help", "sys/mounts"),
    )
    assert found == {
        "secret/data/ci/+/token": ["read"],
        "secret/data/ci/job-1/token": ["read", "update"],  # the most specific path alone counts
        "secret/data/out/job-*": ["create"],
        "secret/data/shared": ["read"],
        "secret/metadata/ci/": ["list"],
        "sys/leases/revoke-prefix/aws/creds/deploy": ["update", "sudo"],
    }
    assert [note.partition(": ")[0] for note in notes] == [
        "help sys/mounts",
        "read secret/data/ci/job-*/token",
    ]
    assert "written wider" in notes[1]


def test_names_that_a_policy_reads_as_wildcards_or_templates() -> None:
    found, notes = vault(
        ("read", "secret/data/a/+/b"),
        ("read", "secret/data/x*"),
        ("read", 'secret/data/{{identity.entity.id}}/"'),
    )
    assert found == {"secret/data/a/+/b": ["read"], "secret/data/+": ["read"]}
    assert len(notes) == 2


def test_of_paths_that_overlap_the_one_that_counts_has_what_a_request_needs() -> None:
    """`s/d/+/x` and `s/d/a/+` both match `s/d/a/x`; the second counts, because its wildcard comes later."""
    events = [
        *(
            use(f"c{job}", f"r{job}", "read", f"s/d/{name}/x", source="vault")
            for job, name in enumerate("abc")
        ),
        *(
            use(f"c{job}", f"u{job}", "update", f"s/d/a/{name}", source="vault")
            for job, name in enumerate("xyz")
        ),
    ]
    (one,) = suggested(jobs(3), events)
    assert rules(form("vault-policy").of(one)) == {"s/d/+/x": ["read"], "s/d/a/+": ["read", "update"]}


@given(st.lists(st.sampled_from(["secret", "data", "a", "+", "x*", "job-1", ""]), min_size=1, max_size=5))
def test_every_rule_of_vault_is_read_back(parts: list[str]) -> None:
    path = "/".join(parts)
    done = form("vault-policy").of(made("vault", ("read", path or "x")))
    assert list(rules(done).values()) == [["read"]]


# GitHub


def test_routes_become_permissions(tmp_path: Path) -> None:
    found, notes = github(
        tmp_path,
        ("GET /repositories/:repository_id/contents/:path", "acme/shop"),
        ("POST /repos/:owner/:repo/issues/:issue_number/comments", "acme/shop"),
        ("GET /repos/:owner/:repo/issues/:issue_number", "acme/shop"),
        ("PUT /repos/:owner/:repo/pulls/:pull_number/merge", "acme/shop"),
        ("GET /repos/:owner/:repo/commits/:ref/check-runs", "acme/shop"),
        ("GET /repos/:owner/:repo", "acme/shop"),
        ("git.clone", "acme/shop"),
    )
    assert found == {"contents": "write", "issues": "write", "checks": "read"}
    assert len(notes) == 1


def test_what_a_workflows_token_cannot_do_is_said(tmp_path: Path) -> None:
    found, notes = github(
        tmp_path,
        ("PATCH /repos/:owner/:repo", "acme/shop"),
        ("GET /repos/:owner/:repo/branches/:branch/protection", "acme/shop"),
        ("GET /user", None),
        ("GET /repos/:owner/:repo/novelty", "acme/shop"),
        ("repo.create", "acme/shop"),
    )
    assert found == {}
    assert len(notes) == 3


def test_the_permissions_are_those_that_a_workflow_may_have(tmp_path: Path) -> None:
    """The schema refuses a name that it does not know."""
    from detector.suggest.github_permissions import _SCOPES  # noqa: PLC0415 - beside what it is for

    routes = [
        ("POST /repos/:owner/:repo/" + "/".join(":x" if part == "*" else part for part in scope), "a/b")
        for scope in _SCOPES
    ]
    found, _ = github(tmp_path, *routes)
    assert set(found) == {name for name in _SCOPES.values() if name is not None}


# All


def test_few_tasks_and_other_providers_are_said() -> None:
    events = [
        use("c0", 1, "read", "secret/data/a", source="vault"),
        use("c0", 2, "s3:GetObject", "arn:aws:s3:::b/k"),
    ]
    (one,) = suggested(jobs(3), events)
    done = form("vault-policy").of(one)
    assert done.notes == (
        "seen by 1 task only: not enough to say what the next one needs",
        "1 entry of other providers left out",
    )


@pytest.mark.parametrize(
    ("source", "kind", "action", "arn", "provider"),
    [
        ("aws.cloudtrail/1", None, "ec2:X", False, "aws"),
        ("audit", "vault-token", "read", False, "vault"),
        ("audit", "token", "s3:GetObject", True, "aws"),
        ("audit", "token", "queue:Send", False, ""),
        ("audit", None, "GET /repos/:owner/:repo", False, "github"),
        ("audit", None, None, False, ""),
    ],
)
def test_whose_action_it_is(
    source: str, kind: str | None, action: str | None, *, arn: bool, provider: str
) -> None:
    assert provider_of(source, kind, action, arn=arn) == provider
