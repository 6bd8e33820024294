"""The `[kafka.redacted]` table: which inputs are passed on without their leaks, and to which topics."""

import re  # over names of topics, by patterns made of the configuration
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from detector.configuration.fields import TEXTS, Field, FieldReader, Kind, between, text
from detector.values.globs import compile_glob
from detector.values.times import DAY

TOPIC: Final = "{topic}"
_NAME: Final = re.compile(r"[A-Za-z0-9._-]*")
_LONGEST: Final = 249  # characters of a topic's name


class RedactedTopics(msgspec.Struct, frozen=True):
    """Inputs that match one of the globs `topics` go to the topic `name`, in which `{topic}` is the input's.

    `retention` of the topics that are created is in ns.
    """

    topics: tuple[str, ...]
    name: str = f"{TOPIC}.redacted"
    retention: int = 7 * DAY

    def of(self, topic: str) -> str | None:
        """Where an input goes, None if it is not passed on."""
        if not any(compile_glob(glob)(topic) for glob in self.topics):
            return None
        return self.name.replace(TOPIC, topic)

    def pairs(self, topics: Iterable[str]) -> dict[str, str]:
        """Of those inputs the ones that are passed on, and where to."""
        return {topic: name for topic in topics if (name := self.of(topic)) is not None}

    @property
    def written(self) -> str:
        """A regex of the names that are written, whatever the inputs are: none of them is one."""
        before, after = map(re.escape, self.name.split(TOPIC))
        globs = "|".join("".join(_part(char) for char in glob) for glob in self.topics)
        return f"{before}(?:{globs}){after}"


def _part(char: str) -> str:
    return {"*": ".*", "?": "."}.get(char) or re.escape(char)


def _template(value: Any) -> str:
    name = text(value)
    before, found, after = name.partition(TOPIC)
    if not found or not (before or after) or not _NAME.fullmatch(before + after):
        raise ValueError(f"write a topic's name with {TOPIC} in it, once, and more beside it")
    return name


REDACTED_FIELDS: Final = {
    "topics": Field(TEXTS, "globs of the inputs to pass on with every leak masked", "[]"),
    "name": Field(
        Kind(f"topic name with {TOPIC} in it", _template), "name of the redacted topic", f'"{TOPIC}.redacted"'
    ),
    "retention": Field(between("1min", "3650d"), "how long it keeps a record", '"7d"'),
}


def read_redacted(
    reader: FieldReader, value: Any, inputs: Iterable[str], ours: Iterable[str]
) -> RedactedTopics | None:
    """The settings, None if nothing is passed on; mistakes are noted. `ours` are the topics that we write besides."""
    keys = ("kafka", "redacted")
    values = reader.fields(reader.table(value, *keys), REDACTED_FIELDS, *keys)
    if not values.get("topics"):
        if "topics" in values or value:
            reader.fail("kafka.redacted: needs topics, globs of the inputs that are passed on", *keys)
        return None
    redacted, inputs = RedactedTopics(**values), tuple(inputs)
    for topic, name in redacted.pairs(inputs).items():
        if name in ours:
            reader.fail(
                f"kafka.redacted.name: of {topic} it makes {name}, which is a topic of ours", *keys, "name"
            )
        elif name in inputs:
            reader.fail(
                f"kafka.redacted: {topic} goes to {name}, which is among the inputs: it would be read again",
                *keys,
            )
        elif len(name) > _LONGEST:
            reader.fail(
                f"kafka.redacted.name: of {topic} it makes more than {_LONGEST} characters", *keys, "name"
            )
    return redacted
