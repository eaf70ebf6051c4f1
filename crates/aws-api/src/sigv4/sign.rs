//! Signing a request of our own.

use std::time::SystemTime;

use http::header::{AUTHORIZATION, CONNECTION, EXPECT, TRANSFER_ENCODING, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::ALGORITHM;
use super::canonical::{canonical_request, normalized_path};
use super::claim::payload_header;
use super::error::SignatureError;
use super::key::{Scope, Secret, SigningKey, string_to_sign};
use super::payload::payload_hash;
use super::signing_time::SigningTime;
use super::verify::PayloadRule;
use crate::request::Request;

/// Headers that are not signed, because those on the way may change them.
const NOT_SIGNED: [HeaderName; 5] = [AUTHORIZATION, CONNECTION, EXPECT, TRANSFER_ENCODING, USER_AGENT];

/// Who signs.
#[derive(Clone, Copy)]
pub struct SigningCredentials<'a> {
    /// The key's name.
    pub access_key_id: &'a str,
    /// The key itself.
    pub secret: &'a Secret,
    /// Comes with temporary credentials.
    pub session_token: Option<&'a str>,
}

/// The headers to add to `request`, so that it is signed for `service` in `region` at `now`: the date, the session token
/// if there is one, and `Authorization`. All headers that the request has are signed; `host` must be among them. The body is signed
/// too, unless `x-amz-content-sha256` says `UNSIGNED-PAYLOAD`.
pub fn sign(
    request: &Request<'_>,
    credentials: SigningCredentials<'_>,
    region: &str,
    service: &str,
    now: SystemTime,
) -> Result<HeaderMap, SignatureError> {
    if !request.headers.contains_key("host") {
        return Err(SignatureError::SignedHeaderAbsent("host".to_owned()));
    }
    let time = SigningTime::from_system_time(now).ok_or(SignatureError::Malformed("The clock"))?;
    let scope =
        Scope { date: time.date().to_owned(), region: region.to_owned(), service: service.to_owned() };
    let mut added = HeaderMap::new();
    added.insert("x-amz-date", value(&time.text, "The clock")?);
    if let Some(token) = credentials.session_token {
        added.insert("x-amz-security-token", value(token, "The session token")?);
    }

    let mut headers = request.headers.clone();
    headers.extend(added.clone());
    let signed_headers = signed_headers(&headers);
    let declared = payload_header(request)?;
    let payload = payload_hash(declared.as_deref(), request.body, PayloadRule::AllowUnsigned)?;
    let path = normalized_path(request.path);
    let canonical = canonical_request(request, &path, &headers, &signed_headers, &payload);
    let signature =
        SigningKey::derive(credentials.secret, &scope).sign(&string_to_sign(&time.text, &scope, &canonical));
    let authorization = format!(
        "{ALGORITHM} Credential={}/{}, SignedHeaders={}, Signature={signature}",
        credentials.access_key_id,
        scope.to_text(),
        signed_headers.join(";"),
    );
    added.insert(AUTHORIZATION, value(&authorization, "The credential")?);
    Ok(added)
}

fn signed_headers(headers: &HeaderMap) -> Vec<String> {
    let mut names: Vec<String> =
        headers.keys().filter(|name| !NOT_SIGNED.contains(name)).map(ToString::to_string).collect();
    names.sort_unstable();
    names
}

/// `label` is what to call the text if it cannot stand in a header.
fn value(text: &str, label: &'static str) -> Result<HeaderValue, SignatureError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| SignatureError::Malformed(label))?;
    value.set_sensitive(true);
    Ok(value)
}
