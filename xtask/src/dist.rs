//! `cargo xtask dist`: what a release consists of.

use crate::workspace::Workspace;
use crate::{guests, image};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use operlet_lab::files;
use operlet_lab::progress::Progress;
use std::path::Path;

/// The bases that are installed, in the order of their application.
const BASES: [&str; 3] = ["deploy/crds", "deploy/host", "deploy/redis"];

/// The API group whose resources only a cluster with our definitions takes.
const OWN_GROUP: &str = "operlet.dev/";

/// Write a release into dist/: install.yaml, redis.yaml and the image's tar.
///
/// install.yaml holds the definitions, the host, and the Redis component with its rights: all that a fresh
/// cluster takes at once. redis.yaml holds the Operlet resource, which is a kind of those definitions: one
/// apply of a definition and a resource of it fails, so it follows once they are Established.
#[derive(Debug, Args)]
pub(crate) struct Dist {}

impl Dist {
    /// Runs the command.
    pub(crate) fn run(&self, workspace: &Workspace) -> Result<()> {
        guests::build(workspace)?;
        let (mut install, mut resources) = (Vec::new(), Vec::new());
        for base in BASES {
            for document in documents(&workspace.path(base))? {
                let custom = api_version(&document).is_some_and(|version| version.starts_with(OWN_GROUP));
                if custom { &mut resources } else { &mut install }.push(document);
            }
        }
        write(workspace, "dist/install.yaml", &install)?;
        write(workspace, "dist/redis.yaml", &resources)?;
        image::build(workspace, "dist/operlet-image.tar")
    }
}

fn write(workspace: &Workspace, path: &str, documents: &[String]) -> Result<()> {
    let path = workspace.path(path);
    files::make(path.parent().unwrap_or(&workspace.root))?;
    files::write(&path, documents.join("---\n"))?;
    Progress::Shown.say(&format!("wrote {} ({} objects)", path.display(), documents.len()));
    Ok(())
}

/// The documents of a kustomize base, in the order in which it names them.
fn documents(base: &Path) -> Result<Vec<String>> {
    let kustomization = base.join("kustomization.yaml");
    let text = files::read(&kustomization)?;
    let resources = resources(&text)
        .with_context(|| format!("{} cannot be put into one file", kustomization.display()))?;
    let mut documents = Vec::new();
    for resource in resources {
        documents.extend(split(&files::read(&base.join(resource))?));
    }
    Ok(documents)
}

/// The files that a kustomization names. Ours do nothing but that, so that one
/// file is their concatenation, and any kustomize builds the same.
fn resources(kustomization: &str) -> Result<Vec<&str>> {
    let mut resources = Vec::new();
    let mut listing = false;
    for line in kustomization.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        match line.trim().strip_prefix("- ") {
            Some(resource) if listing => {
                ensure!(!resource.contains(".."), "{resource} is outside of the base");
                resources.push(resource.trim());
            }
            _ if line.starts_with("apiVersion:") || line.starts_with("kind:") => listing = false,
            _ if line == "resources:" => listing = true,
            _ => bail!("it has more than resources: {line}"),
        }
    }
    Ok(resources)
}

/// The documents of a YAML file that hold anything.
fn split(text: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for line in text.lines() {
        if line == "---" {
            documents.push(String::new());
        } else if let Some(document) = documents.last_mut() {
            document.push_str(line);
            document.push('\n');
        }
    }
    documents.retain(|document| api_version(document).is_some());
    documents
}

fn api_version(document: &str) -> Option<&str> {
    document.lines().find_map(|line| line.strip_prefix("apiVersion:")).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resources_of_a_base_are_listed() {
        let base = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n# Why.\nresources:\n  - a.yaml\n- b.yaml\n";
        assert_eq!(resources(base).unwrap(), ["a.yaml", "b.yaml"]);
    }

    #[test]
    fn a_base_that_transforms_is_refused() {
        assert!(resources("resources:\n- a.yaml\nnamespace: other\n").is_err());
        assert!(resources("resources:\n- ../other\n").is_err());
    }

    #[test]
    fn a_file_is_split_into_its_documents() {
        let documents =
            split("# Why.\n---\napiVersion: v1\nkind: A\n---\napiVersion: operlet.dev/v1alpha1\n");
        assert_eq!(documents.len(), 2);
        assert_eq!(
            documents.iter().filter_map(|text| api_version(text)).collect::<Vec<_>>(),
            ["v1", "operlet.dev/v1alpha1"]
        );
    }
}
