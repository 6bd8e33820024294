"""Errors whose class says what to do. A caller branches on the class, never on the text.

No message may hold a secret. Messages name files, lines, fields and limits, never values that were read.
"""

from detector.terminal.output import shown


class CurfewdError(Exception):
    """Base of all errors that curfewd raises on purpose."""


class UsageError(CurfewdError):
    """The command line or the configuration is wrong, or an input cannot be opened: stop and exit with 2."""


class ConfigError(UsageError):
    """A configuration or pattern file is wrong.

    `path` is the file as the user named it. `line` counts from 1; None means the whole file.
    """

    def __init__(self, reason: str, path: str = "", line: int | None = None) -> None:
        self.reason = reason
        self.path = path
        self.line = line
        where = f"{shown(path)}:{line}: " if line is not None else (f"{shown(path)}: " if path else "")
        super().__init__(f"{where}{reason}")


class InputError(UsageError):
    """An input cannot be opened or read: stop and exit with 2."""


class BadRecordError(CurfewdError):
    """A record cannot be read: it becomes a dead letter, and processing continues with the next one.

    `reason` is one of a small fixed set, because it labels a metric. `field` is the path of the wrong field, such as
    `data.task_id`. `detail` is a sentence for a person. None of them holds a value that was read.
    """

    def __init__(self, reason: str, detail: str, field: str | None = None) -> None:
        self.reason = reason
        self.detail = detail
        self.field = field
        super().__init__(f"{reason}: {detail}" + (f" ({field})" if field else ""))


class RetryError(CurfewdError):
    """It may succeed later: go back to the committed position, wait a little and try again."""


class FencedError(CurfewdError):
    """Another instance owns the partition: drop its work. If it is assigned again, start at the committed position."""


class StopError(CurfewdError):
    """This process cannot go on: drain and stop. A person or a supervisor has to act."""


class BarredError(StopError):
    """Kafka does not let this user do something. Which rights are missing, the brokers may tell."""
