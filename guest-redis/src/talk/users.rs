//! Who may log in, and as what.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::protocol::record::RunId;

/// The operator, as the servers know it: what the Secret `NAME-operator` holds.
#[derive(Clone)]
pub struct Operator {
    /// Its user.
    pub user: String,
    /// Its password.
    pub password: String,
    /// What the passwords of replicas are derived from.
    pub replica_key: Vec<u8>,
}

impl std::fmt::Debug for Operator {
    /// Without what is secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Operator").field("user", &self.user).finish_non_exhaustive()
    }
}

/// What the users of replicas begin with.
const REPLICA_PREFIX: &str = "r-";

/// The digits of a run id.
const RUN_ID_DIGITS: usize = 40;

/// The user that a replica logs in with at its primary. It exists on that primary
/// alone, so that a stranger at the primary's address refuses it.
#[must_use]
pub fn replica_user(run: &RunId) -> String {
    format!("{REPLICA_PREFIX}{}", hex(&run.0))
}

/// The replica that a user is for.
#[must_use]
pub fn replica_of(user: &str) -> Option<RunId> {
    run_id(user.strip_prefix(REPLICA_PREFIX)?)
}

/// A run id as a server writes it.
#[must_use]
pub fn run_id(text: &str) -> Option<RunId> {
    digits(text).map(RunId)
}

/// 40 hexadecimal digits.
#[must_use]
pub fn digits(text: &str) -> Option<[u8; 20]> {
    if text.len() != RUN_ID_DIGITS || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 20];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// In hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Operator {
    /// The password of a replica: HMAC-SHA256 of its run id, RFC 2104.
    #[must_use]
    pub fn replica_password(&self, run: &RunId) -> String {
        // A key of any length will do.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.replica_key) else { return String::new() };
        mac.update(&run.0);
        hex(&mac.finalize().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_of_replicas_are_told_from_others() {
        let run = RunId([0xab; 20]);
        let user = replica_user(&run);
        assert_eq!(user, format!("r-{}", "ab".repeat(20)));
        assert_eq!(replica_of(&user), Some(run));
        for other in ["default", "r-", "r-abc", &format!("r-{}", "x".repeat(40)), &"ab".repeat(20)] {
            assert_eq!(replica_of(other), None, "{other}");
        }
    }

    /// The expected value is what `openssl dgst -sha256 -hmac Jefe` says of twenty
    /// zero bytes.
    #[test]
    fn passwords_differ_by_key_and_run() {
        let operator = |key: &str| Operator {
            user: "o".into(),
            password: "p".into(),
            replica_key: key.as_bytes().to_vec(),
        };
        let password = operator("Jefe").replica_password(&RunId([0; 20]));
        assert_eq!(password, "ea0c0f1c41330d574c17f9706347a29b4c74810978cc58a68132de035f40cfde");
        assert_ne!(password, operator("Jefe").replica_password(&RunId([1; 20])));
        assert_ne!(password, operator("other").replica_password(&RunId([0; 20])));
        assert_eq!(format!("{:?}", operator("Jefe")), "Operator { user: \"o\", .. }");
    }
}
