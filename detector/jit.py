"""Compiles loops over log bytes with numba, unless they were compiled when the program was built.

The result is kept in numba's cache, beside the source or in the user's cache folder. If that cannot be read or written
(a full or read-only disk), that costs time and nothing else.

numba invalidates a cached function only if the function's own file changes, although it compiles in tables and
functions of other files. After an upgrade in place it would use the old ones. So the cache key here covers all of
these modules.

numba is imported when the first of these functions is called.
"""

import contextlib
import fcntl
import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

from detector.built_kernels import built_kernels, digest_of, sources_of
from detector.compilation import tell

_F = TypeVar("_F")
_CACHE: Final = "_cache"  # of a numba dispatcher
_STAMP: Final = "_source_stamp"  # of the file of such a cache


class _TolerantCache:
    """numba's cache of one function. Errors of the cache are ignored.

    Processes take turns at it. Two that write at once may give one file name to what they compiled for different types.
    """

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def load_overload(self, signature: Any, target: Any) -> Any:
        """What was compiled for these types, or None."""
        try:
            with self._turn():
                found = self._cache.load_overload(signature, target)
        except Exception:  # noqa: BLE001 - a file cut short raises whatever its reader does: it is compiled again
            found = None
        tell(there=found is not None)
        return found

    def save_overload(self, signature: Any, compiled_function: Any) -> None:
        """Keeps it, if there is room."""
        with contextlib.suppress(OSError), self._turn():
            self._cache.save_overload(signature, compiled_function)
        tell(there=True)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        if self._cache.cache_path is None:  # nothing is kept
            yield
            return
        folder = os.open(self._cache.cache_path, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)


@functools.cache
def _modules() -> str:
    return digest_of(sources_of(Path(__file__).parent))


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
    """A function that was compiled when the program was built, or else is when it is called."""

    def __init__(self, function: Any, options: dict[str, Any]) -> None:
        super().__init__(functools.partial(_dispatcher, function, options))
        self.name = f"{function.__module__}.{function.__qualname__}"
        self._built = built_kernels().get(self.name)

    def __call__(self, *arguments: Any) -> Any:
        """What the compiled function gives."""
        if self._built is not None:
            result = self._built(*arguments)
            if result is not NotImplemented:  # it was compiled for arguments of these types
                return result
        return self.by_numba(*arguments)

    def by_numba(self, *arguments: Any) -> Any:
        """What it gives if numba compiles it now."""
        return self.made(*arguments)


def _compiler(**options: Any) -> Any:
    return lambda function: Kernel(function, options)


def _dispatcher(function: Any, options: dict[str, Any]) -> Any:
    import numba  # noqa: PLC0415 - this is what is put off

    try:
        dispatcher = numba.njit(nogil=True, cache=True, **options)(function)
    except (RuntimeError, OSError):  # neither the package's folder nor the user's cache can be written
        dispatcher = numba.njit(nogil=True, **options)(function)
    # numba lets no other cache be given: its attributes are set as any other object's would be.
    cache = getattr(dispatcher, _CACHE)
    if (file := getattr(cache, f"{_CACHE}_file", None)) is not None:
        setattr(file, _STAMP, (getattr(file, _STAMP), _modules()))
    setattr(dispatcher, _CACHE, _TolerantCache(cache))
    return dispatcher


def _trailing_zeros() -> Any:
    from numba.cpython.unsafe.numbers import trailing_zeros  # noqa: PLC0415 - numba has no public name for it

    return trailing_zeros


def _leading_zeros() -> Any:
    from numba.cpython.unsafe.numbers import leading_zeros  # noqa: PLC0415 - as above

    return leading_zeros


compiled: Callable[[_F], _F] = _compiler()
# For functions that make no array. Without counting references, atomically at every call, a loop that works byte by
# byte is two to ten times as fast.
bare: Callable[[_F], _F] = _compiler(_nrt=False)
place: Any = Deferred(_trailing_zeros)  # one instruction
zeros_above: Any = Deferred(_leading_zeros)
