//! What holds for any bytes. `core/fuzz` looks for some for which it does not.

pub mod batches;
pub mod known;
