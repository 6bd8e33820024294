"""The checksum of Kafka's record batches, which RocksDB has too: CRC-32C, computed by the processor where it can."""

from aiokafka.record.util import calc_crc32c


def crc32c(data: bytes) -> int:
    """The checksum of some bytes."""
    return int(calc_crc32c(data))
