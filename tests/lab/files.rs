//! Small helpers around files whose errors name the file.

use anyhow::{Context, Result};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Makes a directory and those above it.
pub fn make(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot make the directory {}", path.display()))
}

/// Writes a file that anybody may read.
pub fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    write_mode(path, content.as_ref(), 0o644)
}

/// Writes a file that only its owner may read: keys, and what contains them.
pub fn write_secret(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    write_mode(path, content.as_ref(), 0o600)
}

/// Reads a text file.
pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Removes a directory and all below it; there being none is fine.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn write_mode(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    // Written beside and renamed, so that no reader ever sees half of it.
    let beside = path.with_added_extension("new");
    let _ = fs::remove_file(&beside);
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| fs::rename(&beside, path))
        .with_context(|| format!("cannot write {}", path.display()))
}
