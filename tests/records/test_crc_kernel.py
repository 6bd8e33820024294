"""The checksum is that of aiokafka."""

import numpy as np
from aiokafka.record.util import calc_crc32c
from hypothesis import given
from hypothesis import strategies as st

from detector.records.crc_kernel import TABLES, crc32c


@given(st.binary(max_size=300), st.integers(0, 2000), st.integers(0, 40))
def test_it_is_the_checksum_of_aiokafka(text: bytes, repeated: int, begin: int) -> None:
    data = bytes(begin) + text + text[:7] * repeated
    assert crc32c(np.frombuffer(data, np.uint8), begin, TABLES) == calc_crc32c(data[begin:])


def test_a_checksum_that_is_published() -> None:
    assert crc32c(np.frombuffer(b"123456789", np.uint8), 0, TABLES) == 0xE3069283
