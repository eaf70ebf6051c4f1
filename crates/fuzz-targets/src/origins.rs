//! What the edge reads of origins that speak HTTP/2.

use edge::fuzzing::{OriginResponse, Passage, http2_passage, http2_response};
use edge::limits::{HTTP2_FRAMES_MAX, ORIGIN_HTTP2_HEADER_BLOCK_BYTES_MAX};
use http::HeaderMap;
use http1::limits::{HEAD_BYTES_MAX, HEAD_FIELDS_MAX};
use tokio::runtime::{Builder, Runtime};

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

thread_local! {
    /// Time stands still in it, so that no allowance comes back.
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
}

/// It does not matter to the guard of HTTP/2 how bytes arrive; it passes them as they are, a header block when it
/// has ended, and stops behind each of those.
pub fn http2_guard(data: &[u8]) {
    let Some((pieces, bytes)) = data.split_first_chunk::<4>() else { return };
    let pieces = pieces.map(|piece| usize::from(piece) + 1);
    in_still_time(|| {
        let passage = http2_passage(bytes, &[bytes.len()]);
        assert_eq!(http2_passage(bytes, &pieces), passage, "it matters how it arrives");
        check_passage(&passage, bytes);
    });
}

/// Does this where no time passes.
fn in_still_time(check: impl FnOnce()) {
    RUNTIME.with(|runtime| runtime.block_on(async { check() }));
}

fn check_passage(passage: &Passage, bytes: &[u8]) {
    assert!(bytes.starts_with(&passage.passed), "it changes what passes");
    let frames = frames(bytes);
    let blocks = frames.iter().filter(|frame| frame.is_whole && frame.ends_block()).map(|frame| frame.end);
    if let Some(misconduct) = passage.misconduct {
        let blocks: Vec<usize> = blocks.take(passage.stops.len()).collect();
        assert_eq!(passage.stops, blocks);
        // The last frame is charged for its head, be it not whole.
        let are_many = frames.len() >= HARMLESS_FRAMES;
        let is_long = misconduct == "endless-head" && bytes.len() > ORIGIN_HTTP2_HEADER_BLOCK_BYTES_MAX;
        assert!(are_many || is_long, "{} frames are a flood", frames.len());
    } else {
        assert_eq!(passage.stops, blocks.collect::<Vec<_>>());
        assert_eq!(
            passage.passed.len(),
            passes(&frames, bytes.len()),
            "what waits is a block that has not ended"
        );
    }
}

/// So few that none of the allowances can be spent: SETTINGS count sixteenfold.
const HARMLESS_FRAMES: usize = (HTTP2_FRAMES_MAX / 16) as usize;

/// A frame as RFC 9113 section 4.1 has it, whose head is there.
struct Frame {
    begin: usize,
    end: usize,
    kind: u8,
    has_end_headers: bool,
    is_whole: bool,
}

impl Frame {
    const HEAD_BYTES: usize = 9;

    fn length(&self) -> usize {
        self.end - self.begin - Self::HEAD_BYTES
    }

    fn is_of_block(&self) -> bool {
        matches!(self.kind, 0x1 | 0x9)
    }

    fn begins_more(&self) -> bool {
        self.is_of_block() && !self.has_end_headers
    }

    fn ends_block(&self) -> bool {
        self.is_of_block() && self.has_end_headers
    }
}

/// The frames, read here anew.
fn frames(bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut begin = 0;
    while let Some([high, middle, low, kind, flags, ..]) =
        bytes.get(begin..).and_then(<[u8]>::first_chunk::<{ Frame::HEAD_BYTES }>)
    {
        let end = begin + Frame::HEAD_BYTES + u32::from_be_bytes([0, *high, *middle, *low]) as usize;
        let (kind, has_end_headers, is_whole) = (*kind, flags & 0x4 != 0, end <= bytes.len());
        frames.push(Frame { begin, end, kind, has_end_headers, is_whole });
        begin = end;
    }
    frames
}

/// How many of so many bytes pass: all but the rest of a header block that has not ended.
fn passes(frames: &[Frame], bytes: usize) -> usize {
    let (mut is_within_block, mut withheld_from) = (false, None);
    for frame in frames {
        let payload = frame.begin + Frame::HEAD_BYTES;
        let is_between = is_within_block && frame.length() > 0;
        let waits = if is_between { frame.kind == 0x9 } else { frame.begins_more() };
        let before = withheld_from.or(is_within_block.then_some(frame.begin));
        withheld_from = waits.then_some(before.unwrap_or(payload));
        if !frame.is_whole {
            return withheld_from.unwrap_or(bytes);
        }
        is_within_block = frame.begins_more();
        if !is_within_block {
            withheld_from = None;
        }
    }
    let behind = frames.last().map_or(bytes, |last| last.end);
    withheld_from.or(is_within_block.then_some(behind)).unwrap_or(bytes)
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
