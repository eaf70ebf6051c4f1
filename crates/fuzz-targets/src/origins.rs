//! What the edge reads of origins that speak HTTP/2.

use edge::fuzzing::{OriginResponse, http2_response};
use http::HeaderMap;
use http1::limits::{HEAD_BYTES_MAX, HEAD_FIELDS_MAX};

use crate::viewers::in_still_time;

/// A response is the same however it arrives. Where the edge takes it, it is as long as it says, and a head in
/// HTTP/1.1 could hold its fields and mean nothing else (RFC 9113 section 8.2).
pub fn http2_origin(data: &[u8]) {
    let Some((pieces, bytes)) = data.split_first_chunk::<4>() else { return };
    let pieces = pieces.map(|piece| usize::from(piece) + 1);
    in_still_time(|| {
        let response = http2_response(bytes, &[bytes.len()]);
        assert_eq!(http2_response(bytes, &pieces), response, "it matters how it arrives");
        if let Some(response) = response {
            check_response(&response);
        }
    });
}

fn check_response(response: &OriginResponse) {
    let OriginResponse { status, fields, content_length, body, trailers } = response;
    assert!((200..1000).contains(status), "{status} is not the last one");
    // RFC 9110 section 8.6: a 304 says how long another response would be.
    if let Some(length) = content_length
        && *status != 304
    {
        assert_eq!(usize::try_from(*length).ok(), Some(body.len()), "its length is another");
    }
    check_fields(fields);
    check_fields(trailers);
}

fn check_fields(fields: &HeaderMap) {
    let mut bytes = 0;
    for (name, value) in fields {
        let name = name.as_str();
        assert!(!name.is_empty() && name.bytes().all(is_of_name), "{name:?}");
        assert!(!CONNECTION_SPECIFIC.contains(&name), "{name} is of one connection");
        assert!(!value.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{value:?}");
        bytes += name.len() + value.len();
    }
    assert!(
        fields.len() <= HEAD_FIELDS_MAX && bytes <= HEAD_BYTES_MAX,
        "{} fields, {bytes} bytes",
        fields.len()
    );
}

/// RFC 9113 section 8.2.2.
const CONNECTION_SPECIFIC: [&str; 5] =
    ["connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"];

/// RFC 9110 section 5.6.2, in lower case.
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_read_to_its_trailers() {
        let seed = include_bytes!("../../../fuzz/corpus/http2_origin/seed-unary");
        let response = http2_response(&seed[4..], &[seed.len()]).unwrap();
        assert_eq!((response.status, &response.body[..]), (200, &b"\0\0\0\0\x01x"[..]));
        assert_eq!(response.fields["content-type"], "application/grpc");
        assert_eq!(response.trailers["grpc-status"], "0");
    }
}
