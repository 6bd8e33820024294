"""Compiles loops over log bytes with numba, and keeps the result in numba's cache.

The cache is beside the source or in the user's cache folder. If it cannot be read or written (a full or read-only disk),
that costs time and nothing else.

numba invalidates a cached function only if the function's own file changes, although it compiles in tables and functions
of other files. After an upgrade in place it would use the old ones. So the cache key here covers all of these modules.

numba is imported when the first of these functions is called.
"""

import contextlib
import functools
import hashlib
import re  # of our own source, not of logs
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

_F = TypeVar("_F")
_CACHE: Final = "_cache"  # of a numba dispatcher
_STAMP: Final = "_source_stamp"  # of the file of such a cache
_IMPORTS: Final = re.compile(rb"^from (detector[\w.]*) import (\([^)]*\)|.+)$", re.MULTILINE)


class _TolerantCache:
    """numba's cache of one function. Errors of the cache are ignored."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def load_overload(self, signature: Any, target: Any) -> Any:
        """What was compiled for these types, or None."""
        try:
            return self._cache.load_overload(signature, target)
        except Exception:  # noqa: BLE001 - a file cut short raises whatever its reader does: it is compiled anew
            return None

    def save_overload(self, signature: Any, compiled_function: Any) -> None:
        """Keeps it, if there is room."""
        with contextlib.suppress(OSError):
            self._cache.save_overload(signature, compiled_function)


def digest_of(folder: Path) -> str:
    """A hexadecimal digest of the modules in a folder that import this one, and of all modules that they import."""
    texts = {
        ".".join(("detector", *path.relative_to(folder).with_suffix("").parts)): path.read_bytes()
        for path in folder.rglob("*.py")
    }
    takes = {
        name: {
            each.decode()
            for module, names in _IMPORTS.findall(text)
            for each in (module, *(b"%s.%s" % (module, found) for found in re.findall(rb"\w+", names)))
        }
        for name, text in texts.items()
    }
    wanted = [name for name, taken in takes.items() if "detector.jit" in taken]
    seen: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name in texts and name not in seen:
            seen.add(name)
            wanted += takes[name]
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(seen):
        digest.update(b"%d %s %d " % (len(name), name.encode(), len(texts[name])) + texts[name])
    return digest.hexdigest()


@functools.cache
def _modules() -> str:
    return digest_of(Path(__file__).parent)


class Deferred:
    """What numba calls in a compiled function, made when the first such function is compiled."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    @functools.cached_property
    def made(self) -> Any:
        """The thing itself."""
        return self._make()

    @property
    def _numba_type_(self) -> Any:  # numba asks any global that it does not know for this
        from numba.core.registry import cpu_target  # noqa: PLC0415 - this is what is put off

        made = self.made
        cpu_target.typing_context.refresh()
        return cpu_target.typing_context.resolve_value_type(made)


class Kernel(Deferred):
    """A function that is compiled when it is called."""

    def __call__(self, *arguments: Any) -> Any:
        """What the compiled function gives."""
        return self.made(*arguments)


def _compiler(**options: Any) -> Any:
    def decorate(function: Any) -> Any:
        return Kernel(functools.partial(_dispatcher, function, options))

    return decorate


def _dispatcher(function: Any, options: dict[str, Any]) -> Any:
    import numba  # noqa: PLC0415 - this is what is put off

    try:
        dispatcher = numba.njit(nogil=True, cache=True, **options)(function)
    except (RuntimeError, OSError):  # neither the package's folder nor the user's cache can be written
        return numba.njit(nogil=True, **options)(function)
    # numba lets no other cache be given: its attributes are set as any other object's would be.
    cache = getattr(dispatcher, _CACHE)
    file = getattr(cache, f"{_CACHE}_file")
    setattr(file, _STAMP, (getattr(file, _STAMP), _modules()))
    setattr(dispatcher, _CACHE, _TolerantCache(cache))
    return dispatcher


def _trailing_zeros() -> Any:
    from numba.cpython.unsafe.numbers import trailing_zeros  # noqa: PLC0415 - numba has no public name for it

    return trailing_zeros


compiled: Callable[[_F], _F] = _compiler()
# For functions that make no array. Without counting references, atomically at every call, a loop that works byte by byte
# is two to ten times as fast.
bare: Callable[[_F], _F] = _compiler(_nrt=False)
place: Any = Deferred(_trailing_zeros)  # one instruction
