//! `detector.core`: what Python calls of `curfewd-core`. `detector/core.pyi` describes it.
//!
//! The interpreter is released while bytes are read. A panic becomes a `CoreError` that names the place in the source
//! and nothing of what was read.

mod faults;
mod kafka;
mod known;

use pyo3::prelude::*;

#[pymodule(name = "core")]
mod module {
    #[pymodule_export]
    use super::faults::CoreError;
    #[pymodule_export]
    use super::kafka::{
        RecordWalk, batch_offsets, batches_together, crc32c, headers_at, joined, marker_key, value_lines,
        written_records,
    };
    #[pymodule_export]
    use super::known::{DigestMap, KnownTables};

    use super::{Bound, PyModule, PyResult, faults};

    #[pymodule_init]
    #[allow(clippy::unnecessary_wraps)] // PyO3 asks for a result
    fn init(_module: &Bound<'_, PyModule>) -> PyResult<()> {
        faults::note_places();
        Ok(())
    }
}
