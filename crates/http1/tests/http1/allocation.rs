//! What a request costs in memory: nothing, once the connection's head has grown to its requests.

#![expect(clippy::unwrap_used, reason = "a test's own helpers fail as tests do")]

use http1::{BodyDecoder, BodyFraming, HeadWriter, KnownField, Method, RequestHead, ResponseHead};

const REQUEST: &[u8] =
    b"GET /api/profile?fields=name HTTP/1.1\r\nHost: api.example\r\nUser-Agent: demo/1.0\r\n\
    Accept: application/json\r\nAccept-Encoding: gzip, br\r\nCookie: session=0123456789abcdef; theme=dark\r\n\
    Connection: keep-alive, x-secret\r\nX-Secret: 1\r\nX-Trace: 4bf92f3577b34da6\r\n\r\n";

const RESPONSE: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\
    Keep-Alive: timeout=5\r\nSet-Cookie: a=b\r\n\r\n";

#[test]
fn a_connections_second_request_allocates_nothing() {
    let mut request_head = RequestHead::new();
    let mut response_head = ResponseHead::new();
    let mut out = Vec::with_capacity(4096);
    exchange(&mut request_head, &mut response_head, &mut out);
    let cost = allocation_counter::measure(|| {
        for _ in 0..100 {
            exchange(&mut request_head, &mut response_head, &mut out);
        }
    });
    assert_eq!(cost.count_total, 0);
}

/// One request and its response, as an edge relays them.
fn exchange(request_head: &mut RequestHead, response_head: &mut ResponseHead, out: &mut Vec<u8>) {
    out.clear();
    request_head.clear();
    request_head.parse(&REQUEST[..100]).unwrap();
    request_head.parse(REQUEST).unwrap();
    let request = request_head.view(REQUEST);
    assert_eq!(request.host().name, "api.example");
    assert_eq!(request.values(KnownField::Cookie).count(), 1);
    let (method, path, query) = (request.method_name(), request.path(), request.query());
    let mut head = HeadWriter::request(out, method, "/v1", path, query).unwrap();
    for field in request.fields().filter(|field| !request.is_hop_by_hop(field)) {
        head.field(field.name, field.value).unwrap();
    }
    head.finish();

    response_head.clear();
    response_head.parse(RESPONSE, Method::Get).unwrap();
    let response = response_head.view(RESPONSE);
    let mut head = HeadWriter::response(out, response.status()).unwrap();
    for field in response.fields().filter(|field| !response.is_hop_by_hop(field)) {
        head.field(field.name, field.value).unwrap();
    }
    head.transfer_encoding_chunked().unwrap();
    head.finish();

    let mut decoder = BodyDecoder::new(BodyFraming::Chunked);
    assert!(decoder.decode(b"3\r\nabc\r\n0\r\n\r\n").unwrap().done);
}
