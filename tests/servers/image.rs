//! The servers of the lab's images, without containers.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use rustix::fs::{CWD, FileType, Mode, makedev};
use serde_json::Value;
use tempfile::TempDir;

/// Archives of the images, and the program in each.
pub(crate) const IMAGES: [(&str, &str); 3] =
    [("redis-7.0", "redis-server"), ("redis-8.0", "redis-server"), ("valkey-8.1", "valkey-server")];

/// The root of an image, unpacked once for all tests.
pub(crate) fn root(image: &str) -> PathBuf {
    static ROOTS: Mutex<BTreeMap<String, TempDir>> = Mutex::new(BTreeMap::new());
    let mut roots = ROOTS.lock().unwrap_or_else(PoisonError::into_inner);
    let root = roots.entry(image.to_owned()).or_insert_with(|| unpack(image));
    root.path().to_owned()
}

fn unpack(image: &str) -> TempDir {
    let folder = std::env::var_os("OPERLET_IMAGES").expect("OPERLET_IMAGES is set by `cargo xtask test lab`");
    let archive = Path::new(&folder).join(format!("{image}.tar"));
    let parts = tempfile::tempdir().unwrap();
    open(&archive).unpack(parts.path()).unwrap();
    let manifest: Value =
        serde_json::from_reader(File::open(parts.path().join("manifest.json")).unwrap()).unwrap();
    let root = tempfile::tempdir().unwrap();
    for layer in manifest[0]["Layers"].as_array().expect("an image has layers") {
        open(&parts.path().join(layer.as_str().unwrap())).unpack(root.path()).unwrap();
    }
    // Without it a server makes up its ids from the time, and two of them are often one.
    let device = root.path().join("dev/urandom");
    std::fs::create_dir_all(root.path().join("dev")).unwrap();
    if !device.exists() {
        let mode = Mode::from_raw_mode(0o666);
        rustix::fs::mknodat(CWD, &device, FileType::CharacterDevice, mode, makedev(1, 9)).unwrap();
    }
    root
}

fn open(path: &Path) -> tar::Archive<File> {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut archive = tar::Archive::new(file);
    archive.set_preserve_permissions(true);
    archive
}
