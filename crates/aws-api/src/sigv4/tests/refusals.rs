//! What must be refused, and how that is told.

use std::time::Duration;

use super::super::SigningCredentials;
use super::super::canonical::canonical_request;
use super::super::key::{Scope, SigningKey, sha256_hex, string_to_sign};
use super::{
    ACCESS_KEY_ID, HeaderValue, OwnedRequest, PayloadRule, SECRET, Secret, SignatureError, vector_time,
};
use crate::operation::Protocol;

fn signed(request: OwnedRequest) -> OwnedRequest {
    signed_with(request, ACCESS_KEY_ID, "cloudfront")
}

fn signed_with(mut request: OwnedRequest, access_key_id: &str, service: &str) -> OwnedRequest {
    let secret = Secret::new(SECRET);
    let credentials = SigningCredentials { access_key_id, secret: &secret, session_token: None };
    let added =
        super::super::sign(&request.lend(), credentials, "us-east-1", service, vector_time()).unwrap();
    request.headers.extend(added);
    request
}

fn list_distributions() -> OwnedRequest {
    OwnedRequest::get("/2020-05-31/distribution", "MaxItems=5")
}

/// `list_distributions` signed, with a piece of its `Authorization` replaced.
fn with_authorization(from: &str, to: &str) -> OwnedRequest {
    let mut request = signed(list_distributions());
    let authorization = request.headers["authorization"].to_str().unwrap();
    assert!(authorization.contains(from));
    let replaced = authorization.replace(from, to);
    request.headers.insert("authorization", HeaderValue::from_str(&replaced).unwrap());
    request
}

const PRESIGNED: &str = "X-Amz-Algorithm=AWS4-HMAC-SHA256\
    &X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fcloudfront%2Faws4_request\
    &X-Amz-Date=20150830T123600Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host\
    &X-Amz-Signature=0000000000000000000000000000000000000000000000000000000000000000";

fn presigned(from: &str, to: &str) -> Result<(), SignatureError> {
    assert!(PRESIGNED.contains(from));
    OwnedRequest::get("/", &PRESIGNED.replacen(from, to, 1)).verify().map(|_| ())
}

#[test]
fn a_request_without_a_signature() {
    assert_eq!(list_distributions().verify(), Err(SignatureError::Unsigned));
}

#[test]
fn a_request_signed_twice() {
    let twice = signed(list_distributions()).with("authorization", "AWS4-HMAC-SHA256 x");
    assert_eq!(twice.verify(), Err(SignatureError::SignedTwice));
    let mut both = signed(list_distributions());
    both.query = PRESIGNED.to_owned();
    assert_eq!(both.verify(), Err(SignatureError::SignedTwice));
}

#[test]
fn another_algorithm() {
    for other in ["AWS4-ECDSA-P256-SHA256", "AWS3-HTTPS", "Basic", "Bearer"] {
        let request = with_authorization("AWS4-HMAC-SHA256", other);
        assert_eq!(request.verify(), Err(SignatureError::UnsupportedAlgorithm));
    }
    let refused = presigned("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256");
    assert_eq!(refused, Err(SignatureError::UnsupportedAlgorithm));
}

#[test]
fn a_malformed_authorization() {
    for (from, to) in [
        ("Credential=", "Credentials="),
        ("Signature=", "Signature=0"),
        ("Signature=", "Signature=A"),
        ("SignedHeaders=host;x-amz-date", "SignedHeaders=x-amz-date;host"),
        ("SignedHeaders=host;", "SignedHeaders=host;host;"),
        ("SignedHeaders=host", "SignedHeaders=Host"),
        ("SignedHeaders=host;x-amz-date,", ""),
        ("SignedHeaders=", "Signature=0, SignedHeaders="),
        ("/aws4_request", ""),
        ("/aws4_request", "/aws4_request/aws4_request"),
        ("/us-east-1/", "//"),
    ] {
        let verdict = with_authorization(from, to).verify();
        assert!(matches!(verdict, Err(SignatureError::Malformed(_))), "{from} {to}: {verdict:?}");
    }
    let many: Vec<String> = (0..80).map(|n| format!("h{n:02}")).collect();
    let request = with_authorization("SignedHeaders=host", &format!("SignedHeaders={};host", many.join(";")));
    assert!(matches!(request.verify(), Err(SignatureError::Malformed(_))));
}

#[test]
fn commas_need_no_space() {
    assert!(with_authorization(", ", ",").verify().is_ok());
}

#[test]
fn a_malformed_presigned_query() {
    assert_eq!(presigned("us-east-1", "us-east-1"), Err(SignatureError::Mismatch));
    for (from, to, parameter) in [
        ("X-Amz-Expires=60", "X-Amz-Expires=0", "X-Amz-Expires"),
        ("X-Amz-Expires=60", "X-Amz-Expires=604801", "X-Amz-Expires"),
        ("X-Amz-Expires=60", "X-Amz-Expires=%2B60", "X-Amz-Expires"),
        ("X-Amz-Expires=60", "X-Amz-Expires=60&X-Amz-Expires=60", "X-Amz-Expires"),
        ("X-Amz-Expires=60&", "", "X-Amz-Expires"),
        ("X-Amz-Date=20150830T123600Z&", "", "X-Amz-Date"),
        ("X-Amz-SignedHeaders=host&", "", "X-Amz-SignedHeaders"),
        ("X-Amz-Algorithm=AWS4-HMAC-SHA256&", "", "X-Amz-Algorithm"),
        ("us-east-1", "%FF", "X-Amz-Credential"),
    ] {
        assert_eq!(presigned(from, to), Err(SignatureError::Malformed(parameter)), "{to}");
    }
    let lower_case = presigned("X-Amz-Signature", "x-amz-signature");
    assert_eq!(lower_case, Err(SignatureError::Malformed("X-Amz-Signature")));
}

#[test]
fn another_time() {
    let request = signed(list_distributions());
    let rule = PayloadRule::RequireSigned;
    let late = vector_time() + Duration::from_secs(901);
    assert_eq!(request.verify_at(late, rule), Err(SignatureError::Expired));
    let early = vector_time() - Duration::from_secs(901);
    assert_eq!(request.verify_at(early, rule), Err(SignatureError::NotYetValid));
    assert!(request.verify_at(vector_time() + Duration::from_mins(15), rule).is_ok());
    let url = OwnedRequest::get("/", PRESIGNED);
    let after = vector_time() + Duration::from_secs(61);
    assert_eq!(url.verify_at(after, rule), Err(SignatureError::Expired));
}

/// No client of today signs by `Date`, so this request is signed by hand.
#[test]
fn a_date_header_will_do() {
    let mut request = list_distributions().with("date", "Sun, 30 Aug 2015 12:36:00 GMT");
    let signed = ["date".to_owned(), "host".to_owned()];
    let body = sha256_hex(b"");
    let canonical = canonical_request(&request.lend(), &request.path, &request.headers, &signed, &body);
    let scope = Scope { date: "20150830".into(), region: "us-east-1".into(), service: "cloudfront".into() };
    let signature = SigningKey::derive(&Secret::new(SECRET), &scope).sign(&string_to_sign(
        "20150830T123600Z",
        &scope,
        &canonical,
    ));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/{}, SignedHeaders=date;host, Signature={signature}",
        scope.to_text()
    );
    request = request.with("authorization", &authorization);
    assert!(request.verify().is_ok());
    let dated_twice = request.with("date", "Sun, 30 Aug 2015 12:36:00 GMT");
    assert_eq!(dated_twice.verify(), Err(SignatureError::Malformed("The header Date")));
}

#[test]
fn a_date_that_is_gone_or_given_twice() {
    let mut request = signed(list_distributions());
    request.headers.remove("x-amz-date");
    assert_eq!(request.verify(), Err(SignatureError::Malformed("The header X-Amz-Date")));
    let twice = signed(list_distributions()).with("x-amz-date", "20150830T123600Z");
    assert_eq!(twice.verify(), Err(SignatureError::Malformed("The header X-Amz-Date")));
}

#[test]
fn another_scope() {
    let elsewhere = signed_with(list_distributions(), ACCESS_KEY_ID, "s3");
    assert_eq!(elsewhere.verify(), Err(SignatureError::WrongService));
    let yesterday = with_authorization("/20150830/", "/20150829/");
    assert_eq!(yesterday.verify(), Err(SignatureError::WrongScopeDate));
    let other_region = with_authorization("/us-east-1/", "/eu-west-1/");
    assert_eq!(other_region.verify(), Err(SignatureError::Mismatch));
}

#[test]
fn another_key() {
    let unknown = signed_with(list_distributions(), "AKIDOTHER", "cloudfront");
    assert_eq!(unknown.verify(), Err(SignatureError::UnknownAccessKey));
}

#[test]
fn what_must_be_signed_and_is_not() {
    let added = signed(list_distributions()).with("x-amz-target", "AWSWAF_20190729.DeleteWebACL");
    assert_eq!(added.verify(), Err(SignatureError::HeaderNotSigned("x-amz-target".into())));
    let without_host = with_authorization("=host;", "=");
    assert_eq!(without_host.verify(), Err(SignatureError::HeaderNotSigned("host".into())));
    let mut headless = list_distributions();
    headless.headers.remove("host");
    let secret = Secret::new(SECRET);
    let credentials =
        SigningCredentials { access_key_id: ACCESS_KEY_ID, secret: &secret, session_token: None };
    assert!(
        super::super::sign(&headless.lend(), credentials, "us-east-1", "cloudfront", vector_time()).is_err()
    );
    // Hop-by-hop and client-dependent headers are not signed.
    let changed = signed(list_distributions()).with("user-agent", "changed on the way");
    assert!(changed.verify().is_ok());
}

#[test]
fn a_body_that_is_not_the_signed_one() {
    let mut declared = signed(list_distributions().with("x-amz-content-sha256", &sha256_hex(b"")));
    assert!(declared.verify().is_ok());
    declared.body = b"<DistributionConfig/>".to_vec();
    assert_eq!(declared.verify(), Err(SignatureError::PayloadMismatch));
    let mut undeclared = signed(list_distributions());
    undeclared.body = b"<DistributionConfig/>".to_vec();
    assert_eq!(undeclared.verify(), Err(SignatureError::Mismatch));
    let mut streaming = signed(list_distributions().with("x-amz-content-sha256", "UNSIGNED-PAYLOAD"));
    let value = HeaderValue::from_static("STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
    streaming.headers.insert("x-amz-content-sha256", value);
    assert_eq!(streaming.verify(), Err(SignatureError::PayloadMismatch));
}

#[test]
fn an_unsigned_body_only_where_it_is_allowed() {
    let mut unsigned = signed(list_distributions().with("x-amz-content-sha256", "UNSIGNED-PAYLOAD"));
    unsigned.body = b"any".to_vec();
    assert_eq!(unsigned.verify(), Err(SignatureError::PayloadNotSigned));
    assert!(unsigned.verify_at(vector_time(), PayloadRule::AllowUnsigned).is_ok());
    // The permission is of the signer, not of whoever comes between.
    let claimed = signed(list_distributions()).with("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    let refused = SignatureError::HeaderNotSigned("x-amz-content-sha256".into());
    assert_eq!(claimed.verify_at(vector_time(), PayloadRule::AllowUnsigned), Err(refused));
}

#[test]
fn a_target_that_is_no_path() {
    for path in ["", ".", "*", "http://127.0.0.1/2020-05-31/distribution"] {
        let mut request = signed(list_distributions());
        request.path = path.to_owned();
        assert_eq!(request.verify(), Err(SignatureError::Malformed("The path")));
    }
}

#[test]
fn errors_are_told_as_each_protocol_does() {
    let told = |error: &SignatureError, protocol| {
        let error = error.to_api_error(protocol);
        (error.code, error.status)
    };
    for (error, xml, json) in [
        (
            SignatureError::Unsigned,
            ("MissingAuthenticationToken", 403),
            "MissingAuthenticationTokenException",
        ),
        (SignatureError::Mismatch, ("SignatureDoesNotMatch", 403), "InvalidSignatureException"),
        (SignatureError::UnknownAccessKey, ("InvalidClientTokenId", 403), "UnrecognizedClientException"),
        (SignatureError::SignedTwice, ("IncompleteSignature", 403), "IncompleteSignatureException"),
        (SignatureError::Expired, ("SignatureDoesNotMatch", 403), "InvalidSignatureException"),
    ] {
        assert_eq!(told(&error, Protocol::RestXml), xml);
        assert_eq!(told(&error, Protocol::Query), xml);
        assert_eq!(told(&error, Protocol::Json), (json, 400));
    }
}
