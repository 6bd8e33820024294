"""Errors that say what the machine lacks, and those that do not."""

import errno
import os
import threading
import zlib

import hyperscan
import numpy as np
import pytest
import zstandard

from detector.values.shortage import DISK, FILES, MEMORY, THREADS, lacking


def test_errors_of_every_library_say_what_is_lacking() -> None:
    with pytest.raises(MemoryError) as much:
        np.empty(1 << 60, np.uint8)
    before = threading.stack_size(1 << 46)
    try:
        with pytest.raises(RuntimeError) as thread:
            threading.Thread(target=bytes).start()
    finally:
        threading.stack_size(before)
    cases = {
        much.value: MEMORY,
        OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)): MEMORY,
        hyperscan.NoMemoryError(): MEMORY,
        zlib.error("Error -4 while decompressing data"): MEMORY,
        zstandard.ZstdError("zstd decompress error: Allocation error : not enough memory"): MEMORY,
        thread.value: THREADS,
        OSError(errno.EMFILE, ""): FILES,
        # RocksDB's words, as rocksdict raises them.
        Exception("IO error: While open a file for random read: /s/000012.sst: Too many open files"): FILES,
        OSError(errno.ENOSPC, ""): DISK,
    }
    assert [lacking(error) for error in cases] == list(cases.values())


def test_what_a_record_says_is_not_taken_for_a_lack() -> None:
    hostile = "IO error: Too many open files, can't start new thread, not enough memory, Error -4 "
    errors: list[Exception] = [kind(hostile) for kind in (ValueError, RuntimeError, KeyError, Warning)]
    errors += [OSError(errno.EAGAIN, hostile), OSError(errno.ECONNRESET, ""), OSError(hostile)]
    assert [error for error in errors if lacking(error) is not None] == []


def test_an_error_behind_another_counts() -> None:
    error = ValueError("a reader's own words")
    error.__cause__ = KeyError()
    error.__cause__.__context__ = MemoryError()
    assert lacking(error) == MEMORY
    error.__cause__.__context__ = error
    assert lacking(error) is None
