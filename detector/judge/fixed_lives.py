"""Kinds of credentials that live out a fixed time by nature: nothing ends one with its task.

What leaked or is misused can be denied all the same, where the provider has a way.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from detector.judge.terms import RulePolicy
from detector.values.findings import OUTLIVES_TASK
from detector.values.times import HOUR, MINUTE

FIXED_LIVES: Final[Mapping[str, int]] = {
    "aws-session": HOUR,  # AssumeRole and its like, unless they ask for more
    "gcp-federated-token": HOUR,
    "gcp-service-account-token": HOUR,
    "azure-token": 90 * MINUTE,  # between 60 and 90 minutes, by chance
}
"""The longest life (ns) that the provider gives a credential of the kind by default."""


def rules_of_fixed_lives(rules: Mapping[str, RulePolicy]) -> dict[str, RulePolicy]:
    """The rules for them: to outlive the task even so is told, and asks for nothing."""
    outlives = msgspec.structs.replace(rules[OUTLIVES_TASK], revoke=False)
    return {**rules, OUTLIVES_TASK: outlives}
