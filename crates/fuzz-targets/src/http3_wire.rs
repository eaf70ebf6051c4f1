//! The HTTP/3 wire: field sections, and the frames of both kinds of streams.

use field_compression::Bounds;
use http3::{
    ControlStream, DecoderStream, EncoderStream, FieldSectionWriter, RequestStream, Step, StreamFault,
    decode_field_section,
};

use crate::choose;

pub(crate) const BOUNDS: Bounds = Bounds { fields: 50, bytes: 4096 };

/// What comes out of a field section is bounded, and what is written of it reads as the same.
pub fn field_section(data: &[u8]) {
    let Ok(section) = decode_field_section(data, BOUNDS) else { return };
    assert!(section.size() <= BOUNDS.bytes && section.count() <= BOUNDS.fields);
    let mut out = Vec::new();
    let mut writer = FieldSectionWriter::begin(&mut out);
    section.fields().for_each(|(name, value)| writer.field(name, &[value]));
    let again = decode_field_section(&out, BOUNDS).unwrap();
    assert!(section.fields().eq(again.fields()));
}

/// Streams mean the same however they are cut into packets.
pub fn http3_streams(data: &[u8]) {
    let (kind, data) = choose(data, 4);
    let (piece, bytes) = choose(data, 64);
    let piece = piece + 1;
    match kind {
        0 => assert_eq!(request(bytes, piece), request(bytes, usize::MAX)),
        1 => check(bytes, piece, ControlStream::default, ControlStream::read),
        2 => check(bytes, piece, EncoderStream::default, EncoderStream::read),
        _ => check(bytes, piece, DecoderStream::default, DecoderStream::read),
    }
}

fn check<S, E: std::fmt::Debug + PartialEq>(
    bytes: &[u8],
    piece: usize,
    begin: fn() -> S,
    read: fn(&mut S, &[u8]) -> Result<u32, E>,
) {
    let (mut cut, mut whole) = (begin(), begin());
    let in_pieces = bytes.chunks(piece).try_fold(0, |sum, piece| Ok(sum + read(&mut cut, piece)?));
    assert_eq!(in_pieces, read(&mut whole, bytes));
}

/// The sections and the body of a request's stream, with a mark behind each section.
fn request(bytes: &[u8], piece: usize) -> Result<Vec<u8>, StreamFault> {
    let (mut stream, mut told, mut input) = (RequestStream::default(), Vec::new(), Vec::new());
    for piece in bytes.chunks(piece.min(bytes.len()).max(1)) {
        input.extend_from_slice(piece);
        loop {
            let taken = match stream.step(&input)? {
                Step::NeedsMore => break,
                Step::Passed { bytes, .. } => bytes,
                Step::Section(bytes) => {
                    told.extend([&input[..bytes], b"\0section\0"].concat());
                    bytes
                }
                Step::Data(bytes) => {
                    told.extend_from_slice(&input[..bytes]);
                    bytes
                }
            };
            assert!(taken <= input.len());
            input.drain(..taken);
        }
    }
    stream.end(input.len()).map(|()| told)
}
