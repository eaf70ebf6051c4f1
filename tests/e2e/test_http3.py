"""HTTP/3 (RFC 9114) with two clients that have nothing in common: aioquic, and curl with ngtcp2."""

import io
import json
import os
import re
import socket
import threading

import pycurl
import pytest

from harness.config import api_distribution, behavior, counted, origin_at
from harness.http1 import PeerClosed
from harness.mantlet import Mantlet, command
from harness.quic import (
    DATA,
    GOAWAY,
    GREASE,
    HEADERS,
    NO_APPLICATION_PROTOCOL,
    NO_ERROR,
    REQUEST_CANCELLED,
    REQUEST_REJECTED,
    QuicViewer,
    frame,
    frames,
    section,
)
from harness.waiting import PATIENCE, wait_until


@pytest.fixture(scope="module")
def mantlet(tmp_path_factory):
    with Mantlet(tmp_path_factory.mktemp("http3") / "data", "--edge-threads", "3") as mantlet:
        yield mantlet
        assert mantlet.process.poll() is None, f"mantlet exited during the tests: {mantlet.log()}"


@pytest.fixture
def front(mantlet, origins):
    """Puts a scripted origin behind a distribution that speaks HTTP/3: `front(script)` → (origin, viewer)."""

    def make(script=None, version="http2and3", **settings):
        origin = origins(script)
        config = api_distribution(origin_at(origin.port), HttpVersion=version, **settings)
        return origin, mantlet.create(config).viewer

    return make


def connected(mantlet, viewer, **options):
    return QuicViewer(mantlet.https, viewer.domain, mantlet.ca, **options).connect()


def request(viewer, method=b"GET", path=b"/", *fields):
    pseudo = [(b":method", method), (b":scheme", b"https"), (b":path", path)]
    return [*pseudo, (b":authority", viewer.host.encode()), *fields]


def origin_request_policy(mantlet, name, headers):
    """The id of a policy that forwards everything, and these headers of CloudFront's own."""
    config = {
        "Name": name,
        "HeadersConfig": {"HeaderBehavior": "allViewerAndWhitelistCloudFront", "Headers": counted(headers)},
        "CookiesConfig": {"CookieBehavior": "all"},
        "QueryStringsConfig": {"QueryStringBehavior": "all"},
    }
    made = mantlet.client().create_origin_request_policy(OriginRequestPolicyConfig=config)
    return made["OriginRequestPolicy"]["Id"]


def logged(mantlet, path):
    """The access log's record of a path, by CloudFront's names."""
    lines = mantlet.access_log.read_text().splitlines()
    names = next(line for line in lines if line.startswith("#Fields:")).split(" ")[1:]
    records = [dict(zip(names, line.split("\t"))) for line in lines if not line.startswith("#")]
    return next((record for record in records if record["cs-uri-stem"] == path), None)


def test_a_get_and_a_post(mantlet, front):
    origin, viewer = front()
    with connected(mantlet, viewer) as quic:
        get = quic.send_request(
            request(viewer, b"GET", b"/here?a=1", (b"cookie", b"a=1"), (b"cookie", b"b=2"))
        )
        answer = quic.read_answer(get)
        assert (answer.status, answer.body, answer.fields.get("x-cache")) == (
            200,
            b"ok",
            "Miss from cloudfront",
        )
        assert "alt-svc" not in answer.fields
        post = quic.send_request(request(viewer, b"POST", b"/there"), b"body")
        assert quic.read_answer(post).status == 200
    first, second = origin.requests
    assert (first.method, first.target, first.fields.all("cookie")) == ("GET", "/here?a=1", ["a=1; b=2"])
    assert first.fields.all("host") == [viewer.host]
    assert "transfer-encoding" not in first.fields
    assert "content-length" not in first.fields
    assert (second.method, second.target, second.body) == ("POST", "/there", b"body")


def test_what_the_log_says(mantlet, front):
    _, viewer = front()
    with connected(mantlet, viewer) as quic:
        assert quic.outcome(quic.send_request(request(viewer, b"GET", b"/logged"))) == 200
    wait_until(lambda: logged(mantlet, "/logged"), "the record")
    record = logged(mantlet, "/logged")
    assert (record["cs-protocol"], record["cs-protocol-version"]) == ("https", "HTTP/3.0")
    assert (record["ssl-protocol"], record["sc-status"]) == ("TLSv1.3", "200")


def curl(mantlet, viewer, path, upload=None):
    """What curl gets over HTTP/3 and nothing else."""
    body, head = io.BytesIO(), []
    handle = pycurl.Curl()
    host, port = mantlet.https
    handle.setopt(pycurl.URL, f"https://{viewer.host}{path}")
    handle.setopt(pycurl.RESOLVE, [f"{viewer.domain}:{port}:{host}"])
    handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_3ONLY)
    handle.setopt(pycurl.CAINFO, str(mantlet.ca))
    handle.setopt(pycurl.TIMEOUT, 20)
    if upload:
        handle.setopt(pycurl.POST, 1)
        handle.setopt(pycurl.POSTFIELDSIZE, len(upload))
        handle.setopt(pycurl.READDATA, io.BytesIO(upload))
    handle.setopt(pycurl.WRITEDATA, body)
    handle.setopt(pycurl.HEADERFUNCTION, head.append)
    try:
        handle.perform()
        version = handle.getinfo(pycurl.INFO_HTTP_VERSION)
        return handle.getinfo(pycurl.RESPONSE_CODE), version, body.getvalue(), b"".join(head)
    finally:
        handle.close()


def test_curl_gets_and_uploads(mantlet, front):
    def script(connection):
        while True:
            connection.answer(body=connection.read_request().body or b"nothing")

    origin, viewer = front(script)
    status, version, body, _ = curl(mantlet, viewer, "/get")
    assert (status, version, body) == (200, pycurl.CURL_HTTP_VERSION_3, b"nothing")
    upload = os.urandom(3_000_000)
    status, _, body, _ = curl(mantlet, viewer, "/upload", upload)
    assert (status, body == upload) == (200, True)
    assert origin.requests[1].fields.all("content-length") == [str(len(upload))]


def test_large_answers_arrive_whole_side_by_side(mantlet, front):
    large = os.urandom(2_000_000)

    def script(connection):
        while True:
            connection.read_request()
            connection.answer(body=large)

    _, viewer = front(script)
    with connected(mantlet, viewer, max_data=1 << 24, max_stream_data=1 << 23) as quic:
        numbers = [quic.send_request(request(viewer)) for _ in range(3)]
        assert all(quic.read_answer(number).body == large for number in numbers)


def test_others_are_told_of_it(mantlet, front):
    _, viewer = front()
    expected = f'h3=":{mantlet.https[1]}"; ma=86400'
    assert viewer.get().fields.all("alt-svc") == [expected]
    assert viewer.get(version="2").fields.all("alt-svc") == [expected]
    assert "alt-svc" not in viewer.get(scheme="http").fields
    _, silent = front(version="http2")
    assert "alt-svc" not in silent.get().fields


def test_only_names_that_speak_it_get_a_handshake(mantlet, front):
    """The same alert for a distribution without HTTP/3, a disabled one, none of that name, and no name."""
    _, without = front(version="http2")
    _, disabled = front(Enabled=False)
    for name in [without.domain, disabled.domain, "nobody.mantlet.localhost", None]:
        quic = QuicViewer(mantlet.https, name, None)
        with pytest.raises(PeerClosed):
            quic.connect()
        assert quic.closed == NO_APPLICATION_PROTOCOL, name


def test_a_name_without_http3_is_misdirected_on_anothers_connection(mantlet, front):
    origin, other = front(version="http2")
    _, viewer = front()
    with connected(mantlet, viewer) as quic:
        assert quic.outcome(quic.send_request(request(other))) == 421
    assert origin.requests == []


def test_a_session_is_resumed_and_nothing_is_sent_before_its_handshake(mantlet, front):
    _, viewer = front()
    with connected(mantlet, viewer) as quic:
        assert quic.outcome(quic.send_request(request(viewer))) == 200
        quic.pump_until(lambda: quic.tickets)
    ticket = quic.tickets[0]
    # Without 0-RTT (RFC 9001, section 4.6.1).
    assert not ticket.max_early_data_size
    with connected(mantlet, viewer, ticket=ticket) as quic:
        assert quic.resumed


def test_a_viewer_moves_to_another_network(mantlet, front):
    """Wherever the kernel gives its packets then, the connection goes on: of three threads one has it. The
    viewer stays the one of the address that its handshake has proven, since a packet's can be forged."""
    policy = origin_request_policy(mantlet, "http3-moves", ["CloudFront-Viewer-Address"])
    origin, viewer = front(default=behavior(OriginRequestPolicyId=policy))
    with connected(mantlet, viewer) as quic:
        host, port = quic.sock.getsockname()
        for number in range(8):
            assert quic.move(f"127.0.1.{number + 1}") != (host, port)
            path = b"/moved-%d" % number
            assert quic.outcome(quic.send_request(request(viewer, b"GET", path))) == 200
    told = [request.fields for request in origin.requests]
    assert [fields.get("x-forwarded-for") for fields in told] == [host] * 8
    assert [fields.get("cloudfront-viewer-address") for fields in told] == [f"{host}:{port}"] * 8
    # It is written in the order in which requests end.
    wait_until(lambda: logged(mantlet, "/moved-7"), "the last record")
    records = [logged(mantlet, f"/moved-{number}") for number in range(8)]
    assert [(record["c-ip"], int(record["c-port"])) for record in records] == [(host, port)] * 8


def test_frames_that_mean_nothing_are_passed_over(mantlet, front):
    origin, viewer = front()
    with connected(mantlet, viewer, settings=b"\x21\x05") as quic:
        quic.open(GREASE, b"anything")
        quic.send(quic.control, frame(GREASE, b"x" * 100))
        head = section(request(viewer, b"POST", b"/grease"))
        data = frame(GREASE) + frame(HEADERS, head) + frame(GREASE, b"y" * 50)
        number = quic.begin(
            data + frame(DATA, b"bo") + frame(DATA) + frame(GREASE) + frame(DATA, b"dy"), True
        )
        assert quic.outcome(number) == 200
    assert origin.request.body == b"body"


def test_a_body_is_passed_on_as_it_arrives_and_an_answer_too(mantlet, front):
    arrived = threading.Event()

    def script(connection):
        head = connection.read_head()
        pieces = connection.body_pieces(head)
        assert next(pieces) == b"first"
        arrived.set()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n")
        assert b"".join(pieces) == b"second"
        connection.send(b"4\r\nlate\r\n0\r\n\r\n")
        connection.wait_for_close()

    _, viewer = front(script)
    with connected(mantlet, viewer) as quic:
        number = quic.send_request(request(viewer, b"POST", b"/both"), b"first", end=False)
        quic.pump_until(lambda: b"early" in quic.stream(number).received)
        assert arrived.is_set()
        quic.send(number, frame(DATA, b"second"), end=True)
        answer = quic.read_answer(number)
    assert (answer.status, answer.body, answer.complete) == (200, b"earlylate", True)


def test_what_comes_before_and_behind_a_response(mantlet, front):
    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
        connection.send(b"0\r\nGrpc-Status: 0\r\nSet-Cookie: a=1\r\n\r\n")
        connection.wait_for_close()

    _, viewer = front(script)
    with connected(mantlet, viewer) as quic:
        answer = quic.read_answer(quic.send_request(request(viewer)))
    assert [(status, fields.get("link")) for status, fields in answer.interim] == [
        (103, "</style.css>; rel=preload")
    ]
    assert (answer.status, answer.body, list(answer.trailers)) == (200, b"ok", [("grpc-status", "0")])


def test_a_body_that_waits_is_asked_for(mantlet, front):
    origin, viewer = front()
    fields = request(viewer, b"POST", b"/", (b"expect", b"100-continue"), (b"content-length", b"4"))
    with connected(mantlet, viewer) as quic:
        number = quic.send_request(fields, end=False)
        quic.pump_until(lambda: quic.stream(number).received)
        quic.send(number, frame(DATA, b"body"), end=True)
        answer = quic.read_answer(number)
    assert ([status for status, _ in answer.interim], answer.status) == ([100], 200)
    assert origin.request.body == b"body"


def test_a_slow_reader_holds_its_origin_back(mantlet, front):
    """What the viewer does not take is not taken from the origin, beyond what is on its way."""
    sent, held_back = [], threading.Event()

    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        connection.wire.socket.settimeout(1)
        try:
            while len(sent) < 1000:
                connection.wire.socket.sendall(b"x" * 100_000)
                sent.append(100_000)
        except (socket.timeout, OSError):
            held_back.set()
        connection.reset()

    _, viewer = front(script)
    with connected(mantlet, viewer, max_stream_data=10_000) as quic:
        quic.send_request(request(viewer))
        # Nothing is read from here on, not even acknowledged.
        assert held_back.wait(20)
    assert sum(sent) < 20_000_000


def test_a_request_that_is_given_up_ends_at_the_origin(mantlet, front):
    begun, ended = threading.Event(), threading.Event()

    def script(connection):
        connection.read_request()
        begun.set()
        connection.wait_for_close()
        ended.set()

    _, viewer = front(script)
    with connected(mantlet, viewer) as quic:
        number = quic.send_request(request(viewer))
        quic.pump_until(begun.is_set)
        quic.quic.stop_stream(number, REQUEST_CANCELLED)
        quic.pump_until(ended.is_set)
        # Its neighbours know nothing of it.
        assert quic.closed is None


def test_an_answer_that_breaks_off_is_seen_to(mantlet, front):
    is_here = threading.Event()

    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
        # A reset may overtake what was sent before it (RFC 9000, section 3.5).
        is_here.wait(PATIENCE)
        connection.close()

    _, viewer = front(script)
    with connected(mantlet, viewer) as quic:
        number = quic.send_request(request(viewer))
        quic.pump_until(lambda: b"only this" in bytes(quic.stream(number).received))
        is_here.set()
        answer = quic.read_answer(number)
    assert (answer.status, answer.complete) == (200, False)


def test_fingerprints_and_the_version_reach_the_origin(mantlet, front):
    names = ["CloudFront-Viewer-JA3-Fingerprint", "CloudFront-Viewer-JA4-Fingerprint"]
    names += ["CloudFront-Viewer-Http-Version", "CloudFront-Viewer-TLS"]
    policy = origin_request_policy(mantlet, "http3-facts", names)
    origin, viewer = front(default=behavior(OriginRequestPolicyId=policy))
    with connected(mantlet, viewer) as quic:
        assert quic.outcome(quic.send_request(request(viewer))) == 200
    fields = origin.request.fields
    assert fields.get("cloudfront-viewer-http-version") == "3.0"
    assert fields.get("cloudfront-viewer-tls").startswith("TLSv1.3:")
    assert re.fullmatch("[0-9a-f]{32}", fields.get("cloudfront-viewer-ja3-fingerprint"))
    assert re.fullmatch(
        "q13d[0-9]{4}h3_[0-9a-f]{12}_[0-9a-f]{12}", fields.get("cloudfront-viewer-ja4-fingerprint")
    )


def test_a_restart_lets_requests_end_and_rejects_others(tmp_path, origins):
    begun, go_on = threading.Event(), threading.Event()

    def script(connection):
        connection.read_request()
        begun.set()
        go_on.wait(20)
        connection.answer(body=b"whole")

    origin = origins(script)
    with Mantlet(tmp_path / "data") as mantlet:
        config = api_distribution(origin_at(origin.port), HttpVersion="http3")
        viewer = mantlet.create(config).viewer
        with connected(mantlet, viewer) as quic:
            number = quic.send_request(request(viewer))
            quic.pump_until(begun.is_set)
            mantlet.process.terminate()
            quic.pump_until(lambda: goaway(quic) is not None)
            assert goaway(quic) == b"\x04"
            late = quic.send_request(request(viewer))
            assert quic.outcome(late) == ("reset", REQUEST_REJECTED)
            go_on.set()
            assert quic.read_answer(number).body == b"whole"
            assert quic.closed_with() == NO_ERROR
        assert mantlet.process.wait(20) == 0


def goaway(quic):
    """The payload of GOAWAY on the edge's control stream, if it has come."""
    control = bytes(quic.stream(3).received)
    return next((payload for kind, payload in frames(control[1:]) if kind == GOAWAY), None)


def test_http3_can_be_left_off(tmp_path, origin):
    with Mantlet(tmp_path / "data", "--http3", "off") as mantlet:
        viewer = mantlet.create(api_distribution(origin_at(origin.port), HttpVersion="http3")).viewer
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
            ours.bind(mantlet.https)
        assert "alt-svc" not in viewer.get().fields


def taken_for_udp():
    """A UDP socket on a port that is free for TCP."""
    while True:
        taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        taken.bind(("127.0.0.1", 0))
        try:
            socket.create_server(taken.getsockname()).close()
            return taken
        except OSError:
            taken.close()


def test_a_udp_port_that_is_taken_is_said(tmp_path):
    with taken_for_udp() as taken:
        https = f"127.0.0.1:{taken.getsockname()[1]}"
        listen = ("--http", "127.0.0.1:0", "--https", https, "--api", "127.0.0.1:0")
        ended = command("run", "--data-dir", str(tmp_path / "data"), *listen)
    assert ended.returncode == 1
    assert "--http3 off" in ended.stderr


def test_explain_knows_the_version(mantlet, front):
    _, viewer = front()
    told = command(
        "explain",
        f"https://{viewer.domain}/",
        "--http-version",
        "3",
        "--json",
        "--data-dir",
        str(mantlet.data_dir),
    )
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["distribution"]["speaks_http3"] is True
