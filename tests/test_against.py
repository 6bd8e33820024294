"""`curfewd patterns test --against`: what the patterns would do to a log, and never a secret."""

import gzip
from pathlib import Path

import pytest

from detector import cli
from tests.test_cli import run
from tests.test_live_scanning import OTHER

AWS = "AKIAQ3EGRZ7T5LMNB2XV"
REFUSED = OTHER[:-1] + ("a" if OTHER[-1] != "a" else "b")  # its checksum does not hold
LOG = f"""start
token {OTHER} for the deploy
nothing
again {OTHER} once more
key {AWS} and no more
looks like one: {REFUSED}
"""


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CURFEWD_KEY", raising=False)
    Path("app.log").write_text(LOG)


def tried(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    code = cli.main(["patterns", "test", "--against", *arguments])
    captured = capsys.readouterr()
    assert code == 0
    for secret in (OTHER, AWS, REFUSED):
        assert secret not in captured.out + captured.err
    return captured.out


def test_each_pattern_is_counted_with_masked_examples_and_what_its_checks_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tried(capsys, "app.log")
    rows = [line.split() for line in out.splitlines()]
    (github,) = [row for row in rows if row[:1] == ["github-pat-classic"] and len(row) > 1]
    assert github[1] == "2"
    assert float(github[2].replace(",", "")) == pytest.approx(2e9 / len(LOG), rel=0.001)
    assert github[3:] == ["1", "github-crc32"]
    assert "  app.log:2  token ‹github-pat-classic:40› for the deploy\n" in out
    assert "  app.log:4  again ‹github-pat-classic:40› once more\n" in out
    assert "6 records" in out.splitlines()[-1]


def test_the_pattern_that_matches_most_stands_first(capsys: pytest.CaptureFixture[str]) -> None:
    names = [line.split()[0] for line in tried(capsys, "app.log").splitlines() if line[:1].isalpha()]
    assert names[1] == "github-pat-classic"  # after the titles


def test_a_glob_chooses_the_rows_and_every_secret_is_masked_all_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tried(capsys, "app.log", "--pattern", "aws-*")
    assert "github-pat-classic " not in out
    assert f"key ‹aws-access-key-id:{len(AWS)}› and no more" in out


def test_what_the_configuration_allows_is_shown_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    Path("curfewd.toml").write_text(
        '[[allow]]\nregex = "again"\nover = "line"\nreason = "why"\nexpiry = 2999-01-01T00:00:00Z\n'
    )
    rows = [line.split() for line in tried(capsys, "app.log", "--config", "curfewd.toml").splitlines()]
    (github,) = [row for row in rows if row[:2] == ["github-pat-classic", "2"]]
    assert github[3] == "1"


def test_archives_and_standard_input_are_read_as_a_replay_reads_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("app.log.gz").write_bytes(gzip.compress(LOG.encode()))
    assert "app.log.gz:4  again ‹github-pat-classic:40›" in tried(capsys, "app.log.gz")
    code, out, err = run("patterns", "test", "--against", "-", given=LOG.encode(), COLUMNS="120")
    assert (code, OTHER in out + err) == (0, False)
    assert "  -:2  token ‹github-pat-classic:40› for the deploy\n" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["list", "--against", "app.log"], "--against goes with"),
        (["test", "--pattern", "x*"], "--pattern goes with"),
        (["test", "--against", "nowhere.log"], "nowhere.log: no such file"),
    ],
)
def test_bad_usage_is_told(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["patterns", *arguments]) == 2
    assert says in capsys.readouterr().err
