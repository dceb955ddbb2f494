//! Which image runs.

use std::collections::BTreeMap;

use operlet_sdk::Failure;
use serde::Deserialize;

use crate::{spec::RedisSpec, status::RedisStatus};

/// `spec.settings` of the Operlet.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// Images by version, instead of those the component knows.
    images: BTreeMap<String, String>,
}

/// The version of a Redis whose author gave none.
const DEFAULT_VERSION: &str = "8.0";

/// The images the component knows.
const IMAGES: [(&str, &str); 3] = [
    ("7.0", "docker.io/library/redis:7.0"),
    ("8.0", "docker.io/library/redis:8.0"),
    ("valkey-8.1", "docker.io/valkey/valkey:8.1"),
];

/// What runs.
#[derive(Debug)]
pub(crate) struct Resolved<'a> {
    /// The image's reference.
    pub(crate) image: &'a str,
    /// What `status.version` says: the version, or the last part of the reference.
    pub(crate) version: &'a str,
}

impl<'a> Resolved<'a> {
    /// What the status says of one whose spec cannot be carried out.
    pub(crate) fn as_it_was(before: &'a RedisStatus) -> Self {
        Self { image: "", version: before.version.as_deref().unwrap_or_default() }
    }
}

/// The image for a spec. `before` is `status.version`: without image and version in
/// the spec what ran before goes on, so that a new default never upgrades data.
pub(crate) fn resolve<'a>(
    spec: &'a RedisSpec,
    before: Option<&'a str>,
    settings: &'a Settings,
) -> Result<Resolved<'a>, Failure> {
    if let Some(image) = &spec.image {
        let version = image.rsplit('/').next().unwrap_or(image);
        return Ok(Resolved { image, version });
    }
    // A tag or digest marks a reference: the spec no longer gives that image.
    let kept = before.filter(|version| !version.contains([':', '@']));
    let version = spec.version.as_deref().or(kept).unwrap_or(DEFAULT_VERSION);
    match image_of(version, settings) {
        Some(image) => Ok(Resolved { image, version }),
        None => Err(Failure::invalid(format!(
            "spec.version: {version} is not known. Use one of {}, or give spec.image instead",
            known(settings).join(", ")
        ))),
    }
}

fn image_of<'a>(version: &str, settings: &'a Settings) -> Option<&'a str> {
    let configured = settings.images.get(version).map(String::as_str);
    configured.or_else(|| IMAGES.iter().find(|(known, _)| *known == version).map(|(_, image)| *image))
}

fn known(settings: &Settings) -> Vec<&str> {
    let mut versions: Vec<&str> =
        settings.images.keys().map(String::as_str).chain(IMAGES.map(|(version, _)| version)).collect();
    versions.sort_unstable();
    versions.dedup();
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(spec: &str, before: Option<&str>, expected: Result<(&str, &str), &str>) {
        let spec: RedisSpec = serde_json::from_str(spec).unwrap();
        let settings: Settings =
            serde_json::from_str(r#"{"images": {"8.0": "registry.example/redis:8", "9": "nine"}}"#).unwrap();
        match (resolve(&spec, before, &settings), expected) {
            (Ok(resolved), Ok(expected)) => assert_eq!((resolved.image, resolved.version), expected),
            (Err(failure), Err(expected)) => assert!(failure.message().contains(expected), "{failure:?}"),
            (resolved, expected) => panic!("{resolved:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn the_image_is_what_the_author_the_platform_and_the_past_say_in_this_order() {
        check(r#"{"image": "r/x/redis:7.2"}"#, Some("8.0"), Ok(("r/x/redis:7.2", "redis:7.2")));
        check(r#"{"version": "7.0"}"#, Some("8.0"), Ok(("docker.io/library/redis:7.0", "7.0")));
        check("{}", Some("7.0"), Ok(("docker.io/library/redis:7.0", "7.0")));
        check("{}", None, Ok(("registry.example/redis:8", "8.0")));
        check("{}", Some("5"), Err("5 is not known"));
        check("{}", Some("redis:7.2"), Ok(("registry.example/redis:8", "8.0")));
        check(r#"{"version": "6"}"#, None, Err("Use one of 7.0, 8.0, 9, valkey-8.1"));
    }
}
