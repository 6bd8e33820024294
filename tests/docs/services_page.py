"""Writes docs/services.md: which service is covered by what.

`python -m tests.docs.services_page > docs/services.md`, or `make services`; a test holds the page fresh. The services
are in `docs/services.tsv`, what covers them is read from the patterns.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from detector.patterns.pattern import Pattern, load_bundled
from tests.scan.plain_scan import PlainPattern

ROOT: Final = Path(__file__).parents[2]
SERVICES: Final = ROOT / "docs" / "services.tsv"
PAGE: Final = ROOT / "docs" / "services.md"
LISTS: Final = {"B": "betterleaks", "G": "GitHub", "H": "TruffleHog", "K": "Kingfisher", "L": "gitleaks"}
BY_NAME: Final = "no form of its own"
_HEAD: Final = """\
# Services

Which service's credentials the scanner finds, and by what. `make services` makes this page: do not edit it.

What is registered is found whatever its service and form ([scanner.md](scanner.md)). The services are those that other
scanners list: B betterleaks, G GitHub's supported secret scanning patterns, H TruffleHog, K Kingfisher, L gitleaks.
Their lists gave the names. The forms are the vendors' own, and each pattern's `reference` says where they stand. Where
no document of the vendor says the form, or its length, the comment in the pattern's file says so.

| covered by | what tells a credential | services |
| --- | --- | --- |
| checksum | a checksum or a structure inside it: a made-up one is let go | {checksum} |
| form | a prefix or a structure, wherever it stands | {form} |
| name and form | the vendor's name beside it, and the form behind it | {named} |
| name alone | `SERVICE_API_KEY=` and a value that looks random ([how](scanner.md)) | {alone} |

"Name alone" has a reason where one is known. Elsewhere the vendor gives a key without any form: hexadecimal digits, a
UUID, or letters and digits, as every other does.

## The table

{services} services, {covered} with patterns of their own ({patterns} patterns).

| service | covered by | patterns, or why there is none | listed by |
| --- | --- | --- | --- |
"""


class Service(NamedTuple):
    """A line of `services.tsv`: the families are those of its patterns, `why` is for none.

    `family:pattern` is one pattern of a family that several services share.
    """

    name: str
    lists: str
    families: tuple[str, ...]
    why: str


def services() -> Iterator[Service]:
    """All of them, as the file has them."""
    for line in SERVICES.read_text().splitlines():
        if not line.startswith("#"):
            name, lists, families, why = (line.split("\t") + [""] * 3)[:4]
            yield Service(name, lists, tuple(families.split()), why)


def page() -> str:
    """The whole page."""
    by_family: dict[str, list[Pattern]] = {}
    for pattern in load_bundled():
        by_family.setdefault(pattern.family or "", []).append(pattern)
    every = list(services())
    by_family.update({f"{family}:{one.id}": [one] for family, all_of in by_family.items() for one in all_of})
    shown = {family for service in every for family in service.families}
    kinds = {pattern.id: _kind(pattern) for family in shown for pattern in by_family[family]}
    counts = dict.fromkeys(("checksum", "form", "name and form", "name alone"), 0)
    rows = []
    for service in every:
        patterns = [pattern for family in service.families for pattern in by_family[family]]
        ways = sorted({kinds[pattern.id] for pattern in patterns}) or ["name alone"]
        for way in ways:
            counts[way] += 1
        what = ", ".join(f"`{pattern.id}`" for pattern in patterns) or service.why or BY_NAME
        rows.append(f"| {service.name} | {', '.join(ways)} | {what} | {' '.join(service.lists)} |")
    head = _HEAD.format(
        checksum=counts["checksum"],
        form=counts["form"],
        named=counts["name and form"],
        alone=counts["name alone"],
        services=f"{len(rows):,}",
        covered=f"{len(rows) - counts['name alone']:,}",
        patterns=len(kinds),
    )
    return head + "\n".join(rows) + "\n"


def _kind(pattern: Pattern) -> str:
    """What tells a credential of that pattern."""
    if pattern.proven:
        return "checksum"
    alone = PlainPattern(pattern)
    texts = [text.encode() for text in pattern.examples]
    secrets = [text[start:end] for text in texts for start, end in alone.spans(text)]
    return "form" if secrets and all(map(alone.spans, secrets)) else "name and form"


if __name__ == "__main__":
    sys.stdout.write(page())
