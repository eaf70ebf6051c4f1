//! Requests as botocore 1.43 signs them, with what AWS's vectors lack: a port, an encoded path, an ARN in the query.

use super::OwnedRequest;

const CREDENTIAL: &str = "Credential=AKIDEXAMPLE/20150830/us-east-1/cloudfront/aws4_request";

fn authorization(signed_headers: &str, signature: &str) -> String {
    format!("AWS4-HMAC-SHA256 {CREDENTIAL}, SignedHeaders={signed_headers}, Signature={signature}")
}

#[test]
fn tagging_an_arn_with_a_body() {
    let query = "Operation=Tag&Resource=arn%3Aaws%3Acloudfront%3A%3A000000000000%3Adistribution%2FE1%20%2B~";
    let signature = "9b74056f83a7a76e494ae1ff9151afc204e22f59c09fdbd9cd123b23c88466f4";
    let mut request = OwnedRequest::get("/2020-05-31/tagging", query)
        .with("if-match", "E1")
        .with("x-amz-date", "20150830T123600Z")
        .with("authorization", &authorization("host;if-match;x-amz-date", signature));
    request.method = "POST".to_owned();
    request.body = b"<Tags/>".to_vec();
    request.verify().unwrap();
}

#[test]
fn an_encoded_path_in_headers() {
    let signature = "7465c891b39a94a28a85d09ee8c3ecc0784f52faa3ebd2747288e820ae6dd20c";
    OwnedRequest::get("/2020-05-31/distribution/E%201%2F%7Ex/config", "Marker=a%2Bb")
        .with("x-amz-date", "20150830T123600Z")
        .with("authorization", &authorization("host;x-amz-date", signature))
        .verify()
        .unwrap();
}

#[test]
fn an_encoded_path_presigned() {
    let query = "Marker=a%2Bb&X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fcloudfront%2Faws4_request\
        &X-Amz-Date=20150830T123600Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host\
        &X-Amz-Signature=2336f63b2743e0add3a249ee2f6ed60f203df064ca816b304768a5bd7eaa908f";
    OwnedRequest::get("/2020-05-31/distribution/E%201%2F%7Ex/config", query).verify().unwrap();
}
