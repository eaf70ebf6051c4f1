"""Custom error responses (D8), the tag that limits them to page loads, and the default root object (A12)."""

import pytest

from harness.config import api_distribution, behavior, counted, origin_at
from harness.origin import RecordingOrigin, always, answer_bytes
from managed_policies import RESPONSE_HEADERS_POLICIES

BOTH_VERSIONS = pytest.mark.parametrize("version", ["1.1", "2"])
NAVIGATION = [("Accept", "text/html,application/xhtml+xml"), ("Sec-Fetch-Mode", "navigate")]
SIMPLE_CORS = RESPONSE_HEADERS_POLICIES["SimpleCORS"][0]


def page(error_code, path, response_code):
    return {
        "ErrorCode": error_code,
        "ResponsePagePath": path,
        "ResponseCode": str(response_code),
        "ErrorCachingMinTTL": 0,
    }


def pages(connection):
    """An origin of error pages."""
    while True:
        request = connection.read_request()
        status = 404 if request.target.startswith("/errors/missing") else 200
        fields = [("Content-Type", "text/html"), ("ETag", '"page"')]
        connection.answer(status, fields, b"<p>page of %b" % request.target.encode(), request.method)


@pytest.fixture
def site(mantlet, origins):
    """`site(api_script, responses)` → (api, pages, distribution): an API whose errors have pages on another
    origin, under /errors/*."""

    def make(script, *responses, default=None, **origin_settings):
        api, errors = origins(script), origins(pages)
        config = api_distribution(
            origin_at(api.port, ConnectionAttempts=1, **origin_settings),
            origin_at(errors.port, id="pages"),
            default=default or behavior("api"),
            behaviors=[behavior("pages", PathPattern="/errors/*")],
            CustomErrorResponses=counted(responses),
        )
        return api, errors, mantlet.create(config)

    return make


def answers(status):
    def script(connection):
        while True:
            request = connection.read_request()
            fields = [("Content-Type", "application/json"), ("X-Api", "1")]
            connection.answer(status, fields, b'{"error": 1}', request.method)

    return script


@BOTH_VERSIONS
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("status", [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504])
def test_d8_an_origins_error_is_replaced_by_its_page(site_of_all, status, method, version):
    errors, distribution = site_of_all
    asked_before = len(errors.requests)
    body = b"upload" if method == "POST" else b""
    answer = distribution.viewer.ask(method, f"/{status}", body=body, version=version)
    assert (answer.status, answer.body) == (200, b"<p>page of /errors/%d.html" % status)
    assert answer.fields.get("content-type") == "text/html"
    assert answer.fields.get("x-cache") == "Error from cloudfront"
    assert "x-api" not in answer.fields
    asked = errors.requests[asked_before:]
    assert [(request.method, request.target, request.body) for request in asked] == [
        ("GET", f"/errors/{status}.html", b"")
    ]


@pytest.fixture(scope="module")
def site_of_all(mantlet):
    def script(connection):
        while True:
            request = connection.read_request()
            connection.answer(int(request.path[1:]), [("X-Api", "1")], b"an error", request.method)

    codes = [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504]
    api, errors = RecordingOrigin(script), RecordingOrigin(pages)
    config = api_distribution(
        origin_at(api.port),
        origin_at(errors.port, id="pages"),
        behaviors=[behavior("pages", PathPattern="/errors/*")],
        CustomErrorResponses=counted(page(code, f"/errors/{code}.html", 200) for code in codes),
    )
    yield errors, mantlet.create(config)
    api.close()
    errors.close()
    assert not api.misdeeds + errors.misdeeds


def test_d8_the_connection_of_a_short_error_is_used_again(site):
    api, errors, distribution = site(answers(404), page(404, "/errors/404.html", 404))
    with distribution.viewer.http1() as connection:
        for _ in range(5):
            assert connection.ask("GET", "/x", distribution.viewer.with_host()).status == 404
    assert (len(api.connections), len(errors.connections)) == (1, 1)


def test_d8_head_gets_the_pages_head_alone(site):
    _, errors, distribution = site(answers(404), page(404, "/errors/404.html", 403))
    with distribution.viewer.http1() as connection:
        for _ in range(2):
            answer = connection.ask("HEAD", "/x", distribution.viewer.with_host())
            assert (answer.status, answer.fields.get("content-type")) == (403, "text/html")
            assert answer.fields.get("content-length") == str(len("<p>page of /errors/404.html"))
    assert errors.requests[0].method == "GET"


def test_d8_the_request_for_a_page_is_about_nothing_else(site):
    _, errors, distribution = site(answers(404), page(404, "/errors/404.html", 404))
    fields = [("If-None-Match", '"page"'), ("Range", "bytes=0-1"), ("Content-Type", "text/plain")]
    fields += [("X-HTTP-Method-Override", "DELETE"), ("Cookie", "a=1")]
    assert distribution.viewer.post("/x?secret=1", b"body", fields).status == 404
    request = errors.request
    assert request.target == "/errors/404.html"
    for name in ("if-none-match", "range", "content-type", "content-length", "x-http-method-override"):
        assert name not in request.fields, name
    assert request.fields.get("cookie") == "a=1"


@BOTH_VERSIONS
@pytest.mark.parametrize("path", ["/errors/missing.html", "/missing.html"])
def test_d8_a_page_that_cannot_be_had_leaves_the_error_as_it_was(site, path, version):
    """The page of the second path is the API's own, whose errors have a page: the same again."""
    api, errors, distribution = site(answers(404), page(404, path, 200))
    answer = distribution.viewer.get("/x", version=version)
    assert (answer.status, answer.body) == (404, b'{"error": 1}')
    assert answer.fields.get("x-api") == "1"
    assert len(api.requests) + len(errors.requests) == 2


def test_d8_a_page_whose_origin_is_down_leaves_the_error_as_it_was(mantlet, origins):
    api, gone = origins(answers(500)), origins()
    gone.close()
    config = api_distribution(
        origin_at(api.port),
        origin_at(gone.port, id="pages", ConnectionAttempts=1),
        behaviors=[behavior("pages", PathPattern="/errors/*")],
        CustomErrorResponses=counted([page(500, "/errors/500.html", 200)]),
    )
    answer = mantlet.create(config).viewer.get("/x")
    assert (answer.status, answer.body) == (500, b'{"error": 1}')


def test_d8_other_statuses_stay(site):
    _, errors, distribution = site(answers(422), page(404, "/errors/404.html", 200))
    assert distribution.viewer.get("/x").body == b'{"error": 1}'
    assert errors.requests == []


def test_d8_a_caching_time_alone_replaces_nothing(site):
    alone = {"ErrorCode": 404, "ErrorCachingMinTTL": 5}
    _, _, distribution = site(answers(404), alone)
    assert distribution.viewer.get("/x").body == b'{"error": 1}'


def test_d8_grpc_gets_its_own_errors(site):
    _, errors, distribution = site(answers(404), page(404, "/errors/404.html", 200))
    answer = distribution.viewer.post("/x", b"", [("Content-Type", "application/grpc")])
    assert (answer.status, errors.requests) == (404, [])


# The edge's own errors.


def closes(connection):
    connection.read_request()
    connection.close()


def silence(connection):
    connection.read_request()
    connection.wait_for_close()


@BOTH_VERSIONS
@pytest.mark.parametrize(("script", "status"), [(closes, 502), (silence, 504)])
def test_d8_failures_of_the_origin_have_pages(site, script, status, version):
    response = page(status, f"/errors/{status}.html", 503)
    _, errors, distribution = site(script, response, OriginReadTimeout=1)
    answer = distribution.viewer.post("/x", b"upload", version=version)
    assert (answer.status, answer.body) == (503, b"<p>page of /errors/%d.html" % status)
    assert errors.request.method == "GET"


def test_d8_a_method_that_is_not_allowed_has_the_page_of_403_and_leaves_no_body_behind(site):
    response = page(403, "/errors/403.html", 403)
    api, _, distribution = site(always(), response, default=behavior("api", methods=["GET", "HEAD"]))
    viewer = distribution.viewer
    with viewer.http1() as connection:
        answer = connection.ask("POST", "/x", viewer.with_host(), b"GET /smuggled HTTP/1.1\r\n\r\n")
        assert (answer.status, answer.body) == (403, b"<p>page of /errors/403.html")
        assert connection.ask("GET", "/y", viewer.with_host()).status == 200
    assert [request.target for request in api.requests] == ["/y"]


def test_d8_what_is_no_request_has_no_page(site):
    _, errors, distribution = site(always(), page(400, "/errors/400.html", 200))
    viewer = distribution.viewer
    with viewer.http1() as connection:
        connection.send(b"GET /x HTTP/1.1\r\nHost: %b\r\nBad Field: 1\r\n\r\n" % viewer.host.encode())
        assert connection.read_answer().status == 400
    assert errors.requests == []


def test_a_page_has_the_cors_headers_of_what_was_asked_for(site):
    default = behavior("api", ResponseHeadersPolicyId=SIMPLE_CORS)
    _, _, distribution = site(answers(404), page(404, "/errors/404.html", 404), default=default)
    answer = distribution.viewer.get("/x", [("Origin", "https://app.example")])
    assert (answer.status, answer.fields.get("access-control-allow-origin")) == (404, "*")


# The tag `mantlet:error-pages`.


def test_navigations_alone_get_pages_where_the_tag_says_so(site, mantlet):
    _, _, distribution = site(answers(404), page(404, "/errors/404.html", 404))
    client = mantlet.client()
    tags = {"Items": [{"Key": "mantlet:error-pages", "Value": "navigations"}]}
    client.tag_resource(Resource=distribution.arn, Tags=tags)
    mantlet.wait_until_deployed(distribution.id)
    for fields, is_page in [
        (NAVIGATION, True),
        (NAVIGATION[:1], True),
        ([NAVIGATION[0], ("Sec-Fetch-Mode", "cors")], False),
        ([("Accept", "application/json")], False),
        ([], False),
    ]:
        answer = distribution.viewer.get("/x", fields)
        assert (answer.status, answer.body.startswith(b"<p>page")) == (404, is_page), fields
    client.untag_resource(Resource=distribution.arn, TagKeys={"Items": ["mantlet:error-pages"]})
    mantlet.wait_until_deployed(distribution.id)
    assert distribution.viewer.get("/x").body.startswith(b"<p>page")


# A12: the default root object.


@BOTH_VERSIONS
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a12_the_default_root_object_is_for_the_root_alone_and_for_all_methods(root, method, version):
    (origin, static), distribution = root
    before = len(static.requests), len(origin.requests)
    for target in ("/", "/?a=1", "/deep/", "/index.html"):
        assert distribution.viewer.ask(method, target, version=version).status == 200
    assert [request.target for request in static.requests[before[0] :]] == [
        "/index.html",
        "/index.html?a=1",
        "/index.html",
    ]
    assert [request.target for request in origin.requests[before[1] :]] == ["/deep/"]


@pytest.fixture
def root(mantlet, origins):
    """Its object lies where its path is, as any other."""
    origin, static = origins(), origins()
    config = api_distribution(
        origin_at(origin.port),
        origin_at(static.port, id="static"),
        behaviors=[behavior("static", PathPattern="/index.html")],
        DefaultRootObject="index.html",
    )
    return (origin, static), mantlet.create(config)


def test_a12_a_redirect_keeps_the_url(root):
    _, distribution = root
    answer = distribution.viewer.get("/?a=1", scheme="http")
    assert answer.status == 301
    assert answer.fields.get("location").endswith("/?a=1")


def test_an_error_of_the_origin_that_says_nothing_ends_in_order(site):
    """A long error whose page takes its place costs its connection, and nobody else's answer."""

    def script(connection):
        while True:
            request = connection.read_request()
            connection.send(answer_bytes(404, [], b"x" * 1_000_000, request.method))

    api, _, distribution = site(script, page(404, "/errors/404.html", 404))
    viewer = distribution.viewer
    with viewer.http1() as connection:
        for _ in range(3):
            answer = connection.ask("GET", "/x", viewer.with_host())
            assert (answer.status, answer.body) == (404, b"<p>page of /errors/404.html")
    assert len(api.connections) == 3
