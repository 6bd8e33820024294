"""The service's log: JSON lines, few of them from libraries, and none that quotes a record."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from detector.service.observability.logs import QUIET_SECONDS, LibraryLog, make_log


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Heard:
    """A library's logger that is routed to ours."""

    def __init__(self) -> None:
        self.out = io.StringIO()
        self.clock = Clock()
        self.logger = logging.getLogger("some.library")
        self.handler = LibraryLog(make_log("json", "info", self.out), self.clock)
        self.logger.addHandler(self.handler)
        self.logger.propagate = False

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.getvalue().splitlines()]


@pytest.fixture
def heard() -> Iterator[Heard]:
    made = Heard()
    yield made
    made.logger.removeHandler(made.handler)


def failing() -> None:
    raise ValueError("password=made-up")


def test_a_line_is_json_with_level_and_time() -> None:
    out = io.StringIO()
    make_log("json", "info", out).info("restored", partition=3)
    line = json.loads(out.getvalue())
    assert (line["event"], line["level"], line["partition"]) == ("restored", "info", 3)
    assert line["timestamp"].endswith("Z")
    assert list(line) == ["timestamp", "level", "event", "partition"]


def test_what_is_less_severe_than_asked_for_is_not_written() -> None:
    out = io.StringIO()
    log = make_log("console", "warning", out)
    log.info("not this")
    log.warning("but this")
    assert "not this" not in out.getvalue()
    assert "but this" in out.getvalue()


def test_of_an_error_only_its_class_and_place_are_told() -> None:
    out = io.StringIO()
    try:
        failing()
    except ValueError as error:
        make_log("json", "info", out).error("failed", error=error)
    line = json.loads(out.getvalue())
    assert line["error"] == "ValueError"
    assert line["at"][0].startswith("test_logs.py:")
    assert "made-up" not in out.getvalue()


def test_a_library_is_heard_once_in_a_while(heard: Heard) -> None:
    for node in range(5):
        heard.logger.warning("no connection to node %s", node)
    heard.clock.now = QUIET_SECONDS
    heard.logger.warning("no connection to node %s", 7)
    first, later = heard.lines()
    assert first["event"] == "no connection to node 0"
    assert (later["event"], later["more"]) == ("no connection to node 7", 4)


def test_a_librarys_exceptions_are_told_without_their_text(heard: Heard) -> None:
    try:
        failing()
    except ValueError as error:
        heard.logger.exception("it failed: %s", error)  # noqa: TRY401 - as libraries do
    (line,) = heard.lines()
    assert (line["event"], line["level"]) == ("it failed: ValueError", "warning")  # what is an error, we say
    assert "made-up" not in heard.out.getvalue()


def test_a_librarys_mistake_is_not_ours(heard: Heard) -> None:
    record = logging.LogRecord("some.library", logging.WARNING, "", 1, "%d things", ("no number",), None)
    heard.handler.handle(record)
    assert [line["event"] for line in heard.lines()] == ["a library's log line cannot be shown"]


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_no_text_in_a_line_acts_on_the_terminal_or_begins_another_line(log_format: str) -> None:
    out, hostile = io.StringIO(), "\x1b]0;gone\x07\nlevel=error \u202e\x9b"
    make_log(log_format, "info", out).warning(f"cannot go on{hostile}", why=hostile, topics=[hostile])
    (line,) = out.getvalue().splitlines()
    assert line.isprintable()
    assert "gone" in line
