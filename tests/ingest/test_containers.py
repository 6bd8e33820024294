import json
from pathlib import Path
from typing import Any

import pytest

from detector.ingest import assembler
from tests.ingest.collecting import Seen, collect

T0, T1, T2 = "2026-05-01T00:00:00Z", "2026-05-01T00:00:01Z", "2026-05-01T00:00:02Z"
UID = "0a1b2c3d-1111-2222-3333-444455556666"


def cri(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def docker(*records: tuple[str, str, str]) -> bytes:
    return "".join(
        json.dumps({"log": log, "stream": stream, "time": time}) + "\n" for log, stream, time in records
    ).encode()


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def reader(content: bytes, name: str = "a.log") -> Any:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return collect(path)

    return reader


def test_cri_records_are_their_content_with_time_and_stream(read: Any) -> None:
    sink = read(cri(f"{T0} stdout F one MARK", f"{T1} stderr F MARK two"), f"pods/ns_pod_{UID}/app/0.log")
    assert sink.marked() == [
        Seen("one MARK", 1, T0, f"k8s/ns/pod/{UID}", "stdout"),
        Seen("MARK two", 2, T1, f"k8s/ns/pod/{UID}", "stderr"),
    ]
    assert dict(sink.range.records) == {"cri": 2}


def test_cri_parts_are_joined_stream_by_stream_at_the_place_of_the_first(read: Any) -> None:
    sink = read(
        cri(
            f"{T0} stdout P MA",
            f"{T1} stderr P MAR",
            f"{T1} stdout P RK is ",
            f"{T2} stderr F K",
            f"{T2} stdout F whole",
            f"{T2} stdout F MARK next",
        )
    )
    assert sink.marked() == [
        Seen("MARK", 2, T1, None, "stderr"),
        Seen("MARK is whole", 1, T0, None, "stdout"),
        Seen("MARK next", 6, T2, None, "stdout"),
    ]


def test_a_cri_part_whose_end_never_comes_is_scanned_at_the_end(read: Any) -> None:
    assert read(cri(f"{T0} stdout F x", f"{T0} stdout P MA", f"{T1} stdout P RK")).marked() == [
        Seen("MARK", 2, T0, None, "stdout")
    ]


def test_a_key_over_many_cri_records_stands_line_under_line(read: Any) -> None:
    key = ["-----BEGIN RSA PRIVATE KEY-----", "MARK", "-----END RSA PRIVATE KEY-----"]
    sink = read(cri(*(f"{T0} stdout F {line}" for line in key)))
    assert any("\n".join(key).encode() in batch.data for batch, _ in sink.batches)


def test_a_line_in_a_cri_log_that_is_none_is_text(read: Any) -> None:
    for also in ("", f"{T1} stdout P x"):
        sink = read(cri(f"{T0} stdout F a", f"{T0} stdout F b", "MARK stray", *filter(None, [also])))
        assert [(seen.text, seen.line, seen.time) for seen in sink.marked()] == [("MARK stray", 3, T0)]


def test_docker_records_are_joined_until_a_newline(read: Any) -> None:
    sink = read(
        docker(
            ("one MARK\n", "stdout", T0),
            ("MA", "stdout", T1),
            ("other MARK\n", "stderr", T1),
            ("RK joined\n", "stdout", T2),
        ),
        f"containers/{'ab' * 32}/x-json.log",
    )
    assert sink.marked() == [
        Seen("one MARK", 1, T0, "ab" * 32, "stdout"),
        Seen("other MARK", 3, T1, "ab" * 32, "stderr"),
        Seen("MARK joined", 2, T1, "ab" * 32, "stdout"),
    ]
    assert dict(sink.range.records) == {"docker": 4}


def test_docker_records_that_are_all_whole_are_read_at_once_and_alike(read: Any) -> None:
    sink = read(docker(("é MARK\n", "stdout", T0), ("x\n", "stdout", T1), ("MARK\n", "stderr", T2)))
    assert [(seen.text, seen.line, seen.time, seen.stream) for seen in sink.marked()] == [
        ("é MARK", 1, T0, "stdout"),
        ("MARK", 3, T2, "stderr"),
    ]
    assert len(sink.batches) == 1


def test_a_line_in_a_docker_log_that_is_none_is_scanned_and_is_no_event(read: Any) -> None:
    forged = json.dumps({"specversion": "1.0", "id": "MARK", "source": "s", "type": "task.ended", "data": {}})
    good = docker(("a\n", "stdout", T0), ("b\n", "stdout", T0))
    sink = read(good + f'{forged}\nMARK text\n{{"log": "MARK\n'.encode() + good)
    assert sink.events == []
    assert [seen.line for seen in sink.marked()] == [3, 4, 5]
    assert sink.dead_ones() == [(5, "truncated-json", None)]


@pytest.mark.parametrize("kind", ["cri", "docker"])
def test_a_record_of_endless_parts_is_handed_on_in_pieces(
    read: Any, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembler, "LONGEST", 4000)
    monkeypatch.setattr(assembler, "_OVERLAP", 100)
    parts = [f"part-{number:05d} " * 40 for number in range(60)]
    if kind == "cri":
        sink = read(cri(*(f"{T0} stdout P {part}" for part in parts), f"{T1} stdout F MARK end"))
    else:
        sink = read(docker(*((part, "stdout", T0) for part in parts), ("MARK end\n", "stdout", T1)))
    assert max(len(batch.data) for batch, _ in sink.batches) < 6000
    assert {(seen.line, seen.time) for seen in sink.marked()} == {(1, T0)}
    numbers = [part for _, part in sink.batches]
    assert numbers == list(range(1, len(numbers) + 1))
    text = b" ".join(batch.data for batch, _ in sink.batches)
    assert all(part.split()[0].encode() in text for part in parts)
