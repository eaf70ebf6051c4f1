"""Hostile HTTP/1.1 at the socket, in the classes of attack that have broken other shields: whatever is
ambiguous gets 400 and the connection's end, and the origin sees exactly the requests that were sent."""

import re

import pytest

from harness.config import METHODS, behavior
from harness.http1 import PeerClosed, chunk, head_bytes
from harness.origin import once_per_connection

HOST = b"HOST"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: HOST\r\nCookie: stolen=1\r\n\r\n"


def post(*lines, body=b""):
    """A POST with field lines exactly as given."""
    return b"\r\n".join([b"POST /target HTTP/1.1", b"Host: HOST", *lines]) + b"\r\n\r\n" + body


def get(*lines, first=b"GET /target HTTP/1.1"):
    return b"\r\n".join([first, *lines]) + b"\r\n\r\n"


def chunked(body):
    return post(b"Transfer-Encoding: chunked", body=body)


REFUSED = {
    # Two ways to tell where the body ends.
    "length-and-chunked": post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "chunked-and-length": post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n"),
    "two-lengths": post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello!"),
    "two-lengths-in-one": post(b"Content-Length: 5, 6", body=b"hello!"),
    "negative-length": post(b"Content-Length: -1"),
    "signed-length": post(b"Content-Length: +5", body=b"hello"),
    "hexadecimal-length": post(b"Content-Length: 0x5", body=b"hello"),
    "fractional-length": post(b"Content-Length: 5.0", body=b"hello"),
    "empty-length": post(b"Content-Length:"),
    "length-with-a-space": post(b"Content-Length: 1 0", body=b"0123456789"),
    "length-beyond-64-bits": post(b"Content-Length: 18446744073709551621", body=b"hello"),
    "length-with-underscore": post(b"Content-Length: 1_0", body=b"0123456789"),
    # Transfer codings.
    "unknown-coding": post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    "identity-coding": post(b"Transfer-Encoding: identity", body=b"0\r\n\r\n"),
    "chunked-is-not-last": post(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"),
    "gzip-then-chunked": post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"),
    "chunked-twice": post(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n"),
    "two-coding-fields": post(
        b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=b"0\r\n\r\n"
    ),
    "quoted-coding": post(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n"),
    "coding-with-vertical-tab": post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"),
    "empty-coding": post(b"Transfer-Encoding:", body=b"0\r\n\r\n"),
    "coding-in-http-1.0": get(*(b"Host: HOST", b"Transfer-Encoding: chunked"), first=b"POST /target HTTP/1.0")
    + b"0\r\n\r\n",
    # Chunks.
    "chunk-size-not-hexadecimal": chunked(b"g\r\n0\r\n\r\n"),
    "chunk-size-with-prefix": chunked(b"0x1\r\na\r\n0\r\n\r\n"),
    "chunk-size-negative": chunked(b"-1\r\n\r\n"),
    "chunk-size-empty": chunked(b"\r\na\r\n0\r\n\r\n"),
    "chunk-size-beyond-64-bits": chunked(b"10000000000000001\r\na\r\n0\r\n\r\n"),
    "chunk-size-behind-space": chunked(b" 1\r\na\r\n0\r\n\r\n"),
    "chunk-size-line-with-bare-lf": chunked(b"1\na\r\n0\r\n\r\n"),
    "chunk-longer-than-its-size": chunked(b"1\r\nab\r\n0\r\n\r\n"),
    "chunk-ends-with-bare-lf": chunked(b"1\r\na\n0\r\n\r\n"),
    "chunk-extension-with-bare-lf": chunked(b"1;a\nb\r\na\r\n0\r\n\r\n"),
    "chunk-extension-with-bare-cr": chunked(b"1;a\rb\r\na\r\n0\r\n\r\n"),
    "chunk-extension-too-long": chunked(b"1;" + b"x" * 100_000 + b"\r\na\r\n0\r\n\r\n"),
    "trailer-without-colon": chunked(b"0\r\nbroken\r\n\r\n"),
    "trailers-without-end": chunked(b"0\r\n" + b"X: y\r\n" * 20_000),
    # Lines and fields.
    "bare-lf-lines": b"GET /target HTTP/1.1\nHost: HOST\n\n",
    "bare-lf-in-a-field-line": get(b"Host: HOST", b"X: a\nY: b"),
    "bare-cr-in-a-value": get(b"Host: HOST", b"X: a\rY: b"),
    "nul-in-a-value": get(b"Host: HOST", b"X: a\0b"),
    "nul-in-a-name": get(b"Host: HOST", b"X\0: a"),
    "control-character-in-a-value": get(b"Host: HOST", b"X: a\x01b"),
    "delete-in-a-value": get(b"Host: HOST", b"X: a\x7fb"),
    "space-before-colon": get(b"Host: HOST", b"X : a"),
    "tab-before-colon": get(b"Host: HOST", b"X\t: a"),
    "space-in-a-name": get(b"Host: HOST", b"X Y: a"),
    "no-colon": get(b"Host: HOST", b"broken"),
    "empty-name": get(b"Host: HOST", b": a"),
    "name-beyond-ascii": get(b"Host: HOST", b"X\xe9: a"),
    "parenthesis-in-a-name": get(b"Host: HOST", b"X(a): a"),
    "folded-line": get(b"Host: HOST", b"X: a", b" folded"),
    "tab-folded-line": get(b"Host: HOST", b"X: a", b"\tfolded"),
    "folded-first-line": get(b" Host: HOST", b"X: a"),
    "folded-coding": post(b"Transfer-Encoding:", b" chunked", body=b"0\r\n\r\n"),
    # Host.
    "no-host": get(b"X: a"),
    "two-hosts": get(b"Host: HOST", b"Host: HOST"),
    "two-different-hosts": get(b"Host: HOST", b"Host: other.example"),
    "empty-host": get(b"Host:"),
    "host-with-a-path": get(b"Host: HOST/x"),
    "host-with-user": get(b"Host: user@HOST"),
    "host-with-a-space": get(b"Host: HOST other"),
    "host-list": get(b"Host: HOST, HOST"),
    "host-with-a-bad-port": get(b"Host: HOST:80x"),
    "host-with-two-ports": get(b"Host: HOST:80:80"),
    "host-with-percent": get(b"Host: %48OST"),
    "host-with-backslash": get(b"Host: HOST\\.evil"),
    "host-differs-from-absolute-form": get(b"Host: other.example", first=b"GET http://HOST/ HTTP/1.1"),
    # The first line.
    "no-version": b"GET /target\r\nHost: HOST\r\n\r\n",
    "version-in-lower-case": get(b"Host: HOST", first=b"GET /target http/1.1"),
    "version-with-a-zero": get(b"Host: HOST", first=b"GET /target HTTP/01.1"),
    "two-spaces": get(b"Host: HOST", first=b"GET  /target HTTP/1.1"),
    "space-in-target": get(b"Host: HOST", first=b"GET /tar get HTTP/1.1"),
    "tab-for-space": get(b"Host: HOST", first=b"GET\t/target\tHTTP/1.1"),
    "trailing-space": get(b"Host: HOST", first=b"GET /target HTTP/1.1 "),
    "leading-space": get(b"Host: HOST", first=b" GET /target HTTP/1.1"),
    "empty-target": get(b"Host: HOST", first=b"GET  HTTP/1.1"),
    "target-without-slash": get(b"Host: HOST", first=b"GET target HTTP/1.1"),
    "target-with-nul": get(b"Host: HOST", first=b"GET /tar\0get HTTP/1.1"),
    "target-with-fragment": get(b"Host: HOST", first=b"GET /target#part HTTP/1.1"),
    "target-beyond-ascii": get(b"Host: HOST", first=b"GET /caf\xe9 HTTP/1.1"),
    "broken-percent": get(b"Host: HOST", first=b"GET /tar%zzget HTTP/1.1"),
    "percent-nul": get(b"Host: HOST", first=b"GET /tar%00get HTTP/1.1"),
    "backslash-in-path": get(b"Host: HOST", first=b"GET /a\\..\\b HTTP/1.1"),
    "star-with-get": get(b"Host: HOST", first=b"GET * HTTP/1.1"),
    "authority-with-get": get(b"Host: HOST", first=b"GET HOST:443 HTTP/1.1"),
    "method-with-colon": get(b"Host: HOST", first=b"GE:T /target HTTP/1.1"),
    "empty-method": get(b"Host: HOST", first=b" /target HTTP/1.1"),
    "tls-on-top-of-tls": b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"\0" * 160 + b"\r\n\r\n",
}


@pytest.mark.parametrize("name", REFUSED)
def test_invariant_2_ambiguity_is_400_and_the_end(viewer, origin, name):
    origin.requests_may_end_early = True
    with viewer.http1() as connection:
        # The smuggled request behind it must not be answered, let alone forwarded.
        connection.send(addressed(REFUSED[name], viewer) + addressed(SMUGGLED, viewer))
        answer = connection.read_answer()
        assert answer.status == 400
        assert connection.closed_within()
    assert origin.requests == []
    assert not any(b"smuggled" in received for received in origin.received)


@pytest.mark.parametrize("name", REFUSED)
def test_invariant_2_ambiguity_does_not_poison_the_connection_to_the_origin(viewer, origin, name):
    """The next viewer gets its own answer, from a connection that carries its request alone."""
    origin.requests_may_end_early = True
    with viewer.http1() as connection:
        connection.send(addressed(REFUSED[name], viewer))
    assert viewer.get("/next").status == 200
    assert [request.target for request in origin.requests] == ["/next"]


@pytest.mark.parametrize(
    "message",
    [
        get(b"Host: HOST", first=b"GET /target HTTP/0.9"),
        get(b"Host: HOST", first=b"GET /target HTTP/2.0"),
        get(b"Host: HOST", first=b"GET /target HTTP/3"),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_another_version_is_refused(viewer, origin, message):
    with viewer.http1() as connection:
        connection.send(addressed(message, viewer))
        assert connection.read_answer().status in (400, 505)
        assert connection.closed_within()
    assert origin.requests == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_too_long_a_url_is_414(viewer, origin, scheme):
    with viewer.http1(scheme) as connection:
        connection.send(head_bytes(f"GET /{'x' * 40_000} HTTP/1.1", viewer.with_host()))
        assert connection.read_answer().status in (400, 414, 494)
        assert connection.closed_within()
    assert origin.requests == []


def test_too_large_a_head_is_refused_before_it_ends(viewer, origin):
    with viewer.http1() as connection:
        connection.send(head_bytes("GET / HTTP/1.1", viewer.with_host())[:-2])
        connection.send(b"X-Pad: " + b"x" * 1000 + b"\r\n")
        for _ in range(100):
            try:
                connection.send(b"X-Pad: " + b"x" * 1000 + b"\r\n")
            except (BrokenPipeError, ConnectionResetError):
                break
        assert connection.read_answer().status in (400, 494)
    assert origin.requests == []


# Bytes that must come out exactly.


def test_pipelined_requests_are_answered_in_order(viewer, origin):
    with viewer.http1() as connection:
        requests = b"".join(
            head_bytes(f"POST /{number} HTTP/1.1", viewer.with_host([("Content-Length", "1")]))
            + b"%d" % number
            for number in range(5)
        )
        connection.send(requests)
        assert [connection.read_answer().status for _ in range(5)] == [200] * 5
    assert [(request.target, request.body) for request in origin.requests] == [
        (f"/{number}", b"%d" % number) for number in range(5)
    ]


def test_body_that_looks_like_a_request_stays_a_body(viewer, origin):
    body = addressed(SMUGGLED, viewer)
    with viewer.http1() as connection:
        for _ in range(3):
            assert connection.ask("POST", "/target", viewer.with_host(), body).status == 200
    assert [request.target for request in origin.requests] == ["/target"] * 3
    assert {request.raw_body for request in origin.requests} == {body}


def test_chunks_that_look_like_requests_stay_chunks(viewer, origin):
    body = addressed(SMUGGLED, viewer)
    with viewer.http1() as connection:
        connection.send(
            head_bytes("POST /target HTTP/1.1", viewer.with_host([("Transfer-Encoding", "chunked")]))
        )
        connection.send(chunk(body) + chunk(body) + b"0\r\n\r\n")
        assert connection.read_answer().status == 200
        assert connection.ask("GET", "/next", viewer.with_host()).status == 200
    assert [request.target for request in origin.requests] == ["/target", "/next"]
    assert origin.requests[0].body == body * 2


def test_chunk_extension_is_refused_and_never_forwarded(viewer, origin):
    """RFC 9112, section 7.1.1, has a recipient ignore it; where parsers disagree on where it ends,
    requests are smuggled in it, so it is refused."""
    origin.requests_may_end_early = True
    with viewer.http1() as connection:
        fields = viewer.with_host([("Transfer-Encoding", "chunked")])
        connection.send(head_bytes("POST /target HTTP/1.1", fields) + b"1;name=value\r\na\r\n0\r\n\r\n")
        assert connection.read_answer().status == 400
    assert not any(b"name=value" in received for received in origin.received)


def test_invariant_1_origin_sees_only_what_was_re_serialised(viewer, origin):
    """Odd but legal spacing and case of the viewer never reach the origin's framing."""
    odd = b"POST /target HTTP/1.1\r\nhOsT:HOST\r\ncontent-LENGTH: \t 4 \r\nX:  a  \r\n\r\nbody"
    with viewer.http1() as connection:
        connection.send(addressed(odd, viewer))
        assert connection.read_answer().status == 200
    for line in origin.request.raw_head.split(b"\r\n")[1:-2]:
        assert re.fullmatch(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+: ?([^\s](.*[^\s])?)?", line)
    assert origin.request.fields.all("content-length") == ["4"]
    assert origin.request.fields.get("x") == "a"


def test_leading_empty_line_is_tolerated_or_refused_but_never_forwarded(viewer, origin):
    """RFC 9112, section 2.2: a server should ignore at least one empty line before a request."""
    with viewer.http1() as connection:
        connection.send(b"\r\n" + head_bytes("GET /target HTTP/1.1", viewer.with_host()))
        assert connection.read_answer().status == 200
    assert origin.received[0].startswith(b"GET /target HTTP/1.1\r\n")


def test_absolute_form_that_agrees_with_host_is_forwarded_in_origin_form(viewer, origin):
    with viewer.http1() as connection:
        connection.send(head_bytes(f"GET {viewer.url}/target?x=1 HTTP/1.1", viewer.with_host()))
        assert connection.read_answer().status == 200
    assert origin.request.target == "/target?x=1"


# The edge answers itself and a body is left unread.


EARLY = {
    "redirect": ("http", "POST", "/target", {}),
    "method": ("https", "POST", "/target", {"methods": ["GET", "HEAD"]}),
    "https-only": ("http", "POST", "/target", {"ViewerProtocolPolicy": "https-only"}),
    "get-with-body": ("https", "GET", "/target", {}),
}


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("case", EARLY)
def test_unread_body_never_becomes_a_request(front, case, framing):
    """CVE-2025-4366: the body of a request that the edge answers itself is not the next request."""
    scheme, method, target, settings = EARLY[case]
    settings = {"methods": METHODS, **settings}
    origin, viewer = front(default=behavior(**settings))
    smuggled = addressed(SMUGGLED, viewer)
    if framing == "length":
        field, body = ("Content-Length", len(smuggled)), smuggled
    else:
        field, body = ("Transfer-Encoding", "chunked"), chunk(smuggled) + b"0\r\n\r\n"
    with viewer.http1(scheme) as connection:
        connection.send(head_bytes(f"{method} {target} HTTP/1.1", viewer.with_host([field])) + body)
        first = connection.read_answer(method)
        assert first.status in (301, 307, 403)
        # What follows is the end, or the answer to the request that is sent now; never one to the body.
        try:
            connection.send(head_bytes("HEAD /after HTTP/1.1", viewer.with_host()))
            second = connection.read_answer("HEAD")
        except (PeerClosed, BrokenPipeError, ConnectionResetError):
            second = None
        if second is not None:
            assert connection.wire.held == b""
    assert not any(b"/smuggled" in received for received in origin.received)
    assert [request.target for request in origin.requests] in ([], ["/after"])


@pytest.mark.parametrize("case", ["redirect", "method", "https-only"])
def test_early_answer_does_not_wait_for_the_body(front, case):
    scheme, method, target, settings = EARLY[case]
    _, viewer = front(default=behavior(**settings))
    with viewer.http1(scheme) as connection:
        fields = viewer.with_host([("Content-Length", str(1 << 30))])
        connection.send(head_bytes(f"{method} {target} HTTP/1.1", fields))
        assert connection.read_answer().status in (307, 403)


def test_unknown_host_with_a_body_forwards_nothing(mantlet, distribution, origin):
    unknown = mantlet.viewer("dnobody.mantlet.localhost")
    smuggled = addressed(SMUGGLED, distribution.viewer)
    fields = unknown.with_host([("Content-Length", len(smuggled))])
    with unknown.http1() as connection:
        connection.send(head_bytes("POST / HTTP/1.1", fields) + smuggled)
        assert connection.read_answer().status == 403
        # Whether it closes or waits for a next request, it answers nothing more.
        connection.closed_within(1)
        assert connection.wire.held == b""
    assert origin.requests == []


# Upgrade and CONNECT.


@pytest.mark.parametrize("protocol", ["something-else", "h2c"])
def test_bytes_behind_a_refused_upgrade_are_a_request_of_their_own(front, protocol):
    """CVE-2026-2833: nothing may be tunnelled before the origin has answered 101."""

    def answer(connection, _):
        connection.answer(200, body=b"no upgrade")

    origin, viewer = front(once_per_connection(answer))
    upgrade = [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", protocol)]
    upgrade.append(("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"))
    with viewer.http1() as connection:
        smuggled = addressed(SMUGGLED, viewer)
        connection.send(head_bytes("GET /target HTTP/1.1", viewer.with_host(upgrade)) + smuggled)
        assert connection.read_answer().body == b"no upgrade"
    first = origin.requests[0]
    assert first.target == "/target"
    assert "upgrade" not in first.fields
    assert "http2-settings" not in first.fields
    assert b"smuggled" not in origin.received[first.connection]


def test_connect_opens_nothing(viewer, origin):
    with viewer.http1() as connection:
        target = f"127.0.0.1:{origin.port}"
        connection.send(b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (target.encode(), target.encode()))
        connection.send(addressed(SMUGGLED, viewer))
        assert connection.read_answer().status in (400, 403, 405, 501)
        assert connection.closed_within()
    assert origin.connections == []


def addressed(request, viewer):
    return request.replace(HOST, viewer.host.encode())
