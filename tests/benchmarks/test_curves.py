"""The curves of the service's benchmark show what was measured, each point where its number belongs."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from benchmarks.curves import Panel, drawn
from benchmarks.live_curves import BARE, POINTS, draw
from benchmarks.live_rows import Row, Run

SVG = {"": "http://www.w3.org/2000/svg"}


def parsed(picture: str) -> ET.Element:
    return ET.fromstring(picture)  # noqa: S314 - we drew it


def points(picture: str) -> list[list[tuple[float, float]]]:
    """The places of each line."""
    lines = parsed(picture).findall(".//polyline", SVG)
    return [
        [(float(x), float(y)) for x, y in re.findall(r"(\S+),(\S+)", line.attrib["points"])] for line in lines
    ]


def words(picture: str) -> list[str]:
    return [each.text or "" for each in parsed(picture).findall(".//text", SVG)]


def row(name: str, rate: float) -> Row:
    return Row(name, "", 300.0, (Run(round(rate), wall=1.0, cpu=1.0, broker=0.0),))


def test_a_line_goes_up_by_what_it_shows_and_nothing_stands_a_tenth_before_the_least() -> None:
    [line] = points(drawn([Panel("rate", "%", [0, 1, 10], {"ours": [400, 200, 0]})]))
    across, up = zip(*line, strict=True)
    assert across[1] - across[0] == pytest.approx(across[2] - across[1], abs=0.2)
    assert up[1] - up[0] == pytest.approx(up[2] - up[1], abs=0.2)
    assert up[0] < up[2]


def test_decades_are_as_high_as_each_other() -> None:
    picture = drawn([Panel("rate", "bytes", [1, 10, 100], {"ours": [500, 50, 5]}, decades=True)])
    [line] = points(picture)
    assert line[1][1] - line[0][1] == pytest.approx(line[2][1] - line[1][1], abs=0.2)
    assert {"1", "10", "100", "1,000"} <= {*words(picture)}


def test_an_even_axis_begins_at_zero_and_has_round_numbers_along_it() -> None:
    picture = drawn([Panel("memory", "minutes", [20, 30, 80], {"ours": [100, 200, 100]}, even=True)])
    [line] = points(picture)
    assert (line[2][0] - line[1][0]) == pytest.approx(5 * (line[1][0] - line[0][0]), abs=0.5)
    assert words(picture)[6:11] == ["0", "20", "40", "60", "80"]


def test_round_numbers_stand_beside_a_line_and_the_highest_is_above_it() -> None:
    picture = drawn([Panel("rate", "records", [1, 2], {"a <b>": [662, 330]})])
    assert words(picture)[1:6] == ["0", "200", "400", "600", "800"]
    assert "a <b>" in words(picture)


def test_each_point_of_the_benchmark_is_in_the_panel_that_it_belongs_to(tmp_path: Path) -> None:
    rows = [
        row(f"{name}: {who}", 1000.0 * (number + 1))
        for number, name in enumerate(POINTS)
        for who in ("curfewd", BARE.name)
    ]
    (tmp_path / "live-curves.json").write_bytes(msgspec.json.encode({"rows": rows}))
    draw(tmp_path)
    without_workers = points((tmp_path / "live-curves.svg").read_text())
    assert [len(line) for line in without_workers] == [5, 5, 4, 4, 4, 4, 4, 4]
    workers = [row("1 process", 250_000), row("2 workers", 430_000)]
    (tmp_path / "live-workers.json").write_bytes(msgspec.json.encode({"rows": workers}))
    draw(tmp_path)
    picture = (tmp_path / "live-curves.svg").read_text()
    assert points(picture)[:-1] == without_workers
    assert "workers, on as many cores" in words(picture)
