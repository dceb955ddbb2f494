//! `operlet package`: a component in a ConfigMap.

use std::{collections::BTreeMap, fs, path::PathBuf};

use clap::Args;
use k8s_openapi::{ByteString, api::core::v1::ConfigMap};
use kube::api::ObjectMeta;

use super::{
    CliError, document,
    guest::{self, Guest},
    input,
};
use crate::operlets::{COMPONENT_ZSTD_KEY, DIGEST_ANNOTATION, pack};

/// What `operlet package` may be told.
#[derive(Args, Clone, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct PackageOptions {
    /// The component
    #[arg(value_name = "COMPONENT")]
    component: PathBuf,

    /// The operlet's name; the ConfigMap is called NAME-operlet
    #[arg(long, value_parser = parse_name)]
    name: String,

    /// The ConfigMap's namespace
    #[arg(long, default_value = "operlet-system")]
    namespace: String,

    /// Where the ConfigMap is written to, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
Ship it with `kubectl apply --server-side -f FILE`. Without --server-side kubectl keeps a copy
of the object in an annotation, which holds no more than about 190 KiB of component.";

/// What the API server lets a ConfigMap hold, summed over its values once they
/// are decoded.
const CONFIG_MAP_BYTES_MAX: usize = 1024 * 1024;

/// The annotation with the version that the component says it has.
const VERSION_ANNOTATION: &str = "operlet.dev/version";

const NAME_BYTES_MAX: usize = 40;

pub(super) async fn package(options: PackageOptions) -> Result<(), CliError> {
    let PackageOptions { component, name, namespace, output } = options;
    let guest = guest::load(&component).await?;
    let (raw, file) = (guest.bytes.len(), guest.file.clone());
    let packed = pack(&guest.bytes).map_err(|source| CliError::Compress { file: file.clone(), source })?;
    let (packed_bytes, limit) = (packed.len(), CONFIG_MAP_BYTES_MAX);
    if packed_bytes > limit {
        return Err(CliError::TooLarge { file, raw, packed: packed_bytes, limit });
    }
    let (digest, version) = (guest.component.digest().to_string(), guest.manifest.version.clone());
    let text = yaml(&config_map(&guest, packed, &name, &namespace));
    match output {
        None => input::print(&text)?,
        Some(file) => {
            fs::write(&file, text).map_err(|source| CliError::Write { file: file.clone(), source })?;
        }
    }
    input::note(&format!(
        "{} {version}, {digest}: {raw} bytes, {packed_bytes} compressed, of {limit} that a ConfigMap holds",
        guest.manifest.name
    ));
    Ok(())
}

fn config_map(guest: &Guest, packed: Vec<u8>, name: &str, namespace: &str) -> ConfigMap {
    let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    let digest = guest.component.digest().to_string();
    let labels = [("app.kubernetes.io/name", name), ("app.kubernetes.io/managed-by", "operlet")];
    let annotations = [(DIGEST_ANNOTATION, digest.as_str()), (VERSION_ANNOTATION, &guest.manifest.version)];
    let metadata = ObjectMeta {
        name: Some(format!("{name}-operlet")),
        namespace: Some(namespace.to_owned()),
        labels: Some(labels.into_iter().map(owned).collect()),
        annotations: Some(annotations.into_iter().map(owned).collect()),
        ..ObjectMeta::default()
    };
    let data = BTreeMap::from([(COMPONENT_ZSTD_KEY.to_owned(), ByteString(packed))]);
    ConfigMap { metadata, binary_data: Some(data), ..ConfigMap::default() }
}

fn yaml(config_map: &ConfigMap) -> String {
    match serde_json::to_value(config_map) {
        Ok(value) => document::yaml(&document::Ordered(&value)),
        Err(error) => format!("# cannot be shown: {error}\n"),
    }
}

fn parse_name(name: &str) -> Result<String, String> {
    let valid = (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-');
    if valid {
        Ok(name.to_owned())
    } else {
        Err(format!("at most {NAME_BYTES_MAX} lower-case letters, digits and hyphens, a letter first"))
    }
}
