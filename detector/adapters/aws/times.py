"""Times as AWS services write them in responses that CloudTrail copies."""

import re  # over text of bounded length only
from typing import Final

from detector.records.timestamps import log_time
from detector.values.times import parse_rfc3339

# `Jul 10, 2023, 12:09:47 PM` (STS) and `Jul 10, 2023 12:24:29 PM` (IAM), in UTC. Newer Java writes a narrow no-break
# space before AM and PM; `\s` takes it.
_US_TIME = re.compile(
    r"([A-Z][a-z]{2}) ([0-9]{1,2}), ([0-9]{4}),? ([0-9]{1,2}):([0-9]{2}):([0-9]{2})\s([AP])M"
)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MAX_TIME_TEXT: Final = 40
_NOON: Final = 12


def answer_time(value: object) -> int | None:
    """Such a time, or any that `log_time` reads, in nanoseconds; None if it cannot be read."""
    read = _us_time(value) if isinstance(value, str) else None
    return log_time(value) if read is None else read


def _us_time(value: str) -> int | None:
    match = _US_TIME.fullmatch(value) if len(value) <= _MAX_TIME_TEXT else None
    if match is None or match[1] not in _MONTHS:
        return None
    month, day = _MONTHS.index(match[1]) + 1, int(match[2])
    hour = int(match[4]) % _NOON + (_NOON if match[7] == "P" else 0)
    try:
        return parse_rfc3339(f"{match[3]}-{month:02d}-{day:02d}T{hour:02d}:{match[5]}:{match[6]}Z")
    except ValueError:
        return None
