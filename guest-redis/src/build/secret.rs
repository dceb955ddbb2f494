use operlet_sdk::{Failure, Outcome};

use super::Instance;
use crate::{
    kubernetes::{Map, Secret},
    names::PORT,
};

/// Bytes of chance in a password: 192 bits cannot be guessed, and 48 digits still
/// fit on a line.
const PASSWORD_BYTES: usize = 24;

/// The Secret that an application mounts, with a new password. By `create`, so that
/// a view that is behind can never replace a password in use.
pub(super) fn intend(instance: &Instance<'_>, entropy: &[u8], outcome: &mut Outcome) -> Result<(), Failure> {
    let names = instance.names;
    let password = password(entropy)?;
    let port = PORT.to_string();
    let uri = format!("redis://default:{password}@{}:{PORT}", names.host);
    outcome.create(&Secret {
        api_version: "v1",
        kind: "Secret",
        metadata: instance.metadata(&names.auth),
        class: "Opaque",
        string_data: Map::from([
            ("host", names.host.as_str()),
            ("port", &port),
            ("username", "default"),
            ("password", &password),
            ("uri", &uri),
        ]),
    })?;
    Ok(())
}

/// Hexadecimal digits: they need no escaping in a URI, a shell or redis.conf.
fn password(entropy: &[u8]) -> Result<String, Failure> {
    let bytes = entropy.get(..PASSWORD_BYTES).ok_or_else(|| {
        Failure::bug(format!("{} bytes of entropy are too few for a password", entropy.len()))
    })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
