"""The sources and carriers that come with the program. Importing this loads none of them."""

from typing import Final

# The module of each source, which has it as `ADAPTER`. The first source that an object looks like takes it.
SOURCE_MODULES: Final = {
    "cloudtrail": "aws.cloudtrail",
    "github": "github.webhooks",
    "gitlab": "gitlab.webhooks",
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
}
SOURCES: Final = tuple(SOURCE_MODULES)
# Modules with `CARRIERS`, asked in this order and before the sources.
CARRIER_MODULES: Final = (
    "carriers.shippers",
    "carriers.journald",
    "otlp.requests",
    "aws.cloudtrail",
    "carriers.kafka_connect",
    "carriers.eventbridge",
    "kubernetes.carriers",
    "schedulers.argo",
    "oauth.security_events",
)
