//! The images that every lab has: made of Debian's packages, laid out like the
//! official ones of the same names. Nothing else of those may be relied on.

use crate::cache::{Cache, Entry};
use crate::debian::{Archive, Selection};
use crate::files;
use crate::image::{self, Config, Image, Root};
use crate::progress::{Progress, Step};
use crate::shell;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What keeps a pod's namespaces: containerd starts it in every pod.
pub(crate) const PAUSE: &str = "localhost/operlet/pause:1";
/// A shell and the usual tools.
pub const BUSYBOX: &str = "docker.io/library/busybox:1.37";

/// The user of the official images.
const USER: u64 = 999;
/// Raised when the layout of the images changes.
const LAYOUT: &str = "4";

/// A server that is packaged by Debian.
struct Server {
    reference: &'static str,
    file: &'static str,
    suite: &'static str,
    packages: &'static [&'static str],
    name: &'static str,
}

const SERVERS: [Server; 3] = [
    Server {
        reference: "docker.io/library/redis:7.0",
        file: "redis-7.0.tar",
        suite: "bookworm",
        packages: &["redis-server", "redis-tools"],
        name: "redis",
    },
    Server {
        reference: "docker.io/library/redis:8.0",
        file: "redis-8.0.tar",
        suite: "trixie",
        packages: &["redis-server", "redis-tools"],
        name: "redis",
    },
    Server {
        reference: "docker.io/valkey/valkey:8.1",
        file: "valkey-8.1.tar",
        suite: "trixie",
        packages: &["valkey-server", "valkey-tools"],
        name: "valkey",
    },
];

/// The directory with the archives of every image, made if it is not there.
///
/// # Errors
/// If Debian's packages cannot be fetched or unpacked.
pub fn archives(progress: Progress) -> Result<PathBuf> {
    directory(&Cache::open()?, progress)
}

/// The directory with the archives of every image.
pub(crate) fn directory(cache: &Cache, progress: Progress) -> Result<PathBuf> {
    let mut files = vec!["pause.tar", "busybox.tar"];
    files.extend(SERVERS.iter().map(|server| server.file));
    let entry =
        Entry { name: "images", key: &[LAYOUT, PAUSE, BUSYBOX, image::architecture()], files: &files };
    cache.find(&entry).map_or_else(
        || {
            progress.step(
                "making the images of Debian 12's and 13's packages: a minute, once a machine",
                |step| cache.get(&entry, |target| build(cache, target, step)),
            )
        },
        Ok,
    )
}

/// The references of the images, as pods name them.
pub fn references() -> Vec<&'static str> {
    SERVERS.iter().map(|server| server.reference).chain([BUSYBOX, PAUSE]).collect()
}

fn build(cache: &Cache, target: &Path, step: &Step) -> Result<()> {
    let old = Archive::open(cache, "bookworm", step)?;
    let new = Archive::open(cache, "trixie", step)?;
    let unpacked = target.join("unpacked");
    let busybox = unpacked.join("busybox");
    new.unpack(&Selection { packages: &["busybox-static"], except: &[] }, &busybox, step)?;
    let busybox = busybox.join("usr/bin/busybox");
    let applets =
        shell::output(Command::new(&busybox).arg("--list")).context("cannot run the fetched busybox")?;

    step.at("writing the images");
    write_pause(&busybox, &target.join("pause.tar"))?;
    write_busybox(&busybox, &applets, &target.join("busybox.tar"))?;
    for server in &SERVERS {
        let archive = if server.suite == "trixie" { &new } else { &old };
        let tree = unpacked.join(server.file);
        archive.unpack(&Selection { packages: server.packages, except: &[] }, &tree, step)?;
        write_server(server, &tree, (&busybox, &applets), &target.join(server.file))?;
    }
    files::remove(&unpacked)
}

fn write_pause(busybox: &Path, path: &Path) -> Result<()> {
    let mut root = Root::default();
    // The program looks at its own name to know what it is asked for.
    root.copy("busybox", 0o755, busybox);
    let config = Config {
        entrypoint: ["/busybox", "sleep", "infinity"].map(str::to_owned).to_vec(),
        user: "65535:65535".to_owned(),
        directory: "/".to_owned(),
        ..Config::default()
    };
    image::write(&Image { reference: PAUSE.to_owned(), config, root }, path).map(drop)
}

fn write_busybox(busybox: &Path, applets: &str, path: &Path) -> Result<()> {
    let mut root = Root::default();
    skeleton(&mut root, busybox, applets);
    let config = Config { command: vec!["sh".to_owned()], directory: "/".to_owned(), ..environment() };
    image::write(&Image { reference: BUSYBOX.to_owned(), config, root }, path).map(drop)
}

fn write_server(server: &Server, tree: &Path, (busybox, applets): (&Path, &str), path: &Path) -> Result<()> {
    let mut root = Root::default();
    root.tree(tree, place)?;
    skeleton(&mut root, busybox, applets);
    let (name, program) = (server.name, format!("{}-server", server.name));
    root.file(
        "etc/passwd",
        0o644,
        format!("root:x:0:0:root:/root:/bin/sh\n{name}:x:{USER}:{USER}::/data:/bin/sh\n"),
    );
    root.file("etc/group", 0o644, format!("root:x:0:\n{name}:x:{USER}:\n"));
    root.directory("data", 0o755, USER);
    for tool in ["server", "cli", "benchmark", "sentinel", "check-aof", "check-rdb"] {
        let packaged = format!("usr/bin/{name}-{tool}");
        if root.contains(&packaged) {
            root.link(&format!("usr/local/bin/{name}-{tool}"), &format!("/{packaged}"));
        }
    }
    anyhow::ensure!(
        root.contains(&format!("usr/bin/{program}")),
        "Debian's package of {program} has no {program}"
    );
    root.file("usr/local/bin/docker-entrypoint.sh", 0o755, entrypoint(&program));
    let config = Config {
        entrypoint: vec!["docker-entrypoint.sh".to_owned()],
        command: vec![program],
        directory: "/data".to_owned(),
        ports: vec!["6379/tcp".to_owned()],
        ..environment()
    };
    image::write(&Image { reference: server.reference.to_owned(), config, root }, path).map(drop)
}

/// The official images take options, or a configuration file, in place of a
/// command, and their servers are built with protected mode off.
fn entrypoint(program: &str) -> String {
    format!(
        r#"#!/bin/sh
set -e
umask 0077
case "$1" in
	-* | *.conf) set -- {program} "$@" ;;
esac
configured() {{
	printf '%s\n' "$@"
	if [ -f "$2" ]; then cat "$2"; fi
}}
if [ "$1" = {program} ] && ! configured "$@" | grep -q protected-mode; then
	set -- "$@" --protected-mode no
fi
exec "$@"
"#
    )
}

/// Where a packaged file goes: programs and what they link, and nothing to read or to boot.
fn place(path: &str) -> Option<String> {
    let path = match path.split_once('/') {
        Some(("bin" | "sbin" | "lib" | "lib64", _)) => format!("usr/{path}"),
        _ => path.to_owned(),
    };
    let unwanted = ["/gconv/", "/systemd/", "/audit/", "/engines-", "/perl", "/ossl-modules/"];
    let wanted = ["usr/bin/", "usr/lib/", "usr/lib64/"].iter().any(|prefix| path.starts_with(prefix));
    (wanted && !unwanted.iter().any(|part| path.contains(part))).then_some(path)
}

/// What every image with a shell has.
fn skeleton(root: &mut Root, busybox: &Path, applets: &str) {
    for (link, target) in
        [("bin", "usr/bin"), ("sbin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")]
    {
        root.link(link, target);
    }
    root.copy("usr/bin/busybox", 0o755, busybox);
    for applet in applets.lines().filter(|applet| *applet != "busybox") {
        let path = format!("usr/bin/{applet}");
        if !root.contains(&path) {
            root.link(&path, "busybox");
        }
    }
    root.directory("usr/lib64", 0o755, 0).directory("tmp", 0o1777, 0).directory("root", 0o700, 0);
    root.directory("run", 0o755, 0).directory("var/tmp", 0o1777, 0);
    root.file("etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\n").file("etc/group", 0o644, "root:x:0:\n");
}

fn environment() -> Config {
    let path = ("PATH".to_owned(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned());
    Config { environment: [path].into(), ..Config::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: Option<&str>) {
        assert_eq!(place(path).as_deref(), expected, "{path}");
    }

    #[test]
    fn libraries_of_both_layouts_end_up_in_one_place() {
        check("lib/x86_64-linux-gnu/libc.so.6", Some("usr/lib/x86_64-linux-gnu/libc.so.6"));
        check("usr/lib/x86_64-linux-gnu/libssl.so.3", Some("usr/lib/x86_64-linux-gnu/libssl.so.3"));
        check("lib64/ld-linux-x86-64.so.2", Some("usr/lib64/ld-linux-x86-64.so.2"));
        check("usr/bin/redis-server", Some("usr/bin/redis-server"));
    }

    #[test]
    fn what_only_a_booting_machine_needs_is_left_out() {
        check("usr/share/doc/redis/README", None);
        check("etc/redis/redis.conf", None);
        check("lib/systemd/system/redis-server.service", None);
        check("usr/lib/x86_64-linux-gnu/gconv/IBM037.so", None);
    }
}
