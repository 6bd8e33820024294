"""Random log streams that print the secrets of a world, and the leaks that are in them because they were put there."""

import random
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from detector.values.events import Leak
from tests.bundled import bundled_patterns
from tests.random_histories.events import World
from tests.random_histories.secrets import UNREGISTERED, MadeSecret, make, printed

JSON: Final = "json"  # records with the task and the stream
DATED: Final = "dated"  # text that begins with its time
UNDATED: Final = "undated"  # text of one time, that of the file
CONTAINER: Final = "container"  # lines in parts, by two channels
CHANNELS: Final = ("stdout", "stderr")
_FORMS: Final = (JSON, JSON, DATED, UNDATED, CONTAINER, CONTAINER, CONTAINER)
_WORDS: Final = [
    "step",
    "fetched",
    "layer",
    "cached",
    "built",
    "linked",
    "ran",
    "suite",
    "of",
    "units",
    "in",
    "seconds",
    "with",
    "no",
    "warnings",
]
SEVERITIES: Final = {pattern.id: int(pattern.severity) for pattern in bundled_patterns()}


class Line(NamedTuple):
    """A line, or with `ends` False a part of one that goes on in the next of its channel.

    `whole` is the number of the first part: the line that a leak names.
    """

    time: int
    text: str
    whole: int
    channel: str = CHANNELS[0]
    ends: bool = True


class LogStream(msgspec.Struct):
    """What one job or container prints, in this order."""

    name: str
    form: str
    task_id: str | None
    lines: list[Line] = []


class _Writer:
    """Writes one stream, and notes which of its lines show which secret."""

    def __init__(self, world: World, stream: LogStream, leaks: list[Leak]) -> None:
        self.world, self.rng, self.stream, self.leaks = world, world.rng, stream, leaks
        self.time = world.moment()

    def moment(self) -> int:
        return self.time if self.stream.form == UNDATED else self.world.moment()

    def ties(self, secret: MadeSecret, when: int) -> bool:
        """Whether another stream shows it at that time: the names of the two places would say which is the first."""
        return any(
            (leak.fingerprint, leak.time) == (secret.fingerprint, when) and leak.source != self.stream.name
            for leak in self.leaks
        )

    def line(self, secrets: list[MadeSecret], channel: str, *, ends: bool = True) -> None:
        """A line with these secrets, in a container perhaps in parts. The first part says when and where it was."""
        rng, lines, when = self.rng, self.stream.lines, self.moment()
        said, forms = [words(rng)], dict[MadeSecret, str]()
        for secret in secrets:
            if secret.pattern is not None and self.ties(secret, when):
                continue
            forms[secret], shown = printed(rng, secret)
            said += [shown, words(rng)]
        bare = len(said) > 1 and rng.random() < 0.3
        text = " ".join(said[1:-1] if bare else said)
        whole = len(lines)
        for secret, form in forms.items():
            self.leaks.append(leak_of(secret, when, self.stream, whole, form))
        most = 4 if self.stream.form == CONTAINER else 1
        cuts = sorted(rng.sample(range(1, len(text)), rng.randrange(most)))
        parts = [text[low:high] for low, high in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        for part in parts[:-1]:
            lines.append(Line(when, part, whole, channel, ends=False))
            if rng.random() < 0.2:
                self.between(channel)
            when += rng.randrange(1000)
        lines.append(Line(when, parts[-1], whole, channel, ends))

    def between(self, channel: str) -> None:
        """A whole line on the other channel, unless a part stands open there."""
        other = CHANNELS[channel == CHANNELS[0]]
        last = next((line for line in reversed(self.stream.lines) if line.channel == other), None)
        if last is None or last.ends:
            lines = self.stream.lines
            lines.append(Line(self.moment(), words(self.rng), len(lines), other))


def words(rng: random.Random) -> str:
    return " ".join(rng.choices(_WORDS, k=rng.randrange(2, 6)))


def leak_of(secret: MadeSecret, when: int, stream: LogStream, number: int, form: str) -> Leak:
    """The leak of a secret in a line of a stream; its excerpt is the form, for whoever looks into a difference."""
    return Leak(
        time=when,
        source=stream.name,
        id=str(number),
        identifiers=secret.identifiers,
        fingerprint=secret.fingerprint,
        pattern=secret.pattern,
        severity=None if secret.pattern is None else SEVERITIES[secret.pattern],
        excerpt=form,
        task_id=stream.task_id if stream.form == JSON else None,
        time_origin="file" if stream.form == UNDATED else None,
    )


def print_secrets(world: World) -> tuple[list[LogStream], list[Leak]]:
    """The streams of a world."""
    rng = world.rng
    stray = [make(rng, UNREGISTERED) for _ in range(rng.randrange(4))]
    secrets = [*world.secrets.values(), *stray]
    streams: list[LogStream] = []
    leaks: list[Leak] = []
    for number in range(rng.randrange(2, 7)):
        form = rng.choice(_FORMS)
        stream = LogStream(f"{world.name}-l{number}", form, rng.choice((None, *world.tasks)))
        writer = _Writer(world, stream, leaks)
        shown: Sequence[str] = CHANNELS if form == CONTAINER else CHANNELS[:1]
        if form == CONTAINER and rng.random() < 0.3:
            writer.line(rng.choices(secrets, k=rng.randrange(2)), shown[1], ends=False)
            shown = shown[:1]
        for _ in range(rng.randrange(1, 6)):
            writer.line(rng.choices(secrets, k=rng.choice((0, 1, 1, 2))), rng.choice(shown))
        if form == CONTAINER and rng.random() < 0.4:
            writer.line(rng.choices(secrets, k=rng.randrange(2)), shown[0], ends=False)
        streams.append(stream)
    return streams, leaks
