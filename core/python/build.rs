//! Copies the patterns to where the wheel takes them from: they are data beside the code in a checkout, and inside the
//! package once it is installed.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let patterns = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../patterns");
    let into = Path::new(&env::var("OUT_DIR").map_err(io::Error::other)?).join("pattern_files");
    println!("cargo::rerun-if-changed={}", patterns.display());
    if into.exists() {
        fs::remove_dir_all(&into)?;
    }
    fs::create_dir_all(&into)?;
    for file in fs::read_dir(patterns)? {
        let file = file?;
        fs::copy(file.path(), into.join(file.file_name()))?;
    }
    Ok(())
}
