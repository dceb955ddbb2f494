//! `cargo xtask sim`: the host on a Kubernetes in memory.

use crate::guests;
use crate::test::shown;
use crate::workspace::Workspace;
use anyhow::Result;
use clap::Args;

/// Run the host on a Kubernetes in memory, in a time of its own: a seed decides every order.
///
/// Each seed is a run with all that is in a cluster: an API server, controllers, the host as it is, the Redis
/// component as it is shipped. With --seed, one run is shown request by request. Exit codes: 0 every run went as it
/// should, 1 one did not (its seed is printed), 2 the command was not understood.
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// How many seeds
    #[arg(long, default_value_t = 150)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// One seed, with all that happens
    #[arg(long, conflicts_with_all = ["seeds", "first", "minutes", "twice"])]
    seed: Option<u64>,
    /// As many as can be begun in so many minutes, in place of a number
    #[arg(long, conflicts_with = "seeds")]
    minutes: Option<f64>,
    /// Run each seed twice: the same must happen
    #[arg(long)]
    twice: bool,
    /// What went wrong with other operators of Redis, each a scenario: all, or one with all that happens
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["seeds", "first", "minutes", "seed", "twice"])]
    regressions: Option<String>,
}

impl Simulate {
    /// Runs the command.
    pub(crate) fn run(&self, workspace: &Workspace) -> Result<()> {
        guests::build(workspace)?;
        let first = format!("--first={}", self.first);
        let mut arguments = match (self.seed, self.minutes, self.regressions.as_deref()) {
            (_, _, Some(name)) => [Some("--regressions"), Some(name).filter(|name| !name.is_empty())]
                .into_iter()
                .flatten()
                .map(str::to_owned)
                .collect(),
            (Some(seed), ..) => vec![format!("--seed={seed}")],
            (None, Some(minutes), None) => vec![format!("--minutes={minutes}"), first],
            (None, None, None) => vec![format!("--seeds={}", self.seeds), first],
        };
        arguments.extend(self.twice.then(|| "--twice".to_owned()));
        shown(workspace.native("test").args(["--test", "scenarios", "--"]).args(arguments))
    }
}
