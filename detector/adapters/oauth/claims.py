"""The task that a workload's OIDC token names, or the group of its task, from its claims or metadata made of them.

Claim names are those of the issuers' documents: CI jobs (`ci_names`), Buildkite, CircleCI, HCP Terraform, Nomad
(workload identity, and the metadata of its older tokens) and Kubernetes (bound service account tokens). Of Azure DevOps
they are those of a pipeline's token as Teleport's design document 211 shows it.
"""

from collections.abc import Mapping
from typing import Any, Final

from detector.adapters import ci_names
from detector.records.pod_names import pod_task, service_account_group

_CIRCLE: Final = "oidc.circleci.com/job-id"
# Two claims that name a group together. Vault's Kubernetes method writes the last pair.
_PAIRS: Final = (
    ("organization_slug", "pipeline_slug", ci_names.buildkite_group),
    ("terraform_organization_name", "terraform_workspace_name", ci_names.terraform_group),
    ("oidc.circleci.com/org-id", "oidc.circleci.com/project-id", ci_names.circleci_group),
    ("service_account_namespace", "service_account_name", service_account_group),
)


def task_of_claims(claims: Mapping[str, Any]) -> str | None:
    """The task id; None if the claims name no task. Values that are neither text nor whole numbers are ignored."""
    return (
        _buildkite(claims)
        or _azure_devops(claims)
        or ci_names.task_of_claims(claims)
        or _nomad(claims)
        or _other(claims)
    )


def group_of_claims(claims: Mapping[str, Any]) -> str | None:
    """The group of the task; None if the claims, `sub` among them, name none."""
    repository, project = _text(claims, "repository"), _text(claims, "project_path")
    if repository is not None and repository.count("/") == 1:
        return ci_names.github_group(repository)
    if project is not None:
        return ci_names.gitlab_group(project)
    for first, second, group in _PAIRS:
        names = _text(claims, first), _text(claims, second)
        if names[0] is not None and names[1] is not None:
            return group(names[0], names[1])
    bound = claims.get("kubernetes.io")
    account = bound.get("serviceaccount") if isinstance(bound, Mapping) else None
    if isinstance(bound, Mapping) and isinstance(account, Mapping):
        namespace, name = _text(bound, "namespace"), _text(account, "name")
        if namespace is not None and name is not None:
            return service_account_group(namespace, name)
    return ci_names.group_of_subject(_text(claims, "sub") or "")


def _text(claims: Mapping[str, Any], *names: str) -> str | None:
    return next((value for name in names if isinstance(value := claims.get(name), str) and value), None)


def _buildkite(claims: Mapping[str, Any]) -> str | None:
    """Its `job_id` is not a number, unlike GitLab's."""
    job = _text(claims, "job_id")
    return (
        ci_names.buildkite_job(job)
        if job and ("pipeline_slug" in claims or "build_number" in claims)
        else None
    )


def _azure_devops(claims: Mapping[str, Any]) -> str | None:
    """Its `run_id` is one of a project, unlike GitHub's."""
    project, run = _text(claims, "prj_id"), _text(claims, "run_id")
    return None if project is None or run is None else ci_names.azure_devops_run(project, run)


def _nomad(claims: Mapping[str, Any]) -> str | None:
    allocation = _text(claims, "nomad_allocation_id", "AllocationID")
    task = _text(claims, "nomad_task", "Task")
    if allocation is None:
        return None
    return f"nomad/{allocation}/{task}" if task is not None else f"nomad/{allocation}"


def _other(claims: Mapping[str, Any]) -> str | None:
    circle, terraform = _text(claims, _CIRCLE), _text(claims, "terraform_run_id")
    if circle or terraform:
        return ci_names.circleci_job(circle) if circle else f"terraform/run/{terraform}"
    bound = claims.get("kubernetes.io")
    pod = bound.get("pod") if isinstance(bound, Mapping) else None
    if not isinstance(bound, Mapping) or not isinstance(pod, Mapping):
        return None
    namespace, name = _text(bound, "namespace"), _text(pod, "name")
    return pod_task(namespace, name, _text(pod, "uid")) if namespace and name else None
