//! The committed CustomResourceDefinition.

use std::{env, fs, path::Path};

const COMMAND: &str = "OPERLET_BLESS=1 cargo test --package operlet-redis crd";

#[test]
fn the_committed_definition_is_the_one_that_the_types_give() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/crds/redis.operlet.dev_redises.yaml");
    let generated = operlet_redis::crd::yaml().unwrap();
    if env::var_os("OPERLET_BLESS").is_some() {
        fs::write(&path, generated).unwrap();
        return;
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == generated, "{} is out of date; run\n  {COMMAND}", path.display());
}
