"""The table of the whole way says what was measured."""

from benchmarks.whole_way_bench import HEAD, Row


def test_a_line_has_the_quantiles_of_both_times() -> None:
    row = Row("a token", [float(number) for number in range(1, 101)], [1000.0] * 100)
    assert row.cells() == ["a token", "100", "51 ms", "100 ms", "100 ms", "1000 ms", "1000 ms"]
    assert len(row.cells()) == len(HEAD)
