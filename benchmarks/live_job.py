"""What is handed to a peer's process."""

import msgspec


class Job(msgspec.Struct, frozen=True):
    """What a peer is to do; handed over as JSON, the first argument. `records` is how many there are."""

    bootstrap: str
    source: str
    target: str
    group: str
    records: int
    known: int
    seed: int
    folder: str
    batch: int = 8000
