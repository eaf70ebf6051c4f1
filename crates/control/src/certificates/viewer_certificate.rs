//! The certificate that a distribution shows to viewers of its alternate domain names
//! ("Requirements for using alternate domain names").

use std::time::SystemTime;

use aws_api::ApiError;
use aws_api::cloudfront::{
    DistributionConfig, ErrorCode, MinimumProtocolVersion, SSLSupportMethod, ViewerCertificate,
};
use edge_config::AliasName;

use super::{CertificateFacts, certificate_id_of_arn};
use crate::validate::Surroundings;

/// Checks it against what exists.
pub(crate) fn validate_viewer_certificate(
    config: &DistributionConfig,
    aliases: &[AliasName],
    surroundings: Surroundings<'_>,
) -> Result<(), ApiError> {
    let Some(certificate) = config.viewer_certificate.as_ref().filter(|certificate| is_own(certificate))
    else {
        return refuse_aliases_without_certificate(aliases);
    };
    if certificate.cloud_front_default_certificate == Some(true) {
        return Err(invalid(
            "ViewerCertificate names a certificate and sets CloudFrontDefaultCertificate. Remove one of them.",
        ));
    }
    if let Some(iam) = &certificate.iam_certificate_id {
        return Err(invalid(format!(
            "The IAM certificate {iam:?} does not exist: this release has no IAM certificates. Import it \
             with ACM's ImportCertificate and set ACMCertificateArn to its ARN."
        )));
    }
    validate_protocol(certificate)?;
    let arn = certificate.acm_certificate_arn.as_deref().unwrap_or_default();
    validate_coverage(arn, &facts_of(arn, surroundings)?, aliases)
}

/// The id at the end of the ARN of a distribution's own certificate.
pub(crate) fn certificate_id(config: &DistributionConfig) -> Option<&str> {
    let arn = config.viewer_certificate.as_ref()?.acm_certificate_arn.as_deref()?;
    Some(arn.rsplit_once('/').map_or(arn, |(_, id)| id))
}

/// Whether it is one of the distribution's owner.
pub(crate) fn is_own(certificate: &ViewerCertificate) -> bool {
    certificate.acm_certificate_arn.is_some() || certificate.iam_certificate_id.is_some()
}

fn refuse_aliases_without_certificate(aliases: &[AliasName]) -> Result<(), ApiError> {
    if aliases.is_empty() {
        return Ok(());
    }
    Err(invalid(
        "Alternate domain names (Aliases) need a certificate that covers them, and the distribution has \
         CloudFront's default one. Import one with ACM's ImportCertificate and set ACMCertificateArn to its \
         ARN, or remove the Aliases.",
    ))
}

/// "Distribution settings", Security policy.
fn validate_protocol(certificate: &ViewerCertificate) -> Result<(), ApiError> {
    let minimum = certificate.minimum_protocol_version;
    match certificate.ssl_support_method {
        None => Err(invalid("A certificate needs SSLSupportMethod beside it. Set it to sni-only.")),
        Some(SSLSupportMethod::Vip) => match minimum {
            None | Some(MinimumProtocolVersion::SSLv3 | MinimumProtocolVersion::TLSv1) => Ok(()),
            Some(_) => Err(invalid_minimum(
                "With SSLSupportMethod vip, MinimumProtocolVersion is TLSv1 or SSLv3. Set one of them, or \
                 SSLSupportMethod to sni-only.",
            )),
        },
        Some(_) if minimum == Some(MinimumProtocolVersion::SSLv3) => Err(invalid_minimum(
            "MinimumProtocolVersion SSLv3 needs SSLSupportMethod vip. Set it to TLSv1.2_2021 or another of TLS.",
        )),
        Some(_) => Ok(()),
    }
}

fn facts_of(arn: &str, surroundings: Surroundings<'_>) -> Result<CertificateFacts, ApiError> {
    let absent = || {
        invalid(format!(
            "The certificate {arn:?} does not exist. Import it with ACM's ImportCertificate, which answers \
             with the ARN to set ACMCertificateArn to; the region is us-east-1."
        ))
    };
    let id = certificate_id_of_arn(surroundings.account_id, arn).map_err(|_| absent())?;
    let linked = surroundings.snapshot.certificate(id).ok_or_else(absent)?;
    let leaf = linked.certificate.chain.first().ok_or_else(absent)?;
    CertificateFacts::of(leaf.as_slice()).ok_or_else(absent)
}

fn validate_coverage(arn: &str, facts: &CertificateFacts, aliases: &[AliasName]) -> Result<(), ApiError> {
    if facts.is_expired(SystemTime::now().into()) {
        return Err(invalid(format!(
            "The certificate {arn} has expired at {}. Import a renewed one under the same ARN.",
            facts.not_after.to_iso8601()
        )));
    }
    if !facts.is_for_servers() {
        return Err(invalid(format!(
            "The certificate {arn} is not for servers: its Extended Key Usage lacks serverAuth. Use another."
        )));
    }
    match aliases.iter().find(|alias| !facts.covers(alias)) {
        Some(alias) => Err(invalid(format!(
            "The certificate {arn} does not cover the alternate domain name {alias}: it is for {}. Use one \
             that does, or remove the alias.",
            facts.names.join(", ")
        ))),
        None => Ok(()),
    }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ErrorCode::InvalidViewerCertificate.with_message(message)
}

fn invalid_minimum(message: &str) -> ApiError {
    ErrorCode::InvalidMinimumProtocolVersion.with_message(message)
}
