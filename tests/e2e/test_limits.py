"""The limits of docs/limits.md that a viewer can reach: what is at one is served, what is beyond is not."""

import contextlib
import socket
import time
import urllib.request

import pytest

from harness.config import api_distribution, behavior, origin_at
from harness.frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    NEWEST,
    block,
    frame,
    literal_indexed,
)
from harness.http1 import PeerClosed, head_bytes
from harness.mantlet import Mantlet
from harness.plain_origin import PlainOrigin
from harness.viewer import Http1Connection, connect
from harness.waiting import wait_until

URL_BYTES_MAX = 8192
HEAD_BYTES_MAX = 32768
FIELDS_MAX = 200

BOTH_VERSIONS = pytest.mark.parametrize("version", ["1.1", "2"])
OTHER, THIRD = "127.0.0.2", "127.0.0.3"


def status(viewer, version, target="/", fields=()):
    """What a GET with exactly these fields besides Host is answered with."""
    if version == "1.1":
        with viewer.http1() as connection:
            connection.send(head_bytes(f"GET {target} HTTP/1.1", viewer.with_host(fields)))
            return connection.read_answer().status
    pseudo = [(":method", "GET"), (":scheme", "https"), (":authority", viewer.host), (":path", target)]
    encoded = block([*pseudo, *((name.lower(), value) for name, value in fields)])
    pieces = [encoded[at : at + 16384] for at in range(0, len(encoded), 16384)]
    with viewer.frames() as connection:
        for number, piece in enumerate(pieces):
            flags = END_HEADERS if number == len(pieces) - 1 else 0
            kind = HEADERS if number == 0 else CONTINUATION
            connection.send(frame(kind, flags | (END_STREAM if number == 0 else 0), 1, piece))
        return connection.outcome(1)


@BOTH_VERSIONS
def test_a2_a_url_of_8192_bytes_is_served_and_one_of_8193_is_414(viewer, origin, version):
    for length, expect in [(URL_BYTES_MAX, 200), (URL_BYTES_MAX + 1, 414)]:
        target = "/" + "x" * (length - 1)
        assert status(viewer, version, target) == expect
    assert [len(request.target) for request in origin.requests] == [URL_BYTES_MAX]


@BOTH_VERSIONS
def test_a2_a_url_counts_its_query(viewer, origin, version):
    for length, expect in [(URL_BYTES_MAX, 200), (URL_BYTES_MAX + 1, 414)]:
        target = "/?" + "q" * (length - 2)
        assert status(viewer, version, target) == expect
    assert len(origin.requests) == 1


@BOTH_VERSIONS
def test_a1_a2_a_head_of_32768_bytes_is_served_and_one_of_32769_is_494(viewer, origin, version):
    """Over HTTP/2 what counts is its size in HTTP/1.1's form, so both versions carry the same."""
    bare = len(head_bytes("GET / HTTP/1.1", viewer.with_host([("X-Pad", "")])))
    for length, expect in [(HEAD_BYTES_MAX, 200), (HEAD_BYTES_MAX + 1, 494)]:
        assert status(viewer, version, fields=[("X-Pad", "x" * (length - bare))]) == expect
    assert len(origin.request.fields.get("x-pad")) == HEAD_BYTES_MAX - bare


@BOTH_VERSIONS
def test_200_fields_are_served_and_201_are_494(viewer, origin, version):
    """Host is one of them, also where HTTP/2 calls it `:authority`."""
    others = FIELDS_MAX - 1
    for count, expect in [(others, 200), (others + 1, 494)]:
        assert status(viewer, version, fields=[(f"X-{number}", "") for number in range(count)]) == expect
    assert len(origin.requests) == 1


@BOTH_VERSIONS
def test_invariant_8_cookie_crumbs_count_one_by_one(viewer, origin, version):
    """Joined they would be one field, but each costs its sender a byte or two (CVE-2026-49975)."""
    if version == "1.1":
        # There they are several Cookie fields, which RFC 6265, section 5.4, has no client send.
        assert status(viewer, version, fields=[("Cookie", "a=b")] * FIELDS_MAX) in (400, 494)
        return
    for count, expect in [(FIELDS_MAX - 1, 200), (FIELDS_MAX, 494)]:
        assert status(viewer, version, fields=[("cookie", "a=b")] * count) == expect
    assert origin.request.fields.all("cookie") == ["; ".join(["a=b"] * (FIELDS_MAX - 1))]


def test_crumbs_in_a_byte_each_count_as_well(viewer, origin):
    pseudo = [(":method", "GET"), (":scheme", "https"), (":authority", viewer.host), (":path", "/")]
    for count, expect in [(FIELDS_MAX - 1, 200), (FIELDS_MAX, 494)]:
        payload = block(pseudo) + literal_indexed(b"cookie", b"a=b") + NEWEST * (count - 1)
        with viewer.frames() as connection:
            connection.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, payload))
            assert connection.outcome(1) == expect
    assert len(origin.requests) == 1


@pytest.mark.parametrize("size", [40_000, 60_000, 250_000])
def test_a2_far_beyond_the_limit_a_head_is_494_over_http2_too(viewer, origin, size):
    assert status(viewer, "2", fields=[("x-pad", "x" * size)]) == 494
    assert status(viewer, "2", target="/" + "x" * 60_000) == 414
    assert origin.requests == []


@pytest.mark.parametrize("copies", [70, 1000])
def test_a_head_that_unfolds_from_a_few_bytes_is_494_like_any_other(viewer, origin, copies):
    """Its stream alone is refused, and what the block has taught HPACK holds."""
    pseudo = [(":method", "GET"), (":scheme", "https"), (":authority", viewer.host), (":path", "/")]
    entry = literal_indexed(b"x-pad", b"x" * 4000)
    with viewer.frames() as connection:
        connection.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, block(pseudo) + entry + NEWEST * copies))
        assert connection.outcome(1) == 494
        connection.send(frame(HEADERS, END_HEADERS | END_STREAM, 3, block(pseudo) + NEWEST))
        assert connection.outcome(3) == 200
    assert origin.request.fields.get("x-pad") == "x" * 4000


def test_a_block_of_more_than_256_kib_ends_the_connection(viewer, origin):
    with viewer.frames() as connection, contextlib.suppress(OSError):
        connection.send(frame(HEADERS, END_STREAM, 1, b""))
        connection.send(frame(CONTINUATION, 0, 1, b"x" * 16_384) * 16)
        connection.send(frame(CONTINUATION, END_HEADERS, 1, b"x"))
        assert connection.outcome(1) in {"goaway", "closed"}
    assert origin.requests == []


def test_a_head_over_http2_that_does_not_end_is_not_waited_for(viewer, origin):
    with viewer.frames() as connection:
        connection.send(frame(HEADERS, END_STREAM, 1, b"\x00"))
        with contextlib.suppress(OSError):
            connection.send(frame(CONTINUATION, 0, 1, b"x" * 16_384) * 17)
        assert connection.ended_within(5)
    assert origin.requests == []


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_a_connection_may_carry_any_number_of_requests(viewer, version):
    with viewer.http1() if version == "1.1" else viewer.http2() as connection:
        for _ in range(1500):
            assert connection.ask("GET", "/", viewer.with_host()).status == 200


# Limits of addresses and of memory: processes of their own.


@contextlib.contextmanager
def small(tmp_path_factory, *flags):
    """A process with small limits, and a viewer of it."""
    with (
        PlainOrigin() as origin,
        Mantlet(tmp_path_factory.mktemp("small") / "data", "--edge-threads", "2", *flags) as mantlet,
    ):
        settings = behavior(ViewerProtocolPolicy="allow-all")
        yield mantlet.create(api_distribution(origin_at(origin.port), default=settings)).viewer


def metric(viewer, name):
    with urllib.request.urlopen(f"{viewer.mantlet.api_url}/metrics", timeout=15) as answer:
        page = answer.read().decode()
    return sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith(name))


def ask(viewer, connection):
    connection.send(head_bytes("GET / HTTP/1.1", viewer.with_host()))
    return connection.read_answer().status


def open_from(viewer, source):
    return Http1Connection(connect(viewer.mantlet.http, source=source))


def is_served(viewer, source):
    with open_from(viewer, source) as connection:
        try:
            return ask(viewer, connection) == 200
        except (PeerClosed, ConnectionError):
            return False


def test_an_address_has_its_number_of_connections(tmp_path_factory):
    with small(tmp_path_factory, "--address-connections-max", "8") as viewer, contextlib.ExitStack() as held:
        for _ in range(8):
            assert ask(viewer, held.enter_context(open_from(viewer, OTHER))) == 200
        # One beyond: closed at once and counted, while other addresses go on.
        assert not is_served(viewer, OTHER)
        assert is_served(viewer, THIRD)
        assert metric(viewer, 'mantlet_viewer_connections_shed_total{reason="address"}') == 1
        held.close()
        wait_until(lambda: is_served(viewer, OTHER), "room for the address again")


def test_no_limit_of_addresses_is_none(tmp_path_factory):
    with small(tmp_path_factory, "--address-connections-max", "0") as viewer, contextlib.ExitStack() as held:
        for _ in range(300):
            assert ask(viewer, held.enter_context(open_from(viewer, OTHER))) == 200
        assert metric(viewer, "mantlet_viewer_connections_shed_total") == 0


def test_an_address_has_its_number_of_streams(tmp_path_factory):
    """256 at least, however few connections it may have; the next one is told so."""
    with small(tmp_path_factory, "--address-connections-max", "4") as viewer, contextlib.ExitStack() as held:
        pseudo = [(":method", "POST"), (":scheme", "https"), (":authority", viewer.host), (":path", "/")]
        opened = frame(HEADERS, END_HEADERS, 0, block(pseudo))
        connections = [held.enter_context(viewer.frames(source=OTHER)) for _ in range(3)]
        for connection in connections[:2]:
            for stream in range(1, 257, 2):
                connection.send(opened[:5] + stream.to_bytes(4, "big") + opened[9:])
            # Frames are read in order, so an answer to PING means that all were.
            connection.send(frame(0x6, 0, 0, bytes(8)))
            while connection.next().kind != 0x6:
                pass
        connections[2].send(opened[:5] + (1).to_bytes(4, "big") + opened[9:])
        assert connections[2].outcome(1) == 503
        assert metric(viewer, 'mantlet_http2_streams_shed_total{reason="address"}') == 1
        assert viewer.get("/", version="2").status == 200


def test_invariant_8_an_overloaded_edge_takes_on_nothing_more(tmp_path_factory):
    """What it has is served on. 2 MiB on two threads are some 40 connections each."""
    with small(tmp_path_factory, "--memory-max", "2MiB") as viewer, contextlib.ExitStack() as held:
        kept = [held.enter_context(viewer.http1()), held.enter_context(viewer.http1())]
        streams = [held.enter_context(viewer.http2()) for _ in range(4)]
        opened = []
        for _ in range(400):
            with contextlib.suppress(OSError):
                opened.append(held.enter_context(open_from(viewer, OTHER)))
        wait_until(
            lambda: metric(viewer, 'mantlet_viewer_connections_shed_total{reason="memory"}') > 200,
            "connections to be turned away",
        )
        most = metric(viewer, "mantlet_connection_memory_max_bytes")
        assert most == 2 << 20
        assert metric(viewer, "mantlet_connection_memory_bytes ") <= most * 1.2
        for connection in kept:
            assert ask(viewer, connection) == 200
        # New streams are told, in the words of CloudFront.
        for connection in streams:
            answer = connection.ask("GET", "/", viewer.with_host())
            assert (answer.status, answer.fields.get("x-cache")) == (503, "LimitExceeded from cloudfront")
        assert metric(viewer, 'mantlet_http2_streams_shed_total{reason="memory"}') >= 4
        for connection in opened:
            connection.close()
        wait_until(lambda: is_served(viewer, THIRD), "room again")
        assert viewer.get("/", version="2").status == 200


def test_slow_viewers_of_a_crowded_address_are_hurried_over_http2_too(tmp_path_factory):
    """Their bodies are of unknown length, which HTTP/2 may leave them."""
    with small(tmp_path_factory) as viewer, contextlib.ExitStack() as held:
        pseudo = [(":method", "POST"), (":scheme", "https"), (":authority", viewer.host), (":path", "/")]

        def begin(source):
            connection = held.enter_context(viewer.frames(source=source))
            connection.send(frame(HEADERS, END_HEADERS, 1, block(pseudo)) + frame(DATA, 0, 1, b"x"))
            return connection

        alone = begin(THIRD)
        crowd = [begin(OTHER) for _ in range(300)]
        started = time.monotonic()
        assert [connection.outcome(1) for connection in crowd] == [408] * 300
        assert time.monotonic() - started < 10
        with pytest.raises((TimeoutError, socket.timeout)):
            alone.outcome(1, seconds=0.5)


def test_slow_viewers_of_a_crowded_address_are_hurried(tmp_path_factory):
    """Alone a viewer may be silent for a minute within its body; one of 300 of an address may not."""
    with small(tmp_path_factory) as viewer, contextlib.ExitStack() as held:
        slow = viewer.with_host([("Content-Length", "100")])

        def begin(source):
            connection = held.enter_context(open_from(viewer, source))
            connection.send(head_bytes("POST / HTTP/1.1", slow) + b"x")
            return connection

        alone = begin(THIRD)
        crowd = [begin(OTHER) for _ in range(300)]
        started = time.monotonic()
        statuses = [connection.read_answer().status for connection in crowd]
        assert statuses == [408] * 300
        assert time.monotonic() - started < 10
        alone.wire.socket.settimeout(0.5)
        with pytest.raises((TimeoutError, socket.timeout)):
            alone.read_answer()
