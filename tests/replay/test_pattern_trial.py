"""`curfewd patterns test --against`: what the patterns would do to a log, and never a secret."""

import gzip
from pathlib import Path

import pytest

from detector import cli
from tests.replay.test_cli import run
from tests.service.scan.test_scan_handler import OTHER

AWS = "ui2cn0k6Kx25LuD3FDU5WRwBZb/N+GYq8Z05K1I0"
REFUSED = OTHER[:-1] + ("a" if OTHER[-1] != "a" else "b")  # its checksum does not hold
LOG = f"""start
token {OTHER} for the deploy
nothing
again {OTHER} once more
aws_secret_key={AWS} and no more
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
    assert github[1:] == ["2", "1", "1", "github-crc32"]  # of so little text no rate is told
    assert "  app.log:2  token ‹github-pat-classic:40› for the deploy\n" in out
    assert "  app.log:4  again ‹github-pat-classic:40› once more\n" in out
    assert "6 records" in out.splitlines()[-1]


def test_each_part_begins_after_an_empty_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("named.log").write_text(LOG + "HARBOR_TOKEN=4c8e1f0b9a7d2e6385f1c0b9d4e7a2f6\n")
    lines = tried(capsys, "named.log").splitlines()
    assert "\\n" not in "".join(lines)
    assert all(not lines[at - 1] for at in (lines.index("github-pat-classic"), lines.index("named-secret")))
    assert lines[-2] == ""


def test_the_pattern_that_matches_most_stands_first(capsys: pytest.CaptureFixture[str]) -> None:
    names = [line.split()[0] for line in tried(capsys, "app.log").splitlines() if line[:1].isalpha()]
    assert names[1] == "github-pat-classic"  # after the titles


def test_a_glob_chooses_the_rows_and_every_secret_is_masked_all_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tried(capsys, "app.log", "--pattern", "aws-*")
    assert "github-pat-classic " not in out
    assert f"aws_secret_key=‹aws-secret-access-key:{len(AWS)}› and no more" in out


def test_what_the_configuration_allows_is_shown_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    Path("curfewd.toml").write_text(
        '[[allow]]\nregex = "again"\ntarget = "line"\nreason = "why"\nexpiry = 2999-01-01T00:00:00Z\n'
    )
    rows = [line.split() for line in tried(capsys, "app.log", "--config", "curfewd.toml").splitlines()]
    (github,) = [row for row in rows if row[:2] == ["github-pat-classic", "2"]]
    assert github[3] == "1"
    assert [row[0] for row in rows if row[-1:] == ["allowed"] and row[0] != "pattern"] == ["app.log:4"]


def test_a_rate_is_told_of_a_log_that_has_a_megabyte(capsys: pytest.CaptureFixture[str]) -> None:
    Path("long.log").write_text(LOG + "nothing here at all\n" * 100_000)
    rows = [line.split() for line in tried(capsys, "long.log").splitlines()]
    (github,) = [row for row in rows if row[:2] == ["github-pat-classic", "2"]]
    assert float(github[3]) == pytest.approx(2e9 / (len(LOG) + 2_000_000), abs=0.1)


def test_examples_are_of_as_many_secrets_as_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    others = [AWS[:-4] + end for end in ("B2XW", "C2XV", "D2XV")]
    lines = [f"line {number} aws_secret_key={AWS}" for number in range(5)] + [
        f"aws_secret_key={other} is last of {other[-4:]}" for other in others
    ]
    Path("keys.log").write_text("\n".join(lines))
    out = tried(capsys, "keys.log")
    assert [line.split()[0] for line in out.splitlines() if "‹" in line] == [
        "keys.log:1",
        "keys.log:6",
        "keys.log:7",
    ]


def test_with_a_key_an_example_has_the_fingerprint_that_an_entry_names(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURFEWD_KEY", "11" * 16)
    shown = next(line.split()[-1] for line in tried(capsys, "app.log").splitlines() if "‹github" in line)
    Path("curfewd.toml").write_text(
        f'[[allow]]\nfingerprint = "{shown}"\nreason = "why"\nexpiry = 2999-01-01T00:00:00Z\n'
    )
    rows = [line.split() for line in tried(capsys, "app.log", "--config", "curfewd.toml").splitlines()]
    assert [row[3] for row in rows if row[:2] == ["github-pat-classic", "2"]] == ["2"]


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
        (
            ["test", "--against", "app.log", "--pattern", "no-such*"],
            "--pattern no-such*: no pattern has such an id",
        ),
        (["test", "--against", "nowhere.log"], "nowhere.log: no such file"),
    ],
)
def test_bad_usage_is_told(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["patterns", *arguments]) == 2
    assert says in capsys.readouterr().err
