"""HTTP/2 frames written by hand, for viewers that break its rules: nothing here checks what it sends."""

import socket
import ssl
import struct
import time
from dataclasses import dataclass

import hpack

from .waiting import PATIENCE

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

(
    DATA,
    HEADERS,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    PUSH_PROMISE,
    PING,
    GOAWAY,
    WINDOW_UPDATE,
    CONTINUATION,
) = range(10)
END_STREAM = ACK = 0x1
END_HEADERS = 0x4

# SETTINGS
INITIAL_WINDOW_SIZE = 4

# Error codes (RFC 9113, section 7)
PROTOCOL_ERROR, ENHANCE_YOUR_CALM = 0x1, 0xB


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def settings(**values):
    """`settings(window=0)`; without values an empty frame."""
    payload = b""
    if "window" in values:
        payload += struct.pack(">HI", INITIAL_WINDOW_SIZE, values["window"])
    return frame(SETTINGS, payload=payload)


def window_update(stream, increment):
    return frame(WINDOW_UPDATE, stream=stream, payload=struct.pack(">I", increment))


def reset(stream, code=0x8):
    return frame(RST_STREAM, stream=stream, payload=struct.pack(">I", code))


def literal(name, value):
    """A field that is neither indexed nor compressed (RFC 7541, section 6.2.2): any bytes at all."""
    return b"\x00" + _text(name) + _text(value)


def literal_indexed(name, value):
    """The same, entered into the dynamic table (section 6.2.1)."""
    return b"\x40" + _text(name) + _text(value)


# The newest entry of the dynamic table, in one byte.
NEWEST = b"\xbe"


def _text(data):
    return _integer(len(data), 7) + data


def _integer(value, prefix_bits):
    most = (1 << prefix_bits) - 1
    if value < most:
        return bytes([value])
    value -= most
    encoded = bytearray([most])
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def block(fields):
    """A header block of literals, in the order given."""
    return b"".join(literal(as_bytes(name), as_bytes(value)) for name, value in fields)


def as_bytes(text):
    return text if isinstance(text, bytes) else str(text).encode("latin-1")


@dataclass
class Received:
    kind: int
    flags: int
    stream: int
    payload: bytes


class Frames:
    """A connection that sends bytes as they are and reads frames. The preface and SETTINGS go out first."""

    def __init__(self, sock, first=None):
        self.socket = sock
        self.held = bytearray()
        self.sent = 0
        self.decoder = hpack.Decoder()
        self.send(PREFACE + (settings() if first is None else first))

    def send(self, data):
        self.socket.sendall(data)
        self.sent += len(data)

    def is_closed(self):
        """Whether the edge has said so by now; what has arrived is kept."""
        self.socket.settimeout(0)
        try:
            while data := self.socket.recv(1 << 16):
                self.held += data
        except (ssl.SSLWantReadError, BlockingIOError):
            return False
        except OSError:
            return True
        finally:
            self.socket.settimeout(PATIENCE)
        return True

    def next(self):
        """The next frame; None at the end of the stream, however it ends."""
        while len(self.held) < 9 or len(self.held) < 9 + int.from_bytes(self.held[:3], "big"):
            try:
                data = self.socket.recv(1 << 16)
            except (ConnectionResetError, BrokenPipeError):
                return None
            if not data:
                return None
            self.held += data
        length = int.from_bytes(self.held[:3], "big")
        received = Received(
            self.held[3],
            self.held[4],
            int.from_bytes(self.held[5:9], "big"),
            bytes(self.held[9 : 9 + length]),
        )
        del self.held[: 9 + length]
        return received

    def outcome(self, stream, seconds=PATIENCE):
        """What became of a stream: its status, "reset", "goaway" or "closed"."""
        self.socket.settimeout(seconds)
        while (received := self.next()) is not None:
            if received.kind == HEADERS:
                fields = dict(self.decoder.decode(received.payload))
                if received.stream == stream:
                    return int(fields[":status"])
            elif received.kind == RST_STREAM and received.stream == stream:
                return "reset"
            elif received.kind == GOAWAY:
                return "goaway"
        return "closed"

    def ended_within(self, seconds):
        """Whether the edge ends the connection in time; what comes before is passed over."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                if not self.socket.recv(1 << 16):
                    return True
            except (TimeoutError, socket.timeout):
                return False
            except OSError:
                return True
        return False

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
