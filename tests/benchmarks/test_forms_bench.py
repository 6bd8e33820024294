"""The benchmark of all forms against none: the one finds what the other does not, and both read the same text."""

from pathlib import Path

from benchmarks.forms_bench import Options, Row, asked, finders, texts
from detector.scan.leaks import Batch, RecordAt
from detector.values.forms import FORMS


def _anywhere(offset: int) -> RecordAt:
    return RecordAt(0, offset + 1, "0")


def test_with_no_forms_only_what_stands_in_clear_is_found() -> None:
    every, none, *without = finders(1)
    token = b"glpat-" + b"Zb81kQx5Tq9LmN2wR7vH"
    escaped = b"".join(b"\\u%04x" % byte for byte in token)

    for finder, found in ((every, 1), (none, 0)):
        assert len(finder.find(Batch("test", b"token: " + token, _anywhere))) == 1
        assert len(finder.find(Batch("test", b"token: " + escaped, _anywhere))) == found
    assert [len(finder.find(Batch("test", b"token: " + escaped, _anywhere))) for finder in without] == [
        form != "escapes" for form in FORMS
    ]


def test_other_texts_are_read_as_far_as_is_asked_for(tmp_path: Path) -> None:
    for name in ("a.log", "b.log"):
        (tmp_path / name).write_bytes(b"one line like another\n" * 10_000)

    (_, generated), (name, parts) = texts(Options(size=0.1, texts={"mine": str(tmp_path)}))

    assert name == "mine"
    assert 90_000 < sum(map(len, parts)) <= 100_001
    assert 0 < sum(map(len, generated)) <= 100_000
    assert asked(parts) == {}


def test_the_ratio_says_what_all_forms_cost() -> None:
    assert Row("text", 0, 100, search=0.5, all_forms=3.0, no_forms=2.0, without={}).ratio == 1.5
