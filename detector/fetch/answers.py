"""What an answer of a REST API asks for: to be read, to wait, to try again, or to stop.

GitHub's rate limits are those of docs.github.com, "Rate limits for the REST API"; GitLab's those of docs.gitlab.com,
"Rate limit response headers".
"""

import email.utils
from collections.abc import Mapping
from typing import Final

from detector.values.errors import CurfewdError, InputError

_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404
_TIMED_OUT: Final = 408
_GONE: Final = 410
_TOO_MANY: Final = 429
_FAILED: Final = 500
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_OK: Final = 200
_LEAST_WAIT: Final = 60.0  # where an answer says to wait, and not how long
_MARGIN: Final = 1.0  # a reset is told in whole seconds
_SECONDARY: Final = b"secondary rate limit"
_RESETS: Final = ("x-ratelimit-reset", "ratelimit-reset")
_REMAINING: Final = ("x-ratelimit-remaining", "ratelimit-remaining")
_MAX_DIGITS: Final = 12


class ApiError(InputError):
    """The API cannot be asked, or answers something that no retry changes: stop, and exit with 2."""


class GoneError(CurfewdError):
    """What was asked for is not there, or no longer there."""


class TooLargeError(CurfewdError):
    """A log is larger than is fetched."""


class UnreachableError(ApiError):
    """It was tried again and again, and did not succeed."""


class TransientError(CurfewdError):
    """It may succeed later: try again."""


class WaitError(CurfewdError):
    """The API asks to wait: for `seconds`, from now."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"wait {seconds:.0f} s")


def is_redirect(status: int) -> bool:
    """Whether the answer is somewhere else."""
    return status in _REDIRECTS


def check(status: int, headers: Mapping[str, str], begin: bytes, now: float) -> None:
    """Nothing for an answer that can be read. `begin` is the beginning of its body, `now` the time (Unix seconds).

    Raises:
        GoneError, TransientError, WaitError: what they say.
        ApiError: the token, its rights or the request is wrong.
    """
    if status == _OK:
        return
    if status in (_FORBIDDEN, _TOO_MANY):
        seconds = wait_of(status, headers, begin, now)
        if seconds is not None:
            raise WaitError(seconds)
    if status in (_NOT_FOUND, _GONE):
        raise GoneError(f"HTTP {status}")
    if status == _TIMED_OUT or status >= _FAILED:
        raise TransientError(f"it answers HTTP {status}")
    raise ApiError(_refusal(status, headers))


def wait_of(status: int, headers: Mapping[str, str], begin: bytes, now: float) -> float | None:
    """How long an answer asks to wait (seconds), None if it does not. `headers` have lower-case names."""
    after = headers.get("retry-after", "").strip()
    if after.isascii() and after.isdecimal() and len(after) <= _MAX_DIGITS:
        return float(after) + _MARGIN
    moment = _date(after)
    if moment is not None:
        return max(0.0, moment - _clock(headers, now)) + _MARGIN
    if any(headers.get(name, "").strip() == "0" for name in _REMAINING):
        reset = next((headers[name].strip() for name in _RESETS if name in headers), "")
        if reset.isascii() and reset.isdecimal() and len(reset) <= _MAX_DIGITS:
            return max(0.0, float(reset) - _clock(headers, now)) + _MARGIN
        return _LEAST_WAIT
    return _LEAST_WAIT if status == _TOO_MANY or _SECONDARY in begin.lower() else None


def _clock(headers: Mapping[str, str], now: float) -> float:
    """The time by the API's clock, which its reset is told in; ours may be wrong."""
    moment = _date(headers.get("date", ""))
    return now if moment is None else moment


def _date(text: str) -> float | None:
    """A date of HTTP (Unix seconds); None if it is none."""
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None


def _refusal(status: int, headers: Mapping[str, str]) -> str:
    if status == _UNAUTHORIZED:
        return "it does not accept the token (HTTP 401): it may have expired; make a new one"
    if status == _FORBIDDEN and "x-github-sso" in headers:
        return "the organisation asks for single sign-on (HTTP 403): authorise the token for it, in the token's settings"
    if status == _FORBIDDEN:
        return (
            "the token may not read this (HTTP 403): give it Actions: read and Metadata: read on GitHub (a classic "
            "token: the scope repo), read_api on GitLab"
        )
    return f"it answers HTTP {status}: is --api-url the address of its REST API?"
