"""Bodies stream both ways, with back-pressure, in little memory; an event leaves when it arrives."""

import json
import os
import statistics
import subprocess
import threading
import time

import pytest

from harness.config import api_distribution, origin_at
from harness.http1 import chunk, head_bytes, spawn
from harness.mantlet import Mantlet, clean_environment
from harness.programs import need_program
from harness.waiting import PATIENCE, settled, wait_until

GIB = 1 << 30
MIB = 1 << 20
# The growth of the process that a transfer of any size may cause.
GROWTH_MAX = 32 * MIB
# What the kernel may hold on two TCP connections on loopback, with room to spare: tcp_wmem and tcp_rmem
# go to 4 and 6 MiB by default.
IN_FLIGHT_MAX = 48 * MIB
BLOCK = bytes(range(256)) * (MIB // 256)
TOKENS = 200

BOTH_VERSIONS = pytest.mark.parametrize("version", ["1.1", "2"])


class LockStep:
    """An origin script that sends an event only after the viewer has received the one before."""

    def __init__(self, framing, tokens=TOKENS):
        self.framing = framing
        self.tokens = tokens
        self.received = threading.Semaphore(0)
        self.sent_at = []

    def __call__(self, connection):
        connection.read_request()
        fields = [("Content-Type", "text/event-stream")]
        if self.framing == "chunked":
            fields.append(("Transfer-Encoding", "chunked"))
        if self.framing == "length":
            fields.append(("Content-Length", sum(len(event(number)) for number in range(self.tokens))))
        connection.send(head_bytes("HTTP/1.1 200 OK", fields))
        for number in range(self.tokens):
            data = event(number)
            self.sent_at.append(time.monotonic())
            connection.send(chunk(data) if self.framing == "chunked" else data)
            if not self.received.acquire(timeout=PATIENCE):
                return
        if self.framing == "chunked":
            connection.send(b"0\r\n\r\n")


def event(number):
    return b"data: token %05d\n\n" % number


@BOTH_VERSIONS
@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
def test_each_event_arrives_before_the_next_is_sent(front, record_property, version, framing):
    steps = LockStep(framing)
    _, viewer = front(steps)
    received_at, text = [], b""
    with viewer.http2() if version == "2" else viewer.http1() as connection:
        for piece in open_stream(connection, viewer, version):
            text += piece
            while text.count(b"\n\n") > len(received_at):
                received_at.append(time.monotonic())
                steps.received.release()
    assert text == b"".join(event(number) for number in range(TOKENS))
    delays = [(got - sent) * 1000 for sent, got in zip(steps.sent_at, received_at)]
    record_property("median_delay_ms", round(statistics.median(delays), 3))
    print(
        f"\nHTTP/{version}, {framing}: median {statistics.median(delays):.3f} ms, "
        f"p99 {statistics.quantiles(delays, n=100)[98]:.3f} ms from origin to viewer"
    )


def test_the_head_arrives_before_any_body(front):
    gate = threading.Event()

    def script(connection):
        connection.read_request()
        connection.send(head_bytes("HTTP/1.1 200 OK", [("Transfer-Encoding", "chunked")]))
        assert gate.wait(PATIENCE)
        connection.send(b"0\r\n\r\n")

    _, viewer = front(script)
    with viewer.http1() as connection:
        connection.send_request("GET", "/", viewer.with_host())
        assert connection.read_answer_head().status == 200
        gate.set()


@BOTH_VERSIONS
def test_each_piece_of_an_upload_arrives_before_the_next_is_sent(front, version):
    arrived = []

    def script(connection):
        request = connection.read_head()
        for piece in connection.body_pieces(request):
            arrived.append(piece)
        connection.answer(body=b"".join(arrived))

    _, viewer = front(script)
    with viewer.http2() if version == "2" else viewer.http1() as connection:
        send, finish = open_upload(connection, viewer, version)
        for number in range(50):
            send(event(number))
            expected = b"".join(event(each) for each in range(number + 1))
            wait_until(lambda expected=expected: b"".join(arrived) == expected, f"piece {number}")
        assert finish().body == b"".join(arrived)


def test_a_gibibyte_down_grows_little(lonely):
    def script(connection):
        while True:
            size = int(connection.read_request().path[1:])
            connection.send(head_bytes("HTTP/1.1 200 OK", [("Content-Length", size)]))
            send_bytes(connection, size)

    mantlet, viewer = lonely(script)
    with Growth(mantlet) as growth, viewer.http1() as connection:
        download(connection, viewer, GIB)
    growth.check()


def test_a3_a_gibibyte_up_grows_little(lonely):
    mantlet, viewer = lonely(count_upload)
    fields = viewer.with_host([("Content-Length", GIB)])
    with Growth(mantlet) as growth, viewer.http1() as connection:
        connection.wire.keep_received = False
        connection.send(head_bytes("POST / HTTP/1.1", fields))
        send_bytes(connection, GIB)
        assert connection.read_answer().body == b"%d" % GIB
    growth.check()


def test_a_gibibyte_down_over_http2_grows_little(lonely):
    def script(connection):
        connection.read_request()
        connection.send(head_bytes("HTTP/1.1 200 OK", [("Transfer-Encoding", "chunked")]))
        for _ in range(GIB // MIB):
            connection.send(chunk(BLOCK))
        connection.send(b"0\r\n\r\n")

    mantlet, viewer = lonely(script)
    with Growth(mantlet) as growth:
        told = curl_http2(mantlet, viewer, "--output", os.devnull)
    assert told == {"http_version": "2", "http_code": 200, "size_download": GIB, "size_upload": 0}
    growth.check()


def test_a3_a_gibibyte_up_over_http2_grows_little(lonely, tmp_path):
    mantlet, viewer = lonely(count_upload)
    file = tmp_path / "gibibyte"
    with file.open("wb") as sparse:
        sparse.truncate(GIB)
    answer = tmp_path / "answer"
    with Growth(mantlet) as growth:
        told = curl_http2(mantlet, viewer, "--upload-file", str(file), "--output", str(answer))
    assert told["http_version"] == "2"
    assert told["size_upload"] == GIB
    assert answer.read_bytes() == b"%d" % GIB
    growth.check()


def curl_http2(mantlet, viewer, *flags):
    """Calls the distribution with curl, whose HTTP/2 is fast; what curl tells of it."""
    told = ("http_version", "http_code", "size_download", "size_upload")
    host, port = mantlet.https
    ran = subprocess.run(
        [
            need_program("curl"),
            *("--http2", "--silent", "--show-error", "--fail", "--max-time", "120"),
            *("--cacert", str(mantlet.ca), "--resolve", f"{viewer.domain}:{port}:{host}"),
            *("--write-out", "%{stderr}%{json}", *flags),
            f"https://{viewer.domain}:{port}/",
        ],
        capture_output=True,
        text=True,
        env=clean_environment(),
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    written = json.loads(ran.stderr)
    return {name: written[name] for name in told}


@BOTH_VERSIONS
def test_a_slow_viewer_stalls_the_origin(lonely, version):
    size = GIB
    connections = []

    def script(connection):
        connections.append(connection)
        connection.read_request()
        connection.send(head_bytes("HTTP/1.1 200 OK", [("Content-Length", size)]))
        send_bytes(connection, size)

    mantlet, viewer = lonely(script)
    before = mantlet.resident_bytes()
    with viewer.http2() if version == "2" else viewer.http1() as connection:
        pieces = open_stream(connection, viewer, version)
        next(pieces)
        stalled_at = settled(lambda: connections[0].wire.bytes_sent)
        assert stalled_at < IN_FLIGHT_MAX
        assert mantlet.resident_bytes() - before < GROWTH_MAX
        read = 0
        while read < 2 * IN_FLIGHT_MAX:
            read += len(next(pieces))
        assert connections[0].wire.bytes_sent > stalled_at


def test_a_slow_origin_stalls_the_viewer(lonely):
    gate = threading.Event()

    def script(connection):
        request = connection.read_head()
        assert gate.wait(PATIENCE)
        connection.wire.keep_received = False
        total = sum(len(piece) for piece in connection.body_pieces(request))
        connection.answer(body=b"%d" % total)

    mantlet, viewer = lonely(script)
    size = 4 * IN_FLIGHT_MAX
    before = mantlet.resident_bytes()
    with viewer.http1(patience=60) as connection:
        connection.send(head_bytes("POST / HTTP/1.1", viewer.with_host([("Content-Length", size)])))
        sender = spawn(send_bytes, connection, size)
        assert settled(lambda: connection.wire.bytes_sent) < IN_FLIGHT_MAX
        assert mantlet.resident_bytes() - before < GROWTH_MAX
        gate.set()
        sender.join()
        assert connection.read_answer().body == b"%d" % size


def test_a_stalled_stream_does_not_stall_its_neighbours(front):
    def script(connection):
        request = connection.read_request()
        size = 64 * MIB if request.path == "/large" else 2
        connection.send(head_bytes("HTTP/1.1 200 OK", [("Content-Length", size)]))
        send_bytes(connection, size)

    _, viewer = front(script)
    with viewer.http2() as connection:
        stalled = connection.open("GET", "/large", viewer.with_host())
        stalled.read_head()
        for _ in range(20):
            assert len(connection.ask("GET", "/small", viewer.with_host()).body) == 2
        stalled.reset()


@pytest.fixture
def lonely(tmp_path, origins):
    """A process of its own, so that its memory is this transfer's: `lonely(script)` → (mantlet, viewer)."""
    with Mantlet(tmp_path / "data") as mantlet:

        def make(script):
            origin = origins(script)
            origin.requests_may_end_early = True
            viewer = mantlet.create(api_distribution(origin_at(origin.port))).viewer
            return mantlet, viewer

        yield make


class Growth:
    """The largest growth of a process while a transfer runs."""

    def __init__(self, mantlet):
        self.mantlet = mantlet

    def __enter__(self):
        self.before = self.peak = self.mantlet.resident_bytes()
        self.began = time.monotonic()
        self.over = threading.Event()
        self.watching = spawn(self._watch)
        return self

    def _watch(self):
        while not self.over.wait(0.02):
            self.peak = max(self.peak, self.mantlet.resident_bytes())

    def __exit__(self, *_):
        self.over.set()
        self.watching.join()
        self.seconds = time.monotonic() - self.began

    def check(self):
        growth = self.peak - self.before
        print(f"\ngrew {growth / MIB:.1f} MiB in {self.seconds:.1f} s")
        assert growth < GROWTH_MAX


def open_stream(connection, viewer, version):
    if version == "2":
        return connection.open("GET", "/", viewer.with_host()).body_pieces()
    connection.wire.keep_received = False
    connection.send_request("GET", "/", viewer.with_host())
    return connection.body_pieces(connection.read_answer_head())


def open_upload(connection, viewer, version):
    """Two functions: one sends a piece, the other ends the body and reads the answer."""
    if version == "2":
        stream = connection.open("POST", "/", viewer.with_host(), end=False)

        def finish():
            stream.send_body(b"", end=True)
            return stream.read_answer()

        return stream.send_body, finish
    connection.send(head_bytes("POST / HTTP/1.1", viewer.with_host([("Transfer-Encoding", "chunked")])))

    def finish():
        connection.send(b"0\r\n\r\n")
        return connection.read_answer()

    return lambda data: connection.send(chunk(data)), finish


def download(connection, viewer, size):
    connection.wire.keep_received = False
    connection.send_request("GET", f"/{size}", viewer.with_host())
    answer = connection.read_answer_head()
    assert sum(map(len, connection.body_pieces(answer))) == size


def count_upload(connection):
    request = connection.read_head()
    connection.wire.keep_received = False
    total = sum(len(piece) for piece in connection.body_pieces(request))
    connection.answer(body=b"%d" % total)


def send_bytes(connection, size):
    left = size
    while left:
        connection.send(BLOCK[: min(left, len(BLOCK))])
        left -= min(left, len(BLOCK))
