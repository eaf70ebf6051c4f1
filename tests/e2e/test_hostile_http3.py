"""Hostile HTTP/3, frame by frame: what is malformed never reaches an origin and is refused as RFC 9114 and
RFC 9204 say; what costs more than it is worth ends the connection."""

import itertools
import socket
import time

import pytest

from harness.config import api_distribution, origin_at
from harness.http1 import PeerClosed
from harness.mantlet import Mantlet
from harness.quic import (
    CANCEL_PUSH,
    CLOSED_CRITICAL_STREAM,
    CONTROL,
    DATA,
    DECODER,
    DECODER_STREAM_ERROR,
    DECOMPRESSION_FAILED,
    ENCODER,
    ENCODER_STREAM_ERROR,
    EXCESSIVE_LOAD,
    FRAME_ERROR,
    FRAME_UNEXPECTED,
    GOAWAY,
    GREASE,
    HEADERS,
    ID_ERROR,
    MAX_PUSH_ID,
    MISSING_SETTINGS,
    PUSH,
    PUSH_PROMISE,
    REQUEST_INCOMPLETE,
    SETTINGS,
    SETTINGS_ERROR,
    STREAM_CREATION_ERROR,
    QuicViewer,
    frame,
    section,
    varint,
)
from harness.waiting import wait_until
from test_hostile_http2 import REFUSED, SMUGGLED, addressed, head


@pytest.fixture(scope="module")
def mantlet(tmp_path_factory):
    with Mantlet(tmp_path_factory.mktemp("http3") / "data", "--edge-threads", "1") as mantlet:
        yield mantlet
        assert mantlet.process.poll() is None, f"mantlet exited during the tests: {mantlet.log()}"


@pytest.fixture
def viewer(mantlet, origin):
    return mantlet.create(api_distribution(origin_at(origin.port), HttpVersion="http2and3")).viewer


def connected(viewer, **options):
    return QuicViewer(viewer.mantlet.https, viewer.domain, viewer.mantlet.ca, **options).connect()


@pytest.fixture
def quic(viewer):
    with connected(viewer) as quic:
        yield quic


# Requests: the same cases as over HTTP/2, refused in the same way.


def test_a_malformed_request_never_reaches_the_origin_nor_ends_its_neighbours(viewer, origin, quic):
    for name, fields in REFUSED.items():
        outcome = quic.outcome(quic.send_request(addressed(fields, viewer)))
        assert outcome in {400, 403, 405, 414, 431, 494, 501}, name
    assert quic.outcome(quic.send_request(addressed(head(path=b"/next"), viewer))) == 200
    assert [request.target for request in origin.requests] == ["/next"]
    assert not any(b"injected" in received or b"smuggled" in received for received in origin.received)


LENGTHS = {"longer": (5, [b"hello!"]), "longer-later": (5, [b"hel", b"lo!"]), "shorter": (5, [b"hel"])}


@pytest.mark.parametrize("case", LENGTHS)
def test_invariant_4_a_body_that_is_not_as_long_as_declared_never_ends_at_the_origin(
    viewer, origin, quic, case
):
    origin.requests_may_end_early = True
    length, parts = LENGTHS[case]
    fields = addressed(head((b"content-length", b"%d" % length), method=b"POST"), viewer)
    number = quic.send_request(fields, end=False)
    for last, part in zip([*[False] * (len(parts) - 1), True], parts):
        quic.send(number, frame(DATA, part), end=last)
    assert quic.outcome(number) == 400
    assert quic.outcome(quic.send_request(addressed(head(path=b"/next"), viewer))) == 200
    assert [request.target for request in origin.requests] == ["/next"]
    for received in origin.received:
        if received.startswith(b"POST"):
            assert len(received.partition(b"\r\n\r\n")[2]) < length


def test_what_looks_like_a_request_stays_body(viewer, origin, quic):
    body = b"0\r\n\r\n" + SMUGGLED.replace(b"HOST", viewer.host.encode())
    assert quic.outcome(quic.send_request(addressed(head(method=b"POST"), viewer), body)) == 200
    assert origin.request.body == body
    assert origin.request.raw_body == b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


def test_trailers_do_not_become_a_head(viewer, origin, quic):
    data = frame(HEADERS, section(addressed(head(method=b"POST"), viewer))) + frame(DATA, b"body")
    trailers = frame(HEADERS, section([(b"x-injected", b"1"), (b"content-length", b"9")]))
    assert quic.outcome(quic.begin(data + trailers, end=True)) == 200
    assert origin.request.body == b"body"
    assert "x-injected" not in origin.request.fields
    assert "content-length" not in origin.request.fields


@pytest.mark.parametrize("trailers", [(b":path", b"/smuggled"), (b"X-A", b"1"), (b"x-a", b"a\r\nb: c")])
def test_malformed_trailers_are_no_end(viewer, origin, quic, trailers):
    origin.requests_may_end_early = True
    data = frame(HEADERS, section(addressed(head(method=b"POST"), viewer))) + frame(DATA, b"body")
    assert quic.outcome(quic.begin(data + frame(HEADERS, section([trailers])), end=True)) == 400
    assert origin.requests == []


def test_a_head_is_bounded(viewer, origin, quic):
    fields = addressed(head(), viewer)
    assert quic.outcome(quic.send_request([*fields, (b"x-a", b"a" * 40_000)])) == 494
    assert quic.outcome(quic.send_request([*fields, *[(b"x-a", b"a")] * 300])) == 494
    # By its frame's length, before it has come.
    assert quic.outcome(quic.begin(varint(HEADERS) + varint(1 << 30))) == 494
    # content-security-policy with its value, from two bytes.
    assert quic.outcome(quic.begin(frame(HEADERS, b"\0\0" + b"\xff\x16" * 1000), end=True)) == 494
    assert quic.outcome(quic.send_request(fields)) == 200
    assert len(origin.requests) == 1


def test_a_request_that_is_none_is_incomplete(viewer, origin, quic):
    for data in (b"", frame(GREASE, b"x")):
        assert quic.outcome(quic.begin(data, end=True)) == ("reset", REQUEST_INCOMPLETE)
    assert quic.closed is None


# Frames on a request's stream.

TRAILERS = frame(HEADERS, section([(b"x-a", b"1")]))


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda get: frame(DATA, b"x"), FRAME_UNEXPECTED),
        (lambda get: get + TRAILERS + TRAILERS, FRAME_UNEXPECTED),
        (lambda get: get + TRAILERS + frame(DATA, b"x"), FRAME_UNEXPECTED),
        (lambda get: frame(SETTINGS), FRAME_UNEXPECTED),
        (lambda get: get + frame(GOAWAY, b"\0"), FRAME_UNEXPECTED),
        (lambda get: get + frame(MAX_PUSH_ID, b"\0"), FRAME_UNEXPECTED),
        (lambda get: frame(CANCEL_PUSH, b"\0"), FRAME_UNEXPECTED),
        (lambda get: get + frame(PUSH_PROMISE, b"\0\0\0"), FRAME_UNEXPECTED),
        # Types of HTTP/2 (section 7.2.8).
        *[(lambda get, kind=kind: frame(kind), FRAME_UNEXPECTED) for kind in (2, 6, 8, 9)],
        (lambda get: get[:-1], FRAME_ERROR),
        (lambda get: get + varint(DATA) + varint(5) + b"x", FRAME_ERROR),
        (lambda get: get + varint(DATA), FRAME_ERROR),
        # QPACK (RFC 9204): the dynamic table, indexes beyond the static one, what is cut off.
        (lambda get: frame(HEADERS, b"\1\0\xd1"), DECOMPRESSION_FAILED),
        (lambda get: frame(HEADERS, b"\0\x80\xd1"), DECOMPRESSION_FAILED),
        (lambda get: frame(HEADERS, b"\0\0\x80"), DECOMPRESSION_FAILED),
        (lambda get: frame(HEADERS, b"\0\0\x10"), DECOMPRESSION_FAILED),
        (lambda get: frame(HEADERS, b"\0\0\xff\x24"), DECOMPRESSION_FAILED),
        (
            lambda get: frame(HEADERS, b"\0\0\x27\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
            DECOMPRESSION_FAILED,
        ),
        (lambda get: frame(HEADERS, b"\0\0\x51\x81\xff"), DECOMPRESSION_FAILED),
        (lambda get: frame(HEADERS, b""), DECOMPRESSION_FAILED),
        (lambda get: get + frame(HEADERS, b"\1\0"), DECOMPRESSION_FAILED),
    ],
)
def test_what_breaks_a_requests_stream_ends_the_connection(viewer, origin, quic, make, code):
    origin.requests_may_end_early = True
    fields = addressed(head(method=b"POST"), viewer)
    quic.begin(make(frame(HEADERS, section(fields))), end=True)
    assert quic.closed_with() == code


# Streams in one direction.


@pytest.mark.parametrize(
    ("streams", "code"),
    [
        ([(CONTROL, frame(GOAWAY, b"\0"))], MISSING_SETTINGS),
        ([(CONTROL, frame(GREASE))], MISSING_SETTINGS),
        ([(CONTROL, frame(SETTINGS) + frame(SETTINGS))], FRAME_UNEXPECTED),
        ([(CONTROL, frame(SETTINGS) + frame(DATA, b"x"))], FRAME_UNEXPECTED),
        ([(CONTROL, frame(SETTINGS) + frame(HEADERS, b"\0\0"))], FRAME_UNEXPECTED),
        ([(CONTROL, frame(SETTINGS) + frame(6, b"12345678"))], FRAME_UNEXPECTED),
        *[([(CONTROL, frame(SETTINGS, bytes([reserved, 0])))], SETTINGS_ERROR) for reserved in (2, 3, 4, 5)],
        ([(CONTROL, frame(SETTINGS, b"\6\1\6\2"))], SETTINGS_ERROR),
        ([(CONTROL, frame(SETTINGS, b"\6"))], FRAME_ERROR),
        ([(CONTROL, varint(SETTINGS) + varint(1 << 20))], EXCESSIVE_LOAD),
        ([(CONTROL, frame(SETTINGS) + frame(MAX_PUSH_ID, b"\5") + frame(MAX_PUSH_ID, b"\4"))], ID_ERROR),
        ([(CONTROL, frame(SETTINGS) + frame(CANCEL_PUSH, b"\0"))], ID_ERROR),
        ([(CONTROL, frame(SETTINGS) + frame(GOAWAY, b"\0\0"))], FRAME_ERROR),
        ([(CONTROL, frame(SETTINGS)), (CONTROL, frame(SETTINGS))], STREAM_CREATION_ERROR),
        ([(ENCODER, b""), (ENCODER, b"")], STREAM_CREATION_ERROR),
        ([(PUSH, b"\0")], STREAM_CREATION_ERROR),
        ([(ENCODER, b"\x3f\xe1\x1f")], ENCODER_STREAM_ERROR),
        ([(ENCODER, b"\xc0\1a")], ENCODER_STREAM_ERROR),
        ([(DECODER, b"\x80")], DECODER_STREAM_ERROR),
        ([(DECODER, b"\1")], DECODER_STREAM_ERROR),
    ],
)
def test_what_breaks_a_stream_in_one_direction_ends_the_connection(viewer, streams, code):
    with connected(viewer, settings=None) as quic:
        for kind, data in streams:
            quic.open(kind, data)
        assert quic.closed_with() == code


@pytest.mark.parametrize("kind", [CONTROL, ENCODER, DECODER])
def test_a_stream_that_must_stay_is_not_closed(viewer, kind):
    with connected(viewer, settings=None) as quic:
        quic.open(kind, frame(SETTINGS) if kind == CONTROL else b"", end=True)
        assert quic.closed_with() == CLOSED_CRITICAL_STREAM
    with connected(viewer, settings=None) as quic:
        number = quic.open(kind, frame(SETTINGS) if kind == CONTROL else b"")
        quic.outcome(quic.send_request(addressed(head(), viewer)))
        quic.reset(number)
        assert quic.closed_with() == CLOSED_CRITICAL_STREAM


def test_what_qpack_may_say_without_a_table_is_taken(viewer, quic):
    quic.open(ENCODER, b"\x20")
    quic.open(DECODER, b"\x40\x41")
    assert quic.outcome(quic.send_request(addressed(head(), viewer))) == 200


def test_a_stream_that_nobody_knows_is_not_wanted(viewer, quic):
    number = quic.open(GREASE, b"anything")
    quic.pump_until(lambda: quic.stream(number).stop_code is not None)
    assert quic.stream(number).stop_code == STREAM_CREATION_ERROR
    assert quic.outcome(quic.send_request(addressed(head(), viewer))) == 200


# Floods.


def test_resets_without_end_end_the_connection(viewer, origin, quic):
    """The rapid reset attack (CVE-2023-44487)."""
    origin.requests_may_end_early = True
    fields = addressed(head(), viewer)
    for _ in range(2000):
        number = quic.send_request(fields, end=False)
        quic.quic.stop_stream(number, 0x10C)
        quic.reset(number)
        if quic.closed is not None:
            break
        quic.pump_until(
            lambda number=number: quic.closed or number // 4 + 1 < quic.quic._remote_max_streams_bidi
        )
    assert quic.closed_with() == EXCESSIVE_LOAD


@pytest.mark.parametrize("where", ["control", "request", "empty-data"])
def test_frames_that_carry_nothing_have_an_end(viewer, origin, quic, where):
    origin.requests_may_end_early = True
    if where == "control":
        number, idle = quic.control, frame(GREASE)
    else:
        number = quic.send_request(addressed(head(method=b"POST"), viewer), b"x", end=False)
        idle = frame(DATA) if where == "empty-data" else frame(GREASE)
    for _ in range(20):
        if quic.closed is None:
            quic.send(number, idle * 500)
            quic.pump_until(lambda: True)
    assert quic.closed_with() == EXCESSIVE_LOAD


def test_streams_beyond_the_limit_wait(viewer, quic):
    """QUIC itself holds them back (RFC 9000, section 4.6): 128, as in HTTP/2."""
    assert quic.quic._remote_max_streams_bidi == 128
    assert quic.quic._remote_max_streams_uni == 8


def test_under_load_viewers_prove_their_address_first(viewer):
    """Retry (RFC 9000, section 8.1.2): whoever only pretends to be somewhere gets no handshake."""
    name, mantlet = viewer.domain, viewer.mantlet
    pretenders = [QuicViewer(mantlet.https, name, mantlet.ca) for _ in range(80)]
    for pretender in pretenders:
        pretender.quic.connect(mantlet.https, now=time.monotonic())
        pretender.flush()
    with connected(viewer) as quic:
        assert quic.quic._retry_source_connection_id is not None
        assert quic.outcome(quic.send_request(addressed(head(), viewer))) == 200
    for pretender in pretenders:
        pretender.sock.close()


def test_connections_of_one_address_are_counted_with_those_over_tcp(tmp_path, origin):
    with Mantlet(tmp_path / "data", "--address-connections-max", "2") as mantlet:
        viewer = mantlet.create(api_distribution(origin_at(origin.port), HttpVersion="http3")).viewer
        with connected(viewer), viewer.http1(), pytest.raises(PeerClosed, match="0x2"):
            connected(viewer)
        with connected(viewer) as quic:
            assert quic.outcome(quic.send_request(addressed(head(), viewer))) == 200


def test_garbage_means_nothing(viewer, origin):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(viewer.mantlet.https)
        for first, length in itertools.product((0x00, 0x40, 0x80, 0xC0, 0xFF), (1, 5, 20, 1200)):
            sock.send((bytes([first]) + b"\0\0\0\1\x0d" + b"\xaa" * length)[:length])
    with connected(viewer) as quic:
        assert quic.outcome(quic.send_request(addressed(head(), viewer))) == 200


def test_nothing_is_answered_in_another_version(viewer):
    """Version negotiation (RFC 9000, section 6) offers version 1 alone."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        sock.connect(viewer.mantlet.https)
        sock.send(b"\xc0\x1a\x2a\x3a\x4a\x08abcdefgh\x08ijklmnop".ljust(1200, b"\0"))
        answer = sock.recv(2000)
    assert answer[1:5] == b"\0\0\0\0"
    versions = [answer[at : at + 4] for at in range(7 + 16, len(answer), 4)]
    assert b"\0\0\0\1" in versions
    assert all(version == b"\0\0\0\1" or version[0] & 0xF == 0xA for version in versions)


def test_misconduct_is_counted(viewer, quic):
    before = ended(viewer.mantlet)
    quic.begin(frame(DATA, b"x"))
    quic.closed_with()
    wait_until(lambda: ended(viewer.mantlet) == before + 1, "the counter")


def ended(mantlet):
    with socket.create_connection(mantlet.api) as sock:
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        page = b"".join(iter(lambda: sock.recv(65536), b"")).decode()
    lines = [line for line in page.splitlines() if "http3_connections_ended" in line and "protocol" in line]
    return sum(int(line.rpartition(" ")[2]) for line in lines)
