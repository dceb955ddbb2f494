//! Prints the CustomResourceDefinition of the kind `Redis`.

use std::io::Write as _;

fn main() -> std::io::Result<()> {
    let yaml = operlet_redis::crd::yaml().map_err(std::io::Error::other)?;
    std::io::stdout().write_all(yaml.as_bytes())
}
