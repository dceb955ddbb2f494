//! What is made from the entropy of a reconcile: each use has bytes of its own, that say
//! nothing of those of another.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::talk::users::hex;

/// Hexadecimal digits for a purpose, 64 of them: HMAC-SHA256, RFC 2104. They need no
/// escaping in a URI, a shell or redis.conf.
pub(crate) fn derive(key: &[u8], purpose: &str) -> String {
    // A key of any length will do.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(purpose.as_bytes());
    hex(&mac.finalize().into_bytes())
}
