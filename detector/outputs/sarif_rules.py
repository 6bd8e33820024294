"""The rules as SARIF describes them: what each is about, and the weaknesses and taxonomies that it is filed under."""

from collections.abc import Mapping
from typing import Any, Final

from detector.outputs.taxonomy import ATLAS_VERSION, ATTACK_VERSION
from detector.values.findings import (
    LEAKED_CREDENTIAL,
    LEAKED_SECRET,
    OUTLIVES_TASK,
    OVERDUE_TASK,
    OVERLONG_CREDENTIAL,
    REVOCATION_UNCONFIRMED,
    RULES,
    UNUSED_GRANT,
    USE_AFTER_REVOCATION,
    USE_AFTER_TERMINATION,
    USE_BY_OTHER_WORKLOAD,
    USE_OUTSIDE_SCOPE,
    USE_OUTSIDE_WINDOW,
)

# A title, and what happened, in a sentence.
ABOUT: Final[Mapping[str, tuple[str, str]]] = {
    LEAKED_CREDENTIAL: (
        "A task's credential is in a log",
        "A log record shows the secret of a registered credential.",
    ),
    LEAKED_SECRET: (
        "A secret is in a log",
        "A log record shows a secret of a known form that is registered to nobody.",
    ),
    USE_AFTER_TERMINATION: (
        "A credential was used after its task",
        "A credential was used after the task that it was issued to had ended.",
    ),
    USE_AFTER_REVOCATION: (
        "A credential was used after its revocation",
        "A credential was used although it had been revoked.",
    ),
    USE_OUTSIDE_WINDOW: (
        "A credential was used outside its time",
        "A credential was used before it was valid, after it expired, or outside the approved window.",
    ),
    USE_OUTSIDE_SCOPE: (
        "A credential was used beyond its grants",
        "A credential was used for what none of its grants covers.",
    ),
    USE_BY_OTHER_WORKLOAD: (
        "A credential was used by somebody else",
        "A credential was used by another task, or from a workload or address that it is not bound to.",
    ),
    OUTLIVES_TASK: (
        "A credential outlives its task",
        "After the end of its task and the grace period, a credential is neither revoked nor expired.",
    ),
    UNUSED_GRANT: ("A grant was never used", "A grant was not used once by the time its task ended."),
    OVERLONG_CREDENTIAL: (
        "A credential lives too long",
        "A credential has no expiry, or one well after the deadline of its task.",
    ),
    OVERDUE_TASK: ("A task is overdue", "A task did not end by its deadline."),
    REVOCATION_UNCONFIRMED: (
        "A revocation is not confirmed",
        "A credential that was to be revoked is, some time later, neither revoked nor expired.",
    ),
}
assert tuple(ABOUT) == RULES  # noqa: S101 - a rule without words would be a bug of ours

_LOGGED: Final = ["CWE", "CWE-532", "Insertion of Sensitive Information into Log File"]
_UNENDED: Final = ["CWE", "CWE-613", "Insufficient Session Expiration"]
_AFTER: Final = ["CWE", "CWE-672", "Operation on a Resource after Expiration or Release"]
_WRONGLY: Final = ["CWE", "CWE-863", "Incorrect Authorization"]
_UNGUARDED: Final = ["CWE", "CWE-522", "Insufficiently Protected Credentials"]
_TOO_MUCH: Final = ["CWE", "CWE-250", "Execution with Unnecessary Privileges"]

# [taxonomy, id, name], as `detector.outputs.page_records.rule_views` gives the others. The mapping is this project's.
WEAKNESSES: Final[Mapping[str, list[list[str]]]] = {
    LEAKED_CREDENTIAL: [_LOGGED, _UNGUARDED],
    LEAKED_SECRET: [_LOGGED, _UNGUARDED],
    USE_AFTER_TERMINATION: [_AFTER, _UNENDED],
    USE_AFTER_REVOCATION: [_AFTER, _UNENDED],
    USE_OUTSIDE_WINDOW: [_AFTER],
    USE_OUTSIDE_SCOPE: [_WRONGLY],
    USE_BY_OTHER_WORKLOAD: [_UNGUARDED],
    OUTLIVES_TASK: [_UNENDED],
    UNUSED_GRANT: [_TOO_MUCH],
    OVERLONG_CREDENTIAL: [_UNENDED],
    OVERDUE_TASK: [],
    REVOCATION_UNCONFIRMED: [_UNENDED],
}
assert tuple(WEAKNESSES) == RULES  # noqa: S101 - the same

_OF: Final = {
    "CWE": ("MITRE", None),
    "MITRE ATT&CK": ("MITRE", ATTACK_VERSION),
    "MITRE ATLAS": ("MITRE", ATLAS_VERSION),
    "OWASP NHI 2025": ("OWASP", "2025"),
    "OWASP Agentic 2026": ("OWASP", "2026"),
    "CSA MAESTRO": ("Cloud Security Alliance", None),
    "NIST AI RMF": ("NIST", "1.0"),
}


def taxonomies(places: Mapping[str, list[list[str]]]) -> list[dict[str, Any]]:
    """The `taxonomies` of a run: of each what is referred to, by id."""
    taxa: dict[str, dict[str, str]] = {}
    for listed in places.values():
        for taxonomy, key, name in listed:
            taxa.setdefault(taxonomy, {})[key] = name
    return [_taxonomy(name, taxa[name]) for name in sorted(taxa)]


def _taxonomy(name: str, taxa: Mapping[str, str]) -> dict[str, Any]:
    organization, version = _OF[name]
    made: dict[str, Any] = {"name": name, "organization": organization, "isComprehensive": False}
    if version is not None:
        made["version"] = version
    made["taxa"] = [
        {"id": key, "name": text, "shortDescription": {"text": text}} for key, text in sorted(taxa.items())
    ]
    return made
