"""docs/rules.md lists the rules that there are, with the defaults that they have."""

import re
from pathlib import Path

from detector.judge.rules.catalog import RULES
from detector.judge.rules.rule import Rule

PAGE = Path(__file__).parents[2] / "docs" / "rules.md"
_ROW = re.compile(r"^\| `([a-z-]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def labels(rule: Rule) -> list[str]:
    """The severities that a row names."""
    return [one.label for one in (rule.severity, rule.denied) if one is not None] or ["pattern"]


def test_the_page_lists_each_rule_with_its_defaults() -> None:
    rows = {rule: (severity, asks) for rule, _, severity, asks in _ROW.findall(PAGE.read_text())}
    assert list(rows) == list(RULES)
    for name, rule in RULES.items():
        severity, asks = rows[name]
        assert re.findall(r"low|medium|high|critical|pattern", severity) == labels(rule), name
        assert (asks != "no") == rule.revoke, name
