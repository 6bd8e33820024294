"""gitleaks-style files: what they say is honoured, or refused with the line; nothing is dropped in silence."""

from pathlib import Path

import pytest

from detector.patterns.literals import (
    capture_groups,
    leading_part,
    longest_literal,
    without_layout,
    without_lookarounds,
)
from detector.patterns.pattern import load_file
from detector.scan.scanner import PatternScanner
from detector.values.errors import ConfigError

FILE = """title = "ours"

[allowlist]
description = "everywhere"
paths = ["vendor/"]
regexes = ["^tok-allowed"]

[[rules]]
id = "Acme_Token"
description = "Acme token"
regex = \'\'\'(?i)\\b(acme)[ =:]{1,3}(tok-[a-z0-9]{8,20})\\b\'\'\'
secretGroup = 2
entropy = 2.5
keywords = ["Acme"]
tags = ["a"]

[[rules.allowlists]]
regexTarget = "line"
regexes = ["dry.?run"]
stopwords = ["fixture"]

[[rules.allowlists]]
condition = "AND"
regexes = ["^tok-9"]
stopwords = ["zz"]

[[rules]]
id = "whole"
regex = \'\'\'whole-[0-9a-f]{8}\'\'\'
path = "\\\\.env$"

[[rules]]
id = "first-group"
regex = \'\'\'one=([a-z]{6});(two)?\'\'\'
keywords = ["one="]
"""


def found(path: Path, line: bytes) -> list[tuple[str, bytes]]:
    matches = PatternScanner(load_file(str(path))).scan(line)
    return [(match.pattern.id, match.secret.reveal()) for match in matches]


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "gitleaks.toml"
    path.write_text(FILE)
    return path


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"ACME: tok-7h3k9q2m5", [("Acme_Token", b"tok-7h3k9q2m5")]),
        (b"zacme: tok-7h3k9q2m5", []),
        (b"acme: tok-aaaaaaaab", []),  # entropy
        (b"acme: tok-allowed7h3k", []),  # the file's allowlist
        (b"dry-run acme: tok-7h3k9q2m5", []),  # the rule's, on the line
        (b"acme: tok-7h3fixture9", []),  # a stop word
        (b"acme: tok-9h3k7q2zz", []),  # both conditions
        (b"acme: tok-9h3k7q2m5", [("Acme_Token", b"tok-9h3k7q2m5")]),  # one of two
        (b"x whole-7f3a9c01", [("whole", b"whole-7f3a9c01")]),
        (b"one=kqzmvt;two", [("first-group", b"kqzmvt")]),
    ],
)
def test_rules_find_and_allow_as_gitleaks_does(
    rules: Path, line: bytes, expected: list[tuple[str, bytes]]
) -> None:
    assert found(rules, line) == expected


def test_what_has_no_meaning_for_logs_is_told_with_its_line(rules: Path) -> None:
    told: list[ConfigError] = []
    load_file(str(rules), told.append)
    assert [(error.line, error.reason.partition(" ")[0]) for error in told] == [
        (5, "`paths`"),
        (30, "`path`"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("secretGroup = 2", "secretGroup = 3", 12, "`secretGroup` is not a group of the regex"),
        ("entropy = 2.5", "entropy = 9", 8, "at most 8"),
        ("tags =", "validate = true\ntags =", 15, "`validate` of a rule is not supported"),
        ("tags =", "skipReport = true\ntags =", 15, "`skipReport` is not supported"),
        ('condition = "AND"', 'condition = "XOR"', 23, "`condition` is"),
        ('regexTarget = "line"', 'regexTarget = "file"', 18, "`regexTarget` is"),
        ('stopwords = ["zz"]', 'files = ["zz"]', 25, "`files` of an allowlist is not supported"),
        ('regexes = ["dry', 'regexes = ["(?=dry', 8, "RE2 refuses one of `regexes`"),
        ("[allowlist]", "[extend]\nuseDefault = true\n[allowlist]", 3, "`extend` is not supported"),
        ('title = "ours"', 'titel = "ours"', 1, "unknown key `titel`"),
        ("whole-[0-9a-f]{8}", "whole-(?!x)", 29, "RE2 refuses it"),
        ('id = "whole"', 'id = "Acme_Token"', 27, "the id is taken by"),
    ],
)
def test_a_bad_rule_is_refused_with_line_and_reason(
    rules: Path, old: str, new: str, line: int, reason: str
) -> None:
    assert old in FILE
    rules.write_text(FILE.replace(old, new, 1))
    with pytest.raises(ConfigError) as error:
        load_file(str(rules))
    assert (error.value.path, error.value.line) == (str(rules), line)
    assert reason in error.value.reason


def test_a_rule_of_file_names_alone_is_left_aside_and_told(rules: Path) -> None:
    rules.write_text('[[rules]]\nid = "keys"\npath = "id_rsa"\n' + FILE[FILE.index("[[rules]]") :])
    told: list[ConfigError] = []
    assert [pattern.id for pattern in load_file(str(rules), told.append)] == [
        "Acme_Token",
        "whole",
        "first-group",
    ]
    assert "looks at file names" in told[0].reason
    assert told[0].line == 1
    rules.write_text('[[rules]]\nid = "keys"\n')
    with pytest.raises(ConfigError, match="`regex` is missing"):
        load_file(str(rules))


@pytest.mark.parametrize(
    ("regex", "groups", "literal"),
    [
        (r"(a)(?:b)(?P<n>c)(?<m>d)(?i:e)", ["(a)", "(?P<n>c)", "(?<m>d)"], "a"),
        (r"[(](x)[]()](y)[^])](z)", ["(x)", "(y)", "(z)"], "x"),
        (r"\((a)\\(b)[[:alpha:](](c)", ["(a)", "(b)", "(c)"], "("),
        (r"(?i)ghp_x?[a-z]{3,4}token\.v1", [], "token.v1"),
        (r"", [], ""),
    ],
)
def test_groups_and_literals_are_read_from_a_regex(regex: str, groups: list[str], literal: str) -> None:
    assert [
        regex[at : at + len(text)] for at, text in zip(capture_groups(regex), groups, strict=True)
    ] == groups
    assert longest_literal(regex) == literal


def test_lookarounds_and_layout_are_taken_out() -> None:
    assert without_lookarounds(r"(?:(?<=\W)|(?<=^))a(?!(b|[)]))c(?=d)(e)") == r"(?:|)ac(e)"
    assert without_layout("a b  # (c\n [ #]\\ (?: d )") == r"ab[ #]\ (?:d)"


@pytest.mark.parametrize(
    ("regex", "part"),
    [
        (r"key=([a-z]{20,500})(?:;|$)", r"key=([a-z]{20})"),
        (r"(?i)\b(?P<secret>(?:a|b)_[\w-]{12,}={0,2})\b", r"(?i)\b(?P<secret>(?:a|b)_[\w-]{12})"),
        (r"(?i:x[\])(]{9,40}?y)z", r"(?i:x[\])(]{9})"),
        (r"a[b]{20,500}|c", r"a[b]{20,500}|c"),  # alternatives
        (r"(?:x[b]{20,500}|c)d", r"(?:x[b]{20,500}|c)d"),
        (r"(?:x[b]{20,500})?d", r"(?:x[b]{20,500})?d"),  # may be left out
        (r"(?:x[b]{20,500}){2}d", r"(?:x[b]{20,500}){2}d"),
        (r"(?:xb){20,500}d", r"(?:xb){20,500}d"),  # a group repeated
        (r"x[b]{2,500}d", r"x[b]{2,500}d"),  # too short to look for
        (r"x[b]{20,24}d{40}", r"x[b]{20,24}d{40}"),
        (r"\Qx{20,500}\E", r"\Qx{20,500}\E"),
        (r"x\{20,500}b[{]{20,500}", r"x\{20,500}b[{]{20}"),
        (r"((a)", r"((a)"),
    ],
)
def test_the_leading_part_of_a_regex_is_what_every_match_goes_through(regex: str, part: str) -> None:
    assert leading_part(regex) == part
