//! `cargo xtask codegen`: files that are made from code.

mod schemas;

use crate::building;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use clap::Args;
use operlet_lab::progress::Progress;
use operlet_lab::{files, shell};
use std::process::{Command, Stdio};

/// Write the generated files: the custom resource definitions in deploy/crds, and what the simulation knows of
/// Kubernetes' own kinds (from its sources, which are downloaded once a machine).
#[derive(Debug, Args)]
pub(crate) struct Codegen {
    /// Write nothing; fail where a file is not what would be generated
    #[arg(long)]
    check: bool,
}

/// A generated file, and what it is made by.
struct Generated {
    path: &'static str,
    by: By,
}

enum By {
    /// What a program of ours prints.
    Program {
        /// What cargo has to build.
        target: &'static [&'static str],
        /// What is run then.
        program: &'static str,
        arguments: &'static [&'static str],
    },
    /// A function here.
    Function(fn() -> Result<String>),
}

const GENERATED: [Generated; 3] = [
    Generated {
        path: "deploy/crds/operlet.dev_operlets.yaml",
        by: By::Program { target: &["--bin", "operlet"], program: "operlet", arguments: &["crd"] },
    },
    Generated {
        path: "deploy/crds/redis.operlet.dev_redises.yaml",
        by: By::Program {
            target: &["--example", "crd", "--features", "operlet-redis/crd"],
            program: "examples/crd",
            arguments: &[],
        },
    },
    Generated { path: "sim/schemas/kubernetes.json", by: By::Function(schemas::generate) },
];

impl Codegen {
    /// Runs the command.
    pub(crate) fn run(&self, workspace: &Workspace) -> Result<()> {
        let mut differing = Vec::new();
        for generated in &GENERATED {
            let content = generated.generate(workspace)?;
            if self.check {
                differing.extend(difference(workspace, generated.path, &content)?);
            } else {
                files::write(&workspace.path(generated.path), content)?;
                Progress::Shown.say(&format!("wrote {}", generated.path));
            }
        }
        if differing.is_empty() {
            return Ok(());
        }
        bail!("{}\nGenerated files are out of date; `cargo xtask codegen` writes them", differing.join("\n"));
    }
}

impl Generated {
    fn generate(&self, workspace: &Workspace) -> Result<String> {
        let title = format!("Generate {}", self.path);
        match self.by {
            By::Program { target, program, arguments } => {
                building::run(&title, workspace.native("build").args(target))?;
                shell::output(Command::new(workspace.release(program)).args(arguments))
            }
            By::Function(function) => function().context(title),
        }
    }
}

/// What differs from the committed file, if anything does.
fn difference(workspace: &Workspace, path: &str, content: &str) -> Result<Option<String>> {
    let committed = workspace.path(path);
    if std::fs::read_to_string(&committed).is_ok_and(|committed| committed == content) {
        return Ok(None);
    }
    if !committed.exists() {
        return Ok(Some(format!("{path} is missing")));
    }
    let mut diff = Command::new("diff");
    diff.args(["-u", "--label", path, "--label", "generated"]).arg(&committed).arg("-");
    diff.stdin(Stdio::piped()).stdout(Stdio::piped());
    Ok(Some(compare(&mut diff, content).unwrap_or_else(|| format!("{path} differs"))))
}

/// `diff` exits with 1 where there is a difference, which is no failure here.
fn compare(diff: &mut Command, content: &str) -> Option<String> {
    let mut child = diff.spawn().ok()?;
    let mut input = child.stdin.take()?;
    // `diff` reads all of its input before it writes, so this cannot block for ever.
    std::io::Write::write_all(&mut input, content.as_bytes()).ok()?;
    drop(input);
    let printed = child.wait_with_output().ok()?.stdout;
    String::from_utf8(printed).ok().filter(|text| !text.is_empty())
}
