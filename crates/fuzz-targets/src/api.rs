//! What the API and the store decode.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_api::cloudfront::{DistributionConfig, operation};
use aws_api::sigv4::{Expectations, PayloadRule, Secret, SigningCredentials, sign, verify};
use aws_api::{Operation, Request, Routed, client, decode_input, from_json, route, to_json};
use edge_config::{Bundle, Change, ResourceId, Revision, Snapshot, link};
use http::HeaderMap;

use crate::choose;

const NOW: Duration = Duration::from_hours(500_000);
const SECRET: &str = "a secret of the fuzzer";

/// What is signed verifies, however its query is ordered, and nothing else does.
pub fn sigv4(data: &[u8]) {
    let (change, data) = choose(data, 4);
    let mut parts = data.splitn(4, |&byte| byte == b'\n');
    let mut text = || std::str::from_utf8(parts.next().unwrap_or_default()).ok();
    let (Some(path), Some(query), Some(value)) = (text(), text(), text()) else { return };
    let body = parts.next().unwrap_or_default();
    let uri = format!("/{path}?{query}");
    let (Ok(uri), Ok(value)) = (uri.parse::<http::Uri>(), http::HeaderValue::from_str(value)) else { return };
    let mut headers = HeaderMap::new();
    headers.insert("host", http::HeaderValue::from_static("api.test"));
    headers.insert("x-amz-meta", value);
    let request = Request {
        method: "POST",
        path: uri.path(),
        query: uri.query().unwrap_or_default(),
        headers: &headers,
        body,
    };
    let secret = Secret::new(SECRET);
    let credentials = SigningCredentials { access_key_id: "AKIA1", secret: &secret, session_token: None };
    let now = SystemTime::UNIX_EPOCH + NOW;
    let Ok(added) = sign(&request, credentials, "us-east-1", "cloudfront", now) else { return };
    let mut signed = headers.clone();
    signed.extend(added);

    let parameters: Vec<&str> = request.query.split('&').collect();
    // A signature in the query would be a second one; that is refused, and rightly.
    if !verifies(&Request { headers: &signed, ..request }) {
        assert!(
            request.query.contains("X-Amz-") || is_beyond_limits(&request),
            "what was signed does not verify"
        );
        return;
    }
    let reversed: Vec<&str> = parameters.iter().rev().copied().collect();
    assert!(verifies(&Request { headers: &signed, query: &reversed.join("&"), ..request }));
    let (longer_body, longer_path) = ([body, b"x"].concat(), format!("{}x", request.path));
    let longer_query = format!("{}&x=1", request.query);
    let changed = match change {
        0 => Request { headers: &signed, body: &longer_body, ..request },
        1 => Request { headers: &signed, path: &longer_path, ..request },
        2 => Request { headers: &signed, query: &longer_query, ..request },
        _ => Request { headers: &signed, method: "PUT", ..request },
    };
    let body_is_unsigned = change == 0 && headers.get("x-amz-content-sha256").is_some();
    assert!(body_is_unsigned || !verifies(&changed), "another request verifies");
}

fn is_beyond_limits(request: &Request<'_>) -> bool {
    request.path.len() > 4096 || request.query.len() > 4096
}

fn verifies(request: &Request<'_>) -> bool {
    let expectations = Expectations {
        services: &["cloudfront"],
        secret_of: &|_, _| Ok(Secret::new(SECRET)),
        payload: PayloadRule::RequireSigned,
    };
    verify(request, SystemTime::UNIX_EPOCH + NOW, &expectations).is_ok()
}

/// An input that is understood is written so that it is understood as the same.
pub fn xml_decode(data: &[u8]) {
    let (which, body) = choose(data, 3);
    match which {
        0 => survives::<operation::CreateDistribution>("/2020-05-31/distribution", body),
        1 => survives::<operation::CreateCachePolicy>("/2020-05-31/cache-policy", body),
        _ => survives::<operation::CreateResponseHeadersPolicy>("/2020-05-31/response-headers-policy", body),
    }
}

fn survives<O: Operation>(path: &str, body: &[u8])
where
    O::Input: aws_api::shape::Structure,
{
    let headers = HeaderMap::new();
    let request = Request { method: "POST", path, query: "", headers: &headers, body };
    let Routed { labels, .. } = route(&request).expect("the operation's own path");
    let Ok(input) = decode_input::<O>(&request, &labels) else { return };
    let written = client::encode_input::<O>(&input).expect("what was read can be written");
    let (head, body) = written.into_parts();
    let again = Request::new(&head, &body);
    let Routed { labels, .. } = route(&again).expect("the operation's own path");
    let again = decode_input::<O>(&again, &labels).expect("what was written can be read");
    assert_eq!(to_json(&again), to_json(&input), "it means something else now");
}

/// The form in which records are kept is read as what was written.
pub fn json_decode(data: &[u8]) {
    let Ok(config) = from_json::<DistributionConfig>(data) else { return };
    let written = to_json(&config);
    let again = from_json::<DistributionConfig>(&written).expect("what was written can be read");
    assert_eq!(to_json(&again), written, "it means something else now");
}

/// A bundle is read as what was written, and linking it ends in a snapshot or in its own rejection.
pub fn bundle_decode(data: &[u8]) {
    let Ok(bundle) = Bundle::decode(data) else { return };
    let again = Bundle::decode(&bundle.encode()).expect("what was written can be read");
    assert_eq!(again, bundle, "it means something else now");
    let resource = ResourceId::new(bundle.kind(), "X1");
    let change = Change { resource: resource.clone(), revision: Revision(1), bundle: Some(Arc::new(bundle)) };
    let linked = link(&Snapshot::default(), Revision(1), &[change]);
    assert_eq!(linked.snapshot.revision(), Revision(1));
    assert!(linked.rejected.len() <= 1);
}
