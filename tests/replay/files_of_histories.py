"""Histories as files: every kind of input, packing and mistake, for what has to give the same on any engine."""

import hashlib
import json
import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from detector.ingest import frames as frames_module
from detector.ingest import sources as sources_module
from detector.replay import replay as replay_module
from detector.replay.bucketed_history import BucketedHistory
from detector.values.secrets import Secret
from tests.ingest.archives_made import bgzip, gzipped, tarred, zipped, zstd
from tests.scenarios.telling import STORIES
from tests.small_history import KEY, at, event, events, identifier_of, jsonl, logs, secret_of, write

HASHED = b"hashed-one" * 3
STRANGER = b"nobody's"
SAMPLES = Path(__file__).parents[1] / "adapters" / "samples"
POLICY = """
[patterns]
detect_secrets = false

[[accept]]
rule = "use-after-termination"
credential = "cred-1*"
reason = "a drill"
expiry = "2027-01-01T00:00:00Z"

[[allow]]
pattern = "slack-*"
reason = "made up"
expiry = "2027-01-01T00:00:00Z"
"""


WRITTEN = ("findings.jsonl", "revocations.jsonl", "dead-letters.jsonl", "summary.json")


def written(folder: str | Path) -> dict[str, bytes]:
    """What a replay wrote, without its durations."""
    found = {name: (Path(folder) / name).read_bytes() for name in WRITTEN}
    summary = json.loads(found["summary.json"])
    del summary["durations"]
    return found | {"summary.json": json.dumps(summary).encode()}


def judged_in_buckets(monkeypatch: pytest.MonkeyPatch, large: int) -> None:
    """Has even a small history judged in buckets, and those larger than `large` bytes in shards."""
    monkeypatch.setattr(replay_module, "WHOLE", 0)
    monkeypatch.setattr(replay_module, "BucketedHistory", partial(BucketedHistory, large=large))


def read_in_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has even small compressed files read in parts."""
    monkeypatch.setattr(sources_module, "_LEAST_FRAMED", 1)
    monkeypatch.setattr(frames_module, "LEAST", 1)


def packed(folder: Path) -> None:
    """The small history, text in every packing, broken and cut files, and uses by an unkeyed hash."""
    write(folder)
    text = b"a token: " + secret_of(3) + b"\n" + HASHED + b"\nplain\n"
    files = {
        "by-hash.jsonl": jsonl(_by_hash()),
        "text.log": text * 3,
        "text.log.gz": gzipped(text + b"\xff\xfe broken \x00" * 4),
        "text.zst": zstd(text),
        "blocks.log.gz": bgzip(text * 20, 100),
        "frames.zst": b"".join(zstd(text * 2) for _ in range(10)),
        "all.tar.gz": gzipped(tarred({"in/a.log": text, "b.zip": zipped({"c.log": text})})),
        "plain.zip": zipped({"build/1_Set up.txt": text}),
        "plain.tar": tarred({"d.log": text}),
        "torn.jsonl": jsonl(events()[:2]) + b'{"specversion": "1.0", "id": \n' + b'{"torn',
        "cut.gz": gzipped(text * 50)[:-20],
        "empty.log": b"",
        "sixteen.log": text.decode().encode("utf-16"),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)


def _by_hash() -> list[dict[str, Any]]:
    registered, unknown = (hashlib.sha256(text).hexdigest() for text in (HASHED, STRANGER))
    identifier = {"scheme": "sha256", "value": registered, "length": len(HASHED)}
    return [
        event(
            900, "credential.issued", 50, credential_id="hashed", task_id="task-0", identifiers=[identifier]
        ),
        event(
            901, "credential.used", 400, identifier={"scheme": "sha256", "value": registered}, action="read"
        ),
        event(902, "credential.used", 410, identifier={"scheme": "sha256", "value": unknown}, action="read"),
    ]


def joined(folder: Path) -> None:
    """One identifier on two credentials, a group of tasks, children of tasks, and what accepts and allows are for."""
    folder.mkdir(parents=True)
    shared = Secret(b"contested-secret-of-two-credentials")
    contested = {
        "scheme": "hmac-sha256",
        "value": KEY.fingerprint(shared),
        "length": len(shared),
        "check": KEY.check(shared),
    }
    told = [
        event(1, "task.started", 0, task_id="a", group="repo"),
        event(2, "task.started", 5, task_id="b", group="repo"),
        event(3, "task.started", 6, task_id="child", parent_task_id="a"),
        event(4, "credential.issued", 20, credential_id="late", task_id="b", identifiers=[contested]),
        event(5, "credential.issued", 10, credential_id="early", task_id="a", identifiers=[contested]),
        event(6, "credential.issued", 15, credential_id="grouped", task_group="repo", identifiers=[identifier_of(40)],
              grants=[{"actions": ["read*"]}, {"actions": ["never"]}]),
        event(7, "credential.used", 30, identifier=contested, task_id="child", action="read"),
        event(8, "credential.used", 31, identifier=contested, task_id="b", action="read", source_ip="10.0.0.9"),
        event(9, "credential.used", 32, credential_id="grouped", task_id="stranger", action="write", source_ip="10.1.0.9"),
        event(10, "task.ended", 40, task_id="a", outcome="succeeded"),
        event(11, "task.ended", 41, task_id="b", outcome="failed"),
        event(12, "credential.used", 400, credential_id="grouped", action="read", source_ip="192.0.2.1"),
        event(13, "credential.revoked", 500, credential_id="early"),
        event(14, "credential.used", 600, credential_id="early", action="read"),
        event(15, "credential.used", 601, credential_id="never-issued", action="read"),
    ]  # fmt: skip
    random.Random(5).shuffle(told)
    (folder / "joined.jsonl").write_bytes(jsonl(told))
    slack = "xoxb-123456789012-1234567890123-" + "aBcDeFgHiJkLmNoPqRsTuVwX"
    lines = [
        {"time": at(25), "task_id": "a", "message": f"TOKEN={shared.reveal().decode()}"},
        {"time": at(26), "task_id": "b", "message": f"allowed {slack}"},
        {"message": f"no time {secret_of(40).decode()}"},
    ]
    (folder / "joined-logs.jsonl").write_bytes(jsonl(lines))


def cut(folder: Path) -> None:
    """Records that containers' runtimes cut into parts, with secrets over the cuts."""
    secret = secret_of(3).decode()
    first, second = f"token {secret[:9]}", f"{secret[9:]} of a job"
    pods = folder / "pods" / "ci_build-1_40665854-f9a8-42c8-9963-b418ef66af39" / "main"
    docker = folder / "containers" / ("5e" * 32)
    pods.mkdir(parents=True)
    docker.mkdir(parents=True)
    cri = [
        f"{at(n)} stdout {mark} {text}"
        for n, (mark, text) in enumerate([("F", "begins"), ("P", first), ("F", second)] * 40)
    ]
    (pods / "0.log").write_text("\n".join(cri) + "\n")
    parts = [
        json.dumps({"log": text, "stream": "stdout", "time": at(n)})
        for n, text in enumerate([first, f"{second}\n"] * 40)
    ]
    (docker / f"{'5e' * 32}-json.log").write_text("\n".join(parts) + "\n")


def carried(folder: Path) -> None:
    """The samples of every source and carrier, a file each, and the stories of the scenarios."""
    folder.mkdir(parents=True)
    for sample in sorted(SAMPLES.glob("*.json")):
        records = [
            each["record"]
            for each in json.loads(sample.read_bytes())
            if isinstance(each, dict) and "record" in each
        ]
        if records:
            (folder / f"{sample.stem}.jsonl").write_bytes(jsonl(records))
    for name, story in STORIES.items():
        for path in sorted(story.rglob("*")):
            if path.is_file() and path.suffix != ".toml":
                target = folder / name / path.relative_to(story)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())


def everything(folder: Path) -> None:
    """All of these."""
    packed(folder / "packed")
    joined(folder / "joined")
    cut(folder / "cut")
    carried(folder / "carried")
    (folder / "timeless.jsonl").write_bytes(jsonl([{"message": line["message"]} for line in logs()]))
