"""Lists of records, as APIs give and take them: `{"data": [{…}, …], "has_more": …}`, `{"batch": [{…}, …]}`."""

from collections.abc import Callable, Iterator

from detector.adapters.adapter import Carrier, Record


def pages_of(
    name: str, marks: tuple[bytes, ...], looks_like: Callable[[Record], bool], *fields: str
) -> Carrier:
    """The carrier of pages with records in `fields` (`data` by default), if one of them is what `looks_like` says."""

    def records(record: Record, _now: int = 0) -> Iterator[Record]:
        for field in fields or ("data",):
            held = record.get(field)
            yield from (one for one in (held if isinstance(held, list) else ()) if isinstance(one, dict))

    return Carrier(name, marks, lambda record: any(map(looks_like, records(record))), records, audit=True)
