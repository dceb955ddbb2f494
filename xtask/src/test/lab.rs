//! The lab that the tests run on: new for each run, gone afterwards.

use crate::image;
use crate::workspace::Workspace;
use anyhow::{Context, Result, anyhow};
use operlet_lab::progress::Progress;
use operlet_lab::{Lab, Options, files};
use std::path::{Path, PathBuf};

/// Its name, so that it stands beside the one that somebody left up for a demonstration.
pub(super) const NAME: &str = "test";

/// Enough to spread a primary and two replicas.
const NODES: u8 = 3;

/// The host's image, as the deployment names it.
const IMAGE: &str = "dist/operlet-image.tar";

/// The same once more under another name, to replace a host by the one after it.
const NEXT_IMAGE: &str = "dist/operlet-next-image.tar";

/// The name of that image.
pub(super) fn next_image() -> String {
    format!("{}-next", image::reference())
}

/// A lab with the host's image on all nodes.
pub(super) struct TestLab {
    lab: Lab,
    logs: PathBuf,
}

impl TestLab {
    /// Brings it up, in place of one that an interrupted run left behind.
    pub(super) fn up(workspace: &Workspace) -> Result<Self> {
        image::build(workspace, IMAGE)?;
        image::build_as(workspace, NEXT_IMAGE, &next_image())?;
        operlet_lab::remove(NAME, Progress::Shown)?;
        let options = Options { name: NAME.parse()?, nodes: Some(NODES), progress: Progress::Shown };
        let lab = Self { lab: Lab::up(&options)?, logs: workspace.target.join("lab-logs") };
        let imported = Progress::Shown.step("Import the host's image", |_| {
            lab.lab.load_image(&workspace.path(NEXT_IMAGE))?;
            lab.lab.load_image(&workspace.path(IMAGE))
        });
        match imported {
            Ok(_) => Ok(lab),
            Err(error) => {
                Err(lab.down(Err(error)).err().unwrap_or_else(|| anyhow!("cannot import the image")))
            }
        }
    }

    /// The administrator's kubeconfig.
    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.lab.kubeconfig()
    }

    /// Takes it down; after a failure its logs are kept.
    pub(super) fn down(self, outcome: Result<()>) -> Result<()> {
        let outcome = outcome.or_else(|failure| {
            keep(&self.lab.logs(), &self.logs)?;
            Err(failure.context(format!("the logs of the lab are in {}", self.logs.display())))
        });
        self.lab.down()?;
        outcome
    }

    /// Says how to go on with it.
    pub(super) fn leave(&self) {
        let config = self.lab.kubeconfig();
        Progress::Shown.say(&format!(
            "the lab is left up: export KUBECONFIG={}\n`cargo xtask lab down --name {NAME}` takes it down",
            config.display()
        ));
    }
}

/// Copies logs to where the next run replaces them.
fn keep(from: &Path, to: &Path) -> Result<()> {
    files::remove(to)?;
    files::make(to)?;
    for entry in from.read_dir().with_context(|| format!("cannot list {}", from.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            let path = to.join(entry.file_name());
            std::fs::copy(entry.path(), &path).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}
