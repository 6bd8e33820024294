"""What the first process of a replay (the driver) takes, by the number of registered credentials and of files by URL.

    python -m benchmarks.driver_bench credentials FOLDER [COUNT…]
    python -m benchmarks.driver_bench hot FOLDER [USES…]
    python -m benchmarks.driver_bench files FOLDER [FILES…]
    python -m benchmarks.driver_bench list FOLDER [FILES…]

`credentials`: each task has one credential and one use; all is judged in buckets. `hot`: one credential has all uses
but one in a hundred, which are those of a thousand other tasks, in Zstandard frames. Two processes, and
`--engine spark --master local[2]` if PySpark is there. `files`: so many small files at moto, as a store of S3, below
one prefix. `list`: what curfewd itself takes to list so many, until all units are known; a stub stands for the store
and the workers. CPU seconds are those of the driver and, where its processes are its children, of all.
"""

import contextlib
import itertools
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from unittest.mock import patch

import boto3
import orjson
import zstandard

from benchmarks.judging_bench import audit_events
from detector.ingest import inputs
from detector.ingest.classify import RecordClassifier
from detector.ingest.format_names import TEXT
from detector.ingest.remote import RemoteFile
from detector.ingest.remote_sources import Looked, Looking, NamedFile
from detector.ingest.sources import Place, StoredSource
from detector.ingest.units import UNIT, Units, units

_KEY: Final = "5e" * 16
_RUN: Final = """
import json, resource, sys, time
from detector import cli
from detector.replay import replay
replay.WHOLE = 0
code = cli.main()
own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
spent = [who.ru_utime + who.ru_stime for who in (own, others)]
print(json.dumps([*spent, own.ru_maxrss / 1024, others.ru_maxrss / 1024]), file=sys.stderr)
sys.exit(code)
"""
_ENGINES: Final = {"processes": ("--jobs", "2"), "spark": ("--engine", "spark", "--master", "local[2]")}


def _audit(folder: Path, events: Iterator[bytes], *, packed: bool) -> int:
    """Writes the events, if they are not there. Bytes of the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ("audit.jsonl.zst" if packed else "audit.jsonl")
    compressor = zstandard.ZstdCompressor(1)
    if not path.exists():
        with path.open("wb") as out:
            while some := b"".join(itertools.islice(events, 50_000)):
                out.write(compressor.compress(some) if packed else some)
    return path.stat().st_size


def _row(name: str, engine: str, paths: Sequence[str], out: Path, environ: dict[str, str]) -> None:
    command = [sys.executable, "-c", _RUN, "replay", *_ENGINES[engine], "--out", str(out), *paths]
    begun = time.perf_counter()
    anonymous = 0.0
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            command,
            env={**os.environ, "CURFEWD_KEY": _KEY, **environ},
            stdout=subprocess.DEVNULL,
            stderr=errors,
        ) as process,
    ):
        while process.poll() is None:
            anonymous = max(anonymous, _anonymous(process.pid))
            time.sleep(0.05)
        errors.seek(0)
        driver, others, memory, child = orjson.loads(errors.readlines()[-1])
    seconds = time.perf_counter() - begun
    findings = (out / "findings.jsonl").read_bytes().count(b"\n")
    print(
        f"| {name} | {engine} | {driver:.1f} | {driver + others:.1f} | {seconds:.0f} | {memory:,.0f} | "
        f"{anonymous:,.0f} | {child:,.0f} | {findings:,} |",
        flush=True,
    )


def _anonymous(process: int) -> float:
    """MB of a process that are in no file."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) / 1024
    return 0


def _engines() -> list[str]:
    wanted = os.environ.get("ENGINES", "processes,spark" if find_spec("pyspark") else "processes")
    return wanted.split(",")


def _of_events(what: str, folder: Path, counts: Iterable[int]) -> None:
    for count in counts:
        where = folder / f"{what}-{count}"
        events = _events_of_credentials(count) if what == "credentials" else _events_of_hot_task(count)
        size = _audit(where, events, packed=what == "hot") / 1e6
        for engine in _engines():
            _row(f"{count:,} {what}, {size:,.0f} MB", engine, [str(where)], folder / "out", {})


def _events_of_credentials(count: int) -> Iterator[bytes]:
    return audit_events(count, count)


def _events_of_hot_task(count: int) -> Iterator[bytes]:
    """Uses of one credential, and behind them those of a thousand others."""
    return itertools.chain(audit_events(1, count), audit_events(1001, count // 100, "another"))


def _of_files(folder: Path, counts: Iterable[int]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "made-up",
        "AWS_SECRET_ACCESS_KEY": "made-up",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    os.environ.update(environ)
    command = [sys.executable, "-m", "moto.server", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.1)
        client = boto3.client("s3")
        client.create_bucket(Bucket="logs")
        for count in counts:
            for number in range(count):
                name = f"{count}/jobs/github-job-{number:08}.txt"
                client.put_object(Bucket="logs", Key=name, Body=b"step %d: nothing to see\n" % number)
            for engine in _engines():
                _row(f"{count:,} files", engine, [f"s3://logs/{count}/"], folder / "out", environ)
    finally:
        server.terminate()
        server.wait()


def _listed(count: int) -> None:
    def below(url: str) -> Iterator[RemoteFile]:
        for number in range(count):
            yield RemoteFile(
                f"{url}2026/05/01/github-job-{number:09}-attempt-1.log.gz", 1000 + number % 9999, number
            )

    def look(
        _looking: Looking, _classifier: RecordClassifier, files: Iterable[NamedFile]
    ) -> Iterator[tuple[NamedFile, Looked]]:
        for each in files:
            file = each.file
            if file is None:
                yield each, Looked(None, folder=True)
                continue
            place = Place(file.url, 0, file.size, file.modified)
            source = StoredSource(
                file.url, TEXT, file.size, "gzip", modified=file.modified, place=place, cuts=()
            )
            yield each, Looked(source)

    with patch.object(inputs, "files_below", below):
        before, begun = _resident(), time.process_time()
        sources, _ = inputs.find_sources(["s3://logs/"], look=look, unit=UNIT)
        cut = Units(units(sources))
        spent, more = time.process_time() - begun, _resident() - before
    print(f"{len(cut):,} files: {spent / count * 1e6:.0f} µs and {more / count:.0f} bytes each")


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main(what: str, folder: str, *counts: str) -> None:
    """Prints a row for each count and engine."""
    if what == "list":
        for count in map(int, counts):
            _listed(count)
        return
    print(
        "| history | engine | CPU-s of the driver | of all | seconds | MB of the driver | in no file | MB of its "
        "largest child | findings |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    if what == "files":
        _of_files(Path(folder), map(int, counts))
    else:
        _of_events(what, Path(folder), map(int, counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
