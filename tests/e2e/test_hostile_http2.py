"""Hostile HTTP/2 written frame by frame, in the classes of attack that have broken other shields: whatever
is malformed never reaches an origin, which sees exactly the requests that were sent (RFC 9113, section 8)."""

import re

import pytest

from harness.config import behavior
from harness.frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    block,
    frame,
    literal,
    window_update,
)

# What a refusal may look like: an answer, the stream's reset (section 8.1.1) or the connection's end.
REFUSALS = {400, 403, 405, 414, 494, 501, "reset", "goaway", "closed"}
HOST = b"HOST"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: HOST\r\nCookie: stolen=1\r\n\r\n"


def head(*fields, method=b"GET", scheme=b"https", authority=HOST, path=b"/target"):
    """A request's fields; what is None is left out."""
    pseudo = [(b":method", method), (b":scheme", scheme), (b":authority", authority), (b":path", path)]
    return [field for field in pseudo if field[1] is not None] + list(fields)


REFUSED = {
    # What would end a line in HTTP/1.1 (CVE-2026-42926).
    "crlf-in-a-value": head((b"x-a", b"a\r\nx-injected: 1")),
    "cr-in-a-value": head((b"x-a", b"a\rb")),
    "lf-in-a-value": head((b"x-a", b"a\nx-injected: 1")),
    "nul-in-a-value": head((b"x-a", b"a\0b")),
    "control-character-in-a-value": head((b"x-a", b"a\x01b")),
    "delete-in-a-value": head((b"x-a", b"a\x7fb")),
    "crlf-in-a-name": head((b"x-a: b\r\nx-injected", b"1")),
    "nul-in-a-name": head((b"x\0a", b"1")),
    "colon-in-a-name": head((b"x:a", b"1")),
    "space-in-a-name": head((b"x a", b"1")),
    "space-after-a-name": head((b"x-a ", b"1")),
    "empty-name": head((b"", b"1")),
    "name-beyond-ascii": head((b"x-\xe9", b"1")),
    "upper-case-name": head((b"X-A", b"1")),
    "upper-case-content-length": head((b"Content-Length", b"0")),
    "space-before-a-value": head((b"x-a", b" b")),
    "space-after-a-value": head((b"x-a", b"b ")),
    "tab-before-a-value": head((b"x-a", b"\tb")),
    "crlf-in-a-cookie": head((b"cookie", b"a=b\r\nx-injected: 1")),
    "crlf-in-the-method": head(method=b"GET / HTTP/1.1\r\nx-injected: 1\r\n\r\nGET"),
    "space-in-the-method": head(method=b"GET /smuggled"),
    "nul-in-the-method": head(method=b"GE\0T"),
    "crlf-in-the-path": head(path=b"/target HTTP/1.1\r\nx-injected: 1\r\n\r\nGET /"),
    "space-in-the-path": head(path=b"/target HTTP/1.1 x"),
    "nul-in-the-path": head(path=b"/tar\0get"),
    "delete-in-the-path": head(path=b"/tar\x7fget"),
    "bytes-beyond-ascii-in-the-path": head(path=b"/caf\xc3\xa9"),
    "crlf-in-the-authority": head(authority=b"HOST\r\nx-injected: 1"),
    "crlf-in-the-scheme": head(scheme=b"https\r\nx-injected: 1"),
    # Pseudo-header fields (section 8.3).
    "no-method": head(method=None),
    "no-scheme": head(scheme=None),
    "no-path": head(path=None),
    "neither-authority-nor-host": head(authority=None),
    "empty-method": head(method=b""),
    "empty-path": head(path=b""),
    "empty-authority": head(authority=b""),
    "two-methods": [(b":method", b"GET"), *head()],
    "two-paths": [(b":path", b"/other"), *head()],
    "two-authorities": [(b":authority", b"other.example"), *head()],
    "two-schemes": [(b":scheme", b"https"), *head()],
    "late-pseudo-header": [(b"x-a", b"1"), *head()],
    "pseudo-header-at-the-end": [*head(path=None), (b"x-a", b"1"), (b":path", b"/target")],
    "unknown-pseudo-header": [*head(), (b":secret", b"1")],
    "a-response's-pseudo-header": [*head(), (b":status", b"200")],
    "protocol-without-connect": [*head(), (b":protocol", b"websocket")],
    # Where it goes.
    "other-scheme": head(scheme=b"http"),
    "scheme-nobody-knows": head(scheme=b"ftp"),
    "host-contradicts-authority": head((b"host", b"other.example")),
    "two-hosts": head((b"host", HOST), (b"host", HOST)),
    "two-hosts-without-authority": head((b"host", HOST), (b"host", b"other.example"), authority=None),
    "authority-with-user": head(authority=b"user@HOST"),
    "authority-with-a-path": head(authority=b"HOST/x"),
    "authority-with-a-space": head(authority=b"HOST x"),
    "authority-list": head(authority=b"HOST,HOST"),
    "authority-with-two-ports": head(authority=b"HOST:1"),
    "authority-with-a-bad-port": head(authority=b"NAME:80x"),
    "authority-with-percent": head(authority=b"%48NAME"),
    "host-with-a-bad-port": head((b"host", b"NAME:80x"), authority=None),
    "absolute-form": head(path=b"https://HOST/target"),
    "absolute-form-elsewhere": head(path=b"http://other.example/target"),
    "path-without-slash": head(path=b"target"),
    "authority-as-path": head(path=b"HOST"),
    "star-with-get": head(path=b"*"),
    "broken-percent": head(path=b"/tar%zzget"),
    "percent-nul": head(path=b"/tar%00get"),
    # No path has one (section 8.3.1).
    "fragment": head(path=b"/target#/../smuggled"),
    "backslash-in-the-path": head(path=b"/a\\..\\b"),
    # CONNECT (section 8.5 and RFC 8441).
    "connect": head(method=b"CONNECT", scheme=None, path=None, authority=b"127.0.0.1:22"),
    "connect-with-a-path": head(method=b"CONNECT"),
    "extended-connect": head((b":protocol", b"websocket"), method=b"CONNECT"),
    "extended-connect-elsewhere": head((b":protocol", b"connect-tcp"), method=b"CONNECT"),
    "extended-connect-without-path": head((b":protocol", b"websocket"), method=b"CONNECT", path=None),
    "extended-connect-without-scheme": head((b":protocol", b"websocket"), method=b"CONNECT", scheme=None),
    "extended-connect-twice": head(
        (b":protocol", b"websocket"), (b":protocol", b"websocket"), method=b"CONNECT"
    ),
    "crlf-in-the-protocol": head((b":protocol", b"websocket\r\nx-injected: 1"), method=b"CONNECT"),
    # Fields of a connection (section 8.2.2).
    "connection": head((b"connection", b"close")),
    "connection-nominates": head((b"connection", b"x-forwarded-for")),
    "keep-alive": head((b"keep-alive", b"timeout=5")),
    "proxy-connection": head((b"proxy-connection", b"keep-alive")),
    "upgrade": head((b"upgrade", b"websocket")),
    "transfer-encoding": head((b"transfer-encoding", b"chunked")),
    "te-gzip": head((b"te", b"gzip")),
    "te-trailers-and-gzip": head((b"te", b"trailers, gzip")),
    # Lengths (section 8.1.1).
    "length-without-a-body": head((b"content-length", b"5")),
    "two-lengths": head((b"content-length", b"0"), (b"content-length", b"5")),
    "two-lengths-in-one": head((b"content-length", b"0, 0")),
    "negative-length": head((b"content-length", b"-1")),
    "signed-length": head((b"content-length", b"+0")),
    "hexadecimal-length": head((b"content-length", b"0x0")),
    "empty-length": head((b"content-length", b"")),
    "length-beyond-64-bits": head((b"content-length", b"18446744073709551616")),
    "length-with-underscore": head((b"content_length", b"5")),
}


def addressed(fields, viewer):
    host, name = viewer.host.encode(), viewer.domain.encode()
    return [(key, value.replace(HOST, host).replace(b"NAME", name)) for key, value in fields]


@pytest.mark.parametrize("name", REFUSED)
def test_a_malformed_request_never_reaches_the_origin(viewer, origin, name):
    with viewer.frames() as connection:
        fields = block(addressed(REFUSED[name], viewer))
        connection.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, fields))
        assert connection.outcome(1) in REFUSALS
    assert viewer.get("/next").status == 200
    assert [request.target for request in origin.requests] == ["/next"]
    assert not any(b"injected" in received or b"smuggled" in received for received in origin.received)


@pytest.mark.parametrize(
    "name", ["no-method", "connection", "space-before-a-value", "host-contradicts-authority"]
)
def test_a_malformed_request_does_not_end_its_neighbours(viewer, origin, name):
    """Section 8.1.1: it is the stream's error alone."""
    with viewer.frames() as connection:
        connection.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, block(addressed(REFUSED[name], viewer))))
        assert connection.outcome(1) in {400, "reset"}
        connection.send(frame(HEADERS, END_HEADERS | END_STREAM, 3, block(addressed(head(), viewer))))
        assert connection.outcome(3) == 200
    assert origin.request.target == "/target"


# Bodies: the origin must not see an end that the viewer's length contradicts (CVE-2026-90678).

LENGTHS = {"longer": (5, [b"hello!"]), "longer-later": (5, [b"hel", b"lo!"]), "shorter": (5, [b"hel"])}


@pytest.mark.parametrize("case", LENGTHS)
def test_invariant_4_a_body_that_is_not_as_long_as_declared_never_ends_at_the_origin(viewer, origin, case):
    origin.requests_may_end_early = True
    length, parts = LENGTHS[case]
    with viewer.frames() as connection:
        fields = head((b"content-length", b"%d" % length), method=b"POST")
        connection.send(frame(HEADERS, END_HEADERS, 1, block(addressed(fields, viewer))))
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            connection.send(frame(DATA, END_STREAM if last else 0, 1, part))
        assert connection.outcome(1) in {400, "reset", "goaway"}
    # Its connection is not used again: the next request comes over another one.
    assert viewer.get("/next").status == 200
    assert [request.target for request in origin.requests] == ["/next"]
    for received in origin.received:
        if received.startswith(b"POST"):
            assert len(received.partition(b"\r\n\r\n")[2]) < length
            assert b"/next" not in received


def test_a_body_of_exactly_its_length_is_framed_by_it(viewer, origin):
    body = SMUGGLED.replace(HOST, viewer.host.encode())
    with viewer.frames() as connection:
        fields = head((b"content-length", b"%d" % len(body)), method=b"POST")
        connection.send(frame(HEADERS, END_HEADERS, 1, block(addressed(fields, viewer))))
        for byte in range(len(body)):
            connection.send(frame(DATA, 0, 1, body[byte : byte + 1]))
        connection.send(frame(DATA, END_STREAM, 1))
        assert connection.outcome(1) == 200
    assert viewer.get("/next").status == 200
    assert [(request.target, request.raw_body) for request in origin.requests] == [
        ("/target", body),
        ("/next", b""),
    ]
    assert origin.requests[0].fields.all("content-length") == [str(len(body))]
    assert "transfer-encoding" not in origin.requests[0].fields


def test_a_body_of_unknown_length_is_chunked_and_nothing_else(viewer, origin):
    """What looks like chunks and requests within it stays body."""
    body = b"0\r\n\r\n" + SMUGGLED.replace(HOST, viewer.host.encode())
    with viewer.frames() as connection:
        connection.send(frame(HEADERS, END_HEADERS, 1, block(addressed(head(method=b"POST"), viewer))))
        connection.send(frame(DATA, END_STREAM, 1, body))
        assert connection.outcome(1) == 200
    assert origin.request.body == body
    assert origin.request.raw_body == b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


def test_trailers_do_not_reach_the_origin(viewer, origin):
    """They would be fields that nothing has checked."""
    with viewer.frames() as connection:
        connection.send(frame(HEADERS, END_HEADERS, 1, block(addressed(head(method=b"POST"), viewer))))
        connection.send(frame(DATA, 0, 1, b"body"))
        trailers = block([(b"x-injected", b"1"), (b"content-length", b"4")])
        connection.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, trailers))
        assert connection.outcome(1) == 200
    assert origin.request.raw_body == b"4\r\nbody\r\n0\r\n\r\n"
    assert not any(b"injected" in received for received in origin.received)


@pytest.mark.parametrize(
    "trailers",
    [
        [(b"connection", b"close")],
        [(b"x-a", b"a\r\nb: c")],
        # Section 8.1.
        [(b":path", b"/smuggled")],
    ],
    ids=["of-a-connection", "crlf", "pseudo-header"],
)
def test_malformed_trailers_are_no_end(viewer, origin, trailers):
    origin.requests_may_end_early = True
    with viewer.frames() as connection:
        connection.send(frame(HEADERS, END_HEADERS, 1, block(addressed(head(method=b"POST"), viewer))))
        connection.send(frame(DATA, 0, 1, b"body"))
        connection.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, block(trailers)))
        assert connection.outcome(1) in {400, "reset", "goaway"}
    assert origin.requests == []


def test_invariant_1_the_head_is_written_anew(viewer, origin):
    """One field a line, one Host that is the authority, crumbs of Cookie in one field (section 8.2.3)."""
    fields = head(
        (b"cookie", b"a=1"), (b"x-a", b"1"), (b"cookie", b"b=2"), (b"te", b"trailers"), (b"host", HOST)
    )
    with viewer.frames() as connection:
        connection.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, block(addressed(fields, viewer))))
        assert connection.outcome(1) == 200
    lines = origin.request.raw_head.split(b"\r\n")
    assert lines[0] == b"GET /target HTTP/1.1"
    for line in lines[1:-2]:
        assert re.fullmatch(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [^\s](.*[^\s])?", line), line
    assert origin.request.fields.all("host") == [viewer.host]
    assert origin.request.fields.all("cookie") == ["a=1; b=2"]
    assert "te" not in origin.request.fields


def test_a_head_in_pieces_is_the_same_head(viewer, origin):
    encoded = block(addressed(head((b"x-a", b"b" * 50)), viewer))
    pieces = [encoded[at : at + 80] for at in range(0, len(encoded), 80)]
    with viewer.frames() as connection:
        connection.send(frame(HEADERS, END_STREAM, 1, pieces[0]))
        for number, piece in enumerate(pieces[1:], 2):
            connection.send(frame(CONTINUATION, END_HEADERS if number == len(pieces) else 0, 1, piece))
        assert connection.outcome(1) == 200
    assert origin.request.fields.get("x-a") == "b" * 50


@pytest.mark.parametrize(
    "between",
    [
        frame(HEADERS, END_HEADERS | END_STREAM, 3, literal(b":method", b"GET")),
        frame(DATA, 0, 1, b"x"),
        window_update(0, 1),
        frame(CONTINUATION, END_HEADERS, 3, b""),
    ],
    ids=["headers", "data", "window-update", "other-stream"],
)
def test_nothing_comes_between_the_pieces_of_a_head(viewer, origin, between):
    """Section 6.10."""
    encoded = block(addressed(head(), viewer))
    with viewer.frames() as connection:
        connection.send(frame(HEADERS, END_STREAM, 1, encoded[:10]) + between)
        connection.send(frame(CONTINUATION, END_HEADERS, 1, encoded[10:]))
        assert connection.outcome(1) in {"goaway", "closed"}
    assert origin.requests == []


# The edge answers itself, and a body is left unread (CVE-2025-4366).


@pytest.mark.parametrize("method", [b"POST", b"GET"])
def test_an_early_answer_leaves_the_connection_right(front, method):
    origin, viewer = front(default=behavior(methods=["GET", "HEAD"]))
    body = SMUGGLED.replace(HOST, viewer.host.encode())
    with viewer.frames() as connection:
        connection.send(frame(HEADERS, END_HEADERS, 1, block(addressed(head(method=method), viewer))))
        connection.send(frame(DATA, 0, 1, body))
        assert connection.outcome(1) == 403
        connection.send(frame(DATA, END_STREAM, 1, body))
        connection.send(frame(HEADERS, END_HEADERS | END_STREAM, 3, block(addressed(head(), viewer))))
        assert connection.outcome(3) == 200
    assert [request.target for request in origin.requests] == ["/target"]
    assert not any(b"smuggled" in received for received in origin.received)
