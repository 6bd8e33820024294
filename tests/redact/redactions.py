"""What holds of every text with masks in it."""

import re

MASK = re.compile("‹(?:unexamined:)?[a-z0-9-]+:[0-9]+›".encode())


def outside_masks_nothing_changed(before: bytes, after: bytes) -> None:
    """That `after` is `before` with some stretches replaced by masks, quotes around a number's mask aside."""
    pieces = MASK.split(after)
    assert before.startswith(pieces[0])
    assert before.endswith(pieces[-1])
    at = 0
    for piece in pieces:
        at = before.index(piece, at) + len(piece)
