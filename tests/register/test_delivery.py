"""Whatever a destination takes and refuses: every event arrives, in the order in which it was told."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from detector.register import spool as spools
from detector.register.delivery import Delivery, process_note, send_abandoned
from detector.register.destinations import UndeliveredError
from detector.register.messages import ended, event
from detector.register.spool import Spool, unkept


class Moody:
    """Takes the first of the lines, as many as its next mood says, and then fails; without a mood it takes all."""

    address = "moody"

    def __init__(self, moods: Sequence[int] = ()) -> None:
        self.moods = list(moods)
        self.taken: list[bytes] = []

    def send(self, lines: Sequence[bytes]) -> None:
        most = self.moods.pop(0) if self.moods else len(lines)
        self.taken += lines[:most]
        if most < len(lines):
            raise UndeliveredError("moody", most)


def told(number: int) -> bytes:
    return event("task.started", "s", number, {"task_id": f"t{number}", "owner": "x" * 200})


@settings(max_examples=60)
@given(
    steps=st.lists(st.sampled_from(["event", "note", "try", "compact"]), max_size=30),
    moods=st.lists(st.integers(0, 4), max_size=8),
)
def test_every_event_arrives_once_and_in_order(steps: list[str], moods: list[int]) -> None:
    file, destination = unkept(), Moody(moods)
    delivery = Delivery(file, destination)
    expected = []
    before, spools._COMPACTED = spools._COMPACTED, 500  # type: ignore[misc]
    try:
        for number, step in enumerate(steps):
            if step == "event":
                expected.append(told(number))
                file.append(expected[-1])
            elif step == "note" and expected:
                file.append(process_note(1))
            elif step == "try":
                delivery.attempt()
            elif step == "compact":
                delivery.compact()
        while not delivery.attempt():
            pass
        assert delivery.left() == 0
    finally:
        spools._COMPACTED = before  # type: ignore[misc]
        file.close()
    assert destination.taken == expected


@settings(max_examples=20)
@given(junk=st.lists(st.binary(max_size=60), max_size=4), cut=st.integers(0, 300))
def test_a_file_that_is_cut_or_junk_stops_no_other(junk: list[bytes], cut: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spool, destination = Spool(Path(folder), "moody"), Moody()
        whole = [told(1), ended("s", 2, "t1", "failed")]
        for number, data in enumerate((*junk, (told(0) + b"\n")[:cut])):
            spool.folder.mkdir(mode=0o700, exist_ok=True)
            (spool.folder / f"{number}.jsonl").write_bytes(data)
        file = spool.create()
        for line in whole:
            file.append(line)
        file.close()
        send_abandoned(spool, destination)
        assert [line for line in destination.taken if line in whole] == whole
