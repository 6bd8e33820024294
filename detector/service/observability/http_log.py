"""What happens at the service's ports, in the metrics and in the log: at most a line a minute for each reason."""

import time
from collections.abc import Callable
from typing import Any, Final

from detector.service.http.connection_limits import Refusal, Refused
from detector.service.observability import series
from detector.service.observability.metrics import Metrics
from detector.service.observability.operator_log import RepeatLimit

_EVENTS: Final[dict[Refusal, str]] = {
    "share": "a client opens more connections than it may have: its oldest is closed for each new one",
    "full": "all connections are in use: for each new one, the client with the most loses its oldest",
    "slow-request": "a request did not arrive in time: the connection is closed",
    "slow-reader": "a client does not read what it asked for: the connection is closed",
    "too-long": "a request is too long: it is refused",
    "malformed": "a client sends something that is not an HTTP request: it is refused",
    "unread-body": "a request has a body, which nothing here reads: the connection is closed",
}


class HttpLog:
    """Takes what one port refuses; `port` is its name in the configuration. It is called in the port's thread."""

    def __init__(
        self, port: str, metrics: Metrics, log: Any, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._port = port
        self._metrics = metrics
        self._log = log
        self._limit = RepeatLimit(clock)

    def observe(self, refused: Refused) -> None:
        """Counts and logs it."""
        self._metrics.add(series.HTTP_REFUSED, self._port, refused.reason)
        more = self._limit(refused.reason)
        if more is not None:
            self._log.warning(_EVENTS[refused.reason], port=self._port, client=refused.client, **more)
