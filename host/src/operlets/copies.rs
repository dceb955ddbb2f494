//! The host's own copies of components: immutable ConfigMaps named by digest.
//!
//! After a restart the live component is loaded from its copy, whatever the
//! source holds by then.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api, Client, Resource as _,
    api::{DeleteParams, ListParams, PostParams},
};

use super::{COMPONENT_ZSTD_KEY, DIGEST_ANNOTATION, Operlet, Package, UnpackError, unpack};
use crate::model::Digest;

const OPERLET_LABEL: &str = "operlet.dev/copy-of";

/// A copy could not be kept or loaded.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The API server refused.
    #[error("cannot {verb} the host's copy {name} of a component")]
    Api {
        /// What was tried.
        verb: &'static str,
        /// The ConfigMap's name.
        name: String,
        /// What the API server said.
        source: Box<kube::Error>,
    },
    /// The component could not be compressed.
    #[error("cannot compress the component")]
    Pack(#[source] std::io::Error),
    /// There is one of an earlier Operlet, which goes with it.
    #[error("the copy {name} of an earlier Operlet of this name is on its way out; waiting until it is gone")]
    Leaving {
        /// The ConfigMap's name.
        name: String,
    },
    /// There is no copy.
    #[error("the host's copy {name} is gone")]
    Missing {
        /// The ConfigMap's name.
        name: String,
    },
    /// The copy is not what it was.
    #[error("the host's copy {name} is damaged: {source}")]
    Damaged {
        /// The ConfigMap's name.
        name: String,
        /// What is wrong.
        source: UnpackError,
    },
    /// The copy holds something else than its name says.
    #[error("the host's copy {name} holds {found}, not {wanted}")]
    OtherDigest {
        /// The ConfigMap's name.
        name: String,
        /// What it should hold.
        wanted: Digest,
        /// What it holds.
        found: Digest,
    },
}

fn copy_name(operlet: &str, digest: &Digest) -> String {
    format!("operlet-{operlet}-{}", digest.short())
}

/// Keeps a copy of a component; one that is there already is left as it is. It
/// goes with the Operlet, by its owner reference.
///
/// # Errors
/// If the API server refuses.
pub async fn store_copy(
    client: &Client,
    namespace: &str,
    operlet: &Operlet,
    digest: &Digest,
    component: &Package,
) -> Result<(), CopyError> {
    let operlet_name = operlet.metadata.name.clone().unwrap_or_default();
    let name = copy_name(&operlet_name, digest);
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    // Most often it is there already, and much larger than what says so.
    if let Some(kept) = is_kept(&api, &name, operlet).await? {
        return if kept { Ok(()) } else { Err(CopyError::Leaving { name }) };
    }
    let packed = component.packed().map_err(CopyError::Pack)?;
    let config_map = ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            labels: Some(BTreeMap::from([(OPERLET_LABEL.to_owned(), operlet_name)])),
            annotations: Some(BTreeMap::from([(DIGEST_ANNOTATION.to_owned(), digest.to_string())])),
            owner_references: operlet.owner_ref(&()).map(|reference| vec![reference]),
            ..ObjectMeta::default()
        },
        binary_data: Some(BTreeMap::from([(COMPONENT_ZSTD_KEY.to_owned(), ByteString(packed))])),
        immutable: Some(true),
        ..ConfigMap::default()
    };
    match api.create(&PostParams::default(), &config_map).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_already_exists() => {
            match is_kept(&api, &name, operlet).await? {
                Some(true) => Ok(()),
                Some(false) | None => Err(CopyError::Leaving { name }),
            }
        }
        Err(error) => Err(failed("create", &name, error)),
    }
}

/// Whether the copy of this name stays as long as this very Operlet does; none if there
/// is none.
async fn is_kept(api: &Api<ConfigMap>, name: &str, operlet: &Operlet) -> Result<Option<bool>, CopyError> {
    let found = api.get_metadata_opt(name).await.map_err(|error| failed("read", name, error))?;
    Ok(found.map(|found| goes_with(&found.metadata, operlet)))
}

/// Whether a copy stays as long as this very Operlet does.
fn goes_with(copy: &ObjectMeta, operlet: &Operlet) -> bool {
    let mut owners = copy.owner_references.iter().flatten().map(|owner| &owner.uid);
    copy.deletion_timestamp.is_none() && owners.any(|uid| Some(uid) == operlet.metadata.uid.as_ref())
}

fn failed(verb: &'static str, name: &str, error: kube::Error) -> CopyError {
    CopyError::Api { verb, name: name.to_owned(), source: Box::new(error) }
}

/// Loads the copy with this digest.
///
/// # Errors
/// If it is not there or is not what it was.
pub async fn load_copy(
    client: &Client,
    namespace: &str,
    operlet: &str,
    digest: &Digest,
) -> Result<Vec<u8>, CopyError> {
    let name = copy_name(operlet, digest);
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let found = api.get_opt(&name).await;
    let found = found.map_err(|error| CopyError::Api {
        verb: "read",
        name: name.clone(),
        source: Box::new(error),
    })?;
    let Some(found) = found else { return Err(CopyError::Missing { name }) };
    let bytes = unpack(&found).map_err(|source| CopyError::Damaged { name: name.clone(), source })?;
    let actual = Digest::of(&bytes);
    if actual == *digest {
        Ok(bytes)
    } else {
        Err(CopyError::OtherDigest { name, wanted: digest.clone(), found: actual })
    }
}

/// Deletes the copies of an Operlet but for these.
///
/// # Errors
/// If the API server refuses.
pub async fn remove_other_copies(
    client: &Client,
    namespace: &str,
    operlet: &str,
    keep: &[&Digest],
) -> Result<(), CopyError> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let keep: Vec<String> = keep.iter().map(|digest| copy_name(operlet, digest)).collect();
    let of_operlet = ListParams::default().labels(&format!("{OPERLET_LABEL}={operlet}"));
    let found = api.list_metadata(&of_operlet).await.map_err(|error| failed("list", operlet, error))?;
    for name in found.items.into_iter().filter_map(|copy| copy.metadata.name) {
        if !keep.contains(&name) {
            api.delete(&name, &DeleteParams::default())
                .await
                .map_err(|error| failed("delete", &name, error))?;
        }
    }
    Ok(())
}
