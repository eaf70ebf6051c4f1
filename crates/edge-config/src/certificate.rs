//! Certificates for viewers' TLS.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Revision;

/// A certificate that viewers see, with the private key that belongs to it.
///
/// What it is good for (names, validity) stands in the chain and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The certificate, then whoever vouches for the one before, in DER.
    pub chain: Vec<Bytes>,
    /// The private key, sealed: useless to whoever has the bundle alone.
    pub sealed_private_key: SealedPrivateKey,
}

/// A certificate in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedCertificate {
    /// Its id.
    pub id: Arc<str>,
    /// Since when it is as it is: with the id, what an edge memoises by.
    pub revision: Revision,
    /// The certificate itself.
    pub certificate: Certificate,
}

/// Bytes that a bundle carries, shared by its clones; base64 where it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Bytes(Arc<[u8]>);

impl Bytes {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Bytes({})", self.0.len())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text.as_bytes()).map_err(de::Error::custom)?;
        Ok(Self(bytes.into()))
    }
}

/// A private key that only who has the sealing key can open. Its `Debug` tells nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SealedPrivateKey(Bytes);

impl SealedPrivateKey {
    /// What sealing made.
    pub fn new(sealed: &[u8]) -> Self {
        Self(sealed.into())
    }

    /// What is to be opened.
    pub fn as_slice(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl fmt::Debug for SealedPrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SealedPrivateKey")
    }
}
