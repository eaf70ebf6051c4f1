use field_compression::TooLarge;
use proptest::prelude::*;

use super::*;
use crate::HeaderWriter;
use crate::limits::{HEADER_BLOCK_BYTES_MAX, RESET_STREAMS_MAX};

const SETTINGS: ServerSettings = ServerSettings {
    streams_max: 4,
    stream_window: 1000,
    connection_window: 70_000,
    header_list_bytes_max: 1000,
};
const BOUNDS: Bounds = Bounds { fields: 10, bytes: 1000 };
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const PRIORITY: u8 = 0x2;
const RST_STREAM: u8 = 0x3;
const SETTINGS_FRAME: u8 = 0x4;
const PUSH_PROMISE: u8 = 0x5;
const PING: u8 = 0x6;
const GOAWAY: u8 = 0x7;
const WINDOW_UPDATE: u8 = 0x8;
const CONTINUATION: u8 = 0x9;

const ENDS: u8 = 0x1;
const WHOLE: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITIZED: u8 = 0x20;

/// `:method: GET`.
const GET: &[u8] = &[0x82];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn request(stream: u32) -> Vec<u8> {
    frame(HEADERS, WHOLE | ENDS, stream, GET)
}

fn post(stream: u32) -> Vec<u8> {
    frame(HEADERS, WHOLE, stream, GET)
}

/// What happened, with what it came with.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Request(StreamId, usize, bool),
    Data(StreamId, Vec<u8>),
    End(StreamId, Option<usize>),
    Reset(StreamId),
    Room(StreamId),
    Error(ErrorCode),
}

struct Peer {
    connection: ServerConnection,
    out: Vec<u8>,
}

impl Peer {
    fn new() -> Self {
        let mut out = Vec::new();
        let connection = ServerConnection::begin(SETTINGS, BOUNDS, &mut out);
        out.clear();
        let mut peer = Self { connection, out };
        assert_eq!(peer.take(PREFACE), []);
        assert_eq!(peer.sent(), frame(SETTINGS_FRAME, 1, 0, &[]));
        peer
    }

    fn take(&mut self, mut input: &[u8]) -> Vec<Seen> {
        let mut seen: Vec<Seen> = Vec::new();
        loop {
            match self.connection.receive(&mut input, &mut self.out, |_| {}) {
                Ok(Some(event)) => self.note(event, &mut seen),
                Ok(None) => return seen,
                Err(error) => {
                    seen.push(Seen::Error(error.code));
                    return seen;
                }
            }
        }
    }

    fn note(&self, event: Event<'_>, seen: &mut Vec<Seen>) {
        let fields = self.connection.fields().count();
        append(
            seen,
            match event {
                Event::Request { stream, has_ended } => Seen::Request(stream, fields, has_ended),
                Event::Data { stream, bytes } => Seen::Data(stream, bytes.to_vec()),
                Event::End { stream, has_trailers } => Seen::End(stream, has_trailers.then_some(fields)),
                Event::Reset { stream } => Seen::Reset(stream),
                Event::Room { stream } => Seen::Room(stream),
            },
        );
    }

    fn sent(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    fn send(&mut self, stream: StreamId, bytes: &[u8], is_last: bool) -> Option<usize> {
        self.connection.send_data(stream, bytes, is_last, usize::MAX / 2, &mut self.out)
    }
}

/// However a body is cut, it is one.
fn append(seen: &mut Vec<Seen>, next: Seen) {
    match (seen.last_mut(), next) {
        (Some(Seen::Data(of, have)), Seen::Data(stream, more)) if *of == stream => have.extend(more),
        (_, next) => seen.push(next),
    }
}

/// What happens when the input comes in pieces, and what is sent.
fn in_pieces(input: &[u8], piece: usize) -> (Vec<Seen>, Vec<u8>) {
    let mut peer = Peer::new();
    let mut seen = Vec::new();
    for piece in input.chunks(piece) {
        peer.take(piece).into_iter().for_each(|next| append(&mut seen, next));
        if matches!(seen.last(), Some(Seen::Error(_))) {
            break;
        }
    }
    (seen, peer.out)
}

fn check(frames: &[Vec<u8>], expect: &[Seen]) {
    let input = frames.concat();
    assert_eq!(Peer::new().take(&input), expect);
    assert_eq!(in_pieces(&input, 1).0, expect, "it matters how it arrives");
}

fn check_error(frames: &[Vec<u8>], code: ErrorCode) {
    let seen = Peer::new().take(&frames.concat());
    assert_eq!(seen.last(), Some(&Seen::Error(code)), "{frames:x?}");
}

fn check_reset(frames: &[Vec<u8>], stream: StreamId, code: ErrorCode) {
    let mut peer = Peer::new();
    let seen = peer.take(&frames.concat());
    assert_eq!(seen.last(), Some(&Seen::Reset(stream)), "{frames:x?}");
    let reset = frame(RST_STREAM, 0, stream, &code.value().to_be_bytes());
    assert!(peer.sent().ends_with(&reset), "{frames:x?}");
    // The others go on.
    assert_eq!(peer.take(&request(101)), [Seen::Request(101, 1, true)]);
}

#[test]
fn the_server_says_what_it_takes() {
    let mut out = Vec::new();
    ServerConnection::begin(SETTINGS, BOUNDS, &mut out);
    let settings = [0, 3, 0, 0, 0, 4, 0, 4, 0, 0, 3, 232, 0, 6, 0, 0, 3, 232, 0, 8, 0, 0, 0, 1];
    let window = (70_000_u32 - 65_535).to_be_bytes();
    let expect = [frame(SETTINGS_FRAME, 0, 0, &settings), frame(WINDOW_UPDATE, 0, 0, &window)].concat();
    assert_eq!(out, expect);
}

#[test]
fn a_request_has_fields_a_body_and_an_end() {
    check(&[request(1)], &[Seen::Request(1, 1, true)]);
    let body = [post(1), frame(DATA, 0, 1, b"abc"), frame(DATA, ENDS, 1, b"d")];
    check(&body, &[Seen::Request(1, 1, false), Seen::Data(1, b"abcd".to_vec()), Seen::End(1, None)]);
    let trailers = [post(3), frame(DATA, 0, 3, b"abc"), frame(HEADERS, WHOLE | ENDS, 3, &[0x82, 0x84])];
    check(&trailers, &[Seen::Request(3, 1, false), Seen::Data(3, b"abc".to_vec()), Seen::End(3, Some(2))]);
    check(&[post(5), frame(DATA, ENDS, 5, b"")], &[Seen::Request(5, 1, false), Seen::End(5, None)]);
}

#[test]
fn padding_and_priorities_mean_nothing() {
    let head = [&[2, 0, 0, 0, 0, 9][..], GET, &[0, 0]].concat();
    let frames = [
        frame(HEADERS, WHOLE | PADDED | PRIORITIZED, 1, &head),
        frame(DATA, PADDED, 1, b"\x03abc\0\0\0"),
        frame(DATA, PADDED | ENDS, 1, b"\x00"),
        frame(PRIORITY, 0, 7, &[0; 5]),
        frame(0x77, 0xff, 9, b"whatever"),
    ];
    check(&frames, &[Seen::Request(1, 1, false), Seen::Data(1, b"abc".to_vec()), Seen::End(1, None)]);
    for (kind, payload) in [(HEADERS, &[4, 0x82, 0, 0][..]), (DATA, &[2, 0])] {
        check_error(&[post(1), frame(kind, WHOLE | PADDED | ENDS, 1, payload)], ErrorCode::ProtocolError);
    }
    check_error(&[frame(HEADERS, WHOLE | PADDED, 1, &[])], ErrorCode::FrameSizeError);
    check_error(&[frame(HEADERS, WHOLE | PRIORITIZED, 1, &[0; 4])], ErrorCode::FrameSizeError);
    check_error(&[post(1), frame(DATA, PADDED, 1, &[])], ErrorCode::FrameSizeError);
}

#[test]
fn a_header_block_may_come_in_pieces_that_nothing_comes_between() {
    let (first, more) = (frame(HEADERS, ENDS, 1, &[0x82, 0x87]), frame(CONTINUATION, 0, 1, &[0x84]));
    let last = frame(CONTINUATION, WHOLE, 1, &[]);
    check(&[first.clone(), more.clone(), last], &[Seen::Request(1, 3, true)]);
    for between in [
        frame(CONTINUATION, WHOLE, 3, &[]),
        frame(DATA, 0, 1, b"x"),
        frame(PING, 0, 0, &[0; 8]),
        frame(0x77, 0, 1, b"x"),
        request(3),
    ] {
        check_error(&[first.clone(), between], ErrorCode::ProtocolError);
    }
    check_error(&[more], ErrorCode::ProtocolError);
    let piece = frame(CONTINUATION, 0, 1, &vec![0; 16_384]);
    let endless = vec![piece; HEADER_BLOCK_BYTES_MAX / 16_384 + 1];
    check_error(&[vec![first], endless].concat(), ErrorCode::EnhanceYourCalm);
}

#[test]
fn a_header_block_is_kept_until_it_has_ended_and_no_longer() {
    let mut peer = Peer::new();
    assert!(!peer.connection.owes_the_rest());
    assert_eq!(peer.take(&frame(HEADERS, ENDS, 1, &[0x82; 100])), []);
    assert_eq!((peer.connection.kept_bytes(), peer.connection.owes_the_rest()), (100, true));
    let end = frame(CONTINUATION, WHOLE, 1, &[]);
    let (begin, rest) = end.split_at(4);
    assert_eq!(peer.take(begin), []);
    assert!(peer.connection.owes_the_rest());
    let mut input = rest;
    assert!(peer.connection.receive(&mut input, &mut peer.out, |_| {}).unwrap().is_some());
    assert!(peer.connection.receive(&mut input, &mut peer.out, |_| {}).unwrap().is_none());
    assert_eq!((peer.connection.kept_bytes(), peer.connection.owes_the_rest()), (0, false));
    assert_eq!(peer.take(&post(3)[..3]), []);
    assert!(peer.connection.owes_the_rest());
}

#[test]
fn what_is_no_http_2_is_an_error_of_the_connection() {
    for input in [&b"GET / HTTP/1.1\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nSX", &PREFACE[..24]] {
        let mut peer =
            Peer { connection: ServerConnection::begin(SETTINGS, BOUNDS, &mut Vec::new()), out: vec![] };
        let input = [input, &frame(PING, 0, 0, &[0; 8])].concat();
        assert_eq!(peer.take(&input), [Seen::Error(ErrorCode::ProtocolError)]);
        assert!(peer.connection.owes_the_rest());
    }
}

#[test]
fn every_kind_has_its_size_and_its_place() {
    for (kind, length) in [(PRIORITY, 4), (RST_STREAM, 5), (WINDOW_UPDATE, 3)] {
        check_error(&[post(1), frame(kind, 0, 1, &vec![0; length])], ErrorCode::FrameSizeError);
    }
    for (kind, flags, length) in
        [(PING, 0, 7), (SETTINGS_FRAME, 0, 5), (SETTINGS_FRAME, 1, 6), (GOAWAY, 0, 7)]
    {
        check_error(&[frame(kind, flags, 0, &vec![0; length])], ErrorCode::FrameSizeError);
    }
    for kind in [DATA, HEADERS, PRIORITY, RST_STREAM, CONTINUATION] {
        let length = if kind == PRIORITY { 5 } else { 4 };
        check_error(&[frame(kind, WHOLE, 0, &vec![0; length])], ErrorCode::ProtocolError);
    }
    for (kind, length) in [(SETTINGS_FRAME, 0), (PING, 8), (GOAWAY, 8)] {
        check_error(&[post(1), frame(kind, 0, 1, &vec![0; length])], ErrorCode::ProtocolError);
    }
    check_error(&[post(1), frame(PUSH_PROMISE, WHOLE, 1, &[0, 0, 0, 2, 0x82])], ErrorCode::ProtocolError);
    check_error(&[frame(0x77, 0, 0, &vec![0; 16_385])], ErrorCode::FrameSizeError);
    check(&[frame(0x77, 0, 0, &vec![0; 16_384]), frame(GOAWAY, 0, 0, &[0; 20])], &[]);
}

#[test]
fn streams_begin_in_their_order() {
    check(&[request(3), request(9)], &[Seen::Request(3, 1, true), Seen::Request(9, 1, true)]);
    check_error(&[request(2)], ErrorCode::ProtocolError);
    check_error(&[request(3), request(1)], ErrorCode::StreamClosed);
    for idle in [
        frame(DATA, 0, 5, b"x"),
        frame(RST_STREAM, 0, 5, &[0; 4]),
        frame(WINDOW_UPDATE, 0, 5, &[0, 0, 0, 1]),
        frame(WINDOW_UPDATE, 0, 2, &[0, 0, 0, 1]),
    ] {
        check_error(&[request(3), idle], ErrorCode::ProtocolError);
    }
}

#[test]
fn nothing_follows_the_end_of_a_request() {
    check_reset(&[request(1), frame(DATA, 0, 1, b"x")], 1, ErrorCode::StreamClosed);
    check_reset(&[request(1), request(1)], 1, ErrorCode::StreamClosed);
    // Trailers end a stream.
    check_reset(&[post(1), frame(HEADERS, WHOLE, 1, GET)], 1, ErrorCode::ProtocolError);
}

#[test]
fn what_ended_well_takes_nothing_more() {
    for late in [frame(DATA, 0, 1, b"x"), request(1)] {
        let mut peer = Peer::new();
        peer.take(&request(1));
        assert!(peer.connection.send_headers(1, GET, true, &mut peer.out));
        assert!(!peer.connection.has_streams());
        assert_eq!(peer.take(&late), [Seen::Error(ErrorCode::StreamClosed)]);
    }
    let mut peer = Peer::new();
    peer.take(&request(1));
    assert_eq!(peer.send(1, b"", true), Some(0));
    let late = [frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 9]), frame(RST_STREAM, 0, 1, &[0; 4])];
    assert_eq!(peer.take(&late.concat()), []);
}

#[test]
fn frames_of_a_stream_that_was_reset_may_be_late() {
    let mut peer = Peer::new();
    peer.take(&post(1));
    peer.connection.reset(1, ErrorCode::InternalError, &mut peer.out);
    assert_eq!(peer.sent(), frame(RST_STREAM, 0, 1, &[0, 0, 0, 2]));
    let trailers = frame(HEADERS, WHOLE | ENDS, 1, &[0x40, 1, b'a', 1, b'b']);
    assert_eq!(peer.take(&[frame(DATA, 0, 1, b"abc"), trailers].concat()), []);
    // What they taught HPACK holds.
    assert_eq!(peer.take(&frame(HEADERS, WHOLE | ENDS, 3, &[0xbe])), [Seen::Request(3, 1, true)]);
    assert_eq!(peer.connection.fields().fields().next(), Some((&b"a"[..], &b"b"[..])));
    // Of so many, not of all.
    for stream in (5..).step_by(2).take(RESET_STREAMS_MAX) {
        peer.take(&post(stream));
        peer.connection.reset(stream, ErrorCode::InternalError, &mut peer.out);
    }
    assert_eq!(peer.take(&frame(DATA, 0, 1, b"abc")), [Seen::Error(ErrorCode::StreamClosed)]);
}

#[test]
fn a_viewer_may_reset_what_it_began() {
    check(
        &[post(1), frame(RST_STREAM, 0, 1, &[0; 4]), frame(RST_STREAM, 0, 1, &[0; 4])],
        &[Seen::Request(1, 1, false), Seen::Reset(1)],
    );
    let mut peer = Peer::new();
    peer.take(&[post(1), frame(RST_STREAM, 0, 1, &[0; 4])].concat());
    assert_eq!(peer.send(1, b"abc", true), None);
    assert!(!peer.connection.send_headers(1, GET, false, &mut peer.out));
    peer.sent();
    peer.connection.finish(1, &mut peer.out);
    assert_eq!(peer.sent(), []);
}

#[test]
fn streams_at_once_are_limited_and_so_are_errors() {
    let mut peer = Peer::new();
    for stream in [1, 3, 5, 7] {
        assert_eq!(peer.take(&post(stream)), [Seen::Request(stream, 1, false)]);
    }
    assert_eq!(peer.take(&post(9)), []);
    assert_eq!(peer.sent(), frame(RST_STREAM, 0, 9, &[0, 0, 0, 7]));
    let mut stream = 11;
    for _ in 1..ERROR_RESETS_MAX {
        assert_eq!(peer.take(&post(stream)), []);
        stream += 2;
    }
    assert_eq!(peer.take(&post(stream)), [Seen::Error(ErrorCode::EnhanceYourCalm)]);
}

#[test]
fn what_is_sent_keeps_within_the_windows() {
    let mut peer = Peer::new();
    peer.take(&frame(SETTINGS_FRAME, 0, 0, &[0, 4, 0, 0, 0, 5]));
    peer.take(&[request(1), request(3)].concat());
    peer.sent();
    assert_eq!(peer.send(1, b"abcdefgh", true), Some(5));
    assert_eq!(peer.sent(), frame(DATA, 0, 1, b"abcde"));
    assert_eq!(peer.send(1, b"fgh", true), Some(0));
    assert_eq!(peer.sent(), []);
    assert_eq!(peer.take(&frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 2])), [Seen::Room(1)]);
    assert_eq!(peer.send(1, b"fgh", true), Some(2));
    // A smaller initial window takes back what was granted.
    assert_eq!(peer.take(&frame(SETTINGS_FRAME, 0, 0, &[0, 4, 0, 0, 0, 3])), []);
    assert_eq!(peer.take(&frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 2])), [Seen::Room(1)]);
    assert_eq!(peer.send(1, b"h", true), Some(0));
    assert_eq!(peer.take(&frame(SETTINGS_FRAME, 0, 0, &[0, 4, 0, 0, 0, 4])), [Seen::Room(0)]);
    peer.sent();
    assert_eq!(peer.send(1, b"h", true), Some(1));
    assert_eq!(peer.sent(), frame(DATA, ENDS, 1, b"h"));
    assert_eq!(peer.send(1, b"h", true), None);
    // The connection's own window is for all.
    peer.take(&frame(SETTINGS_FRAME, 0, 0, &[0, 4, 0, 1, 0, 0]));
    let much = vec![b'x'; 70_000];
    peer.sent();
    assert_eq!(peer.send(3, &much, false), Some(65_535 - 8));
    let first = frame(DATA, 0, 3, &much[..16_384]);
    assert!(peer.sent().starts_with(&first));
    assert_eq!(peer.take(&frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 2])), [Seen::Room(0)]);
    assert_eq!(peer.send(3, &much, false), Some(2));
}

#[test]
fn what_is_sent_keeps_within_the_room() {
    let mut peer = Peer::new();
    peer.take(&request(1));
    for (room, expect) in [(0, 0), (9, 0), (12, 3), (9 + 16_384 + 9, 16_384), (9 + 16_384 + 10, 16_385)] {
        peer.sent();
        let sent = peer.connection.send_data(1, &vec![b'x'; 30_000], false, room, &mut peer.out);
        assert_eq!(sent, Some(expect), "{room}");
        assert!(peer.out.len() <= room);
    }
}

#[test]
fn windows_have_bounds() {
    let most = (u32::MAX >> 1).to_be_bytes();
    check_error(&[frame(WINDOW_UPDATE, 0, 0, &[0; 4])], ErrorCode::ProtocolError);
    check_error(&[frame(WINDOW_UPDATE, 0, 0, &most)], ErrorCode::FlowControlError);
    check_reset(&[post(1), frame(WINDOW_UPDATE, 0, 1, &[0; 4])], 1, ErrorCode::ProtocolError);
    check_reset(&[post(1), frame(WINDOW_UPDATE, 0, 1, &most)], 1, ErrorCode::FlowControlError);
    let larger = [&[0, 4][..], &most].concat();
    let frames = [post(1), frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]), frame(SETTINGS_FRAME, 0, 0, &larger)];
    // 65,535 and 1 more than the initial window were granted.
    check_error(&frames, ErrorCode::FlowControlError);
}

#[test]
fn a_viewer_keeps_within_the_windows_too() {
    check_reset(&[post(1), frame(DATA, 0, 1, &[0; 1001])], 1, ErrorCode::FlowControlError);
    // Padding counts.
    let padded = [&[255][..], &[0; 255 + 745]].concat();
    check_reset(&[post(1), frame(DATA, PADDED, 1, &padded)], 1, ErrorCode::FlowControlError);
    let mut peer = Peer::new();
    peer.take(&[post(1), frame(DATA, 0, 1, &[0; 1000])].concat());
    peer.sent();
    peer.connection.release(1, 499, &mut peer.out);
    assert_eq!(peer.sent(), []);
    peer.connection.release(1, 1, &mut peer.out);
    assert_eq!(peer.sent(), frame(WINDOW_UPDATE, 0, 1, &[0, 0, 1, 244]));
    let more = peer.take(&frame(DATA, 0, 1, &[0; 500]));
    assert_eq!(more, [Seen::Data(1, vec![0; 500])]);
    assert_eq!(peer.take(&frame(DATA, 0, 1, b"x")), [Seen::Reset(1)]);
}

#[test]
fn the_connections_window_is_given_back_whatever_becomes_of_a_body() {
    let mut peer = Peer::new();
    peer.take(&post(1));
    peer.connection.reset(1, ErrorCode::NoError, &mut peer.out);
    peer.sent();
    // Late frames of one that was reset: half a window is told at once.
    for _ in 0..35 {
        assert_eq!(peer.take(&frame(DATA, 0, 1, &[0; 1000])), []);
    }
    assert_eq!(peer.sent(), frame(WINDOW_UPDATE, 0, 0, &35_000_u32.to_be_bytes()));
    // Nobody reads: beyond the window the connection ends.
    let streams = [3, 5, 7, 9];
    let bodies = streams.map(|stream| [post(stream), frame(DATA, 0, stream, &[0; 1000])].concat());
    peer.take(&bodies.concat());
    for stream in streams {
        peer.connection.release(stream, 1000, &mut peer.out);
    }
    peer.sent();
    let mut settings = SETTINGS;
    settings.stream_window = 100_000;
    let mut peer =
        Peer { connection: ServerConnection::begin(settings, BOUNDS, &mut Vec::new()), out: vec![] };
    peer.take(&[PREFACE, &post(1)].concat());
    for _ in 0..4 {
        peer.take(&frame(DATA, 0, 1, &vec![0; 16_384]));
    }
    let too_much = peer.take(&frame(DATA, 0, 1, &vec![0; 16_384]));
    assert_eq!(too_much, [Seen::Error(ErrorCode::FlowControlError)]);
}

#[test]
fn pings_and_settings_are_answered_once() {
    let mut peer = Peer::new();
    peer.take(&frame(PING, 0, 0, b"12345678"));
    assert_eq!(peer.sent(), frame(PING, 1, 0, b"12345678"));
    peer.take(&[frame(PING, 1, 0, b"12345678"), frame(SETTINGS_FRAME, 1, 0, &[])].concat());
    assert_eq!(peer.sent(), []);
}

#[test]
fn every_frame_is_told_as_it_begins_and_one_that_is_all_padding_as_empty() {
    let mut peer = Peer::new();
    let mut heads = Vec::new();
    let padded = [frame(DATA, PADDED, 1, b"\x01a\0"), frame(DATA, PADDED, 1, b"\x01\0")];
    let frames = [post(1), padded.concat(), frame(DATA, 0, 1, b"abc")[..9].to_vec()].concat();
    let mut input = frames.as_slice();
    while peer.connection.receive(&mut input, &mut peer.out, |head| heads.push(head)).unwrap().is_some() {}
    let head = |kind, flags, length| FrameHead { length, kind, flags, stream: 1 };
    let padded =
        [(PADDED, 3), (PADDED, 2), (0, 0)].map(|(flags, length)| head(FrameKind::Data, flags, length));
    let expect =
        [&[head(FrameKind::Headers, WHOLE, 1)], &padded[..], &[head(FrameKind::Data, 0, 3)]].concat();
    assert_eq!(heads, expect);
}

#[test]
fn the_end_is_announced_before_it_holds() {
    let mut peer = Peer::new();
    peer.take(&request(1));
    peer.connection.announce_end(&mut peer.out);
    peer.connection.announce_end(&mut peer.out);
    let announced =
        [frame(GOAWAY, 0, 0, &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]), frame(PING, 0, 0, &FAREWELL)];
    assert_eq!(peer.sent(), announced.concat());
    assert_eq!(peer.take(&request(3)), [Seen::Request(3, 1, true)]);
    assert_eq!(peer.take(&frame(PING, 1, 0, b"another!")), []);
    assert!(!peer.connection.begins_no_streams());
    assert_eq!(peer.take(&frame(PING, 1, 0, &FAREWELL)), []);
    assert_eq!(peer.sent(), frame(GOAWAY, 0, 0, &[0, 0, 0, 3, 0, 0, 0, 0]));
    assert!(peer.connection.begins_no_streams());
    // What comes after that nobody looks at, but for what HPACK learns.
    let late = [frame(HEADERS, WHOLE, 5, &[0x40, 1, b'a', 1, b'b']), frame(DATA, ENDS, 5, b"x")];
    assert_eq!(peer.take(&late.concat()), []);
    assert_eq!(peer.send(3, b"abc", true), Some(3));
}

#[test]
fn a_connection_that_ends_tells_what_was_looked_at() {
    let mut peer = Peer::new();
    peer.take(&request(5));
    peer.connection.end(ErrorCode::EnhanceYourCalm, &mut peer.out);
    assert_eq!(peer.sent(), frame(GOAWAY, 0, 0, &[0, 0, 0, 5, 0, 0, 0, 11]));
}

#[test]
fn a_finished_stream_stops_what_is_not_needed() {
    let mut peer = Peer::new();
    peer.take(&[post(1), post(3)].concat());
    assert_eq!(peer.send(1, b"", true), Some(0));
    peer.sent();
    peer.connection.finish(1, &mut peer.out);
    assert_eq!(peer.sent(), frame(RST_STREAM, 0, 1, &[0, 0, 0, 0]));
    peer.connection.finish(3, &mut peer.out);
    assert_eq!(peer.sent(), frame(RST_STREAM, 0, 3, &[0, 0, 0, 2]));
    assert!(!peer.connection.has_streams());
}

#[test]
fn a_large_block_leaves_in_pieces() {
    let mut peer = Peer::new();
    peer.take(&request(1));
    let block = vec![7; 40_000];
    assert!(peer.connection.send_headers(1, &block, true, &mut peer.out));
    let expect = [
        frame(HEADERS, ENDS, 1, &block[..16_384]),
        frame(CONTINUATION, 0, 1, &block[..16_384]),
        frame(CONTINUATION, WHOLE, 1, &block[..40_000 - 32_768]),
    ];
    assert!(peer.sent() == expect.concat());
}

#[test]
fn a_request_that_is_too_large_begins_without_fields() {
    let mut peer = Peer::new();
    let mut block = Vec::new();
    HeaderWriter::new(&mut block).field(b"x-large", &[&[b'x'; 2000]]);
    assert_eq!(peer.take(&frame(HEADERS, WHOLE | ENDS, 1, &block)), [Seen::Request(1, 0, true)]);
    assert_eq!(peer.connection.fields().check(), Err(TooLarge));
    assert_eq!(peer.take(&request(3)), [Seen::Request(3, 1, true)]);
    assert_eq!(peer.connection.take_fields(BOUNDS).count(), 1);
    assert_eq!(peer.connection.fields().count(), 0);
}

#[test]
fn a_block_that_cannot_be_read_ends_the_connection() {
    check_error(&[frame(HEADERS, WHOLE, 1, &[0x80])], ErrorCode::CompressionError);
}

proptest! {
    #[test]
    fn nothing_that_arrives_is_too_odd_and_its_pieces_do_not_matter(
        frames in prop::collection::vec(
            (0..11_u8, any::<u8>(), 0..12_u32, prop::collection::vec(0x80..0x90_u8, 0..20)), 0..30),
        piece in 1..50_usize,
    ) {
        let input: Vec<u8> = frames
            .iter()
            .flat_map(|(kind, flags, stream, payload)| frame(*kind, *flags, *stream, payload))
            .collect();
        let mut whole = Peer::new();
        let expect = whole.take(&input);
        let (seen, out) = in_pieces(&input, piece);
        prop_assert_eq!(seen, expect);
        prop_assert_eq!(out, whole.out);
    }
}
