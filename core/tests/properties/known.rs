//! What may stand in a text in which registered credentials are looked for.

use std::collections::HashSet;

use curfewd_core::known::hashes::{KeyedHash, sha256};
use curfewd_core::known::index::{KeyParts, Known, Shape};
use curfewd_core::known::rolling::{Rolling, check};
use curfewd_pages::Place;

const KEY: KeyParts =
    KeyParts { key: &[1; 64], folded: &[2; 64], multiplier: 0x9E37_79B9_7F4A_7C15, base: 0x2545_F491_4F6C_DD1D };
/// Bytes from which on a secret is found whatever is glued to it.
const GLUED: usize = 8;

/// What is found are registered secrets, each window of those with a length and check is found, and other forms are
/// told with the secret.
///
/// The input is four numbers and a text. Each number says where a secret begins in the text, how long it is, and how it
/// is registered.
pub fn holds(input: &[u8]) {
    let Some((numbers, text)) = input.split_at_checked(12) else { return };
    let rolling = Rolling::new(KEY.multiplier, KEY.base);
    let hash = KeyedHash::new(KEY.key).expect("a key");
    let mut known = Known::new(&[KEY], true, true, Place::Memory).expect("a key");
    let (mut secrets, mut windows) = (HashSet::new(), HashSet::new());
    for number in numbers.chunks_exact(3) {
        let begin = usize::from(number[0]).min(text.len());
        let secret = &text[begin..text.len().min(begin + usize::from(number[1]))];
        if secret.is_empty() {
            continue;
        }
        secrets.insert(secret);
        let digest = hash.digest(secret);
        match number[2] % 4 {
            0 => {
                let mut sums = Vec::new();
                rolling.sums(secret, &mut sums);
                let told = check(0, sums[secret.len()], 1);
                let key = (secret.len() as u64) << 32 | u64::from(told);
                known.add_checks(0, Shape::Any, &[key]).expect("room");
                known.hmacs.add(&[(digest, digest)]).expect("room");
                if secret.len() >= GLUED && !secret.contains(&b'\n') {
                    windows.insert(secret);
                }
            }
            1 => {
                known.add_hmac_lengths(&[secret.len()], false);
                known.hmacs.add(&[(digest, digest)]).expect("room");
            }
            2 => {
                known.add_hmac_lengths(&[], true);
                known.hmacs.add(&[(digest, digest)]).expect("room");
            }
            _ => {
                let digest = sha256(secret);
                known.add_sha256_lengths(&[secret.len()], false);
                known.sha256s.add(&[(digest, digest)]).expect("room");
            }
        }
    }
    known.prepare();
    let seen = known.seen(text, false);
    assert!(seen.spans.windows(2).all(|pair| pair[0] < pair[1]), "in order, none twice");
    assert!(seen.spans.iter().all(|&(begin, end)| secrets.contains(&text[begin..end])));
    for secret in windows {
        let mut behind = 0;
        for (begin, window) in text.windows(secret.len()).enumerate() {
            if begin >= behind && window == secret {
                behind = begin + secret.len();
                assert!(seen.spans.binary_search(&(begin, behind)).is_ok(), "each window is found");
            }
        }
    }
    for told in seen.disguised {
        assert!(secrets.contains(told.secret.as_slice()));
        assert_eq!(told.form.undone(&text[told.span.0..told.span.1]), told.secret);
    }
}
