//! The streams that a viewer opens in one direction: its control stream, and what else there may be.

use crate::error::ErrorCode;
use crate::frame::{FrameHead, FrameKind, write_frame_head};
use crate::limits::{CONTROL_FRAME_BYTES_MAX, SECTION_BYTES_MAX, SETTINGS_BYTES_MAX};
use crate::varint::{decode_varint, encode_varint};

/// What a stream in one direction is for, by its first number (RFC 9114 section 6.2, RFC 9204 section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKind {
    /// Settings, and what concerns the whole connection.
    Control,
    /// A push; only servers open it.
    Push,
    /// Instructions for the dynamic table.
    Encoder,
    /// Acknowledgments of them.
    Decoder,
    /// Any other, which means nothing.
    Unknown,
}

impl StreamKind {
    /// Reads it from the front of a stream, and how many bytes it has. None when more bytes are needed.
    pub fn decode(bytes: &[u8]) -> Option<(Self, usize)> {
        let (number, length) = decode_varint(bytes)?;
        let kind = match number {
            0x00 => Self::Control,
            0x01 => Self::Push,
            0x02 => Self::Encoder,
            0x03 => Self::Decoder,
            _ => Self::Unknown,
        };
        Some((kind, length))
    }
}

/// Identifiers of settings (RFC 9114 section 7.2.4.1).
const MAX_FIELD_SECTION_SIZE: u64 = 0x06;

/// Those of HTTP/2 that HTTP/3 has not: 0x06 alone has the same meaning in both (RFC 9114 section 11.2.2).
const SETTINGS_OF_HTTP2: [u64; 4] = [0x02, 0x03, 0x04, 0x05];

/// What the edge's control stream begins with: its kind, and SETTINGS. The dynamic table has no room and no stream may
/// wait for it, which is what holds where nothing is said (RFC 9204 section 5).
pub fn opening_of_control_stream() -> Vec<u8> {
    let mut payload = Vec::new();
    encode_varint(MAX_FIELD_SECTION_SIZE, &mut payload);
    encode_varint(SECTION_BYTES_MAX as u64, &mut payload);
    let mut out = vec![0x00];
    write_frame_head(FrameKind::Settings, payload.len(), &mut out);
    out.extend_from_slice(&payload);
    out
}

/// A viewer's control stream, read as it arrives.
#[derive(Debug, Default)]
pub struct ControlStream {
    /// The head of a frame until it is whole, then its payload until that is; bounded by the frame's kind.
    held: Vec<u8>,
    frame: Option<FrameHead>,
    /// What is still to come of a frame that means nothing.
    ignored: u64,
    has_settings: bool,
    push_id_max: Option<u64>,
}

impl ControlStream {
    /// Reads on, and tells how many frames began.
    pub fn read(&mut self, mut bytes: &[u8]) -> Result<u32, ErrorCode> {
        let mut begun = 0;
        loop {
            let passed = usize::try_from(self.ignored).map_or(bytes.len(), |left| left.min(bytes.len()));
            self.ignored -= passed as u64;
            bytes = bytes.get(passed..).unwrap_or_default();
            let wanted = self.frame.map_or(1, |frame| {
                usize::try_from(frame.length).unwrap_or(usize::MAX).saturating_sub(self.held.len())
            });
            if self.ignored > 0 || (wanted > 0 && bytes.is_empty()) {
                return Ok(begun);
            }
            let (taken, rest) = bytes.split_at(wanted.min(bytes.len()));
            self.held.extend_from_slice(taken);
            bytes = rest;
            match self.frame {
                None => {
                    if let Some((frame, _)) = FrameHead::decode(&self.held) {
                        begun += 1;
                        self.held.clear();
                        self.begin(frame)?;
                    }
                }
                Some(frame) if self.held.len() as u64 >= frame.length => {
                    self.frame = None;
                    let payload = std::mem::take(&mut self.held);
                    self.end(frame.kind, &payload)?;
                }
                Some(_) => {}
            }
        }
    }

    fn begin(&mut self, frame: FrameHead) -> Result<(), ErrorCode> {
        // RFC 9114 section 6.2.1: settings come first, and once.
        match (frame.kind, self.has_settings) {
            (FrameKind::Settings, false) => self.keep(frame, SETTINGS_BYTES_MAX, ErrorCode::ExcessiveLoad),
            (FrameKind::GoAway | FrameKind::MaxPushId | FrameKind::CancelPush, true) => {
                self.keep(frame, CONTROL_FRAME_BYTES_MAX, ErrorCode::FrameError)
            }
            (FrameKind::Unknown, true) => {
                self.ignored = frame.length;
                Ok(())
            }
            (_, false) => Err(ErrorCode::MissingSettings),
            (_, true) => Err(ErrorCode::FrameUnexpected),
        }
    }

    fn keep(&mut self, frame: FrameHead, bytes_max: usize, otherwise: ErrorCode) -> Result<(), ErrorCode> {
        if frame.length > bytes_max as u64 {
            return Err(otherwise);
        }
        self.frame = Some(frame);
        Ok(())
    }

    fn end(&mut self, kind: FrameKind, payload: &[u8]) -> Result<(), ErrorCode> {
        match kind {
            FrameKind::Settings => {
                self.has_settings = true;
                check_settings(payload)
            }
            // Which pushes are not wanted: there are none.
            FrameKind::GoAway => single(payload).map(drop),
            FrameKind::MaxPushId => {
                let id = single(payload)?;
                // RFC 9114 section 7.2.7: it cannot be taken back.
                if self.push_id_max.is_some_and(|most| id < most) {
                    return Err(ErrorCode::IdError);
                }
                self.push_id_max = Some(id);
                Ok(())
            }
            // RFC 9114 section 7.2.3: of a push that was never promised.
            _ => single(payload).and(Err(ErrorCode::IdError)),
        }
    }
}

/// A payload of one number.
fn single(payload: &[u8]) -> Result<u64, ErrorCode> {
    match decode_varint(payload) {
        Some((number, length)) if length == payload.len() => Ok(number),
        _ => Err(ErrorCode::FrameError),
    }
}

/// RFC 9114 section 7.2.4: pairs of identifier and value, each identifier once.
fn check_settings(mut payload: &[u8]) -> Result<(), ErrorCode> {
    let mut seen = Vec::new();
    while !payload.is_empty() {
        let (identifier, first) = decode_varint(payload).ok_or(ErrorCode::FrameError)?;
        let rest = payload.get(first..).unwrap_or_default();
        let (_value, second) = decode_varint(rest).ok_or(ErrorCode::FrameError)?;
        if SETTINGS_OF_HTTP2.contains(&identifier) || seen.contains(&identifier) {
            return Err(ErrorCode::SettingsError);
        }
        seen.push(identifier);
        payload = rest.get(second..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// How many frames there are, when the bytes arrive in such pieces.
    fn read(bytes: &[u8], bytes_each: usize) -> Result<u32, ErrorCode> {
        let mut stream = ControlStream::default();
        bytes.chunks(bytes_each).try_fold(0, |frames, piece| Ok(frames + stream.read(piece)?))
    }

    fn check(bytes: &[u8], expect: Result<u32, ErrorCode>) {
        for bytes_each in [1, 2, 5, 1000] {
            assert_eq!(read(bytes, bytes_each), expect, "{bytes:?} by {bytes_each}");
        }
    }

    #[test]
    fn settings_come_first_and_once() {
        check(&[4, 0], Ok(1));
        // With GREASE, and a setting of another extension.
        check(&[4, 6, 0x06, 0x40, 0x64, 0x21, 0x00, 0x33], Err(ErrorCode::FrameError));
        check(&[4, 7, 0x06, 0x40, 0x64, 0x21, 0x00, 0x33, 0x01], Ok(1));
        check(&[0x21, 0], Err(ErrorCode::MissingSettings));
        check(&[0, 1, 7], Err(ErrorCode::MissingSettings));
        check(&[4, 0, 4, 0], Err(ErrorCode::FrameUnexpected));
    }

    #[test]
    fn settings_that_contradict_are_refused() {
        check(&[4, 4, 6, 1, 6, 2], Err(ErrorCode::SettingsError));
        for of_http2 in [2, 3, 4, 5] {
            check(&[4, 2, of_http2, 0], Err(ErrorCode::SettingsError));
        }
        check(&[4, 1, 6], Err(ErrorCode::FrameError));
        check(&[4, 0x44, 0x01], Err(ErrorCode::ExcessiveLoad));
    }

    #[test]
    fn pushes_are_not_to_be_cancelled_or_taken_back() {
        check(&[4, 0, 0x0d, 1, 5, 0x0d, 1, 6], Ok(3));
        check(&[4, 0, 0x0d, 1, 5, 0x0d, 1, 4], Err(ErrorCode::IdError));
        check(&[4, 0, 0x03, 1, 0], Err(ErrorCode::IdError));
        check(&[4, 0, 0x07, 1, 0], Ok(2));
        check(&[4, 0, 0x07, 2, 0, 0], Err(ErrorCode::FrameError));
        check(&[4, 0, 0x07, 0], Err(ErrorCode::FrameError));
        check(&[4, 0, 0x07, 9], Err(ErrorCode::FrameError));
    }

    #[test]
    fn what_belongs_to_requests_has_no_place() {
        for kind in [0x00, 0x01, 0x02, 0x05, 0x06, 0x08, 0x09] {
            check(&[4, 0, kind, 1, 0], Err(ErrorCode::FrameUnexpected));
        }
        check(&[4, 0, 0x21, 3, 1, 2, 3, 0x21, 0, 0x07, 1, 0], Ok(4));
    }

    #[test]
    fn a_stream_says_what_it_is_for() {
        assert_eq!(StreamKind::decode(&[0]), Some((StreamKind::Control, 1)));
        assert_eq!(StreamKind::decode(&[0x40]), None);
        assert_eq!(StreamKind::decode(&[0x40, 0x21]), Some((StreamKind::Unknown, 2)));
    }

    #[test]
    fn our_settings_are_read() {
        let stream = opening_of_control_stream();
        check(&stream[1..], Ok(1));
    }

    proptest! {
        #[test]
        fn any_bytes_mean_the_same_however_they_are_cut(
            bytes in prop::collection::vec(any::<u8>(), 0..100),
            bytes_each in 1..20_usize,
        ) {
            let bytes = [&[4, 0][..], &bytes].concat();
            prop_assert_eq!(read(&bytes, bytes_each), read(&bytes, 1000));
        }
    }
}
