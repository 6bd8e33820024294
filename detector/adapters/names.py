"""The one list of what comes with the program. It loads nothing: `--format` names these before anything is read."""

from typing import Final

# Of two sources that an object looks like, the first has it. Each is a module of this package with an `ADAPTER` of
# that name.
SOURCES: Final = (
    "cloudtrail",
    "github",
    "gitlab",
    "vault",
    "kubernetes",
    "tekton",
    "cdevents",
    "openlineage",
    "airflow",
    "argo",
    "jenkins",
    "secevents",
    "oauth",
)
# Modules of this package with `CARRIERS`, asked in this order and before the sources.
CARRIERS: Final = (
    "shippers",
    "journald",
    "otlp",
    "cloudtrail",
    "connect",
    "eventbridge",
    "kubernetes-carriers",
    "argo",
    "secevents",
)
