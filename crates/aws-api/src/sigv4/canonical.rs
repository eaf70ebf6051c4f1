//! The canonical request: the one form in which signer and verifier see a request.

use http::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use crate::request::Request;

/// RFC 3986 section 2.3: all but the unreserved characters are encoded.
const QUERY_ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// In paths, slashes stay what they are.
const PATH_ENCODED: &AsciiSet = &QUERY_ENCODED.remove(b'/');

/// The parameter that is not part of what is signed: the signature itself.
const SIGNATURE_PARAMETER: &str = "X-Amz-Signature";

/// The request as it is signed, with `path` in place of its own, `headers` in place of its own, and of these only the
/// `signed` ones.
pub(super) fn canonical_request(
    request: &Request<'_>,
    path: &str,
    headers: &HeaderMap,
    signed: &[String],
    payload_hash: &str,
) -> Vec<u8> {
    let path = percent_encode(path.as_bytes(), PATH_ENCODED);
    let query = canonical_query(request.query);
    let mut canonical = format!("{}\n{path}\n{query}\n", request.method).into_bytes();
    for name in signed {
        canonical.extend_from_slice(name.as_bytes());
        canonical.push(b':');
        canonical.extend_from_slice(&canonical_values(headers, name));
        canonical.push(b'\n');
    }
    canonical.extend_from_slice(format!("\n{}\n{payload_hash}", signed.join(";")).as_bytes());
    canonical
}

/// All values of a header, in the order received: each without spaces around it and with single ones within.
fn canonical_values(headers: &HeaderMap, name: &str) -> Vec<u8> {
    let mut canonical = Vec::new();
    for (index, value) in headers.get_all(name).iter().enumerate() {
        if index > 0 {
            canonical.push(b',');
        }
        let trimmed = value.as_bytes().trim_ascii();
        let mut previous = 0;
        canonical.extend(trimmed.iter().copied().filter(|&byte| {
            let repeated = byte == b' ' && previous == b' ';
            previous = byte;
            !repeated
        }));
    }
    canonical
}

/// The parameters, each decoded and encoded again (so that every way to write one counts the same), in order.
fn canonical_query(query: &str) -> String {
    let mut parameters: Vec<(String, String)> = query
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
        .map(|(name, value)| (recoded(name), recoded(value)))
        .filter(|(name, _)| name != SIGNATURE_PARAMETER)
        .collect();
    parameters.sort_unstable();
    let parameters: Vec<String> =
        parameters.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    parameters.join("&")
}

fn recoded(text: &str) -> String {
    let decoded: Vec<u8> = percent_decode_str(text).collect();
    percent_encode(&decoded, QUERY_ENCODED).to_string()
}

/// The path without empty and dot segments (RFC 3986 section 5.2.4, and "consecutive slashes" as AWS has it).
pub(super) fn normalized_path(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let end = if path.ends_with('/') && !segments.is_empty() { "/" } else { "" };
    format!("/{}{end}", segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalized() {
        for (path, expected) in [
            ("", "/"),
            ("/", "/"),
            ("//", "/"),
            ("/a/..", "/"),
            ("/../../a", "/a"),
            ("/./a//b/", "/a/b/"),
            ("/a/../b", "/b"),
        ] {
            assert_eq!(normalized_path(path), expected, "{path}");
        }
    }

    #[test]
    fn queries_are_sorted_and_recoded() {
        for (query, expected) in [
            ("", ""),
            ("&&", ""),
            ("WithTags", "WithTags="),
            ("b=2&a=2&a=1", "a=1&a=2&b=2"),
            ("a=%2f+%20~&A=", "A=&a=%2F%2B%20~"),
            ("a==b=%zz", "a=%3Db%3D%25zz"),
            ("a=1&X-Amz-Signature=00", "a=1"),
            ("a-b=1&a=2", "a=2&a-b=1"),
        ] {
            assert_eq!(canonical_query(query), expected, "{query}");
        }
    }
}
