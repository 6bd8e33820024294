"""The loops over log bytes that were compiled when the program was built (`deploy/kernels/build.py`).

There is one extension module for each level of processor. One is used only if the sources are those that it was
compiled from and its file is what was written, to the byte: a damaged one may miss secrets, and nothing would tell.
`python -m detector.built_kernels` says which is used, or why none is.
"""

import functools
import hashlib
import importlib
import json
import os
import re  # of our own source, not of logs
from collections.abc import Callable, Iterator, Mapping
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent / "kernels"
JIT_ONLY: Final = "CURFEWD_JIT"  # set it to 1, and numba compiles
_PROCESSOR: Final = 8 << 10  # bytes of /proc/cpuinfo: the first processor
_LEVELS: Final[Mapping[str, frozenset[str]]] = {  # the best first; what each needs of the x86-64 psABI's list
    "x86-64-v4": frozenset(("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")),
    "x86-64-v3": frozenset(("avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe")),
    "x86-64-v2": frozenset(("ssse3", "sse4_1", "sse4_2", "popcnt", "cx16")),
}
_IMPORTS: Final = re.compile(rb"^from (detector[\w.]*) import (\([^)]*\)|.+)$", re.MULTILINE)
_NONE: Final[Mapping[str, Callable[..., Any]]] = {}


def sources_of(folder: Path) -> dict[str, bytes]:
    """The modules in a folder that import `detector.jit`, and all modules that these import, by name."""
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
    return {name: texts[name] for name in sorted(seen)}


def digest_of(sources: Mapping[str, bytes]) -> str:
    """A hexadecimal digest of modules."""
    digest = hashlib.blake2b(digest_size=16)
    for name, text in sources.items():
        digest.update(b"%d %s %d " % (len(name), name.encode(), len(text)) + text)
    return digest.hexdigest()


def module_name(level: str) -> str:
    """The name of the extension module for a level."""
    return level.replace("-", "_")


def file_of(level: str, folder: Path) -> Path:
    """The file of the module for a level, for this Python."""
    return folder / f"{module_name(level)}{EXTENSION_SUFFIXES[0]}"


def note_build(level: str, folder: Path) -> None:
    """Write down from which sources the module of a level was compiled, and what its file is."""
    sources = sources_of(Path(__file__).parent)
    file = _digest_of_file(file_of(level, folder))
    note = {"modules": list(sources), "digest": digest_of(sources), "file": file}
    (folder / f"{module_name(level)}.json").write_text(json.dumps(note))


def _digest_of_file(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


@functools.cache
def built_kernels() -> Mapping[str, Callable[..., Any]]:
    """The compiled functions by module and name; none if there are none for this processor and these sources.

    Each answers NotImplemented to arguments of types for which it was not compiled.
    """
    return chosen()[0]


def chosen() -> tuple[Mapping[str, Callable[..., Any]], str]:
    """The functions, and which they are or why there are none."""
    if os.environ.get(JIT_ONLY) == "1":
        return _NONE, f"{JIT_ONLY} is set"
    reason = "none was built"
    for level in levels_here():
        module, file = module_name(level), file_of(level, FOLDER)
        note_file = FOLDER / f"{module}.json"
        if not note_file.exists():
            continue
        try:
            note = json.loads(note_file.read_bytes())
            if digest_of({name: _path_of(name).read_bytes() for name in note["modules"]}) != note["digest"]:
                reason = f"{level}: it was built from other sources"
            elif _digest_of_file(file) != note["file"]:
                reason = f"{level}: {file} is not what was built"
            else:
                return vars(importlib.import_module(f"detector.kernels.{module}")), level
        except (OSError, ValueError, LookupError, TypeError, ImportError) as error:
            reason = f"{level}: {error}"
    return _NONE, reason


def _path_of(module: str) -> Path:
    return Path(__file__).parent.joinpath(*module.split(".")[1:]).with_suffix(".py")


def levels_here() -> Iterator[str]:
    """The levels of this processor, the best first."""
    machine = os.uname().machine
    if machine != "x86_64":
        yield machine
        return
    try:
        with Path("/proc/cpuinfo").open("rb") as file:
            told = file.read(_PROCESSOR).decode("ascii", "replace")
    except OSError:
        return
    flags = set(told.partition("\nflags")[2].partition("\n")[0].split())
    yield from (level for level, needed in _LEVELS.items() if needed <= flags)


if __name__ == "__main__":
    functions, said = chosen()
    print(f"compiled when built: {said}" if functions else f"numba compiles: {said}")  # noqa: T201 - asked for
