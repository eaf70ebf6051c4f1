"""WebSocket through the edge (F1): the handshake as the origin gets it, a verbatim relay after it, and
nothing to the origin before it (RFC 6455, "Use WebSockets")."""

import asyncio
import base64
import contextlib
import hashlib
import os
import ssl

import h2.config
import h2.connection
import h2.events
import kosoku
import pytest
from websockets.frames import DATA_OPCODES, Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from harness.config import api_distribution, behavior, origin_at, without
from harness.http1 import PeerClosed, head_bytes
from harness.viewer import Answer
from test_access_log import AccessLog

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def handshake(key=None, **changes):
    """The fields of a handshake; a change of None leaves a field out."""
    fields = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": key or base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Version": "13",
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    return [(name, value) for name, value in fields.items() if value is not None]


def accepted(key):
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


def switching(key, fields=()):
    return head_bytes(
        "HTTP/1.1 101 Switching Protocols",
        [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", accepted(key)),
            *fields,
        ],
    )


def echo(connection):
    """Accepts a handshake and sends back every byte, until the other side ends."""
    request = connection.read_request()
    connection.send(switching(request.fields.get("sec-websocket-key"), [("Sec-WebSocket-Protocol", "chat")]))
    wire = connection.wire
    while True:
        if not wire.held:
            wire.more()
        data = bytes(wire.held)
        wire.held.clear()
        connection.send(data)


@pytest.fixture
def echoing(front):
    return front(echo)


def read_exactly(wire, count):
    while len(wire.held) < count:
        wire.more()
    data = bytes(wire.held[:count])
    del wire.held[:count]
    return data


def open_socket(viewer, connection, target="/chat?room=1", fields=None):
    connection.send(head_bytes(f"GET {target} HTTP/1.1", viewer.with_host(fields or handshake())))
    head = connection.wire.read_head()
    return head.first_line.split(" ")[1], head.fields


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_f1_a_handshake_reaches_the_origin_and_its_answer_the_viewer(front, scheme):
    origin, viewer = front(echo, default=behavior(ViewerProtocolPolicy="allow-all"))
    key = base64.b64encode(os.urandom(16)).decode()
    fields = handshake(key, Sec_WebSocket_Protocol="chat", Sec_WebSocket_Extensions="permessage-deflate")
    with viewer.http1(scheme) as connection:
        status, answer = open_socket(viewer, connection, fields=fields)
        assert status == "101"
        assert (answer.get("upgrade"), answer.get("connection")) == ("websocket", "Upgrade")
        assert answer.get("sec-websocket-accept") == accepted(key)
        assert answer.get("sec-websocket-protocol") == "chat"
        assert answer.get("x-cache") == "Miss from cloudfront"
        assert "content-length" not in answer
        assert "transfer-encoding" not in answer
    seen = origin.request
    assert (seen.method, seen.target) == ("GET", "/chat?room=1")
    assert (seen.fields.get("upgrade"), seen.fields.get("connection")) == ("websocket", "Upgrade")
    assert (seen.fields.get("sec-websocket-key"), seen.fields.get("sec-websocket-version")) == (key, "13")
    assert seen.fields.get("sec-websocket-extensions") == "permessage-deflate"


def test_f1_bytes_are_relayed_as_they_are_in_both_directions(echoing):
    _, viewer = echoing
    with viewer.http1() as connection:
        assert open_socket(viewer, connection)[0] == "101"
        for size in (1, 2, 125, 70_000, 1_000_000):
            data = os.urandom(size)
            connection.send(data)
            assert read_exactly(connection.wire, size) == data


def test_f1_nothing_is_relayed_before_the_origin_has_switched(front):
    """CVE-2026-2833: bytes after `Upgrade` that reach the origin before its 101 are a smuggled request."""

    def refuse(connection):
        request = connection.read_request()
        connection.answer(403, body=b"no")
        assert request.fields.get("upgrade") == "websocket"
        connection.read_request()
        connection.answer(200, body=b"second")

    origin, viewer = front(refuse)
    smuggled = head_bytes("GET /second HTTP/1.1", viewer.with_host())
    with viewer.http1() as connection:
        connection.send(head_bytes("GET /first HTTP/1.1", viewer.with_host(handshake())) + smuggled)
        assert connection.read_answer().status == 403
        # What came behind is the next request, checked as every other one.
        assert connection.read_answer().body == b"second"
    assert [request.target for request in origin.requests] == ["/first", "/second"]
    assert origin.requests[1].fields.get("x-amz-cf-id")


def test_f1_bytes_sent_early_arrive_once_the_origin_has_switched(echoing):
    _, viewer = echoing
    with viewer.http1() as connection:
        connection.send(head_bytes("GET / HTTP/1.1", viewer.with_host(handshake())) + b"early bytes")
        assert connection.wire.read_head().first_line.split(" ")[1] == "101"
        assert read_exactly(connection.wire, 11) == b"early bytes"


def test_f1_bytes_behind_the_switch_reach_the_viewer(front):
    def greet(connection):
        request = connection.read_request()
        connection.send(switching(request.fields.get("sec-websocket-key")) + b"hello")
        connection.wait_for_close()

    _, viewer = front(greet)
    with viewer.http1() as connection:
        assert open_socket(viewer, connection)[0] == "101"
        assert read_exactly(connection.wire, 5) == b"hello"


@pytest.mark.parametrize(
    "answer",
    [
        {"Sec-WebSocket-Accept": accepted("bm90IHRoZSBrZXkgc2VudA==")},
        {"Sec-WebSocket-Accept": None},
        {"Upgrade": "h2c"},
        {"Upgrade": None},
        {"Connection": None},
    ],
    ids=str,
)
def test_f1_a_switch_to_something_else_is_502_and_relays_nothing(front, answer):
    def switch(connection):
        request = connection.read_request()
        right = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Accept": accepted(request.fields.get("sec-websocket-key")),
            **answer,
        }
        fields = [(name, value) for name, value in right.items() if value is not None]
        connection.send(head_bytes("HTTP/1.1 101 Switching Protocols", fields) + b"tunnel")
        connection.wait_for_close()

    _, viewer = front(switch)
    with viewer.http1() as connection:
        connection.send(head_bytes("GET / HTTP/1.1", viewer.with_host(handshake())))
        refused = connection.read_answer()
    assert refused.status == 502
    assert b"tunnel" not in refused.body


def test_f1_an_origin_that_switches_unasked_is_502(front):
    def switch(connection):
        connection.read_request()
        connection.send(switching("bm90IHRoZSBrZXkgc2VudA=="))
        connection.wait_for_close()

    _, viewer = front(switch)
    assert viewer.get("/").status == 502


@pytest.mark.parametrize(
    "fields",
    [
        handshake(Upgrade="h2c"),
        handshake(Connection="keep-alive"),
        handshake(Sec_WebSocket_Key=None),
        handshake(Sec_WebSocket_Version=None),
    ],
    ids=["another protocol", "not nominated", "no key", "no version"],
)
def test_f1_what_is_no_handshake_is_an_ordinary_request(front, fields):
    origin, viewer = front()
    with viewer.http1() as connection:
        connection.send(head_bytes("GET / HTTP/1.1", viewer.with_host(fields)))
        assert connection.read_answer().status == 200
    assert "upgrade" not in origin.request.fields
    assert origin.request.fields.get("connection") == "Keep-Alive"


def test_f1_a_behavior_that_does_not_forward_the_key_has_no_websockets(front):
    origin, viewer = front(default=without(behavior(), "OriginRequestPolicyId"))
    with viewer.http1() as connection:
        connection.send(head_bytes("GET / HTTP/1.1", viewer.with_host(handshake())))
        assert connection.read_answer().status == 200
    assert "upgrade" not in origin.request.fields


def test_f1_an_end_on_either_side_reaches_the_other(front, echoing):
    _, viewer = echoing
    connection = viewer.http1()
    assert open_socket(viewer, connection)[0] == "101"
    connection.send(b"bye")
    assert read_exactly(connection.wire, 3) == b"bye"
    connection.close()

    def leave(connection):
        request = connection.read_request()
        connection.send(switching(request.fields.get("sec-websocket-key")) + b"last words")

    _, viewer = front(leave)
    with viewer.http1() as connection:
        assert open_socket(viewer, connection)[0] == "101"
        assert read_exactly(connection.wire, 10) == b"last words"
        with pytest.raises(PeerClosed):
            connection.wire.more()


def test_f1_it_is_logged_when_it_ends(mantlet, echoing):
    _, viewer = echoing
    with viewer.http1() as connection:
        status, answer = open_socket(viewer, connection)
        assert status == "101"
        connection.send(b"x" * 1000)
        read_exactly(connection.wire, 1000)
        log, seen = AccessLog(mantlet.access_log), Answer(101, answer)
        assert log.of(seen) == []
    line = log.wait_for(seen)
    assert (line["cs-protocol"], line["sc-status"], line["x-edge-result-type"]) == ("wss", "101", "Miss")
    assert int(line["sc-bytes"]) > 1000
    assert int(line["cs-bytes"]) > 1000


def test_f1_the_connection_is_not_used_again(front):
    """A request after a tunnel would be one that nobody framed."""

    def close_tunnel(connection):
        request = connection.read_request()
        connection.send(switching(request.fields.get("sec-websocket-key")))

    _, viewer = front(close_tunnel)
    with viewer.http1() as connection:
        assert open_socket(viewer, connection)[0] == "101"
        assert connection.closed_within()
    # The next viewer has a connection of its own, and one to the origin.
    with viewer.http1() as connection:
        assert open_socket(viewer, connection)[0] == "101"


# Many large messages (9) and compression at speed (12, 13) take minutes and show no more about a relay.
LEFT_OUT = ["9.3.*", "9.4.*", "9.5.*", "9.6.*", "9.7.*", "9.8.*", "12.*", "13.*"]


# Some cases give a peer a second to answer or to close, and judge it by that.
@pytest.mark.alone
def test_f1_the_verdicts_of_autobahns_cases_are_the_same_through_the_edge(mantlet):
    direct, *through_edge = asyncio.run(verdicts_direct_and_through_the_edge(mantlet))
    assert len(direct) > 200
    for verdicts in through_edge:
        assert verdicts.keys() == direct.keys()
        assert {
            case: (found, direct[case]) for case, found in verdicts.items() if found != direct[case]
        } == {}


async def verdicts_direct_and_through_the_edge(mantlet):
    async with await asyncio.start_server(echo_messages, "127.0.0.1", 0) as origin:
        port = origin.sockets[0].getsockname()[1]
        default = behavior(ViewerProtocolPolicy="allow-all")
        viewer = mantlet.create(api_distribution(origin_at(port), default=default)).viewer
        edge = mantlet.http

        async def over_http1(reader, writer):
            await name_the_distribution(reader, writer, edge, viewer.domain)

        async def over_http2(reader, writer):
            await Http2Tunnel(reader, writer).run(viewer)

        found = [await verdicts(port)]
        for to_edge in (over_http1, over_http2):
            async with await asyncio.start_server(to_edge, "127.0.0.1", 0) as named:
                found.append(await verdicts(named.sockets[0].getsockname()[1]))
        return found


class EchoProtocol(ServerProtocol):
    """Sends a message back in the moment of its last frame, and not when a task gets its turn: what a peer
    does then hangs on the order of the bytes alone, and not on how many of them come together."""

    def recv_frame(self, frame):
        super().recv_frame(frame)
        if frame.opcode not in DATA_OPCODES:
            return
        if frame.opcode != Opcode.CONT:
            self.opcode, self.message = frame.opcode, b""
        self.message += frame.data
        if frame.fin:
            if self.opcode == Opcode.TEXT:
                self.message.decode()
            self.send_frame(Frame(self.opcode, self.message))


async def echo_messages(reader, writer):
    protocol = EchoProtocol()
    while data := await reader.read(64 * 1024):
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Request):
                protocol.send_response(protocol.accept(event))
        for data in protocol.data_to_send():
            if data:
                writer.write(data)
            elif writer.can_write_eof():
                writer.write_eof()
        await writer.drain()
    writer.close()


async def verdicts(port):
    try:
        results = await kosoku.run_fuzzingclient(f"127.0.0.1:{port}", None, LEFT_OUT, concurrency=4)
    except kosoku.FailureError as failed:
        results = failed.results
    return {result.case_id: (result.behavior.value, result.behavior_close.value) for result in results}


async def name_the_distribution(reader, writer, edge, domain):
    """Passes a connection on to the edge, with the distribution's name in its first head: the client under
    test names what it connects to, and this machine may not resolve the distribution's name."""
    first, *rest = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    rest = [b"Host: " + domain.encode() if line.lower().startswith(b"host:") else line for line in rest]
    edge_reader, edge_writer = await asyncio.open_connection(*edge)
    edge_writer.write(b"\r\n".join([first, *rest]))
    await asyncio.gather(pass_on(reader, edge_writer), pass_on(edge_reader, writer))
    edge_writer.close()
    writer.close()


async def pass_on(reader, writer):
    with contextlib.suppress(OSError):
        while data := await reader.read(64 * 1024):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


class Http2Tunnel:
    """Passes a WebSocket of HTTP/1.1 on to the edge over HTTP/2 (RFC 8441): the client under test speaks
    HTTP/1.1 alone."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="latin-1"))
        self.may_send = asyncio.Event()
        self.stream = 1

    async def run(self, viewer):
        first, *rest = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        key = fields.pop("sec-websocket-key")
        for name in ("host", "connection", "upgrade"):
            fields.pop(name)
        context = ssl.create_default_context(cafile=str(viewer.mantlet.ca))
        context.set_alpn_protocols(["h2"])
        edge = await asyncio.open_connection(
            *viewer.mantlet.https, ssl=context, server_hostname=viewer.domain
        )
        self.edge_reader, self.edge_writer = edge
        self.h2.initiate_connection()
        pseudo = {
            ":method": "CONNECT",
            ":protocol": "websocket",
            ":scheme": "https",
            ":path": first.split(" ")[1],
            ":authority": viewer.host,
        }
        self.h2.send_headers(self.stream, [*pseudo.items(), *fields.items()])
        self.flush()
        sending = asyncio.create_task(self.send())
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self.receive(key)
        sending.cancel()
        self.edge_writer.close()
        self.writer.close()

    def flush(self):
        self.edge_writer.write(self.h2.data_to_send())

    async def send(self):
        while data := await self.reader.read(64 * 1024):
            while data:
                room = min(
                    len(data),
                    self.h2.local_flow_control_window(self.stream),
                    self.h2.max_outbound_frame_size,
                )
                if room:
                    self.h2.send_data(self.stream, data[:room])
                    data = data[room:]
                    self.flush()
                else:
                    self.may_send.clear()
                    await self.may_send.wait()
        self.h2.end_stream(self.stream)
        self.flush()

    async def receive(self, key):
        while data := await self.edge_reader.read(64 * 1024):
            for event in self.h2.receive_data(data):
                self.may_send.set()
                if isinstance(event, h2.events.ResponseReceived):
                    assert dict(event.headers)[":status"] == "200"
                    passed = [
                        (name, value) for name, value in event.headers if name.startswith("sec-websocket-")
                    ]
                    self.writer.write(switching(key, passed))
                elif isinstance(event, h2.events.DataReceived):
                    self.writer.write(event.data)
                    self.h2.acknowledge_received_data(event.flow_controlled_length, self.stream)
                elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
                    return
            self.flush()
            await self.writer.drain()
