"""Which leaks by patterns the configuration lets go, and until when.

It is asked where a secret is seen, since only there its value and its line are known, and answers with a time: a record's
own time may be found later. What a registered credential shows is never asked about; for that there is `[[accept]]`.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
import re2

from detector.values.globs import Matcher, compile_glob
from detector.values.secrets import Secret

SECRET: Final = "secret"  # noqa: S105 - what a regex is looked for in
LINE: Final = "line"


class Allow(msgspec.Struct, frozen=True):
    """An `[[allow]]` entry: what is None matches everything; records after `expiry` (ns) are not covered.

    The others are globs. `regex` is RE2 and found anywhere in what `target` names: the secret, or the line that shows it.
    """

    reason: str
    expiry: int
    fingerprint: str | None = None
    source: str | None = None
    pattern: str | None = None
    regex: str | None = None
    target: str = SECRET


class Seen(msgspec.Struct, frozen=True):
    """What an entry is held against. `line` gives the line in the record, of a long one 4 KiB either side."""

    source: str
    pattern: str
    fingerprint: str
    secret: Secret
    line: Callable[[], bytes]


def compiled(regex: str) -> Any:
    """The regex over bytes.

    Raises:
        ValueError: RE2 refuses it, or it is not ASCII. The text does not repeat it: it may be a secret.
    """
    if not regex.isascii():
        raise ValueError(r"not ASCII: bytes are matched, write others as \xNN")
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1  # a bad UTF-8 byte is a byte
    options.log_errors = False
    try:
        return re2.compile(regex.encode(), options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(f"RE2 refuses it: {text.partition(':')[0]}") from None


class Allowlist:
    """The entries, ready to be asked. Threads and forked processes may share one.

    Raises:
        ValueError: as `compiled`.
    """

    def __init__(self, allows: Iterable[Allow] = ()) -> None:
        self._entries = [_Entry(allow) for allow in allows]

    def __bool__(self) -> bool:
        """Whether there is any entry."""
        return bool(self._entries)

    def in_force(self, now: int) -> "Allowlist":
        """Those that cover what happens at `now`."""
        return Allowlist(entry.allow for entry in self._entries if now <= entry.allow.expiry)

    def until(self, seen: Seen) -> int | None:
        """The time until which records that show this are covered, itself included; None: not at all."""
        return max((entry.allow.expiry for entry in self._entries if entry.covers(seen)), default=None)


class _Entry:
    __slots__ = ("_globs", "_regex", "allow")

    def __init__(self, allow: Allow) -> None:
        self.allow = allow
        self._globs: tuple[Matcher | None, ...] = tuple(
            None if glob is None else compile_glob(glob)
            for glob in (allow.pattern, allow.source, allow.fingerprint)
        )
        self._regex = None if allow.regex is None else compiled(allow.regex)

    def covers(self, seen: Seen) -> bool:
        """Whether all that it names is so."""
        named = zip(self._globs, (seen.pattern, seen.source, seen.fingerprint), strict=True)
        if not all(matches is None or matches(text) for matches, text in named):
            return False
        if self._regex is None:
            return True
        text = seen.line() if self.allow.target == LINE else seen.secret.reveal()
        return self._regex.search(text) is not None
