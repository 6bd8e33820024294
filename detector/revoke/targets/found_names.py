"""Names that a look-up finds for a credential: the handle has an id only, and the rails must see whose that is."""

from collections.abc import Mapping
from typing import Any


def found_names(facts: Mapping[str, Any], **fields: str) -> dict[str, str]:
    """The texts and numbers of an answer that are there, by what they are called in a revocation object.

    `fields` says for each name which field of the answer has it.
    """
    named = {name: facts.get(field) for name, field in fields.items()}
    return {
        name: str(value)
        for name, value in named.items()
        if value and isinstance(value, str | int) and not isinstance(value, bool)
    }
