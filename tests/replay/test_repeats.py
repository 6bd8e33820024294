"""A file whose records say the same very often gives the same findings as if each were told by itself."""

import random
import string
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.ingest.files import read
from detector.ingest.format_names import TEXT
from detector.ingest.range_reader import Reading
from detector.ingest.sources import Source
from detector.records.blocks import BLOCK
from detector.replay.replay import Result
from detector.scan import finding_shares, leaks, repeats, scanner
from detector.scan.finding_shares import Texts
from detector.scan.known_credentials import KnownIndex
from detector.scan.leaks import LeakFinder
from detector.scan.scanner import Match
from detector.stages.ranges import RangeFacts, RangeScanner
from detector.values.events import Identifier, Leak
from detector.values.findings import MAX_EVIDENCES, MOST_FINDINGS, MOST_LEAKS, SCAN_LIMITED
from detector.values.secrets import Secret
from tests.bundled import bundled_scanner
from tests.replay.test_limited_records import BOMB
from tests.replay.test_replay import finder_of, run
from tests.small_history import KEY, NOW, at, event, identifier_of, jsonl, secret_of

TIMES = (10, 40, 40, 90, 20)  # seconds; the credential of two secrets is revoked at 60
EACH = 9_000  # lines at each time: more than a batch holds


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two credentials, one of two secrets, and a log that shows them at five times and at none."""
    events = [
        event(1, "task.started", 0, task_id="t"),
        event(
            2, "credential.issued", 1,
            credential_id="c", task_id="t", identifiers=[identifier_of(1), identifier_of(2)],
        ),
        event(3, "credential.issued", 1, credential_id="other", task_id="t", identifiers=[identifier_of(3)]),
        event(4, "credential.revoked", 60, credential_id="c"),
    ]  # fmt: skip
    rng = random.Random(5)
    first, second, other = (secret_of(number) for number in (1, 2, 3))
    several = [first + b" " + second, first + b" " + other, b"x" * 60, first[::-1], b"pass " + first, second]
    lines: list[bytes] = []
    for seconds in TIMES:
        lines.append(f"{at(seconds)} now".encode())
        stated = f"{at(seconds)} ".encode() + first
        lines += rng.choices([first, stated, *several], [50, 50, *[1] * len(several)], k=EACH)
    folder = tmp_path_factory.mktemp("history")
    paths = folder / "events.jsonl", folder / "print.log"
    paths[0].write_bytes(jsonl(events))
    paths[1].write_bytes(b"\n".join([*lines[1:EACH], *lines]) + b"\n")
    return paths


def alone(path: Path, **options: Any) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeats, "_MANY", 1 << 60)
        patch.setattr(leaks, "_MORE", 1 << 60)
        return run(*path.parent.glob("*"), **options)


@pytest.fixture(scope="module")
def one_by_one(history: tuple[Path, Path]) -> tuple[Any, ...]:
    """What the leaks of the history come to, each told by itself."""
    return told(alone(history[1]))


def scanned(path: Path, finder: LeakFinder) -> RangeFacts:
    data = path.read_bytes()
    source = Source(
        "f",
        TEXT,
        len(data),
        raw=lambda start, end: (data[at : min(at + BLOCK, end)] for at in range(start, end, BLOCK)),
    )
    scanner = RangeScanner(finder)
    return scanner.facts(read(source, 0, len(data), scanner, Reading(NOW)))


def told(result: Result) -> tuple[Any, ...]:
    return result.findings, result.commands, result.summary.limited


def test_findings_and_commands_are_those_of_leaks_told_one_by_one(
    history: tuple[Path, Path], one_by_one: tuple[Any, ...]
) -> None:
    result = run(*history)
    assert told(result) == one_by_one
    found = {one.key: one for one in result.findings if one.rule == "leaked-credential"}
    data = history[1].read_bytes().split(b"\n")
    shows = [line for line in data if any(secret_of(n) in line or secret_of(n)[::-1] in line for n in (1, 2))]
    assert found["c"].count == len(shows) > 5 * EACH
    assert found["other"].count == sum(secret_of(3) in line for line in data)
    assert len(found["c"].evidences) == MAX_EVIDENCES
    assert all(isinstance(piece.event, Leak) and not piece.event.also for piece in found["c"].evidences)


@pytest.mark.parametrize("unit", [700_000, 1 << 21])
def test_they_are_the_same_however_the_file_is_cut(
    history: tuple[Path, Path], one_by_one: tuple[Any, ...], unit: int
) -> None:
    assert told(run(*history, unit=unit)) == one_by_one


def test_most_leaks_are_told_together(history: tuple[Path, Path]) -> None:
    identifiers = [Identifier(**identifier_of(number)) for number in (1, 2, 3)]
    leaks = scanned(history[1], finder_of(identifiers)).leaks
    assert sum(1 + len(leak.also) for leak in leaks) > 5 * EACH
    assert len(leaks) < 2 * EACH


NOBODYS = st.lists(
    st.tuples(
        st.sampled_from([
            "{0}", "{0}", "{1}", "{0} {1}", "password=k#9Vw!2xQ;z&Lp7$", "{2}", "see {3}", "nothing", "{0} {2}", "é {1}",
        ]),
        st.integers(1, 60),
        st.integers(3, 9),
    ),
    min_size=20,
)  # fmt: skip


def unregistered(number: int) -> str:
    return "hf_" + "".join(random.Random(number).choices(string.ascii_letters, k=34))


@settings(max_examples=25, deadline=None)
@given(NOBODYS, st.sampled_from([120, 350, 5000]), st.integers(2, 9), st.sampled_from([2_000, 1 << 20]))
def test_secrets_that_nobody_registered_are_told_together_as_if_told_one_by_one(
    drawn: list[tuple[str, int, int]], places: int, different: int, unit: int
) -> None:
    """Also where a stream shows more of them than are reported, at more places, or one of them in other ways."""
    tokens = [*map(unregistered, range(3)), secret_of(3).decode()]
    lines = [
        form.format(*tokens[:2], unregistered(other), tokens[3])
        for form, count, other in drawn
        for _ in range(count)
    ]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder, "print.log")
        path.write_text("\n".join(lines) + "\n")
        Path(folder, "events.jsonl").write_bytes(jsonl([
            event(1, "credential.issued", 1, credential_id="other", task_id="t", identifiers=[identifier_of(3)]),
        ]))  # fmt: skip
        patch.setattr(repeats, "_MANY", 8)
        patch.setattr(scanner, "_PART", 200)
        patch.setattr(scanner, "_MANY", 4)
        patch.setattr(finding_shares, "_OFTEN", 5)
        patch.setattr(finding_shares, "MOST_LEAKS", places)

        def made(identifiers: Iterable[Identifier]) -> LeakFinder:
            return LeakFinder(
                bundled_scanner(), KnownIndex(identifiers, [KEY]), [KEY], most_findings=different
            )

        options: dict[str, Any] = {"finder_of": made, "unit": unit}
        result = run(*path.parent.glob("*"), **options)
        assert told(result) == told(alone(path, **options))


def test_most_leaks_of_one_secret_that_nobody_registered_are_told_together(tmp_path: Path) -> None:
    path = tmp_path / "print.log"
    path.write_text(f"{unregistered(1)}\n{unregistered(2)}\n" * 6000)
    found = scanned(path, LeakFinder(bundled_scanner(), KnownIndex(), [KEY])).leaks
    assert sum(1 + len(leak.also) for leak in found) == MOST_LEAKS
    assert len(found) < MOST_LEAKS // 2


@pytest.mark.parametrize("registered", [0, 2000])
def test_of_a_dump_patterns_look_at_no_more_than_is_reported(tmp_path: Path, registered: int) -> None:
    """Registered secrets take nothing of the share: then what nobody registered is reported behind them."""
    tokens = [unregistered(number) for number in range(5000)]
    path = tmp_path / "print.log"
    path.write_text("".join(f"{token}\n" for token in tokens))
    identifiers = [
        Identifier("hmac-sha256", KEY.fingerprint(secret), len(secret), KEY.check(secret))
        for secret in (Secret(token.encode()) for token in tokens[:registered])
    ]
    bundled = bundled_scanner()
    with pytest.MonkeyPatch.context() as patch:
        looked: list[int] = []
        usual = bundled.scan_first

        def watched(data: bytes, most: int) -> tuple[list[Match], int]:
            found, end = usual(data, most)
            looked.append(end)
            return found, end

        patch.setattr(bundled, "scan_first", watched)
        found = scanned(path, LeakFinder(bundled, KnownIndex(identifiers, [KEY]), [KEY])).leaks
    assert [leak.line for leak in found] == [*range(1, registered + MOST_FINDINGS + 1)]
    assert looked == [looked[0]]
    assert looked[0] < path.stat().st_size // 2


def test_of_a_registered_secret_printed_without_end_only_lines_are_told_unless_something_stands_beside() -> (
    None
):
    lines = [b"s3cret-1234"] * 400
    lines[300] = b"s3cret-1234 and more"
    data, ends = b"\n".join(lines), np.cumsum([len(line) + 1 for line in lines]) - 1
    starts = np.append(0, ends[:-1] + 1)
    texts = Texts(
        starts,
        ends,
        range(1, 401),
        lambda _: (None, None),
        (None, None),
        400,
        lambda rows: np.zeros(len(rows)),
    )
    spans = [(start, start + 11) for start in starts.tolist()]

    def always(shown: int) -> Callable[[int, int], int]:
        return lambda _start, _end: shown

    for shown, beside, told in (0, None, 0), (7, None, 7), (0, 300, 0), (7, 7, None):
        held = repeats.HeldSpans(lambda: [texts], 1 << 18, always(shown))
        left = held.hold(data, spans)
        assert left == spans[: shown + 1]
        assert held.spans.tolist() == [list(span) for span in spans[shown + 1 :]]
        begins = [start for start, _ in left] + ([] if beside is None else [spans[beside][0] + 4])
        found, free = held.settled(sorted(begins))
        if told is None:
            assert (found, free) == ({}, spans[shown + 1 :])
        else:
            assert free == ([] if beside is None else [spans[beside]])
            further = [line for line in range(shown + 2, 401) if beside is None or line != beside + 1]
            assert found == {spans[told][0]: tuple(further)}
    assert repeats.HeldSpans(lambda: [texts], 1 << 18, always(1000)).hold(data, spans) == spans


@pytest.fixture
def bombs(tmp_path: Path) -> Path:
    """A log of bombs at three times, with a registered token in their midst and other lines that are cut short."""
    lines: list[bytes] = []
    for seconds in TIMES[:3]:
        lines += [f"{at(seconds)} {BOMB}".encode(), *[BOMB.encode()] * 700, BOMB.encode() + b" and more"]
    lines.insert(1500, b"token " + secret_of(3))
    (tmp_path / "events.jsonl").write_bytes(jsonl([
        event(1, "credential.issued", 1, credential_id="other", task_id="t", identifiers=[identifier_of(3)]),
    ]))  # fmt: skip
    path = tmp_path / "bombs.log"
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


@pytest.mark.parametrize("unit", [60_000, 1 << 20])
def test_what_is_not_examined_is_counted_as_if_told_one_by_one(bombs: Path, unit: int) -> None:
    result = run(*bombs.parent.glob("*"), unit=unit)
    assert told(result) == told(alone(bombs, unit=unit))
    (leaked,) = [one for one in result.findings if one.rule == "leaked-credential"]
    assert (leaked.key, leaked.count) == ("other", 1)
    assert [command.reasons for command in result.commands] == [("leaked-credential",)]
    (limited,) = [one for one in result.findings if one.rule == SCAN_LIMITED]
    assert limited.count == result.summary.limited[str(bombs)] > 700
    assert len(limited.evidences) == MAX_EVIDENCES
