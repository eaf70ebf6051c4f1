"""Every fault of an origin: the documented status, what the access log says of it, and no wait beyond a
time-out.

`x-edge-detailed-result-type` is that of the Standard logging reference: OriginCommError is what timed out,
OriginConnectError what did not connect, OriginReadError what broke off, and so on.
"""

import contextlib
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import pytest

from harness.config import api_distribution, origin_at
from harness.http1 import chunk, head_bytes
from harness.mantlet import Mantlet
from harness.origin import RecordingOrigin, answer_bytes
from harness.waiting import wait_until

# A timeout of one second must have fired by then, on the busiest machine.
SOON = 6.0
PATIENT = {
    "ConnectionAttempts": 1,
    "ConnectionTimeout": 1,
    "OriginReadTimeout": 1,
    "OriginKeepaliveTimeout": 1,
}

WHOLE = answer_bytes(fields=[("X-Origin", "whole")], body=b"0123456789")
CHUNKED = (
    head_bytes("HTTP/1.1 200 OK", [("Transfer-Encoding", "chunked")]) + chunk(b"01234") + chunk(b"56789")
)
WHOLE_CHUNKED = CHUNKED + b"0\r\n\r\n"


@pytest.fixture(scope="module")
def shield(tmp_path_factory):
    """A process of this file's own, so that what it holds can be counted."""
    with Mantlet(tmp_path_factory.mktemp("faults") / "data") as mantlet:
        yield mantlet


@pytest.fixture
def behind(shield):
    """Puts a script behind a distribution: `behind(script)` → viewer."""
    made = []

    def make(script, **settings):
        origin = RecordingOrigin(script)
        origin.requests_may_end_early = True
        made.append(origin)
        return shield.create(api_distribution(origin_at(origin.port, **{**PATIENT, **settings}))).viewer

    yield make
    for origin in made:
        origin.close()


def record(mantlet, answer):
    """The status, the result type and the detailed one that the log has of a request."""

    def lines():
        return [line for line in mantlet.access_log.read_text().splitlines() if answer.request_id in line]

    wait_until(lines, "the access-log record")
    fields = lines()[0].split("\t")
    return fields[8], fields[13], fields[28]


# What an origin does with a connection


def after_request(*steps):
    """Reads a whole request, then takes these steps."""

    def script(connection):
        connection.read_request()
        for step in steps:
            step(connection)

    return script


def at_once(*steps):
    """Takes these steps without reading anything."""

    def script(connection):
        for step in steps:
            step(connection)

    return script


def after_head(*steps):
    """Reads a request's head, and leaves its body where it is."""

    def script(connection):
        connection.read_head()
        for step in steps:
            step(connection)

    return script


def says(data):
    return lambda connection: connection.send(data)


def closes(connection):
    connection.close()


def resets(connection):
    connection.reset()


def stays(connection):
    connection.wait_for_close()


def ends_its_side(connection):
    connection.wire.socket.shutdown(socket.SHUT_WR)


def drips(data):
    """A byte every now and then: each in time, the whole not."""

    def step(connection):
        with contextlib.suppress(OSError):
            for byte in data:
                connection.send(bytes([byte]))
                time.sleep(0.1)

    return step


@dataclass
class Fault:
    """What happens, and what must be seen of it."""

    name: str
    script: Callable
    status: int
    detail: str
    # For faults that show only after the head has gone on.
    complete: bool = True
    # What else it can be, where nobody can say what comes first.
    or_details: tuple = ()
    settings: tuple = ()


BAD_HEADS = {
    "no-http": b"not http at all\r\n\r\n",
    "http-2": b"HTTP/2 200\r\n\r\n",
    "tls-alert": b"\x15\x03\x01\x00\x02\x02\x28" + b"\r\n\r\n",
    "status-of-letters": b"HTTP/1.1 2xx OK\r\n\r\n",
    "bare-line-feeds": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
    "negative-length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "length-and-chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
    "unknown-coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "space-in-a-name": b"HTTP/1.1 200 OK\r\nBad Name: x\r\nContent-Length: 0\r\n\r\n",
    "nul-in-a-value": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
    "switches-protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "interim-storm": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 1000,
    "bad-first-chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
}
HEAD_TOO_LARGE = {
    "one-field": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 40_000 + b"\r\n\r\n",
    "many-fields": b"HTTP/1.1 200 OK\r\n" + b"X: %b\r\n" % (b"y" * 100) * 400 + b"\r\n",
    "no-end": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000,
}

# A connection that ends at once may end before it is known, written to or read.
AT_ONCE = ("OriginConnectError", "OriginWriteError", "OriginZeroSizeObjectError")

FAULTS = [
    # Nothing comes back.
    Fault("closes-at-once", at_once(closes), 502, "OriginReadError", or_details=AT_ONCE),
    Fault("resets-at-once", at_once(resets), 502, "OriginReadError", or_details=AT_ONCE),
    Fault("closes", after_request(closes), 502, "OriginZeroSizeObjectError"),
    Fault("ends-its-side", after_request(ends_its_side, stays), 502, "OriginZeroSizeObjectError"),
    Fault("resets", after_request(resets), 502, "OriginReadError"),
    Fault("is-silent", after_request(stays), 504, "OriginCommError"),
    # Half a head does.
    Fault("closes-in-the-head", after_request(says(WHOLE[:30]), closes), 502, "OriginReadError"),
    Fault("is-silent-in-the-head", after_request(says(WHOLE[:30]), stays), 504, "OriginCommError"),
    Fault(
        "interim-then-closes",
        after_request(says(b"HTTP/1.1 100 Continue\r\n\r\n"), closes),
        502,
        "OriginReadError",
    ),
    Fault(
        "interim-then-silent",
        after_request(says(b"HTTP/1.1 100 Continue\r\n\r\n"), stays),
        504,
        "OriginCommError",
    ),
    Fault(
        "drips",
        after_request(drips(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 60)),
        504,
        "OriginCommError",
        settings=(("ResponseCompletionTimeout", 1),),
    ),
    # No HTTP.
    *(
        Fault(name, after_request(says(data), closes), 502, "OriginInvalidResponseError")
        for name, data in BAD_HEADS.items()
    ),
    *(
        Fault(f"head-too-large-{name}", after_request(says(data), stays), 502, "OriginHeaderTooBigError")
        for name, data in HEAD_TOO_LARGE.items()
    ),
    # A body that breaks off or goes wrong, after its head has gone on.
    Fault(
        "closes-in-the-body", after_request(says(WHOLE[:-4]), closes), 200, "AbortedOrigin", complete=False
    ),
    Fault(
        "is-silent-in-the-body", after_request(says(WHOLE[:-4]), stays), 200, "AbortedOrigin", complete=False
    ),
    Fault(
        "closes-between-chunks", after_request(says(CHUNKED), closes), 200, "AbortedOrigin", complete=False
    ),
    Fault(
        "is-silent-between-chunks", after_request(says(CHUNKED), stays), 200, "AbortedOrigin", complete=False
    ),
    # What is no fault.
    Fault("more-than-its-length", after_request(says(WHOLE + b"more"), stays), 200, "Miss"),
    Fault("whole-then-closes", after_request(says(WHOLE), closes), 200, "Miss"),
    Fault("whole-then-ends-its-side", after_request(says(WHOLE), ends_its_side, stays), 200, "Miss"),
    Fault("chunked-then-closes", after_request(says(WHOLE_CHUNKED), closes), 200, "Miss"),
    Fault("until-close", after_request(says(b"HTTP/1.1 200 OK\r\n\r\n0123456789"), closes), 200, "Miss"),
    Fault("an-error-of-its-own", after_request(says(answer_bytes(503, body=b"own")), closes), 503, "Error"),
]


@pytest.mark.parametrize(("method", "version"), [("GET", "1.1"), ("POST", "1.1"), ("POST", "2")])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_has_its_status_and_its_detail(shield, behind, fault, method, version):
    viewer = behind(fault.script, **dict(fault.settings))
    began = time.monotonic()
    answer = viewer.ask(method, "/", body=b"" if method == "GET" else b"body", version=version)
    assert time.monotonic() - began < SOON
    assert (answer.status, answer.complete) == (fault.status, fault.complete)
    status, result, detail = record(shield, answer)
    assert status == str(fault.status)
    assert detail in (fault.detail, *fault.or_details)
    assert result == ("Miss" if detail == "Miss" else "Error")
    if fault.detail not in ("Miss", "Error", "AbortedOrigin"):
        assert answer.fields.get("x-cache") == "Error from cloudfront"
        assert b"127.0.0.1" not in answer.body


@pytest.mark.parametrize(
    ("size", "status", "detail"), [(32_768, 200, "Miss"), (32_769, 502, "OriginHeaderTooBigError")]
)
def test_c12_an_origins_head_has_32768_bytes_at_most(shield, behind, size, status, detail):
    begin, end = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ", b"\r\n\r\n"
    head = begin + b"x" * (size - len(begin) - len(end)) + end
    answer = behind(after_request(says(head), stays)).get("/")
    assert answer.status == status
    assert record(shield, answer)[2] == detail


# Connections that do not come about


def check_connecting(shield, origin, status, *details):
    viewer = shield.create(api_distribution(origin)).viewer
    began = time.monotonic()
    answer = viewer.get()
    assert time.monotonic() - began < SOON
    assert answer.status == status
    assert record(shield, answer)[2] in details


def test_a_refused_connection(shield, closed_port):
    check_connecting(shield, origin_at(closed_port, **PATIENT), 502, "OriginConnectError")


def test_a_connection_that_is_not_accepted(shield, deaf_port):
    check_connecting(shield, origin_at(deaf_port, **PATIENT), 504, "OriginCommError")


def test_a_network_that_cannot_be_reached(shield):
    """An address of documentation: without a route at once, else by the time-out."""
    origin = origin_at(3500, "2001:db8::1", **PATIENT)
    check_connecting(shield, origin, 504, "OriginConnectError", "OriginCommError")


def test_a_name_that_does_not_exist(shield):
    check_connecting(shield, origin_at(3500, "no-such-origin.invalid", **PATIENT), 502, "OriginDnsError")


def test_an_address_that_is_none_of_an_origin(shield):
    check_connecting(shield, origin_at(shield.http[1], **PATIENT), 502, "OriginConnectError")


# TLS

TLS_FAULTS = [
    ("plain-bytes-first", at_once(says(b"220 mail.example ESMTP\r\n"), stays), 502, "OriginConnectError"),
    (
        "http-in-clear",
        at_once(says(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), stays),
        502,
        "OriginConnectError",
    ),
    (
        "garbage-record",
        at_once(says(b"\x16\x03\x03\x00\x10" + b"\xff" * 16), stays),
        502,
        "OriginConnectError",
    ),
    ("alert", at_once(says(b"\x15\x03\x03\x00\x02\x02\x28"), stays), 502, "OriginConnectError"),
    ("endless-garbage", at_once(says(os.urandom(300_000)), stays), 502, "OriginConnectError"),
    ("closes", at_once(closes), 502, "OriginConnectError"),
    ("resets", at_once(resets), 502, "OriginConnectError"),
    ("is-silent", at_once(stays), 504, "OriginCommError"),
    ("half-a-record", at_once(says(b"\x16\x03\x03\x40\x00half"), stays), 504, "OriginCommError"),
]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("script", "status", "detail"), [fault[1:] for fault in TLS_FAULTS], ids=[f[0] for f in TLS_FAULTS]
)
def test_every_fault_of_tls_has_its_status_and_its_detail(shield, script, status, detail, method):
    origin = RecordingOrigin(script)
    settings = {**PATIENT, "OriginProtocolPolicy": "https-only", "HTTPSPort": origin.port}
    try:
        viewer = shield.create(api_distribution(origin_at(80, **settings))).viewer
        began = time.monotonic()
        answer = viewer.ask(method, "/", body=b"" if method == "GET" else b"secret")
        assert time.monotonic() - began < SOON
        assert (answer.status, record(shield, answer)[2]) == (status, detail)
        assert all(b"secret" not in received for received in origin.received)
    finally:
        origin.close()


# Every byte


def cut_at(whole):
    """A script that sends the first N bytes of `whole` and closes or resets, as the path says."""

    def script(connection):
        request = connection.read_request()
        _, ending, count = request.path.split("/")
        connection.send(whole[: int(count)])
        closes(connection) if ending == "close" else resets(connection)

    return script


@pytest.mark.parametrize("version", ["1.1", "2"])
@pytest.mark.parametrize("ending", ["close", "reset"])
@pytest.mark.parametrize("whole", [WHOLE, WHOLE_CHUNKED], ids=["length", "chunked"])
def test_invariant_9_a_connection_that_ends_at_any_byte(shield, behind, whole, ending, version):
    """Whatever a reset destroys on its way counts as not sent."""
    viewer = behind(cut_at(whole))
    head_length = whole.index(b"\r\n\r\n") + 4
    seen = []
    for count in range(len(whole)):
        answer = viewer.get(f"/{ending}/{count}", version=version)
        seen.append((count, answer))
        if answer.status == 200:
            assert count >= head_length
            assert not answer.complete
            assert b"0123456789".startswith(answer.body)
        else:
            assert answer.status == 502
            assert ending == "reset" or count <= head_length, (count, answer.status)
    for count, answer in seen:
        detail = record(shield, answer)[2]
        if answer.status == 200:
            assert detail == "AbortedOrigin"
        else:
            assert detail in ("OriginReadError", "OriginZeroSizeObjectError", "OriginInvalidResponseError"), (
                count
            )


# Uploads


@pytest.mark.parametrize("status", [200, 401, 413, 500])
@pytest.mark.parametrize("after", [closes, stays], ids=["closes", "stays"])
def test_an_answer_before_the_request_is_read(shield, behind, status, after):
    """The answer counts, with as little of the request read as may be."""
    viewer = behind(after_head(says(answer_bytes(status, body=b"early")), after))
    with viewer.http1() as connection:
        connection.send(
            head_bytes("POST / HTTP/1.1", viewer.with_host([("Content-Length", "1000000")])) + b"x" * 10
        )
        answer = connection.read_answer()
    assert (answer.status, answer.body) == (status, b"early")
    assert record(shield, answer)[2] == ("Miss" if status < 400 else "Error")


def test_an_origin_that_never_reads_is_504(shield, behind):
    def script(connection):
        connection.wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        time.sleep(SOON)

    viewer = behind(script)
    fields = viewer.with_host([("Content-Length", str(1 << 30))])
    with viewer.http1() as connection:
        connection.send(head_bytes("POST / HTTP/1.1", fields))
        connection.wire.socket.settimeout(3)
        with contextlib.suppress(OSError):
            for _ in range(1000):
                connection.send(b"x" * 100_000)
        connection.wire.socket.settimeout(20)
        answer = connection.read_answer()
    assert (answer.status, record(shield, answer)[2]) == (504, "OriginCommError")


@pytest.mark.parametrize("ending", [closes, resets])
def test_an_origin_that_hangs_up_in_an_upload_is_502(shield, behind, ending):
    def script(connection):
        head = connection.read_head()
        next(connection.body_pieces(head))
        ending(connection)

    viewer = behind(script)
    # Less than the edge reads on after its answer: this viewer sends everything before it reads.
    answer = viewer.post("/", b"x" * 600_000)
    assert answer.status == 502
    assert record(shield, answer)[2] in ("OriginReadError", "OriginWriteError", "OriginZeroSizeObjectError")


# Afterwards


def connections_to_origins(mantlet):
    """The process's TCP connections that began with it: their local port is none that it listens on."""
    owned = set()
    for descriptor in os.scandir(f"/proc/{mantlet.process.pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            owned.add(os.readlink(descriptor.path))
    listening = {address[1] for address in (mantlet.http, mantlet.https, mantlet.api)}
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{mantlet.process.pid}/net/{table}").read_text().splitlines()[1:]:
            local, remote, inode = (line.split()[column] for column in (1, 2, 9))
            if f"socket:[{inode}]" in owned and int(local.rpartition(":")[2], 16) not in listening:
                found.append(remote)
    return found


def test_no_connection_to_an_origin_is_left(shield, behind):
    """Not of the tests before this one either, once what is idle has had its second."""
    held = []

    def script(connection):
        connection.read_request()
        held.append(len(connections_to_origins(shield)))
        connection.answer(body=b"ok")
        connection.wait_for_close()

    # Counting may take a while on a busy machine.
    assert behind(script, OriginReadTimeout=30).get().body == b"ok"
    assert held[0] >= 1, "they can be counted"
    wait_until(lambda: not connections_to_origins(shield), "the end of all connections to origins")
