//! Files that outlive processes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A directory. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Volume(Arc<Mutex<BTreeMap<String, File>>>);

#[derive(Clone, Debug, Default)]
struct File {
    bytes: Vec<u8>,
    /// So many of them survive a power cut.
    synced: usize,
}

impl Volume {
    /// What a file holds.
    #[must_use]
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        self.files().get(name).map(|file| file.bytes.clone())
    }

    /// Puts a whole file in place of what there was, for good.
    pub fn write(&self, name: &str, bytes: Vec<u8>) {
        let synced = bytes.len();
        self.files().insert(name.to_owned(), File { bytes, synced });
    }

    /// Adds to a file. A power cut may take it again.
    pub fn append(&self, name: &str, bytes: &[u8]) {
        self.files().entry(name.to_owned()).or_default().bytes.extend_from_slice(bytes);
    }

    /// Keeps all that was added to a file, as fsync does.
    pub fn sync(&self, name: &str) {
        if let Some(file) = self.files().get_mut(name) {
            file.synced = file.bytes.len();
        }
    }

    /// Removes a file.
    pub fn remove(&self, name: &str) {
        self.files().remove(name);
    }

    /// Removes all files.
    pub fn clear(&self) {
        self.files().clear();
    }

    /// What was not synced is lost.
    pub fn cut_power(&self) {
        for file in self.files().values_mut() {
            file.bytes.truncate(file.synced);
        }
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<String, File>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_cut_takes_what_was_not_synced() {
        let volume = Volume::default();
        volume.append("log", b"a");
        volume.sync("log");
        volume.append("log", b"b");
        volume.write("whole", b"c".to_vec());
        assert_eq!(volume.read("log"), Some(b"ab".to_vec()));
        volume.cut_power();
        assert_eq!((volume.read("log"), volume.read("whole")), (Some(b"a".to_vec()), Some(b"c".to_vec())));
    }
}
