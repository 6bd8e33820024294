//! The search for registered credentials.

#![allow(clippy::needless_pass_by_value)] // PyO3 hands buffers over by value

use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use curfewd_core::known::digests::Digests;
use curfewd_core::known::forms::Form;
use curfewd_core::known::hashes::Digest;
use curfewd_core::known::index::{Disguised, KeyParts, Known, Open, Shape};
use curfewd_core::known::runs::Run;
use curfewd_pages::Place;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::faults::released;

const DIGEST: usize = size_of::<Digest>();

/// (start, end, form, missing character, secret)
type Told<'py> = (usize, usize, u8, u8, Bound<'py, PyBytes>);
/// Values shown, texts in another form, rows of texts without case, digests of these, and whose some are
type OpenTold<'py> = (
    Vec<(Bound<'py, PyBytes>, Vec<Run>)>,
    Vec<(Told<'py>, Bound<'py, PyBytes>)>,
    Vec<(usize, usize, usize)>,
    Bound<'py, PyBytes>,
    Vec<(usize, Bound<'py, PyBytes>)>,
);

/// The error number goes along, so that a full disk is told as one.
fn failed(error: io::Error) -> PyErr {
    match error.raw_os_error() {
        Some(number) => PyOSError::new_err((number, error.to_string())),
        None => PyOSError::new_err(error.to_string()),
    }
}

fn digest_of(bytes: &[u8]) -> PyResult<Digest> {
    bytes.try_into().map_err(|_| PyValueError::new_err("a digest has 32 bytes"))
}

fn digests_of(bytes: &[u8]) -> PyResult<Vec<Digest>> {
    if bytes.len() % DIGEST == 0 {
        bytes.chunks_exact(DIGEST).map(digest_of).collect()
    } else {
        Err(PyValueError::new_err("a digest has 32 bytes"))
    }
}

fn pairs_of(digests: &[u8], others: &[u8]) -> PyResult<Vec<(Digest, Digest)>> {
    if digests.len() != others.len() {
        return Err(PyValueError::new_err("there are not as many others as digests"));
    }
    Ok(digests_of(digests)?.into_iter().zip(digests_of(others)?).collect())
}

fn told<'py>(py: Python<'py>, found: &Disguised) -> Told<'py> {
    let (form, missing) = match found.form {
        Form::Reversed => (0, 0),
        Form::Rot13 => (1, 0),
        Form::Swapped => (2, 0),
        Form::WithoutLast(missing) => (3, missing),
        Form::WithoutFirst(missing) => (4, missing),
    };
    (found.span.0, found.span.1, form, missing, PyBytes::new(py, &found.secret))
}

fn open_told(py: Python<'_>, open: Open) -> OpenTold<'_> {
    let shown = open.shown.into_iter().map(|one| (PyBytes::new(py, &one.digest), one.spans)).collect();
    let disguised = open.disguised.iter().map(|(one, digest)| (told(py, one), PyBytes::new(py, digest))).collect();
    let folded = open.folded.into_iter().map(|((start, end), number)| (start, end, number)).collect();
    let owners = open.owners.into_iter().map(|(number, owner)| (number, PyBytes::new(py, &owner))).collect();
    (shown, disguised, folded, PyBytes::new(py, open.folded_digests.as_flattened()), owners)
}

/// Digests, each with another.
#[pyclass(module = "detector.core", frozen)]
pub struct DigestMap(Digests);

#[pymethods]
impl DigestMap {
    #[new]
    fn new(digests: &[u8], others: &[u8]) -> PyResult<Self> {
        let pairs = pairs_of(digests, others)?;
        let mut map = Digests::map(Place::Memory);
        map.add(&pairs).map_err(failed)?;
        Ok(Self(map))
    }

    fn get<'py>(&self, py: Python<'py>, digest: &[u8]) -> PyResult<Option<Bound<'py, PyBytes>>> {
        Ok(self.0.get(&digest_of(digest)?).map(|other| PyBytes::new(py, &other)))
    }
}

/// A copy is read while more is registered.
#[pyclass(module = "detector.core", frozen)]
pub struct KnownTables(RwLock<Arc<Known>>);

impl KnownTables {
    fn now(&self) -> Arc<Known> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The interpreter is held, so one thread registers at a time and no process is forked meanwhile.
    fn changed<T>(&self, change: impl FnOnce(&mut Known) -> io::Result<T>) -> PyResult<T> {
        let mut known = Known::clone(&self.now());
        let result = change(&mut known).map_err(failed)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
        Ok(result)
    }
}

#[pymethods]
impl KnownTables {
    #[new]
    #[pyo3(signature = (keys, *, every_window, forms, in_files))]
    fn new(keys: Vec<(Vec<u8>, Vec<u8>, u64, u64)>, every_window: bool, forms: bool, in_files: bool) -> PyResult<Self> {
        let parts: Vec<KeyParts> = keys
            .iter()
            .map(|(key, folded, multiplier, base)| KeyParts { key, folded, multiplier: *multiplier, base: *base })
            .collect();
        let place = if in_files { Place::File } else { Place::Memory };
        let known = Known::new(&parts, every_window, forms, place);
        let known = known.ok_or_else(|| PyValueError::new_err("a key cannot be used"))?;
        Ok(Self(RwLock::new(Arc::new(known))))
    }

    fn add_checks(&self, py: Python<'_>, key: usize, shape: Option<&str>, checks: PyBuffer<u64>) -> PyResult<()> {
        let shape = match shape {
            Some("unbroken") => Shape::Unbroken,
            Some("mixed") => Shape::Mixed,
            _ => Shape::Any,
        };
        let checks = checks.to_vec(py)?;
        self.changed(|known| known.add_checks(key, shape, &checks))
    }

    fn add_hmacs(&self, digests: &[u8], lengths: Vec<usize>, any_length: bool) -> PyResult<()> {
        let pairs = pairs_of(digests, digests)?;
        self.changed(|known| {
            known.add_hmac_lengths(&lengths, any_length);
            known.hmacs.add(&pairs)
        })
    }

    fn add_sha256s(&self, digests: &[u8], lengths: Vec<usize>, checked: bool) -> PyResult<()> {
        let pairs = pairs_of(digests, digests)?;
        self.changed(|known| {
            known.add_sha256_lengths(&lengths, checked);
            known.sha256s.add(&pairs)
        })
    }

    fn add_public(&self, digests: &[u8]) -> PyResult<()> {
        let pairs = pairs_of(digests, digests)?;
        self.changed(|known| known.public.add(&pairs))
    }

    fn add_folded(&self, key: usize, digests: &[u8], owners: &[u8], lengths: Vec<usize>) -> PyResult<()> {
        let pairs = pairs_of(digests, owners)?;
        self.changed(|known| known.add_folded(key, &lengths, &pairs))
    }

    fn prepare(&self) -> PyResult<()> {
        self.changed(|known| {
            known.prepare();
            Ok(())
        })
    }

    fn __len__(&self) -> usize {
        let known = self.now();
        known.hmacs.count() + known.sha256s.count() + known.public.count()
    }

    fn has_hmac(&self, digest: &[u8]) -> PyResult<bool> {
        Ok(self.now().hmacs.has(&digest_of(digest)?))
    }

    fn has_sha256(&self, digest: &[u8]) -> PyResult<bool> {
        Ok(self.now().sha256s.has(&digest_of(digest)?))
    }

    fn has_public(&self, digest: &[u8]) -> PyResult<bool> {
        Ok(self.now().public.has(&digest_of(digest)?))
    }

    #[pyo3(signature = (data, *, elsewhere))]
    fn seen<'py>(
        &self,
        py: Python<'py>,
        data: &[u8],
        elsewhere: bool,
    ) -> PyResult<(Vec<Run>, Vec<Told<'py>>, Vec<OpenTold<'py>>)> {
        let known = self.now();
        let seen = released(py, || known.seen(data, elsewhere))?;
        let disguised = seen.disguised.iter().map(|found| told(py, found)).collect();
        let open = seen.open.into_iter().map(|open| open_told(py, open)).collect();
        Ok((seen.spans, disguised, open))
    }
}
