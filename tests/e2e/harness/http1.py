"""Just enough HTTP/1.1 to see exactly what travels: nothing is repaired, nothing is hidden."""

import contextlib
import socket
import threading
from dataclasses import dataclass, field


class ProtocolError(AssertionError):
    """The peer sent what HTTP/1.1 does not allow."""


class PeerClosed(Exception):
    """The peer ended the connection; `received` is what came before."""

    def __init__(self, received=b""):
        super().__init__(f"the peer closed after {received[:200]!r}")
        self.received = received


class Fields(list):
    """Header fields in the order in which they came."""

    def all(self, name):
        return [value for field_name, value in self if field_name.lower() == name.lower()]

    def get(self, name, default=None):
        """The only value of a field; two of them are an error of the test or of the peer."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else default

    def __contains__(self, name):
        return bool(self.all(name))


@dataclass
class Head:
    """The first line and the fields of a message, with their exact bytes."""

    raw: bytes
    first_line: str
    fields: Fields


@dataclass
class Body:
    """What came between a head and the end of its message."""

    content: bytes = b""
    raw: bytes = b""
    trailers: Fields = field(default_factory=Fields)


class Wire:
    """A socket with a buffer of what was read and not yet used."""

    def __init__(self, sock):
        self.socket = sock
        self.held = bytearray()
        # Everything that ever came, for byte-exact expectations.
        self.received = bytearray()
        self.keep_received = True
        self.bytes_sent = 0

    def send(self, data):
        view = memoryview(data)
        while view:
            sent = self.socket.send(view[: 256 * 1024])
            self.bytes_sent += sent
            view = view[sent:]

    def more(self):
        """Reads once; raises PeerClosed at the end of the stream, however it ends."""
        try:
            data = self.socket.recv(256 * 1024)
        except (ConnectionResetError, BrokenPipeError) as error:
            raise PeerClosed(bytes(self.held)) from error
        if not data:
            raise PeerClosed(bytes(self.held))
        self.held += data
        if self.keep_received:
            self.received += data

    def take(self, count):
        while len(self.held) < count:
            self.more()
        taken = bytes(self.held[:count])
        del self.held[:count]
        return taken

    def take_until(self, end):
        start = 0
        while (at := self.held.find(end, start)) < 0:
            start = max(0, len(self.held) - len(end) + 1)
            self.more()
        return self.take(at + len(end))

    def take_some(self, most=1 << 30):
        """At least one byte, at most `most`."""
        if not self.held:
            self.more()
        return self.take(min(most, len(self.held)))

    def read_head(self):
        raw = self.take_until(b"\r\n\r\n")
        first_line, *lines = raw[:-4].decode("latin-1").split("\r\n")
        fields = Fields()
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip() or "\n" in line or "\r" in line:
                raise ProtocolError(f"malformed field line {line!r}")
            fields.append((name, value.strip(" \t")))
        return Head(raw, first_line, fields)

    def body_pieces(self, fields, is_response):
        """Yields `(content, raw, trailers)` as the body arrives, framed by `fields` (RFC 9112, section 6)."""
        codings = [
            coding.strip().lower() for value in fields.all("transfer-encoding") for coding in value.split(",")
        ]
        lengths = fields.all("content-length")
        if codings and lengths:
            raise ProtocolError("both Transfer-Encoding and Content-Length")
        if codings:
            if codings != ["chunked"]:
                raise ProtocolError(f"transfer codings {codings}")
            yield from self._chunks()
        elif lengths:
            if len(lengths) > 1 or not lengths[0].isdigit():
                raise ProtocolError(f"Content-Length {lengths}")
            left = int(lengths[0])
            while left:
                data = self.take_some(left)
                left -= len(data)
                yield data, data, Fields()
        elif is_response:
            while True:
                try:
                    data = self.take_some()
                except PeerClosed:
                    return
                yield data, data, Fields()

    def _chunks(self):
        while True:
            line = self.take_until(b"\r\n")
            digits = line[:-2]
            if not digits or any(byte not in b"0123456789abcdefABCDEF" for byte in digits):
                raise ProtocolError(f"chunk size line {line!r}")
            left = int(digits, 16)
            if left == 0:
                yield self._trailers(line)
                return
            yield b"", line, Fields()
            while left:
                data = self.take_some(left)
                left -= len(data)
                yield data, data, Fields()
            end = self.take(2)
            if end != b"\r\n":
                raise ProtocolError(f"chunk ends with {end!r}")
            yield b"", end, Fields()

    def _trailers(self, last_chunk):
        raw, trailers = last_chunk, Fields()
        while (line := self.take_until(b"\r\n")) != b"\r\n":
            raw += line
            name, _, value = line[:-2].decode("latin-1").partition(":")
            trailers.append((name, value.strip()))
        return b"", raw + b"\r\n", trailers

    def read_body(self, fields, is_response):
        body = Body()
        content, raw = bytearray(), bytearray()
        for piece, piece_raw, trailers in self.body_pieces(fields, is_response):
            content += piece
            raw += piece_raw
            body.trailers += trailers
        body.content, body.raw = bytes(content), bytes(raw)
        return body

    def closed_within(self, seconds):
        """Whether the peer ends the connection in time without sending anything more."""
        before = self.socket.gettimeout()
        self.socket.settimeout(seconds)
        try:
            self.more()
        except PeerClosed:
            return True
        except (TimeoutError, socket.timeout):
            return False
        finally:
            self.socket.settimeout(before)
        return False

    def close(self):
        self.socket.close()

    def shut_down(self):
        """Ends both directions; whoever reads sees the end."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def reset(self):
        """Closes with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.socket.close()


def head_bytes(first_line, fields):
    lines = [first_line, *(f"{name}: {value}" for name, value in fields)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


def spawn(target, *arguments):
    thread = threading.Thread(target=target, args=arguments, daemon=True)
    thread.start()
    return thread
