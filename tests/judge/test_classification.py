"""Every rule stands somewhere in each of the six taxonomies, under ids of the right form."""

import re

import pytest

from detector.judge.rules.catalog import RULES

FORMS = {
    "owasp_nhi_2025": r"NHI(10|[1-9]):2025",
    "owasp_agentic_2026": r"ASI(0[1-9]|10)",
    "mitre_atlas": r"AML\.T\d{4}(\.\d{3})?",
    "maestro": r"L[1-7]",
    "nist_ai_rmf": r"(GOVERN|MAP|MEASURE|MANAGE) \d\.\d+",
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_in_every_taxonomy(rule: str) -> None:
    taxonomies = RULES[rule].classification.taxonomies()
    assert taxonomies.keys() == FORMS.keys()
    for name, places in taxonomies.items():
        assert places
        assert all(re.fullmatch(FORMS[name], place["id"]) and place["name"] for place in places)


@pytest.mark.parametrize("rule", RULES)
def test_attacks_are_of_attack_and_atlas_each_with_its_version(rule: str) -> None:
    attacks = RULES[rule].classification.attacks()
    for attack in attacks:
        atlas = attack["technique"]["uid"].startswith("AML.")
        assert attack["tactic"]["uid"].startswith("AML.TA" if atlas else "TA")
        assert attack["version"] == ("5.6.0" if atlas else "18.1")
        if "sub_technique" in attack:
            assert attack["sub_technique"]["uid"].startswith(attack["technique"]["uid"] + ".")
    assert {attack["version"] for attack in attacks} == {"18.1", "5.6.0"}
