//! `operlet render`: what a component decides, without a cluster.

mod observe;
mod show;

use std::{collections::BTreeMap, path::PathBuf};

use clap::{Args, ValueEnum};

use super::{
    CliError,
    guest::{self, Guest},
    input,
};
use crate::{
    engine::CallContext,
    model::{Decision, Failure, Limits, Outcome, Owner},
    plan,
};

/// What `operlet render` may be told.
#[derive(Args, Clone, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct RenderOptions {
    /// The component
    #[arg(value_name = "COMPONENT")]
    component: PathBuf,

    /// The resource to decide about, as YAML or JSON
    #[arg(short = 'f', long = "filename", value_name = "RESOURCE")]
    resource: PathBuf,

    /// A directory of YAML and JSON files with the objects that the component is
    /// shown as its own
    #[arg(long, value_name = "DIRECTORY")]
    observed: Option<PathBuf>,

    /// The component's settings, or an Operlet, whose spec.settings are taken
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,

    /// The time the component is told, in milliseconds since 1970
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    now: u64,

    /// The random bytes the component is given, as 64 hexadecimal digits
    /// [default: zeros]
    #[arg(long, value_name = "HEX", value_parser = parse_entropy)]
    entropy: Option<[u8; 32]>,

    /// How the decision is shown
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t = RenderFormat::Yaml)]
    output: RenderFormat,
}

const AFTER_HELP: &str = "\
The same input gives the same output, byte for byte: time and random bytes are 0 unless they are given.

The resource is shown to the component as it stands in the file: there is no API server that would fill
in the defaults of its schema. What is missing in its metadata is filled in, and a note says so.

Objects are printed as the component wants them. The host adds the owner label, the owner reference and
the annotation operlet.dev/applied-by.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RenderFormat {
    /// Objects as documents, all else as comments
    Yaml,
    /// One JSON document
    Json,
}

pub(super) async fn render(options: RenderOptions) -> Result<(), CliError> {
    let RenderOptions { component, resource, observed, settings, now, entropy, output } = options;
    let guest = guest::load(&component).await?;
    let scene =
        observe::Sources { resource, observed, settings, now_ms: now, entropy: entropy.unwrap_or_default() };
    let scene = scene.read(&guest.manifest)?;
    for note in &scene.notes {
        input::note(note);
    }
    let outcome = decide(&guest, &scene).await?;
    input::print(&match output {
        RenderFormat::Yaml => show::yaml(&guest, &scene.owner, &outcome),
        RenderFormat::Json => show::json(&guest, &scene.owner, &outcome),
    })?;
    check(&guest, &scene.owner, &outcome)
}

async fn decide(guest: &Guest, scene: &observe::Scene) -> Result<Outcome, CliError> {
    let Guest { file, component, manifest, .. } = guest;
    let context =
        CallContext { operlet: manifest.name.as_str().into(), resource: scene.owner.key.to_string().into() };
    let limits = Limits::requested(&manifest.limits);
    let answer = component
        .reconcile(&scene.observation, &limits, &context)
        .await
        .map_err(|source| CliError::Call { file: file.clone(), source })?;
    match answer {
        Ok(Decision::Settle(outcome)) => Ok(outcome),
        Ok(Decision::Ask(_)) => Err(CliError::NotOffline("to ask questions")),
        Ok(Decision::Checkpoint(_)) => Err(CliError::NotOffline("to put a status on record first")),
        Err(failure) => Err(CliError::Failure(describe(failure))),
    }
}

fn describe(failure: Failure) -> String {
    match failure {
        Failure::Retry { message, after_ms: None } => format!("try again later: {message}"),
        Failure::Retry { message, after_ms: Some(ms) } => format!("try again after {ms} ms: {message}"),
        Failure::Invalid(message) => format!("the resource is invalid: {message}"),
        Failure::Bug(message) => format!("a bug in the component: {message}"),
    }
}

/// Plans as the host would on an empty cluster, to find what it would refuse.
fn check(guest: &Guest, owner: &Owner, outcome: &Outcome) -> Result<(), CliError> {
    let context = plan::Context {
        // Nothing is deleted here.
        budget: None,
        operlet: &guest.manifest.name,
        owner,
        children: &guest.manifest.children,
        retired: &[],
        existing: &BTreeMap::new(),
        applied: &BTreeMap::new(),
    };
    plan::plan(outcome, &context)?;
    Ok(())
}

fn parse_entropy(text: &str) -> Result<[u8; 32], String> {
    let digits = text.as_bytes();
    let mut entropy = [0; 32];
    if digits.len() != 2 * entropy.len() {
        return Err(format!("it has {} characters instead of 64", digits.len()));
    }
    for (byte, pair) in entropy.iter_mut().zip(digits.chunks(2)) {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.chars().all(|c| c.is_ascii_hexdigit()));
        *byte = pair
            .and_then(|pair| u8::from_str_radix(pair, 16).ok())
            .ok_or("it has characters that are no hexadecimal digits")?;
    }
    Ok(entropy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_is_64_hexadecimal_digits() {
        assert_eq!(parse_entropy(&"0a".repeat(32)), Ok([10; 32]));
        assert!(parse_entropy("0a").unwrap_err().contains("2 characters"));
        assert!(parse_entropy(&"+1".repeat(32)).is_err());
        assert!(parse_entropy(&"é".repeat(32)).is_err());
    }
}
