"""Errors that carry the reaction: a caller branches on the class, never on the text.

No message may hold a secret: they name files, lines, fields and limits, not values.
"""


class CurfewdError(Exception):
    """Anything this program raises on purpose."""


class UsageError(CurfewdError):
    """The command line, the configuration or an input that cannot be opened is wrong: stop, exit 2."""


class ConfigError(UsageError):
    """A configuration or pattern file is wrong.

    `path` is the file as the user named it, `line` counts from 1 (None where it is the whole file).
    """

    def __init__(self, reason: str, path: str = "", line: int | None = None) -> None:
        self.reason = reason
        self.path = path
        self.line = line
        where = f"{path}:{line}: " if line is not None else (f"{path}: " if path else "")
        super().__init__(f"{where}{reason}")


class InputError(UsageError):
    """An input cannot be opened or read: stop, exit 2."""


class BadRecordError(CurfewdError):
    """One record cannot be read: it becomes a dead letter and the stream goes on.

    `reason` is one of a small fixed set (a metric label), `field` the path of the field at fault
    (`data.task_id`), `detail` a sentence for a person. None of the three ever holds a value that was read.
    """

    def __init__(self, reason: str, detail: str, field: str | None = None) -> None:
        self.reason = reason
        self.detail = detail
        self.field = field
        super().__init__(f"{reason}: {detail}" + (f" ({field})" if field else ""))


class RetryError(CurfewdError):
    """What failed may succeed later: rewind to what is committed, wait a little, try again."""


class FencedError(CurfewdError):
    """Someone else holds the partition: drop its work, and read on from what is committed if it is ours again."""


class StopError(CurfewdError):
    """This process cannot go on: drain, stop, and leave it to a person or a supervisor."""
