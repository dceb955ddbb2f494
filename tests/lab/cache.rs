//! What the lab builds or fetches once a machine.
//!
//! An entry is named by what it is made of. It is built beside its place and
//! renamed when it is complete, so that half of one is never taken for it.

use crate::{files, shell};
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::path::{Path, PathBuf};

/// The variable that moves the cache.
pub const VARIABLE: &str = "OPERLET_CACHE";

/// The cache of this machine.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

/// One thing to have in the cache.
pub struct Entry<'a> {
    /// What it is called there.
    pub name: &'a str,
    /// Everything that it is made from: another key makes another entry.
    pub key: &'a [&'a str],
    /// Files that it must have; one that lost some of them is made again.
    pub files: &'a [&'a str],
}

impl Cache {
    /// Opens the cache: `OPERLET_CACHE`, or `operlet` in the user's cache directory.
    pub fn open() -> Result<Self> {
        let set = |variable| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = set(VARIABLE)
            .or_else(|| Some(set("XDG_CACHE_HOME")?.join("operlet")))
            .or_else(|| Some(set("HOME")?.join(".cache/operlet")));
        let Some(root) = root else {
            bail!("neither HOME nor {VARIABLE} is set: where should the cache be?")
        };
        if !root.is_absolute() {
            bail!("{VARIABLE} must be an absolute path, not {}", root.display());
        }
        files::make(&root)?;
        Ok(Self { root })
    }

    /// Where an entry is, if it is there.
    pub fn find(&self, entry: &Entry<'_>) -> Option<PathBuf> {
        let path = self.path(entry);
        let complete = path.is_dir() && entry.files.iter().all(|file| present(&path.join(file)));
        complete.then_some(path)
    }

    /// The directory of an entry, which `build` fills if it is not there.
    pub fn get(&self, entry: &Entry<'_>, build: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        if let Some(path) = self.find(entry) {
            return Ok(path);
        }
        let lock = self.root.join(format!("{}.lock", entry.name));
        let lock = File::create(&lock).with_context(|| format!("cannot write {}", lock.display()))?;
        lock.lock().context("cannot lock the cache")?;
        // Whoever held the lock may just have built it.
        if let Some(path) = self.find(entry) {
            return Ok(path);
        }
        let path = self.path(entry);
        let unfinished = path.with_added_extension("unfinished");
        files::remove(&unfinished)?;
        files::make(&unfinished)?;
        build(&unfinished)?;
        if let Some(missing) = entry.files.iter().find(|file| !present(&unfinished.join(file))) {
            bail!("what was built for {} lacks {missing}: this is a defect of the lab", entry.name);
        }
        files::remove(&path)?;
        std::fs::rename(&unfinished, &path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    }

    /// Where things are kept that are no entries.
    pub fn directory(&self, name: &str) -> Result<PathBuf> {
        let path = self.root.join(name);
        files::make(&path)?;
        Ok(path)
    }

    fn path(&self, entry: &Entry<'_>) -> PathBuf {
        let mut hash = Sha256::new();
        for part in entry.key {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        let hash: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        self.root.join(format!("{}-{hash}", entry.name))
    }
}

fn present(path: &Path) -> bool {
    path.metadata().is_ok_and(|data| data.len() > 0) || shell::runs(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn scratch(test: &str) -> Cache {
        let root = std::env::temp_dir().join(format!("operlet-cache-{test}-{}", std::process::id()));
        files::make(&root).unwrap();
        Cache { root }
    }

    const ENTRY: Entry<'static> = Entry { name: "thing", key: &["a", "b"], files: &["file"] };

    #[test]
    fn an_entry_is_built_once_and_again_when_it_lost_a_file() {
        let (cache, builds) = (scratch("once"), Cell::new(0));
        let build = |path: &Path| {
            builds.set(builds.get() + 1);
            files::write(&path.join("file"), "content")
        };
        let path = cache.get(&ENTRY, build).unwrap();
        cache.get(&ENTRY, build).unwrap();
        assert_eq!(builds.get(), 1);
        std::fs::remove_file(path.join("file")).unwrap();
        cache.get(&ENTRY, build).unwrap();
        assert_eq!(builds.get(), 2);
        files::remove(&cache.root).unwrap();
    }

    #[test]
    fn a_build_that_failed_leaves_no_entry() {
        let cache = scratch("failed");
        assert!(cache.get(&ENTRY, |_| bail!("no")).is_err());
        assert!(cache.get(&ENTRY, |_| Ok(())).is_err(), "an incomplete entry was taken");
        assert!(cache.find(&ENTRY).is_none());
        files::remove(&cache.root).unwrap();
    }

    #[test]
    fn parts_of_a_key_do_not_run_into_each_other() {
        let cache = scratch("key");
        let path = |key| cache.path(&Entry { name: "thing", key, files: &[] });
        assert_ne!(path(&["ab", "c"]), path(&["a", "bc"]));
        files::remove(&cache.root).unwrap();
    }
}
