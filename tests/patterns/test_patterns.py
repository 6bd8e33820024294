"""Patterns load from files, what is wrong with one is said with file and line, and their evidence is run."""

import base64
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from detector.patterns import prefilter
from detector.patterns.pattern import Pattern, distinct, load_file, public_identifiers
from detector.replay import pattern_commands
from detector.scan.pattern_examples import check_examples
from detector.scan.scanner import PatternScanner
from detector.values.errors import ConfigError
from detector.values.events import Identifier
from detector.values.findings import Severity
from detector.values.secrets import Secret
from tests.bundled import bundled_patterns

GOOD = """family = "acme"

[[pattern]]
id = "acme-key"
name = "Acme key"
regex = \'\'\'\\b(?P<secret>acme_[A-Za-z0-9]{12})\\b\'\'\'
keywords = ["ACME_"]
checks = [{ kind = "min-entropy", bits = 2.0 }]
severity = "critical"
examples = ["key acme_7h3K9q2M5x8Z ok"]
near_misses = ["acme_aaaaaaaaaaaa", "acme_7h3K9q2M5x8Z9"]
"""


def written(folder: Path, text: str) -> str:
    path = folder / "acme.toml"
    path.write_text(text)
    return str(path)


def test_a_file_gives_its_patterns_with_where_they_stand(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    (pattern,) = load_file(path)
    assert (pattern.id, pattern.family, pattern.keywords) == ("acme-key", "acme", ("acme_",))
    assert pattern.severity is Severity.CRITICAL
    assert (pattern.path, pattern.line) == (path, 3)
    assert check_examples([pattern]) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("(?P<secret>", "(?:", 6, "pattern `acme-key`: regex: needs exactly one named group `secret`"),
        ("(?P<secret>", "(?P<secret>(?P<secret>x)", 6, "regex: needs exactly one named group `secret`"),
        ("[A-Za", "[Z-Aa", 6, "RE2 refuses it: invalid character class range: Z-A"),
        ("{12}", "{12}(?=x)", 6, "RE2 refuses it: invalid perl operator: (?="),
        ("acme_[", "acmé_[", 6, "regex: not ASCII"),
        ('["ACME_"]', "[]", 7, "`keywords` is empty: a part of `acme_` would do"),
        ('["ACME_"]', '[""]', 7, "a keyword is empty or not ASCII"),
        ('["ACME_"]', "3", 7, "Expected `array`, got `int` (`keywords`)"),
        ("bits = 2.0", "bit = 2.0", 8, "check `min-entropy`: it contains unknown field `bit`"),
        ("min-entropy", "max-entropy", 8, "no check is called 'max-entropy'"),
        ("[{ kind", "{ kind", None, None),
        ("checks = [{ kind", "checks = [3, { kind", 8, "`checks` is a list of tables"),
        ('"critical"', '"fatal"', 9, "`severity` is one of low, medium, high, critical"),
        ('severity = "critical"', "", 3, "`severity` is one of low, medium, high, critical"),
        ('"acme-key"', '"Acme Key"', 4, "`id` is lower-case letters, digits and hyphens"),
        ('id = "acme-key"', "", 3, "missing required field `id`"),
        ('"Acme key"', '""', 5, "`name` is empty"),
        ("severity =", "colour = 1\nseverity =", None, "unknown key `colour`"),
        ("severity =", 'path = "x"\nseverity =', 9, "unknown key `path`"),
        ('family = "acme"', 'family = "acme"\nfamilies = 1', 2, "unknown key `families`"),
        ('family = "acme"', "family = 3", 1, "`family` must be text"),
        ("[[pattern]]", "[[patterns]]", None, "unknown key `patterns`"),
        ("severity =", "multiline = true\nkeywords = []\nseverity =", None, None),
    ],
)
def test_a_bad_pattern_is_refused_with_file_line_and_reason(
    tmp_path: Path, old: str, new: str, line: int | None, reason: str | None
) -> None:
    assert old in GOOD
    path = written(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ConfigError) as error:
        load_file(path)
    assert error.value.path == path
    if line is not None:
        assert error.value.line == line
    assert reason is None or reason in error.value.reason


def test_two_patterns_of_one_id_are_refused_naming_both_places(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD + GOOD.partition("\n")[2])
    with pytest.raises(
        ConfigError, match=r"acme.toml:13: pattern `acme-key`: the id is taken by .*acme.toml:3"
    ):
        load_file(path)


def test_a_file_of_no_patterns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no `\[\[pattern\]\]` and no `\[\[rules\]\]`"):
        load_file(written(tmp_path, 'family = "x"\n'))
    with pytest.raises(ConfigError, match="cannot be read"):
        load_file(str(tmp_path / "none.toml"))


def test_evidence_that_does_not_hold_is_named_with_its_reason(tmp_path: Path) -> None:
    text = (
        GOOD.replace(
            "key acme_7h3K9q2M5x8Z ok", 'acme_xxxx3K9q2M5x", "acme-7h3K9q2M5x8Z", "acme_abababababab'
        )
        .replace('"acme_aaaaaaaaaaaa"', '"an acme_7h3K9q2M5x8Z"')
        .replace("bits = 2.0", "bits = 3.0")
    )
    path = written(tmp_path, text)
    messages = [str(failure) for failure in check_examples(load_file(path))]
    assert messages == [
        f"{path}:3: pattern `acme-key`: example 1: not found: the check `not-placeholder` refuses it",
        f"{path}:3: pattern `acme-key`: example 2: not found: the regex does not match",
        f"{path}:3: pattern `acme-key`: example 3: not found: the check `min-entropy` refuses it",
        f"{path}:3: pattern `acme-key`: near miss 1: found, and must not be",
    ]


def test_an_example_that_another_pattern_takes_fails(tmp_path: Path) -> None:
    wide = Pattern(
        id="wide", name="Wide", regex=r"key (?P<secret>\S+ ok)", severity=Severity.LOW, keywords=("key",)
    )
    (failure,) = check_examples([*load_file(written(tmp_path, GOOD)), wide])
    assert (failure.pattern.id, failure.kind, failure.number) == ("acme-key", "example", 1)
    assert failure.reason == "found, but `wide` wins over it"


def printed(patterns: tuple[Pattern, ...]) -> tuple[str, bool]:
    console = Console(file=io.StringIO(), width=200, color_system=None, force_terminal=True)
    pattern_commands.list_patterns(patterns, console)
    good = pattern_commands.test_patterns(patterns, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue(), good


def test_the_commands_list_the_patterns_and_say_what_fails(tmp_path: Path) -> None:
    text, good = printed(load_file(written(tmp_path, GOOD)))
    assert good
    assert "acme-key  acme    Acme key  critical  acme_" in text
    assert "1 patterns, 1 examples, 2 near misses: all pass" in text
    text, good = printed(load_file(written(tmp_path, GOOD.replace("key acme_", "key acme-"))))
    assert not good
    assert "example 1: not found" in text
    assert "1 failed" in text


def token(claims: object) -> Secret:
    parts = ({"alg": "RS256"}, claims)
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts]
    return Secret(b".".join([*encoded, b"c2ln" * 64]))


def identified(scheme: str | None) -> Pattern:
    return Pattern(id="x", name="x", regex="", severity=Severity.HIGH, identifier=scheme)


def test_public_identifiers_are_read_from_the_secret() -> None:
    aws, jwt = identified("aws-access-key-id"), identified("jwt-id")
    assert public_identifiers(aws, Secret(b"AKIAY34FZKBOKMUTVV7A")) == (
        Identifier("aws-access-key-id", "AKIAY34FZKBOKMUTVV7A"),
    )
    assert public_identifiers(jwt, token({"jti": "9fa8-77"})) == (
        Identifier("jwt-id", "9fa8-77"),
        Identifier("jwt-id", "JTI=9fa8-77"),
    )
    assert public_identifiers(jwt, token({"jti": 7})) == ()
    assert public_identifiers(jwt, token({})) == ()
    assert public_identifiers(jwt, Secret(b"a.b.c")) == ()
    assert public_identifiers(identified(None), Secret(b"AKIA")) == ()


def test_distinct_keeps_the_order() -> None:
    patterns = [Pattern(id=name, name=name, regex="", severity=Severity.LOW) for name in "bac"]
    assert [pattern.id for pattern in distinct(patterns)] == ["b", "a", "c"]


def test_hyperscan_takes_each_bundled_expression_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that it refuses has all of them compiled one by one, which takes ten seconds more at the first start."""

    def refuse(expression: prefilter.Expression) -> tuple[bytes, int]:
        raise AssertionError(expression.regex)

    monkeypatch.setattr(prefilter, "_accepted", refuse)
    PatternScanner(bundled_patterns())
