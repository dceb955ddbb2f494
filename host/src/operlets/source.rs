//! Reading a component from where an Operlet says it is.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};

use super::{ConfigMapSource, Package, UnpackError};

/// The source could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// There is no such ConfigMap.
    #[error("there is no ConfigMap {namespace}/{name}")]
    NotFound {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The API server did not give it out.
    #[error("cannot read ConfigMap {namespace}/{name}")]
    Unreadable {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What the API server said.
        source: Box<kube::Error>,
    },
    /// It holds no component.
    #[error("ConfigMap {namespace}/{name}: {source}")]
    Unpack {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What is wrong with it.
        source: UnpackError,
    },
}

/// The component in a ConfigMap.
///
/// # Errors
/// If the ConfigMap is not there, not readable, or holds no component.
pub async fn read_source(client: &Client, source: &ConfigMapSource) -> Result<Package, SourceError> {
    let ConfigMapSource { namespace, name } = source.clone();
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
    match api.get_opt(&name).await {
        Ok(Some(found)) => {
            Package::open(found).map_err(|source| SourceError::Unpack { namespace, name, source })
        }
        Ok(None) => Err(SourceError::NotFound { namespace, name }),
        Err(error) => Err(SourceError::Unreadable { namespace, name, source: Box::new(error) }),
    }
}
