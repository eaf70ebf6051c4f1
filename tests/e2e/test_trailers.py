"""What comes before and behind a response: interim responses and trailers, who gets them and what of them."""

import contextlib

import pytest

from harness.http1 import PeerClosed, head_bytes
from harness.origin import once_per_connection

CHUNKED = [("Transfer-Encoding", "chunked"), ("Trailer", "X-Checksum")]
TRAILERS = b"X-Checksum: abc\r\nGrpc-Status: 0\r\n"
# RFC 9110, section 6.5.1; and what would not pass in the head.
FORBIDDEN = (
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\nSet-Cookie: a=1\r\nAuthorization: x\r\n"
    b"Cache-Control: public\r\nContent_Type: text/html\r\nVia: 1.1 inner\r\nX-Cache: Hit from cloudfront\r\n"
)
KEPT = [("x-checksum", "abc"), ("grpc-status", "0")]
TAKES_TRAILERS = [("TE", "trailers")]


def with_trailers(trailers):
    """Answers every request with a body in two chunks and trailers."""

    def script(connection):
        while True:
            connection.read_request()
            connection.send(head_bytes("HTTP/1.1 200 OK", CHUNKED) + b"2\r\nfi\r\n3\r\nrst\r\n")
            connection.send(b"0\r\n" + trailers + b"\r\n")

    return script


def lower(fields):
    return [(name.lower(), value) for name, value in fields]


@pytest.mark.parametrize(
    ("version", "fields"), [("2", []), ("1.1", TAKES_TRAILERS), ("1.1", [("TE", "gzip;q=0.5 , Trailers")])]
)
def test_trailers_pass_to_who_takes_them(front, version, fields):
    origin, viewer = front(with_trailers(FORBIDDEN + TRAILERS))
    with viewer.http2() if version == "2" else viewer.http1() as connection:
        for _ in range(2):
            answer = connection.ask("GET", "/", viewer.with_host(fields))
            assert (answer.body, lower(answer.trailers)) == (b"first", KEPT)
            # Nothing behind the body is ever taken for a part of the head.
            assert not any(name in answer.fields for name in ("x-checksum", "grpc-status", "trailer"))
    assert len(origin.connections) == 1, "trailers ended exactly, so the connection is used again"


@pytest.mark.parametrize("fields", [[], [("TE", "gzip")]])
def test_trailers_do_not_pass_over_http1_unasked(front, fields):
    _, viewer = front(with_trailers(TRAILERS))
    answer = viewer.get(fields=fields)
    assert (answer.body, answer.trailers) == (b"first", [])
    assert answer.raw_body.endswith(b"0\r\n\r\n")


def test_trailers_of_which_none_may_pass_leave_an_ordinary_end(front):
    _, viewer = front(with_trailers(FORBIDDEN))
    for version, fields in (("2", []), ("1.1", TAKES_TRAILERS)):
        answer = viewer.get(fields=fields, version=version)
        assert (answer.body, answer.complete, answer.trailers) == (b"first", True, [])


@pytest.mark.parametrize("trailers", [b"X-A : 1\r\n", b"X-A: 1\n", b" folded\r\n", b"X-A: \0\r\n"])
@pytest.mark.parametrize(("version", "fields"), [("2", []), ("1.1", TAKES_TRAILERS)])
def test_malformed_trailers_are_no_end(front, version, fields, trailers):
    _, viewer = front(with_trailers(trailers))
    answer = viewer.get(fields=fields, version=version)
    # They may come before anything of the response has left.
    assert (answer.status, answer.complete) in {(200, False), (502, True)}
    assert answer.trailers == []


HINT = (
    b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nSet-Cookie: a=1\r\nConnection: close\r\n\r\n"
)


def hinting(interim):
    def answer(connection, request):
        connection.send(interim)
        connection.answer(body=b"final", method=request.method)

    return once_per_connection(answer)


def test_hints_pass_over_http2(front):
    _, viewer = front(hinting(HINT + b"HTTP/1.1 100 Continue\r\n\r\n" + HINT))
    with viewer.http2() as connection:
        stream = connection.open("GET", "/", viewer.with_host())
        assert stream.read_answer().body == b"final"
    assert stream.interim == [(103, [("link", "</a.css>; rel=preload")])] * 2


def test_hints_arrive_before_the_answer_is_there(front):
    answers = []

    def script(connection):
        connection.read_request()
        answers.append(connection)
        connection.send(HINT)
        connection.wait_for_close()

    _, viewer = front(script)
    with viewer.http2() as connection:
        stream = connection.open("GET", "/", viewer.with_host())
        connection.pump_until(lambda: stream.interim)
        assert stream.answer is None
        answers[0].answer(body=b"final")
        assert stream.read_answer().body == b"final"


def test_hints_do_not_pass_over_http1(front):
    """Too many clients take them for the answer (RFC 8297, section 3)."""
    _, viewer = front(hinting(HINT))
    with viewer.http1() as connection:
        connection.send_request("GET", "/", viewer.with_host())
        assert connection.wire.read_head().first_line.startswith("HTTP/1.1 200")


def test_expect_is_answered_over_http2_when_the_origin_is_there(front):
    origin, viewer = front()
    with viewer.http2() as connection:
        fields = [*viewer.with_host(), ("content-length", 4), ("expect", "100-continue")]
        stream = connection.open("POST", "/", fields, end=False)
        connection.pump_until(lambda: stream.interim)
        assert stream.interim == [(100, [])]
        stream.send_body(b"body", end=True)
        assert stream.read_answer().status == 200
    assert (origin.request.body, "expect" in origin.request.fields) == (b"body", False)


def test_expect_is_not_answered_where_the_body_is_not_wanted(mantlet):
    viewer = mantlet.viewer("dnobody.mantlet.localhost")
    with viewer.http2() as connection:
        fields = [*viewer.with_host(), ("content-length", 4), ("expect", "100-continue")]
        stream = connection.open("POST", "/", fields, end=False)
        assert (stream.read_answer().status, stream.interim) == (403, [])


def test_trailers_of_requests_stay_behind(front):
    """They are checked as any field is, and then dropped: no origin expects any, some would merge them."""
    origin, viewer = front()
    fields = viewer.with_host([("Transfer-Encoding", "chunked"), ("Trailer", "X-Injected")])
    with viewer.http1() as connection:
        connection.send(head_bytes("POST / HTTP/1.1", fields) + b"4\r\nbody\r\n0\r\nX-Injected: 1\r\n\r\n")
        assert connection.read_answer().status == 200
        assert connection.ask("GET", "/next", viewer.with_host()).status == 200
    assert [request.body for request in origin.requests] == [b"body", b""]
    assert not any(b"njected" in received for received in origin.received)
    with viewer.http1() as connection:
        origin.requests_may_end_early = True
        connection.send(head_bytes("POST / HTTP/1.1", fields) + b"0\r\nX-Injected : 1\r\n\r\n")
        with contextlib.suppress(PeerClosed):
            assert connection.read_answer().status == 400
