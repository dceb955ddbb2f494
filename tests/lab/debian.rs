//! Fetches Debian packages without touching the machine: an apt of the lab's
//! own, with private lists, that only downloads; nothing is installed.

use crate::cache::Cache;
use crate::progress::Step;
use crate::{files, shell};
use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The keys of Debian's archive, as Debian itself installs them.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// One suite of Debian's archive.
pub(crate) struct Archive {
    configuration: PathBuf,
    suite: &'static str,
}

/// A package's closure: what it links and is linked by it.
pub(crate) struct Selection<'a> {
    /// What is wanted.
    pub packages: &'a [&'a str],
    /// What is not taken along, although it is a library of one of them.
    pub except: &'a [&'a str],
}

impl Archive {
    /// Reads the lists of a suite, from the mirror that the machine itself uses.
    pub(crate) fn open(cache: &Cache, suite: &'static str, step: &Step) -> Result<Self> {
        for program in ["apt-get", "apt-cache", "apt-config", "dpkg-deb"] {
            if shell::find(program).is_none() {
                bail!(
                    "the lab fetches packages of Debian and needs `{program}`: run it on Debian, or in its image"
                );
            }
        }
        if !Path::new(KEYRING).exists() {
            bail!("the keys of Debian's archive are missing: apt-get install debian-archive-keyring");
        }
        let root = cache.directory("apt")?.join(suite);
        for directory in ["lists/partial", "cache/archives/partial", "state"] {
            files::make(&root.join(directory))?;
        }
        files::write(&root.join("status"), "")?;
        let mirror = mirror()?;
        let source = format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n");
        files::write(&root.join("sources.list"), source)?;
        let configuration = root.join("apt.conf");
        files::write(&configuration, configure(&root, &settings()?))?;
        let archive = Self { configuration, suite };
        step.at(&format!("reading the package lists of {suite}"));
        shell::output(archive.apt("apt-get").args(["update", "-qq"])).with_context(|| {
            format!("cannot read the lists of Debian {suite}: is the machine's mirror reachable?")
        })?;
        Ok(archive)
    }

    /// Downloads a selection and unpacks it into `target`.
    pub(crate) fn unpack(&self, selection: &Selection<'_>, target: &Path, step: &Step) -> Result<()> {
        let names = self.closure(selection)?;
        step.at(&format!("fetching {} packages of Debian {}: {}", names.len(), self.suite, names.join(" ")));
        let downloads = target.with_added_extension("downloads");
        files::remove(&downloads)?;
        files::make(&downloads)?;
        shell::output(self.apt("apt-get").args(["download", "-qq"]).args(&names).current_dir(&downloads))
            .with_context(|| format!("cannot fetch packages of Debian {}", self.suite))?;
        for package in std::fs::read_dir(&downloads)? {
            shell::output(Command::new("dpkg-deb").arg("-x").arg(package?.path()).arg(target))?;
        }
        files::remove(&downloads)
    }

    /// The packages and the libraries that they need, and no more: what they
    /// ask for besides is for machines that boot.
    fn closure(&self, selection: &Selection<'_>) -> Result<Vec<String>> {
        let mut taken: BTreeSet<String> = selection.packages.iter().map(|&name| name.to_owned()).collect();
        let mut open: Vec<String> = taken.iter().cloned().collect();
        while !open.is_empty() {
            let answer = shell::output(self.apt("apt-cache").arg("depends").args(&open))?;
            let wanted = dependencies(&answer).into_values().flatten();
            open =
                wanted.filter(|name| follow(name, selection.except) && taken.insert(name.clone())).collect();
        }
        Ok(taken.into_iter().collect())
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", &self.configuration).env("LC_ALL", "C");
        command
    }
}

fn follow(name: &str, except: &[&str]) -> bool {
    let library = ["lib", "lua-", "zlib"].iter().any(|prefix| name.starts_with(prefix));
    library && !except.contains(&name)
}

/// Reads what `apt-cache depends` prints: of alternatives, the first.
fn dependencies(answer: &str) -> BTreeMap<String, Vec<String>> {
    let (mut found, mut package, mut alternative) =
        (BTreeMap::<String, Vec<String>>::new(), String::new(), false);
    for line in answer.lines() {
        if !line.starts_with(' ') {
            package = line.trim().to_owned();
            continue;
        }
        let (or, line) =
            line.trim_start().strip_prefix('|').map_or((false, line.trim_start()), |rest| (true, rest));
        let name = line.strip_prefix("Depends: ").or_else(|| line.strip_prefix("PreDepends: "));
        if let Some(name) = name.filter(|_| !alternative) {
            let name = name.split(':').next().unwrap_or(name);
            found.entry(package.clone()).or_default().push(name.to_owned());
        }
        alternative = or;
    }
    found
}

/// The mirror of Debian's main archive, from the machine's own sources.
fn mirror() -> Result<String> {
    let format = "$(REPO_URI) $(COMPONENT)";
    let targets = shell::output(Command::new("apt-get").args([
        "indextargets",
        "--format",
        format,
        "Identifier: Packages",
    ]))
    .context("cannot ask apt for the machine's sources")?;
    let uris = targets.lines().filter_map(|line| line.split_once(' ')).map(|(uri, _)| uri);
    uris.filter_map(main_archive).next().context(
        "none of the machine's apt sources is Debian's main archive (a path that ends in /debian): \
         the lab needs one, for instance the default sources of Debian",
    )
}

/// The main archive on the server of this source; a snapshot of one day lacks
/// the other suites, so the server's normal archive stands in for it.
fn main_archive(uri: &str) -> Option<String> {
    let trimmed = uri.trim_end_matches('/');
    let (scheme, rest) = trimmed.split_once("://")?;
    let (server, path) = rest.split_once('/')?;
    if path.ends_with("debian") {
        return Some(format!("{scheme}://{server}/{path}"));
    }
    path.split('/').any(|part| part == "debian").then(|| format!("{scheme}://{server}/debian"))
}

/// How the machine reaches its mirrors: proxies, certificates, retries.
fn settings() -> Result<String> {
    let all = shell::output(Command::new("apt-config").arg("dump"))?;
    let kept = |line: &&str| line.starts_with("Acquire::") || line.starts_with("APT::Architecture ");
    Ok(all.lines().filter(kept).fold(String::new(), |text, line| text + line + "\n"))
}

fn configure(root: &Path, settings: &str) -> String {
    let root = root.display();
    // The machine's own settings are left out: some of them clean the
    // machine's caches after every update.
    format!(
        "Dir::Etc::main \"/dev/null\";\n\
         Dir::Etc::parts \"/dev/null\";\n\
         Dir::Etc::sourcelist \"{root}/sources.list\";\n\
         Dir::Etc::sourceparts \"/dev/null\";\n\
         Dir::Etc::preferences \"/dev/null\";\n\
         Dir::Etc::preferencesparts \"/dev/null\";\n\
         Dir::State \"{root}/state\";\n\
         Dir::State::lists \"{root}/lists\";\n\
         Dir::State::status \"{root}/status\";\n\
         Dir::Cache \"{root}/cache\";\n\
         APT::Sandbox::User \"root\";\n\
         APT::Install-Recommends \"false\";\n\
         Acquire::Languages \"none\";\n\
         {settings}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_give_their_first_and_virtual_packages_nothing() {
        let answer = "redis-tools\n  PreDepends: libc6\n |Depends: libone\n  Depends: libtwo\n  Depends: adduser\n  \
                      Suggests: ruby-redis\n";
        let found = dependencies(answer);
        assert_eq!(found["redis-tools"], ["libc6", "libone", "adduser"]);
    }

    #[test]
    fn only_libraries_are_followed() {
        assert!(follow("libssl3", &[]));
        assert!(follow("lua-cjson", &[]));
        assert!(follow("zlib1g", &[]));
        assert!(!follow("adduser", &[]));
        assert!(!follow("libc6", &["libc6"]));
    }

    fn check(uri: &str, expected: Option<&str>) {
        assert_eq!(main_archive(uri).as_deref(), expected, "{uri}");
    }

    #[test]
    fn the_main_archive_is_found_beside_a_snapshot_of_it() {
        check("http://mirror.example/debian/", Some("http://mirror.example/debian"));
        check("https://mirror.example/pub/debian", Some("https://mirror.example/pub/debian"));
        check("http://mirror.example/archive/debian/20250520T000000Z/", Some("http://mirror.example/debian"));
        check("http://mirror.example/debian-security/", None);
        check("https://other.example/packages", None);
    }
}
