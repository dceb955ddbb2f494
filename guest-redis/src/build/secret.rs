use operlet_sdk::{Failure, Outcome};
use sha2::{Digest as _, Sha256};

use super::Instance;
use crate::{
    chance::derive,
    kubernetes::{Map, Secret},
    names::PORT,
    talk::users::{Operator, hex},
};

/// Bytes of chance that a reconcile has.
const ENTROPY_BYTES: usize = 32;

/// Digits of a password: 192 bits cannot be guessed, and 48 digits still fit on a line.
const PASSWORD_DIGITS: usize = 48;

/// The Secret that an application mounts, with a new password. By `create`, so that
/// a view that is behind can never replace a password in use.
pub(super) fn auth(instance: &Instance<'_>, entropy: &[u8], outcome: &mut Outcome) -> Result<(), Failure> {
    let names = instance.names;
    let mut password = derive(sufficient(entropy)?, "password");
    password.truncate(PASSWORD_DIGITS);
    let port = PORT.to_string();
    let scheme = if instance.spec.tls.is_some() { "rediss" } else { "redis" };
    let uri = format!("{scheme}://default:{password}@{}:{PORT}", names.host);
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

/// The Secret of the operator's own users: the key stays with the operator, pods get
/// hashes and the password of the one user that their probes log in as. If servers know
/// the operator by a key already, it is made with that one.
pub(super) fn operator(
    instance: &Instance<'_>,
    entropy: &[u8],
    known: Option<&str>,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let key = known.map_or_else(|| Ok(derive(sufficient(entropy)?, "operator")), |key| Ok(key.to_owned()))?;
    let operator = Operator::from_key(key.as_bytes())
        .ok_or_else(|| Failure::bug("the key of the operator is too short"))?;
    let hash = |password: &str| hex(&Sha256::digest(password.as_bytes()));
    let (own, probe) = (hash(&operator.password), hash(&operator.probe_password));
    outcome.create(&Secret {
        api_version: "v1",
        kind: "Secret",
        metadata: instance.metadata(&instance.names.operator),
        class: "Opaque",
        string_data: Map::from([
            ("key", key.as_str()),
            ("operator-hash", own.as_str()),
            ("probe-hash", probe.as_str()),
            ("health-password", operator.health_password.as_str()),
        ]),
    })?;
    Ok(())
}

fn sufficient(entropy: &[u8]) -> Result<&[u8], Failure> {
    if entropy.len() < ENTROPY_BYTES {
        let count = entropy.len();
        return Err(Failure::bug(format!("{count} bytes of entropy are too few for a password")));
    }
    Ok(entropy)
}
