import json

import pytest

from detector.ingest.sniff import sniff

EVENT = '{"specversion": "1.0", "id": "1", "source": "s", "type": "task.ended", "time": "2026-01-01T00:00:00Z", "data": {"task_id": "t"}}'
TRAIL = {"eventSource": "s3.amazonaws.com", "eventName": "GetObject", "eventID": "1"}
CRI = "2026-01-01T00:00:00.123456789Z stdout F a message\n"


@pytest.mark.parametrize(
    ("text", "format_name"),
    [
        ("", "text"),
        ("\n\n", "text"),
        ("2026-01-01T00:00:00Z started\nplain\n", "text"),
        ("[INFO] started\n[INFO] done\n", "text"),
        ("[2026-01-01 00:00:00] started\n", "text"),
        ('{not json}\n{"a": 1} {"b": 2}\n', "text"),
        (EVENT + "\n", "jsonl"),
        (EVENT, "jsonl"),
        (EVENT[:40] + "\n" + EVENT + "\n", "jsonl"),
        ('{"message": "m"}\nSegmentation fault\n{"message": "n"}\n', "jsonl"),
        ('{"level": "info", "anything": 1}\n' * 3, "jsonl"),
        (json.dumps(TRAIL, indent=1), "document"),
        (json.dumps([TRAIL, TRAIL], indent=1), "document"),
        (json.dumps([TRAIL, TRAIL]), "document"),
        ("[\n" + ",\n".join([json.dumps(TRAIL)] * 5) + "\n]\n", "document"),
        (json.dumps({"Records": [TRAIL]}), "document"),
        (json.dumps({"Records": [TRAIL]}, indent=2), "document"),
        (json.dumps(TRAIL) * 2, "document"),
        (json.dumps([TRAIL]) * 2, "document"),
        (json.dumps(TRAIL) + " done\n", "text"),
        (f"[12] [34] {json.dumps(TRAIL)}\n", "text"),
        (json.dumps({"name": "a", "private": True}, indent=2), "text"),
        (json.dumps([1, 2, 3], indent=2), "text"),
        (json.dumps({"message": "m", "time": "2026-01-01T00:00:00Z"}, indent=2) * 2, "document"),
        (json.dumps({"log": "m", "kubernetes": {"pod_name": "web"}}, indent=2), "document"),
        (json.dumps({"message": "Hello", "author": "me"}, indent=2), "text"),
        (CRI, "cri"),
        (CRI * 3 + "something else\n", "cri"),
        (CRI.replace(" F ", " P ").replace("Z", "+02:00"), "cri"),
        (CRI.replace(" F ", " "), "text"),
        ("<34>1 2026-01-01T00:00:00Z h su - - - failed\n", "syslog"),
        ("<34>Oct 11 22:14:15 h su: failed\ngoes on\n<34>Oct 11 22:14:15 h su: failed\n", "syslog"),
        ("Oct 11 22:14:15 h su[1]: failed\n", "syslog"),
        ("<html>\n<34>\n<body>\n", "text"),
        ("19 <34>1 - h a - - - x", "syslog-counted"),
        ("19 bottles <34>\n", "text"),
        ('{"log": "a\\n", "stream": "stdout", "time": "2026-01-01T00:00:00Z"}\n', "docker"),
        ('{"log": "a", "stream": "stdout", "kubernetes": {"pod_id": "x"}}\n', "jsonl"),
    ],
)
def test_the_format_is_told_from_the_first_lines(text: str, format_name: str) -> None:
    assert sniff(text.encode(), complete=True) == format_name


def test_a_line_that_looks_like_an_event_does_not_make_a_text_an_event_log() -> None:
    assert sniff(b"build started\n" + EVENT.encode() + b"\nbuild done\n", complete=True) == "text"
    assert sniff(EVENT.encode() + b"\nbuild started\nbuild done\n", complete=True) == "text"


@pytest.mark.parametrize(
    ("start", "format_name"),
    [
        (json.dumps({"Records": [TRAIL] * 9})[:-9], "document"),
        (json.dumps([TRAIL] * 9)[:-9], "document"),
        ('{"message": "' + "x" * 200, "jsonl"),
        ("[x" * 100, "text"),
        ("x" * 200, "text"),
        (EVENT + "\n" + EVENT[:30], "jsonl"),
    ],
)
def test_a_head_that_ends_in_the_middle_is_no_obstacle(start: str, format_name: str) -> None:
    assert sniff(start.encode(), complete=False) == format_name


@pytest.mark.parametrize(
    "head", [b"\xff\xfe\x00{", b'{"a": "\xff"}\n', b"[" * 50_000, b'{"a":' * 20_000, b"\0" * 99]
)
def test_rubbish_is_text(head: bytes) -> None:
    assert sniff(head, complete=True) == "text"
    assert sniff(head + b"\n", complete=False) == "text"
