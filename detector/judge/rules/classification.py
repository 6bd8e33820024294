"""Where rules stand in the taxonomies that a security team files its findings under.

Sources: MITRE ATT&CK 18.1; MITRE ATLAS 5.6.0; OWASP Non-Human Identities Top 10 2025; OWASP Top 10 for Agentic
Applications 2026; CSA MAESTRO's seven layers; NIST AI RMF 1.0; MITRE CWE. The mapping is this project's.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

ATTACK_VERSION: Final = "18.1"
ATLAS_VERSION: Final = "5.6.0"


class Technique(msgspec.Struct, frozen=True):
    """A technique with the tactic that it serves here. `sub` and `sub_name` are its sub-technique, if it has one."""

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
        """OCSF's `attack` object. ATT&CK and ATLAS have the same one."""
        made: dict[str, Any] = {
            "tactic": {"uid": self.tactic, "name": self.tactic_name},
            "technique": {"uid": self.uid, "name": self.name},
        }
        if self.sub is not None:
            made["sub_technique"] = {"uid": self.sub, "name": self.sub_name}
        made["version"] = self.version
        return made


UNSECURED: Final = Technique("TA0006", "Credential Access", "T1552", "Unsecured Credentials", ATTACK_VERSION)
STOLEN: Final = Technique(
    "TA0006", "Credential Access", "T1528", "Steal Application Access Token", ATTACK_VERSION
)
TOKEN: Final = Technique(
    "TA0008",
    "Lateral Movement",
    "T1550",
    "Use Alternate Authentication Material",
    ATTACK_VERSION,
    "T1550.001",
    "Application Access Token",
)
KEPT: Final = Technique(
    "TA0003", "Persistence", "T1078", "Valid Accounts", ATTACK_VERSION, "T1078.004", "Cloud Accounts"
)
RAISED: Final = Technique(
    "TA0004", "Privilege Escalation", "T1078", "Valid Accounts", ATTACK_VERSION, "T1078.004", "Cloud Accounts"
)
HIDDEN: Final = Technique(
    "TA0005", "Defense Evasion", "T1027", "Obfuscated Files or Information", ATTACK_VERSION
)
AI_UNSECURED: Final = Technique(
    "AML.TA0013", "Credential Access", "AML.T0055", "Unsecured Credentials", ATLAS_VERSION
)
AI_TOOL_HARVEST: Final = Technique(
    "AML.TA0013", "Credential Access", "AML.T0098", "AI Agent Tool Credential Harvesting", ATLAS_VERSION
)
AI_TOKEN: Final = Technique(
    "AML.TA0015",
    "Lateral Movement",
    "AML.T0091",
    "Use Alternate Authentication Material",
    ATLAS_VERSION,
    "AML.T0091.000",
    "Application Access Token",
)
AI_KEPT: Final = Technique("AML.TA0004", "Initial Access", "AML.T0012", "Valid Accounts", ATLAS_VERSION)
AI_RAISED: Final = Technique(
    "AML.TA0012", "Privilege Escalation", "AML.T0012", "Valid Accounts", ATLAS_VERSION
)
AI_TOOL: Final = Technique(
    "AML.TA0012", "Privilege Escalation", "AML.T0053", "AI Agent Tool Invocation", ATLAS_VERSION
)


class Weakness(NamedTuple):
    """An entry of the Common Weakness Enumeration, as SARIF lists it."""

    taxonomy: str
    id: str
    name: str


LOGGED: Final = Weakness("CWE", "CWE-532", "Insertion of Sensitive Information into Log File")
UNENDED: Final = Weakness("CWE", "CWE-613", "Insufficient Session Expiration")
AFTER: Final = Weakness("CWE", "CWE-672", "Operation on a Resource after Expiration or Release")
WRONGLY: Final = Weakness("CWE", "CWE-863", "Incorrect Authorization")
UNGUARDED: Final = Weakness("CWE", "CWE-522", "Insufficiently Protected Credentials")
TOO_MUCH: Final = Weakness("CWE", "CWE-250", "Execution with Unnecessary Privileges")

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
    "MEASURE 2.7": "Evaluate and document the security and resilience of the system",
    "MANAGE 2.3": "Respond to and recover from a previously unknown risk",
    "MANAGE 2.4": "Supersede, disengage or deactivate what acts outside its intended use",
}


class Classification(msgspec.Struct, frozen=True):
    """ATT&CK and ATLAS techniques, and the ids in OWASP NHI, OWASP Agentic, MAESTRO and NIST AI RMF."""

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
        """`unmapped.taxonomies`: for each taxonomy the ids with their names."""
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
