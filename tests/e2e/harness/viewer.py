"""Viewers: raw HTTP/1.1 and HTTP/2 connections to an edge, by the distribution's name.

A viewer connects to the loopback address itself and names the distribution in SNI and Host, so no test
depends on how the machine resolves `*.mantlet.localhost`.
"""

import socket
import ssl
from collections import deque
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

from .frames import Frames
from .http1 import Fields, PeerClosed, ProtocolError, Wire, head_bytes
from .waiting import PATIENCE

# Interim answers (1xx) that a final one may follow.
INTERIM = range(100, 200)


@dataclass
class Answer:
    status: int
    fields: Fields
    body: bytes = b""
    # False when the message ended before its framing said so.
    complete: bool = True
    trailers: Fields = field(default_factory=Fields)
    # HTTP/1.1 only: exact bytes.
    raw_head: bytes = b""
    raw_body: bytes = b""
    first_line: str = ""

    @property
    def request_id(self):
        return self.fields.get("x-amz-cf-id")


class Http1Connection:
    """One connection that sends what it is told and reads strictly."""

    def __init__(self, sock):
        self.wire = Wire(sock)

    def send(self, data):
        self.wire.send(data)

    def ask(self, method, target, fields, body=b""):
        """Sends a request, with Content-Length where there is a body, and reads the answer."""
        self.send_request(method, target, fields, body)
        return self.read_answer(method)

    def send_request(self, method, target, fields, body=b"", version="1.1"):
        fields = list(fields)
        if body or method in ("POST", "PUT", "PATCH"):
            fields.append(("Content-Length", len(body)))
        self.send(head_bytes(f"{method} {target} HTTP/{version}", fields) + body)

    def read_answer(self, method="GET"):
        """The next final answer, body and all; interim ones before it are dropped."""
        answer = self.read_answer_head()
        if not has_body(method, answer.status):
            return answer
        pieces, raws = [], []
        try:
            for content, raw, trailers in self.wire.body_pieces(answer.fields, is_response=True):
                pieces.append(content)
                raws.append(raw)
                answer.trailers += trailers
        except PeerClosed:
            answer.complete = False
        answer.body, answer.raw_body = b"".join(pieces), b"".join(raws)
        return answer

    def read_answer_head(self):
        while True:
            head = self.wire.read_head()
            version, status, *_ = head.first_line.split(" ", 2)
            if version not in ("HTTP/1.1", "HTTP/1.0") or len(status) != 3:
                raise ProtocolError(f"status line {head.first_line!r}")
            if int(status) not in INTERIM:
                return Answer(int(status), head.fields, raw_head=head.raw, first_line=head.first_line)

    def body_pieces(self, answer):
        """Yields content as it arrives. Raises PeerClosed where it is truncated."""
        for content, _, _ in self.wire.body_pieces(answer.fields, is_response=True):
            if content:
                yield content

    def closed_within(self, seconds=PATIENCE):
        return self.wire.closed_within(seconds)

    def close(self):
        self.wire.close()

    def reset(self):
        self.wire.reset()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Http2Stream:
    def __init__(self, connection, number):
        self.connection = connection
        self.number = number
        self.answer = None
        # Interim answers, as pairs of status and fields.
        self.interim = []
        self.pieces = deque()
        self.ended = False
        self.reset_code = None

    def read_head(self):
        self.connection.pump_until(lambda: self.answer or self.reset_code is not None)
        if self.answer is None:
            raise PeerClosed(b"RST_STREAM %d" % self.reset_code)
        return self.answer

    def body_pieces(self):
        """Yields content as it arrives. Raises PeerClosed where the stream was reset."""
        while True:
            self.connection.pump_until(lambda: self.pieces or self.ended or self.reset_code is not None)
            if self.pieces:
                data, flow_controlled = self.pieces.popleft()
                self.connection.acknowledge(self, flow_controlled)
                yield data
            elif self.ended:
                return
            else:
                raise PeerClosed(b"RST_STREAM %d" % self.reset_code)

    def read_answer(self):
        answer = self.read_head()
        pieces = []
        try:
            pieces.extend(self.body_pieces())
        except PeerClosed:
            answer.complete = False
        answer.body = b"".join(pieces)
        return answer

    def send_body(self, data, end=False):
        """Sends within the windows that the edge grants, waiting for them to open."""
        view = memoryview(data)
        h2c = self.connection.h2
        while view:
            if self.reset_code is not None:
                raise PeerClosed(b"RST_STREAM %d" % self.reset_code)
            room = min(h2c.local_flow_control_window(self.number), h2c.max_outbound_frame_size, len(view))
            if room:
                h2c.send_data(self.number, bytes(view[:room]))
                view = view[room:]
                self.connection.flush()
            else:
                self.connection.pump()
        if end:
            h2c.end_stream(self.number)
            self.connection.flush()

    def reset(self, code=h2.errors.ErrorCodes.CANCEL):
        self.connection.h2.reset_stream(self.number, code)
        self.connection.flush()


class Http2Connection:
    """One HTTP/2 connection with any number of streams, driven by whoever waits on one of them."""

    def __init__(self, sock):
        self.socket = sock
        self.streams = {}
        self.gone_away = False
        config = h2.config.H2Configuration(client_side=True, header_encoding="latin-1")
        self.h2 = h2.connection.H2Connection(config=config)
        self.h2.initiate_connection()
        # The connection's own window never holds a stream back; the streams' windows do.
        self.h2.increment_flow_control_window(2**30)
        self.flush()

    def open(self, method, path, fields, end=True, protocol=None):
        """`fields` holds `:authority` as `host`, like HTTP/1.1 does; `protocol` is of an extended CONNECT."""
        number = self.h2.get_next_available_stream_id()
        names = [(name.lower(), str(value)) for name, value in fields]
        authority = next(value for name, value in names if name == "host")
        pseudo = [(":method", method), (":scheme", "https"), (":authority", authority), (":path", path)]
        if protocol:
            pseudo.append((":protocol", protocol))
        rest = [(name, value) for name, value in names if name != "host"]
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pseudo + rest]
        stream = self.streams[number] = Http2Stream(self, number)
        self.h2.send_headers(number, encoded, end_stream=end)
        self.flush()
        return stream

    def ask(self, method, path, fields, body=b""):
        fields = list(fields)
        if body or method in ("POST", "PUT", "PATCH"):
            fields.append(("content-length", len(body)))
        stream = self.open(method, path, fields, end=not body)
        if body:
            stream.send_body(body, end=True)
        return stream.read_answer()

    def acknowledge(self, stream, count):
        if count and not stream.ended and stream.reset_code is None:
            self.h2.acknowledge_received_data(count, stream.number)
            self.flush()

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def pump_until(self, condition):
        while not condition():
            self.pump()

    def pump(self):
        """Reads once and files what came under its streams."""
        if self.gone_away:
            raise PeerClosed(b"GOAWAY")
        try:
            data = self.socket.recv(256 * 1024)
        except (ConnectionResetError, BrokenPipeError) as error:
            raise PeerClosed from error
        if not data:
            raise PeerClosed
        for event in self.h2.receive_data(data):
            self._file(event)
        self.flush()

    def _file(self, event):
        stream = self.streams.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.ResponseReceived):
            status = int(dict(event.headers)[":status"])
            fields = Fields((name, value) for name, value in event.headers if not name.startswith(":"))
            stream.answer = Answer(status, fields)
        elif isinstance(event, h2.events.InformationalResponseReceived):
            status = int(dict(event.headers)[":status"])
            fields = Fields((name, value) for name, value in event.headers if not name.startswith(":"))
            stream.interim.append((status, fields))
        elif isinstance(event, h2.events.DataReceived):
            stream.pieces.append((event.data, event.flow_controlled_length))
        elif isinstance(event, h2.events.TrailersReceived):
            stream.answer.trailers += list(event.headers)
        elif isinstance(event, h2.events.StreamEnded):
            stream.ended = True
        elif isinstance(event, h2.events.StreamReset):
            stream.reset_code = int(event.error_code)
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.gone_away = True

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Viewer:
    """Calls one distribution of one mantlet process."""

    def __init__(self, mantlet, domain):
        self.mantlet = mantlet
        self.domain = domain

    @property
    def host(self):
        """The Host of a URL that names the HTTPS listener."""
        return f"{self.domain}:{self.mantlet.https[1]}"

    @property
    def url(self):
        return f"https://{self.host}"

    def get(self, target="/", fields=(), **how):
        return self.ask("GET", target, fields, **how)

    def post(self, target="/", body=b"", fields=(), **how):
        return self.ask("POST", target, fields, body, **how)

    def ask(self, method, target="/", fields=(), body=b"", version="1.1", scheme="https"):
        """One request on a connection of its own."""
        if version == "2":
            with self.http2() as connection:
                return connection.ask(method, target, self.with_host(fields), body)
        with self.http1(scheme) as connection:
            return connection.ask(method, target, self.with_host(fields), body)

    def with_host(self, fields=()):
        return [("Host", self.host), *fields]

    def http1(self, scheme="https", patience=PATIENCE):
        if scheme == "http":
            return Http1Connection(connect(self.mantlet.http, patience))
        return Http1Connection(self._tls("http/1.1", patience))

    def http2(self, patience=PATIENCE):
        return Http2Connection(self._tls("h2", patience))

    def frames(self, first=None, patience=PATIENCE, **how):
        """HTTP/2 by hand, from another loopback address if one is given."""
        return Frames(self._tls("h2", patience, **how), first)

    def _tls(self, protocol, patience, **how):
        context = ssl.create_default_context(cafile=str(self.mantlet.ca))
        context.set_alpn_protocols([protocol])
        sock = connect(self.mantlet.https, patience, **how)
        sock = context.wrap_socket(sock, server_hostname=self.domain)
        assert sock.selected_alpn_protocol() == protocol
        return sock


def connect(address, patience=PATIENCE, source=None, receive_buffer=None):
    """A socket; from another loopback address, and with as little room for what comes, as is said."""
    sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    if source:
        sock.bind((source, 0))
    sock.settimeout(patience)
    sock.connect(address)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def has_body(method, status):
    return method != "HEAD" and status not in (204, 304) and status not in INTERIM
