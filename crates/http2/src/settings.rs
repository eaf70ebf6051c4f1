//! SETTINGS (RFC 9113 section 6.5).

use crate::error::{ConnectionError, ErrorCode};
use crate::frame::{FrameHead, FrameKind, write_frame};
use crate::limits::{FRAME_BYTES_MAX, WINDOW_MAX};

const ENABLE_PUSH: u16 = 0x2;
const MAX_CONCURRENT_STREAMS: u16 = 0x3;
const INITIAL_WINDOW_SIZE: u16 = 0x4;
const MAX_FRAME_SIZE: u16 = 0x5;
const MAX_HEADER_LIST_SIZE: u16 = 0x6;
/// RFC 8441 section 3.
const ENABLE_CONNECT_PROTOCOL: u16 = 0x8;

/// What of the other side's settings matters to a server that does not push, sends no frame that is larger than
/// everybody must take, and whose header blocks need no table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PeerSettings {
    pub(crate) is_acknowledgment: bool,
    pub(crate) initial_window: Option<i64>,
}

impl PeerSettings {
    pub(crate) const ENTRY_BYTES: usize = 6;

    /// The last of equal settings counts; unknown ones are passed over (section 6.5.3).
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, ConnectionError> {
        let mut settings = Self::default();
        for entry in payload.chunks_exact(Self::ENTRY_BYTES) {
            let [first, second, value @ ..] = entry else { continue };
            let value = value.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
            match u16::from_be_bytes([*first, *second]) {
                ENABLE_PUSH if value > 1 => {
                    return Err(ConnectionError::protocol("a setting that is on or off is neither"));
                }
                INITIAL_WINDOW_SIZE if i64::from(value) > WINDOW_MAX => {
                    let what = "the initial window is larger than one can be";
                    return Err(ConnectionError { code: ErrorCode::FlowControlError, what });
                }
                INITIAL_WINDOW_SIZE => settings.initial_window = Some(value.into()),
                MAX_FRAME_SIZE if !(FRAME_BYTES_MAX..1 << 24).contains(&(value as usize)) => {
                    return Err(ConnectionError::protocol("the size of frames is out of bounds"));
                }
                _ => {}
            }
        }
        Ok(settings)
    }
}

/// What viewers are told, and what bounds them.
#[derive(Clone, Copy, Debug)]
pub struct ServerSettings {
    /// Streams at once.
    pub streams_max: u32,
    /// Bytes of one body in flight.
    pub stream_window: u32,
    /// Bytes of all bodies in flight; no less than 65,535, which is what a connection begins with.
    pub connection_window: u32,
    /// A header list as section 6.5.2 counts it.
    pub header_list_bytes_max: u32,
}

impl ServerSettings {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let entries = [
            (MAX_CONCURRENT_STREAMS, self.streams_max),
            (INITIAL_WINDOW_SIZE, self.stream_window),
            (MAX_HEADER_LIST_SIZE, self.header_list_bytes_max),
            (ENABLE_CONNECT_PROTOCOL, 1),
        ];
        let mut payload = Vec::with_capacity(entries.len() * PeerSettings::ENTRY_BYTES);
        for (setting, value) in entries {
            payload.extend_from_slice(&setting.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        }
        write_frame(FrameKind::Settings, 0, 0, &payload, out);
    }
}

pub(crate) fn write_acknowledgment(out: &mut Vec<u8>) {
    write_frame(FrameKind::Settings, FrameHead::ACK, 0, &[], out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(entries: &[(u16, u32)], expect: Result<Option<i64>, ErrorCode>) {
        let payload: Vec<u8> = entries
            .iter()
            .flat_map(|(setting, value)| [&setting.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        let parsed = PeerSettings::parse(&payload);
        assert_eq!(parsed.map(|settings| settings.initial_window).map_err(|error| error.code), expect);
    }

    #[test]
    fn values_have_bounds() {
        check(&[], Ok(None));
        check(&[(4, 10), (4, 0x7fff_ffff), (0x1234, 7)], Ok(Some(0x7fff_ffff)));
        check(&[(4, 0x8000_0000)], Err(ErrorCode::FlowControlError));
        check(&[(2, 0), (2, 1)], Ok(None));
        check(&[(2, 2)], Err(ErrorCode::ProtocolError));
        check(&[(5, 16_384), (5, 16_777_215)], Ok(None));
        check(&[(5, 16_383)], Err(ErrorCode::ProtocolError));
        check(&[(5, 16_777_216)], Err(ErrorCode::ProtocolError));
    }
}
