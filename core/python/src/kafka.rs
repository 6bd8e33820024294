//! Kafka's record batches.

#![allow(clippy::needless_pass_by_value)] // PyO3 hands buffers over by value

use curfewd_core::kafka::batches::{Batch, Time, marker, together};
use curfewd_core::kafka::columns::{Row, VALUE, WIDTH, join, line_starts};
use curfewd_core::kafka::varints::Reader;
use curfewd_core::kafka::walk::Walk;
use curfewd_core::kafka::{checksum, write};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyString, PyTuple};

use crate::faults::released;

fn outside() -> PyErr {
    PyValueError::new_err("a row leads out of the data")
}

/// The rows of a C-contiguous array of shape (n, 8).
fn rows_of(py: Python<'_>, columns: &PyBuffer<i64>) -> PyResult<Vec<i64>> {
    let numbers = columns.to_vec(py)?;
    if numbers.len() % WIDTH == 0 {
        Ok(numbers)
    } else {
        Err(PyValueError::new_err("the columns have rows of another width"))
    }
}

#[pyfunction]
#[pyo3(signature = (data, begin = 0))]
pub fn crc32c(py: Python<'_>, data: &[u8], begin: usize) -> PyResult<u32> {
    let text = data.get(begin..).ok_or_else(outside)?;
    released(py, || checksum(text))
}

#[pyfunction]
pub fn batches_together(
    py: Python<'_>,
    data: &[u8],
    begin: usize,
    marks: bool,
    most: i64,
    room: i64,
) -> PyResult<(usize, i64, i64, i64)> {
    let room = usize::try_from(room).unwrap_or(0);
    let found = released(py, || together(data, begin, marks, most, room))?;
    Ok((found.end, found.records, found.first, found.next))
}

#[pyfunction]
pub fn batch_offsets(py: Python<'_>, data: &[u8], at: usize) -> PyResult<Option<(i64, i64)>> {
    released(py, || Batch::at(data, at)?.offsets())
}

#[pyfunction]
pub fn marker_key(py: Python<'_>, data: &[u8], at: usize, count: i64) -> PyResult<Option<i64>> {
    released(py, || marker(data, at, count))
}

#[pyfunction]
pub fn headers_at<'py>(py: Python<'py>, data: &[u8], at: usize, count: usize) -> PyResult<Bound<'py, PyTuple>> {
    let mut reader = Reader::new(data, at);
    let mut found = Vec::new();
    for _ in 0..count {
        let (name, value) = reader.header().ok_or_else(outside)?;
        let name = PyString::from_bytes(py, name)?;
        found.push((name, value.map(|value| PyBytes::new(py, value))));
    }
    PyTuple::new(py, found)
}

#[pyclass(module = "detector.core")]
pub struct RecordWalk {
    data: Py<PyBytes>,
    walk: Walk,
}

#[pymethods]
impl RecordWalk {
    #[staticmethod]
    fn together(data: Py<PyBytes>, begin: usize, end: usize) -> Self {
        Self { data, walk: Walk::together(begin, end) }
    }

    #[staticmethod]
    #[pyo3(signature = (data, begin, end, count, *, offsets, time, of_all))]
    fn within(
        data: Py<PyBytes>,
        begin: usize,
        end: usize,
        count: i64,
        offsets: (i64, i64),
        time: i64,
        of_all: bool,
    ) -> Self {
        let time = if of_all { Time::OfAll(time) } else { Time::From(time) };
        Self { data, walk: Walk::within(begin, end, count, offsets, time) }
    }

    #[getter]
    fn at(&self) -> usize {
        self.walk.at()
    }

    #[getter]
    fn wrong(&self) -> bool {
        self.walk.is_wrong()
    }

    #[getter]
    fn done(&self) -> bool {
        self.walk.is_done()
    }

    fn read<'py>(
        &mut self,
        py: Python<'py>,
        most: usize,
        mut position: i64,
    ) -> PyResult<(Bound<'py, PyByteArray>, i64)> {
        let (data, walk) = (self.data.bind(py).as_bytes(), &mut self.walk);
        let (rows, position) = released(py, move || (walk.read(data, most, &mut position), position))?;
        Ok((PyByteArray::new(py, bytemuck::cast_slice(&rows)), position))
    }
}

#[pyfunction]
pub fn value_lines<'py>(
    py: Python<'py>,
    data: &[u8],
    columns: PyBuffer<i64>,
    pad: usize,
) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyByteArray>)> {
    let numbers = rows_of(py, &columns)?;
    let rows: &[Row] = bytemuck::cast_slice(&numbers);
    let starts = released(py, || line_starts(rows))?;
    let text = lines(py, data, rows, VALUE, &starts, pad)?;
    Ok((text, PyByteArray::new(py, bytemuck::cast_slice(&starts))))
}

#[pyfunction]
pub fn joined<'py>(
    py: Python<'py>,
    data: &[u8],
    columns: PyBuffer<i64>,
    place: usize,
    starts: PyBuffer<i64>,
) -> PyResult<Bound<'py, PyBytes>> {
    let numbers = rows_of(py, &columns)?;
    lines(py, data, bytemuck::cast_slice(&numbers), place, &starts.to_vec(py)?, 0)
}

fn lines<'py>(
    py: Python<'py>,
    data: &[u8],
    rows: &[Row],
    place: usize,
    starts: &[i64],
    pad: usize,
) -> PyResult<Bound<'py, PyBytes>> {
    let size = starts.last().and_then(|&end| usize::try_from(end).ok()).ok_or_else(outside)?;
    PyBytes::new_with(py, size + pad, |into| {
        into[size..].fill(b'\n');
        released(py, || join(data, rows, place, starts, into))?.ok_or_else(outside)
    })
}

#[pyfunction]
pub fn written_records<'py>(
    py: Python<'py>,
    data: &[u8],
    columns: PyBuffer<i64>,
    most: usize,
) -> PyResult<Vec<(usize, Bound<'py, PyBytes>)>> {
    let numbers = rows_of(py, &columns)?;
    let rows: &[Row] = bytemuck::cast_slice(&numbers);
    let written = released(py, || write::batches(data, rows, most))?.ok_or_else(outside)?;
    Ok(written.into_iter().map(|(count, text)| (count, PyBytes::new(py, &text))).collect())
}
