//! Answers as the wire sees them.

use http::HeaderMap;

use super::requests::OwnedRequest;
use crate::cloudfront::operation::{
    CreateDistribution, DeleteDistribution, DeleteFunction, GetFunction, ListDistributions,
    UpdateDistribution,
};
use crate::cloudfront::{
    DistributionList, ErrorCode, GetFunctionResult, ListDistributionsResult, OperationId,
};
use crate::shape::Blob;
use crate::sts::GetCallerIdentityResponse;
use crate::sts::operation::GetCallerIdentity;
use crate::{ApiError, Labels, Operation, Protocol, decode_input, encode_output, route};

fn body(answer: &crate::Answer) -> &str {
    str::from_utf8(answer.body()).unwrap()
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[test]
fn an_empty_list_is_its_quantity_alone() {
    let list = DistributionList { max_items: 100, ..DistributionList::from_items(Vec::new()) };
    let output = ListDistributionsResult { distribution_list: Some(list) };
    let answer = encode_output::<ListDistributions>(&output, "r-1").unwrap();
    assert_eq!(header(answer.headers(), "content-type"), "text/xml");
    assert_eq!(header(answer.headers(), "x-amzn-requestid"), "r-1");
    assert_eq!(
        body(&answer),
        "<?xml version=\"1.0\"?>\n<DistributionList xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\">\
         <Marker></Marker><MaxItems>100</MaxItems><IsTruncated>false</IsTruncated><Quantity>0</Quantity></DistributionList>"
    );
}

#[test]
fn a_blob_is_the_body_itself() {
    let output = GetFunctionResult {
        function_code: Some(Blob(b"function handler() {}".to_vec()).into()),
        etag: Some("E1".into()),
        content_type: Some("application/octet-stream".into()),
    };
    let answer = encode_output::<GetFunction>(&output, "r").unwrap();
    assert_eq!(body(&answer), "function handler() {}");
    assert_eq!(header(answer.headers(), "etag"), "E1");
    assert_eq!(header(answer.headers(), "content-type"), "application/octet-stream");
    assert!(!format!("{output:?}").contains("handler"), "sensitive members are redacted");
}

#[test]
fn a_delete_answers_nothing() {
    let answer = encode_output::<DeleteDistribution>(&(), "r").unwrap();
    assert_eq!((answer.status().as_u16(), body(&answer)), (204, ""));
}

#[test]
fn the_caller_is_identified_in_the_query_protocol() {
    let output = GetCallerIdentityResponse {
        user_id: Some("AKIA".into()),
        account: Some("000000000000".into()),
        arn: Some("arn:aws:iam::000000000000:root".into()),
    };
    let answer = encode_output::<GetCallerIdentity>(&output, "r").unwrap();
    assert_eq!(
        body(&answer),
        "<?xml version=\"1.0\"?>\n<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <GetCallerIdentityResult><UserId>AKIA</UserId><Account>000000000000</Account>\
         <Arn>arn:aws:iam::000000000000:root</Arn></GetCallerIdentityResult>\
         <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
    );
}

#[test]
fn errors_wear_the_envelope_of_the_protocol() {
    let error = ErrorCode::NoSuchDistribution.with_message("No <such> thing\u{1}.");
    let answer = error.answer(Protocol::RestXml, "r");
    assert_eq!(answer.status(), 404);
    assert_eq!(
        body(&answer),
        "<?xml version=\"1.0\"?>\n<ErrorResponse xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\"><Error>\
         <Type>Sender</Type><Code>NoSuchDistribution</Code><Message>No &lt;such&gt; thing\u{FFFD}.</Message></Error>\
         <RequestId>r</RequestId></ErrorResponse>"
    );
    let answer = ApiError::not_implemented("CreateTrustStore").answer(Protocol::Json, "r");
    assert_eq!(answer.status(), 501);
    assert!(body(&answer).contains("\"__type\":\"NotImplemented\""));
    assert!(body(&answer).contains("CreateTrustStore"));
    let answer = ApiError::internal().answer(Protocol::Query, "r");
    assert!(body(&answer).contains("<Type>Receiver</Type><Code>InternalFailure</Code>"));
}

#[test]
fn modelled_errors_have_their_status() {
    let check = |code: ErrorCode, status| assert_eq!(code.status(), status, "{}", code.as_str());
    check(ErrorCode::NoSuchDistribution, 404);
    check(ErrorCode::DistributionAlreadyExists, 409);
    check(ErrorCode::PreconditionFailed, 412);
    check(ErrorCode::InvalidIfMatchVersion, 400);
    check(ErrorCode::AccessDenied, 403);
    assert_eq!(ErrorCode::ALL.len(), 152);
    assert!(OperationId::DeleteDistribution.errors().contains(&ErrorCode::DistributionNotDisabled));
    assert_eq!(crate::wafv2::ErrorCode::WAFInternalErrorException.status(), 500);
    assert_eq!(crate::wafv2::ErrorCode::WAFOptimisticLockException.status(), 400);
}

fn decode_error<O: Operation>(request: &OwnedRequest) -> ApiError {
    let labels = route(&request.lend()).map_or_else(|_| Labels::default(), |routed| routed.labels);
    decode_input::<O>(&request.lend(), &labels).map(|_| ()).unwrap_err()
}

#[test]
fn what_is_missing_is_named() {
    let request = OwnedRequest::new("DELETE", "/2020-05-31/function/f", "");
    assert_eq!(decode_error::<DeleteFunction>(&request).code, "InvalidIfMatchVersion");
    let request = OwnedRequest::new("POST", "/2020-05-31/distribution", "");
    assert_eq!(decode_error::<CreateDistribution>(&request).code, "MissingBody");
    let mut request = OwnedRequest::new("PUT", "/2020-05-31/distribution/E1/config", "");
    request.body = b"<DistributionConfig/>".to_vec();
    let error = decode_error::<UpdateDistribution>(&request);
    assert_eq!(
        error.to_string(),
        "MalformedInput: DistributionConfig.CallerReference: the member is required."
    );
    request.body = vec![b' '; crate::limits::REQUEST_BODY_BYTES_MAX + 1];
    assert_eq!(decode_error::<UpdateDistribution>(&request).status, 413);
}
