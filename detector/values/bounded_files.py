"""Reads the files that a configuration or a command line names.

Nothing that stands there can hang or fill the memory.
"""

import os
import select
import stat
import time
from pathlib import Path
from typing import Final

from detector.terminal.output import why
from detector.values.secrets import Secret

PATIENCE_SECONDS: Final = 10.0  # for whoever writes into a pipe
SECRET_BYTES: Final = 1 << 16
"""The most that a file with a secret, a key or a token has."""
CERTIFICATE_BYTES: Final = 8 << 20
"""The most that a file of certificates has: the authorities of a whole system are 250 KB."""

_CHUNK: Final = 1 << 16
_UNITS: Final = ((20, "MiB"), (10, "KiB"))
_HOW: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


class BadFileError(ValueError):
    """A file cannot be used. The text says why, for a person, and names neither the file nor anything in it."""


def read_bounded(path: str | Path, limit: int) -> bytes:
    """All of a file of at most `limit` bytes, or of a pipe whose writer is quick: `--config <(decrypt config.toml)`.

    The null device is an empty file.

    Raises:
        BadFileError: it cannot be read, is no file, is too large, or changes while it is read.
    """
    try:
        handle = os.open(path, _HOW)
    except OSError as error:
        raise BadFileError(f"cannot be read: {why(error)}") from None
    except ValueError:
        raise BadFileError("cannot be read: there is a zero byte in its name") from None
    try:
        return _read(handle, limit)
    except OSError as error:
        raise BadFileError(f"cannot be read: {why(error)}") from None
    finally:
        os.close(handle)


def secret_in(path: str | Path) -> Secret:
    """The secret in a file, which may end with a line break.

    Raises:
        ValueError: it cannot be read, is empty, or not UTF-8.
    """
    raw = read_bounded(path, SECRET_BYTES).removesuffix(b"\n").removesuffix(b"\r")
    try:
        raw.decode()
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    if not raw:
        raise ValueError("empty")
    return Secret(raw)


def _read(handle: int, limit: int) -> bytes:
    info = os.fstat(handle)
    if stat.S_ISDIR(info.st_mode):
        raise BadFileError("cannot be read: it is a folder")
    if stat.S_ISCHR(info.st_mode) and info.st_rdev == Path(os.devnull).stat().st_rdev:
        return b""
    if stat.S_ISFIFO(info.st_mode):
        return _read_pipe(handle, limit)
    if not stat.S_ISREG(info.st_mode):
        raise BadFileError("cannot be read: it is a device, not a file")
    parts: list[bytes] = []
    left = limit + 1
    while left > 0 and (data := os.read(handle, min(_CHUNK, left))):
        parts.append(data)
        left -= len(data)
    if not left:
        raise _too_large(limit)
    after = os.fstat(handle)
    if (after.st_size, after.st_mtime_ns) != (info.st_size, info.st_mtime_ns):
        raise BadFileError("cannot be read: it changes while it is read")
    return b"".join(parts)


def _read_pipe(handle: int, limit: int) -> bytes:
    until = time.monotonic() + PATIENCE_SECONDS
    waiting = select.poll()
    waiting.register(handle, select.POLLIN)
    parts: list[bytes] = []
    size = 0
    while size <= limit:
        try:
            data = os.read(handle, min(_CHUNK, limit + 1 - size))
        except BlockingIOError:
            if not waiting.poll(max(0.0, until - time.monotonic()) * 1000):
                raise BadFileError(
                    f"cannot be read: it is a pipe, and its writer took more than {PATIENCE_SECONDS:.0f} s"
                ) from None
            continue
        if not data:
            break
        parts.append(data)
        size += len(data)
    else:
        raise _too_large(limit)
    if not parts:
        raise BadFileError("cannot be read: it is a pipe into which nobody writes")
    return b"".join(parts)


def _too_large(limit: int) -> BadFileError:
    shift, unit = next(one for one in _UNITS if limit >> one[0])
    return BadFileError(f"larger than {limit >> shift} {unit}")
