"""gRPC through the edge: grpcio on both sides; origins and viewers by hand where one of them breaks rules
or speaks HTTP/3, of which grpcio knows nothing."""

import functools
import struct
import threading
from concurrent import futures

import grpc
import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest

from harness import quic
from harness.config import api_distribution, behavior, origin_at
from harness.frames import DATA, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame
from harness.mantlet import Mantlet
from harness.origin import RecordingOrigin
from harness.tls import ThrowAwayCa
from harness.waiting import PATIENCE, settled, wait_until

SERVICE = "/test.Echo/"
GRPC = behavior(GrpcConfig={"Enabled": True})
CALL = [("content-type", "application/grpc"), ("te", "trailers")]


class Echo(grpc.GenericRpcHandler):
    """Messages are bytes, and come back as they were."""

    def __init__(self):
        self.ended = {}
        self.sent = 0
        self.metadata = None
        self.peers = set()

    def service(self, details):
        name = details.method.rpartition("/")[2]
        kinds = {
            "Unary": grpc.unary_unary_rpc_method_handler,
            "ServerStream": grpc.unary_stream_rpc_method_handler,
            "ClientStream": grpc.stream_unary_rpc_method_handler,
            "Duplex": grpc.stream_stream_rpc_method_handler,
            "Fail": grpc.unary_unary_rpc_method_handler,
            "FailLater": grpc.unary_stream_rpc_method_handler,
            "Wait": grpc.unary_unary_rpc_method_handler,
            "Flood": grpc.unary_stream_rpc_method_handler,
        }
        return kinds[name](getattr(self, name)) if name in kinds else None

    def Unary(self, request, context):
        self.metadata = dict(context.invocation_metadata())
        self.peers.add(context.peer())
        context.send_initial_metadata([("x-initial", "1")])
        remaining = context.time_remaining()
        context.set_trailing_metadata([("x-trailing-bin", b"\0\xff"), ("x-remaining", str(remaining or ""))])
        return request

    def ServerStream(self, request, _):
        for number in range(int(request)):
            yield b"%d" % number

    def ClientStream(self, requests, _):
        return b"".join(requests)

    def Duplex(self, requests, _):
        yield from requests

    def Fail(self, _, context):
        context.set_trailing_metadata([("x-why", "test")])
        context.abort(grpc.StatusCode.NOT_FOUND, "not here: ü%")

    def FailLater(self, _, context):
        yield b"first"
        context.abort(grpc.StatusCode.DATA_LOSS, "lost")

    def Wait(self, request, context):
        ended = self.ended[request] = threading.Event()
        context.add_callback(ended.set)
        ended.wait(PATIENCE)
        return b""

    def Flood(self, request, context):
        self.sent = 0
        while context.is_active() and self.sent < 64 << 20:
            self.sent += 64 << 10
            yield bytes(64 << 10)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return ThrowAwayCa(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def shield(tmp_path_factory, authority):
    directory = tmp_path_factory.mktemp("shield")
    with Mantlet(directory / "data", "--origin-ca", str(authority.path), "--edge-threads", "1") as mantlet:
        yield mantlet


@pytest.fixture(scope="module")
def echo(authority):
    """A server of gRPC; its ports for TLS and in clear."""
    echo = Echo()
    server = grpc.server(futures.ThreadPoolExecutor(16), handlers=[echo])
    certificate, key = (path.read_bytes() for path in authority.server_files("localhost"))
    echo.tls = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, certificate)]))
    echo.clear = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield echo
    server.stop(None)


def create(mantlet, port, tls=False, tags=(), name="localhost", version="http2", **settings):
    """A distribution that serves gRPC in front of a port."""
    how = {"OriginProtocolPolicy": "https-only", "HTTPSPort": port} if tls else {"HTTPPort": port}
    origin = origin_at(80, name, **(how | settings))
    config = api_distribution(origin, default=GRPC, HttpVersion=version)
    client = mantlet.client()
    made = client.create_distribution_with_tags(
        DistributionConfigWithTags={
            "DistributionConfig": config,
            "Tags": {"Items": [{"Key": key, "Value": value} for key, value in tags]},
        }
    )["Distribution"]
    mantlet.wait_until_deployed(made["Id"])
    return mantlet.viewer(made["DomainName"])


H2C = [("mantlet:grpc-h2c", "on")]


@pytest.fixture(scope="module")
def secure(shield, echo):
    return create(shield, echo.tls, tls=True)


@pytest.fixture(scope="module")
def clear(shield, echo):
    return create(shield, echo.clear, tags=H2C)


class Client:
    def __init__(self, viewer):
        credentials = grpc.ssl_channel_credentials(viewer.mantlet.ca.read_bytes())
        options = [
            ("grpc.ssl_target_name_override", viewer.domain),
            ("grpc.default_authority", viewer.host),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        self.channel = grpc.secure_channel(f"127.0.0.1:{viewer.mantlet.https[1]}", credentials, options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()

    def unary(self, name):
        return self.channel.unary_unary(SERVICE + name)

    def server_stream(self, name):
        return self.channel.unary_stream(SERVICE + name)

    def client_stream(self, name):
        return self.channel.stream_unary(SERVICE + name)

    def duplex(self, name):
        return self.channel.stream_stream(SERVICE + name)


@pytest.fixture(params=["secure", "clear"])
def client(request):
    with Client(request.getfixturevalue(request.param)) as client:
        yield client


@pytest.fixture
def secure_client(secure):
    with Client(secure) as client:
        yield client


def test_f2_all_four_kinds_of_calls(client):
    assert client.unary("Unary")(b"one", timeout=PATIENCE) == b"one"
    assert list(client.server_stream("ServerStream")(b"3", timeout=PATIENCE)) == [b"0", b"1", b"2"]
    assert client.client_stream("ClientStream")(iter([b"a", b"b", b"c"]), timeout=PATIENCE) == b"abc"
    assert list(client.duplex("Duplex")(iter([b"a", b"b"]), timeout=PATIENCE)) == [b"a", b"b"]


def test_f2_both_directions_go_at_the_same_time(client):
    """Each message waits for the answer to the one before it, so nothing on the way may wait for an end."""
    turn = threading.Semaphore(1)

    def messages():
        for number in range(50):
            assert turn.acquire(timeout=PATIENCE)
            yield b"%d" % number

    got = []
    for message in client.duplex("Duplex")(messages(), timeout=PATIENCE):
        got.append(message)
        turn.release()
    assert got == [b"%d" % number for number in range(50)]


def test_f2_large_messages_pass_whole(client):
    message = bytes(range(256)) * (12 << 10)
    assert client.unary("Unary").with_call(message, timeout=PATIENCE)[0] == message


def test_f2_metadata_and_the_deadline_pass(secure_client, echo, secure):
    _, call = secure_client.unary("Unary").with_call(
        b"", timeout=30, metadata=[("x-mine", "1"), ("x-mine-bin", b"\1\2")]
    )
    initial, trailing = dict(call.initial_metadata()), dict(call.trailing_metadata())
    assert initial["x-initial"] == "1"
    assert (initial["x-cache"], initial["x-amz-cf-id"] != "") == ("Miss from cloudfront", True)
    assert trailing["x-trailing-bin"] == b"\0\xff"
    assert 20 < float(trailing["x-remaining"]) <= 30
    assert (echo.metadata["x-mine"], echo.metadata["x-mine-bin"]) == ("1", b"\1\2")
    assert echo.metadata["x-forwarded-for"] == "127.0.0.1"
    assert echo.metadata["via"].startswith("2.0 ")
    assert echo.metadata["x-amz-cf-id"] == initial["x-amz-cf-id"]


def test_f2_a_status_passes_with_its_message_and_metadata(client):
    with pytest.raises(grpc.RpcError) as failed:
        client.unary("Fail")(b"", timeout=PATIENCE)
    error = failed.value
    assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "not here: ü%")
    assert dict(error.trailing_metadata())["x-why"] == "test"
    stream = client.server_stream("FailLater")(b"", timeout=PATIENCE)
    assert next(stream) == b"first"
    with pytest.raises(grpc.RpcError) as failed:
        next(stream)
    assert (failed.value.code(), failed.value.details()) == (grpc.StatusCode.DATA_LOSS, "lost")
    with pytest.raises(grpc.RpcError) as failed:
        client.unary("Unknown")(b"", timeout=PATIENCE)
    assert failed.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_f2_a_deadline_ends_the_call_on_both_sides(client, echo):
    name = b"deadline-%d" % id(client)
    with pytest.raises(grpc.RpcError) as failed:
        client.unary("Wait")(name, timeout=0.3)
    assert failed.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert echo.ended[name].wait(PATIENCE)


def test_f2_cancelling_reaches_the_origin(client, echo):
    name = b"cancel-%d" % id(client)
    call = client.unary("Wait").future(name, timeout=PATIENCE)
    wait_until(lambda: name in echo.ended, "the call")
    call.cancel()
    assert echo.ended[name].wait(PATIENCE)


@pytest.mark.parametrize("way", ["secure", "clear"])
def test_f2_many_calls_that_are_cancelled_end_no_other(request, echo, way):
    """Three viewers cancel 200 calls each, before a real server, which counts resets as well."""
    viewer = request.getfixturevalue(way)
    go_on = threading.Event()

    def messages():
        yield b"first"
        assert go_on.wait(PATIENCE)
        yield b"last"

    with Client(viewer) as other:
        answers = other.duplex("Duplex")(messages(), timeout=2 * PATIENCE)
        assert next(answers) == b"first"
        for channel in range(3):
            with Client(viewer) as client:
                for number in range(200):
                    name = b"%b-%d-%d" % (way.encode(), channel, number)
                    call = client.unary("Wait").future(name, timeout=PATIENCE)
                    wait_until(lambda name=name: name in echo.ended, "the call")
                    call.cancel()
                    assert echo.ended[name].wait(PATIENCE)
        go_on.set()
        assert list(answers) == [b"last"]


def test_f2_calls_share_connections_to_the_origin(secure_client, echo):
    echo.peers.clear()
    calls = [secure_client.unary("Unary").future(b"%d" % number, timeout=PATIENCE) for number in range(100)]
    assert [call.result() for call in calls] == [b"%d" % number for number in range(100)]
    assert len(echo.peers) == 1


def test_f2_who_does_not_read_holds_up_the_origin_and_nobody_else(secure_client, echo):
    stream = secure_client.server_stream("Flood")(b"", timeout=PATIENCE)
    next(stream)

    settled(lambda: echo.sent)
    assert echo.sent < 32 << 20
    assert secure_client.unary("Unary")(b"beside", timeout=PATIENCE) == b"beside"
    stream.cancel()


def test_f2_other_content_types_go_the_ordinary_way(mantlet, origins):
    origin = origins()
    config = api_distribution(origin_at(origin.port), default=GRPC)
    viewer = mantlet.create(config).viewer
    for content_type in ("application/json", "application/grpc-web"):
        assert viewer.post("/", b"{}", [("content-type", content_type)], version="2").status == 200
    assert viewer.post("/", b"{}", CALL[:1], version="1.1").status == 200
    assert [request.version for request in origin.requests] == ["HTTP/1.1"] * 3


# What the edge says itself: a status of gRPC, in a head that is also the trailers.


def outcome(viewer, body=b"\0\0\0\0\0", fields=()):
    """Status, grpc-status and the log's detailed result of one call by hand."""
    with viewer.http2() as connection:
        answer = connection.ask("POST", SERVICE + "Unary", [*viewer.with_host(), *CALL, *fields], body)
    return answer, detail(viewer.mantlet, answer)


def detail(mantlet, answer):
    def lines():
        return [line for line in mantlet.access_log.read_text().splitlines() if answer.request_id in line]

    wait_until(lines, "the access-log record")
    return lines()[0].split("\t")[28]


def said(answer):
    fields = [*answer.fields, *answer.trailers]
    return {name: value for name, value in fields if name.startswith("grpc-")}


UNAVAILABLE, INTERNAL, PERMISSION_DENIED, RESOURCE_EXHAUSTED = "14", "13", "7", "8"


def test_an_origin_that_is_not_there_is_unavailable(shield, closed_port):
    viewer = create(shield, closed_port, tags=H2C, ConnectionAttempts=1)
    with Client(viewer) as client, pytest.raises(grpc.RpcError) as failed:
        client.unary("Unary")(b"", timeout=PATIENCE)
    assert failed.value.code() == grpc.StatusCode.UNAVAILABLE
    assert "could not be reached" in failed.value.details()
    answer, result = outcome(viewer)
    assert (answer.status, answer.body, said(answer)["grpc-status"]) == (200, b"", UNAVAILABLE)
    assert answer.fields.get("content-type") == "application/grpc"
    assert answer.request_id in said(answer)["grpc-message"]
    assert result == "OriginConnectError"


def test_grpc_does_not_go_in_clear_without_the_tag(shield, echo):
    answer, result = outcome(create(shield, echo.clear))
    assert (answer.status, said(answer)["grpc-status"], result) == (200, UNAVAILABLE, "OriginConnectError")
    assert "mantlet:grpc-h2c" in shield.log()
    assert "mantlet" not in said(answer)["grpc-message"]


def test_an_https_origin_without_http2_is_unavailable(shield, authority):
    context = authority.server_context("localhost")
    context.set_alpn_protocols(["http/1.1"])

    def script(connection):
        context.wrap_socket(connection.wire.socket, server_side=True).close()

    origin = RecordingOrigin(script)
    answer, result = outcome(create(shield, origin.port, tls=True, ConnectionAttempts=1))
    assert (answer.status, said(answer)["grpc-status"], result) == (200, UNAVAILABLE, "OriginConnectError")
    origin.close()


def test_an_unknown_name_is_no_permission(shield):
    with shield.viewer("dnobody.mantlet.localhost").http2() as connection:
        viewer = shield.viewer("dnobody.mantlet.localhost")
        answer = connection.ask("POST", "/", [*viewer.with_host(), *CALL], b"x")
    assert (answer.status, said(answer)["grpc-status"]) == (200, PERMISSION_DENIED)


def test_a_call_that_is_too_large_is_told_so(shield, echo):
    viewer = create(shield, echo.clear, tags=[*H2C, ("mantlet:max-body", "10")])
    answer, _ = outcome(viewer, body=b"x" * 11)
    assert said(answer)["grpc-status"] == RESOURCE_EXHAUSTED


# Over HTTP/3 from the viewer, to the same origins.


@pytest.fixture(scope="module", params=["tls", "clear"])
def third(request, shield, echo):
    how = {"tls": True} if request.param == "tls" else {"tags": H2C}
    return create(shield, getattr(echo, request.param), version="http2and3", **how)


def over_quic(viewer):
    return quic.QuicViewer(viewer.mantlet.https, viewer.domain, viewer.mantlet.ca).connect()


def quic_call(viewer, name, *fields):
    pseudo = [(b":method", b"POST"), (b":scheme", b"https"), (b":path", (SERVICE + name).encode())]
    call = [(name.encode(), value.encode()) for name, value in CALL]
    return [*pseudo, (b":authority", viewer.host.encode()), *call, *fields]


def framed(*messages):
    return b"".join(b"\0" + struct.pack(">I", len(message)) + message for message in messages)


CALLS_OVER_HTTP3 = {
    "Unary": ([b"one"], [b"one"]),
    "ServerStream": ([b"3"], [b"0", b"1", b"2"]),
    "ClientStream": ([b"a", b"b", b"c"], [b"abc"]),
    "Duplex": ([b"a", b"b"], [b"a", b"b"]),
}


@pytest.mark.parametrize("name", CALLS_OVER_HTTP3)
def test_f2_all_four_kinds_of_calls_over_http3(third, name):
    sent, expected = CALLS_OVER_HTTP3[name]
    with over_quic(third) as viewer:
        answer = viewer.read_answer(viewer.send_request(quic_call(third, name), framed(*sent)))
    assert (answer.status, answer.body, answer.complete) == (200, framed(*expected), True)
    assert (answer.fields.get("content-type"), answer.trailers.get("grpc-status")) == (
        "application/grpc",
        "0",
    )


def test_f2_both_directions_go_at_the_same_time_over_http3(third):
    with over_quic(third) as viewer:
        number = viewer.send_request(quic_call(third, "Duplex"), end=False)
        received = viewer.stream(number).received
        messages = [b"turn %d" % turn for turn in range(20)]
        for message in messages:
            viewer.send(number, quic.frame(quic.DATA, framed(message)))
            viewer.pump_until(functools.partial(received.endswith, message))
        viewer.send(number, b"", end=True)
        answer = viewer.read_answer(number)
    assert answer.body == framed(*messages)
    assert answer.trailers.get("grpc-status") == "0"


def test_f2_metadata_and_the_deadline_pass_over_http3(third, echo):
    fields = [(b"grpc-timeout", b"30S"), (b"x-mine", b"1")]
    with over_quic(third) as viewer:
        answer = viewer.read_answer(viewer.send_request(quic_call(third, "Unary", *fields), framed(b"")))
    assert (answer.fields.get("x-initial"), echo.metadata["x-mine"]) == ("1", "1")
    assert answer.trailers.get("x-trailing-bin") == "AP8"
    assert 20 < float(answer.trailers.get("x-remaining")) <= 30
    assert echo.metadata["via"].startswith("3.0 ")


def test_f2_a_status_passes_over_http3(third):
    with over_quic(third) as viewer:
        at_once = viewer.read_answer(viewer.send_request(quic_call(third, "Fail"), framed(b"")))
        later = viewer.read_answer(viewer.send_request(quic_call(third, "FailLater"), framed(b"")))
    assert said(at_once) == {"grpc-status": "5", "grpc-message": "not here: %C3%BC%25"}
    trailers = later.trailers.get("grpc-status"), later.trailers.get("grpc-message")
    assert (later.body, trailers) == (framed(b"first"), ("15", "lost"))


def test_f2_cancelling_reaches_the_origin_over_http3(third, echo):
    name = b"http3-%s" % third.domain.encode()
    with over_quic(third) as viewer:
        number = viewer.send_request(quic_call(third, "Wait"), framed(name))
        viewer.pump_until(lambda: name in echo.ended)
        viewer.reset(number)
        viewer.quic.stop_stream(number, quic.REQUEST_CANCELLED)
        viewer.pump_until(echo.ended[name].is_set)
        # Others go on.
        answer = viewer.read_answer(viewer.send_request(quic_call(third, "Unary"), framed(b"next")))
    assert answer.body == framed(b"next")


def test_an_origin_that_is_not_there_is_unavailable_over_http3(shield, closed_port):
    made = create(shield, closed_port, tags=H2C, version="http2and3", ConnectionAttempts=1)
    with over_quic(made) as viewer:
        answer = viewer.read_answer(viewer.send_request(quic_call(made, "Unary"), framed(b"")))
    assert (answer.status, answer.body, said(answer)["grpc-status"]) == (200, b"", UNAVAILABLE)
    assert answer.request_id in said(answer)["grpc-message"]
    assert detail(shield, answer) == "OriginConnectError"


def test_a_call_that_is_too_large_is_told_so_over_http3(shield, echo):
    made = create(shield, echo.clear, tags=[*H2C, ("mantlet:max-body", "10")], version="http2and3")
    with over_quic(made) as viewer:
        answer = viewer.read_answer(viewer.send_request(quic_call(made, "Unary"), framed(b"x" * 11)))
    assert said(answer)["grpc-status"] == RESOURCE_EXHAUSTED


# Origins that break rules. Each is spoken to in clear, by hand.


class Http2Origin:
    """The server's side of a connection, with the h2 package for what keeps to the rules."""

    def __init__(self, connection):
        self.wire = connection.wire
        config = h2.config.H2Configuration(client_side=False, header_encoding="latin-1")
        self.h2 = h2.connection.H2Connection(config=config)
        self.h2.initiate_connection()
        self.flush()
        self.events = []

    def flush(self):
        self.wire.send(self.h2.data_to_send())

    def next(self, kind):
        """The next event of a kind."""
        while True:
            for event in self.events:
                if isinstance(event, kind):
                    self.events.remove(event)
                    return event
            self.events += self.h2.receive_data(self.wire.take_some())
            self.flush()

    def request(self):
        stream = self.next(h2.events.RequestReceived).stream_id
        self.next(h2.events.StreamEnded)
        return stream

    def answer(self, stream, body=b"\0\0\0\0\0", status="0", fields=()):
        """A message, and trailers."""
        self.h2.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc"), *fields])
        self.h2.send_data(stream, body)
        self.h2.send_headers(stream, [("grpc-status", status)], end_stream=True)
        self.flush()

    def raw(self, data):
        self.wire.send(data)


def after_request(misdeed):
    """A script: answers a request in some way, and then the next ones as it should."""

    def script(connection):
        origin = Http2Origin(connection)
        stream = origin.request()
        if connection.number == 0:
            misdeed(origin, stream)
            connection.wait_for_close()
        while True:
            origin.answer(stream)
            stream = origin.request()

    return script


def answering(calls):
    """A script: notes each call's connection and head when it begins, and answers it when it ends."""

    def script(connection):
        origin = Http2Origin(connection)
        while True:
            event = origin.next((h2.events.RequestReceived, h2.events.StreamEnded))
            if isinstance(event, h2.events.StreamEnded):
                origin.answer(event.stream_id)
            else:
                calls.append((connection.number, dict(event.headers)))

    return script


def says(data):
    return lambda origin, _: origin.raw(data)


def head(*fields, flags=0x4, stream=1):
    """HEADERS whose fields are neither indexed nor compressed."""
    block = b"\x88" + b"".join(
        b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in fields
    )
    return frame(HEADERS, flags, stream, block)


FLOODS = {
    "pings": frame(PING, 0, 0, bytes(8)),
    "settings": frame(SETTINGS),
    "empty-data": frame(DATA, 0, 1),
    "window-updates": frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 1)),
    "unknown-frames": frame(0x42, 0, 0, b"x"),
    "interim": frame(HEADERS, 0x4, 1, b"\x08\x03103"),
}
BROKEN = {
    "http-1": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n" * 20,
    "noise": bytes(range(256)) * 4,
    "frame-too-large": frame(DATA, 0, 1, bytes(20_000)),
    "data-before-head": frame(DATA, 1, 1, b"x"),
    "bad-hpack": frame(HEADERS, 0x4, 1, b"\xff\xff\xff\xff\xff"),
    "data-on-no-stream": frame(DATA, 0, 0, b"x"),
    "window-overflow": frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**31 - 1)) * 2,
    "connection-field": head((b"connection", b"close")),
    "upper-case-field": head((b"X-A", b"1")),
    "line-in-field": head((b"x-a", b"1\r\nb: 2")),
    "no-status": frame(HEADERS, 0x4, 1, b"\0\x03x-a\x011"),
    "longer-than-declared": head((b"content-length", b"1")) + frame(DATA, 1, 1, b"xx"),
    "shorter-than-declared": head((b"content-length", b"3")) + frame(DATA, 1, 1, b"xx"),
    "push": frame(5, 0x4, 1, struct.pack(">I", 2) + b"\x82\x84\x86\x41\x01a"),
}


@pytest.fixture
def broken(shield):
    """Puts a script behind a distribution: `broken(script)` → (origin, viewer)."""
    made = []

    def make(script, **settings):
        made.append(RecordingOrigin(script))
        made[-1].requests_may_end_early = True
        settings = {"ConnectionAttempts": 1, "OriginReadTimeout": 2} | settings
        return made[-1], create(shield, made[-1].port, tags=H2C, **settings)

    yield make
    for origin in made:
        origin.close()
    assert not any(origin.misdeeds for origin in made), [origin.misdeeds for origin in made]


@pytest.mark.parametrize("case", BROKEN)
def test_broken_http2_is_unavailable_and_its_connection_not_used_again(broken, case):
    origin, viewer = broken(after_request(says(BROKEN[case])))
    answer, result = outcome(viewer)
    # What has begun can only end with another status, or not at all.
    assert answer.status == 200
    assert said(answer).get("grpc-status") in {UNAVAILABLE, INTERNAL, None}
    assert answer.complete or "grpc-status" not in said(answer)
    assert result in {"OriginInvalidResponseError", "OriginReadError", "AbortedOrigin"}
    answer, _ = outcome(viewer)
    assert said(answer) == {"grpc-status": "0"}
    assert len(origin.connections) == 2


@pytest.mark.parametrize("case", FLOODS)
def test_a_flood_ends_the_connection(broken, case):
    def flood(origin, _):
        for _ in range(200):
            origin.raw(FLOODS[case] * 1000)

    origin, viewer = broken(after_request(flood), OriginReadTimeout=30)
    answer, result = outcome(viewer)
    assert (answer.status, said(answer)["grpc-status"]) == (200, UNAVAILABLE)
    assert result in {"OriginInvalidResponseError", "OriginReadError"}
    assert said(outcome(viewer)[0]) == {"grpc-status": "0"}
    assert len(origin.connections) == 2


def test_an_origin_that_does_not_answer_is_unavailable(broken):
    origin, viewer = broken(after_request(lambda *_: None), OriginReadTimeout=1)
    answer, result = outcome(viewer)
    assert (said(answer)["grpc-status"], result) == (UNAVAILABLE, "OriginCommError")
    assert said(outcome(viewer)[0]) == {"grpc-status": "0"}
    assert len(origin.connections) == 2, "there is a doubt about the first one"


@pytest.mark.parametrize(("code", "status"), [(0x8, "1"), (0xB, "8"), (0x2, "13"), (0x7, "14")])
def test_a_reset_in_the_middle_becomes_the_status_that_it_means(broken, code, status):
    def begin(origin, stream):
        origin.h2.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
        origin.h2.send_data(stream, b"\0\0\0\0\1x")
        origin.flush()
        origin.raw(frame(RST_STREAM, 0, stream, struct.pack(">I", code)))

    def script(connection):
        origin = Http2Origin(connection)
        begin(origin, origin.request())
        connection.wait_for_close()

    _, viewer = broken(script)
    answer, result = outcome(viewer)
    assert (answer.body, answer.complete, said(answer)["grpc-status"]) == (b"\0\0\0\0\1x", True, status)
    assert result == "AbortedOrigin"


def test_a_reset_in_the_middle_becomes_a_status_over_http3(broken):
    def script(connection):
        origin = Http2Origin(connection)
        stream = origin.request()
        origin.h2.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
        origin.h2.send_data(stream, framed(b"x"))
        origin.flush()
        origin.raw(frame(RST_STREAM, 0, stream, struct.pack(">I", 0xB)))
        connection.wait_for_close()

    _, made = broken(script, version="http2and3")
    with over_quic(made) as viewer:
        answer = viewer.read_answer(viewer.send_request(quic_call(made, "Unary"), framed(b"")))
    assert (answer.body, answer.complete, said(answer)["grpc-status"]) == (framed(b"x"), True, "8")


def test_goaway_sends_the_next_call_to_another_connection(broken):
    def script(connection):
        origin = Http2Origin(connection)
        stream = origin.request()
        origin.answer(stream)
        origin.raw(frame(GOAWAY, 0, 0, struct.pack(">II", stream, 0)))
        connection.wait_for_close()

    origin, viewer = broken(script)
    for _ in range(3):
        assert said(outcome(viewer)[0]) == {"grpc-status": "0"}
    assert len(origin.connections) == 3


@pytest.mark.parametrize("refusal", ["goaway", "refused-stream"])
def test_a_call_that_was_not_looked_at_goes_out_again(broken, refusal):
    bodies = []

    def read(origin):
        stream, body = origin.next(h2.events.RequestReceived).stream_id, b""
        while not body:
            data = origin.next(h2.events.DataReceived)
            body = data.data if data.stream_id == stream else b""
        bodies.append(body)
        return stream

    def script(connection):
        origin = Http2Origin(connection)
        stream = read(origin)
        if connection.number == 0 and refusal == "goaway":
            origin.raw(frame(GOAWAY, 0, 0, bytes(8)))
            return connection.wait_for_close()
        if refusal == "refused-stream":
            origin.raw(frame(RST_STREAM, 0, stream, struct.pack(">I", 0x7)))
            stream = read(origin)
        origin.answer(stream)
        return connection.wait_for_close()

    _, viewer = broken(script)
    assert said(outcome(viewer, body=b"\0\0\0\0\1x")[0]) == {"grpc-status": "0"}
    assert bodies == [b"\0\0\0\0\1x"] * 2


def test_streams_beyond_the_origins_limit_go_to_another_connection(broken):
    arrived, release = threading.Semaphore(0), threading.Event()

    def script(connection):
        origin = Http2Origin(connection)
        origin.h2.update_settings({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 1})
        origin.flush()
        while True:
            stream = origin.request()
            arrived.release()
            assert release.wait(PATIENCE)
            origin.answer(stream)

    origin, viewer = broken(script, OriginReadTimeout=30)
    with viewer.http2() as connection:
        streams = []
        for number in range(3):
            fields = [*viewer.with_host(), *CALL]
            streams.append(connection.open("POST", f"/{number}", fields, end=False))
            streams[-1].send_body(b"\0\0\0\0\0", end=True)
            # The first one learns the limit.
            assert arrived.acquire(timeout=PATIENCE)
        release.set()
        assert [said(stream.read_answer()) for stream in streams] == [{"grpc-status": "0"}] * 3
    assert len(origin.connections) == 3


def test_a_viewer_that_resets_its_stream_resets_the_origins(broken):
    seen = []

    def script(connection):
        origin = Http2Origin(connection)
        origin.next(h2.events.RequestReceived)
        seen.append(None)
        seen.append(origin.next(h2.events.StreamReset).error_code)
        connection.wait_for_close()

    _, viewer = broken(script)
    with viewer.http2() as connection:
        stream = connection.open("POST", "/", [*viewer.with_host(), *CALL], end=False)
        wait_until(lambda: seen, "the request")
        stream.reset()
        wait_until(lambda: len(seen) == 2, "the reset")
    assert int(seen[1]) == 0x8


def test_a_viewer_that_resets_many_streams_does_not_end_the_calls_of_others(broken):
    """The origin ends a connection with more than a hundred resets, as servers do (CVE-2023-44487)."""
    noticed, resets = threading.Semaphore(0), {}

    def script(connection):
        origin = Http2Origin(connection)
        resets[connection.number] = 0
        while True:
            event = origin.next((h2.events.RequestReceived, h2.events.StreamReset, h2.events.StreamEnded))
            if isinstance(event, h2.events.StreamEnded):
                origin.answer(event.stream_id)
            elif isinstance(event, h2.events.StreamReset):
                resets[connection.number] += 1
                if resets[connection.number] > 100:
                    return origin.raw(frame(GOAWAY, 0, 0, struct.pack(">II", event.stream_id, 0xB)))
            noticed.release()

    _, viewer = broken(script, OriginReadTimeout=30)
    fields = [*viewer.with_host(), *CALL]
    with viewer.http2() as other, viewer.http2() as connection:
        call = other.open("POST", "/", fields, end=False)
        assert noticed.acquire(timeout=PATIENCE)
        for _ in range(150):
            stream = connection.open("POST", "/", fields, end=False)
            assert noticed.acquire(timeout=PATIENCE)
            stream.reset()
            assert noticed.acquire(timeout=PATIENCE)
        call.send_body(b"\0\0\0\0\0", end=True)
        assert said(call.read_answer()) == {"grpc-status": "0"}
    # Each of them but the last one has had as many as it may.
    assert list(resets.values()) == [32, 32, 32, 32, 22]


def test_calls_that_end_are_no_resets(broken):
    calls = []
    origin, viewer = broken(answering(calls))
    with viewer.http2() as connection:
        for _ in range(100):
            answer = connection.ask("POST", "/", [*viewer.with_host(), *CALL], b"\0\0\0\0\0")
            assert said(answer) == {"grpc-status": "0"}
    assert (len(calls), len(origin.connections)) == (100, 1)


def test_invariant_4_a_body_that_is_not_as_long_as_declared_never_ends_at_the_origin(broken):
    ended = []

    def script(connection):
        origin = Http2Origin(connection)
        origin.next(h2.events.RequestReceived)
        origin.next(h2.events.StreamReset)
        ended.extend(event for event in origin.events if isinstance(event, h2.events.StreamEnded))
        connection.wait_for_close()

    _, viewer = broken(script)
    with viewer.frames() as connection:
        fields = [(b":method", b"POST"), (b":path", b"/"), (b":scheme", b"https")]
        fields += [(b":authority", viewer.host.encode()), (b"content-type", b"application/grpc")]
        fields += [(b"content-length", b"5")]
        block = b"".join(
            b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in fields
        )
        connection.send(frame(HEADERS, 0x4, 1, block) + frame(DATA, 0x1, 1, b"abc"))
        assert connection.outcome(1) in {200, 400, "reset", "goaway"}
    assert ended == []


def test_an_interim_response_of_an_origin_is_passed_over(broken):
    def script(connection):
        origin = Http2Origin(connection)
        stream = origin.request()
        origin.h2.send_headers(stream, [(":status", "103"), ("link", "</a>")])
        origin.answer(stream)
        connection.wait_for_close()

    _, viewer = broken(script)
    answer, _ = outcome(viewer)
    assert said(answer) == {"grpc-status": "0"}


def test_the_preface_is_the_first_thing_that_an_origin_hears(broken):
    heard = []

    def script(connection):
        heard.append(connection.wire.take(len(PREFACE)))

    _, viewer = broken(script)
    outcome(viewer)
    assert heard[0] == PREFACE
