#![no_main]

#[allow(dead_code)]
#[path = "../../tests/properties/known.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|input: &[u8]| property::holds(input));
