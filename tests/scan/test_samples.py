"""Where bytes may be printed one by one: at every place, and not at digests, times and addresses."""

import pytest

from detector.scan.samples import sampled

SAID = b"token = tok_Zb81+kQ/x"
LISTS = {
    "hex": SAID.hex(" "),
    "hex with colons": SAID.hex(":"),
    "words": SAID[:20].hex(" ", -2),
    "words of four bytes": SAID[:20].hex(" ", -4),
    "with 0x": ", ".join(f"0x{byte:02x}" for byte in SAID),
    "decimal": " ".join(map(str, SAID)),
    "decimal with commas": ",".join(map(str, SAID)),
    "octal": " ".join(f"{byte:03o}" for byte in SAID),
    "bits": " ".join(f"{byte:08b}" for byte in SAID),
    "bits without blanks": "".join(f"{byte:08b}" for byte in SAID),
    "characters": "".join(f"   {byte:c}" for byte in SAID),
}
OTHERS = {
    "digest": "sha256:50a6fcb1d2e3f4a5968778695a4b3c2d1e0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b",
    "addresses": "10.187.79.59 - - 10.187.79.60 - - 192.168.100.250 - -",
    "time": "2026-05-01 10:00:00,123 - 2026-05-01 10:00:00,124 - 2026",
    "versions": "1.24.3 1.25.0 10.11.12 1.26.1 2.0.0 3.11.7 3.12.1",
}


@pytest.mark.parametrize("form", sorted(LISTS))
@pytest.mark.parametrize("offset", range(8))
def test_a_list_is_seen_at_every_place(form: str, offset: int) -> None:
    data = b"y" * (16 + offset) + LISTS[form].encode() + b"yyyy" * 8
    assert sampled(data)[0].size


@pytest.mark.parametrize("kind", sorted(OTHERS))
@pytest.mark.parametrize("offset", range(8))
def test_what_is_no_list_is_not_looked_at(kind: str, offset: int) -> None:
    """Logs are full of them: each place costs as much as a list that is read."""
    data = b"y" * (16 + offset) + b"\n" + OTHERS[kind].encode() + b"\n" + b"yyyy" * 8
    assert not sampled(data)[0].size
