"""Origin groups: who is asked, when the second one is, and what of the first one's answer is left."""

import time

import pytest

from harness.config import api_distribution, behavior, counted, origin_at
from harness.demo import image_form
from harness.http1 import chunk, head_bytes
from harness.origin import always
from harness.waiting import wait_until

BOTH_VERSIONS = pytest.mark.parametrize("version", ["1.1", "2"])
# A timeout of one second must have fired by then, on the busiest machine.
SOON = 6.0


def group(codes, members=("first", "second"), id="pair"):
    return {
        "Id": id,
        "FailoverCriteria": {"StatusCodes": counted(codes)},
        "Members": counted([{"OriginId": member} for member in members]),
    }


def of_group(**settings):
    return behavior("pair", **settings)


@pytest.fixture
def pair(mantlet, origins):
    """Two scripted origins in a group: `pair(first, codes)` → (first, second, viewer)."""

    def make(first=None, codes=(500, 502, 503, 504), second=None, default=None, first_port=None, **settings):
        one, two = origins(first), origins(second or always(body=b"second"))
        config = api_distribution(
            origin_at(
                first_port or one.port,
                id="first",
                path="/one",
                custom_headers=[("X-Origin", "first")],
                **settings,
            ),
            origin_at(two.port, id="second", path="/two", custom_headers=[("X-Origin", "second")]),
            default=default or of_group(),
            OriginGroups=counted([group(codes)]),
        )
        return one, two, mantlet.create(config).viewer

    return make


def silent(connection):
    connection.read_request()
    connection.wait_for_close()


# C11: status codes


@BOTH_VERSIONS
@pytest.mark.parametrize("status", [400, 403, 404, 416, 429, 500, 502, 503, 504])
def test_c11_a_configured_status_has_the_second_origin_asked(pair, status, version):
    first, second, viewer = pair(always(status, body=b"first"), codes=[status])
    answer = viewer.get("/a/b?c=d", [("X-Mine", "1")], version=version)
    assert (answer.status, answer.body, answer.complete) == (200, b"second", True)
    assert answer.fields.get("x-cache") == "Miss from cloudfront"
    assert (first.request.target, second.request.target) == ("/one/a/b?c=d", "/two/a/b?c=d")
    assert first.request.fields.get("x-origin") == "first"
    assert second.request.fields.get("x-origin") == "second"
    assert second.request.fields.get("x-mine") == "1"
    assert (
        first.request.fields.get("x-amz-cf-id")
        == second.request.fields.get("x-amz-cf-id")
        == answer.request_id
    )


@pytest.mark.parametrize("status", [200, 302, 404, 500, 503])
def test_c11_any_other_status_is_the_answer(pair, status):
    _first, second, viewer = pair(always(status, body=b"first"), codes=[502])
    answer = viewer.get()
    assert (answer.status, answer.body) == (status, b"first")
    assert not second.requests


def test_c11_the_second_origins_failure_is_the_answer(pair):
    _, second, viewer = pair(always(500), codes=[500], second=always(500, body=b"both"))
    assert (viewer.get().status, viewer.get().body) == (500, b"both")
    assert len(second.requests) == 2


def test_c11_every_request_begins_at_the_primary(pair):
    first, second, viewer = pair(always(503), codes=[503])
    with viewer.http1() as connection:
        for _ in range(5):
            assert connection.ask("GET", "/", viewer.with_host()).body == b"second"
    assert (len(first.requests), len(second.requests)) == (5, 5)


def test_the_hosts_are_the_origins_own_where_none_is_forwarded(mantlet, origins):
    first, second = origins(always(500)), origins()
    config = api_distribution(
        origin_at(first.port, "localhost", id="first"),
        origin_at(second.port, "127.0.0.1", id="second"),
        default=of_group(OriginRequestPolicyId="b689b0a8-53d0-40ab-baf2-68738e2966ac"),
        OriginGroups=counted([group([500])]),
    )
    assert mantlet.create(config).viewer.get().status == 200
    assert (first.request.fields.get("host"), second.request.fields.get("host")) == ("localhost", "127.0.0.1")


# C11: methods


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_c11_get_and_head_fail_over(pair, method):
    _, second, viewer = pair(always(500))
    assert viewer.ask(method).status == 200
    assert second.request.method == method


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_c11_no_other_method_does(pair, method):
    """OPTIONS not either, where it is no cached method."""
    first, second, viewer = pair(always(500))
    assert viewer.ask(method).status == 500
    assert (len(first.requests), len(second.requests)) == (1, 0)


def test_c11_options_fails_over_where_it_is_a_cached_method(pair):
    default = of_group()
    default["AllowedMethods"]["CachedMethods"] = counted(["GET", "HEAD", "OPTIONS"])
    _, second, viewer = pair(always(500), default=default)
    assert viewer.ask("OPTIONS").status == 200
    assert second.request.method == "OPTIONS"
    second.requests.clear()
    # Its body is gone with the first origin's request.
    assert viewer.ask("OPTIONS", body=b"x").status == 500
    assert not second.requests


def test_an_upload_to_a_group_goes_to_its_primary_once(pair):
    first, second, viewer = pair()
    content_type, form = image_form(b"x" * 300_000)
    assert viewer.post("/", form, [content_type]).status == 200
    assert (len(first.requests), len(second.requests)) == (1, 0)
    assert first.request.body == form


# C11: failures without an answer


@pytest.mark.parametrize(("codes", "status"), [([503], 200), ([502], 502), ([500, 504], 502)])
def test_c11_a_refused_connection_counts_where_503_is_listed(pair, closed_port, codes, status):
    _, second, viewer = pair(codes=codes, first_port=closed_port)
    assert viewer.get().status == status
    assert len(second.requests) == (status == 200)


@BOTH_VERSIONS
@pytest.mark.parametrize(("codes", "status"), [([504], 200), ([502, 503], 504)])
def test_c11_a_timeout_counts_where_504_is_listed(pair, codes, status, version):
    first, second, viewer = pair(silent, codes=codes, OriginReadTimeout=1, ConnectionAttempts=2)
    began = time.monotonic()
    assert viewer.get(version=version).status == status
    assert 1.9 < time.monotonic() - began < SOON
    assert (len(first.requests), len(second.requests)) == (2, status == 200)


@pytest.mark.parametrize("codes", [[503], [504]])
def test_c11_a_connection_that_is_not_accepted_in_time_is_both(pair, deaf_port, codes):
    _, _second, viewer = pair(codes=codes, first_port=deaf_port, ConnectionTimeout=1, ConnectionAttempts=1)
    assert viewer.get().body == b"second"


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX: ",
        b"no http\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 40_000 + b"\r\n\r\n",
    ],
    ids=["nothing", "half-a-head", "garbage", "head-too-large"],
)
@pytest.mark.parametrize(("codes", "status"), [([502], 200), ([500, 503, 504], 502)])
def test_an_answer_that_is_none_counts_where_502_is_listed(pair, garbage, codes, status):
    def script(connection):
        connection.read_request()
        connection.send(garbage)

    _, _, viewer = pair(script, codes=codes, ConnectionAttempts=1)
    assert viewer.get().status == status


def test_what_has_begun_is_not_begun_again(pair):
    """The body breaks off: the viewer sees it break, and no second answer."""

    def script(connection):
        connection.read_request()
        connection.send(head_bytes("HTTP/1.1 200 OK", [("Transfer-Encoding", "chunked")]) + chunk(b"part"))
        wait_until(lambda: seen, "the viewer to see the part")

    seen = []
    _, second, viewer = pair(script)
    with viewer.http1() as connection:
        connection.send_request("GET", "/", viewer.with_host())
        pieces = connection.body_pieces(connection.read_answer_head())
        seen.append(next(pieces))
        with pytest.raises(Exception, match="the peer closed"):
            seen.extend(pieces)
    assert seen == [b"part"]
    assert not second.requests


# What is left of the first origin's answer


def test_the_first_origins_connection_is_kept_where_its_answer_is_all_there(pair):
    first, _, viewer = pair(always(500, body=b"whole"))
    with viewer.http1() as connection:
        for _ in range(5):
            assert connection.ask("GET", "/", viewer.with_host()).body == b"second"
    assert {request.connection for request in first.requests} == {0}


@pytest.mark.parametrize(
    "failed",
    [
        head_bytes("HTTP/1.1 500 No", [("Content-Length", 100)]) + b"part",
        head_bytes("HTTP/1.1 500 No", [("Transfer-Encoding", "chunked")]) + chunk(b"part"),
        head_bytes("HTTP/1.1 500 No", [("Content-Length", 4)]) + b"whole and more",
        head_bytes("HTTP/1.1 500 No", [("Content-Length", 4), ("Connection", "close")]) + b"gone",
    ],
    ids=["part", "chunks", "too-much", "close"],
)
def test_the_first_origins_connection_is_not_kept_otherwise(pair, failed):
    def script(connection):
        connection.read_request()
        connection.send(failed)
        connection.wait_for_close()

    first, _, viewer = pair(script)
    with viewer.http1() as connection:
        for _ in range(3):
            answer = connection.ask("GET", "/", viewer.with_host())
            assert (answer.status, answer.body) == (200, b"second")
    assert [request.connection for request in first.requests] == [0, 1, 2]


def test_an_endless_failed_answer_is_not_waited_for(pair):
    def script(connection):
        connection.read_request()
        connection.send(head_bytes("HTTP/1.1 500 No", [("Content-Length", 1 << 40)]))
        connection.wait_for_close()

    _, _, viewer = pair(script)
    began = time.monotonic()
    assert viewer.get().body == b"second"
    assert time.monotonic() - began < SOON


def test_a_group_by_media_quality_is_named_at_deploy_and_begins_at_its_primary(mantlet, origins):
    first, second = origins(), origins()
    by_quality = group([500]) | {"SelectionCriteria": "media-quality-based"}
    config = api_distribution(
        origin_at(first.port, id="first"),
        origin_at(second.port, id="second"),
        default=of_group(),
        OriginGroups=counted([by_quality]),
    )
    made = mantlet.create(config)
    assert made.viewer.get().status == 200
    assert (len(first.requests), len(second.requests)) == (1, 0)
    wait_until(lambda: made.id in mantlet.log(), "the deploy's line in the log")
    assert "SelectionCriteria media-quality-based" in mantlet.log()
