//! Requests find their operations, and only theirs.

use http::HeaderValue;

use super::requests::OwnedRequest;
use crate::cloudfront::OperationId;
use crate::route::{AnyOperation, route};
use crate::{acm, sts, wafv2};

fn check(method: &str, path: &str, query: &str, expected: OperationId) {
    let routed = route(&OwnedRequest::new(method, path, query).lend()).unwrap();
    assert_eq!(routed.operation, AnyOperation::CloudFront(expected), "{method} {path}?{query}");
}

fn refused(method: &str, path: &str, query: &str, code: &str) {
    let error = route(&OwnedRequest::new(method, path, query).lend()).unwrap_err();
    assert_eq!(error.code, code, "{method} {path}?{query}");
}

#[test]
fn every_operation_is_found_by_its_own_uri() {
    assert_eq!(OperationId::ALL.len(), 167);
    for operation in OperationId::ALL {
        let schema = operation.schema();
        let (path, flags) = schema.uri.split_once('?').unwrap_or((schema.uri, ""));
        check(schema.method, path, flags, *operation);
    }
}

#[test]
fn every_operation_is_missed_by_near_misses() {
    for operation in OperationId::ALL {
        let schema = operation.schema();
        let path = schema.uri.split('?').next().unwrap();
        let own = |near: String| {
            let routed = route(&OwnedRequest::new(schema.method, &near, "").lend());
            let found = routed.is_ok_and(|routed| routed.operation == AnyOperation::CloudFront(*operation));
            assert!(!found, "{near} finds {}", schema.name);
        };
        own(format!("{path}/"));
        own(format!("/{path}"));
        own(path.replace("/2020-05-31/", "/2020-05-31//"));
        own(path.replacen("/2020-05-31/", "/2020-05-31%2f", 1));
        own(path.replacen("/2020-05-31/", "/2020-05-31/%", 1));
        own(path.replace("/2020-05-31/", "/2019-03-26/"));
        own(path.to_ascii_uppercase());
        refused("PATCH", path, "", "UnknownOperationException");
    }
}

#[test]
fn flags_select_the_operation() {
    check("POST", "/2020-05-31/distribution", "", OperationId::CreateDistribution);
    check("POST", "/2020-05-31/distribution", "WithTags", OperationId::CreateDistributionWithTags);
    check("POST", "/2020-05-31/distribution", "WithTags=", OperationId::CreateDistributionWithTags);
    check("POST", "/2020-05-31/distribution", "withtags", OperationId::CreateDistribution);
    check("POST", "/2020-05-31/tagging", "Operation=Tag&Resource=arn", OperationId::TagResource);
    check("POST", "/2020-05-31/tagging", "Resource=arn&Operation=Untag", OperationId::UntagResource);
    refused("POST", "/2020-05-31/tagging", "Operation=Delete", "UnknownOperationException");
    refused("POST", "/2020-05-31/tagging", "Operation=Tag&Operation=Untag", "UnknownOperationException");
}

#[test]
fn labels_are_decoded_after_the_segments_are_told_apart() {
    let arn = "/2020-05-31/distributionsByWebACLId/arn%3Aaws%3Awafv2%3Aglobal%2Fwebacl%2Fa";
    let routed = route(&OwnedRequest::new("GET", arn, "").lend()).unwrap();
    assert_eq!(routed.labels.get("WebACLId"), Some("arn:aws:wafv2:global/webacl/a"));
    refused("GET", "/2020-05-31/distribution/", "", "UnknownOperationException");
    refused("GET", "/2020-05-31/distribution//config", "", "UnknownOperationException");
    refused("GET", "/2020-05-31/distribution/%", "", "MalformedInput");
    refused("GET", "/2020-05-31/distribution/%ff", "", "MalformedInput");
    refused("GET", "/2020-05-31/distribution/E%00", "", "MalformedInput");
}

#[test]
fn queries_are_limited() {
    refused("GET", "/2020-05-31/distribution", &"a&".repeat(65), "MalformedInput");
    refused("GET", "/2020-05-31/distribution", &"a".repeat(20_000), "MalformedInput");
    refused("GET", &format!("/2020-05-31/distribution/{}", "a".repeat(5000)), "", "MalformedInput");
}

fn target(value: &str) -> OwnedRequest {
    let mut request = OwnedRequest::new("POST", "/", "");
    request.headers.insert("x-amz-target", HeaderValue::from_str(value).unwrap());
    request
}

#[test]
fn targets_select_the_operation() {
    let check = |value, expected| assert_eq!(route(&target(value).lend()).unwrap().operation, expected);
    check("AWSWAF_20190729.CreateWebACL", AnyOperation::Wafv2(wafv2::OperationId::CreateWebACL));
    check("CertificateManager.ImportCertificate", AnyOperation::Acm(acm::OperationId::ImportCertificate));
    check("CertificateManager.TagResource", AnyOperation::Acm(acm::OperationId::TagResource));
    for value in ["AWSWAF_20190729.ImportCertificate", "CreateWebACL", "AWSWAF_20190729.", "."] {
        assert_eq!(route(&target(value).lend()).unwrap_err().code, "UnknownOperationException");
    }
}

#[test]
fn forms_select_the_action() {
    let form = |body: &str| {
        let mut request = OwnedRequest::new("POST", "/", "");
        request.body = body.as_bytes().to_vec();
        route(&request.lend()).map(|routed| routed.operation).map_err(|error| error.code)
    };
    let identity = AnyOperation::Sts(sts::OperationId::GetCallerIdentity);
    assert_eq!(form("Action=GetCallerIdentity&Version=2011-06-15"), Ok(identity));
    let session = AnyOperation::Sts(sts::OperationId::GetSessionToken);
    assert_eq!(form("Version=2011-06-15&Action=GetSessionToken&DurationSeconds=900"), Ok(session));
    assert_eq!(form("Action=GetFederationToken&Version=2011-06-15"), Err("InvalidAction"));
    assert_eq!(form("Action=getcalleridentity&Version=2011-06-15"), Err("InvalidAction"));
    assert_eq!(form("Action=GetCallerIdentity"), Err("UnknownOperationException"));
    assert_eq!(form("\u{0}"), Err("MalformedInput"));
    assert_eq!(form(""), Err("UnknownOperationException"));
}
