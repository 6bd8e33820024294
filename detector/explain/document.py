"""The JSON of `curfewd sources` and `curfewd sources explain`."""

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from detector.adapters.catalog import SourceEntry
from detector.explain.explained import BECAME, ExplainedEvent, ExplainedRecord
from detector.explain.reading import Explained
from detector.values.wording import Clean

VERSION: Final = 1


def catalog_document(catalog: Mapping[str, SourceEntry]) -> str:
    """All sources as JSON."""
    return json.dumps(
        {
            "version": VERSION,
            "sources": [
                {
                    "name": name,
                    "title": entry.title,
                    "gives": entry.gives,
                    "task": entry.task,
                    "enable": entry.enable,
                    "page": f"docs/sources/{entry.page}",
                }
                for name, entry in catalog.items()
            ],
        },
        indent=2,
    )


def document(made: Explained, clean: Clean) -> str:
    """What became of records, as JSON: the same for the same files. `clean` masks what is beside an event's fields."""
    tally = made.tally
    return json.dumps(
        {
            "version": VERSION,
            "records": [_record(each, clean) for each in made.records],
            "summary": {
                "records": tally.records,
                "became": {name: tally.became[name] for name in BECAME if tally.became[name]},
                "formats": _nested(tally.formats),
                "joined": dict(sorted(tally.joined.items())),
                "unjoined": tally.unjoined,
                "reasons": [
                    {
                        "format": reason.format,
                        "reason": reason.kind,
                        "why": clean(reason.why),
                        "count": count,
                        "first": msgspec.to_builtins(tally.examples[reason]),
                    }
                    for reason, count in tally.reasons.most_common()
                ],
                "unread": [{"source": each.source, "why": each.detail} for each in made.letters],
            },
        },
        indent=2,
    )


def _nested(counts: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    made: dict[str, dict[str, int]] = {}
    for (format_name, became), count in sorted(counts.items()):
        made.setdefault(format_name, {})[became] = count
    return made


def _record(record: ExplainedRecord, clean: Clean) -> dict[str, Any]:
    found: dict[str, Any] = {
        "source": record.source,
        "line": record.line,
        "count": record.count,
        "format": record.format,
        "became": record.became,
        "reason": record.reason,
        "why": clean(record.why),
        "events": [_event(event, clean) for event in record.events],
    }
    return {name: value for name, value in found.items() if value not in ("", None, [])}


def _event(event: ExplainedEvent, clean: Clean) -> dict[str, Any]:
    found = {
        "type": event.type,
        "task": event.task,
        "credential": event.credential,
        "by": event.by,
        "reason": event.reason or None,
        "why": clean(event.why) or None,
        "tried": event.tried or None,
    }
    return {name: value for name, value in found.items() if value is not None}
