"""The benchmark of precision counts what the patterns see, by body of text, and shows no secret."""

from pathlib import Path

from rich.console import Console

from benchmarks.precision_bench import Options, precision, report
from tests.service.scan.test_scan_handler import OTHER


def test_matches_and_refusals_are_counted_by_text_and_pattern(tmp_path: Path) -> None:
    near = OTHER[:-1] + ("a" if OTHER[-1] != "a" else "b")  # its checksum does not hold
    (tmp_path / "leaky").mkdir()
    text = f"token {OTHER} for the deploy\nlooks like one: {near}\n" + "clean\n" * 1_000
    (tmp_path / "leaky" / "app.log").write_text(text * 2)
    (tmp_path / "clean.log").write_text("nothing here\n" * 100)
    texts = {"some logs": str(tmp_path / "leaky"), "others": str(tmp_path / "clean.log")}
    console = Console(width=200, record=True, quiet=True)
    made = report(precision(Options(1, (), texts), console))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in made.splitlines()]
    assert ["others", "0", "0", "0.00"] in rows
    assert "no generated text" in made
    assert ["github-pat-classic", f"2 (1; {1e9 / len(text):,.0f})", "0"] in rows
    assert ["github-pat-classic", "1 github-crc32"] in rows
    assert not any(word in made for word in (OTHER, near, str(tmp_path)))
