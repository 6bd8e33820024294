//! The loops of curfewd over bytes, without Python.
//!
//! What they read is hostile: an index is checked before it is used, and no message quotes what was read.

pub mod kafka;
pub mod known;
