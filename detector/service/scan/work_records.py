"""Records of the work topic: events and leaks on their way to the judge stage."""

from collections.abc import Sequence
from typing import Final

from detector.judge.routing import Fact, LeakWithdrawal, encode, secret_key
from detector.kafka.handlers import Output
from detector.registry.registered import RegisteredCredentials
from detector.service.scan.dead_letter_records import origin
from detector.stages.scan import routes
from detector.values.events import AnyEvent, Leak

_LARGE: Final = 64 << 10  # outputs above it name the record that they came from


class WorkRecords:
    """Makes records of `topic`, for the aggregates that a fact concerns as far as is registered now."""

    def __init__(self, topic: str, registered: RegisteredCredentials, keys: Sequence[bytes]) -> None:
        self._topic = topic
        self._registered = registered
        self._keys = keys

    def of(self, event: AnyEvent, offset: int | None, timestamp_ms: int | None = None) -> list[Output]:
        """An event or leak for each aggregate that it concerns. `offset` is that of its record."""
        outputs: list[Output] = []
        encoded: Fact | None = None
        value = b""
        for key, fact in routes(event, self._registered.registry, self._keys):
            if fact is not encoded:  # most aggregates get the same one
                encoded, value = fact, encode(fact)
            headers = origin(offset) if offset is not None and len(value) > _LARGE else ()
            outputs.append(Output(self._topic, key.encode(), value, headers, timestamp_ms))
        return outputs

    def withdrawal(self, leak: Leak) -> Output:
        """That a leak is none: it is part of a registered credential's secret, which has the leak."""
        key = secret_key(leak.fingerprint).encode()
        return Output(self._topic, key, encode(LeakWithdrawal(leak.source, leak.id, leak.time)))
