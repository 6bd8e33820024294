"""GitLab's job logs with the runner's timestamps: lines that it cut are put together."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detector.records.blocks import BLOCK
from tests.ingest.collecting import Seen, collect

T0, T1, T2 = (f"2026-05-01T00:00:0{second}Z" for second in range(3))


def line(second: int, stream: str, flag: str, text: str) -> str:
    return f"2026-05-01T00:00:0{second}.000000Z {stream}{flag}{text}\n"


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def reader(*lines: str) -> Any:
        path = tmp_path / "gitlab-job-9.log"
        path.write_text("".join(lines))
        return collect(path)

    return reader


def test_lines_are_their_text_with_time_stream_and_task(read: Any) -> None:
    sink = read(line(0, "00O", " ", "one MARK"), line(1, "01E", " ", "MARK two"))
    assert sorted(sink.marked(), key=lambda seen: seen.line) == [
        Seen("one MARK", 1, T0, "gitlab/job/9", "00O"),
        Seen("MARK two", 2, T1, "gitlab/job/9", "01E"),
    ]
    assert dict(sink.range.records) == {"gitlab-trace": 2}
    assert sink.letters == []


def test_a_line_that_the_runner_cut_is_put_together_stream_by_stream(read: Any) -> None:
    sink = read(
        line(0, "01O", " ", "token: MA"),
        line(0, "01E", " ", "MA"),
        line(1, "01O", "+", "R"),
        "stray MARK\n",
        line(1, "01E", "+", "RK two"),
        line(2, "01O", "+", "K one"),
        line(2, "01O", " ", "MARK next"),
    )
    assert sorted((seen.line, seen.text, seen.time) for seen in sink.marked()) == [
        (1, "token: MARK one", T0),
        (2, "MARK two", T0),
        (4, "stray MARK", T0),  # of the record before it: those above are not whole yet
        (7, "MARK next", T2),
    ]


def test_a_first_line_that_goes_on_in_nothing_is_a_line(read: Any) -> None:
    assert [seen.text for seen in read(line(0, "01O", "+", "MARK"), line(0, "01O", " ", "x")).marked()] == [
        "MARK"
    ]


def test_a_key_over_many_lines_stands_line_under_line(read: Any) -> None:
    key = ["-----BEGIN RSA PRIVATE KEY-----", "MARK", "-----END RSA PRIVATE KEY-----"]
    sink = read(*(line(0, "01O", " ", each) for each in key))
    assert any("\n".join(key).encode() in batch.data for batch, _ in sink.batches)


def test_a_log_with_a_few_such_lines_is_text(read: Any) -> None:
    sink = read("plain\n", line(0, "01O", " ", "MARK"), "plain\n")
    assert dict(sink.range.records) == {"text": 3}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from(["00O", "01O", "01E"]), st.integers(0, 4)), min_size=1, max_size=12)
)
def test_wherever_lines_are_cut_the_same_text_is_seen(read: Any, told: list[tuple[str, int]]) -> None:
    written = []
    for number, (stream, cut) in enumerate(told):
        text = f"{number:02}MARK"
        written += [line(0, stream, " ", text[: 2 + cut])] + (
            [line(0, stream, "+", text[2 + cut :])] if cut < 4 else []
        )
    assert sorted(seen.text for seen in read(*written).marked()) == [
        f"{number:02}MARK" for number in range(len(told))
    ]


@pytest.mark.parametrize("at", range(-3, 4))
def test_a_line_that_goes_on_in_the_next_block_is_put_together(read: Any, at: int) -> None:
    filler = line(0, "01O", " ", "x" * (64 - len(line(0, "01O", " ", ""))))
    lines = [filler] * (BLOCK // len(filler) * 2)
    cut = BLOCK // len(filler) + at
    lines[cut : cut + 2] = [line(1, "01E", " ", "MA"), line(1, "01E", "+", "RK")]
    sink = read(*lines)
    assert [(seen.line, seen.text, seen.stream) for seen in sink.marked()] == [(cut + 1, "MARK", "01E")]
    assert dict(sink.range.records) == {"gitlab-trace": len(lines)}
