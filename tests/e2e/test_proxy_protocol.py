"""The PROXY protocol (haproxy.org, proxy-protocol.txt) on listeners: whom it is believed from, who the viewer
then is, and what becomes of connections that get it wrong."""

import socket
import ssl
import struct
import subprocess

import pytest

from harness.config import api_distribution, behavior, origin_at
from harness.http1 import PeerClosed
from harness.mantlet import Mantlet
from harness.programs import need_program
from harness.viewer import Http1Connection, Http2Connection, connect
from harness.waiting import wait_until
from test_access_log import AccessLog, metrics

PROXY = "127.0.0.2"
CONNECTIONS_MAX = 3

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL, PROXIED = 0x20, 0x21
TCP4, UDP4, TCP6, UNIX = 0x11, 0x12, 0x21, 0x31


def line(viewer, family="TCP4", edge="198.51.100.2"):
    return f"PROXY {family} {viewer} {edge} 40001 443\r\n".encode()


def binary(viewer="192.0.2.1", command=PROXIED, family=TCP4, tlvs=b""):
    ip_family, edge = (socket.AF_INET6, "2001:db8::2") if ":" in viewer else (socket.AF_INET, "198.51.100.2")
    ends = (
        socket.inet_pton(ip_family, viewer)
        + socket.inet_pton(ip_family, edge)
        + struct.pack(">HH", 40001, 443)
    )
    body = ends + tlvs
    return SIGNATURE + bytes([command, family]) + struct.pack(">H", len(body)) + body


@pytest.fixture(scope="module")
def behind(tmp_path_factory):
    """An edge that trusts the proxies at `PROXY`."""
    flags = ("--proxy-protocol-from", PROXY, "--address-connections-max", str(CONNECTIONS_MAX))
    with Mantlet(tmp_path_factory.mktemp("behind") / "data", *flags) as mantlet:
        yield mantlet
        assert mantlet.process.poll() is None, mantlet.log()


@pytest.fixture
def viewer(behind, origin):
    default = behavior(ViewerProtocolPolicy="allow-all")
    return behind.create(api_distribution(origin_at(origin.port), default=default)).viewer


def open_connection(viewer, header, scheme="http", protocol="http/1.1", source=PROXY):
    """A connection from there that begins with these bytes."""
    mantlet = viewer.mantlet
    sock = connect(mantlet.http if scheme == "http" else mantlet.https, source=source)
    sock.sendall(header)
    if scheme == "https":
        context = ssl.create_default_context(cafile=str(mantlet.ca))
        context.set_alpn_protocols([protocol])
        sock = context.wrap_socket(sock, server_hostname=viewer.domain)
    return Http2Connection(sock) if protocol == "h2" else Http1Connection(sock)


HEADERS = {
    "version 1": (line("192.0.2.1"), "192.0.2.1"),
    "version 1, IPv6": (line("2001:db8::1", "TCP6", "2001:db8::2"), "2001:db8::1"),
    "version 2": (binary("192.0.2.2"), "192.0.2.2"),
    "version 2, IPv6": (binary("2001:db8:1::2", family=TCP6), "2001:db8:1::2"),
    "version 2 with TLVs": (binary("192.0.2.3", tlvs=b"\x01\0\x02h2\xea\0\x05\x01vpce\x04\0\0"), "192.0.2.3"),
    # Whom the proxy does not name: itself.
    "version 1, unknown": (b"PROXY UNKNOWN\r\n", PROXY),
    "version 2, local": (SIGNATURE + bytes([LOCAL, 0, 0, 0]), PROXY),
}


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("header", "named"), HEADERS.values(), ids=HEADERS)
def test_the_viewer_is_whom_the_header_names(behind, viewer, origin, scheme, header, named):
    with open_connection(viewer, header, scheme) as connection:
        answer = connection.ask("GET", "/", viewer.with_host([("X-Forwarded-For", "203.0.113.9")]))
    assert answer.status == 200
    assert origin.request.fields.get("x-forwarded-for") == f"203.0.113.9, {named}"
    assert AccessLog(behind.access_log).wait_for(answer)["c-ip"] == named


def test_http2_behind_a_header(viewer, origin):
    with open_connection(viewer, binary("192.0.2.4"), "https", "h2") as connection:
        assert connection.ask("GET", "/", viewer.with_host()).status == 200
    assert origin.request.fields.get("x-forwarded-for") == "192.0.2.4"


@pytest.mark.parametrize("header", [line("192.0.2.5"), binary("192.0.2.5")], ids=["version 1", "version 2"])
def test_a_header_may_arrive_byte_by_byte(viewer, origin, header):
    with open_connection(viewer, b"") as connection:
        for byte in header:
            connection.send(bytes([byte]))
        assert connection.ask("GET", "/", viewer.with_host()).status == 200
    assert origin.request.fields.get("x-forwarded-for") == "192.0.2.5"


@pytest.mark.parametrize("header", [line("192.0.2.1"), binary()], ids=["version 1", "version 2"])
def test_nobody_else_can_name_a_viewer(viewer, origin, header):
    with open_connection(viewer, header, source="127.0.0.3") as connection:
        connection.send_request("GET", "/", viewer.with_host())
        assert connection.read_answer().status == 400
        assert connection.closed_within()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        open_connection(viewer, header, "https", source="127.0.0.3")
    assert origin.requests == []
    with open_connection(viewer, b"", source="127.0.0.3") as connection:
        assert connection.ask("GET", "/", viewer.with_host()).status == 200
    assert origin.request.fields.get("x-forwarded-for") == "127.0.0.3"


HOSTILE = {
    "no header": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a ClientHello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "no family": b"PROXY 192.0.2.1 198.51.100.2 40001 443\r\n",
    "a name": line("localhost"),
    "two spaces": b"PROXY TCP4  192.0.2.1 198.51.100.2 40001 443\r\n",
    "a bare LF": b"PROXY UNKNOWN\n",
    "a line without end": b"PROXY UNKNOWN " + b"x" * 200,
    "datagrams": binary(family=UDP4),
    "another command": binary(command=0x22),
    "another version": binary(command=0x11),
    "half an address": SIGNATURE + bytes([PROXIED, TCP6, 0, 12]) + bytes(12),
    "a TLV beyond the end": binary(tlvs=b"\x04\0\x09x"),
    "a wrong checksum": binary(tlvs=b"\x03\0\x04abcd"),
    "64 KiB": SIGNATURE + bytes([PROXIED, TCP4, 0xFF, 0xFF]) + bytes(1000),
}


@pytest.mark.parametrize("header", HOSTILE.values(), ids=HOSTILE)
def test_a_trusted_proxy_that_sends_no_valid_header_is_closed_without_a_word(behind, viewer, origin, header):
    before = refused(behind)
    with (
        open_connection(viewer, header) as connection,
        pytest.raises((PeerClosed, ConnectionResetError)) as end,
    ):
        connection.wire.more()
    assert getattr(end.value, "received", b"") == b""
    wait_until(lambda: refused(behind) == before + 1, "the refused header to be counted")
    assert origin.requests == []


def refused(mantlet):
    name = "mantlet_proxy_headers_refused_total "
    return sum(int(row.removeprefix(name)) for row in metrics(mantlet).splitlines() if row.startswith(name))


def test_caps_are_those_of_the_viewers_that_are_named(viewer):
    held = [open_connection(viewer, line("192.0.2.6")) for _ in range(CONNECTIONS_MAX)]
    for connection in held:
        assert connection.ask("GET", "/", viewer.with_host()).status == 200
    with open_connection(viewer, line("192.0.2.6")) as connection:
        assert connection.closed_within()
    with open_connection(viewer, line("192.0.2.7")) as connection:
        assert connection.ask("GET", "/", viewer.with_host()).status == 200
    for connection in held:
        connection.close()


@pytest.mark.parametrize("version", ["send-proxy", "send-proxy-v2"])
def test_haproxy_names_its_viewers(tmp_path, viewer, origin, version):
    need_program("haproxy")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    host, edge_port = viewer.mantlet.http
    config = tmp_path / "haproxy.cfg"
    config.write_text(
        "defaults\n mode tcp\n timeout connect 5s\n timeout client 20s\n timeout server 20s\n"
        f"listen edge\n bind 127.0.0.1:{port}\n server edge {host}:{edge_port} source {PROXY} {version}\n"
    )
    haproxy = subprocess.Popen(["haproxy", "-db", "-q", "-f", config])
    try:
        wait_until(lambda: is_open(port), "haproxy to listen")
        with Http1Connection(connect(("127.0.0.1", port), source="127.0.0.9")) as connection:
            assert connection.ask("GET", "/", viewer.with_host()).status == 200
        assert origin.request.fields.get("x-forwarded-for") == "127.0.0.9"
    finally:
        haproxy.kill()
        haproxy.wait()


def is_open(port):
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
