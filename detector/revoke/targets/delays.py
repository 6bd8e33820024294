"""How long a target waits before it deletes what it has disabled: `drop_after`, `delete_after`."""

from detector.revoke.target import Step
from detector.values.times import SECOND, parse_duration

Delay = str | float
"""As it stands in a table: text such as "24h", or seconds."""


def delay_of(name: str, value: Delay | None) -> float | None:
    """Seconds; None if it is never deleted. `name` is the option's.

    Raises:
        ValueError: it is no duration.
    """
    if value is None:
        return None
    try:
        return parse_duration(value) / SECOND
    except ValueError as error:
        raise ValueError(f'{name}: {error}; write a duration such as "24h"') from None


def later(text: str, delay: float | None) -> tuple[Step, ...]:
    """The step that deletes after a delay (s); none if nothing is deleted."""
    return () if delay is None else (Step(text, delay=delay),)
