//! The HTTP/2 wire towards viewers: header blocks, and a connection's frames.

use field_compression::FieldSection;
use http2::{ErrorCode, Event, HeaderDecoder, HeaderWriter, ServerConnection, ServerSettings, StreamId};

use crate::choose;
use crate::http3_wire::BOUNDS;

/// What comes out of header blocks is bounded, what is written of it reads as the same, and a table that they share
/// is the same whatever there was room for.
pub fn header_blocks(data: &[u8]) {
    let (mut decoder, mut tight) = (HeaderDecoder::default(), HeaderDecoder::default());
    let mut rest = data;
    while let Some((length, behind)) = rest.split_first() {
        let (block, next) = behind.split_at(usize::from(*length).min(behind.len()));
        rest = next;
        let (mut section, mut nothing) = (FieldSection::new(BOUNDS), FieldSection::new(NOTHING));
        let outcome = decoder.decode(block, &mut section);
        assert_eq!(tight.decode(block, &mut nothing), outcome, "it matters how much room there is");
        assert!(section.size() <= BOUNDS.bytes && section.count() <= BOUNDS.fields && nothing.count() == 0);
        if outcome.is_err() {
            return;
        }
        let mut out = Vec::new();
        let mut writer = HeaderWriter::new(&mut out);
        section.fields().for_each(|(name, value)| writer.field(name, &[value]));
        let mut again = FieldSection::new(BOUNDS);
        HeaderDecoder::default().decode(&out, &mut again).unwrap();
        assert!(section.fields().eq(again.fields()));
    }
}

const NOTHING: field_compression::Bounds = field_compression::Bounds { fields: 0, bytes: 0 };

const SETTINGS: ServerSettings = ServerSettings {
    streams_max: 3,
    stream_window: 3000,
    connection_window: 66_000,
    header_list_bytes_max: 1000,
};

/// A connection is the same however it arrives, and keeps to its limits.
pub fn http2_connection(data: &[u8]) {
    let Some((pieces, bytes)) = data.split_first_chunk::<4>() else { return };
    let (choice, _) = choose(bytes, 4);
    let whole = served(std::iter::once(bytes), choice);
    let mut rest = bytes;
    let mut sizes = pieces.iter().map(|piece| usize::from(*piece) + 1).cycle();
    let cut = std::iter::from_fn(|| {
        let (now, later) = rest.split_at(sizes.next().unwrap_or(1).min(rest.len()));
        rest = later;
        (!now.is_empty()).then_some(now)
    });
    assert_eq!(served(cut, choice), whole, "it matters how it arrives");
    let Told { requests, .. } = &whole;
    assert!(requests.iter().all(|stream| stream % 2 == 1), "a viewer's streams have odd numbers");
    assert!(requests.is_sorted_by(|one, other| one < other), "streams begin in their order");
}

/// What a connection has told.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    requests: Vec<StreamId>,
    /// What came on which stream, with a mark where it ended or was reset.
    received: Vec<(StreamId, Vec<u8>)>,
    error: Option<ErrorCode>,
    sent: Vec<u8>,
}

impl Told {
    fn receive(&mut self, stream: StreamId, bytes: &[u8]) {
        match self.received.last_mut() {
            Some((of, have)) if *of == stream => have.extend_from_slice(bytes),
            _ => self.received.push((stream, bytes.to_vec())),
        }
        let of_stream = self.received.iter().filter(|(of, _)| *of == stream);
        let bytes: usize = of_stream.map(|(_, bytes)| bytes.len()).sum();
        assert!(bytes <= SETTINGS.stream_window as usize + MARKS_MAX, "more than the window allows");
    }
}

/// As many marks as a stream can have.
const MARKS_MAX: usize = 3 * "<reset>".len();

fn served<'b>(pieces: impl Iterator<Item = &'b [u8]>, choice: usize) -> Told {
    let (mut told, mut out) = (Told::default(), Vec::new());
    let mut connection = ServerConnection::begin(SETTINGS, BOUNDS, &mut out);
    let mut open = Vec::new();
    'pieces: for mut piece in pieces {
        loop {
            match connection.receive(&mut piece, &mut out, |_| {}) {
                Ok(Some(Event::Request { stream, .. })) => {
                    told.requests.push(stream);
                    open.push(stream);
                    begin(&mut connection, stream, choice, &mut out);
                }
                Ok(Some(Event::Data { stream, bytes })) => told.receive(stream, bytes),
                Ok(Some(Event::End { stream, has_trailers })) => {
                    told.receive(stream, if has_trailers { b"<trailers>" } else { b"<end>" });
                    connection.finish(stream, &mut out);
                    open.retain(|open| *open != stream);
                }
                Ok(Some(Event::Reset { stream })) => {
                    told.receive(stream, b"<reset>");
                    open.retain(|open| *open != stream);
                }
                Ok(Some(Event::Room { .. })) => {
                    for stream in &open {
                        connection.send_data(*stream, b"more", false, 1000, &mut out);
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    told.error = Some(error.code);
                    connection.end(error.code, &mut out);
                    break 'pieces;
                }
            }
        }
    }
    told.sent = out;
    told
}

/// Answers a request in one of the ways there are.
fn begin(connection: &mut ServerConnection, stream: StreamId, choice: usize, out: &mut Vec<u8>) {
    let mut block = Vec::new();
    HeaderWriter::new(&mut block).status(200);
    match choice {
        0 => {}
        1 => connection.reset(stream, ErrorCode::InternalError, out),
        2 => {
            connection.send_headers(stream, &block, true, out);
        }
        _ => {
            connection.send_headers(stream, &block, false, out);
            connection.send_data(stream, &[b'x'; 100], false, 50, out);
            connection.announce_end(out);
        }
    }
}
