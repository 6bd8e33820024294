"""Pages of a list of records, as these APIs give them: `{"data": [{…}, …], "has_more": …}`."""

from collections.abc import Callable, Iterator

from detector.adapters.adapter import Carrier, Record


def pages_of(name: str, marks: tuple[bytes, ...], looks_like: Callable[[Record], bool]) -> Carrier:
    """The carrier of such pages, if one of the records is what `looks_like` says."""

    def is_page(record: Record) -> bool:
        data = record.get("data")
        return isinstance(data, list) and any(isinstance(one, dict) and looks_like(one) for one in data)

    def records(record: Record, _now: int) -> Iterator[Record]:
        yield from (one for one in record["data"] if isinstance(one, dict))

    return Carrier(name, marks, is_page, records, audit=True)
