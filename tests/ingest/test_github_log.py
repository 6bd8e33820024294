"""Logs of GitHub's jobs as `gh run view --log` prints them, and as the API gives them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.ingest import files
from detector.ingest.inputs import find_sources
from detector.ingest.job_logs import stream_of_member
from detector.ingest.range_reader import RangeReader, Reading
from tests.ingest.collecting import NOW, Collector, collect

MARK = "\ufeff"
# As gh 2 prints it: a mark before the first time of each log, and a job whose steps have no logs of their own.
PRINTED = f"""\
build\tSet up job\t{MARK}2026-05-01T10:00:00.1234567Z ##[group]Operating System
build\tSet up job\t2026-05-01T10:00:00.1300000Z MARK one
build\tRun the tests\t{MARK}2026-05-01T10:00:01.0000000Z MARK two
build\tRun the tests\tMARK without a time
deploy (eu, 1)\tUNKNOWN STEP\t{MARK}2026-05-01T10:00:02.0000000Z MARK three
MARK no such line
"""
RAW = "\ufeff2026-05-01T10:00:00.1234567Z ##[group]MARK one\n2026-05-01T10:00:01.0000000Z MARK two\nMARK three\n"


def told(sink: Collector) -> list[tuple[int | None, str | None, str | None]]:
    return [(one.line, one.time, one.stream) for one in sink.marked()]


def test_lines_have_the_time_job_and_step_that_they_say(tmp_path: Path) -> None:
    (tmp_path / "run.log").write_text(PRINTED)
    sink = collect(tmp_path / "run.log")
    assert told(sink) == [
        (2, "2026-05-01T10:00:00.130Z", "build/Set up job"),
        (3, "2026-05-01T10:00:01Z", "build/Run the tests"),
        (4, "2026-05-01T10:00:01Z", "build/Run the tests"),
        (5, "2026-05-01T10:00:02Z", "deploy (eu, 1)"),
        (6, "2026-05-01T10:00:02Z", None),
    ]
    assert sink.range is not None
    assert dict(sink.range.records) == {"github-log": 6}


def test_the_task_is_the_run_or_job_that_the_file_is_named_for(tmp_path: Path) -> None:
    for name, task in (("github-run-5-2.log", "github/run/5/2"), ("github-job-71.log", "github/job/71")):
        (tmp_path / name).write_text(PRINTED)
        assert {one.task_id for one in collect(tmp_path / name).marked()} == {task}


def test_the_log_of_one_job_by_the_api_is_text_with_times(tmp_path: Path) -> None:
    (tmp_path / "github-job-71.log").write_text(RAW)
    sink = collect(tmp_path / "github-job-71.log")
    assert [(one.time, one.task_id) for one in sink.marked()] == [
        ("2026-05-01T10:00:00.123456700Z", "github/job/71"),
        ("2026-05-01T10:00:01Z", "github/job/71"),
        ("2026-05-01T10:00:01Z", "github/job/71"),
    ]


def test_a_key_over_many_lines_stands_line_under_line_job_by_job(tmp_path: Path) -> None:
    key = ["-----BEGIN RSA PRIVATE KEY-----", "MARK" * 16, "-----END RSA PRIVATE KEY-----"]
    lines = [
        f"{job}\tTest\t2026-05-01T10:00:0{second}Z {line}\n"
        for second, line in enumerate(key)
        for job in ("a", "b")
    ]
    (tmp_path / "run.log").write_text("".join(line.replace("Z ", ".0Z ") for line in lines))
    sink = collect(tmp_path / "run.log")
    assert (
        sum("\n".join(key).encode() in batch.data for batch, _ in sink.batches)
        + sum(
            batch.data.count("\n".join(key).encode()) - 1
            for batch, _ in sink.batches
            if "\n".join(key).encode() in batch.data
        )
        == 2
    )
    assert {one.stream for one in sink.marked()} == {"a/Test", "b/Test"}


def test_nothing_before_the_text_is_left_unscanned(tmp_path: Path) -> None:
    """Also where lines are taken one by one, because a key stands open."""
    odd = "-----BEGIN RSA PRIVATE KEY-----"
    lines = [
        f"jobMARK\tstep\t2026-05-01T10:00:00.0Z {odd}",
        "job\tMARK\t2026-05-01T10:00:00.0Z x",
        "job\tstep\t2026-05-01T10:00:00.0Z=MARK x",
    ]
    (tmp_path / "run.log").write_text("".join(f"{line}\n" for line in lines))
    assert {one.line for one in collect(tmp_path / "run.log").marked()} == {1, 2, 3}


@pytest.mark.parametrize(
    ("name", "stream"),
    [
        ("build/3_Run tests.txt", "build/Run tests"),
        ("0_build (eu, 1).txt", "build (eu, 1)"),
        ("-9999999999_old.txt", "old"),
        ("build/system.txt", None),
        ("a/b/1_x.txt", None),
        ("1_.txt", None),
        ("x" * 300 + "/1_a.txt", None),
    ],
)
def test_members_of_a_runs_archive_name_job_and_step(name: str, stream: str | None) -> None:
    assert stream_of_member(name) == stream


@given(
    st.lists(
        st.sampled_from(
            [
                "a\tb\t2026-05-01T10:00:00.0Z MARK",
                f"a\tb\t{MARK}2026-05-01T11:00:00.0Z MARK",
                "a\tb\tMARK",
                "a\tMARK",
                "\t\tMARK",
                "a\t\t2026-05-01T12:00:00.0Z MARK",
                "MARK",
                "",
                "a\tUNKNOWN STEP\t2026-05-01T10:00:00.0ZMARK",
            ]
        )
    )
)
def test_blocks_at_once_and_lines_one_by_one_read_alike(lines: list[str]) -> None:
    def read(text: str, first: int) -> list[str]:
        sink = Collector()
        reader = RangeReader("f", None, sink, Reading(NOW))
        files.read_github_log([text.encode()] if text else [], reader)
        reader.end()
        found = [one for one in sink.marked() if one.line != first]
        return sorted({f"{one.line} {one.time} {one.stream}" for one in found})

    text = "".join(f"{line}\n" for line in lines)
    begin = "-----BEGIN X-----"
    at_once, by_line = read(f"x{begin[6:]}\n{text}", 1), read(f"{begin}\n{text}", 1)
    assert at_once == by_line


def test_lines_that_only_look_alike_are_text(tmp_path: Path) -> None:
    for content in ("a\tb\tc\n" * 9, "a\tb\t2026-05-01\n" * 9, "2026-05-01T10:00:00Z a\tb\n" * 9):
        (tmp_path / "x.log").write_text(content)
        assert find_sources([str(tmp_path / "x.log")])[0][0].format == "text"
