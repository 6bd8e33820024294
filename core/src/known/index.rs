//! All that is registered, and one pass over a text for it.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::sync::Arc;

use curfewd_pages::Place;

use super::bytes::breaks;
use super::checks::Checks;
use super::digests::Digests;
use super::forms::{self, Form, Kinds, Lookup, Wanted};
use super::hashed;
use super::hashes::{Digest, KeyedHash, sha256};
use super::matches::{Apart, Matches, Shown};
use super::rolling::Rolling;
use super::runs::{Run, runs};
use super::search::{subtokens, unbroken, windows};

/// Bytes of the shortest secret that is found whatever is glued to it.
const SHORTEST_WINDOW: usize = 8;

/// What is known of the bytes of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Nothing.
    Any,
    /// There is no white space, control character, quote or comma in it.
    Unbroken,
    /// The same, and it has letters of both cases.
    Mixed,
}

/// The tables of a key, in the order in which they are looked through.
const WINDOWS: usize = 0;
const UNBROKEN: usize = 1;
const MIXED: usize = 2;
const SUBTOKENS: usize = 3;

/// What is registered under one key.
#[derive(Clone)]
struct Keyed {
    hash: KeyedHash,
    folded_hash: KeyedHash,
    tables: [Checks; 4],
    kinds: [Kinds; 4],
    folded: Digests,
    folded_lengths: Vec<usize>,
    folded_kinds: Kinds,
    powers: Arc<[u64]>,
}

/// The bytes of a key, padded to a block, those of the key for text without case, and M and B of the rolling check.
pub struct KeyParts<'a> {
    /// Of the key.
    pub key: &'a [u8],
    /// Of the key under which secrets without their case are hashed.
    pub folded: &'a [u8],
    /// M.
    pub multiplier: u64,
    /// B.
    pub base: u64,
}

/// A text in another form.
pub struct Disguised {
    /// Where it stands.
    pub span: Run,
    /// What was done to the secret.
    pub form: Form,
    /// The secret.
    pub secret: Vec<u8>,
}

/// What a text shows that may be registered elsewhere, under one key.
#[derive(Default)]
pub struct Open {
    /// Values, each with where it stands.
    pub shown: Vec<Shown>,
    /// Texts in another form, each with the HMAC of the secret.
    pub disguised: Vec<(Disguised, Digest)>,
    /// Texts that may have lost their case: where they stand, and the number of the digest.
    pub folded: Vec<(Run, usize)>,
    /// The digests of texts without case.
    pub folded_digests: Vec<Digest>,
    /// Whose they are that are registered here: their numbers, and the HMACs of the secrets.
    pub owners: Vec<(usize, Digest)>,
}

/// What a text shows.
#[derive(Default)]
pub struct Seen {
    /// Where registered secrets stand.
    pub spans: Vec<Run>,
    /// Registered secrets in another form.
    pub disguised: Vec<Disguised>,
    /// What may be registered elsewhere, for each key.
    pub open: Vec<Open>,
}

/// All that is registered. A copy costs little, shares what is large, and may be read while more is added.
#[derive(Clone)]
#[allow(clippy::struct_excessive_bools)]
pub struct Known {
    keys: Vec<Keyed>,
    every_window: bool,
    with_forms: bool,
    /// HMACs, under any key.
    pub hmacs: Digests,
    /// SHA-256 digests.
    pub sha256s: Digests,
    /// Those of public identifiers.
    pub public: Digests,
    hmac_lengths: Vec<usize>,
    sha256_lengths: Vec<usize>,
    any_length: bool,
    sha256_checked: bool,
    wanted: Wanted,
    plain_kinds: Kinds,
}

impl Known {
    /// Nothing, under some keys. With `every_window` secrets are found whatever is glued to them, `with_forms` says
    /// whether other forms are looked for.
    ///
    /// Returns `None` if a key cannot be used.
    #[must_use]
    pub fn new(keys: &[KeyParts], every_window: bool, with_forms: bool, place: Place) -> Option<Self> {
        let mixing = RandomState::new().hash_one(0_u64);
        let keyed = |parts: &KeyParts| {
            let rolling = Rolling::new(parts.multiplier, parts.base);
            Some(Keyed {
                hash: KeyedHash::new(parts.key)?,
                folded_hash: KeyedHash::new(parts.folded)?,
                tables: [(); 4].map(|()| Checks::new(rolling, place, mixing)),
                kinds: Default::default(),
                folded: Digests::map(place),
                folded_lengths: Vec::new(),
                folded_kinds: Kinds::new(),
                powers: rolling.powers(forms::LONGEST).into(),
            })
        };
        let keys = keys.iter().map(keyed).collect::<Option<Vec<_>>>()?;
        Some(Self {
            keys,
            every_window,
            with_forms,
            hmacs: Digests::set(place),
            public: Digests::set(place),
            // In no file: it is the digest of no key.
            sha256s: Digests::set(Place::Memory),
            hmac_lengths: Vec::new(),
            sha256_lengths: Vec::new(),
            any_length: false,
            sha256_checked: false,
            wanted: Wanted::default(),
            plain_kinds: Kinds::new(),
        })
    }

    /// Registers lengths and checks under a key: the length above 32 bits of check.
    ///
    /// # Errors
    ///
    /// There is no room on the disk, or in memory.
    pub fn add_checks(&mut self, key: usize, shape: Shape, keys: &[u64]) -> io::Result<()> {
        let is_window = |one: &u64| self.every_window && (one >> 32) as usize >= SHORTEST_WINDOW;
        let (in_windows, in_subtokens): (Vec<u64>, Vec<u64>) = keys.iter().partition(|one| is_window(one));
        let Some(keyed) = self.keys.get_mut(key) else { return Ok(()) };
        let table = match shape {
            Shape::Any => WINDOWS,
            Shape::Unbroken => UNBROKEN,
            Shape::Mixed => MIXED,
        };
        keyed.tables[table].add(&in_windows)?;
        keyed.tables[SUBTOKENS].add(&in_subtokens)
    }

    /// Registers the digests of secrets without their case, of some lengths, and whose they are.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn add_folded(&mut self, key: usize, lengths: &[usize], pairs: &[(Digest, Digest)]) -> io::Result<()> {
        let Some(keyed) = self.keys.get_mut(key) else { return Ok(()) };
        add_lengths(&mut keyed.folded_lengths, lengths);
        keyed.folded.add(pairs)
    }

    /// Says that HMACs without a check have some lengths, or none if nobody has said them.
    pub fn add_hmac_lengths(&mut self, lengths: &[usize], any: bool) {
        add_lengths(&mut self.hmac_lengths, lengths);
        self.any_length |= any;
    }

    /// Says that SHA-256 digests without a check have some lengths, and whether some have a check.
    pub fn add_sha256_lengths(&mut self, lengths: &[usize], checked: bool) {
        add_lengths(&mut self.sha256_lengths, lengths);
        self.sha256_checked |= checked;
    }

    /// Makes ready what is looked for in another form, after something was registered.
    pub fn prepare(&mut self) {
        if !self.with_forms {
            return;
        }
        for keyed in &mut self.keys {
            for (number, (kinds, checks)) in keyed.kinds.iter_mut().zip(&keyed.tables).enumerate() {
                let lengths = checks.lengths().iter().map(|length| length.bytes);
                *kinds = if number == MIXED {
                    forms::kinds_of(lengths, forms::FULL_MIXED, forms::SHORT_MIXED)
                } else {
                    forms::kinds_of(lengths, forms::FULL, forms::SHORT)
                };
            }
            keyed.folded_kinds = forms::kinds_of(keyed.folded_lengths.iter().copied(), forms::FOLDED, 0);
        }
        self.plain_kinds = forms::kinds_of(self.sha256_lengths.iter().copied(), forms::FULL, 0);
        let of_keys = self.keys.iter().flat_map(|keyed| keyed.kinds.iter().chain([&keyed.folded_kinds]));
        self.wanted = Wanted::of(of_keys.chain([&self.plain_kinds]));
    }

    /// What a text shows. With `elsewhere`, what is not registered here may be so elsewhere, and is left open.
    #[must_use]
    pub fn seen(&self, data: &[u8], elsewhere: bool) -> Seen {
        let mut seen = Seen::default();
        let unbroken = self.keys.iter().flat_map(|keyed| [UNBROKEN, MIXED].map(|table| &keyed.tables[table]));
        let shortest =
            unbroken.filter_map(|checks| Some(checks.lengths().first()?.bytes)).chain(self.wanted.shortest());
        let runs = match shortest.min() {
            Some(shortest) => runs(data, shortest, |byte| !breaks(byte)),
            None => Vec::new(),
        };
        for keyed in &self.keys {
            let mut open = Open::default();
            for shown in keyed.shown(data, &runs) {
                if self.has(&shown.digest, &data[shown.spans[0].0..shown.spans[0].1]) {
                    seen.spans.extend(shown.spans);
                } else if elsewhere {
                    open.shown.push(shown);
                }
            }
            self.add_hashed(data, keyed, &mut seen.spans);
            seen.open.push(open);
        }
        self.add_plain(data, &mut seen.spans);
        seen.spans.sort_unstable();
        seen.spans.dedup();
        if self.wanted.shortest().is_some() && !runs.is_empty() {
            self.add_forms(data, &runs, elsewhere, &mut seen);
        }
        seen
    }

    fn has(&self, hmac: &Digest, value: &[u8]) -> bool {
        self.hmacs.has(hmac) || (self.sha256_checked && self.sha256s.has(&sha256(value)))
    }

    /// Adds what is registered by an HMAC alone.
    fn add_hashed(&self, data: &[u8], keyed: &Keyed, spans: &mut Vec<Run>) {
        let mut apart = Apart::default();
        let mut test = |span: Run| {
            if self.hmacs.has(&keyed.hash.digest(&data[span.0..span.1])) && apart.add(data, span) {
                spans.push(span);
            }
        };
        hashed::sized(data, &self.hmac_lengths, &mut test);
        if self.any_length {
            hashed::subtokens(data, &mut test);
        }
    }

    /// Adds what is registered by a SHA-256 and a length.
    fn add_plain(&self, data: &[u8], spans: &mut Vec<Run>) {
        let mut apart = Apart::default();
        for &length in &self.sha256_lengths {
            let glued = self.every_window && length >= SHORTEST_WINDOW;
            hashed::windows(data, length, glued, |span| {
                if self.sha256s.has(&sha256(&data[span.0..span.1])) && apart.add(data, span) {
                    spans.push(span);
                }
            });
        }
    }

    fn add_forms(&self, data: &[u8], runs: &[Run], elsewhere: bool, seen: &mut Seen) {
        let Seen { disguised, open, .. } = seen;
        let lookups: Vec<Vec<Lookup>> = self.keys.iter().map(Keyed::lookups).collect();
        let mut texts: Vec<HashMap<Vec<u8>, usize>> = vec![HashMap::new(); self.keys.len()];
        forms::candidates(data, runs, &self.wanted, |span| {
            let text = &data[span.0..span.1];
            for (number, keyed) in self.keys.iter().enumerate() {
                for lookup in &lookups[number] {
                    lookup.forms(text, |form| {
                        let secret = form.undone(text);
                        if secret == text || (form == Form::Swapped && !forms::may_fold(text)) {
                            return;
                        }
                        let digest = keyed.hash.digest(&secret);
                        let is_known = self.has(&digest, &secret);
                        let found = Disguised { span, form, secret };
                        if is_known {
                            disguised.push(found);
                        } else if elsewhere {
                            open[number].disguised.push((found, digest));
                        }
                    });
                }
                if keyed.folded_kinds[text.len()] != 0 {
                    if let Some(lower) = forms::folded(text) {
                        let Open { folded, folded_digests, .. } = &mut open[number];
                        let digest = *texts[number].entry(lower).or_insert_with_key(|lower| {
                            folded_digests.push(keyed.folded_hash.digest(lower));
                            folded_digests.len() - 1
                        });
                        folded.push((span, digest));
                    }
                }
            }
            if self.plain_kinds[text.len()] != 0 {
                for form in [Form::Reversed, Form::Rot13, Form::Swapped] {
                    let secret = form.undone(text);
                    if secret != text && self.sha256s.has(&sha256(&secret)) {
                        disguised.push(Disguised { span, form, secret });
                    }
                }
            }
        });
        for (keyed, open) in self.keys.iter().zip(open) {
            let digests = open.folded_digests.iter().enumerate();
            open.owners = digests.filter_map(|(number, digest)| Some((number, keyed.folded.get(digest)?))).collect();
            if open.owners.is_empty() && !elsewhere {
                open.folded.clear();
            }
        }
    }
}

impl Keyed {
    /// The values of registered lengths and checks that a text shows.
    fn shown(&self, data: &[u8], runs: &[Run]) -> Vec<Shown> {
        let mut matches = Matches::new(data, &self.hash);
        windows(data, &self.tables[WINDOWS], |span, check| matches.add(span, check));
        unbroken(data, runs, &self.tables[UNBROKEN], false, |span, check| matches.add(span, check));
        unbroken(data, runs, &self.tables[MIXED], true, |span, check| matches.add(span, check));
        subtokens(data, &self.tables[SUBTOKENS], |span, check| matches.add(span, check));
        matches.shown()
    }

    fn lookups(&self) -> Vec<Lookup<'_>> {
        let tables = self.tables.iter().zip(&self.kinds).filter(|(checks, _)| checks.count() > 0);
        tables.map(|(checks, kinds)| Lookup::new(checks, kinds, &self.powers)).collect()
    }
}

fn add_lengths(lengths: &mut Vec<usize>, fresh: &[usize]) {
    lengths.extend(fresh);
    lengths.sort_unstable();
    lengths.dedup();
}
