//! JSON that attacks its reader is refused with the code that the services use.

use crate::acm::SearchCertificatesRequest;
use crate::json;
use crate::operation::Protocol;
use crate::wafv2::{CreateWebACLRequest, GetSampledRequestsRequest, TagResourceRequest};

fn refused(document: &str, code: &str, message: &str) {
    let mut request = TagResourceRequest::default();
    let error = json::decode(document.as_bytes(), &mut request).unwrap_err().into_api_error(Protocol::Json);
    assert_eq!((error.code, error.message.as_str()), (code, message), "{document:.80}");
    assert_eq!(error.status, 400);
}

#[test]
fn faults_name_the_member() {
    refused("{}", "ValidationException", "1 validation error detected: ResourceARN: the member is required.");
    refused(
        "{\"ResourceARN\":null}",
        "ValidationException",
        "1 validation error detected: ResourceARN: the member is required.",
    );
    refused("{\"ResourceARN\":1}", "SerializationException", "ResourceARN: the value is not a string.");
    refused(
        "{\"ResourceARN\":\"a\",\"Tags\":{}}",
        "SerializationException",
        "Tags: the value is not an array.",
    );
    refused(
        "{\"ResourceARN\":\"a\",\"Tags\":[{\"Key\":\"k\",\"Value\":\"v\"},{\"Key\":\"k\"}]}",
        "ValidationException",
        "1 validation error detected: Tags[1].Value: the member is required.",
    );
    refused("[]", "SerializationException", "the value is not an object.");
    refused("{", "SerializationException", "The document is not valid JSON.");
}

#[test]
fn a_union_has_one_member() {
    let decode = |statement: &str| {
        let document = format!("{{\"FilterStatement\":{statement}}}");
        json::decode(document.as_bytes(), &mut SearchCertificatesRequest::default())
    };
    decode("{\"And\":[]}").unwrap();
    decode("{\"And\":[],\"Or\":null}").unwrap();
    let error = decode("{\"And\":[],\"Or\":[]}").unwrap_err();
    assert_eq!(error.to_string(), "FilterStatement: the value is not one member alone.");
    decode("{}").unwrap_err();
}

#[test]
fn floods_are_refused() {
    refused(&"[".repeat(1_000_000), "SerializationException", "The document is nested too deeply.");
    refused(&"{\"Not\":".repeat(100), "SerializationException", "The document is nested too deeply.");
    refused(
        &format!("{{\"Tags\":[{}", "{},".repeat(200_000)),
        "SerializationException",
        "The document has too many values.",
    );
    refused(&" ".repeat(3_000_000), "SerializationException", "The document is too large.");
    refused(
        &format!("\"{}", "\\\"".repeat(500_000)),
        "SerializationException",
        "The document is not valid JSON.",
    );
}

#[test]
fn numbers_out_of_range_are_refused() {
    for number in ["1e400", "-1e300", "1e18", "\"1\""] {
        let document = format!(
            "{{\"WebAclArn\":\"a\",\"RuleMetricName\":\"m\",\"Scope\":\"CLOUDFRONT\",\"MaxItems\":1,\
             \"TimeWindow\":{{\"StartTime\":{number},\"EndTime\":1}}}}"
        );
        assert!(
            json::decode(document.as_bytes(), &mut GetSampledRequestsRequest::default()).is_err(),
            "{number}"
        );
    }
}

#[test]
fn nested_statements_are_read_to_the_limit() {
    let nested = |depth: usize| {
        let statement = "{\"NotStatement\":{\"Statement\":".repeat(depth) + "{}" + &"}}".repeat(depth);
        let document = format!(
            "{{\"Name\":\"n\",\"Scope\":\"CLOUDFRONT\",\"DefaultAction\":{{}},\"VisibilityConfig\":{{\"SampledRequestsEnabled\":true,\
             \"CloudWatchMetricsEnabled\":true,\"MetricName\":\"m\"}},\"Rules\":[{{\"Name\":\"r\",\"Priority\":0,\
             \"VisibilityConfig\":{{\"SampledRequestsEnabled\":true,\"CloudWatchMetricsEnabled\":true,\"MetricName\":\"m\"}},\
             \"Statement\":{statement}}}]}}"
        );
        json::decode(document.as_bytes(), &mut CreateWebACLRequest::default())
    };
    nested(30).unwrap();
    nested(31).unwrap_err();
}
