//! Rules between files: who depends on whom, and what must agree.

use super::Finding;
use super::source::Source;
use crate::image;
use crate::workspace::Workspace;

/// The side of the host, and the side of the components: only `wit/` is shared.
const HOST_SIDE: [&str; 1] = ["operlet"];
const GUEST_SIDE: [&str; 3] = ["operlet-sdk", "operlet-redis", "operlet-test-guests"];

/// Where every dependency comes from.
const REGISTRY: &str = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";

/// The manifest that names the host's image.
const DEPLOYMENT: &str = "deploy/host/deployment.yaml";

/// Checks what more than one file takes part in.
pub(super) fn check(workspace: &Workspace, sources: &[Source]) -> Vec<Finding> {
    let mut findings = sides(workspace);
    for source in sources {
        if source.path == "Cargo.lock" {
            findings.extend(registries(source));
        }
        if source.path == DEPLOYMENT {
            findings.extend(image_version(source));
        }
    }
    findings
}

fn sides(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (from, to) in [(&HOST_SIDE[..], &GUEST_SIDE[..]), (&GUEST_SIDE[..], &HOST_SIDE[..])] {
        for package in workspace.packages.iter().filter(|package| from.contains(&package.name.as_str())) {
            let deployed = package.dependencies.iter().filter(|dependency| dependency.kind.is_none());
            for crossing in deployed.filter(|dependency| to.contains(&dependency.name.as_str())) {
                let path =
                    package.manifest_path.strip_prefix(&workspace.root).unwrap_or(&package.manifest_path);
                let message =
                    format!("depends on {}: host and guests share wit/ and nothing else", crossing.name);
                findings.push(Finding { path: path.display().to_string(), line: 0, message });
            }
        }
    }
    findings
}

fn registries(lock: &Source) -> Vec<Finding> {
    let sources = lock.lines().filter(|(_, line)| line.starts_with("source = "));
    let foreign = sources.filter(|(_, line)| *line != REGISTRY);
    foreign.map(|(line, _)| lock.finding(line, "a dependency that is not from crates.io")).collect()
}

fn image_version(deployment: &Source) -> Vec<Finding> {
    let expected = image::reference();
    let images = deployment.lines().filter(|(_, line)| line.trim_start().starts_with("image: "));
    let others = images.filter(|(_, line)| !line.ends_with(&format!("image: {expected}")));
    others
        .map(|(line, _)| deployment.finding(line, format!("the image of this version is {expected}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: String) -> Source {
        Source { path: String::new(), text }
    }

    #[test]
    fn the_deployment_names_the_image_of_this_version() {
        assert_eq!(image_version(&source(format!("  image: {}\n", image::reference()))), []);
        assert_eq!(image_version(&source("  image: ghcr.io/operlet/operlet:latest\n".to_owned())).len(), 1);
    }

    #[test]
    fn a_dependency_from_elsewhere_is_found() {
        assert_eq!(registries(&source(format!("{REGISTRY}\n"))), []);
        assert_eq!(registries(&source("source = \"git+https://example.com/a\"\n".to_owned())).len(), 1);
    }
}
