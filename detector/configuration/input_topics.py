"""Which topics are inputs, and which of them carry events: `event_topics` and `log_topics` of the `[kafka]` table.

Both are lists of globs. A topic carries events or text, never both: a topic that matches both lists is refused, and is
text until somebody mends it.
"""

import re  # over names of topics
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from detector.configuration.fields import Field, FieldReader, ValueType, text
from detector.values.globs import compile_glob, regex_of

EVENT_TOPICS: Final = "event_topics"
LOG_TOPICS: Final = "log_topics"
_TOPIC_GLOB: Final = re.compile(r"[A-Za-z0-9._*?-]{1,249}")
_WILD: Final = re.compile(r"[*?]")
# They would match a glob such as `*`, and nobody means them.
_OF_KAFKA: Final = ("__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata")


class InputTopics(msgspec.Struct, frozen=True):
    """The globs of topics that carry events, and of those that carry text. `written` are globs of our own topics.

    `outcomes` are topics of ours that carry events, whatever a glob says: what the revoker writes.
    """

    events: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()

    @property
    def named(self) -> tuple[str, ...]:
        """The inputs that are named without a wildcard."""
        return tuple(glob for glob in self._declared() if not _WILD.search(glob))

    @property
    def prefixes(self) -> tuple[str, ...]:
        """The globs whose only wildcard is a `*` at the end."""
        return tuple(
            glob
            for glob in self._declared()
            if glob.endswith("*") and glob[:-1] and not _WILD.search(glob[:-1])
        )

    @property
    def scattered(self) -> tuple[str, ...]:
        """The globs that name neither one topic nor all with one beginning."""
        others = {*self.named, *self.prefixes}
        return tuple(glob for glob in self._declared() if glob not in others)

    def reads(self, topic: str) -> bool:
        """Whether a topic is an input. One that curfewd or Kafka itself writes never is."""
        return _matches(self._globs(), topic) and not _matches((*self.written, *_OF_KAFKA), topic)

    def carries_events(self, topic: str) -> bool:
        """Whether events in a topic are believed."""
        if topic in self.outcomes:
            return True
        return _matches(self.events, topic) and not _matches(self.logs, topic) and self.reads(topic)

    def ambiguous(self, topics: Iterable[str]) -> list[str]:
        """The inputs among these that match both lists."""
        return [
            topic
            for topic in topics
            if _matches(self.events, topic)
            and _matches(self.logs, topic)
            and self.reads(topic)
            and topic not in self.outcomes
        ]

    def subscription(self) -> tuple[tuple[str, ...], str | None]:
        """Topic names, or one regex for `re.match`: Kafka's clients subscribe to one or the other, not to both."""
        globs = self._globs()
        if not any(map(_WILD.search, globs)):
            return globs, None
        return (), f"(?!{regex_of((*self.written, *_OF_KAFKA))}){regex_of(globs)}"

    def _declared(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.events, *self.logs)))

    def _globs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self._declared(), *self.outcomes)))


def _matches(globs: Iterable[str], topic: str) -> bool:
    return any(compile_glob(glob)(topic) for glob in globs)


def _topic_globs(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError('write a list of topic names; * and ? are wildcards: ["audit", "events.*"]')  # noqa: TRY004 - readers raise ValueError alone
    for item in value:
        if not _TOPIC_GLOB.fullmatch(text(item)) or item in {".", ".."}:
            raise ValueError(
                "a topic's name is made of letters, digits, . _ and -, at most 249 of them; * and ? are wildcards"
            )
    return tuple(value)


_GLOBS: Final = ValueType("list of globs", _topic_globs)
INPUT_FIELDS: Final = {
    EVENT_TOPICS: Field(
        _GLOBS,
        "globs of the topics that carry events. Events are believed from no other topic: let only issuers and audit logs write to them",
        "[]",
    ),
    LOG_TOPICS: Field(
        _GLOBS,
        "globs of the topics that carry text, such as job and container logs: nothing in them is an event, whatever it looks like",
        "[]",
    ),
}


def check_inputs(reader: FieldReader, inputs: InputTopics, redacted: Iterable[str]) -> list[str]:
    """Reports what is wrong with the lists, and returns warnings. `redacted` are the globs of inputs to be copied."""
    for key, globs, other, others in (
        (EVENT_TOPICS, inputs.events, LOG_TOPICS, inputs.logs),
        (LOG_TOPICS, inputs.logs, EVENT_TOPICS, inputs.events),
    ):
        for glob in globs:
            _check_glob(reader, key, glob, inputs)
            within = next(
                (each for each in others if compile_glob(each)(glob) and glob not in inputs.outcomes), None
            )
            if within is not None and (key == LOG_TOPICS or within != glob):
                reader.fail(
                    f"kafka.{key}: {glob} is under {other} too ({within}): a topic carries events or text, not both",
                    "kafka",
                    key,
                )
    known = inputs.named
    for glob in redacted:
        if not _WILD.search(glob) and glob not in known and not inputs.reads(glob):
            reader.fail(
                f"kafka.redacted.topics: {glob} is no input: name it in event_topics or log_topics",
                "kafka",
                "redacted",
                "topics",
            )
    return list(_warnings(inputs))


def _check_glob(reader: FieldReader, key: str, glob: str, inputs: InputTopics) -> None:
    """A topic that curfewd writes cannot be an input: reading it would never end."""
    if not _WILD.search(glob) and _matches(inputs.written, glob):
        reader.fail(
            f"kafka.{key}: curfewd writes to {glob}: it would be read again; leave it out", "kafka", key
        )


def _warnings(inputs: InputTopics) -> Iterable[str]:
    if not inputs.events and not inputs.logs:
        yield "kafka: neither event_topics nor log_topics: there is nothing to read"
    elif not inputs.events:
        yield (
            "kafka.event_topics: there are none, so no event is believed: tasks and credentials stay unknown, "
            "and only leaks of known patterns are found"
        )
