"""Origins that fail in every documented way: the status that the viewer gets, what is retried and what never
is, and that no failure is told apart by the viewer."""

import time

import pytest
from botocore.exceptions import ClientError

from harness.config import api_distribution, behavior, origin_at
from harness.demo import DemoApi, image_form, json_bytes, log_in
from harness.http1 import PeerClosed, chunk, head_bytes, spawn
from harness.origin import always, answer_bytes, once_per_connection
from harness.waiting import wait_until

BOTH_VERSIONS = pytest.mark.parametrize("version", ["1.1", "2"])
ONE_SECOND = {"OriginReadTimeout": 1, "ConnectionAttempts": 1}
# A timeout of one second must have fired by then, on the busiest machine.
SOON = 6.0


def never_answers(connection):
    connection.read_request()
    connection.wait_for_close()


def behind(mantlet, port, domain="127.0.0.1", **settings):
    return mantlet.create(api_distribution(origin_at(port, domain, **settings))).viewer


# C1: connecting


@pytest.mark.parametrize(("attempts", "at_least", "at_most"), [(1, 0.9, 1.9), (3, 2.9, SOON)])
def test_c1_connection_timeout_times_attempts_then_504(mantlet, deaf_port, attempts, at_least, at_most):
    viewer = behind(mantlet, deaf_port, ConnectionTimeout=1, ConnectionAttempts=attempts)
    began = time.monotonic()
    assert viewer.get().status == 504
    assert at_least < time.monotonic() - began < at_most


# C2: response timeout


@BOTH_VERSIONS
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_c2_no_first_byte_in_time_is_504(front, method, version):
    _, viewer = front(never_answers, **ONE_SECOND)
    began = time.monotonic()
    assert viewer.ask(method, version=version).status == 504
    assert 0.9 < time.monotonic() - began < SOON


def test_c2_half_a_head_in_time_is_504(front):
    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-")
        connection.wait_for_close()

    _, viewer = front(script, **ONE_SECOND)
    assert viewer.post().status == 504


@BOTH_VERSIONS
def test_c2_gap_between_packets_truncates_the_answer(front, version):
    def script(connection):
        connection.read_request()
        connection.send(head_bytes("HTTP/1.1 200 OK", [("Transfer-Encoding", "chunked")]) + chunk(b"first"))
        connection.wait_for_close()

    _, viewer = front(script, **ONE_SECOND)
    answer = viewer.get(version=version)
    assert (answer.status, answer.body, answer.complete) == (200, b"first", False)


def test_c2_a_slow_but_steady_answer_outlives_the_timeout(front):
    def script(connection):
        connection.read_request()
        connection.send(head_bytes("HTTP/1.1 200 OK", [("Transfer-Encoding", "chunked")]))
        for _ in range(6):
            connection.send(chunk(b"tick "))
            time.sleep(0.4)  # The pause is what this test is about.
        connection.send(b"0\r\n\r\n")

    _, viewer = front(script, **ONE_SECOND)
    answer = viewer.get()
    assert (answer.body, answer.complete) == (b"tick " * 6, True)


# C3: retries


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_c3_get_and_head_are_tried_as_often_as_configured(front, method):
    origin, viewer = front(never_answers, OriginReadTimeout=1, ConnectionAttempts=2)
    assert viewer.ask(method).status == 504
    assert [request.method for request in origin.requests] == [method] * 2


def test_c3_get_succeeds_at_the_second_attempt(front):
    def script(connection):
        connection.read_request()
        if connection.number == 0:
            connection.wait_for_close()
        else:
            connection.answer(body=b"second")

    _, viewer = front(script, OriginReadTimeout=1, ConnectionAttempts=2)
    assert viewer.get().body == b"second"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_c3_other_methods_are_never_tried_twice(front, method):
    origin, viewer = front(never_answers, OriginReadTimeout=1, ConnectionAttempts=3)
    assert viewer.ask(method).status == 504
    assert len(origin.requests) == 1


@pytest.mark.parametrize("ending", ["close", "reset"])
def test_c3_post_is_not_repeated_when_the_origin_hangs_up(front, ending):
    def script(connection):
        connection.read_request()
        getattr(connection, ending)()

    origin, viewer = front(script, ConnectionAttempts=3)
    assert viewer.post(body=b"pay").status == 502
    assert len(origin.requests) == 1


# C4: response completion timeout


@BOTH_VERSIONS
def test_c4_completion_timeout_before_the_head_is_504(front, version):
    def script(connection):
        connection.read_request()
        try:
            for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 100:
                connection.send(bytes([byte]))
                time.sleep(0.1)  # Each byte is in time; the whole is not.
        except OSError:
            pass

    _, viewer = front(script, OriginReadTimeout=1, ResponseCompletionTimeout=1, ConnectionAttempts=1)
    began = time.monotonic()
    assert viewer.get(version=version).status == 504
    assert time.monotonic() - began < SOON


def test_c4_completion_timeout_counts_all_attempts(front):
    _, viewer = front(never_answers, OriginReadTimeout=2, ResponseCompletionTimeout=2, ConnectionAttempts=3)
    began = time.monotonic()
    assert viewer.get().status == 504
    assert time.monotonic() - began < 3.9


def test_c4_completion_timeout_in_the_body_truncates(front):
    def script(connection):
        connection.read_request()
        connection.send(head_bytes("HTTP/1.1 200 OK", [("Transfer-Encoding", "chunked")]))
        try:
            for _ in range(100):
                connection.send(chunk(b"tick"))
                time.sleep(0.1)  # Steady, but longer than the whole may take.
        except OSError:
            pass

    _, viewer = front(script, OriginReadTimeout=1, ResponseCompletionTimeout=1)
    answer = viewer.get()
    assert (answer.status, answer.complete) == (200, False)


# C5: keep-alive to the origin


def test_c5_connection_is_reused(front):
    origin, viewer = front()
    with viewer.http1() as connection:
        for _ in range(5):
            connection.ask("GET", "/", viewer.with_host())
    assert {request.connection for request in origin.requests} == {0}


def test_c5_idle_connection_is_closed_after_the_keepalive_timeout(front):
    closed_after = []

    def script(connection):
        connection.read_request()
        connection.answer(body=b"ok")
        idle_since = time.monotonic()
        connection.wait_for_close()
        closed_after.append(time.monotonic() - idle_since)

    _, viewer = front(script, OriginKeepaliveTimeout=1)
    viewer.get()
    wait_until(lambda: closed_after, "the edge to close its idle connection")
    assert closed_after[0] < SOON


def test_c5_connection_close_of_the_origin_is_honoured(front):
    origin, viewer = front(always(fields=[("Connection", "close")]))
    with viewer.http1() as connection:
        for _ in range(3):
            assert connection.ask("POST", "/", viewer.with_host(), b"x").status == 200
    assert len({request.connection for request in origin.requests}) == 3


def test_c5_post_never_fails_because_the_origin_closed_an_idle_connection(front):
    """The origin closes after each answer, unannounced; each POST comes after that."""
    closed = []

    def script(connection):
        request = connection.read_request()
        connection.answer(body=request.body)
        connection.close()
        closed.append(connection.number)

    origin, viewer = front(script)
    with viewer.http1() as connection:
        for number in range(100):
            answer = connection.ask("POST", "/", viewer.with_host(), b"%d" % number)
            assert (answer.status, answer.body) == (200, b"%d" % number)
            wait_until(lambda so_far=number + 1: len(closed) == so_far, "the origin to close")
    assert len(origin.requests) == 100


def test_c5_keep_alive_timeout_of_the_origin_is_honoured_minus_a_second(front):
    """With `timeout=1` nothing is left, so a second request on such a connection is a mistake."""

    def script(connection):
        connection.read_request()
        fields = [("Connection", "keep-alive"), ("Keep-Alive", "timeout=1")]
        connection.answer(fields=fields, body=b"ok")
        connection.wait_for_close()

    origin, viewer = front(script)
    with viewer.http1() as connection:
        for _ in range(20):
            assert connection.ask("POST", "/", viewer.with_host(), b"x").status == 200
    assert len({request.connection for request in origin.requests}) == 20


def test_c5_post_never_fails_when_node_closes_after_five_seconds(mantlet):
    """Pairs of POSTs with a pause around Node's keep-alive timeout, many at once."""
    with DemoApi() as demo:
        viewer = behind(mantlet, demo.port, OriginKeepaliveTimeout=60)
        person = log_in(viewer, "ada")
        fields = viewer.with_host([("Cookie", person.cookie)])
        question = json_bytes(question="why?")
        statuses = []

        def ask_twice(pause):
            with viewer.http1() as connection:
                statuses.append(connection.ask("POST", "/api/chatbot/ask", fields, question).status)
                time.sleep(pause)  # The idle time is what this test is about.
                statuses.append(connection.ask("POST", "/api/chatbot/ask", fields, question).status)

        pauses = [4.7 + step * 0.025 for step in range(24)]
        for thread in [spawn(ask_twice, pause) for pause in pauses]:
            thread.join()
    assert statuses == [200] * 48


@pytest.mark.parametrize("writes", ["one-write", "two-writes"])
def test_c5_bytes_after_an_answer_are_never_somebody_elses_answer(front, writes):
    """They are there before the next request, so no origin can mean them as its answer."""
    sent = []

    def script(connection):
        while True:
            connection.read_request()
            answer = answer_bytes(body=b"mine")
            smuggled = answer_bytes(body=b"smuggled")
            for data in [answer + smuggled] if writes == "one-write" else [answer, smuggled]:
                connection.send(data)
            sent.append(connection.number)

    _, viewer = front(script)
    with viewer.http1() as connection:
        for number in range(20):
            answer = connection.ask("GET", "/", viewer.with_host())
            assert answer.body == b"mine"
            wait_until(lambda so_far=number + 1: len(sent) == so_far, "the bytes to be sent")


# C8: which failure is which


@BOTH_VERSIONS
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_c8_refused_connection_is_502(mantlet, closed_port, method, version):
    assert behind(mantlet, closed_port).ask(method, version=version).status == 502


def test_c8_unknown_name_is_502(mantlet):
    assert behind(mantlet, 3500, "no-such-origin.invalid").get().status == 502


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 2xx OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nBad Name: x\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x28",
    ],
)
def test_c8_an_answer_that_is_no_http_is_502(front, garbage):
    _, viewer = front(
        once_per_connection(lambda connection, _: connection.send(garbage)), ConnectionAttempts=1
    )
    assert viewer.post(body=b"x").status == 502


# D6: truncated answers


@BOTH_VERSIONS
@pytest.mark.parametrize(
    "sent",
    [
        head_bytes("HTTP/1.1 200 OK", [("Content-Length", 100)]) + b"part",
        head_bytes("HTTP/1.1 200 OK", [("Transfer-Encoding", "chunked")]) + chunk(b"part"),
        head_bytes("HTTP/1.1 200 OK", [("Transfer-Encoding", "chunked")]) + b"5\r\npart",
    ],
    ids=["length", "between-chunks", "in-a-chunk"],
)
@pytest.mark.parametrize("ending", ["close", "reset"])
def test_d6_truncated_answer_is_relayed_as_truncated(front, sent, ending, version):
    seen = []

    def script(connection):
        connection.read_request()
        connection.send(sent)
        # A reset may overtake bytes that nobody has read yet: wait until they have arrived.
        wait_until(lambda: seen, "the viewer to see the first part")
        getattr(connection, ending)()

    _, viewer = front(script)
    with viewer.http2() if version == "2" else viewer.http1() as connection:
        if version == "2":
            stream = connection.open("GET", "/", viewer.with_host())
            pieces = stream.body_pieces()
        else:
            connection.send_request("GET", "/", viewer.with_host())
            pieces = connection.body_pieces(connection.read_answer_head())
        seen.append(next(pieces))
        with pytest.raises(PeerClosed):
            seen.extend(pieces)
    assert b"".join(seen) == b"part"


# Early answers


@BOTH_VERSIONS
@pytest.mark.parametrize("status", [401, 413, 500])
def test_early_answer_reaches_the_viewer_before_its_body_is_sent(front, status, version):
    """The origin answers after the head; the viewer has sent a part of its body and waits."""

    def script(connection):
        connection.read_head()
        connection.answer(status, [("Connection", "close")], b"early")
        connection.wait_for_close()

    _, viewer = front(script)
    fields = viewer.with_host([("Content-Length", str(10_000_000))])
    if version == "2":
        with viewer.http2() as connection:
            stream = connection.open("POST", "/", fields, end=False)
            stream.send_body(b"x" * 1000)
            answer = stream.read_answer()
    else:
        with viewer.http1() as connection:
            connection.send(head_bytes("POST / HTTP/1.1", fields) + b"x" * 1000)
            answer = connection.read_answer()
    assert (answer.status, answer.body) == (status, b"early")


def test_invariant_3_origin_that_answered_early_is_not_pooled(front):
    """What is left of the unread body would become the next viewer's request."""

    def script(connection):
        request = connection.read_head()
        connection.origin.record(request)
        connection.answer(200, body=b"early")
        connection.wait_for_close()

    origin, viewer = front(script)
    origin.requests_may_end_early = True
    with viewer.http1() as connection:
        connection.send(head_bytes("POST /early HTTP/1.1", viewer.with_host([("Content-Length", "1000")])))
        assert connection.read_answer().body == b"early"
    assert viewer.get("/next").body == b"early"
    assert [request.path for request in origin.requests] == ["/early", "/next"]
    assert origin.requests[0].connection != origin.requests[1].connection


def test_viewer_that_leaves_in_an_upload_ends_the_origin_request_too(front):
    ended = []

    def script(connection):
        request = connection.read_head()
        try:
            for _ in connection.body_pieces(request):
                pass
        except PeerClosed:
            ended.append("early")
            raise

    origin, viewer = front(script)
    origin.requests_may_end_early = True
    connection = viewer.http1()
    connection.send(head_bytes("POST / HTTP/1.1", viewer.with_host([("Content-Length", "1000")])) + b"part")
    wait_until(lambda: origin.received and origin.received[0].endswith(b"part"), "the part to arrive")
    connection.reset()
    wait_until(lambda: ended, "the origin's request to end early")


def test_viewer_that_leaves_in_a_download_ends_the_origin_answer_too(front):
    stopped = []

    def script(connection):
        connection.read_request()
        connection.send(head_bytes("HTTP/1.1 200 OK", [("Content-Length", 1 << 40)]))
        try:
            while True:
                connection.send(b"x" * 65536)
        except OSError:
            stopped.append(True)

    _, viewer = front(script)
    connection = viewer.http1()
    connection.send_request("GET", "/", viewer.with_host())
    connection.read_answer_head()
    connection.reset()
    wait_until(lambda: stopped, "the origin to be told")


# What the viewer learns


def test_invariant_12_errors_tell_nothing_about_the_origin(mantlet, closed_port):
    viewer = behind(mantlet, closed_port, path="/inner-path")
    for accept in ("text/html", "application/json"):
        answer = viewer.get(fields=[("Accept", accept)])
        shown = answer.body + answer.raw_head
        for secret in (b"127.0.0.1", str(closed_port).encode(), b"inner-path", b"refused", b"ECONN"):
            assert secret not in shown


def test_invariant_12_different_failures_with_one_status_look_alike(mantlet, front, closed_port):
    """DNS, refusal and garbage are all 502, and only the log knows which."""
    _, garbled = front(once_per_connection(lambda connection, _: connection.send(b"garbage\r\n\r\n")))
    viewers = [
        behind(mantlet, closed_port),
        behind(mantlet, 3500, "no-such-origin.invalid"),
        garbled,
    ]
    shown = set()
    for viewer in viewers:
        answer = viewer.post(body=b"x")
        body = answer.body.replace(answer.request_id.encode(), b"ID")
        names = tuple(name.lower() for name, _ in answer.fields)
        shown.add((answer.status, body, names))
    assert len(shown) == 1


def test_a_bad_origin_does_not_hurt_the_good_one(mantlet, origin, closed_port):
    config = api_distribution(
        origin_at(origin.port),
        origin_at(closed_port, id="bad"),
        behaviors=[behavior("bad", PathPattern="/bad/*")],
    )
    viewer = mantlet.create(config).viewer
    with viewer.http1() as connection:
        statuses = [connection.ask("GET", path, viewer.with_host()).status for path in ["/bad/1", "/a"] * 5]
    assert statuses == [502, 200] * 5


# Where the edge must never connect to


@pytest.mark.parametrize(
    "domain",
    [
        *("169.254.169.254", "168.63.129.16", "100.100.100.200", "fe80::1", "::ffff:169.254.169.254"),
        *("64:ff9b::a9fe:a9fe", "64:ff9b::169.254.169.254"),
    ],
)
def test_metadata_and_link_local_addresses_are_refused(mantlet, domain):
    """Refused at once, by the API or by the edge, never by a timeout."""
    config = api_distribution(origin_at(3500, domain, ConnectionTimeout=10, ConnectionAttempts=3))
    began = time.monotonic()
    assert refused_by(mantlet, config) in ("InvalidOrigin", "InvalidArgument", 502)
    assert time.monotonic() - began < SOON


def refused_by(mantlet, config):
    """The code of the API's refusal, or else the status that the edge answers."""
    try:
        return mantlet.create(config).viewer.get().status
    except ClientError as refusal:
        return refusal.response["Error"]["Code"]


@pytest.mark.parametrize("listener", ["api", "http", "https"])
def test_mantlets_own_listeners_are_refused(mantlet, listener):
    port = getattr(mantlet, listener)[1]
    assert behind(mantlet, port).get("/healthz").status == 502


def test_multipart_upload_survives_an_origin_that_is_slow_to_read(front):
    def script(connection):
        request = connection.read_head()
        total = 0
        for piece in connection.body_pieces(request):
            total += len(piece)
            if total % 4 == 0:
                time.sleep(0.001)  # A slow reader is what this test is about.
        connection.answer(body=b"%d" % total)

    _, viewer = front(script)
    content_type, form = image_form(b"x" * 8_000_000)
    assert viewer.post("/", form, [content_type]).body == b"%d" % len(form)
