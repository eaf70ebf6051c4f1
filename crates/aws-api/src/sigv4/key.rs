//! Secrets, the keys derived from them, and signatures.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{ALGORITHM, TERMINATOR};

/// A secret access key. It is wiped from memory when dropped, and cannot be printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// Takes the text of a secret access key.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// What a signature holds for: one day, one region, one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    /// Eight digits.
    pub(super) date: String,
    pub(super) region: String,
    pub(super) service: String,
}

impl Scope {
    /// As it stands in the credential and in what is signed.
    pub(super) fn to_text(&self) -> String {
        format!("{}/{}/{}/{TERMINATOR}", self.date, self.region, self.service)
    }
}

/// What is finally signed: the time, the scope and the digest of the canonical request.
pub(super) fn string_to_sign(time: &str, scope: &Scope, canonical_request: &[u8]) -> String {
    format!("{ALGORITHM}\n{time}\n{}\n{}", scope.to_text(), sha256_hex(canonical_request))
}

/// The key that signs requests of one scope.
pub(super) struct SigningKey(hmac::Key);

impl SigningKey {
    /// Each part of the scope is signed with a key made of the signature before.
    pub(super) fn derive(secret: &Secret, scope: &Scope) -> Self {
        let start = Zeroizing::new(format!("AWS4{}", secret.0));
        let key = [scope.date.as_str(), &scope.region, &scope.service, TERMINATOR]
            .into_iter()
            .fold(hmac::Key::new(HMAC_SHA256, start.as_bytes()), |key, part| {
                hmac::Key::new(HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref())
            });
        Self(key)
    }

    pub(super) fn sign(&self, text: &str) -> String {
        to_hex(hmac::sign(&self.0, text.as_bytes()).as_ref())
    }

    /// Compares in a time that does not depend on where the signatures differ.
    pub(super) fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        hmac::verify(&self.0, text.as_bytes(), signature).is_ok()
    }
}

pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    to_hex(digest(&SHA256, bytes).as_ref())
}

fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// Decodes the 64 lower-case digits of a signature.
pub(super) fn signature_from_hex(text: &str) -> Option<[u8; 32]> {
    let digits: &[u8; 64] = text.as_bytes().try_into().ok()?;
    let mut signature = [0; 32];
    for (byte, pair) in signature.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = (digit(pair[0])? << 4) | digit(pair[1])?;
    }
    Some(signature)
}

fn digit(hex: u8) -> Option<u8> {
    match hex {
        b'0'..=b'9' => Some(hex - b'0'),
        b'a'..=b'f' => Some(hex - b'a' + 10),
        _ => None,
    }
}
