//! What every run has, made once.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use operlet::engine::{Component, Engine};
use serde_json::{Value, json};

/// The engine, and what is installed in a cluster.
pub(crate) struct Prepared {
    pub(crate) engine: Engine,
    /// Keeps the compiled components, so that no run compiles them.
    _components: [Component; 2],
    pub(crate) objects: Vec<Value>,
    /// The ConfigMaps of the component as it is shipped, and of one that decides the same
    /// and is another one all the same.
    pub(crate) versions: [Value; 2],
}

const MANIFESTS: [&str; 7] = [
    include_str!("../../deploy/crds/operlet.dev_operlets.yaml"),
    include_str!("../../deploy/crds/redis.operlet.dev_redises.yaml"),
    include_str!("../../deploy/host/namespace.yaml"),
    include_str!("../../deploy/host/rbac.yaml"),
    include_str!("../../deploy/redis/impersonation.yaml"),
    include_str!("../../deploy/redis/rbac.yaml"),
    include_str!("../../deploy/redis/operlet.yaml"),
];

/// The component as it is shipped, which is built first.
const COMPONENT: &str = "../deploy/redis/component.yaml";

impl Prepared {
    /// With the component of this ConfigMap, or as it is shipped.
    pub(crate) fn new(engine: Engine, component: Option<&Path>) -> Result<Self> {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join(COMPONENT);
        let path = component.unwrap_or(&shipped);
        let shipped = fs::read_to_string(path)
            .with_context(|| format!("cannot read {}: `cargo xtask guests` makes it", path.display()))?;
        let mut objects: Vec<Value> = Vec::new();
        for text in MANIFESTS {
            objects.extend(read(text)?);
        }
        let map = read(&shipped)?.pop().context("the component's ConfigMap is not there")?;
        let packed = serde_json::from_value(map.clone()).context("the component's ConfigMap is none")?;
        objects.push(map.clone());
        let bytes = operlet::operlets::unpack(&packed).context("the component cannot be unpacked")?;
        let other = marked(&bytes);
        let load = |bytes: &[u8]| engine.load(bytes).context("the component cannot be loaded");
        let components = [load(&bytes)?, load(&other)?];
        let packed = zstd::encode_all(other.as_slice(), zstd::DEFAULT_COMPRESSION_LEVEL)?;
        let mut next = map.clone();
        if let Some(next) = next.as_object_mut() {
            next.insert("binaryData".to_owned(), json!({ "component.wasm.zst": STANDARD.encode(packed) }));
        }
        Ok(Self { engine, _components: components, objects, versions: [map, next] })
    }
}

/// The same component with a section that says nothing.
fn marked(component: &[u8]) -> Vec<u8> {
    // Section 0, its length, the length of its name, its name.
    [component, &[0, 5, 4], b"mark"].concat()
}

fn read(text: &str) -> Result<Vec<Value>> {
    let parts = text.split("\n---").map(|part| serde_saphyr::from_str(part).context("a manifest is no YAML"));
    let objects: Result<Vec<Value>> = parts.collect();
    Ok(objects?.into_iter().filter(Value::is_object).collect())
}
