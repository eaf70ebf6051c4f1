//! What a request says about its own signature, parsed and not yet believed.

use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::error::SignatureError;
use super::key::{Scope, signature_from_hex};
use super::limits::{AUTHORIZATION_BYTES_MAX, EXPIRES_DURATION_MAX, SIGNED_HEADERS_MAX};
use super::signing_time::SigningTime;
use super::{ALGORITHM, TERMINATOR};
use crate::limits::{PATH_BYTES_MAX, QUERY_BYTES_MAX};
use crate::request::Request;

/// Who is said to have signed what, when and how.
pub(super) struct Claim {
    pub(super) access_key_id: String,
    pub(super) scope: Scope,
    /// Lower-case, sorted, each once.
    pub(super) signed_headers: Vec<String>,
    pub(super) signature: [u8; 32],
    pub(super) time: SigningTime,
    /// For how long a presigned request is valid.
    pub(super) expires: Option<Duration>,
    pub(super) session_token: Option<String>,
    /// What is declared to be the body's digest.
    pub(super) payload: Option<String>,
}

impl Claim {
    /// Finds the signature in the headers or in the query string, and refuses both at once.
    pub(super) fn of(request: &Request<'_>) -> Result<Self, SignatureError> {
        // Other forms of a request target (RFC 9112 section 3.2) have no canonical path of their own.
        if !request.path.starts_with('/') || request.path.len() > PATH_BYTES_MAX {
            return Err(SignatureError::Malformed("The path"));
        }
        if request.query.len() > QUERY_BYTES_MAX {
            return Err(SignatureError::Malformed("The query string"));
        }
        let parameters = SignatureParameters::of(request.query);
        match (request.headers.contains_key("authorization"), parameters.any()) {
            (false, false) => Err(SignatureError::Unsigned),
            (true, true) => Err(SignatureError::SignedTwice),
            (true, false) => Self::from_headers(request),
            (false, true) => Self::from_query(request, &parameters),
        }
    }

    fn from_headers(request: &Request<'_>) -> Result<Self, SignatureError> {
        if request.headers.get_all("authorization").iter().count() > 1 {
            return Err(SignatureError::SignedTwice);
        }
        let authorization = header(request, "authorization", "The header Authorization")?;
        let authorization = Authorization::parse(authorization.ok_or(SignatureError::Unsigned)?)?;
        let time = match header(request, "x-amz-date", "The header X-Amz-Date")? {
            Some(text) => SigningTime::from_basic(text),
            None => header(request, "date", "The header Date")?.and_then(SigningTime::from_date_header),
        };
        let (access_key_id, scope) = parse_credential(authorization.credential)?;
        Ok(Self {
            access_key_id,
            scope,
            signed_headers: parse_signed_headers(authorization.signed_headers)?,
            signature: parse_signature(authorization.signature)?,
            time: time.ok_or(SignatureError::Malformed("The header X-Amz-Date"))?,
            expires: None,
            session_token: header(request, "x-amz-security-token", "The header X-Amz-Security-Token")?
                .map(str::to_owned),
            payload: payload_header(request)?,
        })
    }

    fn from_query(request: &Request<'_>, parameters: &SignatureParameters) -> Result<Self, SignatureError> {
        if parameters.required("X-Amz-Algorithm")? != ALGORITHM {
            return Err(SignatureError::UnsupportedAlgorithm);
        }
        let (access_key_id, scope) = parse_credential(parameters.required("X-Amz-Credential")?)?;
        let time = SigningTime::from_basic(parameters.required("X-Amz-Date")?);
        let payload = match payload_header(request)? {
            Some(header) => Some(header),
            None => parameters.optional("X-Amz-Content-Sha256")?.map(str::to_owned),
        };
        Ok(Self {
            access_key_id,
            scope,
            signed_headers: parse_signed_headers(parameters.required("X-Amz-SignedHeaders")?)?,
            signature: parse_signature(parameters.required("X-Amz-Signature")?)?,
            time: time.ok_or(SignatureError::Malformed("X-Amz-Date"))?,
            expires: Some(parse_expires(parameters.required("X-Amz-Expires")?)?),
            session_token: parameters.optional("X-Amz-Security-Token")?.map(str::to_owned),
            payload,
        })
    }
}

/// The three parts of an `Authorization` header.
struct Authorization<'a> {
    credential: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Authorization<'a> {
    fn parse(value: &'a str) -> Result<Self, SignatureError> {
        let malformed = SignatureError::Malformed("The header Authorization");
        if value.len() > AUTHORIZATION_BYTES_MAX {
            return Err(malformed);
        }
        let (algorithm, parts) = value.trim().split_once(' ').ok_or(malformed.clone())?;
        if algorithm != ALGORITHM {
            return Err(SignatureError::UnsupportedAlgorithm);
        }
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for part in parts.split(',') {
            let (name, value) = part.trim().split_once('=').ok_or(malformed.clone())?;
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return Err(malformed),
            };
            if slot.replace(value).is_some() {
                return Err(malformed);
            }
        }
        match (credential, signed_headers, signature) {
            (Some(credential), Some(signed_headers), Some(signature)) => {
                Ok(Self { credential, signed_headers, signature })
            }
            _ => Err(malformed),
        }
    }
}

/// The parameters of a query string that belong to a signature, decoded.
struct SignatureParameters(Vec<(String, Option<String>)>);

impl SignatureParameters {
    fn of(query: &str) -> Self {
        let decode = |text| percent_decode_str(text).decode_utf8().ok().map(String::from);
        let parameters = query
            .split('&')
            .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
            .filter_map(|(name, value)| Some((decode(name)?, value)))
            .filter(|(name, _)| name.starts_with("X-Amz-"))
            .map(|(name, value)| (name, decode(value)))
            .collect();
        Self(parameters)
    }

    /// Whether the request is signed here, or tries to be.
    fn any(&self) -> bool {
        let telling = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"];
        self.0.iter().any(|(name, _)| telling.contains(&name.as_str()))
    }

    fn optional(&self, name: &'static str) -> Result<Option<&str>, SignatureError> {
        let mut found = self.0.iter().filter(|(other, _)| other == name).map(|(_, value)| value);
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some(Some(value)), None) => Ok(Some(value)),
            _ => Err(SignatureError::Malformed(name)),
        }
    }

    fn required(&self, name: &'static str) -> Result<&str, SignatureError> {
        self.optional(name)?.ok_or(SignatureError::Malformed(name))
    }
}

/// The value of a header that may stand once at most. `label` is what to call it.
fn header<'a>(
    request: &Request<'a>,
    name: &str,
    label: &'static str,
) -> Result<Option<&'a str>, SignatureError> {
    let mut values = request.headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| SignatureError::Malformed(label)),
        _ => Err(SignatureError::Malformed(label)),
    }
}

/// What the request declares to be its body's digest.
pub(super) fn payload_header(request: &Request<'_>) -> Result<Option<String>, SignatureError> {
    let value = header(request, "x-amz-content-sha256", "The header X-Amz-Content-Sha256")?;
    Ok(value.map(str::to_owned))
}

/// `KEY/20150830/us-east-1/cloudfront/aws4_request`. Every region will do, for what it names is ours.
fn parse_credential(credential: &str) -> Result<(String, Scope), SignatureError> {
    let parts: Vec<&str> = credential.splitn(6, '/').collect();
    let [access_key_id, date, region, service, TERMINATOR] = parts[..] else {
        return Err(SignatureError::Malformed("The credential"));
    };
    let is_word = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    if ![access_key_id, date, region, service].into_iter().all(is_word) {
        return Err(SignatureError::Malformed("The credential"));
    }
    let scope = Scope { date: date.to_owned(), region: region.to_owned(), service: service.to_owned() };
    Ok((access_key_id.to_owned(), scope))
}

/// Names in lower case, in order and each once: as the algorithm demands, so that there is one way to say it.
fn parse_signed_headers(list: &str) -> Result<Vec<String>, SignatureError> {
    let names: Vec<&str> = list.split(';').take(SIGNED_HEADERS_MAX + 1).collect();
    let is_name = |name: &&str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase())
    };
    let in_order = names.windows(2).all(|pair| pair[0] < pair[1]);
    if names.len() > SIGNED_HEADERS_MAX || !names.iter().all(is_name) || !in_order {
        return Err(SignatureError::Malformed("The list of signed headers"));
    }
    Ok(names.into_iter().map(str::to_owned).collect())
}

fn parse_signature(text: &str) -> Result<[u8; 32], SignatureError> {
    signature_from_hex(text).ok_or(SignatureError::Malformed("The signature"))
}

fn parse_expires(text: &str) -> Result<Duration, SignatureError> {
    // Digits only: Rust would also parse a plus sign.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse().map(Duration::from_secs) {
        Ok(expires) if digits && !expires.is_zero() && expires <= EXPIRES_DURATION_MAX => Ok(expires),
        _ => Err(SignatureError::Malformed("X-Amz-Expires")),
    }
}
