"""The allowlist: which matches of patterns the configuration allows, and until when.

The scanner asks it while it has the secret and its line. The answer is a time, because the time of the log record may
be known only later. The secret of a registered credential is never allowed: `[[accept]]` is for its findings.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
import re2

from detector.values.globs import Matcher, compile_glob
from detector.values.secrets import Secret

SECRET: Final = "secret"  # noqa: S105 - a place to search
LINE: Final = "line"


class Allow(msgspec.Struct, frozen=True):
    """An `[[allow]]` entry. A field that is None matches everything; records after `expiry` (ns) are not allowed.

    `fingerprint`, `source` and `pattern` are globs. `regex` has RE2's syntax and is searched for in the `target`: the
    secret, or the line that shows it.
    """

    reason: str
    expiry: int
    fingerprint: str | None = None
    source: str | None = None
    pattern: str | None = None
    regex: str | None = None
    target: str = SECRET


class MatchedSecret(msgspec.Struct, frozen=True):
    """A match, as entries are tested against it. `line` gives the line around it, at most 4 KiB on either side."""

    source: str
    pattern: str
    fingerprint: str
    secret: Secret
    line: Callable[[], bytes]


def compiled(regex: str) -> Any:
    """The regex, compiled for bytes.

    Raises:
        ValueError: RE2 refuses it, or it is not ASCII. The message does not repeat it, because it may be a secret.
    """
    if not regex.isascii():
        raise ValueError(r"not ASCII: bytes are matched, write others as \xNN")
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1  # match bytes, also those that are not UTF-8
    options.log_errors = False
    try:
        return re2.compile(regex.encode(), options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(f"RE2 refuses it: {text.partition(':')[0]}") from None


class Allowlist:
    """The compiled entries. Threads and forked processes may share one.

    Raises:
        ValueError: a regex cannot be compiled, as `compiled` says.
    """

    def __init__(self, allows: Iterable[Allow] = ()) -> None:
        self._entries = [_Entry(allow) for allow in allows]

    def __bool__(self) -> bool:
        """Whether there is an entry."""
        return bool(self._entries)

    def in_force(self, now: int) -> "Allowlist":
        """The entries that have not expired at `now`."""
        return Allowlist(entry.allow for entry in self._entries if now <= entry.allow.expiry)

    def until(self, matched: MatchedSecret) -> int | None:
        """The last time at which a record may show this secret, or None if it may not."""
        return max((entry.allow.expiry for entry in self._entries if entry.covers(matched)), default=None)


class _Entry:
    __slots__ = ("_globs", "_regex", "allow")

    def __init__(self, allow: Allow) -> None:
        self.allow = allow
        self._globs: tuple[Matcher | None, ...] = tuple(
            None if glob is None else compile_glob(glob)
            for glob in (allow.pattern, allow.source, allow.fingerprint)
        )
        self._regex = None if allow.regex is None else compiled(allow.regex)

    def covers(self, matched: MatchedSecret) -> bool:
        """Whether everything that the entry names matches."""
        named = zip(self._globs, (matched.pattern, matched.source, matched.fingerprint), strict=True)
        if not all(matches is None or matches(text) for matches, text in named):
            return False
        if self._regex is None:
            return True
        text = matched.line() if self.allow.target == LINE else matched.secret.reveal()
        return self._regex.search(text) is not None
