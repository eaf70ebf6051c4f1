"""Viewers over QUIC: aioquic's packets, with HTTP/3's frames written and read here, right or wrong."""

import contextlib
import math
import select
import socket
import ssl
import time

import pylsqpack
from aioquic.buffer import Buffer, BufferReadError, encode_uint_var
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection

from .http1 import Fields, PeerClosed
from .viewer import Answer
from .waiting import PATIENCE, POLL

# Frames (RFC 9114, section 7.2) and streams in one direction (section 6.2; RFC 9204, section 4.2).
DATA, HEADERS, CANCEL_PUSH, SETTINGS, PUSH_PROMISE, GOAWAY, MAX_PUSH_ID = 0, 1, 3, 4, 5, 7, 13
CONTROL, PUSH, ENCODER, DECODER = 0, 1, 2, 3
# A type that is reserved to be ignored, of frames and streams alike.
GREASE = 0x21

# Errors (RFC 9114, section 8.1; RFC 9204, section 6; RFC 9001, section 4.8).
NO_ERROR, STREAM_CREATION_ERROR, CLOSED_CRITICAL_STREAM, FRAME_UNEXPECTED = 0x100, 0x103, 0x104, 0x105
FRAME_ERROR, EXCESSIVE_LOAD, ID_ERROR, SETTINGS_ERROR, MISSING_SETTINGS = 0x106, 0x107, 0x108, 0x109, 0x10A
REQUEST_REJECTED, REQUEST_CANCELLED, REQUEST_INCOMPLETE = 0x10B, 0x10C, 0x10D
DECOMPRESSION_FAILED, ENCODER_STREAM_ERROR, DECODER_STREAM_ERROR = 0x200, 0x201, 0x202
NO_APPLICATION_PROTOCOL = 0x100 + 120


def varint(number):
    return encode_uint_var(number)


def frame(kind, payload=b""):
    return varint(kind) + varint(len(payload)) + payload


def prefixed(number, bits, flags):
    """An integer behind flags (RFC 9204, section 4.1.1)."""
    most = (1 << bits) - 1
    if number < most:
        return bytes([flags | number])
    encoded, number = bytes([flags | most]), number - most
    while number >= 0x80:
        encoded += bytes([0x80 | number & 0x7F])
        number >>= 7
    return encoded + bytes([number])


def section(fields):
    """A field section of literals, so that anything at all can stand in it."""
    encoded = b"\0\0"
    for name, value in fields:
        encoded += prefixed(len(name), 3, 0x20) + name + prefixed(len(value), 7, 0) + value
    return encoded


class QuicStream:
    """What the edge has sent on a request's stream."""

    def __init__(self):
        self.received = bytearray()
        self.ended = False
        self.reset_code = None
        self.stop_code = None


class QuicViewer:
    """One connection. Nothing is sent but what a test says, the handshake and acknowledgments."""

    def __init__(
        self, address, name, ca, *, alpn=("h3",), settings=b"", ticket=None, source=None, **configuration
    ):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        if source:
            self.sock.bind((source, 0))
        self.sock.connect(address)
        self.address = address
        self.sent = 0
        self.tickets = []
        self.quic = QuicConnection(
            configuration=QuicConfiguration(
                alpn_protocols=list(alpn),
                cafile=None if ca is None else str(ca),
                server_name=name,
                session_ticket=ticket,
                verify_mode=ssl.CERT_NONE if ca is None else ssl.CERT_REQUIRED,
                **configuration,
            ),
            session_ticket_handler=self.tickets.append,
        )
        self.streams = {}
        self.is_ready = False
        self.closed = None
        self.settings = settings

    def connect(self):
        """Performs the handshake, and opens a control stream where `settings` are not None."""
        self.quic.connect(self.address, now=time.monotonic())
        self.pump_until(lambda: self.is_ready or self.closed)
        if self.closed:
            raise PeerClosed(b"CONNECTION_CLOSE %#x" % self.closed)
        if self.settings is not None:
            self.control = self.open(CONTROL, frame(SETTINGS, self.settings))
        return self

    def flush(self):
        for data, _ in self.quic.datagrams_to_send(now=time.monotonic()):
            self.sent += len(data)
            # The edge may be gone.
            with contextlib.suppress(ConnectionRefusedError):
                self.sock.send(data)

    def pump_until(self, condition, patience=PATIENCE):
        deadline = time.monotonic() + patience
        while not condition():
            self.flush()
            now = time.monotonic()
            assert now < deadline, f"nothing came: {self.closed=} {self.streams=}"
            timer = self.quic.get_timer() or deadline
            if self.is_readable(max(0, min(timer, now + POLL) - now)):
                self.receive()
            self.go_on()
        self.flush()

    def pump(self):
        """Sends what there is to send and takes in what has come, without waiting for more."""
        self.flush()
        while self.is_readable(0):
            self.receive()
        self.go_on()
        self.flush()

    def go_on(self):
        if (self.quic.get_timer() or math.inf) <= time.monotonic():
            self.quic.handle_timer(now=time.monotonic())
        while event := self.quic.next_event():
            self.handle(event)

    def is_readable(self, patience):
        return bool(select.select([self.sock], [], [], patience)[0])

    def receive(self):
        with contextlib.suppress(ConnectionRefusedError):
            self.quic.receive_datagram(self.sock.recv(65536), self.address, now=time.monotonic())

    def handle(self, event):
        if isinstance(event, events.HandshakeCompleted):
            self.is_ready = True
            self.resumed = event.session_resumed
        elif isinstance(event, events.ConnectionTerminated):
            self.closed = event.error_code
        elif isinstance(event, events.StreamDataReceived):
            stream = self.stream(event.stream_id)
            stream.received += event.data
            stream.ended |= event.end_stream
        elif isinstance(event, events.StreamReset):
            self.stream(event.stream_id).reset_code = event.error_code
        elif isinstance(event, events.StopSendingReceived):
            self.stream(event.stream_id).stop_code = event.error_code

    def stream(self, number):
        return self.streams.setdefault(number, QuicStream())

    def open(self, kind, data=b"", end=False):
        """Opens a stream in one direction; its number."""
        number = self.quic.get_next_available_stream_id(is_unidirectional=True)
        self.send(number, varint(kind) + data, end)
        return number

    def send(self, number, data, end=False):
        self.quic.send_stream_data(number, data, end)
        self.flush()

    def begin(self, data=b"", end=False):
        """Begins a request with these very bytes; its stream's number."""
        number = self.quic.get_next_available_stream_id()
        self.send(number, data, end)
        return number

    def send_request(self, fields, body=b"", end=True):
        data = frame(HEADERS, section(fields)) + (frame(DATA, body) if body else b"")
        return self.begin(data, end)

    def reset(self, number, code=REQUEST_CANCELLED):
        self.quic.reset_stream(number, code)
        self.flush()

    def ask(self, method, path, fields):
        """A request without a body, to the host that `fields` name."""
        fields = {name.lower(): value for name, value in fields}
        pseudo = {":method": method, ":scheme": "https", ":authority": fields.pop("host"), ":path": path}
        return self.read_answer(
            self.send_request([(k.encode(), v.encode()) for k, v in {**pseudo, **fields}.items()])
        )

    def read_answer(self, number):
        """The final answer on a stream. Raises PeerClosed when there will be none."""
        stream = self.stream(number)
        self.pump_until(lambda: stream.ended or stream.reset_code is not None or self.closed is not None)
        answer = parse_answer(number, bytes(stream.received))
        if answer is None:
            raise PeerClosed(b"reset %r, closed %r" % (stream.reset_code, self.closed))
        answer.complete = stream.ended
        return answer

    def outcome(self, number):
        """A status, `("reset", code)`, or `("closed", code)`."""
        try:
            answer = self.read_answer(number)
        except PeerClosed:
            stream = self.stream(number)
            return ("closed", self.closed) if stream.reset_code is None else ("reset", stream.reset_code)
        return answer.status

    def closed_with(self):
        """The code with which the edge ends the connection."""
        self.pump_until(lambda: self.closed is not None)
        return self.closed

    def move(self, source):
        """Goes on from another loopback address, as a viewer does that changes networks; where it is then."""
        # Before the handshake is confirmed a viewer must not move (RFC 9000, section 9); no event tells.
        self.pump_until(lambda: self.quic._handshake_confirmed)
        self.sock.close()
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((source, 0))
        self.sock.connect(self.address)
        self.quic.change_connection_id()
        return self.sock.getsockname()

    def close(self):
        self.quic.close(NO_ERROR)
        self.flush()
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def frames(data):
    """The frames of a stream, as far as they are whole."""
    buffer = Buffer(data=data)
    with contextlib.suppress(BufferReadError):
        while not buffer.eof():
            kind, length = buffer.pull_uint_var(), buffer.pull_uint_var()
            yield kind, buffer.pull_bytes(length)


def parse_answer(number, data):
    """The answer that a stream's bytes are, and None where there is no head."""
    decoder, answer = pylsqpack.Decoder(0, 0), None
    for kind, payload in frames(data):
        assert kind in (HEADERS, DATA), f"frame {kind:#x}"
        if kind == DATA:
            answer.body += payload
            continue
        _, fields = decoder.feed_header(number, payload)
        text = [(name.decode(), value.decode("latin-1")) for name, value in fields]
        if answer is None or 100 <= answer.status < 200:
            interim = [] if answer is None else [*answer.interim, (answer.status, answer.fields)]
            answer = Answer(int(dict(text)[":status"]), Fields(text[1:]))
            answer.interim = interim
        else:
            answer.trailers = Fields(text)
    return answer
