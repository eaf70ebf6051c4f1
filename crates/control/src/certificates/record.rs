//! Certificate records.

use aws_api::shape::Timestamp;
use edge_config::Bytes;
use serde::{Deserialize, Serialize};

use super::CertificateFacts;
use crate::records::{RecordError, SCHEMA, check_schema};

/// A certificate as it was imported, without its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CertificateRecord {
    pub(crate) created_time: Timestamp,
    /// When it was last imported.
    pub(crate) imported_time: Timestamp,
    /// The certificate, then whoever vouches for the one before, in DER.
    pub(crate) chain: Vec<Bytes>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    schema: u32,
    created_milliseconds: i64,
    imported_milliseconds: i64,
    chain: Vec<Bytes>,
}

impl CertificateRecord {
    pub(crate) fn encode(&self) -> Result<Vec<u8>, RecordError> {
        let stored = Stored {
            schema: SCHEMA,
            created_milliseconds: self.created_time.unix_milliseconds(),
            imported_milliseconds: self.imported_time.unix_milliseconds(),
            chain: self.chain.clone(),
        };
        serde_json::to_vec(&stored).map_err(RecordError::Malformed)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        check_schema(bytes)?;
        let stored: Stored = serde_json::from_slice(bytes).map_err(RecordError::Malformed)?;
        let time =
            |milliseconds| Timestamp::from_unix_milliseconds(milliseconds).map_err(|_| RecordError::Time);
        Ok(Self {
            created_time: time(stored.created_milliseconds)?,
            imported_time: time(stored.imported_milliseconds)?,
            chain: stored.chain,
        })
    }

    /// What the certificate says of itself.
    pub(crate) fn facts(&self) -> Option<CertificateFacts> {
        CertificateFacts::of(self.chain.first()?.as_slice())
    }
}
