//! A request's stream: HEADERS, then DATA, then perhaps HEADERS again (RFC 9114 section 4.1).

use crate::error::ErrorCode;
use crate::frame::{FrameHead, FrameKind};
use crate::limits::SECTION_BYTES_MAX;

/// What a stream's bytes are, from its beginning to its end.
#[derive(Debug, Default)]
pub struct RequestStream {
    stage: Stage,
    frame: Option<OpenFrame>,
}

/// How far the message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    BeforeHead,
    Body,
    AfterTrailers,
}

/// A frame whose payload has not been dealt with to its end.
#[derive(Clone, Copy, Debug)]
enum OpenFrame {
    Data(u64),
    Section(usize),
    Ignored(u64),
}

/// What stands at the front of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// More bytes are needed to tell, behind those that there are.
    NeedsMore,
    /// So many bytes that mean nothing to the message.
    Passed {
        /// How many.
        bytes: usize,
        /// Whether a frame begins that carries nothing: a type that nobody knows, or DATA without data.
        begins_idle_frame: bool,
    },
    /// A field section: the head, or the trailers when there was one. It has to be dealt with as a whole.
    Section(usize),
    /// So many bytes of the body.
    Data(usize),
}

/// What ends a stream, or more than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamFault {
    /// The connection has to end.
    #[error("the connection is broken: {0}")]
    Connection(ErrorCode),
    /// The request can be refused.
    #[error(transparent)]
    Section(#[from] SectionTooLarge),
    /// The stream ended before there was a request.
    #[error("the stream ended before the request did")]
    Incomplete,
}

/// A field section of more than [`SECTION_BYTES_MAX`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a field section has more than {SECTION_BYTES_MAX} bytes")]
pub struct SectionTooLarge;

impl RequestStream {
    /// What stands at the front of `input`, which begins where the last step ended: the caller drops what a step
    /// counts before the next one.
    pub fn step(&mut self, input: &[u8]) -> Result<Step, StreamFault> {
        match self.frame {
            None => self.begin_frame(input),
            Some(OpenFrame::Section(length)) if input.len() >= length => {
                self.frame = None;
                self.stage = match self.stage {
                    Stage::BeforeHead => Stage::Body,
                    Stage::Body | Stage::AfterTrailers => Stage::AfterTrailers,
                };
                Ok(Step::Section(length))
            }
            Some(OpenFrame::Section(_)) => Ok(Step::NeedsMore),
            Some(_) if input.is_empty() => Ok(Step::NeedsMore),
            Some(OpenFrame::Data(left)) => {
                let (bytes, left) = take(left, input);
                self.frame = left.map(OpenFrame::Data);
                Ok(Step::Data(bytes))
            }
            Some(OpenFrame::Ignored(left)) => {
                let (bytes, left) = take(left, input);
                self.frame = left.map(OpenFrame::Ignored);
                Ok(Step::Passed { bytes, begins_idle_frame: false })
            }
        }
    }

    fn begin_frame(&mut self, input: &[u8]) -> Result<Step, StreamFault> {
        let Some((FrameHead { kind, length }, bytes)) = FrameHead::decode(input) else {
            return Ok(Step::NeedsMore);
        };
        let mut begins_idle_frame = false;
        self.frame = match (kind, self.stage) {
            (FrameKind::Headers, Stage::BeforeHead | Stage::Body) => {
                let length = usize::try_from(length).ok().filter(|&length| length <= SECTION_BYTES_MAX);
                Some(OpenFrame::Section(length.ok_or(SectionTooLarge)?))
            }
            (FrameKind::Data, Stage::Body) => {
                begins_idle_frame = length == 0;
                Some(length).filter(|&length| length > 0).map(OpenFrame::Data)
            }
            // RFC 9114 section 9: they may stand anywhere.
            (FrameKind::Unknown, _) => {
                begins_idle_frame = true;
                Some(length).filter(|&length| length > 0).map(OpenFrame::Ignored)
            }
            // RFC 9114 sections 4.1 and 7.2.
            _ => return Err(StreamFault::Connection(ErrorCode::FrameUnexpected)),
        };
        Ok(Step::Passed { bytes, begins_idle_frame })
    }

    /// The stream has ended behind `left` bytes for which no step was made.
    pub fn end(&self, left: usize) -> Result<(), StreamFault> {
        // RFC 9114 section 7.1: a frame that is cut off is an error of the whole connection.
        if self.frame.is_some() || left > 0 {
            return Err(StreamFault::Connection(ErrorCode::FrameError));
        }
        if self.stage == Stage::BeforeHead { Err(StreamFault::Incomplete) } else { Ok(()) }
    }
}

/// How much of a payload the input has, and what is left of it.
fn take(left: u64, input: &[u8]) -> (usize, Option<u64>) {
    let bytes = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
    (bytes, left.checked_sub(bytes as u64).filter(|&left| left > 0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::write_frame_head;

    fn frame(kind: FrameKind, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write_frame_head(kind, payload.len(), &mut out);
        out.extend_from_slice(payload);
        out
    }

    /// A type that is reserved to be ignored (RFC 9114 section 7.2.8).
    fn unknown(payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0x21, length], payload].concat()
    }

    /// Sections in brackets and the body, as they are read when the bytes arrive in such pieces.
    fn read(bytes: &[u8], bytes_each: usize) -> Result<Vec<u8>, StreamFault> {
        let mut stream = RequestStream::default();
        let (mut input, mut told) = (Vec::new(), Vec::new());
        for piece in bytes.chunks(bytes_each) {
            input.extend_from_slice(piece);
            loop {
                let taken = match stream.step(&input)? {
                    Step::NeedsMore => break,
                    Step::Passed { bytes, .. } => bytes,
                    Step::Section(bytes) => {
                        told.extend([b"[", &input[..bytes], b"]"].concat());
                        bytes
                    }
                    Step::Data(bytes) => {
                        told.extend_from_slice(&input[..bytes]);
                        bytes
                    }
                };
                input.drain(..taken);
            }
        }
        stream.end(input.len()).map(|()| told)
    }

    fn check(frames: &[Vec<u8>], expect: Result<&str, StreamFault>) {
        let bytes = frames.concat();
        for bytes_each in [1, 2, 3, 7, 1000] {
            let expect = expect.map(|text| text.as_bytes().to_vec());
            assert_eq!(read(&bytes, bytes_each), expect, "{bytes_each}");
        }
    }

    #[test]
    fn a_message_is_read_however_it_is_cut() {
        let (head, trailers) = (frame(FrameKind::Headers, b"head"), frame(FrameKind::Headers, b"trailers"));
        let (data, nothing) = (frame(FrameKind::Data, b"abc"), frame(FrameKind::Data, b""));
        check(
            &[
                unknown(b"x"),
                head.clone(),
                data.clone(),
                nothing,
                unknown(b""),
                data,
                trailers,
                unknown(b"yz"),
            ],
            Ok("[head]abcabc[trailers]"),
        );
        check(&[head], Ok("[head]"));
    }

    #[test]
    fn what_is_out_of_place_breaks_the_connection() {
        let unexpected = Err(StreamFault::Connection(ErrorCode::FrameUnexpected));
        let (head, data) = (frame(FrameKind::Headers, b"h"), frame(FrameKind::Data, b"d"));
        check(std::slice::from_ref(&data), unexpected);
        check(&[head.clone(), head.clone(), data], unexpected);
        check(&[head.clone(), head.clone(), head.clone()], unexpected);
        for kind in [
            FrameKind::Settings,
            FrameKind::GoAway,
            FrameKind::MaxPushId,
            FrameKind::CancelPush,
            FrameKind::PushPromise,
        ] {
            check(&[head.clone(), frame(kind, b"\0")], unexpected);
        }
        for of_http2 in [0x02, 0x06, 0x08, 0x09] {
            check(&[vec![of_http2, 0]], unexpected);
        }
    }

    #[test]
    fn what_is_cut_off_is_noticed() {
        let head = frame(FrameKind::Headers, b"head");
        check(&[], Err(StreamFault::Incomplete));
        check(&[unknown(b"x")], Err(StreamFault::Incomplete));
        for end in 1..head.len() {
            check(&[head[..end].to_vec()], Err(StreamFault::Connection(ErrorCode::FrameError)));
        }
        let data = frame(FrameKind::Data, b"abc");
        check(&[head, data[..4].to_vec()], Err(StreamFault::Connection(ErrorCode::FrameError)));
    }

    #[test]
    fn a_section_that_is_too_large_is_refused_before_it_arrives() {
        let mut head = Vec::new();
        write_frame_head(FrameKind::Headers, SECTION_BYTES_MAX + 1, &mut head);
        assert_eq!(RequestStream::default().step(&head), Err(SectionTooLarge.into()));
    }

    proptest! {
        #[test]
        fn any_bytes_mean_the_same_however_they_are_cut(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            bytes_each in 1..50_usize,
        ) {
            prop_assert_eq!(read(&bytes, bytes_each), read(&bytes, 1000));
        }
    }
}
