"""A recording origin: it keeps the exact bytes that reach it, and misbehaves only as scripted.

A script is a function of one `OriginConnection`; it is called once per connection. Whatever the script
cannot understand (malformed framing for one) is a misdeed, and fails the test that owns the origin.
"""

import socket
import threading
import traceback
from dataclasses import dataclass

from .http1 import Fields, PeerClosed, Wire, head_bytes, spawn
from .waiting import PATIENCE, wait_until


@dataclass
class OriginRequest:
    """One request as the origin saw it."""

    connection: int
    raw_head: bytes
    method: str
    target: str
    version: str
    fields: Fields
    body: bytes = b""
    raw_body: bytes = b""

    @property
    def path(self):
        return self.target.partition("?")[0]

    @property
    def query(self):
        return self.target.partition("?")[2]


class OriginConnection:
    def __init__(self, origin, number, sock):
        self.origin = origin
        self.number = number
        self.wire = Wire(sock)

    def read_request(self):
        """Reads one whole request and records it. Raises PeerClosed between requests."""
        request = self.read_head()
        body = self.wire.read_body(request.fields, is_response=False)
        request.body, request.raw_body = body.content, body.raw
        self.origin.record(request)
        return request

    def read_head(self):
        """Reads a request's head and leaves its body on the wire; the request is not recorded."""
        head = self.wire.read_head()
        method, target, version = head.first_line.split(" ")
        return OriginRequest(self.number, head.raw, method, target, version, head.fields)

    def body_pieces(self, request):
        for content, _, _ in self.wire.body_pieces(request.fields, is_response=False):
            if content:
                yield content

    def send(self, data):
        self.wire.send(data)

    def answer(self, status=200, fields=(), body=b"", method="GET"):
        self.send(answer_bytes(status, fields, body, method))

    def wait_for_close(self):
        """Blocks until the edge has ended this connection."""
        while True:
            try:
                self.wire.more()
            except PeerClosed:
                return

    def close(self):
        self.wire.close()

    def shut_down(self):
        """Wakes whoever waits for this connection; its own thread closes it."""
        self.wire.shut_down()

    def reset(self):
        self.wire.reset()


def answer_bytes(status=200, fields=(), body=b"", method="GET"):
    """An answer with Content-Length; to HEAD without its body."""
    head = head_bytes(f"HTTP/1.1 {status} Scripted", [*fields, ("Content-Length", len(body))])
    return head if method == "HEAD" else head + body


def always(status=200, fields=(), body=b"ok"):
    """A script that answers every request alike on a connection that it keeps open."""

    def script(connection):
        while True:
            request = connection.read_request()
            connection.answer(status, fields, body, request.method)

    return script


def once_per_connection(answer):
    """A script that reads one request, calls `answer(connection, request)` and closes."""

    def script(connection):
        answer(connection, connection.read_request())

    return script


class RecordingOrigin:
    def __init__(self, script=None, host="127.0.0.1", port=0):
        self.script = script or always()
        self.requests = []
        self.connections = []
        self.misdeeds = []
        # For tests whose viewers leave in the middle of a request.
        self.requests_may_end_early = False
        self._changed = threading.Condition()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=1024)
        self.port = self._listener.getsockname()[1]
        self._is_closing = False
        self._accepting = spawn(self._accept)

    def record(self, request):
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()

    def wait_for_requests(self, count):
        with self._changed:
            arrived = self._changed.wait_for(lambda: len(self.requests) >= count, PATIENCE)
        assert arrived, f"the origin saw {len(self.requests)} requests, not {count}"
        return self.requests

    @property
    def request(self):
        """The only request."""
        assert len(self.requests) == 1, f"the origin saw {len(self.requests)} requests"
        return self.requests[0]

    @property
    def received(self):
        """Every byte that reached the origin, connection by connection."""
        return [bytes(connection.wire.received) for connection in self.connections]

    def wait_for_connections(self, count):
        wait_until(lambda: len(self.connections) >= count, f"{count} origin connections")

    def close(self):
        """Ends every thread before its socket is closed: a descriptor that is closed under a thread that is
        about to use it may be the next origin's by then, whose connection that thread would take."""
        if self._is_closing:
            return
        self._is_closing = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join(PATIENCE)
        self._listener.close()
        for connection in self.connections:
            connection.shut_down()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = OriginConnection(self, len(self.connections), sock)
            self.connections.append(connection)
            spawn(self._serve, connection)

    def _serve(self, connection):
        try:
            self.script(connection)
        except PeerClosed as closed:
            if closed.received and not self.requests_may_end_early:
                self._misdeed(f"a request ended early: {closed.received[:200]!r}")
        except (BrokenPipeError, ConnectionResetError):
            pass  # The edge may leave whenever it likes.
        except OSError:
            if connection.wire.socket.fileno() >= 0:
                self._misdeed(traceback.format_exc())
        except Exception:
            self._misdeed(traceback.format_exc())
        finally:
            connection.close()

    def _misdeed(self, text):
        """What only a broken edge, or a broken script, can have done; not what our own closing does."""
        if not self._is_closing:
            self.misdeeds.append(text)
