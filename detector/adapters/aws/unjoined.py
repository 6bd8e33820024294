"""Says in a few words why an AWS session names no task that anything else reports, and what to set.

The words have no ids, so that the sessions of one pipeline have the same: the role's name, a well-known session name.
"""

from typing import Final

from detector.adapters.adapter import Record
from detector.adapters.aws.denials import principal
from detector.adapters.fields import maybe_text

KEY_OF_USER: Final = "a permanent key of a user belongs to no task; give jobs sessions of a role"
_SHOWN: Final = {"githubactions": "GitHubActions"}  # session names that are worth showing
# What to set, by the beginning of the group that the token names.
_SET: Final = {
    "github": "set `role-session-name: github-job-${{ job.check_run_id }}`",
    "gitlab": 'set `--role-session-name "gitlab-job-$CI_JOB_ID"`',
    "buildkite": 'set `--role-session-name "buildkite-job-$BUILDKITE_JOB_ID"`',
    "circleci": 'set `role_session_name: "circleci-job-${CIRCLE_WORKFLOW_JOB_ID}"`',
    "azure-devops": "set `azure-devops-run-$(System.TeamProjectId)-$(Build.BuildId)` as the session's name",
    "kubernetes": "use EKS Pod Identity, whose session tags name the pod",
}
_OTHERWISE: Final = "set a role session name that is the id of a task in your events"
_OF_USER: Final = "session of a user, which names no job; give jobs sessions of a role"


def unjoined(record: Record, name: str | None, group: str | None) -> str:
    """Why a session's name names no job. `group` is that of its token's subject or its tags, if they name one."""
    shown = _SHOWN.get((name or "").lower())
    provider = "github" if shown else (group or "").partition(":")[0]
    kind = maybe_text(record, "userIdentity.type")
    service = maybe_text(record, "userIdentity.invokedBy") if kind == "AWSService" else None
    role = principal(maybe_text(record, "requestParameters.roleArn"), "role")
    if role is None:
        return _OF_USER
    who = f"role `{role[1]}`"
    if service is not None and group is None:
        return f"session for the service `{service}`, which names no job"  # of whatever role: they are many
    if kind == "SAMLUser":
        return f"{who}: session of somebody who signed in by SAML, which names no job"
    said = f"session name `{shown}` names no job" if shown else "session name names no job"
    return f"{who}: {said}; {_SET.get(provider, _OTHERWISE)}"
