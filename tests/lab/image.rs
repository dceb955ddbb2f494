//! Writes container images without a builder or a registry: one layer, in the
//! archive format of `docker save`, byte for byte the same every time.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What to write.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// The name to import it under, with the tag: `docker.io/library/redis:8.0`.
    pub reference: String,
    /// How a container of it is run.
    pub config: Config,
    /// Its files.
    pub root: Root,
}

/// How a container is run, where the pod does not say otherwise.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The program that is always run.
    pub entrypoint: Vec<String>,
    /// Its arguments, or the program if there is no entrypoint.
    pub command: Vec<String>,
    /// Variables, by name.
    pub environment: BTreeMap<String, String>,
    /// A user, or `user:group`; numbers let Kubernetes see that it is not root.
    pub user: String,
    /// Where the program starts.
    pub directory: String,
    /// Ports such as `6379/tcp`.
    pub ports: Vec<String>,
    /// Labels, by name.
    pub labels: BTreeMap<String, String>,
}

/// One thing in the root file system.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it is.
    pub content: Content,
    /// Its permissions, such as 0o755.
    pub mode: u32,
    /// The number of its owner; the group's is the same.
    pub owner: u64,
}

/// What an entry is.
#[derive(Clone, Debug)]
pub enum Content {
    /// A file with these bytes.
    Bytes(Vec<u8>),
    /// A file with the bytes of one on this machine.
    Copy(PathBuf),
    /// A symbolic link.
    Link(String),
    /// A directory.
    Directory,
}

/// The files of an image, by their paths without a slash in front.
#[derive(Clone, Debug, Default)]
pub struct Root {
    entries: BTreeMap<String, Entry>,
}

impl Root {
    /// Adds or replaces an entry; the directories above it come by themselves.
    pub fn add(&mut self, path: &str, entry: Entry) -> &mut Self {
        self.entries.insert(path.trim_matches('/').to_owned(), entry);
        self
    }

    /// Adds a directory.
    pub fn directory(&mut self, path: &str, mode: u32, owner: u64) -> &mut Self {
        self.add(path, Entry { content: Content::Directory, mode, owner })
    }

    /// Adds a file of root's with these bytes.
    pub fn file(&mut self, path: &str, mode: u32, bytes: impl Into<Vec<u8>>) -> &mut Self {
        self.add(path, Entry { content: Content::Bytes(bytes.into()), mode, owner: 0 })
    }

    /// Adds a file of root's that is on this machine.
    pub fn copy(&mut self, path: &str, mode: u32, source: &Path) -> &mut Self {
        self.add(path, Entry { content: Content::Copy(source.to_owned()), mode, owner: 0 })
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: &str, target: &str) -> &mut Self {
        self.add(path, Entry { content: Content::Link(target.to_owned()), mode: 0o777, owner: 0 })
    }

    /// Adds the files and links below a directory of this machine as root's,
    /// each under the path that `place` gives it, or not at all.
    pub fn tree(&mut self, source: &Path, place: impl Fn(&str) -> Option<String>) -> Result<&mut Self> {
        let mut open = vec![source.to_owned()];
        while let Some(directory) = open.pop() {
            let entries = std::fs::read_dir(&directory)
                .with_context(|| format!("cannot read the directory {}", directory.display()))?;
            for entry in entries {
                let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
                if kind.is_dir() {
                    open.push(path);
                    continue;
                }
                let Some(inside) = path.strip_prefix(source)?.to_str().and_then(&place) else { continue };
                if kind.is_symlink() {
                    self.link(&inside, &std::fs::read_link(&path)?.to_string_lossy());
                } else if kind.is_file() {
                    let mode = path.metadata()?.permissions().mode() & 0o755;
                    self.copy(&inside, mode, &path);
                }
            }
        }
        Ok(self)
    }

    /// Whether there is an entry at this path.
    pub fn contains(&self, path: &str) -> bool {
        self.entries.contains_key(path.trim_matches('/'))
    }

    fn layer(&self) -> Result<Vec<u8>> {
        let mut builder = tar::Builder::new(Vec::new());
        for path in self.parents() {
            let entry = Entry { content: Content::Directory, mode: 0o755, owner: 0 };
            append(&mut builder, &path, &entry)?;
        }
        for (path, entry) in &self.entries {
            append(&mut builder, path, entry).with_context(|| format!("cannot add {path} to the image"))?;
        }
        Ok(builder.into_inner()?)
    }

    /// The directories that entries lie in and nobody added.
    fn parents(&self) -> BTreeSet<String> {
        let above = |path: &String| {
            let parts: Vec<_> = path
                .match_indices('/')
                .map(|(at, _)| path.get(..at).unwrap_or_default().to_owned())
                .collect();
            parts
        };
        self.entries.keys().flat_map(above).filter(|path| !self.entries.contains_key(path)).collect()
    }
}

/// Writes an image to a file and returns the digest of its configuration, which
/// container runtimes call the image's identity.
pub fn write(image: &Image, path: &Path) -> Result<String> {
    let layer = image.root.layer()?;
    let layer_digest = digest(&layer);
    let config = serde_json::to_vec(&configuration(&image.config, &layer_digest))?;
    let identity = digest(&config);
    let manifest = serde_json::to_vec(&json!([{
        "Config": format!("{identity}.json"),
        "RepoTags": [image.reference],
        "Layers": [format!("{layer_digest}/layer.tar")],
    }]))?;

    let unfinished = path.with_added_extension("unfinished");
    let file = File::create(&unfinished).with_context(|| format!("cannot write {}", unfinished.display()))?;
    let mut archive = tar::Builder::new(BufWriter::new(file));
    append_bytes(&mut archive, &format!("{identity}.json"), &config)?;
    append_bytes(&mut archive, &format!("{layer_digest}/layer.tar"), &layer)?;
    append_bytes(&mut archive, "manifest.json", &manifest)?;
    archive.into_inner()?.flush()?;
    std::fs::rename(&unfinished, path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(format!("sha256:{identity}"))
}

/// The references that an archive carries, read back from it.
pub fn references(path: &Path) -> Result<Vec<String>> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut archive = tar::Archive::new(file);
    for entry in archive.entries()? {
        let entry = entry.with_context(|| format!("{} is no tar archive", path.display()))?;
        if entry.path()?.as_os_str() == "manifest.json" {
            let manifest: Value = serde_json::from_reader(entry)
                .with_context(|| format!("the manifest in {} is no JSON", path.display()))?;
            let images = manifest.as_array().into_iter().flatten();
            let tags = images.filter_map(|image| image.get("RepoTags")?.as_array()).flatten();
            return Ok(tags.filter_map(Value::as_str).map(str::to_owned).collect());
        }
    }
    anyhow::bail!(
        "{} has no manifest.json: make it with `docker save` or `cargo xtask image`",
        path.display()
    )
}

/// The architecture of this machine, as images name it.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn configuration(config: &Config, layer: &str) -> Value {
    let environment: Vec<_> =
        config.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let ports: BTreeMap<_, _> = config.ports.iter().map(|port| (port, json!({}))).collect();
    json!({
        "architecture": architecture(),
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "Entrypoint": config.entrypoint,
            "Cmd": config.command,
            "Env": environment,
            "User": config.user,
            "WorkingDir": config.directory,
            "ExposedPorts": ports,
            "Labels": config.labels,
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{layer}")]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "operlet"}],
    })
}

fn append<W: Write>(builder: &mut tar::Builder<W>, path: &str, entry: &Entry) -> Result<()> {
    let mut header = header(entry.mode, entry.owner);
    match &entry.content {
        Content::Directory => {
            header.set_entry_type(tar::EntryType::Directory);
            header.set_size(0);
            builder.append_data(&mut header, format!("{path}/"), std::io::empty())?;
        }
        Content::Link(target) => {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            builder.append_link(&mut header, path, target)?;
        }
        Content::Bytes(bytes) => {
            header.set_size(bytes.len().try_into()?);
            builder.append_data(&mut header, path, bytes.as_slice())?;
        }
        Content::Copy(source) => {
            let file = File::open(source).with_context(|| format!("cannot read {}", source.display()))?;
            header.set_size(file.metadata()?.len());
            builder.append_data(&mut header, path, file)?;
        }
    }
    Ok(())
}

fn append_bytes<W: Write>(builder: &mut tar::Builder<W>, path: &str, bytes: &[u8]) -> Result<()> {
    let mut header = header(0o644, 0);
    header.set_size(bytes.len().try_into()?);
    builder.append_data(&mut header, path, bytes)?;
    Ok(())
}

fn header(mode: u32, owner: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_uid(owner);
    header.set_gid(owner);
    header.set_mtime(0);
    header
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Image {
        let mut root = Root::default();
        root.directory("/data", 0o755, 999)
            .file("/etc/passwd", 0o644, "root:x:0:0::/:\n")
            .link("bin", "usr/bin");
        let config =
            Config { user: "999".to_owned(), ports: vec!["6379/tcp".to_owned()], ..Config::default() };
        Image { reference: "docker.io/library/thing:1".to_owned(), config, root }
    }

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("operlet-image-{name}-{}.tar", std::process::id()))
    }

    #[test]
    fn the_same_image_is_the_same_file() {
        let (one, two) = (scratch("one"), scratch("two"));
        assert_eq!(write(&sample(), &one).unwrap(), write(&sample(), &two).unwrap());
        assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
        std::fs::remove_file(one).unwrap();
        std::fs::remove_file(two).unwrap();
    }

    #[test]
    fn an_archive_tells_its_references() {
        let path = scratch("references");
        write(&sample(), &path).unwrap();
        assert_eq!(references(&path).unwrap(), ["docker.io/library/thing:1"]);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_layer_keeps_modes_owners_and_links_and_adds_the_directories_between() {
        let layer = sample().root.layer().unwrap();
        let mut archive = tar::Archive::new(layer.as_slice());
        let mut found = BTreeMap::new();
        for entry in archive.entries().unwrap() {
            let entry = entry.unwrap();
            let header = entry.header();
            let facts = (header.entry_type(), header.mode().unwrap(), header.uid().unwrap());
            found.insert(entry.path().unwrap().to_string_lossy().into_owned(), facts);
        }
        assert_eq!(found["data/"], (tar::EntryType::Directory, 0o755, 999));
        assert_eq!(found["etc/"], (tar::EntryType::Directory, 0o755, 0));
        assert_eq!(found["etc/passwd"], (tar::EntryType::Regular, 0o644, 0));
        assert_eq!(found["bin"].0, tar::EntryType::Symlink);
    }
}
