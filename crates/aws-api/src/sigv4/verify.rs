//! Verifying a signed request.

use std::borrow::Cow;
use std::time::SystemTime;

use super::canonical::{canonical_request, normalized_path};
use super::claim::Claim;
use super::error::SignatureError;
use super::key::{Secret, SigningKey, string_to_sign};
use super::payload::payload_hash;
use crate::request::Request;

/// Whether a body may go unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadRule {
    /// The signature must cover the body.
    RequireSigned,
    /// `UNSIGNED-PAYLOAD` will do: where nobody can change the body on its way, over TLS or on loopback.
    AllowUnsigned,
}

/// Finds the secret of an access key id; temporary credentials come with their session token.
pub type SecretOf<'a> = dyn Fn(&str, Option<&str>) -> Result<Secret, SignatureError> + 'a;

/// What is asked of a signature.
#[derive(Clone, Copy)]
pub struct Expectations<'a> {
    /// The services that a credential may be scoped to.
    pub services: &'a [&'a str],
    /// The secret of an access key, given the session token that came with it, or why there is none.
    pub secret_of: &'a SecretOf<'a>,
    /// Whether a body may go unsigned.
    pub payload: PayloadRule,
}

/// Who signed a request, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticated {
    /// The key that signed.
    pub access_key_id: String,
    /// The region that the signer believes to talk to.
    pub region: String,
    /// The service that the signature is for, one of those expected. The caller checks that the operation is one of its.
    pub service: String,
    /// The session token of temporary credentials, which the secret was found with.
    pub session_token: Option<String>,
}

/// Verifies that `request` was signed, with a key that exists, for one of the expected services, at about `now`, and that
/// it is the request that was signed.
pub fn verify(
    request: &Request<'_>,
    now: SystemTime,
    expectations: &Expectations<'_>,
) -> Result<Authenticated, SignatureError> {
    let claim = Claim::of(request)?;
    check_scope(&claim, expectations.services)?;
    claim.time.check(now, claim.expires)?;
    check_signed_headers(request, &claim.signed_headers)?;
    let secret = (expectations.secret_of)(&claim.access_key_id, claim.session_token.as_deref())?;
    let payload = payload_hash(claim.payload.as_deref(), request.body, expectations.payload)?;

    let key = SigningKey::derive(&secret, &claim.scope);
    let verified = signed_paths(request.path).iter().any(|path| {
        let signed = &claim.signed_headers;
        let canonical = canonical_request(request, path, request.headers, signed, &payload);
        key.verifies(&string_to_sign(&claim.time.text, &claim.scope, &canonical), &claim.signature)
    });
    if !verified {
        return Err(SignatureError::Mismatch);
    }
    Ok(Authenticated {
        access_key_id: claim.access_key_id,
        region: claim.scope.region,
        service: claim.scope.service,
        session_token: claim.session_token,
    })
}

/// The forms of a path that clients sign.
///
/// AWS removes dot segments and doubled slashes before signing, and so do botocore and the JavaScript SDK; the SDK for Go
/// signs the path as it sends it. Paths of the API have neither, and so one form.
pub(super) fn signed_paths(path: &str) -> Vec<Cow<'_, str>> {
    let normalized = normalized_path(path);
    let mut paths = vec![];
    if normalized != path {
        paths.push(Cow::Borrowed(path));
    }
    paths.push(Cow::Owned(normalized));
    paths
}

fn check_scope(claim: &Claim, services: &[&str]) -> Result<(), SignatureError> {
    if !services.contains(&claim.scope.service.as_str()) {
        return Err(SignatureError::WrongService);
    }
    if claim.scope.date != claim.time.date() {
        return Err(SignatureError::WrongScopeDate);
    }
    Ok(())
}

/// Where the request goes (`host`) and whatever it tells AWS (`x-amz-*`) must be signed, and what is signed must be there.
fn check_signed_headers(request: &Request<'_>, signed: &[String]) -> Result<(), SignatureError> {
    let is_signed = |name: &str| signed.binary_search_by(|other| other.as_str().cmp(name)).is_ok();
    let must_be_signed =
        request.headers.keys().map(http::HeaderName::as_str).filter(|name| name.starts_with("x-amz-"));
    if let Some(name) = std::iter::once("host").chain(must_be_signed).find(|name| !is_signed(name)) {
        return Err(SignatureError::HeaderNotSigned(name.to_owned()));
    }
    if request.headers.get_all("host").iter().count() > 1 {
        return Err(SignatureError::Malformed("The header Host"));
    }
    match signed.iter().find(|name| !request.headers.contains_key(name.as_str())) {
        Some(name) => Err(SignatureError::SignedHeaderAbsent(name.clone())),
        None => Ok(()),
    }
}
