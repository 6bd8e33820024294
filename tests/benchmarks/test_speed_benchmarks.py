"""The benchmarks of speed measure what they say: many patterns are as many, hostile text looks as it should."""

from benchmarks import compare, leaks_bench
from benchmarks.cost_bench import Cost, Costs, Options, many_patterns, report
from benchmarks.hostile_bench import Hostile, Slow, of_look_alikes, report_horrors, report_look_alikes
from benchmarks.hostile_bench import Options as Hostility
from benchmarks.hostile_text import look_alikes
from detector.scan.scanner import PatternScanner
from tests.bundled import bundled_patterns

SIZE = 4 << 10


def test_more_patterns_than_there_are_look_for_something_else_each() -> None:
    bundled = bundled_patterns()
    made = many_patterns(bundled, 600)
    assert made[: len(bundled)] == list(bundled)
    assert len(made) == len({one.id for one in made}) == 600
    assert not {one.regex for one in made[len(bundled) :]} & {one.regex for one in bundled if one.regex}


def test_look_alikes_are_found_or_not_as_their_kind_says() -> None:
    pattern = next(one for one in bundled_patterns() if one.id == "npm-access-token")
    scanner = PatternScanner([pattern])
    found = {kind: len(scanner.scan(text)) for kind, text in look_alikes(pattern, SIZE, 7)}
    assert found.pop("the same") > 50
    assert set(found.values()) == {0}  # of others the checksum is wrong


def test_the_reports_show_the_slowest_first() -> None:
    made = list(of_look_alikes(Hostility(look_alikes=SIZE, only="npm-access-token")))
    assert {one.kind for one in made} >= {"the same", "placeholders"}
    assert report_look_alikes(Hostile(compare.machine(), Hostility(), made)).count("npm-access-token") >= len(
        made
    )
    slow = [Slow("quick", "", 90, 0, 1), Slow("slow", "", 3, 7, 10_000_000)]
    text = report_horrors(Hostile(compare.machine(), Hostility(), slow))
    assert text.index("| slow | 3.0 | 7 | 10 |") < text.index("| quick | 90.0 | 0 | 0 |")


def test_costs_are_told_in_tables() -> None:
    costs = [Cost("patterns", 60, 500, 200, 1.5), Cost("bytes a line", 10_000, 700, 90, 0)]
    text = report(Costs(compare.machine(), Options(), costs))
    assert "| 60 | 500 | 200 | 1.5 |" in text
    assert "| 10,000 | 700 | 90 |  |" in text


def test_a_leak_costs_what_a_record_with_one_takes_longer() -> None:
    clean = leaks_bench.Cost(0.0, 1000, 0, {"scan": 0.005, "route": 0.0, "judge": 0.0})
    leaking = leaks_bench.Cost(0.01, 1000, 10, {"scan": 0.006, "route": 0.0001, "judge": 0.002})
    text = leaks_bench.report([clean, leaking], compare.machine(), 1)
    assert "| 0.0% | 0 | 200,000 | 5.00 | 0.00 | 0.00 |  |  |  |  |" in text
    assert "| 1.0% | 10 | 123,457 | 6.00 | 0.10 | 2.00 | 100 | 10 | 200 | 310 |" in text
