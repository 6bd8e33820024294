"""The baseline: findings that are known and accepted, one a line of JSON, with who, when, why and until when.

The lines are sorted by rule and uid, so that a change shows in a diff as the findings that it is about. A line accepts
its finding up to the severity that it had, until the end of the day `expires` (UTC).
"""

import datetime as dt
from collections.abc import Iterable
from typing import Annotated, Final

import msgspec

from detector.configuration.accept_table import read_uid
from detector.configuration.fields import suggestion
from detector.judge.policy import Accept
from detector.values.bounded_files import BadFileError, read_bounded
from detector.values.errors import ConfigError
from detector.values.findings import Severity
from detector.values.times import DAY, SECOND, parse_rfc3339
from detector.values.wording import visible

MAX_BYTES: Final = 64 << 20
_CONFLICT: Final = (b"<<<<<<<", b"=======", b">>>>>>>")
_SHOWN: Final = 80  # characters of a finding in a message

_Words = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]


class BaselineEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line. `about` is the finding's title, for whoever reviews the file; days are written `2027-01-31`."""

    uid: str
    rule: _Words
    severity: str
    about: str
    reason: str
    by: str
    added: str
    expires: str

    @property
    def until(self) -> int:
        """The last time (ns) at which it counts."""
        return parse_rfc3339(f"{self.expires}T00:00:00Z") + DAY - 1

    @property
    def accept(self) -> Accept:
        """The same as an entry of the policy."""
        reason = f"{self.reason} (baseline, by {self.by})"
        return Accept(reason, self.until, uid=self.uid, severity=Severity.of(self.severity))

    @property
    def name(self) -> str:
        """The finding, for a person: its rule and title."""
        return f"{self.rule}: {visible(self.about, _SHOWN)}" if self.about else f"{self.rule} {self.uid}"


_DECODER: Final = msgspec.json.Decoder(BaselineEntry)


def read_baseline(path: str) -> tuple[BaselineEntry, ...]:
    """The entries of a file, in its order.

    Raises:
        ConfigError: the file cannot be read, or a line is wrong. The message holds no text of the file.
    """
    try:
        data = read_bounded(path, MAX_BYTES)
    except BadFileError as error:
        raise ConfigError(str(error), path) from None
    entries: list[BaselineEntry] = []
    lines: dict[str, int] = {}
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = _entry(line)
        except ValueError as error:
            raise ConfigError(str(error), path, number) from None
        if entry.uid in lines:
            raise ConfigError(f"the finding of line {lines[entry.uid]} again: keep one of both", path, number)
        lines[entry.uid] = number
        entries.append(entry)
    return tuple(entries)


def baseline_bytes(entries: Iterable[BaselineEntry]) -> bytes:
    """The file's bytes: the same for the same entries, whatever their order."""
    ordered = sorted(entries, key=lambda entry: (entry.rule, entry.uid))
    return b"".join(msgspec.json.encode(entry) + b"\n" for entry in ordered)


def day_of(time: int) -> str:
    """The day (UTC) of a time (ns), as entries have it."""
    return (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=time // SECOND)).date().isoformat()


def read_day(text: str) -> str:
    """A day, as entries have it.

    Raises:
        ValueError: it is not one.
    """
    try:
        if dt.date.fromisoformat(text).isoformat() == text:
            return text
    except ValueError:
        pass
    raise ValueError("write a day, such as 2027-01-31")


def _entry(line: bytes) -> BaselineEntry:
    if line.startswith(_CONFLICT):
        raise ValueError("a conflict of git: keep the lines of both sides, and remove its marks")
    try:
        entry = _DECODER.decode(line)
    except msgspec.ValidationError as error:
        raise ValueError(f"not an entry of a baseline: {_told(str(error))}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError(
            "not an entry of a baseline: write one JSON object a line, as `curfewd baseline` does"
        ) from None
    checks = {
        "uid": read_uid,
        "severity": _severity,
        "added": read_day,
        "expires": read_day,
        "reason": _said,
        "by": _said,
    }
    for name, check in checks.items():
        try:
            check(getattr(entry, name))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return entry


def _told(problem: str) -> str:
    """What msgspec says of a line, without a name that is in it."""
    if "unknown field" in problem:
        name = problem.partition("`")[2].rpartition("`")[0]
        known = BaselineEntry.__struct_fields__
        return f"no such key{suggestion(name, known)}; the keys are {', '.join(known)}"
    return problem[:1].lower() + problem[1:]


def _said(text: str) -> None:
    if not text.strip():
        raise ValueError("is empty: say who accepts the finding, and why")


def _severity(text: str) -> None:
    try:
        Severity.of(text)
    except KeyError:
        raise ValueError("write low, medium, high or critical") from None
