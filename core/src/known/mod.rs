//! The search for registered credentials, by what is known of them: their length, a rolling check, and a digest.
//!
//! | registered with | what is found |
//! | --- | --- |
//! | length and check, from 8 bytes | each window: `windows` |
//! | the same, of a secret without white space, quotes and commas | each window of a run without these: `unbroken` |
//! | length and check, shorter | sub-tokens: `subtokens` |
//! | an HMAC alone | sub-tokens that are hashed: `hashed` |
//! | a SHA-256 and a length | windows of runs of a token's characters that are hashed: `hashed` |
//!
//! `forms` finds them in another form: reversed, in another case, without a character. `index` has them all.

pub mod bits;
pub mod bytes;
pub mod checks;
pub mod digests;
pub mod forms;
pub mod hashed;
pub mod hashes;
pub mod index;
pub mod matches;
pub mod rolling;
pub mod runs;
pub mod search;
