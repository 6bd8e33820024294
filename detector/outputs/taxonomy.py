"""Where each rule stands in the taxonomies that a security team files its findings under.

Sources: MITRE ATT&CK 18.1; MITRE ATLAS 5.6.0; OWASP Non-Human Identities Top 10 2025; OWASP Top 10 for
Agentic Applications 2026; CSA MAESTRO's seven layers; NIST AI RMF 1.0. The mapping is this project's.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

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

ATTACK_VERSION: Final = "18.1"
ATLAS_VERSION: Final = "5.6.0"


class Technique(msgspec.Struct, frozen=True):
    """A technique under the tactic that it serves here; `sub` and `sub_name` where it has a sub-technique."""

    tactic: str
    tactic_name: str
    uid: str
    name: str
    version: str
    sub: str | None = None
    sub_name: str | None = None

    @property
    def finest(self) -> str:
        """The sub-technique's id if there is one, else the technique's."""
        return self.sub or self.uid

    def record(self) -> dict[str, Any]:
        """OCSF's `attack` object, which takes ATT&CK and ATLAS alike."""
        made: dict[str, Any] = {
            "tactic": {"uid": self.tactic, "name": self.tactic_name},
            "technique": {"uid": self.uid, "name": self.name},
        }
        if self.sub is not None:
            made["sub_technique"] = {"uid": self.sub, "name": self.sub_name}
        made["version"] = self.version
        return made


_UNSECURED = Technique("TA0006", "Credential Access", "T1552", "Unsecured Credentials", ATTACK_VERSION)
_STOLEN = Technique("TA0006", "Credential Access", "T1528", "Steal Application Access Token", ATTACK_VERSION)
_TOKEN = Technique(
    "TA0008",
    "Lateral Movement",
    "T1550",
    "Use Alternate Authentication Material",
    ATTACK_VERSION,
    "T1550.001",
    "Application Access Token",
)
_KEPT = Technique(
    "TA0003", "Persistence", "T1078", "Valid Accounts", ATTACK_VERSION, "T1078.004", "Cloud Accounts"
)
_RAISED = Technique(
    "TA0004", "Privilege Escalation", "T1078", "Valid Accounts", ATTACK_VERSION, "T1078.004", "Cloud Accounts"
)
_AI_UNSECURED = Technique(
    "AML.TA0013", "Credential Access", "AML.T0055", "Unsecured Credentials", ATLAS_VERSION
)
_AI_TOOL_HARVEST = Technique(
    "AML.TA0013", "Credential Access", "AML.T0098", "AI Agent Tool Credential Harvesting", ATLAS_VERSION
)
_AI_TOKEN = Technique(
    "AML.TA0015",
    "Lateral Movement",
    "AML.T0091",
    "Use Alternate Authentication Material",
    ATLAS_VERSION,
    "AML.T0091.000",
    "Application Access Token",
)
_AI_KEPT = Technique("AML.TA0004", "Initial Access", "AML.T0012", "Valid Accounts", ATLAS_VERSION)
_AI_RAISED = Technique("AML.TA0012", "Privilege Escalation", "AML.T0012", "Valid Accounts", ATLAS_VERSION)
_AI_TOOL = Technique(
    "AML.TA0012", "Privilege Escalation", "AML.T0053", "AI Agent Tool Invocation", ATLAS_VERSION
)

_NAMES: Final[Mapping[str, str]] = {
    "NHI1:2025": "Improper Offboarding",
    "NHI2:2025": "Secret Leakage",
    "NHI5:2025": "Overprivileged NHI",
    "NHI7:2025": "Long-Lived Secrets",
    "NHI9:2025": "NHI Reuse",
    "ASI02": "Tool Misuse and Exploitation",
    "ASI03": "Identity and Privilege Abuse",
    "ASI07": "Insecure Inter-Agent Communication",
    "ASI10": "Rogue Agents",
    "L3": "Agent Frameworks",
    "L4": "Deployment Infrastructure",
    "L5": "Evaluation & Observability",
    "L6": "Security & Compliance",
    "L7": "Agent Ecosystem",
    "MANAGE 2.3": "Respond to and recover from a previously unknown risk",
    "MANAGE 2.4": "Supersede, disengage or deactivate what acts outside its intended use",
}


class Place(msgspec.Struct, frozen=True):
    """One rule's place: ATT&CK and ATLAS techniques, and the ids in the other four."""

    attack: tuple[Technique, ...]
    atlas: tuple[Technique, ...]
    nhi: tuple[str, ...]
    agentic: tuple[str, ...]
    maestro: str
    rmf: str

    def attacks(self) -> list[dict[str, Any]]:
        """`finding_info.attacks`: ATT&CK first, then ATLAS."""
        return [technique.record() for technique in (*self.attack, *self.atlas)]

    def taxonomies(self) -> dict[str, list[dict[str, str]]]:
        """`unmapped.taxonomies`: of each taxonomy the ids with their names."""
        return {
            "owasp_nhi_2025": _named(*self.nhi),
            "owasp_agentic_2026": _named(*self.agentic),
            "mitre_atlas": [
                {"id": technique.finest, "name": technique.sub_name or technique.name}
                for technique in self.atlas
            ],
            "maestro": _named(self.maestro),
            "nist_ai_rmf": _named(self.rmf),
        }


def _named(*ids: str) -> list[dict[str, str]]:
    return [{"id": key, "name": _NAMES[key]} for key in ids]


_USED_AFTER = Place(
    (_TOKEN, _KEPT), (_AI_TOKEN, _AI_KEPT), ("NHI1:2025",), ("ASI03", "ASI10"), "L6", "MANAGE 2.4"
)

PLACES: Final[Mapping[str, Place]] = {
    LEAKED_CREDENTIAL: Place(
        (_UNSECURED,), (_AI_UNSECURED, _AI_TOOL_HARVEST), ("NHI2:2025",), ("ASI03",), "L5", "MANAGE 2.3"
    ),
    LEAKED_SECRET: Place(
        (_UNSECURED,),
        (_AI_UNSECURED, _AI_TOOL_HARVEST),
        ("NHI2:2025", "NHI7:2025"),
        ("ASI03",),
        "L5",
        "MANAGE 2.3",
    ),
    USE_AFTER_TERMINATION: _USED_AFTER,
    USE_AFTER_REVOCATION: _USED_AFTER,
    USE_OUTSIDE_WINDOW: _USED_AFTER,
    USE_OUTSIDE_SCOPE: Place((_RAISED,), (_AI_TOOL,), ("NHI5:2025",), ("ASI02", "ASI03"), "L3", "MANAGE 2.3"),
    USE_BY_OTHER_WORKLOAD: Place(
        (_STOLEN, _TOKEN), (_AI_TOKEN,), ("NHI9:2025",), ("ASI03", "ASI07"), "L7", "MANAGE 2.3"
    ),
    OUTLIVES_TASK: Place((_KEPT,), (_AI_KEPT,), ("NHI1:2025", "NHI7:2025"), ("ASI03",), "L4", "MANAGE 2.4"),
    UNUSED_GRANT: Place((_RAISED,), (_AI_RAISED,), ("NHI5:2025",), ("ASI03",), "L6", "MANAGE 2.4"),
    OVERLONG_CREDENTIAL: Place((_KEPT,), (_AI_KEPT,), ("NHI7:2025",), ("ASI03",), "L4", "MANAGE 2.4"),
    OVERDUE_TASK: Place((_KEPT,), (_AI_KEPT,), ("NHI1:2025",), ("ASI10",), "L5", "MANAGE 2.4"),
    REVOCATION_UNCONFIRMED: Place((_KEPT,), (_AI_KEPT,), ("NHI1:2025",), ("ASI03",), "L6", "MANAGE 2.4"),
}
assert tuple(PLACES) == RULES  # noqa: S101 - a rule without a place would be a bug of ours
