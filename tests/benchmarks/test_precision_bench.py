"""The benchmark of precision counts what the patterns see, by body of text, and shows no secret."""

from pathlib import Path

from rich.console import Console

from benchmarks.precision_bench import Options, precision, report
from tests.service.scan.test_scan_handler import OTHER


def test_matches_and_refusals_are_counted_by_text_and_pattern(tmp_path: Path) -> None:
    near = OTHER[:-1] + ("a" if OTHER[-1] != "a" else "b")  # its checksum does not hold
    (tmp_path / "leaky").mkdir()
    (tmp_path / "leaky" / "app.log").write_text(f"token {OTHER} for the deploy\nlooks like one: {near}\n")
    (tmp_path / "clean.log").write_text("nothing here\n" * 100)
    texts = {"some logs": str(tmp_path / "leaky"), "others": str(tmp_path / "clean.log")}
    console = Console(width=200, record=True, quiet=True)
    text = report(precision(Options(1, (), texts), console))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    assert ["others", "0", "0", "0.00"] in rows
    assert "no generated text" in text
    assert ["github-pat-classic", "1", "0"] in rows
    assert ["github-pat-classic", "1 github-crc32"] in rows
    assert not any(word in text for word in (OTHER, near, str(tmp_path)))
