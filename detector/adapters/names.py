"""The names and modules of the bundled sources and carriers. Importing this loads none of them."""

from typing import Final

# The module of each source; it defines `ADAPTER`. The first source whose `looks_like` accepts an object gets it.
SOURCE_MODULES: Final = {
    "cloudtrail": "aws.cloudtrail",
    "awstasks": "aws.task_states",
    "github": "github.webhooks",
    "gitlab": "gitlab.webhooks",
    "buildkite": "ci.buildkite",
    "circleci": "ci.circleci",
    "azuredevops": "ci.azure_devops",
    "google": "google.audit",
    "azure": "azure.diagnostics",
    "vault": "vault.audit",
    "kubernetes": "kubernetes.audit",
    "tekton": "schedulers.tekton",
    "cdevents": "schedulers.cdevents",
    "openlineage": "schedulers.openlineage",
    "airflow": "schedulers.airflow",
    "argo": "schedulers.argo",
    "jenkins": "schedulers.jenkins",
    "secevents": "oauth.security_events",
    "oauth": "oauth.endpoints",
    "postgresql": "postgresql.audit",
    "openai": "ai.openai",
    "claude": "ai.claude",
    "okta": "identity.okta",
    "auth0": "identity.auth0",
    "teleport": "identity.teleport",
    "spire": "identity.spire",
    "snowflake": "warehouses.snowflake",
    "databricks": "warehouses.databricks",
}
SOURCES: Final = tuple(SOURCE_MODULES)
# Modules that define `CARRIERS`. They are tried in this order, before the sources.
CARRIER_MODULES: Final = (
    "carriers.shippers",
    "carriers.journald",
    "otlp.requests",
    "aws.cloudtrail",
    "carriers.kafka_connect",
    "carriers.eventbridge",
    "kubernetes.carriers",
    "google.carriers",
    "postgresql.cloudsql",
    "azure.diagnostics",
    "schedulers.argo",
    "oauth.security_events",
    "github.api",
    "ci.buildkite",
    "ci.azure_devops",
    "ai.openai",
    "ai.claude",
    "identity.okta",
    "identity.auth0",
)
