"""docs/services.md is what the patterns and docs/services.tsv say, and leaves no family out."""

from detector.patterns.pattern import load_bundled
from tests.docs import services_page

# They belong to no service: kinds of credentials, or places where they stand.
OF_NO_SERVICE = {"unbranded", "command-line", "printed-by-tools", "agent-tools", "hashicorp-acl", "names"}


def test_the_page_is_fresh() -> None:
    assert services_page.PAGE.read_text() == services_page.page(), "run `make services`"


def test_every_family_is_of_a_service() -> None:
    named = {family for service in services_page.services() for family in service.families}
    for pattern in load_bundled():
        assert {pattern.family, f"{pattern.family}:{pattern.id}"} & named or pattern.family in OF_NO_SERVICE


def test_a_service_is_listed_once_and_says_who_lists_it() -> None:
    every = list(services_page.services())
    names = [service.name for service in every]
    assert names == sorted(set(names))
    assert {letter for service in every for letter in service.lists} == set(services_page.LISTS)
    assert all(not service.why for service in every if service.families)
