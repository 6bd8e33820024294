//! Panics as Python's exceptions.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};

use pyo3::create_exception;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

create_exception!(detector.core, CoreError, PyRuntimeError, "A mistake in the core, with its place in the source.");

thread_local! {
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps where a panic was, in place of its message on stderr: that may quote what was read.
pub fn note_places() {
    set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        PLACE.with_borrow_mut(|noted| *noted = place);
    }));
}

/// Calls `work` with the interpreter released.
pub fn released<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> PyResult<T> {
    py.detach(|| catch_unwind(AssertUnwindSafe(work)).map_err(|_| PLACE.with_borrow(String::clone)))
        .map_err(|place| CoreError::new_err(format!("the core failed{place}")))
}
