//! Session tokens: what temporary credentials are is written in their token, sealed, so that nobody needs to
//! remember them and any control plane with the same session key can verify them.
//!
//! A token is base64 of a version byte, a nonce and AES-256-GCM's output over the claims; the access key id is
//! authenticated with it, so that a token belongs to its id alone.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::role::Role;
use crate::limits::SESSION_TOKEN_BYTES_MAX;

pub(super) const SESSION_KEY_BYTES: usize = 32;

/// The form of tokens. Another form gets another byte.
const VERSION: u8 = 1;

/// What a session token says.
#[derive(Serialize, Deserialize)]
pub(super) struct Claims {
    /// The id of the access key that it was made with. The session ends when that one does.
    pub(super) parent: String,
    pub(super) role: Role,
    /// The name that was given to the session of an assumed role.
    pub(super) session_name: Option<String>,
    pub(super) expires_milliseconds: i64,
    pub(super) secret: Zeroizing<String>,
}

/// The key that seals session tokens.
pub(super) struct SessionKey(RandomizedNonceKey);

impl SessionKey {
    /// A key of [`SESSION_KEY_BYTES`]; none of another length.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        RandomizedNonceKey::new(&AES_256_GCM, bytes).ok().map(Self)
    }

    /// The token of an access key id. `None` if the cipher fails, which it does for no input of ours.
    pub(super) fn seal(&self, access_key_id: &str, claims: &Claims) -> Option<String> {
        let mut text = serde_json::to_vec(claims).ok()?;
        let nonce = self.0.seal_in_place_append_tag(Aad::from(bound_to(access_key_id)), &mut text).ok()?;
        Some(STANDARD.encode([&[VERSION][..], nonce.as_ref(), &text].concat()))
    }

    /// What a token says, if it is ours and belongs to the access key id.
    pub(super) fn open(&self, access_key_id: &str, token: &str) -> Option<Claims> {
        if token.len() > SESSION_TOKEN_BYTES_MAX {
            return None;
        }
        let bytes = Zeroizing::new(STANDARD.decode(token).ok()?);
        let (nonce, text) = bytes.strip_prefix(&[VERSION])?.split_first_chunk::<NONCE_LEN>()?;
        let mut text = Zeroizing::new(text.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let claims = self.0.open_in_place(nonce, Aad::from(bound_to(access_key_id)), &mut text).ok()?;
        serde_json::from_slice(claims).ok()
    }
}

fn bound_to(access_key_id: &str) -> Vec<u8> {
    format!("mantlet session {VERSION} {access_key_id}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SessionKey {
        SessionKey::new(&[byte; SESSION_KEY_BYTES]).unwrap()
    }

    fn token() -> String {
        let claims = Claims {
            parent: "AKIA".to_owned(),
            role: Role::Deploy,
            session_name: None,
            expires_milliseconds: 7,
            secret: Zeroizing::new("secret".to_owned()),
        };
        key(1).seal("ASIA", &claims).unwrap()
    }

    #[test]
    fn a_token_opens_with_its_key_and_id_alone() {
        let claims = key(1).open("ASIA", &token()).unwrap();
        assert_eq!(
            (claims.parent.as_str(), claims.role, claims.secret.as_str()),
            ("AKIA", Role::Deploy, "secret")
        );
        assert!(key(2).open("ASIA", &token()).is_none());
        assert!(key(1).open("ASIB", &token()).is_none());
    }

    #[test]
    fn no_changed_cut_or_huge_token_opens() {
        let bytes = STANDARD.decode(token()).unwrap();
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            assert!(key(1).open("ASIA", &STANDARD.encode(changed)).is_none(), "byte {index}");
            assert!(key(1).open("ASIA", &STANDARD.encode(&bytes[..index])).is_none(), "cut at {index}");
        }
        for text in ["", "%", "AQ==", &"A".repeat(SESSION_TOKEN_BYTES_MAX + 4)] {
            assert!(key(1).open("ASIA", text).is_none());
        }
    }

    #[test]
    fn a_token_hides_what_it_says() {
        let bytes = STANDARD.decode(token()).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"secret"));
    }
}
