"""Pages of a list of records, as APIs give them: `{"data": [{…}, …], "has_more": …}`."""

from collections.abc import Callable, Iterator

from detector.adapters.adapter import Carrier, Record


def pages_of(
    name: str, marks: tuple[bytes, ...], looks_like: Callable[[Record], bool], field: str = "data"
) -> Carrier:
    """The carrier of pages with the records in `field`, if one of them is what `looks_like` says."""

    def is_page(record: Record) -> bool:
        held = record.get(field)
        return isinstance(held, list) and any(isinstance(one, dict) and looks_like(one) for one in held)

    def records(record: Record, _now: int) -> Iterator[Record]:
        yield from (one for one in record[field] if isinstance(one, dict))

    return Carrier(name, marks, is_page, records, audit=True)
