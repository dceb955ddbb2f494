//! Who may log in, and as what.

use crate::{chance::derive, protocol::record::RunId};

/// The operator, as the servers know it: what the Secret `NAME-operator` holds.
#[derive(Clone)]
pub struct Operator {
    /// Its password, for the user [`USER`].
    pub password: String,
    /// That of [`PROBE_USER`].
    pub probe_password: String,
    /// That of the user that the containers' own probes log in as.
    pub health_password: String,
    /// What the passwords of replicas are derived from.
    replica_key: String,
}

/// The user that looks and acts.
pub const USER: &str = "operlet";

/// The user that watches.
pub const PROBE_USER: &str = "operlet-probe";

/// The least bytes of a key: below that passwords could be guessed.
const KEY_BYTES_MIN: usize = 32;

impl std::fmt::Debug for Operator {
    /// Without what is secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Operator").finish_non_exhaustive()
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
    if text.len() != RUN_ID_DIGITS {
        return None;
    }
    let mut bytes = [0; 20];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        for digit in pair {
            *byte = (*byte << 4) | u8::try_from(char::from(*digit).to_digit(16)?).ok()?;
        }
    }
    Some(bytes)
}

/// In hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    text.extend(digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)));
    text
}

impl Operator {
    /// The users that derive from a key; none if it is too short to keep a secret.
    #[must_use]
    pub fn from_key(key: &[u8]) -> Option<Self> {
        (key.len() >= KEY_BYTES_MIN).then(|| Self {
            password: derive(key, USER),
            probe_password: derive(key, PROBE_USER),
            health_password: derive(key, "operlet-health"),
            replica_key: derive(key, "replicas"),
        })
    }

    /// The password of a replica.
    #[must_use]
    pub fn replica_password(&self, run: &RunId) -> String {
        derive(self.replica_key.as_bytes(), &hex(&run.0))
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

    #[test]
    fn forty_hexadecimal_digits_are_an_id_and_nothing_else() {
        let text = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(digits(text).map(|bytes| hex(&bytes)).as_deref(), Some(text));
        assert_eq!(digits(&text.to_uppercase()), digits(text));
        for other in [&text[1..], &format!("{text}8"), &text.replace("9a", "+a"), &text.replace("89", "é")] {
            assert_eq!(digits(other), None, "{other}");
        }
    }

    /// The expected value is what `openssl dgst -sha256 -hmac` says, once with the key
    /// and `replicas`, then with that and forty zeros.
    #[test]
    fn passwords_differ_by_key_and_run() {
        let operator = |key: u8| Operator::from_key(&[key; 32]).unwrap();
        let password = operator(b'k').replica_password(&RunId([0; 20]));
        assert_eq!(password, "e9b2b7f8900881d5b6ed183d57e6d8af60e5ecebadbe00550842d9865c568757");
        assert_ne!(password, operator(b'k').replica_password(&RunId([1; 20])));
        assert_ne!(password, operator(b'l').replica_password(&RunId([0; 20])));
        assert_eq!(format!("{:?}", operator(b'k')), "Operator { .. }");
        assert!(Operator::from_key(&[b'k'; 31]).is_none(), "too short to keep a secret");
    }
}
