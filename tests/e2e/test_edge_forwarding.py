"""What the edge makes of a request and of an answer, for AllViewer and CachingDisabled. Each test names the
statement of CloudFront's documented behaviour that it checks; A: viewer side, B: what the origin receives,
C: the origin connection, D: what the viewer receives."""

import json
import re

import pytest

from harness.config import (
    ALL_VIEWER_EXCEPT_HOST,
    METHODS,
    api_distribution,
    behavior,
    origin_at,
    without,
)
from harness.frames import PREFACE, settings
from harness.http1 import chunk, head_bytes
from harness.origin import RecordingOrigin, always, once_per_connection

VIA = re.compile(r"\d(\.\d)? \S+\.cloudfront\.net \(CloudFront\)")
BOTH_VERSIONS = pytest.mark.parametrize("version", ["1.1", "2"])


# A: routing and methods


@BOTH_VERSIONS
@pytest.mark.parametrize("framing", ["Content-Length", "chunked"])
def test_a4_get_with_a_body_is_403(viewer, origin, version, framing):
    if version == "2":
        with viewer.http2() as connection:
            stream = connection.open("GET", "/", viewer.with_host(), end=False)
            stream.send_body(b"body", end=True)
            answer = stream.read_answer()
    else:
        body = {"Content-Length": b"4\r\n\r\nbody", "chunked": chunk(b"body") + b"0\r\n\r\n"}[framing]
        field = b"Content-Length: " if framing == "Content-Length" else b"Transfer-Encoding: chunked\r\n\r\n"
        with viewer.http1() as connection:
            connection.send(b"GET / HTTP/1.1\r\nHost: %b\r\n%b%b" % (viewer.host.encode(), field, body))
            answer = connection.read_answer()
    assert answer.status == 403
    assert origin.requests == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a5_method_that_the_behavior_does_not_allow_is_403(read_only, method):
    origin, viewer = read_only
    answer = viewer.ask(method)
    assert answer.status == 403
    assert answer.fields.get("x-cache") == "Error from cloudfront"
    assert origin.requests == []


def test_a5_a_browser_reads_why(read_only):
    _, viewer = read_only
    answer = viewer.ask("POST", fields=[("Accept", "text/html,application/xhtml+xml")])
    assert answer.fields.get("content-type").startswith("text/html")
    reason = b"not configured to allow the HTTP request method that was used for this request"
    assert reason in answer.body


@pytest.fixture
def read_only(front):
    return front(default=behavior(methods=["GET", "HEAD"]))


@BOTH_VERSIONS
@pytest.mark.parametrize("method", METHODS)
def test_a6_the_seven_methods_are_forwarded(viewer, origin, method, version):
    assert viewer.ask(method, version=version).status == 200
    assert origin.request.method == method


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "get", "CONNECT", "PRI"])
def test_a6_no_other_method_is_ever_forwarded(viewer, origin, method):
    with viewer.http1() as connection:
        connection.send(head_bytes(f"{method} / HTTP/1.1", viewer.with_host()))
        answer = connection.read_answer()
    assert answer.status in (400, 403, 405, 501)
    assert origin.requests == []


@BOTH_VERSIONS
def test_a7_unknown_host_is_403(mantlet, version):
    assert mantlet.viewer("dnobody.mantlet.localhost").get(version=version).status == 403


def test_a7_host_is_compared_without_case(viewer, origin):
    with viewer.http1() as connection:
        answer = connection.ask("GET", "/", [("Host", viewer.host.upper())])
    assert answer.status == 200


def test_a7_host_without_a_port_is_the_same_distribution(viewer, origin):
    with viewer.http1() as connection:
        answer = connection.ask("GET", "/", [("Host", viewer.domain)])
    assert answer.status == 200


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/", "default"),
        ("/api/a", "deep"),
        ("/api/a/b/c", "deep"),
        ("/api/", "deep"),
        ("/API/a", "default"),
        ("/apix", "default"),
        ("/v1/x", "one"),
        ("/v12/x", "default"),
        ("/v/x", "default"),
        ("/bare", "bare"),
        ("/bare/x", "default"),
        ("/?/api/a", "default"),
        ("/photo.jpg", "jpg"),
        ("/a/b/photo.jpg?x=.png", "jpg"),
        ("/photo.JPG", "default"),
        ("/api/photo.jpg", "deep"),
    ],
)
def test_a8_first_matching_path_pattern_wins(patterned, target, expected):
    assert patterned.get(target).body == expected.encode()


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        # Both readings are of one behavior: forwarded as it was sent.
        ("/api/../api/a", (200, b"deep")),
        ("/x//y/./z", (200, b"default")),
        # One behavior as it was sent, another one as an origin may read it.
        ("/x/../api/a", (400, None)),
        ("/api/../a", (400, None)),
        ("/%61pi/a", (400, None)),
        ("//bare", (400, None)),
    ],
)
def test_a9_invariant_6_a_path_has_one_behavior_in_every_reading(patterned, target, expected):
    answer = patterned.get(target)
    assert (answer.status, answer.body if answer.status == 200 else None) == expected


@pytest.fixture(scope="module")
def patterned(mantlet):
    """One origin per behavior; each answers its own name."""
    patterns = {"deep": "/api/*", "one": "/v?/x", "bare": "bare", "jpg": "*.jpg", "never": "/api/photo.jpg"}
    origins = {name: RecordingOrigin(always(body=name.encode())) for name in ["default", *patterns]}
    config = api_distribution(
        *(origin_at(origin.port, id=name) for name, origin in origins.items()),
        default=behavior("default"),
        behaviors=[behavior(name, PathPattern=pattern) for name, pattern in patterns.items()],
    )
    yield mantlet.create(config).viewer
    for origin in origins.values():
        origin.close()


@pytest.mark.parametrize(
    ("method", "status"),
    [
        ("GET", 301),
        ("HEAD", 301),
        ("POST", 307),
        ("PUT", 307),
        ("DELETE", 307),
        ("OPTIONS", 307),
        ("PATCH", 307),
    ],
)
def test_a10_redirect_to_https_keeps_the_method(viewer, origin, method, status):
    answer = viewer.ask(method, "/a/b?c=d&e", scheme="http")
    assert answer.status == status
    assert answer.fields.get("location") == f"{viewer.url}/a/b?c=d&e"
    assert answer.fields.get("x-cache") == "Redirect from cloudfront"
    assert origin.requests == []


def test_a10_redirect_of_a_post_over_http_1_0_is_403(viewer, origin):
    with viewer.http1("http") as connection:
        connection.send_request("POST", "/", viewer.with_host(), b"body", version="1.0")
        assert connection.read_answer().status == 403


def test_a10_https_only_over_http_is_403(front):
    origin, viewer = front(default=behavior(ViewerProtocolPolicy="https-only"))
    assert viewer.get(scheme="http").status == 403
    assert origin.requests == []


def test_a10_allow_all_over_http_is_forwarded(front):
    _, viewer = front(default=behavior(ViewerProtocolPolicy="allow-all"))
    assert viewer.get(scheme="http").status == 200


def test_a11_http_2_needs_tls(viewer, origin):
    """Its preface in clear is no HTTP/1.1, and the port has nothing else."""
    with viewer.http1("http") as connection:
        connection.send(PREFACE + settings())
        assert connection.read_answer().status in (400, 505)
        assert connection.closed_within()
    assert origin.requests == []


def test_a15_disabled_distribution_stops_serving(mantlet, distribution, origin):
    mantlet.update(distribution, lambda config: config.update(Enabled=False))
    assert distribution.viewer.get().status == 403
    assert origin.requests == []


def test_a15_enabled_again_it_serves(mantlet, distribution):
    mantlet.update(distribution, lambda config: config.update(Enabled=False))
    mantlet.update(distribution, lambda config: config.update(Enabled=True))
    assert distribution.viewer.get().status == 200


@BOTH_VERSIONS
@pytest.mark.parametrize("accept", ["*/*", "text/html"])
def test_a15_unknown_and_disabled_look_the_same(mantlet, distribution, accept, version):
    mantlet.update(distribution, lambda config: config.update(Enabled=False))
    unknown = mantlet.viewer("d" + "0" * (len(distribution.domain.split(".")[0]) - 1) + ".mantlet.localhost")
    fields = [("Accept", accept)]
    looks = [
        anonymous(answer, viewer.domain)
        for viewer in (distribution.viewer, unknown)
        for answer in [viewer.get("/x", fields, version=version)]
    ]
    assert looks[0] == looks[1]


def anonymous(answer, domain):
    """An answer's bytes without what differs in every answer."""
    fields = [(name, value) for name, value in answer.fields if name.lower() not in ("date", "via")]
    text = (
        repr((answer.status, fields, answer.body)).replace(answer.request_id, "ID").replace(domain, "DOMAIN")
    )
    return re.sub(r"\d+\.\d+\.\d+\.\d+", "IP", text)


# B: what the origin receives


@BOTH_VERSIONS
def test_b1_origin_is_asked_over_http_1_1(viewer, origin, version):
    viewer.get(version=version)
    assert origin.request.version == "HTTP/1.1"


@BOTH_VERSIONS
def test_b2_host_is_the_viewers_under_all_viewer(viewer, origin, version):
    viewer.get(version=version)
    assert origin.request.fields.all("host") == [viewer.host]


@pytest.mark.parametrize(
    "default",
    [behavior(OriginRequestPolicyId=ALL_VIEWER_EXCEPT_HOST), without(behavior(), "OriginRequestPolicyId")],
    ids=["all-viewer-except-host", "no-origin-request-policy"],
)
def test_b2_host_is_the_origins_when_not_forwarded(front, default):
    origin, viewer = front(default=default)
    viewer.get()
    assert origin.request.fields.get("host").partition(":")[0] == "127.0.0.1"


@BOTH_VERSIONS
def test_b3_x_forwarded_for_is_the_viewers_address(viewer, origin, version):
    viewer.get(version=version)
    assert origin.request.fields.get("x-forwarded-for") == "127.0.0.1"


@BOTH_VERSIONS
def test_b3_x_forwarded_for_is_appended(viewer, origin, version):
    viewer.get(fields=[("X-Forwarded-For", "198.51.100.7, 2001:db8::1")], version=version)
    assert hops(origin.request) == ["198.51.100.7", "2001:db8::1", "127.0.0.1"]


def test_b3_several_x_forwarded_for_lines_stay_in_order(viewer, origin):
    viewer.get(fields=[("X-Forwarded-For", "198.51.100.7"), ("x-forwarded-for", "198.51.100.8")])
    assert hops(origin.request) == ["198.51.100.7", "198.51.100.8", "127.0.0.1"]


def hops(request):
    return [hop.strip() for value in request.fields.all("x-forwarded-for") for hop in value.split(",")]


@pytest.mark.parametrize("version", ["1.1", "2"])
@pytest.mark.parametrize(
    "name",
    ["TE", "Proxy-Authenticate", "Proxy-Authorization", "X-Real-IP", "X-Edge-Anything", "Expect", "Trailer"],
)
def test_b4_field_is_removed(viewer, origin, name, version):
    value = {"TE": "trailers", "Expect": "100-continue"}.get(name, "x")
    viewer.post(body=b"body", fields=[(name, value)], version=version)
    assert name not in origin.request.fields


@pytest.mark.parametrize("name", ["Proxy-Connection", "Keep-Alive", "Upgrade"])
def test_b4_hop_by_hop_field_is_removed(viewer, origin, name):
    viewer.get(fields=[(name, "x")])
    assert name not in origin.request.fields


def test_b4_invariant_5_nominated_field_is_removed(viewer, origin):
    viewer.get(fields=[("Connection", "close, X-Hop"), ("X-Hop", "1"), ("X-Kept", "2")])
    assert "x-hop" not in origin.request.fields
    assert origin.request.fields.get("x-kept") == "2"


@pytest.mark.parametrize(
    "nominated",
    ["Host", "Cookie", "Authorization", "Content-Length", "X-Amz-Cf-Id", "X-Forwarded-For", "Via"],
)
def test_b4_nomination_never_removes_what_the_origin_needs(viewer, origin, nominated):
    fields = [("Connection", nominated), ("Cookie", "a=b"), ("Authorization", "Bearer x")]
    answer = viewer.post(body=b"body", fields=fields)
    if answer.status == 400:
        assert origin.requests == []
    elif nominated in ("Cookie", "Authorization"):
        # End-to-end fields of the viewer: it may ask for their removal, and only for theirs.
        assert origin.request.fields.get("host") == viewer.host
    else:
        assert nominated in origin.request.fields


def test_b4_connection_is_keep_alive(viewer, origin):
    viewer.get(fields=[("Connection", "close")])
    assert origin.request.fields.get("connection", "").lower() == "keep-alive"


@BOTH_VERSIONS
@pytest.mark.parametrize(
    "field",
    [
        ("Cache-Control", "no-cache"),
        ("Pragma", "no-cache"),
        ("Max-Forwards", "3"),
        ("Cookie", "a=b; c=d"),
        ("Authorization", "Bearer secret"),
        ("Accept", "application/json;q=0.5"),
        ("Accept-Language", "de, en;q=0.7"),
        ("User-Agent", "Test/1.0 (x; y)"),
        ("Referer", "https://app.example.test/a?b"),
        ("Origin", "https://app.example.test"),
        ("Range", "bytes=0-9"),
        ("If-None-Match", '"abc"'),
        ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("X-Custom", "whatever, it is"),
        ("X-Empty", ""),
        ("X-Latin", "caf\xe9"),
    ],
    ids=lambda field: field[0],
)
def test_b4_field_is_forwarded_as_sent(viewer, origin, field, version):
    name, value = field
    viewer.get(fields=[field], version=version)
    assert origin.request.fields.all(name) == [value]


def test_b4_repeated_fields_stay_in_order(viewer, origin):
    viewer.get(fields=[("X-Many", "1"), ("X-Other", "a"), ("X-Many", "2")])
    values = ", ".join(origin.request.fields.all("x-many"))
    assert values == "1, 2"


def test_b4_cookie_crumbs_of_http2_become_one_field(viewer, origin):
    viewer.get(fields=[("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")], version="2")
    assert origin.request.fields.get("cookie") == "a=1; b=2; c=3"


@BOTH_VERSIONS
def test_b4_body_with_a_length_is_forwarded_with_it(viewer, origin, version):
    viewer.post(body=b"body", version=version)
    assert origin.request.fields.all("content-length") == ["4"]
    assert origin.request.raw_body == b"body"


def test_b14_a_chunked_upload_is_forwarded_and_framed_anew(viewer, origin):
    with viewer.http1() as connection:
        connection.send(head_bytes("POST / HTTP/1.1", viewer.with_host([("Transfer-Encoding", "chunked")])))
        connection.send(b"0001\r\na\r\n" + chunk(b"bc") + b"0\r\nX-Trailer: 1\r\n\r\n")
        assert connection.read_answer().status == 200
    assert origin.request.body == b"abc"
    assert b"0001" not in origin.request.raw_body
    assert b"x-trailer" not in origin.request.raw_body.lower()


@BOTH_VERSIONS
def test_b5_x_forwarded_proto_is_removed_even_under_all_viewer(viewer, origin, version):
    viewer.get(fields=[("X-Forwarded-Proto", "http")], version=version)
    assert "x-forwarded-proto" not in origin.request.fields


@BOTH_VERSIONS
def test_b7_origin_gets_the_request_id_that_the_viewer_gets(viewer, origin, version):
    answer = viewer.get(version=version)
    assert answer.request_id
    assert origin.request.fields.all("x-amz-cf-id") == [answer.request_id]


@BOTH_VERSIONS
def test_b7_viewers_request_id_is_replaced(viewer, origin, version):
    answer = viewer.get(fields=[("X-Amz-Cf-Id", "forged")], version=version)
    assert origin.request.fields.all("x-amz-cf-id") == [answer.request_id]
    assert answer.request_id != "forged"


def test_b7_request_ids_differ(viewer):
    assert viewer.get().request_id != viewer.get().request_id


@BOTH_VERSIONS
def test_b7_via_is_appended(viewer, origin, version):
    viewer.get(fields=[("Via", "1.1 somebody")], version=version)
    values = [value.strip() for line in origin.request.fields.all("via") for value in line.split(",")]
    assert values[0] == "1.1 somebody"
    assert VIA.fullmatch(values[-1])
    assert len(values) == 2


@BOTH_VERSIONS
def test_b8_custom_header_is_added(front, version):
    origin, viewer = front(custom_headers=[("X-Shared-Secret", "s3cret")])
    viewer.get(version=version)
    assert origin.request.fields.all("x-shared-secret") == ["s3cret"]


@BOTH_VERSIONS
@pytest.mark.parametrize("spelling", ["X-Shared-Secret", "x-shared-secret", "X-SHARED-SECRET"])
def test_b8_custom_header_overrides_the_viewers(front, spelling, version):
    origin, viewer = front(custom_headers=[("X-Shared-Secret", "s3cret")])
    viewer.get(fields=[(spelling, "forged"), (spelling, "twice")], version=version)
    assert origin.request.fields.all("x-shared-secret") == ["s3cret"]


def test_b8_invariant_5_nomination_does_not_remove_a_custom_header(front):
    origin, viewer = front(custom_headers=[("X-Shared-Secret", "s3cret")])
    answer = viewer.get(fields=[("Connection", "x-shared-secret"), ("X-Shared-Secret", "forged")])
    assert answer.status == 400 or origin.request.fields.all("x-shared-secret") == ["s3cret"]


def test_b8_invariant_5_underscores_do_not_forge_a_custom_header(front):
    """Servers that fold `-` and `_` (CGI's HTTP_X_SHARED_SECRET) would see two."""
    origin, viewer = front(custom_headers=[("X-Shared-Secret", "s3cret")])
    viewer.get(fields=[("X_Shared_Secret", "forged")])
    assert all("x_shared_secret" not in request.fields for request in origin.requests)


@BOTH_VERSIONS
@pytest.mark.parametrize("value", ["gzip, deflate, br, zstd", "identity", "gzip;q=0, *", ""])
def test_b9_accept_encoding_passes_as_sent(viewer, origin, value, version):
    viewer.get(fields=[("Accept-Encoding", value)], version=version)
    assert origin.request.fields.all("accept-encoding") == [value]


def test_b9_no_accept_encoding_is_invented(viewer, origin):
    viewer.get()
    assert "accept-encoding" not in origin.request.fields


@BOTH_VERSIONS
def test_b10_origin_path_is_prefixed(front, version):
    origin, viewer = front(path="/v1/live")
    viewer.get("/users?id=1", version=version)
    assert origin.request.target == "/v1/live/users?id=1"


@BOTH_VERSIONS
@pytest.mark.parametrize(
    "query", ["a=1&b=2", "b=2&a=1&a=1", "a=%20%2f+x", "", "?", "a=1&&=&", "url=https://x/?y", "q='!()*"]
)
def test_b10_query_is_verbatim(viewer, origin, query, version):
    viewer.get(f"/search?{query}", version=version)
    assert origin.request.target == f"/search?{query}"


def test_b10_no_query_stays_none(viewer, origin):
    viewer.get("/search")
    assert origin.request.target == "/search"


@pytest.mark.parametrize("path", ["/caf%C3%A9", "/a%20b", "/a;b=c", "/~ada/", "/a:b@c", "/A%2Fb", "/x.y"])
def test_b10_path_is_verbatim(viewer, origin, path):
    viewer.get(path)
    assert origin.request.target == path


# C: redirects


@BOTH_VERSIONS
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_c13_redirect_of_the_origin_is_passed_through(front, status, version):
    elsewhere = "https://login.example.test/next?a=b"
    origin, viewer = front(always(status, [("Location", elsewhere)]))
    answer = viewer.get(version=version)
    assert (answer.status, answer.fields.get("location")) == (status, elsewhere)
    assert len(origin.requests) == 1


# D: what the viewer receives


@BOTH_VERSIONS
def test_d1_fields_are_added(viewer, version):
    fields = viewer.get(version=version).fields
    assert VIA.fullmatch(fields.get("via"))
    assert fields.get("x-amz-cf-pop")
    assert fields.get("x-amz-cf-id")
    assert fields.get("x-cache")


def test_d1_fields_are_added_to_errors_too(mantlet):
    fields = mantlet.viewer("dnobody.mantlet.localhost").get().fields
    assert VIA.fullmatch(fields.get("via"))
    assert fields.get("x-amz-cf-pop")
    assert fields.get("x-amz-cf-id")
    assert fields.get("x-cache") == "Error from cloudfront"


@BOTH_VERSIONS
@pytest.mark.parametrize("status", [200, 201, 204, 206, 304])
def test_d2_success_is_always_a_miss(front, status, version):
    def answer(connection, request):
        fields = [("Cache-Control", "max-age=600"), ("ETag", '"a"')]
        length = [] if status in (204, 304) else [("Content-Length", "0")]
        connection.send(head_bytes(f"HTTP/1.1 {status} X", fields + length))

    _, viewer = front(once_per_connection(answer))
    for _ in range(2):
        answer_seen = viewer.get(version=version)
        assert (answer_seen.status, answer_seen.fields.get("x-cache")) == (status, "Miss from cloudfront")


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_d9_no_error_is_kept_where_caching_is_disabled(front, status):
    origin, viewer = front(always(status, [("Cache-Control", "max-age=600")]))
    assert [viewer.get("/same").status for _ in range(2)] == [status] * 2
    assert len(origin.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 429, 500, 502, 503, 504])
def test_d2_error_of_the_origin_is_passed_with_its_body(front, status):
    _, viewer = front(always(status, [("Content-Type", "text/plain")], b"from the origin"))
    answer = viewer.get()
    assert (answer.status, answer.body) == (status, b"from the origin")
    assert answer.fields.get("x-cache") == "Error from cloudfront"


@BOTH_VERSIONS
@pytest.mark.parametrize("name", ["Trailer", "Upgrade", "Keep-Alive", "Proxy-Connection", "Connection"])
def test_d3_hop_by_hop_field_of_the_origin_is_removed(front, name, version):
    value = {"Connection": "X-Hop"}.get(name, "x-marker")
    _, viewer = front(always(fields=[(name, value), ("X-Hop", "x-marker"), ("X-End", "kept")]))
    fields = viewer.get(version=version).fields
    assert value not in fields.all(name)
    assert fields.get("x-end") == "kept"
    assert name != "Connection" or "x-hop" not in fields


@BOTH_VERSIONS
def test_d3_via_of_the_origin_is_replaced(front, version):
    _, viewer = front(always(fields=[("Via", "1.1 inner-proxy")]))
    assert VIA.fullmatch(viewer.get(version=version).fields.get("via"))


def test_d3_chunked_answer_stays_chunked(front):
    def answer(connection, _):
        connection.send(head_bytes("HTTP/1.1 200 OK", [("Transfer-Encoding", "chunked")]))
        connection.send(chunk(b"one") + chunk(b"two") + b"0\r\n\r\n")

    _, viewer = front(once_per_connection(answer))
    seen = viewer.get()
    assert seen.fields.all("transfer-encoding") == ["chunked"]
    assert (seen.body, seen.complete) == (b"onetwo", True)


@BOTH_VERSIONS
def test_d3_set_cookie_is_passed_line_by_line(front, version):
    cookies = ["a=1; Path=/; HttpOnly; Secure; SameSite=None", "b=2; Expires=Wed, 09 Jun 2027 10:18:14 GMT"]
    _, viewer = front(always(fields=[("Set-Cookie", cookie) for cookie in cookies]))
    assert viewer.get(version=version).fields.all("set-cookie") == cookies


@BOTH_VERSIONS
def test_d5_server_and_date_of_the_origin_pass(front, version):
    date = "Sun, 06 Nov 1994 08:49:37 GMT"
    _, viewer = front(always(fields=[("Server", "Express/4"), ("Date", date)]))
    fields = viewer.get(version=version).fields
    assert fields.all("server") == ["Express/4"]
    assert fields.all("date") == [date]


def test_d5_answer_of_the_edge_is_cloudfronts(mantlet):
    fields = mantlet.viewer("dnobody.mantlet.localhost").get().fields
    assert fields.all("server") == ["CloudFront"]
    assert len(fields.all("date")) == 1


@BOTH_VERSIONS
def test_d6_body_with_a_length_is_relayed(front, version):
    body = bytes(range(256)) * 5000
    _, viewer = front(always(body=body))
    answer = viewer.get(version=version)
    assert answer.fields.all("content-length") == [str(len(body))]
    assert answer.body == body


@BOTH_VERSIONS
def test_d6_close_delimited_body_is_relayed(front, version):
    def answer(connection, _):
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end")

    _, viewer = front(once_per_connection(answer))
    seen = viewer.get(version=version)
    assert (seen.body, seen.complete) == (b"until the end", True)


@BOTH_VERSIONS
def test_d6_answer_to_head_has_its_fields_and_no_body(front, version):
    _, viewer = front(always(body=b"not sent to HEAD"))
    with viewer.http2() if version == "2" else viewer.http1() as connection:
        for _ in range(2):
            answer = connection.ask("HEAD", "/", viewer.with_host())
            assert answer.fields.all("content-length") == ["16"]
            assert answer.body == b""


@pytest.mark.parametrize("status", [204, 304])
def test_d6_answer_without_a_body_leaves_the_connection_usable(front, status):
    def script(connection):
        while True:
            connection.read_request()
            connection.send(head_bytes(f"HTTP/1.1 {status} X", [("ETag", '"a"')]))

    _, viewer = front(script)
    with viewer.http1() as connection:
        for _ in range(3):
            assert connection.ask("GET", "/", viewer.with_host()).status == status


def test_d6_interim_answers_precede_the_final_one(front):
    def answer(connection, _):
        connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")
        connection.answer(body=b"final")

    _, viewer = front(once_per_connection(answer))
    assert viewer.get().body == b"final"


# Errors that the edge makes


@BOTH_VERSIONS
def test_error_for_a_program_is_json(mantlet, version):
    viewer = mantlet.viewer("dnobody.mantlet.localhost")
    answer = viewer.get(fields=[("Accept", "application/json")], version=version)
    assert answer.fields.get("content-type").startswith("application/json")
    error = json.loads(answer.body)
    assert set(error) == {"code", "message", "requestId"}
    assert error["requestId"] == answer.request_id


@pytest.mark.parametrize("accept", [[], [("Accept", "*/*")]], ids=["no-accept", "anything"])
def test_error_without_a_preference_is_json(mantlet, accept):
    answer = mantlet.viewer("dnobody.mantlet.localhost").get(fields=accept)
    assert json.loads(answer.body)["requestId"] == answer.request_id


def test_error_for_a_browser_is_html(mantlet):
    browser = ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8")
    answer = mantlet.viewer("dnobody.mantlet.localhost").get(fields=[browser])
    assert answer.fields.get("content-type").startswith("text/html")
    assert b"<html" in answer.body.lower()
    assert answer.request_id.encode() in answer.body


def test_error_never_echoes_the_request(mantlet):
    viewer = mantlet.viewer("dnobody.mantlet.localhost")
    answer = viewer.get("/<script>alert(1)</script>?x=<script>", [("Accept", "text/html")])
    assert b"<script>alert" not in answer.body


def test_expect_100_continue_is_answered(viewer, origin):
    with viewer.http1() as connection:
        expect = [("Content-Length", "4"), ("Expect", "100-continue")]
        connection.send(head_bytes("POST / HTTP/1.1", viewer.with_host(expect)))
        interim = connection.wire.read_head()
        assert interim.first_line.startswith("HTTP/1.1 100")
        connection.send(b"body")
        assert connection.read_answer().status == 200
    assert origin.request.body == b"body"


def test_a_connection_serves_a_thousand_requests(viewer, origin):
    with viewer.http1() as connection:
        for number in range(1000):
            assert connection.ask("GET", f"/{number}", viewer.with_host()).status == 200
    assert len(origin.requests) == 1000


def test_an_http_1_0_viewer_is_served(viewer, origin):
    with viewer.http1() as connection:
        connection.send_request("GET", "/", viewer.with_host(), version="1.0")
        answer = connection.read_answer()
        assert (answer.status, answer.body) == (200, b"ok")
        assert connection.closed_within()


def test_an_http_1_0_viewer_never_gets_chunks(front):
    def answer(connection, _):
        connection.send(head_bytes("HTTP/1.1 200 OK", [("Transfer-Encoding", "chunked")]))
        connection.send(chunk(b"one") + chunk(b"two") + b"0\r\n\r\n")

    _, viewer = front(once_per_connection(answer))
    with viewer.http1() as connection:
        connection.send_request("GET", "/", viewer.with_host(), version="1.0")
        seen = connection.read_answer()
    assert "transfer-encoding" not in seen.fields
    assert seen.body == b"onetwo"
