//! Requests signed by AWS's own crate are accepted, and with one bit changed refused.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningInstructions, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use http::{HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::super::SigningCredentials;
use super::{ACCESS_KEY_ID, OwnedRequest, SECRET, Secret, vector_time};

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_aws_signs_is_verified(request in requests(), presigned in any::<bool>()) {
        let signed = signed_by_aws(&request, presigned);
        let authenticated = signed.verify().unwrap();
        prop_assert_eq!(authenticated.service, "cloudfront");
        prop_assert_eq!(authenticated.session_token.as_deref(), Some("a/token+="));
    }

    #[test]
    fn one_changed_bit_is_refused(
        request in requests(),
        presigned in any::<bool>(),
        part in select(vec![Part::Method, Part::Path, Part::Query, Part::Header, Part::Body]),
        byte in any::<Index>(),
        bit in 0_u8..8,
    ) {
        let signed = signed_by_aws(&request, presigned);
        let tampered = tampered(&signed, part, byte, bit);
        prop_assume!(tampered.is_some());
        let tampered = tampered.unwrap();
        prop_assume!(part != Part::Query || parameters(&tampered.query) != parameters(&signed.query));
        prop_assert!(tampered.verify().is_err(), "{:?}", tampered);
    }

    #[test]
    fn what_we_sign_is_verified(request in requests()) {
        let secret = Secret::new(SECRET);
        let credentials =
            SigningCredentials { access_key_id: ACCESS_KEY_ID, secret: &secret, session_token: None };
        let mut signed = request.clone();
        let added = super::super::sign(&request.lend(), credentials, "eu-west-1", "cloudfront", vector_time());
        signed.headers.extend(added.unwrap());
        prop_assert_eq!(signed.verify().unwrap().region, "eu-west-1");
    }

    #[test]
    fn nonsense_is_refused_without_a_panic(
        authorization in "(AWS4-HMAC-SHA256 )?[ -~]{0,60}(Credential=[ -~]{0,30})?(,|;|=| |Signature=|SignedHeaders=host){0,4}",
        query in "(X-Amz-(Algorithm|Credential|Date|Expires|SignedHeaders|Signature)(=|%|&|[ -~]|é){0,4}){0,8}",
    ) {
        let request = OwnedRequest::get("/", "").with("authorization", &authorization);
        prop_assert!(request.verify().is_err());
        prop_assert!(OwnedRequest::get("/", &query).verify().is_err());
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Method,
    Path,
    Query,
    Header,
    Body,
}

/// Requests as clients send them: with paths and queries percent-encoded, without dot or empty segments.
fn requests() -> impl Strategy<Value = OwnedRequest> {
    let segment = "([A-Za-z0-9_~:@!$'()*,-]|%[2-7][0-9A-F]|%C3%A9){1,8}";
    let name = "([A-Za-z0-9_~-]|%[2-7][0-9A-F]|%E1%88%B4){1,6}";
    let value = "([A-Za-z0-9_.~-]|%[2-7][0-9A-F]|%E1%88%B4){0,8}";
    let header = "[!-~]{1,8}( {1,3}[!-~]{1,8}){0,2}";
    (
        select(vec!["GET", "POST", "PUT", "DELETE"]),
        prop::collection::vec(segment, 0..5),
        any::<bool>(),
        prop::collection::vec((name, value), 0..5),
        prop::collection::vec(header, 0..3),
        prop::collection::vec(any::<u8>(), 0..200),
    )
        .prop_map(|(method, segments, slash, query, values, body)| {
            let end = if slash && !segments.is_empty() { "/" } else { "" };
            let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let mut request = OwnedRequest::get(&format!("/{}{end}", segments.join("/")), &query.join("&"))
                .with("if-match", "E2QWRUHAPOMQZL");
            for value in values {
                request = request.with("x-amz-meta", &value);
            }
            OwnedRequest { method: method.to_owned(), body, ..request }
        })
}

fn signed_by_aws(request: &OwnedRequest, presigned: bool) -> OwnedRequest {
    let mut settings = SigningSettings::default();
    if presigned {
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_mins(1));
    }
    let credentials =
        Credentials::new(ACCESS_KEY_ID, SECRET, Some("a/token+=".to_owned()), None, "test").into();
    let parameters = v4::SigningParams::builder()
        .identity(&credentials)
        .region("us-east-1")
        .name("cloudfront")
        .time(vector_time())
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let target = if request.query.is_empty() {
        request.path.clone()
    } else {
        format!("{}?{}", request.path, request.query)
    };
    let headers = request.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    let url = format!("http://127.0.0.1:4510{target}");
    let body = SignableBody::Bytes(&request.body);
    let signable = SignableRequest::new(&request.method, url, headers, body).unwrap();
    let (instructions, _) = sign(signable, &parameters).unwrap().into_parts();
    apply(request, instructions)
}

fn apply(request: &OwnedRequest, instructions: SigningInstructions) -> OwnedRequest {
    let mut signed = request.clone();
    let (headers, parameters) = instructions.into_parts();
    for header in headers {
        let value = HeaderValue::from_str(header.value()).unwrap();
        signed.headers.insert(HeaderName::from_static(header.name()), value);
    }
    for (name, value) in parameters {
        let value = percent_encoding::utf8_percent_encode(&value, percent_encoding::NON_ALPHANUMERIC);
        let separator = if signed.query.is_empty() { "" } else { "&" };
        signed.query = format!("{}{separator}{name}={value}", signed.query);
    }
    signed
}

/// The request with one bit changed, if it can still be received at all.
fn tampered(signed: &OwnedRequest, part: Part, byte: Index, bit: u8) -> Option<OwnedRequest> {
    let flipped = |text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        let at = byte.get_mut(&mut bytes);
        *at ^= 1 << bit;
        String::from_utf8(bytes).ok()
    };
    let mut tampered = signed.clone();
    match part {
        Part::Method => tampered.method = flipped(&signed.method)?,
        Part::Path => tampered.path = flipped(&signed.path)?,
        Part::Query if signed.query.is_empty() => return None,
        Part::Query => tampered.query = flipped(&signed.query)?,
        Part::Body if signed.body.is_empty() => return None,
        Part::Body => *byte.get_mut(&mut tampered.body) ^= 1 << bit,
        Part::Header => {
            let values: Vec<&mut HeaderValue> = tampered.headers.values_mut().collect();
            let count = values.len();
            let value = values.into_iter().nth(byte.index(count))?;
            *value = HeaderValue::from_str(&flipped(value.to_str().unwrap())?).ok()?;
        }
    }
    Some(tampered)
}

/// What a query string means, however it is written.
fn parameters(query: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let decode = |text: &str| percent_decode_str(text).collect();
    let mut parameters: Vec<_> = query
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect();
    parameters.sort();
    parameters
}
