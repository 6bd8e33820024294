//! Kafka's record batches: read into columns, joined, and written from columns.
//!
//! The format is at <https://kafka.apache.org/documentation/#recordbatch>.

pub mod batches;
pub mod columns;
pub mod varints;
pub mod walk;
pub mod write;

/// The checksum of Kafka's batches and `RocksDB`'s blocks: CRC-32C.
#[must_use]
pub fn checksum(data: &[u8]) -> u32 {
    crc32c::crc32c(data)
}
