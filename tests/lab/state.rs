//! Where a lab keeps its files, and how it gets an index of its own.

use crate::files;
use crate::name::Name;
use crate::plan::{LABS_MAX, Plan};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// The variable that moves the labs.
pub(crate) const VARIABLE: &str = "OPERLET_STATE";
/// Labs take names and addresses of the whole machine, so their records lie where
/// all users find the same ones.
const DEFAULT: &str = "/var/lib/operlet";

/// The directory of all labs.
#[derive(Clone, Debug)]
pub(crate) struct Labs {
    root: PathBuf,
}

/// The directory of one lab.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
}

/// What is on record of a lab.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// Which addresses it has.
    pub index: u8,
    /// Its nodes, and whether each is meant to run.
    pub nodes: BTreeMap<u8, bool>,
    /// Directories that were made outside the lab's own.
    pub made: Vec<PathBuf>,
}

impl Labs {
    /// Opens the directory of all labs.
    pub(crate) fn open() -> Result<Self> {
        let root = std::env::var_os(VARIABLE)
            .filter(|value| !value.is_empty())
            .map_or_else(|| DEFAULT.into(), PathBuf::from);
        if !root.is_absolute() {
            bail!("{VARIABLE} must be an absolute path, not {}", root.display());
        }
        Ok(Self { root })
    }

    /// Where a lab of this name is, or would be.
    pub(crate) fn layout(&self, name: &Name) -> Layout {
        Layout { root: self.root.join("labs").join(name.as_str()) }
    }

    /// The names of all labs, whatever their state.
    pub(crate) fn names(&self) -> Result<Vec<Name>> {
        let directory = self.root.join("labs");
        let entries = match std::fs::read_dir(&directory) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.with_context(|| format!("cannot read {}", directory.display()))?,
        };
        let mut names: Vec<Name> = entries
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        names.sort();
        Ok(names)
    }

    /// Makes this process the only one that starts or stops the lab, until the file is dropped.
    pub(crate) fn lock(&self, name: &Name) -> Result<File> {
        self.locked(&format!("{name}.lock"))
    }

    /// The state of a lab, new if there is none: with the first index that neither
    /// another lab nor, by `taken`, anything else on this machine uses.
    pub(crate) fn claim(&self, name: &Name, taken: impl Fn(Plan) -> Result<bool>) -> Result<State> {
        let layout = self.layout(name);
        if let Some(state) = layout.load()? {
            return Ok(state);
        }
        let _lock = self.locked("index.lock")?;
        let mut used = Vec::new();
        for other in self.names()? {
            used.extend(self.layout(&other).load()?.map(|state| state.index));
        }
        for plan in (0..LABS_MAX)
            .filter(|index| !used.contains(index))
            .filter_map(|index| Some((index, Plan::new(index)?)))
        {
            let (index, plan) = plan;
            if !taken(plan)? {
                let state = State { index, nodes: BTreeMap::new(), made: Vec::new() };
                files::make(layout.path())?;
                layout.save(&state)?;
                return Ok(state);
            }
        }
        bail!(
            "all {LABS_MAX} address ranges for labs are in use: `lab status` lists them, `lab down` frees one"
        )
    }

    fn locked(&self, name: &str) -> Result<File> {
        files::make(&self.root)?;
        let path = self.root.join(name);
        let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(file)
    }
}

impl Layout {
    /// The lab's directory.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Reads the state; `None` when there is no lab.
    pub fn load(&self) -> Result<Option<State>> {
        let path = self.root.join("lab.json");
        if !path.exists() {
            return Ok(None);
        }
        let state = serde_json::from_str(&files::read(&path)?)
            .with_context(|| format!("{} is damaged: remove the lab with `lab down`", path.display()))?;
        Ok(Some(state))
    }

    /// Writes the state.
    pub fn save(&self, state: &State) -> Result<()> {
        files::write(&self.root.join("lab.json"), serde_json::to_string_pretty(state)?)
    }

    /// Keys, certificates and kubeconfigs.
    pub fn pki(&self) -> PathBuf {
        self.root.join("pki")
    }

    /// A file among the keys and certificates, as text for command lines.
    pub fn key(&self, file: &str) -> String {
        self.pki().join(file).display().to_string()
    }

    /// The kubeconfig of the administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.pki().join("admin.kubeconfig")
    }

    /// The log of a process.
    pub fn log(&self, process: &str) -> PathBuf {
        self.root.join("logs").join(format!("{process}.log"))
    }

    /// The record of a process.
    pub fn record(&self, process: &str) -> PathBuf {
        self.root.join("run").join(format!("{process}.json"))
    }

    /// The directories of claimed volumes.
    pub fn volumes(&self) -> PathBuf {
        self.root.join("volumes")
    }

    /// Images that were added to this lab.
    pub fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    /// Everything of one node.
    pub fn node(&self, node: u8) -> PathBuf {
        self.root.join(format!("node{node}"))
    }

    /// A configuration file of the control plane.
    pub fn configuration(&self, file: &str) -> PathBuf {
        self.root.join("configuration").join(file)
    }

    /// Makes the directories that everything else expects.
    pub fn make(&self) -> Result<()> {
        for directory in ["configuration", "etcd", "images", "logs", "run", "volumes"] {
            files::make(&self.root.join(directory))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(test: &str) -> Labs {
        Labs { root: std::env::temp_dir().join(format!("operlet-labs-{test}-{}", std::process::id())) }
    }

    fn claim(labs: &Labs, name: &str, taken: u8) -> Result<u8> {
        let taken = Plan::new(taken);
        Ok(labs.claim(&name.parse()?, |plan| Ok(Some(plan) == taken))?.index)
    }

    #[test]
    fn labs_get_the_first_free_index_and_keep_it() {
        let labs = scratch("index");
        assert_eq!(claim(&labs, "one", LABS_MAX).unwrap(), 0);
        assert_eq!(claim(&labs, "two", LABS_MAX).unwrap(), 1);
        assert_eq!(claim(&labs, "three", 2).unwrap(), 3, "a range used by something else was taken");
        assert_eq!(claim(&labs, "one", 0).unwrap(), 0);
        files::remove(labs.layout(&"one".parse().unwrap()).path()).unwrap();
        assert_eq!(claim(&labs, "four", LABS_MAX).unwrap(), 0);
        assert_eq!(labs.names().unwrap().len(), 3);
        files::remove(&labs.root).unwrap();
    }
}
