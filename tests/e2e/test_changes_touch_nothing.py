"""Configuration changes touch no connection: streams go on, idle connections stay, memory does not grow.

One asyncio loop holds the origin and the viewers; the test itself changes the configuration meanwhile.
"""

import asyncio
import ssl
import threading
import uuid

import pytest

from harness.config import ALL_VIEWER, api_distribution, behavior, counted, origin_at
from harness.http1 import PeerClosed
from harness.mantlet import Mantlet
from harness.tls import ThrowAwayCa
from harness.waiting import PATIENCE, wait_until

STREAMS_IN_CLEAR = 400
STREAMS_OVER_TLS = 200
HTTP2_CONNECTIONS = 5
STREAMS_EACH = 80
KEEP_ALIVE = 100
CHANGES = 200
# Beyond what allocators keep: a snapshot and its distributions are some tens of kilobytes here.
GROWTH_MAX = 4 << 20


class Loop:
    """An asyncio loop in a thread of its own."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def run(self, coroutine, patience=60):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(patience)

    def close(self):
        """Ends every task, so that none is left for the interpreter to find."""
        self.run(self._cancel_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(PATIENCE)
        self.loop.close()

    async def _cancel_all(self):
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class EventOrigin:
    """Streams every event to whoever asked for `/events`, and tells others the version in their request."""

    def __init__(self):
        self.streams = []
        self.lost = 0

    async def listen(self):
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=2048)
        self.port = server.sockets[0].getsockname()[1]

    async def serve(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                if head.startswith("GET /events "):
                    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                    self.streams.append(writer)
                    # Nothing more comes on this connection but its end.
                    await reader.read()
                    self.lost += 1
                    return
                version = next(
                    (line[11:] for line in head.split("\r\n") if line.startswith("X-Version: ")), ""
                ).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(version), version))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass

    async def send(self, number):
        event = b"data: %d\n\n" % number
        for writer in self.streams:
            writer.write(b"%x\r\n%b\r\n" % (len(event), event))


class Stream:
    """A viewer's event stream over HTTP/1.1."""

    def __init__(self):
        self.last_event = 0
        self.is_in_order = True
        self.ended = False

    async def open(self, address, host, context):
        server = {"ssl": context, "server_hostname": host} if context else {}
        self.reader, writer = await asyncio.open_connection(*address, **server)
        self.writer = writer
        writer.write(f"GET /events HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        head = await self.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        self.task = asyncio.ensure_future(self.read())

    async def read(self):
        try:
            rest = b""
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                rest += (await self.reader.readexactly(size + 2))[:-2]
                *events, rest = rest.split(b"\n\n")
                for event in events:
                    self.is_in_order &= event == b"data: %d" % (self.last_event + 1)
                    self.last_event += 1
            self.ended = True
        except (asyncio.IncompleteReadError, ConnectionError):
            self.ended = True


class Http2Streams:
    """Event streams over one HTTP/2 connection, read by a thread."""

    def __init__(self, viewer, count):
        self.connection = viewer.http2()
        self.streams = [self.connection.open("GET", "/events", viewer.with_host()) for _ in range(count)]
        for stream in self.streams:
            assert stream.read_head().status == 200
        self.connection.socket.settimeout(None)
        self.received = {stream.number: b"" for stream in self.streams}
        self.ended = False
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            while True:
                self.connection.pump()
                for stream in self.streams:
                    while stream.pieces:
                        data, flow_controlled = stream.pieces.popleft()
                        self.connection.acknowledge(stream, flow_controlled)
                        self.received[stream.number] += data
        except PeerClosed:
            self.ended = True

    def has_all(self, events):
        return all(received == events for received in self.received.values())


class Shield:
    """A process with the distribution in use, others beside it, and what may be changed of them."""

    def __init__(self, mantlet, origin_port, ca):
        self.mantlet = mantlet
        self.client, self.acm = mantlet.client(), mantlet.client("acm")
        self.ca, self.domain = ca, f"t{uuid.uuid4().hex[:12]}.example"
        issued = ca.issue(f"*.{self.domain}")
        self.key = issued.private_key
        self.arn = self.acm.import_certificate(Certificate=issued.certificate, PrivateKey=issued.key)[
            "CertificateArn"
        ]
        self.policy = self.client.create_origin_request_policy(
            OriginRequestPolicyConfig=self.policy_config(0)
        )["OriginRequestPolicy"]["Id"]
        config = api_distribution(
            self.origin(origin_port, 0),
            default=behavior(ViewerProtocolPolicy="allow-all", OriginRequestPolicyId=self.policy),
            Aliases=counted([f"app.{self.domain}"]),
            ViewerCertificate={
                "ACMCertificateArn": self.arn,
                "SSLSupportMethod": "sni-only",
                "MinimumProtocolVersion": "TLSv1.2_2021",
            },
        )
        self.port = origin_port
        self.used = mantlet.create(config, self.client)
        self.other = mantlet.create(api_distribution(origin_at(origin_port)), self.client)

    def origin(self, port, version):
        return origin_at(port, custom_headers=[("X-Version", str(version))])

    def policy_config(self, number):
        names = counted(["X-Asked", f"X-Number-{number}"])
        return {
            "Name": f"changing-{self.domain.partition('.')[0]}",
            "HeadersConfig": {"HeaderBehavior": "whitelist", "Headers": names},
            "CookiesConfig": {"CookieBehavior": "all"},
            "QueryStringsConfig": {"QueryStringBehavior": "all"},
        }

    def change(self, number):
        """One of five sorts, in turn; returns when it is deployed."""
        [self.version, self.others, self.policies, self.aliases, self.certificates][number % 5](number)

    def version(self, number):
        def change(config):
            config["Origins"] = counted([self.origin(self.port, number)])

        self.mantlet.update(self.used, change, self.client)
        self.newest_version = number

    def others(self, number):
        policy = [ALL_VIEWER, self.policy][number % 2]
        self.mantlet.update(
            self.other,
            lambda config: config["DefaultCacheBehavior"].update(OriginRequestPolicyId=policy),
            self.client,
        )

    def policies(self, number):
        etag = self.client.get_origin_request_policy(Id=self.policy)["ETag"]
        self.client.update_origin_request_policy(
            Id=self.policy, IfMatch=etag, OriginRequestPolicyConfig=self.policy_config(number)
        )
        self.mantlet.wait_until_deployed(self.used.id, self.client)

    def aliases(self, number):
        names = [f"app.{self.domain}", f"n{number}.{self.domain}"]
        self.mantlet.update(self.used, lambda config: config.update(Aliases=counted(names)), self.client)

    def certificates(self, number):
        issued = self.ca.issue(f"*.{self.domain}", key=self.key)
        self.acm.import_certificate(
            Certificate=issued.certificate, PrivateKey=issued.key, CertificateArn=self.arn
        )
        self.mantlet.wait_until_deployed(self.used.id, self.client)


@pytest.fixture
def loop():
    loop = Loop()
    yield loop
    loop.close()


async def open_streams(address, host, context, count):
    streams = [Stream() for _ in range(count)]
    # Not all handshakes at once: patience is for what comes afterwards.
    for begin in range(0, count, 50):
        await asyncio.gather(*(stream.open(address, host, context) for stream in streams[begin : begin + 50]))
    return streams


def test_invariant_11_changes_touch_no_connection(tmp_path, loop, record_property):
    origin = EventOrigin()
    loop.run(origin.listen())
    with Mantlet(tmp_path / "data") as mantlet:
        shield = Shield(mantlet, origin.port, ThrowAwayCa(tmp_path))
        host, alias = shield.used.domain, f"app.{shield.domain}"
        context = ssl.create_default_context(cafile=str(shield.ca.path))
        streams = loop.run(open_streams(mantlet.http, host, None, STREAMS_IN_CLEAR))
        streams += loop.run(open_streams(mantlet.https, alias, context, STREAMS_OVER_TLS))
        over_http2 = [Http2Streams(shield.used.viewer, STREAMS_EACH) for _ in range(HTTP2_CONNECTIONS)]
        kept = [shield.used.viewer.http1("http") for _ in range(KEEP_ALIVE)]
        assert len(streams) + HTTP2_CONNECTIONS * STREAMS_EACH == 1000
        wait_until(lambda: len(origin.streams) == 1000, "a thousand streams at the origin")

        def ask(connection):
            answer = connection.ask("GET", "/version", shield.used.viewer.with_host())
            assert answer.status == 200
            return int(answer.body)

        def send_event(number):
            loop.run(origin.send(number))
            events = b"".join(b"data: %d\n\n" % event for event in range(1, number + 1))
            wait_until(lambda: all(stream.last_event == number for stream in streams), "each HTTP/1.1 stream")
            wait_until(lambda: all(each.has_all(events) for each in over_http2), "each HTTP/2 stream")

        resident, events = {}, 0
        for number in range(1, CHANGES + 1):
            shield.change(number)
            if number % 10 == 0:
                events += 1
                send_event(events)
                # Each kept connection once in a hundred changes, and a new one.
                for connection in kept[events % 10 :: 10]:
                    assert ask(connection) == shield.newest_version
                with shield.used.viewer.http1("http") as connection:
                    assert ask(connection) == shield.newest_version
            if number in (CHANGES // 4, CHANGES):
                resident[number] = mantlet.resident_bytes()
        assert [ask(connection) for connection in kept] == [shield.newest_version] * KEEP_ALIVE
        send_event(events + 1)
        assert all(stream.is_in_order and not stream.ended for stream in streams)
        assert not any(each.ended for each in over_http2)
        assert origin.lost == 0
        growth = resident[CHANGES] - resident[CHANGES // 4]
        record_property("resident_growth_bytes", growth)
        assert growth < GROWTH_MAX, f"{growth} bytes more after {CHANGES * 3 // 4} changes"
        mantlet.kill()
        for connection in kept:
            connection.close()
