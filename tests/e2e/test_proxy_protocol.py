"""The PROXY protocol (haproxy.org, proxy-protocol.txt) on listeners: whom it is believed from, who the viewer
then is, and what becomes of connections that get it wrong."""

import contextlib
import socket
import ssl
import struct
import subprocess

import pytest

from harness.config import api_distribution, behavior, origin_at
from harness.http1 import PeerClosed, Wire
from harness.mantlet import Mantlet
from harness.origin import always
from harness.programs import need_program
from harness.quic import QuicViewer
from harness.tls import ThrowAwayCa
from harness.viewer import Http1Connection, Http2Connection, connect
from harness.waiting import wait_until
from test_access_log import AccessLog, metrics
from test_grpc import CALL, GRPC, H2C, answering, said
from test_http3 import request

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
def authority(tmp_path_factory):
    return ThrowAwayCa(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def behind(tmp_path_factory, authority):
    """An edge that trusts the proxies at `PROXY`."""
    flags = ("--proxy-protocol-from", PROXY, "--address-connections-max", str(CONNECTIONS_MAX))
    flags += ("--origin-ca", str(authority.path))
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
    assert origin.request.fields.get("x-forwarded-for") == f"203.0.113.9,{named}"
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


# To origins: mantlet:proxy-protocol


def read_ends(connection):
    """The viewer's address and what it connected to, from a header of version 2."""
    # No byte more than it has: what comes behind it may be TLS.
    header = connection.wire.socket.recv(28, socket.MSG_WAITALL)
    assert header[:16] == SIGNATURE + bytes([PROXIED, TCP4]) + b"\0\x0c"
    source, destination, source_port, destination_port = struct.unpack(">4s4sHH", header[16:])
    return (socket.inet_ntoa(source), source_port), (socket.inet_ntoa(destination), destination_port)


class NamedOrigin:
    """The script of an origin whose connections begin with a header, and perhaps TLS behind it. Then comes
    the script that is given, or one that answers every request."""

    def __init__(self, script=None, tls=None):
        self.ends = []
        self.script = script or always()
        self.tls = tls

    def __call__(self, connection):
        connection.ends = read_ends(connection)
        self.ends.append(connection.ends)
        if self.tls:
            connection.wire = Wire(self.tls.wrap_socket(connection.wire.socket, server_side=True))
        self.script(connection)


@pytest.fixture
def named(behind, origins):
    """(script, origin, viewer) of a distribution that names its viewers to its origin."""
    script = NamedOrigin()
    origin = origins(script)
    return script, origin, named_viewer(behind, origin.port)


def named_viewer(mantlet, port, default=None, tls=False, **settings):
    how = {"OriginProtocolPolicy": "https-only", "HTTPSPort": port} if tls else {}
    origin = origin_at(port, "localhost" if tls else "127.0.0.1", **how)
    default = default or behavior(ViewerProtocolPolicy="allow-all")
    tags = [("mantlet:proxy-protocol", "v2"), *([] if tls else H2C)]
    client = mantlet.client()
    made = client.create_distribution_with_tags(
        DistributionConfigWithTags={
            "DistributionConfig": api_distribution(origin, default=default, **settings),
            "Tags": {"Items": [{"Key": key, "Value": value} for key, value in tags]},
        }
    )["Distribution"]
    mantlet.wait_until_deployed(made["Id"], client)
    return mantlet.viewer(made["DomainName"])


def test_an_origin_connection_names_one_viewers_connection_and_serves_no_other(behind, named):
    script, origin, viewer = named
    addresses = []
    for _ in range(2):
        with viewer.http1("http") as connection:
            addresses.append(connection.wire.socket.getsockname())
            for _ in range(2):
                assert connection.ask("GET", "/", viewer.with_host()).status == 200
    assert script.ends == [(address, behind.http) for address in addresses]
    # Two requests each, on a connection that was kept.
    assert [request.connection for request in origin.requests] == [0, 0, 1, 1]


def test_an_origin_is_told_whom_a_proxy_has_named(named):
    script, _, viewer = named
    with open_connection(viewer, line("192.0.2.8")) as connection:
        assert connection.ask("GET", "/", viewer.with_host()).status == 200
    assert script.ends == [(("192.0.2.8", 40001), ("198.51.100.2", 443))]


def test_streams_of_one_connection_name_the_same_viewer(named):
    script, _, viewer = named
    with viewer.http2() as connection:
        streams = [connection.open("GET", "/", viewer.with_host()) for _ in range(5)]
        assert [stream.read_answer().status for stream in streams] == [200] * 5
        address = connection.socket.getsockname()
    assert {source for source, _ in script.ends} == {address}


def test_a_viewer_over_http3_is_named_as_the_handshake_has_proven_it_wherever_it_moves(behind, origins):
    script = NamedOrigin()
    viewer = named_viewer(behind, origins(script).port, HttpVersion="http3")
    with QuicViewer(behind.https, viewer.domain, behind.ca).connect() as quic:
        address = quic.sock.getsockname()
        for source in (None, "127.0.1.1", "127.0.1.2"):
            assert source is None or quic.move(source) != address
            assert quic.outcome(quic.send_request(request(viewer))) == 200
    # One connection for all three, which names where the viewer was at first.
    assert script.ends == [(address, behind.https)]


def test_the_header_comes_before_tls_and_a_connection_over_tls_serves_no_other_viewer_either(
    behind, origins, authority
):
    script = NamedOrigin(tls=authority.server_context("localhost"))
    origin = origins(script)
    viewer = named_viewer(behind, origin.port, tls=True)
    addresses = []
    for _ in range(2):
        with viewer.http1() as connection:
            addresses.append(connection.wire.socket.getsockname())
            for _ in range(2):
                assert connection.ask("GET", "/", viewer.with_host()).status == 200
    assert script.ends == [(address, behind.https) for address in addresses]
    assert [request.connection for request in origin.requests] == [0, 0, 1, 1]


@pytest.mark.parametrize("tls", [False, True], ids=["in clear", "over TLS"])
def test_calls_share_connections_that_name_their_viewers_connection_and_no_other(
    behind, origins, authority, tls
):
    context = authority.server_context("localhost")
    context.set_alpn_protocols(["h2"])
    calls = []
    origin = origins(NamedOrigin(answering(calls), context if tls else None))
    origin.requests_may_end_early = True
    viewer = named_viewer(behind, origin.port, GRPC, tls)
    with viewer.http2() as first, viewer.http2() as second:
        streams = []
        for _ in range(5):
            for connection in (first, second):
                mine = ("x-port", connection.socket.getsockname()[1])
                streams.append(connection.open("POST", "/", [*viewer.with_host(), *CALL, mine], end=False))
        for stream in streams:
            stream.send_body(b"\0\0\0\0\0", end=True)
        assert [said(stream.read_answer()) for stream in streams] == [{"grpc-status": "0"}] * 10
        addresses = {connection.socket.getsockname() for connection in (first, second)}
    assert len(calls) == 10
    assert {connection.ends[0] for connection in origin.connections} == addresses
    assert len(origin.connections) == 2
    for number, head in calls:
        (_, port), _ = origin.connections[number].ends
        assert head["x-port"] == str(port)


# A real implementation on the other side.


@pytest.mark.parametrize("version", ["send-proxy", "send-proxy-v2"])
def test_haproxy_names_its_viewers(tmp_path, viewer, origin, version):
    edge = "{}:{}".format(*viewer.mantlet.http)
    with (
        haproxy(tmp_path, "", f"server edge {edge} source {PROXY} {version}") as port,
        Http1Connection(connect(("127.0.0.1", port), source="127.0.0.9")) as connection,
    ):
        assert connection.ask("GET", "/", viewer.with_host()).status == 200
    assert origin.request.fields.get("x-forwarded-for") == "127.0.0.9"


def test_haproxy_is_told_who_the_viewer_is(tmp_path, behind, origin):
    rules = (
        f"mode http\n http-request set-header X-Source %[src]:%[src_port]\n server o 127.0.0.1:{origin.port}"
    )
    with haproxy(tmp_path, "accept-proxy", rules) as port:
        viewer = named_viewer(behind, port)
        with viewer.http1() as connection:
            assert connection.ask("GET", "/", viewer.with_host()).status == 200
            address, source_port = connection.wire.socket.getsockname()
    assert origin.request.fields.get("x-source") == f"{address}:{source_port}"


@contextlib.contextmanager
def haproxy(directory, bind, rules):
    """HAProxy with one listener; its port."""
    program = need_program("haproxy")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        config = directory / "haproxy.cfg"
        config.write_text(
            "defaults\n timeout connect 5s\n timeout client 20s\n timeout server 20s\n"
            f"listen test\n bind fd@{listener.fileno()} {bind}\n {rules}\n"
        )
        arguments = [program, "-db", "-q", "-f", config]
        process = subprocess.Popen(arguments, pass_fds=[listener.fileno()])
    try:
        yield port
        assert process.poll() is None, "haproxy ended"
    finally:
        process.kill()
        process.wait()
