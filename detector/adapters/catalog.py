"""The sources in words: what each tells, how it finds a task, and what to switch on.

`curfewd sources` prints this table, `docs/sources.md` shows it, and `curfewd sources explain` finds the nearest
source of a record in it. Importing this loads no adapter.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from detector.adapters.fields import find


class SourceEntry(msgspec.Struct, frozen=True):
    """One source.

    - `page` is its page in `docs/sources`, with the section if the page has several sources.
    - `gives`, `task` and `enable` are as short as a column of a table: what it tells, by which name its credentials or
      starts find a task, what has to be switched on.
    - `panther` and `elastic` say how many of their public sample events that state a time are recognised, where
      measured.
    - `shapes` are the fields (dotted paths) by which its records are recognised, one tuple for each shape of record.
      A record without any of them is not recognised.
    """

    title: str
    page: str
    gives: str
    task: str
    enable: str
    panther: str = ""
    elastic: str = ""
    shapes: tuple[tuple[str, ...], ...] = ()


_LEAST_SHARE: Final = 0.5
# Fields of these names say nothing of who wrote a record.
_EVERYDAY: Final = frozenset(
    {
        "action",
        "actor.type",
        "apiVersion",
        "category",
        "detail",
        "events",
        "job",
        "kind",
        "message",
        "metadata.name",
        "request",
        "request.path",
        "response",
        "specversion",
        "status.phase",
        "time",
        "type",
    }
)
CATALOG: Final[Mapping[str, SourceEntry]] = {
    "cloudtrail": SourceEntry(
        "AWS CloudTrail",
        "aws.md",
        "sessions and keys, their uses",
        "role session name, EKS pod tags; else the token's repository",
        "a trail with management events; data events where uses matter",
        "413 of 420",
        elastic="41 of 42",
        shapes=(("eventSource", "eventName", "eventTime"), ("eventSource", "eventName", "eventID")),
    ),
    "awstasks": SourceEntry(
        "ECS, Batch, Step Functions, CodeBuild, Lambda",
        "aws.md#ecs-batch-step-functions-codebuild-and-lambda",
        "starts and ends of tasks",
        "the ids that are session names, `aws-batch/ID`, `aws-states/…`",
        "a rule of EventBridge for their state changes; for Lambda its Telemetry API",
        shapes=(
            ("detail-type", "detail"),
            ("requestContext.functionArn", "requestContext.approximateInvokeCount"),
        ),
    ),
    "github": SourceEntry(
        "GitHub",
        "github.md",
        "jobs, tokens, their uses",
        "the job's id",
        "an organisation webhook for jobs and runs; audit log streaming",
        "75 of 77",
        elastic="194 of 194",
        shapes=(("action", "workflow_job"), ("action", "_document_id", "actor")),
    ),
    "gitlab": SourceEntry(
        "GitLab",
        "gitlab.md",
        "jobs, tokens, their uses",
        "the job's id",
        "a webhook for job and pipeline events; audit event streaming; `api_json.log` of an own server",
        elastic="8 of 93",
        shapes=(
            ("object_kind", "project_id"),
            ("entity_type", "event_type", "author_id"),
            ("method", "path", "token_type", "token_id"),
        ),
    ),
    "buildkite": SourceEntry(
        "Buildkite",
        "buildkite.md",
        "jobs; tokens of agents and the API",
        "the job's UUID; else the token's pipeline",
        "a webhook for jobs and builds; EventBridge has the audit log too",
        shapes=(("event", "build.url", "sender"), ("type", "url", "occurred_at", "subject.uuid")),
    ),
    "circleci": SourceEntry(
        "CircleCI",
        "circleci.md",
        "jobs and workflows",
        "the job's UUID; else the token's project",
        "a webhook for completed jobs and workflows",
        shapes=(("type", "webhook", "happened_at"), ("action", "occurred_at", "actor", "target", "success")),
    ),
    "azure-devops": SourceEntry(
        "Azure DevOps",
        "azure-devops.md",
        "runs and jobs, uses of access tokens",
        "the project's id and the run's; else the token's project",
        "service hooks for builds and jobs; an audit stream",
        shapes=(
            ("eventType", "publisherId", "resource"),
            ("actionId", "authenticationMechanism", "scopeType"),
            ("OperationName", "AuthenticationMechanism", "ScopeType"),
        ),
    ),
    "google": SourceEntry(
        "Google Cloud",
        "google.md",
        "tokens and keys, their uses; builds, executions of jobs",
        "the principal's subject; else an account named after the job",
        "Data Access logs of STS and IAM credentials",
        "131 of 131",
        elastic="23 of 23",
        shapes=(("protoPayload", "logName", "insertId"), ("id", "projectId", "logUrl", "status")),
    ),
    "azure": SourceEntry(
        "Azure, Entra",
        "azure.md",
        "tokens and secrets, their uses",
        "an application named after its job; else its repository by `task_group`",
        "sign-in, audit, Graph and activity logs to Event Hubs",
        "241 of 258",
        elastic="102 of 103",
        shapes=(("operationName", "category", "time"),),
    ),
    "vault": SourceEntry(
        "Vault, OpenBao",
        "vault.md",
        "tokens and leases, their uses",
        "the token's metadata, from OIDC claims; else the job's repository",
        "an audit device",
        elastic="13 of 13",
        shapes=(("type", "request.path", "auth.token_type"),),
    ),
    "kubernetes": SourceEntry(
        "Kubernetes",
        "kubernetes.md",
        "pods, jobs, tokens, their uses",
        "the pod; else a pod of the service account",
        "an audit policy with token requests and pods at level `Request`",
        "16 of 18",
        shapes=(("kind", "apiVersion", "auditID"),),
    ),
    "tekton": SourceEntry(
        "Tekton",
        "schedulers.md#tekton",
        "starts and ends of runs",
        "`tekton/NAMESPACE/TASKRUN`",
        "`sink` and `formats` in the ConfigMap `config-events`",
        shapes=(("specversion", "type", "data.taskRun"),),
    ),
    "cdevents": SourceEntry(
        "CDEvents",
        "schedulers.md#cdevents",
        "starts and ends of runs",
        "`cdevents/SOURCE/ID`",
        "any tool that writes them: Jenkins, Tekton, Spinnaker",
        shapes=(("data.context.type", "data.subject.id"),),
    ),
    "openlineage": SourceEntry(
        "OpenLineage",
        "schedulers.md#airflow",
        "starts and ends of runs",
        "`openlineage/RUN-ID`, Airflow's own name",
        "its Kafka transport",
        shapes=(("eventType", "job", "run.runId"),),
    ),
    "airflow": SourceEntry(
        "Airflow",
        "schedulers.md#airflow",
        "tries of task instances",
        "`airflow/DAG/RUN/TASK/TRY`",
        "the OpenLineage provider, or a listener of ten lines",
        shapes=(("dag_id", "dag_run_id", "task_id", "try_number", "state"),),
    ),
    "argo": SourceEntry(
        "Argo Workflows",
        "schedulers.md#argo-workflows",
        "workflows and their pods",
        "`argo/NAMESPACE/WORKFLOW`, `…/NODE-ID`",
        "an Argo Events `resource` source for workflows",
        shapes=(("kind", "apiVersion", "metadata.name", "status.phase"),),
    ),
    "jenkins": SourceEntry(
        "Jenkins",
        "schedulers.md#jenkins",
        "builds and their log lines",
        "`jenkins/JOB/NUMBER`",
        "the Notification plugin, all events, JSON; or the CDEvents plugin",
        shapes=(("build.phase", "build.number", "build.full_url"),),
    ),
    "nomad": SourceEntry(
        "Nomad",
        "schedulers.md#nomad",
        "allocations and tasks; ACL tokens, their uses",
        "`nomad/ALLOCATION`, `…/TASK`: the workload identity's claims",
        "the event stream; Enterprise's audit log",
        shapes=(("Topic", "FilterKeys", "Payload"), ("event_type", "payload.stage", "payload.request")),
    ),
    "prefect": SourceEntry(
        "Prefect",
        "schedulers.md#prefect",
        "flow runs and task runs",
        "`prefect/flow-run/ID`, `prefect/task-run/ID`",
        "`prefect events stream`",
        shapes=(("event", "occurred", "resource"),),
    ),
    "dagster": SourceEntry(
        "Dagster",
        "schedulers.md#dagster",
        "runs and steps",
        "`dagster/RUN-ID`, `…/STEP`",
        "the column `event` of the table `event_logs`",
        shapes=(("__class__", "dagster_event", "run_id"),),
    ),
    "secevents": SourceEntry(
        "CAEP, RISC",
        "oauth.md",
        "revocations of tokens",
        "that of the token",
        "a stream of security event tokens",
        shapes=(("events", "iss", "jti"),),
    ),
    "oauth": SourceEntry(
        "OAuth 2, OpenID Connect",
        "oauth.md",
        "tokens, exchanged, shown, revoked",
        "a claim of the token, else the actor, else `task_id` of the record",
        "a log of the token, introspection and revocation endpoints",
        shapes=(("request", "response"),),
    ),
    "postgresql": SourceEntry(
        "PostgreSQL",
        "postgresql.md",
        "roles, their uses",
        "`task_id` in the role's comment, else a role of its own",
        "pgaudit, and `jsonlog`",
        elastic="76 of 76",
        shapes=(("error_severity", "session_id", "message", "line_num"),),
    ),
    "openai": SourceEntry(
        "OpenAI",
        "ai.md",
        "API keys, administration with them",
        "none: register the key for its task",
        "audit logging of the organisation",
        "23 of 29",
        shapes=(("type", "effective_at", "actor.type"),),
    ),
    "claude": SourceEntry(
        "Claude",
        "ai.md",
        "API keys, administration with them",
        "none: register the key for its task",
        "the Compliance API",
        "32 of 38",
        shapes=(("type", "actor.type", "organization_uuid"),),
    ),
    "okta": SourceEntry(
        "Okta",
        "okta.md",
        "API tokens, their uses; tokens of clients",
        "a token or client named after its job; else its repository by `task_group`",
        "nothing: the System Log is on",
        "62 of 70",
        elastic="24 of 24",
        shapes=(("eventType", "published", "actor.id"),),
    ),
    "auth0": SourceEntry(
        "Auth0",
        "auth0.md",
        "clients, their uses; uses of management tokens",
        "a client named after its job",
        "a log stream",
        "56 of 57",
        elastic="109 of 109",
        shapes=(("log_id", "type", "date"),),
    ),
    "teleport": SourceEntry(
        "Teleport",
        "teleport.md",
        "bots that join, their certificates, their uses",
        "the claims by which a bot joins: job, run, pod; else its repository",
        "the event handler, or the auth service's log files",
        "26 of 26",
        elastic="268 of 270",
        shapes=(("event", "code", "ei", "uid"),),
    ),
    "spire": SourceEntry(
        "SPIRE",
        "spire.md",
        "SVIDs of workloads and agents, calls of agents",
        "a SPIFFE ID that names a job or a pod; else its service account",
        '`audit_log_enabled`, `log_format = "json"`',
        shapes=(("msg", "type", "method", "request_id"),),
    ),
    "snowflake": SourceEntry(
        "Snowflake",
        "warehouses.md#snowflake",
        "tokens, key pairs, sessions, their uses",
        "a token, user or `application` named after its job; else its repository by `task_group`",
        "rows of `ACCOUNT_USAGE`: nothing to switch on",
        "30 of 30",
        shapes=(
            ("REPORTED_CLIENT_TYPE", "EVENT_TYPE", "IS_SUCCESS"),
            ("EXECUTION_STATUS", "QUERY_TYPE", "USER_NAME"),
            ("LOGIN_EVENT_ID", "SESSION_ID", "CREATED_ON"),
        ),
    ),
    "databricks": SourceEntry(
        "Databricks",
        "warehouses.md#databricks",
        "runs of jobs, tokens, their uses",
        "`databricks/WORKSPACE/RUN-ID`; register the token for its run",
        "`system.access.audit`, or log delivery",
        "135 of 135",
        shapes=(
            ("serviceName", "actionName", "userIdentity"),
            ("service_name", "action_name", "user_identity"),
        ),
    ),
    "litellm": SourceEntry(
        "LiteLLM",
        "agents.md#litellm",
        "virtual keys, each request and tool call with them",
        "`task_id` in the key's metadata",
        "a logger that writes requests; `store_audit_logs`",
        shapes=(
            ("call_type", "metadata.user_api_key_hash", "startTime"),
            ("table_name", "object_id", "changed_by_api_key"),
        ),
    ),
    "langfuse": SourceEntry(
        "Langfuse",
        "agents.md#langfuse",
        "runs of agents, their steps and tool calls",
        "`langfuse/TRACE/OBSERVATION`",
        "the export to blob storage, or the API",
        shapes=(
            ("parentObservationId", "traceId", "startTime"),
            ("parent_observation_id", "trace_id", "start_time"),
        ),
    ),
    "langsmith": SourceEntry(
        "LangSmith",
        "agents.md#langsmith",
        "runs of agents, their steps and tool calls",
        "`langsmith/RUN-ID`",
        "nothing: the API has them",
        shapes=(("dotted_order", "trace_id", "run_type", "start_time"),),
    ),
}
"""The bundled sources by name, in the order of `detector.adapters.names`."""


class Nearest(msgspec.Struct, frozen=True):
    """The source that a record is the most like, and the fields of its shape that the record lacks."""

    source: str
    missing: tuple[str, ...]


def nearest_source(record: Mapping[str, Any]) -> Nearest | None:
    """The source whose fields a record has the most of, at least half of a shape's; None if there is none."""
    best, most = None, (_LEAST_SHARE, 0)
    for name, entry in CATALOG.items():
        for shape in entry.shapes:
            present = tuple(path for path in shape if find(record, path) is not None)
            has = len(present) / len(shape), len(present)
            if has > most and not _EVERYDAY.issuperset(present):
                missing = tuple(path for path in shape if path not in present)
                best, most = Nearest(name, missing), has
    return best
