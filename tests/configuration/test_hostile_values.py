"""A configuration made to hang, fill the memory or crash is told what is wrong with it, at once."""

import time
from pathlib import Path

import pytest

from detector.configuration.settings import PatternSettings, problems
from detector.scan.scanner_loader import load_patterns

KAFKA = '[kafka]\nbootstrap = ["localhost:9092"]\nevent_topics = ["audit"]\n'
HOSTILE = {
    "nested lists": ("a = " + "[" * 100_000, "nested too deep"),
    "nested tables": ("a = " + "{b = " * 5000, "nested too deep"),
    "a key of many parts": (".".join(["a"] * 20_000) + " = 1", "more than 64 parts"),
    "a header of many parts": ("[" + " . ".join(["a"] * 20_000) + "]", "more than 64 parts"),
    "quoted parts": ("x = { " + ".".join(['"a"'] * 20_000) + " = 1 }", "more than 64 parts"),
    "a number of many digits": ("skew = " + "9" * 5000, "too many digits"),
    "a large number": ("skew = " + "9" * 4000, "out of range"),
    "a hexadecimal number": ("lateness = 0x" + "f" * 100_000, "out of range"),
    "a long duration": ('skew = "' + "9" * 4000 + 'd"', "out of range"),
    "a duration of an age": ('skew = "99999999999999999999d"', "out of range"),
    "what looks like a header": ("x = [\n[" + " " * 100_000 + "\n1],\n]", "no such key"),
    "a zero byte": ('key_file = "a\\u0000b"', "a zero byte in its name"),
    "a zero byte in a pattern's path": ('[patterns]\npaths = ["a\\u0000b"]', "no such file or folder"),
    "many unknown keys": ("\n".join(f"key{number} = 1" for number in range(5000)), "no such key"),
    "a long unknown key": ("k" * 100_000 + " = 1", "no such key"),
    "a template of many paths": ("[logs]\ntask_id = '" + "{a}" * 100_000 + "'", "more than 64 braces"),
    "a template of many braces": ("[logs]\ntask_id = '" + "{" * 100_001 + "'", "more than 64 braces"),
    "a regex too large": (
        "[[allow]]\nregex = '(a{1000}){1000}'\nreason = 'r'\nexpiry = 2030-01-01T00:00:00Z",
        "RE2 refuses it",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_told_at_once(name: str, tmp_path: Path) -> None:
    text, says = HOSTILE[name]
    path = tmp_path / "curfewd.toml"
    path.write_text(text)
    begin = time.monotonic()
    errors = problems(str(path), {})
    assert time.monotonic() - begin < 10
    assert says in str(errors[0])
    assert len(str(errors[0])) < 1000


def test_globs_that_would_explode_are_matched_in_linear_time(tmp_path: Path) -> None:
    glob = "*a" * 40 + "b"
    begin = time.monotonic()
    load_patterns(PatternSettings(disable=(glob, "a" * 5000 + "*")))
    path = tmp_path / "curfewd.toml"
    path.write_text(
        f"[[accept]]\ntask = '{glob}'\nreason = 'r'\nexpiry = 2030-01-01T00:00:00Z\n"
        f"{KAFKA}log_topics = ['{'*a' * 40}b']\n"
    )
    assert problems(str(path), {}) == []
    assert time.monotonic() - begin < 10


def test_every_regex_of_a_configuration_is_matched_by_re2(tmp_path: Path) -> None:
    """What RE2 lacks is refused: no other engine is asked."""
    lookahead = "(?=a)a"
    path, own = tmp_path / "curfewd.toml", tmp_path / "own.toml"
    for text in (
        f"[[allow]]\nregex = '{lookahead}'\nreason = 'r'\nexpiry = 2030-01-01T00:00:00Z\n",
        f"[sources.vault]\ncaptures = [{{ path = 'a', regex = '(?P<x>{lookahead})' }}]\n",
    ):
        path.write_text(text)
        assert "RE2 refuses" in str(problems(str(path), {})[0])
    from detector.patterns.pattern import load_file  # noqa: PLC0415 - only here
    from detector.values.errors import ConfigError  # noqa: PLC0415 - only here

    for rule in (
        f'[[rules]]\nid = "own"\nregex = "{lookahead}"\nkeywords = ["own"]\n',
        f'[[rules]]\nid = "own"\nregex = "own"\nkeywords = ["own"]\n[rules.allowlist]\nregexes = ["{lookahead}"]\n',
    ):
        own.write_text(rule)
        with pytest.raises(ConfigError, match="RE2 refuses"):
            load_file(str(own))
