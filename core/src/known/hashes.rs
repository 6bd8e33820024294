//! Digests: HMAC-SHA-256 (RFC 2104) and SHA-256 (FIPS 180-4).

use hmac::{Hmac, Mac};
use sha2::{Digest as _, Sha256};

/// 32 bytes.
pub type Digest = [u8; 32];

/// HMAC-SHA-256 under one key, which is hashed once and not for each message.
#[derive(Clone)]
pub struct KeyedHash(Hmac<Sha256>);

impl KeyedHash {
    /// That of a key; `None` if no HMAC can be made of it, which does not happen.
    #[must_use]
    pub fn new(key: &[u8]) -> Option<Self> {
        Hmac::new_from_slice(key).ok().map(Self)
    }

    /// The HMAC of a text.
    #[must_use]
    pub fn digest(&self, text: &[u8]) -> Digest {
        let mut state = self.0.clone();
        state.update(text);
        state.finalize().into_bytes().into()
    }
}

/// The SHA-256 of a text.
#[must_use]
pub fn sha256(text: &[u8]) -> Digest {
    Sha256::digest(text).into()
}
