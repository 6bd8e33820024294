"""The taxonomies of a SARIF log: each with the entries that its rules refer to."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from detector.judge.rules.classification import ATLAS_VERSION, ATTACK_VERSION

_OF: Final = {
    "CWE": ("MITRE", None),
    "MITRE ATT&CK": ("MITRE", ATTACK_VERSION),
    "MITRE ATLAS": ("MITRE", ATLAS_VERSION),
    "OWASP NHI 2025": ("OWASP", "2025"),
    "OWASP Agentic 2026": ("OWASP", "2026"),
    "CSA MAESTRO": ("Cloud Security Alliance", None),
    "NIST AI RMF": ("NIST", "1.0"),
}


def taxonomies(references: Mapping[str, Sequence[Sequence[str]]]) -> list[dict[str, Any]]:
    """The `taxonomies` of a run: each with the entries that are referred to, by id."""
    taxa: dict[str, dict[str, str]] = {}
    for listed in references.values():
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
