"""The `[kafka.redacted]` table: which inputs get a redacted copy, and in which topics."""

import re  # over names of topics
from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec

from detector.configuration.fields import (
    TEXTS,
    Field,
    FieldReader,
    ValueType,
    duration_between,
    one_of,
    text,
)
from detector.values.globs import compile_glob
from detector.values.times import DAY

TOPIC: Final = "{topic}"
_NAME: Final = re.compile(r"[A-Za-z0-9._-]*")
_LONGEST: Final = 249  # characters of a topic's name


class RedactedTopics(msgspec.Struct, frozen=True):
    """Inputs that match a glob in `topics` are copied to the topic `name`, where `{topic}` is the input's name.

    `retention` (ns) is that of the redacted topics. `unexamined` says what becomes of records that could not be
    examined whole.
    """

    topics: tuple[str, ...]
    name: str = f"{TOPIC}.redacted"
    retention: int = 7 * DAY
    unexamined: Literal["mask", "mark"] = "mask"

    def of(self, topic: str) -> str | None:
        """The redacted topic of an input, or None."""
        if not any(compile_glob(glob)(topic) for glob in self.topics):
            return None
        return self.name.replace(TOPIC, topic)

    def pairs(self, topics: Iterable[str]) -> dict[str, str]:
        """The inputs that have a redacted topic, each with its topic."""
        return {topic: name for topic in topics if (name := self.of(topic)) is not None}

    @property
    def written(self) -> tuple[str, ...]:
        """Globs of all names that a redacted topic can have. No input may match one."""
        return tuple(self.name.replace(TOPIC, glob) for glob in self.topics)


def _template(value: Any) -> str:
    name = text(value)
    before, found, after = name.partition(TOPIC)
    if not found or not (before or after) or not _NAME.fullmatch(before + after):
        raise ValueError(f"write a topic's name with {TOPIC} in it, once, and more beside it")
    return name


REDACTED_FIELDS: Final = {
    "topics": Field(TEXTS, "globs of the inputs to pass on with every leak masked", "[]"),
    "name": Field(
        ValueType(f"topic name with {TOPIC} in it", _template),
        "name of the redacted topic",
        f'"{TOPIC}.redacted"',
    ),
    "unexamined": Field(
        one_of("mask", "mark"),
        "what happens to a record that could not be examined whole: `mask` replaces its texts, `mark` passes it on "
        "with the header `curfewd-unexamined`",
        '"mask"',
    ),
    "retention": Field(duration_between("1min", "3650d"), "how long it keeps a record", '"7d"'),
}


def read_redacted(
    reader: FieldReader, value: Any, inputs: Iterable[str], ours: Iterable[str]
) -> RedactedTopics | None:
    """The settings, or None without `topics`. `ours` are the other topics that curfewd writes."""
    keys = ("kafka", "redacted")
    values = reader.fields(reader.table(value, *keys), REDACTED_FIELDS, *keys)
    if not values.get("topics"):
        if "topics" in values or value:
            reader.fail("kafka.redacted: needs topics: globs of the inputs to copy", *keys)
        return None
    redacted = RedactedTopics(**values)
    for topic, name in redacted.pairs(inputs).items():
        if name in ours:
            reader.fail(
                f"kafka.redacted.name: {topic} would go to {name}, which is one of curfewd's own topics",
                *keys,
                "name",
            )
        elif len(name) > _LONGEST:
            reader.fail(
                f"kafka.redacted.name: for {topic} it has more than {_LONGEST} characters", *keys, "name"
            )
    return redacted
