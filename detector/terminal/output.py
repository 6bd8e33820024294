r"""What is written to standard output and standard error: escaped, and without surprises where a stream is closed.

Everything that a command prints goes through `put`, `say` or a console of `detector.outputs.report_text`: a control
character, a bidirectional override or a byte that is not UTF-8 reaches no terminal. It is written as `\x1b`, `\u202e`
or `\xff`.
"""

import errno
import io
import os
import re  # over single classes
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

OUTPUT: Final = "standard output"
_ESCAPED: Final = re.compile(r"\\(?:\\|x[89a-f][0-9a-f])")  # what `shown` writes in place of one byte
_LONE_BYTES: Final = range(0xDC80, 0xDD00)  # characters that stand for bytes that are not UTF-8 (PEP 383)
_CLOSED: Final = "it is closed"
_TAKEN: Final = "a file has that name"  # what should be made or opened is a folder
_GONE: Final = "its reader closed it before everything was written"


def shown(path: str | Path) -> str:
    r"""A path as text that is valid Unicode, different for different paths.

    Bytes that are not UTF-8 are written as `\xff`. Then, and where a name looks as if it had such a byte, its
    backslashes are doubled.
    """
    raw = os.fsencode(path)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return raw.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    return text if _ESCAPED.search(text) is None else text.replace("\\", "\\\\")


def path_bytes(text: str) -> bytes:
    """The bytes of the path that is `shown` as this text."""
    if _ESCAPED.search(text) is None:
        return text.encode("utf-8", "replace")
    return b"".join(
        os.fsencode(piece) if not piece.startswith("\\") else _unescaped(piece)
        for piece in re.split(rf"({_ESCAPED.pattern})", text)
    )


def _unescaped(piece: str) -> bytes:
    return b"\\" if piece == "\\\\" else bytes.fromhex(piece[2:])


def printable(text: str) -> str:
    r"""`text` with every character that does not print written as an escape, such as `\x1b` or `\u202e`."""
    return (
        text
        if text.isprintable()
        else "".join(char if char.isprintable() else _escape(char) for char in text)
    )


def _escape(char: str) -> str:
    if ord(char) in _LONE_BYTES:
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")


def put(*lines: str) -> None:
    """Writes lines to standard output."""
    sys.stdout.write("".join(f"{printable(line)}\n" for line in lines))


def say(*lines: str) -> None:
    """Writes lines to standard error. Where that is closed or full, nobody can be told."""
    with suppress(OSError):
        sys.stderr.write("".join(f"{printable(line)}\n" for line in lines))
        sys.stderr.flush()


def why(error: OSError) -> str:
    """What an error of the operating system says, for a person."""
    known = {errno.EBADF: _CLOSED, errno.EEXIST: _TAKEN}
    return known.get(error.errno or 0) or error.strerror or "input or output failed"


@contextmanager
def printing() -> Iterator[None]:
    """Flushes what the block prints. If the reader has closed the pipe, the block ends, and not the command.

    Raises:
        OSError: standard output is closed, or cannot be written: the disk may be full. Its `filename` says so.
    """
    try:
        yield
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # rich raises SystemExit on a closed pipe
        _discard()
    except OSError as error:
        if error.filename is not None:
            raise
        _discard()
        raise OSError(error.errno, why(error), OUTPUT) from None


def write_out(data: bytes, *, last: bool = False) -> None:
    """Writes data for a program to standard output, which must take all of it. With the `last` it is flushed.

    Raises:
        OSError: standard output is closed, its reader has gone, or the disk is full. Its `filename` says so.
    """
    try:
        sys.stdout.buffer.write(data)
        if last:
            sys.stdout.buffer.flush()
    except OSError as error:
        _discard()
        reason = _GONE if isinstance(error, BrokenPipeError) else why(error)
        raise OSError(error.errno, reason, OUTPUT) from None


def _discard() -> None:
    """Python flushes again at exit, which must not fail once more."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def open_standard_streams() -> None:
    """Makes standard input, output and error usable where whoever started us has closed them.

    Otherwise the next file that is opened would take the place of a closed one, and get what is printed. What is read
    from a closed input or written to a closed output fails as it should; a closed standard error takes everything.
    Characters that the encoding of a stream lacks are written as escapes.
    """
    for number, name, flags, mode in (
        (0, "stdin", os.O_WRONLY, "r"),
        (1, "stdout", os.O_RDONLY, "w"),
        (2, "stderr", os.O_WRONLY, "w"),
    ):
        if getattr(sys, name) is None:
            setattr(sys, name, _stream(number, flags, mode))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _stream(number: int, flags: int, mode: str) -> Any:
    """A stream on the null device, opened the wrong way round if its use is to fail. The lowest free number is ours."""
    null = os.open(os.devnull, flags)
    if null != number:  # somebody has taken it already
        return os.fdopen(null, mode)
    os.set_inheritable(null, True)
    return os.fdopen(null, mode, closefd=False)
