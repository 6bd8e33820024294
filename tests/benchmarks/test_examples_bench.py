"""Examples of other scanners' rules are read, judged, and counted by why they are not found."""

from pathlib import Path

from benchmarks.examples_bench import MADE_UP, NAME_ONLY, OTHER, examples, judge
from tests.bundled import bundled_scanner

TOKEN = "glsa_qV8dT2xWm5RkZ7cN4jHs9LpYb3FgUe6A_c3e5e0b2"  # its checksum does not hold
KAFKA = "dnkey-TQ4KZ7MWX2NJHV5RPLYC3BDEFG-K7QWX2MZ5TNRHVJ4PLYC3BDSFGA6EUOI2K7QWX2MZ5TNRHVJ4PLY"


def test_yaml_and_go_are_read_and_each_miss_has_its_reason(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(
        f"rules:\n  - id: one\n    examples:\n      - DN={KAFKA}\n      - {TOKEN}\n"
        "  - id: two\n    examples: ['qwerbank d7f1a9c04be83f52ac61', 'qwerbank xxxxxxxxxxxxxxxxxxxx', 'qwerbank Kq!7t']\n"
    )
    (tmp_path / "b.go").write_text(
        f'func B() {{\n\ttps := []string{{\n\t\t"DN=\\"{KAFKA}\\"",\n\t\t`{KAFKA}`, // as is\n\t}}\n}}\n'
    )
    read = list(examples(tmp_path))
    assert [rule for rule, _ in read] == ["one", "one", "two", "two", "two", "b", "b"]
    assert read[5][1] == f'DN="{KAFKA}"'.encode()
    made = judge(iter(read), bundled_scanner())
    assert (made.examples, made.found) == (7, 3)
    assert made.missed == {MADE_UP: 2, NAME_ONLY: 1, OTHER: 1}
    assert made.rules == ["two"]
