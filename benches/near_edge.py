"""How long requests take where the edge is near and the origin is far, against what the round trips allow.

    target/release/mantlet must be built; as root, on Linux:
    sudo tests/e2e/.venv/bin/python benches/near_edge.py [--rounds 20]

Viewer, edge and origin have a network namespace each. Between them are TUN devices whose packets wait in
this program: 10 ms there and back between viewer and edge, 150 ms between edge and origin. (netem would do
the same, and many kernels have none.) The physical minimum is made of round-trip times that are measured in
the same run, by connecting with TCP: what the delays cost beyond their nominal time is not the edge's.
"""

import argparse
import contextlib
import ctypes
import heapq
import os
import select
import socket
import ssl
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from fcntl import ioctl
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
os.environ.setdefault("MANTLET_BINARY", str(ROOT / "target" / "release" / "mantlet"))

from harness.config import api_distribution, behavior, origin_at  # noqa: E402
from harness.mantlet import Mantlet  # noqa: E402
from harness.tls import ThrowAwayCa  # noqa: E402
from harness.viewer import Http1Connection, Http2Connection  # noqa: E402

NEAR_SECONDS, FAR_SECONDS = 0.010, 0.150
VIEWER, EDGE, EDGE_FAR, ORIGIN = "10.77.1.1", "10.77.1.2", "10.77.2.2", "10.77.2.3"
HTTPS, ORIGIN_PORT = 8443, 8444
BODY = b"x" * 300

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
PACKET_BYTES = 2048


class Namespace:
    """A network namespace, as long as this program lives."""

    libc = ctypes.CDLL(None, use_errno=True)

    def __init__(self):
        self._call(self.libc.unshare, CLONE_NEWNET)
        self.descriptor = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        run("ip link set lo up")

    def enter(self):
        """What this thread opens and starts from here on is in there."""
        self._call(self.libc.setns, self.descriptor, CLONE_NEWNET)

    @staticmethod
    def _call(function, *arguments):
        if function(*arguments) != 0:
            raise OSError(ctypes.get_errno(), "a network namespace is refused; run this as root")

    def tun(self, name, own, other):
        """A point-to-point device; the descriptor with its packets."""
        self.enter()
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        ioctl(descriptor, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
        run(f"ip addr add {own} peer {other} dev {name}")
        run(f"ip link set {name} up")
        return descriptor


def run(command):
    subprocess.run(command.split(), check=True)


def relay(pairs):
    """Passes packets on after their delay, for ever: `pairs` is (from, to, seconds)."""
    ways = {source: (target, seconds) for source, target, seconds in pairs}
    waiting, order = [], 0
    while True:
        patience = max(0, waiting[0][0] - time.perf_counter()) if waiting else None
        # The last stretch is waited for awake: a sleep ends late.
        if patience is not None and patience < 0.0002:
            patience = 0
        for source in select.select(list(ways), [], [], patience)[0]:
            target, seconds = ways[source]
            due = time.perf_counter() + seconds
            with contextlib.suppress(BlockingIOError):
                while True:
                    heapq.heappush(waiting, (due, order, target, os.read(source, PACKET_BYTES)))
                    order += 1
        while waiting and waiting[0][0] <= time.perf_counter():
            _, _, target, packet = heapq.heappop(waiting)
            with contextlib.suppress(OSError):
                os.write(target, packet)


def lay_out():
    """The three namespaces with the delays between them, and the process that delays."""
    viewer, edge, origin = Namespace(), Namespace(), Namespace()
    near = viewer.tun("near", VIEWER, EDGE), edge.tun("near", EDGE, VIEWER)
    far = edge.tun("far", EDGE_FAR, ORIGIN), origin.tun("far", ORIGIN, EDGE_FAR)
    # Directly, too: through the edge's machine, past the edge.
    edge.enter()
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    viewer.enter()
    run(f"ip route add {ORIGIN} via {EDGE}")
    origin.enter()
    run(f"ip route add {VIEWER} via {EDGE_FAR}")
    pairs = []
    for (one, other), seconds in ((near, NEAR_SECONDS / 2), (far, FAR_SECONDS / 2)):
        pairs += [(one, other, seconds), (other, one, seconds)]
    process = os.fork()
    if process == 0:
        relay(pairs)
    return viewer, edge, origin, process


def serve_origin(context):
    """An HTTPS origin that keeps its connections, a thread for each."""
    listener = socket.create_server((ORIGIN, ORIGIN_PORT), backlog=64)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
    answer = head % len(BODY) + BODY

    def serve(sock):
        with contextlib.suppress(OSError), context.wrap_socket(sock, server_side=True) as connection:
            held = b""
            while data := connection.recv(65536):
                held += data
                while b"\r\n\r\n" in held:
                    _, _, held = held.partition(b"\r\n\r\n")
                    connection.sendall(answer)

    def accept():
        while True:
            sock, _ = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def connected(address):
    sock = socket.create_connection(address, timeout=10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def seconds(measured):
    begun = time.perf_counter()
    measured()
    return time.perf_counter() - begun


def round_trip(address, count=20):
    """The median time of connecting with TCP, which is one round trip."""
    return statistics.median(seconds(lambda: connected(address).close()) for _ in range(count))


class Client:
    """A viewer of one server, over one version of HTTP and TLS 1.3."""

    def __init__(self, address, name, ca, host, protocol):
        self.address, self.name, self.host, self.protocol = address, name, host, protocol
        self.context = ssl.create_default_context(cafile=str(ca))
        self.context.set_alpn_protocols([protocol])
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3

    def open(self):
        sock = self.context.wrap_socket(connected(self.address), server_hostname=self.name)
        return Http2Connection(sock) if self.protocol == "h2" else Http1Connection(sock)

    def ask(self, connection):
        answer = connection.ask("GET", "/", [("Host", self.host)])
        assert (answer.status, answer.body) == (200, BODY), answer

    def first(self):
        """A request on a new connection, from the first packet to the last byte."""
        with self.open() as connection:
            self.ask(connection)

    def measure(self, rounds):
        """Median times of first and of later requests, in seconds."""
        firsts = [seconds(self.first) for _ in range(rounds)]
        with self.open() as connection:
            self.ask(connection)
            laters = [seconds(lambda: self.ask(connection)) for _ in range(rounds)]
        return statistics.median(firsts), statistics.median(laters)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=20, help="requests of each kind")
    rounds = arguments.parse_args().rounds
    viewer, edge, origin, delaying = lay_out()
    try:
        with tempfile.TemporaryDirectory() as directory:
            measure(viewer, edge, origin, Path(directory), rounds)
    finally:
        os.kill(delaying, 9)


def measure(viewer, edge, origin, directory, rounds):
    ca = ThrowAwayCa(directory)
    origin.enter()
    serve_origin(ca.server_context(ORIGIN))
    edge.enter()
    far = round_trip((ORIGIN, ORIGIN_PORT))
    # Idle connections belong to a thread, so a warm edge is one whose thread has them.
    mantlet = Mantlet(directory / "data", "--origin-ca", str(ca.path), "--edge-threads", "1")
    mantlet.arguments[mantlet.arguments.index("--https") + 1] = f"{EDGE}:{HTTPS}"
    with mantlet:
        far_origin = origin_at(80, domain=ORIGIN, HTTPSPort=ORIGIN_PORT, OriginProtocolPolicy="https-only")
        distribution = mantlet.create(api_distribution(far_origin, default=behavior()))
        viewer.enter()
        near = round_trip((EDGE, HTTPS))
        direct = round_trip((ORIGIN, ORIGIN_PORT))
        ends = {"viewer-edge": near, "edge-origin": far, "viewer-origin": direct}
        print("round trips:", ", ".join(f"{name} {seconds * 1e3:.1f} ms" for name, seconds in ends.items()))
        print(f"{'':28}{'median':>10}{'minimum':>10}{'ratio':>8}")
        host = f"{distribution.domain}:{HTTPS}"
        for protocol in ("http/1.1", "h2"):
            client = Client((EDGE, HTTPS), distribution.domain, mantlet.ca, host, protocol)
            client.first()
            first, later = client.measure(rounds)
            # TCP, TLS and HTTP take a round trip each, and the origin's answer one.
            report(f"{protocol}, new connection", first, 3 * near + far)
            report(f"{protocol}, later request", later, near + far)
        client = Client((ORIGIN, ORIGIN_PORT), ORIGIN, ca.path, ORIGIN, "http/1.1")
        first, later = client.measure(max(3, rounds // 4))
        report("direct, new connection", first, 3 * direct)
        report("direct, later request", later, direct)


def report(what, median, minimum):
    print(f"{what:28}{median * 1e3:8.1f}ms{minimum * 1e3:8.1f}ms{median / minimum:8.3f}")


if __name__ == "__main__":
    main()
