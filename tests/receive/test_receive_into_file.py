"""`curfewd receive --out`: what it acknowledged is in the file, also when it is killed."""

import json
from pathlib import Path

from tests.receive.receiver_process import Receiver


async def test_nothing_acknowledged_is_lost_when_it_is_killed(tmp_path: Path) -> None:
    out = tmp_path / "events.jsonl"
    receiver = Receiver(tmp_path, "127.0.0.1:9", "events", out)
    async with receiver.sending():
        for _ in range(2):
            with receiver.running() as process:
                await receiver.ready()
                await receiver.acknowledges(100)
                process.kill()
    whole, cut = [], 0
    for line in out.read_text().splitlines():
        try:
            whole.append(json.loads(line)["id"])
        except ValueError:
            cut += 1  # what was being written at a kill, and nobody was promised
    assert receiver.acknowledged - set(whole) == set()
    assert len(whole) >= 200
    assert cut <= 2
