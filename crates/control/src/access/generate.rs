//! New access keys: random, in the form that clients and secret scanners know.

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The system gives no random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random numbers")]
pub struct NoRandomNumbers;

/// An access key id and its secret. There is no `Debug`: the secret must not reach a log.
pub struct NewAccessKey {
    /// 20 characters; not secret.
    pub id: String,
    /// 40 characters.
    pub secret: Zeroizing<String>,
}

impl NewAccessKey {
    /// A key that lasts.
    pub fn generate() -> Result<Self, NoRandomNumbers> {
        Self::with_prefix("AKIA")
    }

    /// A key that comes with a session token.
    pub(super) fn temporary() -> Result<Self, NoRandomNumbers> {
        Self::with_prefix("ASIA")
    }

    fn with_prefix(prefix: &str) -> Result<Self, NoRandomNumbers> {
        const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let mut random = Zeroizing::new([0; 46]);
        rand::fill(&mut *random).map_err(|_| NoRandomNumbers)?;
        let (id, secret) = random.split_at(16);
        let id = id.iter().map(|byte| char::from(BASE32[usize::from(byte % 32)]));
        let secret = Zeroizing::new(STANDARD.encode(secret));
        Ok(Self { id: prefix.chars().chain(id).collect(), secret })
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::is_key_id;
    use super::*;

    #[test]
    fn keys_have_the_known_form_and_differ() {
        let (one, other) = (NewAccessKey::generate().unwrap(), NewAccessKey::temporary().unwrap());
        assert!(is_key_id(&one.id) && one.id.starts_with("AKIA"), "{}", one.id);
        assert!(is_key_id(&other.id) && other.id.starts_with("ASIA"), "{}", other.id);
        assert_eq!(one.secret.len(), 40);
        assert_ne!(one.id[4..], other.id[4..]);
        assert_ne!(one.secret, other.secret);
    }
}
