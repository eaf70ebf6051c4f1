//! Certificates for viewers' TLS, as AWS Certificate Manager keeps them.
//!
//! A certificate is a record, which has no private key, and the bundle that edges get, which has the
//! key sealed. Nothing here can open what was sealed, and no answer has a place for a key.
//!
//! Everything is in `us-east-1`, whatever region a request is signed for: CloudFront takes certificates
//! from there alone ("Requirements for using SSL/TLS certificates with CloudFront"), and a certificate
//! elsewhere would be of no use.

mod arn;
mod facts;
mod import;
mod record;
mod sealing;
#[cfg(test)]
pub(crate) mod test_certificates;
pub(crate) mod viewer_certificate;

use aws_api::ApiError;
use aws_api::acm::ErrorCode;
use edge_config::{ResourceId, ResourceKind};
use store::Key;

pub(crate) use self::arn::{certificate_arn, certificate_id_of_arn, new_certificate_id};
pub(crate) use self::facts::CertificateFacts;
pub(crate) use self::import::{ImportedCertificate, refuse_unlike, to_pem};
pub(crate) use self::record::CertificateRecord;
pub use self::sealing::{PrivateKeySealer, SealError};
use crate::commit::storage;
use crate::control::Control;
use crate::errors::internal;
use crate::kind::Kind;
use crate::records::resource_key;

/// A certificate as it is in the store.
pub(crate) struct StoredCertificate {
    pub(crate) id: String,
    pub(crate) revision: store::Revision,
    pub(crate) record: CertificateRecord,
    pub(crate) facts: CertificateFacts,
}

impl StoredCertificate {
    pub(crate) fn decode(record: &store::Record) -> Result<Self, ApiError> {
        let decoded = CertificateRecord::decode(&record.value).map_err(|error| internal(&error))?;
        // It was read when it was imported, so this is a damaged store.
        let facts = decoded.facts().ok_or_else(ApiError::internal)?;
        Ok(Self { id: record.key.id.clone(), revision: record.revision, record: decoded, facts })
    }

    pub(crate) fn arn(&self, control: &Control) -> String {
        certificate_arn(control.account_id(), &self.id)
    }
}

/// Where a certificate is kept.
pub(crate) fn certificate_key(account_id: &str, id: &str) -> Key {
    resource_key(account_id, Kind::Certificate, id)
}

/// How edges and references name it.
pub(crate) fn certificate_resource(id: &str) -> ResourceId {
    ResourceId::new(ResourceKind::Certificate, id)
}

/// The certificate that an ARN names.
pub(crate) async fn read_certificate(control: &Control, arn: &str) -> Result<StoredCertificate, ApiError> {
    let id = certificate_id_of_arn(control.account_id(), arn)?;
    let record = control.store().get(&certificate_key(control.account_id(), id)).await.map_err(storage)?;
    StoredCertificate::decode(&record.ok_or_else(|| no_such_certificate(arn))?)
}

/// There is none of that ARN.
pub(crate) fn no_such_certificate(arn: &str) -> ApiError {
    ErrorCode::ResourceNotFoundException.with_message(format!(
        "Could not find certificate {arn}. List the certificates for their ARNs, or import it first."
    ))
}

/// A value that the model's constraints, or ACM's rules for it, do not allow.
pub(crate) fn invalid(message: impl Into<String>) -> ApiError {
    ErrorCode::ValidationException.with_message(message)
}

#[cfg(test)]
mod tests;
