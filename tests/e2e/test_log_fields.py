"""What the access log says of each kind of end, field by field, and its JSON form."""

import json
import time

import pytest

from harness.config import api_distribution, behavior, counted, origin_at
from harness.http1 import head_bytes
from harness.mantlet import Mantlet
from harness.origin import always
from harness.waiting import wait_until


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    with Mantlet(tmp_path_factory.mktemp("fields") / "data", "--access-log-format", "json") as mantlet:
        yield mantlet


@pytest.fixture
def put(own, origins):
    """Puts a scripted origin behind a distribution: `put(script)` → (origin, distribution)."""

    def make(script=None, default=None, behaviors=()):
        origin = origins(script)
        config = api_distribution(origin_at(origin.port), default=default, behaviors=behaviors)
        return origin, own.create(config)

    return make


def records(mantlet):
    text = mantlet.access_log.read_text() if mantlet.access_log.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def record_where(mantlet, name, value):
    """The only record with that value, once it is there."""

    def found():
        return [record for record in records(mantlet) if record[name] == value]

    wait_until(found, f"the record whose {name} is {value}")
    [record] = found()
    return record


def record_of(mantlet, answer):
    return record_where(mantlet, "x-edge-request-id", answer.request_id)


def results(record):
    """Status, result before the response, result, and its detail."""
    names = ("sc-status", "x-edge-response-result-type", "x-edge-result-type", "x-edge-detailed-result-type")
    return tuple(record[name] for name in names)


# Each field


def test_every_field_of_an_exchange_in_clear(own, put):
    def script(connection):
        connection.read_request()
        fields = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Range", "bytes 5-8/20")]
        connection.answer(206, fields, b"abcd")

    _, distribution = put(script, behavior(ViewerProtocolPolicy="allow-all"))
    viewer = distribution.viewer
    fields = [
        ("Host", viewer.domain),
        ("User-Agent", "a b/1"),
        ("Referer", "https://app.test/#x"),
        ("Cookie", "secret=1"),
        ("X-Forwarded-For", "198.51.100.1, 192.0.2.7"),
        ("Range", "bytes=5-8"),
    ]
    head = head_bytes("GET /a%20b?c=d HTTP/1.1", fields)
    with viewer.http1("http") as connection:
        port = connection.wire.socket.getsockname()[1]
        before = time.time()
        connection.send(head)
        answer = connection.read_answer()
        after = time.time()
    record = record_of(own, answer)
    expected = {
        "distribution-id": distribution.id,
        "x-edge-location": answer.fields.get("x-amz-cf-pop"),
        "sc-bytes": str(len(answer.raw_head + answer.raw_body)),
        "c-ip": "127.0.0.1",
        "cs-method": "GET",
        "cs(Host)": distribution.domain,
        "cs-uri-stem": "/a%2520b",
        "sc-status": "206",
        "cs(Referer)": "https://app.test/%23x",
        "cs(User-Agent)": "a%20b/1",
        "cs-uri-query": "c=d",
        "cs(Cookie)": "-",
        "x-edge-result-type": "Miss",
        "x-edge-request-id": answer.request_id,
        "x-host-header": viewer.domain,
        "cs-protocol": "http",
        "cs-bytes": str(len(head)),
        "x-forwarded-for": "198.51.100.1,%20192.0.2.7",
        "ssl-protocol": "-",
        "ssl-cipher": "-",
        "x-edge-response-result-type": "Miss",
        "cs-protocol-version": "HTTP/1.1",
        "fle-status": "-",
        "fle-encrypted-fields": "-",
        "c-port": str(port),
        "x-edge-detailed-result-type": "Miss",
        "sc-content-type": "text/plain;%20charset=utf-8",
        "sc-content-len": "4",
        "sc-range-start": "5",
        "sc-range-end": "8",
        "tls-handshake-time": "-",
        "origin-id": "api",
    }
    assert {name: record[name] for name in expected} == expected
    times = ["date", "time", "timestamp(ms)", "time-taken", "time-to-first-byte"]
    times += ["head-read-time", "origin-connect-time", "origin-fbl"]
    assert set(record) == set(expected) | set(times)
    at = int(record["timestamp(ms)"]) / 1000
    assert before - 0.01 <= at <= after + 0.01
    assert time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(int(at))) == f"{record['date']} {record['time']}"


def test_times_are_those_of_their_phases(own, put):
    """Each phase is made slow once, and only that one shows it."""
    slow = 0.2

    def script(connection):
        while True:
            connection.read_request()
            time.sleep(slow)
            connection.send(head_bytes("HTTP/1.1 200 OK", [("Content-Length", 2)]) + b"o")
            time.sleep(slow)
            connection.send(b"k")

    _, distribution = put(script)
    viewer = distribution.viewer
    with viewer.http1() as connection:
        head = head_bytes("GET / HTTP/1.1", viewer.with_host())
        connection.send(head[:20])
        time.sleep(slow)
        connection.send(head[20:])
        first = record_of(own, connection.read_answer())
        second = record_of(own, connection.ask("GET", "/", viewer.with_host()))
    assert slow * 0.9 < float(first["head-read-time"]) < slow * 2
    assert slow * 0.9 < float(first["origin-fbl"]) < slow * 2
    assert 0 < float(first["origin-connect-time"]) < slow
    assert float(first["tls-handshake-time"]) > 0
    assert slow * 1.8 < float(first["time-to-first-byte"]) < float(first["time-taken"]) - slow * 0.8
    assert (second["tls-handshake-time"], second["origin-connect-time"]) == ("-", "-")
    assert float(second["head-read-time"]) < slow / 2


def test_tls_and_http2(own, put):
    _, distribution = put()
    with distribution.viewer.http2() as connection:
        cipher, version, _ = connection.socket.cipher()
        answer = connection.ask("GET", "/", distribution.viewer.with_host())
    record = record_of(own, answer)
    assert (record["ssl-protocol"], record["ssl-cipher"]) == (version, cipher)
    assert (record["cs-protocol"], record["cs-protocol-version"]) == ("https", "HTTP/2.0")
    assert int(record["cs-bytes"]) > 0
    assert int(record["sc-bytes"]) > 2


# How it ended


@pytest.mark.parametrize("status", [200, 204, 304, 404, 500])
def test_what_the_origin_answers(own, put, status):
    def script(connection):
        connection.read_request()
        connection.send(
            head_bytes(f"HTTP/1.1 {status} Scripted", [] if status in (204, 304) else [("Content-Length", 0)])
        )

    _, distribution = put(script)
    result = "Error" if status >= 400 else "Miss"
    record = record_of(own, distribution.viewer.get())
    assert results(record) == (str(status), result, result, result)


@pytest.mark.parametrize("version", ["1.1", "2"])
@pytest.mark.parametrize(
    ("method", "target", "status", "detail"),
    [
        ("POST", "/", "403", "InvalidRequestMethod"),
        ("GET", "/x/../admin/a", "400", "InvalidRequest"),
        ("GET", "/" + "a" * 9000, "414", "InvalidRequest"),
    ],
)
def test_what_the_edge_refuses(own, put, version, method, target, status, detail):
    default = behavior(methods=["GET", "HEAD"])
    origin, distribution = put(default=default, behaviors=[{"PathPattern": "/admin/*", **default}])
    answer = distribution.viewer.ask(method, target, version=version)
    assert results(record_of(own, answer)) == (status, "Error", "Error", detail)
    assert origin.requests == []


def test_a_redirect(own, put):
    _, distribution = put()
    answer = distribution.viewer.get(scheme="http")
    assert results(record_of(own, answer)) == ("301", "Redirect", "Redirect", "Redirect")


def test_a_head_that_is_too_large_and_an_unknown_host(own, put):
    _, distribution = put()
    viewer = distribution.viewer
    many = viewer.get(fields=[(f"X-{number}", "a" * 4000) for number in range(9)])
    assert results(record_of(own, many)) == ("494", "Error", "Error", "InvalidRequestHeader")
    unknown = record_of(own, own.viewer("dnobody.mantlet.localhost").get())
    assert results(unknown) == ("403", "Error", "Error", "InvalidRequestBlocked")
    assert (unknown["cs(Host)"], unknown["distribution-id"]) == ("-", "-")


def test_an_origin_that_refuses_connections(own, origins):
    origin = origins()
    distribution = own.create(api_distribution(origin_at(origin.port)))
    origin.close()
    record = record_of(own, distribution.viewer.get())
    assert results(record) == ("502", "Error", "Error", "OriginConnectError")
    assert float(record["origin-connect-time"]) >= 0
    assert record["origin-fbl"] == "-"


def test_c11_which_origin_answered(own, origins):
    """In an origin group one of the two; where none did, the one that failed last."""
    failing, closed = origins(always(500)), origins()
    group = {
        "Id": "pair",
        "FailoverCriteria": {"StatusCodes": counted([500])},
        "Members": counted([{"OriginId": "first"}, {"OriginId": "second"}]),
    }
    for second, expect in ((origins(), "second"), (closed, "second"), (failing, "second")):
        config = api_distribution(
            origin_at(failing.port, id="first"),
            origin_at(second.port, id="second"),
            default=behavior("pair"),
            behaviors=[behavior("first", PathPattern="/first/*")],
            OriginGroups=counted([group]),
        )
        viewer = own.create(config).viewer
        if second is closed:
            closed.close()
        assert record_of(own, viewer.get("/"))["origin-id"] == expect
        assert record_of(own, viewer.get("/first/"))["origin-id"] == "first"
        assert record_of(own, viewer.get("/", scheme="http"))["origin-id"] == "-"


def test_an_origin_that_breaks_off(own, put):
    def script(connection):
        connection.read_request()
        connection.send(head_bytes("HTTP/1.1 200 OK", [("Content-Length", 10)]) + b"half")
        connection.wire.socket.shutdown(1)

    _, distribution = put(script)
    record = record_of(own, distribution.viewer.get())
    assert results(record) == ("200", "Miss", "Error", "AbortedOrigin")


def test_a_viewer_that_leaves_within_the_response(own, put):
    def script(connection):
        connection.read_request()
        connection.send(head_bytes("HTTP/1.1 200 OK", [("Transfer-Encoding", "chunked")]))
        while True:
            connection.send(b"10000\r\n%b\r\n" % (b"x" * 0x10000))

    _, distribution = put(script)
    with distribution.viewer.http1() as connection:
        connection.send_request("GET", "/", distribution.viewer.with_host())
        answer = connection.read_answer_head()
        connection.reset()
    record = record_of(own, answer)
    assert results(record) == ("200", "Miss", "Error", "ClientCommError")


def test_a_viewer_that_leaves_before_the_response(own, put):
    def script(connection):
        connection.read_request()
        connection.wait_for_close()

    origin, distribution = put(script)
    connection = distribution.viewer.http1()
    connection.send_request("GET", "/left-first", distribution.viewer.with_host())
    origin.wait_for_requests(1)
    connection.reset()
    record = record_where(own, "cs-uri-stem", "/left-first")
    assert results(record) == ("000", "Error", "Error", "ClientHungUpRequest")
    assert (record["time-to-first-byte"], record["sc-bytes"]) == ("-", "0")


# One id


@pytest.mark.parametrize("version", ["1.1", "2"])
@pytest.mark.parametrize("status", [200, 404, 503])
def test_answer_origin_request_and_log_have_one_id(own, put, version, status):
    def script(connection):
        request = connection.read_request()
        connection.answer(status, (), b"body", request.method)

    origin, distribution = put(script)
    # Whatever the viewer calls itself.
    answer = distribution.viewer.get(fields=[("X-Amz-Cf-Id", "forged")], version=version)
    assert answer.status == status
    assert origin.request.fields.get("x-amz-cf-id") == answer.request_id
    assert record_of(own, answer)["sc-status"] == str(status)


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_errors_of_the_edge_have_the_id_in_head_body_and_log(own, put, version):
    def script(connection):
        connection.read_request()
        connection.send(b"no HTTP at all\r\n\r\n")

    origin, distribution = put(script, behavior(methods=["GET", "HEAD"]))
    viewer = distribution.viewer
    for answer in (
        viewer.get(version=version),
        viewer.post(version=version),
        viewer.get("/" + "a" * 9000, version=version),
    ):
        assert json.loads(answer.body)["requestId"] == answer.request_id
        record_of(own, answer)
    failed = viewer.get("/again", version=version)
    assert origin.requests[-1].fields.get("x-amz-cf-id") == failed.request_id
    page = viewer.get(fields=[("Accept", "text/html")], version=version)
    assert f"Request ID: {page.request_id}".encode() in page.body
