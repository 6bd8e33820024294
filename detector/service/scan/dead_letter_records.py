"""Dead letters as records of their topic: where a record was and why it could not be read, never its contents."""

from typing import Final

import msgspec

from detector.kafka.handlers import Output, Partition, Refusal
from detector.records.dead_letters import TOO_LARGE, UNREADABLE, DeadLetter

ORIGIN: Final = "origin"  # the header of a large output that names the record that it came from
_encoder: Final = msgspec.json.Encoder()


def dead_letter_output(topic: str, letter: DeadLetter) -> Output:
    """A dead letter to write. Those of one input partition keep their order."""
    key = f"{letter.source}-{letter.partition}".encode()
    return Output(topic, key, _encoder.encode(letter.record()), fact=letter)


def origin(offset: int) -> tuple[tuple[str, bytes], ...]:
    """The header for an output that may be too large: the offset of the record that it came from."""
    return ((ORIGIN, b"%d" % offset),)


def refusal_letter(partition: Partition, refusal: Refusal) -> DeadLetter:
    """The dead letter for what the stage refused."""
    offset = refusal.offset
    if refusal.reason == "output-too-large":
        if refusal.output is not None:
            header = dict(refusal.output.headers).get(ORIGIN)
            offset = int(header) if header else refusal.output.origin
        reason, detail = (
            TOO_LARGE,
            f"its output is larger than the {refusal.limit} bytes that its topic accepts",
        )
    elif refusal.reason == "record-failed":
        reason, detail = UNREADABLE, f"it could not be processed ({refusal.error})"
    else:
        reason, detail = UNREADABLE, f"its batch could not be decoded ({refusal.error})"
    return DeadLetter(partition.topic, reason, detail, offset=offset, partition=partition.number)
