"""WebSocket over HTTP/2 (RFC 8441) through the edge: an extended CONNECT of the viewer is a handshake of
HTTP/1.1 for the origin, and the stream a tunnel once that has accepted it."""

import base64
import os

import pytest

from harness.config import api_distribution, behavior, origin_at, without
from harness.http1 import head_bytes
from harness.viewer import Answer
from harness.waiting import wait_until
from test_access_log import AccessLog
from test_websocket import echo, switching

VERSION = ("sec-websocket-version", "13")


@pytest.fixture
def echoing(front):
    return front(echo)


def open_tunnel(viewer, connection, path="/chat?room=1", fields=(VERSION,), protocol="websocket", end=False):
    return connection.open("CONNECT", path, viewer.with_host(fields), end=end, protocol=protocol)


def read_exactly(stream, count):
    pieces, got = stream.body_pieces(), bytearray()
    while len(got) < count:
        got += next(pieces)
    return bytes(got)


def test_the_edge_says_that_it_takes_extended_connect(viewer):
    with viewer.http2() as connection:
        assert connection.ask("GET", "/", viewer.with_host()).status == 200
        assert connection.h2.remote_settings.enable_connect_protocol == 1


def test_f1_an_extended_connect_reaches_the_origin_as_a_handshake(echoing):
    origin, viewer = echoing
    fields = [VERSION, ("sec-websocket-protocol", "chat"), ("sec-websocket-extensions", "permessage-deflate")]
    with viewer.http2() as connection:
        answer = open_tunnel(viewer, connection, fields=[*fields, ("origin", "https://a.test")]).read_head()
    assert answer.status == 200
    assert answer.fields.get("sec-websocket-protocol") == "chat"
    assert answer.fields.get("x-cache") == "Miss from cloudfront"
    for name in ("sec-websocket-accept", "upgrade", "connection", "content-length"):
        assert name not in answer.fields
    seen = origin.request
    assert (seen.method, seen.target) == ("GET", "/chat?room=1")
    assert (seen.fields.get("upgrade"), seen.fields.get("connection")) == ("websocket", "Upgrade")
    assert len(base64.b64decode(seen.fields.get("sec-websocket-key"))) == 16
    assert seen.fields.get("sec-websocket-version") == "13"
    assert seen.fields.get("sec-websocket-extensions") == "permessage-deflate"
    assert seen.fields.get("origin") == "https://a.test"
    assert "transfer-encoding" not in seen.fields


def test_f1_bytes_are_relayed_in_both_directions_beside_other_streams(echoing):
    _, viewer = echoing
    with viewer.http2() as connection:
        tunnels = [open_tunnel(viewer, connection) for _ in range(3)]
        assert [tunnel.read_head().status for tunnel in tunnels] == [200] * 3
        for size in (1, 125, 70_000, 300_000):
            for tunnel in tunnels:
                data = os.urandom(size)
                tunnel.send_body(data)
                assert read_exactly(tunnel, size) == data


def test_f1_nothing_is_relayed_before_the_origin_has_switched(front):
    def refuse(connection):
        connection.read_request()
        connection.answer(403, body=b"no")
        connection.wait_for_close()

    origin, viewer = front(refuse)
    with viewer.http2() as connection:
        tunnel = open_tunnel(viewer, connection)
        tunnel.send_body(head_bytes("GET /smuggled HTTP/1.1", viewer.with_host()))
        answer = tunnel.read_answer()
    assert (answer.status, answer.body) == (403, b"no")
    assert b"smuggled" not in origin.received[0]


def test_f1_bytes_sent_early_arrive_once_the_origin_has_switched(echoing):
    _, viewer = echoing
    with viewer.http2() as connection:
        tunnel = open_tunnel(viewer, connection)
        tunnel.send_body(b"early bytes")
        assert tunnel.read_head().status == 200
        assert read_exactly(tunnel, 11) == b"early bytes"


@pytest.mark.parametrize("status", [200, 204])
def test_f1_an_origin_that_does_not_switch_is_no_success(front, status):
    """A success would open the tunnel."""

    def answer(connection):
        connection.read_request()
        connection.send(
            head_bytes(f"HTTP/1.1 {status} Fine", [] if status == 204 else [("Content-Length", 0)])
        )
        connection.wait_for_close()

    _, viewer = front(answer)
    with viewer.http2() as connection:
        assert open_tunnel(viewer, connection).read_head().status == 502


def test_f1_an_error_page_is_no_success(mantlet, origins):
    def script(connection):
        while True:
            request = connection.read_request()
            connection.answer(200 if request.path == "/index.html" else 403, body=b"page")

    config = api_distribution(origin_at(origins(script).port))
    page = {
        "ErrorCode": 403,
        "ResponsePagePath": "/index.html",
        "ResponseCode": "200",
        "ErrorCachingMinTTL": 0,
    }
    config["CustomErrorResponses"] = {"Quantity": 1, "Items": [page]}
    viewer = mantlet.create(config).viewer
    assert viewer.get("/").status == 200
    with viewer.http2() as connection:
        assert open_tunnel(viewer, connection).read_head().status == 403


def test_f1_a_behavior_that_does_not_forward_the_version_has_no_tunnels(front):
    origin, viewer = front(default=without(behavior(), "OriginRequestPolicyId"))
    with viewer.http2() as connection:
        answer = open_tunnel(viewer, connection).read_answer()
    assert answer.status == 501
    assert b"TunnelNotSupported" in answer.body
    assert origin.requests == []


@pytest.mark.parametrize(
    ("fields", "protocol", "status"),
    [
        ([VERSION], "connect-udp", 501),
        ([VERSION], "h2c", 501),
        ([], "websocket", 501),
        ([VERSION, ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")], "websocket", 400),
        ([VERSION, ("content-length", "5")], "websocket", 400),
    ],
    ids=["CONNECT-UDP", "h2c", "no version", "a key", "a length"],
)
def test_other_tunnels_are_refused(front, fields, protocol, status):
    origin, viewer = front()
    with viewer.http2() as connection:
        assert open_tunnel(viewer, connection, fields=fields, protocol=protocol).read_head().status == status
    assert origin.requests == []


def test_f1_an_end_on_either_side_reaches_the_other(front, echoing):
    _, viewer = echoing
    with viewer.http2() as connection:
        tunnel = open_tunnel(viewer, connection)
        tunnel.send_body(b"bye", end=True)
        # The origin sends it back, and ends with the viewer.
        assert tunnel.read_answer().body == b"bye"

    def leave(connection):
        request = connection.read_request()
        connection.send(switching(request.fields.get("sec-websocket-key")) + b"last words")

    _, viewer = front(leave)
    with viewer.http2() as connection:
        answer = open_tunnel(viewer, connection).read_answer()
    assert (answer.status, answer.body, answer.complete) == (200, b"last words", True)


def test_f1_a_reset_stream_ends_the_origins_side(front):
    ended = []

    def listen(connection):
        request = connection.read_request()
        connection.send(switching(request.fields.get("sec-websocket-key")))
        connection.wait_for_close()
        ended.append(True)

    origin, viewer = front(listen)
    origin.requests_may_end_early = True
    with viewer.http2() as connection:
        tunnel = open_tunnel(viewer, connection)
        assert tunnel.read_head().status == 200
        tunnel.reset()
        wait_until(lambda: ended, "the origin to see the end")
        # The connection serves on.
        assert open_tunnel(viewer, connection).read_head().status == 200


def test_f1_a_viewer_that_does_not_read_holds_the_origin_back(front):
    """Flow control ends at the origin: what waits in the edge is bounded."""
    sent = []

    def flood(connection):
        request = connection.read_request()
        connection.send(switching(request.fields.get("sec-websocket-key")))
        connection.wire.socket.settimeout(1)
        try:
            for _ in range(1000):
                connection.send(bytes(64 * 1024))
                sent.append(64 * 1024)
        except TimeoutError:
            sent.append(0)

    origin, viewer = front(flood)
    origin.requests_may_end_early = True
    with viewer.http2() as connection:
        tunnel = open_tunnel(viewer, connection)
        assert tunnel.read_head().status == 200
        wait_until(lambda: sent and sent[-1] == 0, "the origin to be held back")
    assert sum(sent) < 16 * 1024 * 1024


def test_f1_it_is_logged_as_wss_when_it_ends(mantlet, echoing):
    _, viewer = echoing
    with viewer.http2() as connection:
        tunnel = open_tunnel(viewer, connection)
        answer = tunnel.read_head()
        tunnel.send_body(b"x" * 1000, end=True)
        log, seen = AccessLog(mantlet.access_log), Answer(200, answer.fields)
        assert len(tunnel.read_answer().body) == 1000
    record = log.wait_for(seen)
    assert (record["cs-protocol"], record["sc-status"], record["cs-method"]) == ("wss", "200", "GET")
    assert (record["cs-protocol-version"], record["x-edge-result-type"]) == ("HTTP/2.0", "Miss")
    assert int(record["sc-bytes"]) > 1000
    assert int(record["cs-bytes"]) > 1000
