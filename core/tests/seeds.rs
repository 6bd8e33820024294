//! What fuzzing has found holds still: `core/fuzz/seeds` has an input for each way through the code.

mod properties;

use std::fs;
use std::path::Path;

fn replay(target: &str, holds: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let seeds: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(!seeds.is_empty());
    for seed in seeds {
        holds(&seed);
        for end in 0..seed.len() {
            holds(&seed[..end]);
        }
    }
}

#[test]
fn record_batches() {
    replay("batches", properties::batches::holds);
}

#[test]
fn registered_credentials() {
    replay("known", properties::known::holds);
}
