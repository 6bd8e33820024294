"""The types that commands call each kernel with, as `signatures.txt` has them: a line for each, `KERNEL TYPE…`.

A type is `int64`, an array `uint8[]` or `int64[][]`, or `const uint8[]` if nothing may write to it; a tuple has
parentheses. Written down, they cost a build nothing: to learn them all kernels would have to be compiled and called.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from numba import types

FILE: Final = Path(__file__).with_suffix(".txt")
Signature = tuple[str, tuple[Any, ...]]
_CONST: Final = "const "
_BETWEEN: Final = ", "


def write(signatures: Iterable[Signature], path: Path) -> None:
    """Writes them in order, each once."""
    lines = {f"{kernel}: {_BETWEEN.join(map(_name, arguments))}\n" for kernel, arguments in signatures}
    path.write_text("".join(sorted(lines)))


def read(path: Path) -> Iterator[Signature]:
    """Those in a file."""
    for line in path.read_text().splitlines():
        kernel, _, arguments = line.partition(": ")
        yield kernel, tuple(map(_type, _split(arguments)))


def _name(type_: Any) -> str:
    if isinstance(type_, types.Tuple | types.UniTuple):
        return f"({_BETWEEN.join(map(_name, type_.types))})"
    if isinstance(type_, types.Array):
        const = "" if type_.mutable else _CONST
        return f"{const}{type_.dtype}{'[]' * type_.ndim}"
    return str(type_)


def _type(name: str) -> Any:
    if name.startswith("("):
        tuples: Any = types.BaseTuple
        return tuples.from_types(tuple(map(_type, _split(name[1:-1]))))
    element = name.removeprefix(_CONST).replace("[]", "")
    scalar = getattr(types, {"bool": "boolean"}.get(element, element))
    dimensions = name.count("[]")
    return types.Array(scalar, dimensions, "C", readonly=name.startswith(_CONST)) if dimensions else scalar


def _split(names: str) -> Iterator[str]:
    """The names between commas that are in no parentheses."""
    depth = start = 0
    for place, sign in enumerate(names):
        depth += (sign == "(") - (sign == ")")
        if not depth and names.startswith(_BETWEEN, place):
            yield names[start:place]
            start = place + len(_BETWEEN)
    if names:
        yield names[start:]
