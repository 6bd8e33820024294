"""Which sources and carriers an object may be of, told by the names of its fields.

An object has to be shown to some sixty sources and carriers, and most records of an input have the same names. Nearly
every source turns such an object away for a name that is missing. Then it turns away all objects with these names, and
need not be asked again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

from detector.adapters.adapter import Adapter, Carrier
from detector.adapters.bundled import ADAPTERS, CARRIERS

_MOST_SHAPES: Final = 512
_MOST_NAMES: Final = 64  # of an object; one with more is shown to all
_SEEN_ONCE: Final = 4096
# What a plug-in does with an object is not known: it is always asked.
_BUNDLED: Final = frozenset(id(each) for each in (*ADAPTERS, *CARRIERS))

_A = TypeVar("_A", Adapter, Carrier)


def is_bundled(source: Adapter | Carrier) -> bool:
    """Whether a source or carrier is one of ours."""
    return id(source) in _BUNDLED


class RecordShapes(Generic[_A]):
    """Remembers, by the names of an object, which of `sources` have to be asked about it."""

    def __init__(self, sources: Sequence[_A]) -> None:
        self._sources: tuple[_A, ...] = tuple(sources)
        self._known: dict[tuple[str, ...], tuple[_A, ...]] = {}
        self._seen: set[int] = set()  # hashes of shapes that came once: whoever invents names fills no memory

    def may_accept(self, value: Mapping[str, Any]) -> tuple[_A, ...]:
        """All that may accept an object, in their order."""
        names = tuple(value)
        known = self._known.get(names)
        if known is not None:
            return known
        if len(names) > _MOST_NAMES or not self._again(hash(names)):
            return self._sources
        if len(self._known) >= _MOST_SHAPES:
            self._known.clear()
        found = tuple(each for each in self._sources if id(each) not in _BUNDLED or _asks_more(each, value))
        self._known[names] = found
        return found

    def _again(self, shape: int) -> bool:
        if shape in self._seen:
            return True
        if len(self._seen) >= _SEEN_ONCE:
            self._seen.clear()
        self._seen.add(shape)
        return False


def _asks_more(source: Adapter | Carrier, value: Mapping[str, Any]) -> bool:
    """Whether it takes more than the names of an object to turn it away."""
    shown = _Shown(value)
    return source.looks_like(shown) or shown.more


class _Shown(dict[str, Any]):
    """An object that notes whether more was asked than which names it has."""

    def __init__(self, value: Mapping[str, Any]) -> None:
        super().__init__(value)
        self.more = False

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self else default  # noqa: SIM401 - this is `get`

    def __getitem__(self, name: str) -> Any:
        self.more = True
        return super().__getitem__(name)

    def __iter__(self) -> Iterator[str]:  # without this, a copy of it would not ask for each value
        return super().__iter__()


def _noting(method: Callable[..., Any]) -> Callable[..., Any]:
    def asked(self: _Shown, *args: Any) -> Any:
        self.more = True
        return method(self, *args)

    return asked


for _name in (
    "__eq__",
    "__ne__",
    "__or__",
    "__ror__",
    "copy",
    "items",
    "pop",
    "popitem",
    "setdefault",
    "values",
):
    setattr(_Shown, _name, _noting(getattr(dict, _name)))
