"""Response headers policies: what the viewer gets, with what the origin says and without. D10 and D11 are
statements of CloudFront's documentation ("Understand response headers policies"; "Use managed response
headers policies")."""

import re
import uuid

import pytest

from harness.config import api_distribution, behavior, counted, origin_at
from harness.http1 import Fields
from harness.origin import always, answer_bytes
from managed_policies import RESPONSE_HEADERS_POLICIES

PAGE = "https://app.example"
BOTH_VERSIONS = pytest.mark.parametrize("version", ["1.1", "2"])
# What every response of an edge has, whatever the policy.
OWN = ("x-cache", "via", "x-amz-cf-pop", "x-amz-cf-id", "date", "content-length", "connection")

METHODS = ("Access-Control-Allow-Methods", "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT")
ANY = ("Access-Control-Allow-Origin", "*")
EXPOSED = ("Access-Control-Expose-Headers", "*")
SECURITY = [
    ("Strict-Transport-Security", "max-age=31536000"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "SAMEORIGIN"),
    ("X-XSS-Protection", "1; mode=block"),
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
]
# Name → what is added to an answer that is none of CORS, to a simple CORS request's, to a preflight's.
GOLDEN = {
    "SimpleCORS": ([], [ANY], [ANY]),
    "CORS-With-Preflight": ([], [ANY], [ANY, METHODS, EXPOSED]),
    "SecurityHeadersPolicy": (SECURITY, SECURITY, SECURITY),
    "CORS-and-SecurityHeadersPolicy": (SECURITY, [ANY, *SECURITY], [ANY, *SECURITY]),
    "CORS-with-preflight-and-SecurityHeadersPolicy": (
        SECURITY,
        [ANY, *SECURITY],
        [ANY, METHODS, EXPOSED, *SECURITY],
    ),
}
# What an origin may say itself; only X-Content-Type-Options is overridden by the managed policies.
THEIRS = [
    ("Access-Control-Allow-Origin", "https://their.example"),
    ("Access-Control-Allow-Methods", "GET"),
    ("Access-Control-Expose-Headers", "ETag"),
    ("Strict-Transport-Security", "max-age=1"),
    ("X-Content-Type-Options", "sniff"),
    ("X-Frame-Options", "DENY"),
    ("X-XSS-Protection", "0"),
    ("Referrer-Policy", "no-referrer"),
]


def own_less(answer):
    """The fields of an answer that are not every answer's, in one order."""
    return sorted((name.lower(), value) for name, value in answer.fields if name.lower() not in OWN)


def folded(fields):
    return sorted((name.lower(), value) for name, value in fields)


def preflight(viewer, version="1.1", origin=PAGE, headers="authorization"):
    asked = [("Origin", origin), ("Access-Control-Request-Method", "PUT")]
    asked.append(("Access-Control-Request-Headers", headers))
    return viewer.ask("OPTIONS", fields=asked, version=version)


@pytest.fixture
def with_policy(front):
    """`with_policy(script, id)` → (origin, viewer) of a distribution with that response headers policy."""

    def make(script, id, **settings):
        return front(script, default=behavior(ResponseHeadersPolicyId=id, **settings))

    return make


@BOTH_VERSIONS
@pytest.mark.parametrize("name", RESPONSE_HEADERS_POLICIES)
def test_d10_managed_policy_header_by_header(with_policy, name, version):
    origin, viewer = with_policy(always(), RESPONSE_HEADERS_POLICIES[name][0])
    plain, simple, asked_first = GOLDEN[name]
    assert own_less(viewer.get(version=version)) == folded(plain)
    assert own_less(viewer.get(fields=[("Origin", PAGE)], version=version)) == folded(simple)
    assert own_less(preflight(viewer, version)) == folded(asked_first)
    # The origin was asked every time, the preflight included, with what the viewer sent.
    assert [request.method for request in origin.requests] == ["GET", "GET", "OPTIONS"]
    assert origin.requests[2].fields.get("access-control-request-method") == "PUT"


@pytest.mark.parametrize("name", RESPONSE_HEADERS_POLICIES)
def test_d10_managed_policies_leave_what_the_origin_says_but_for_content_type_options(with_policy, name):
    _, viewer = with_policy(always(fields=THEIRS), RESPONSE_HEADERS_POLICIES[name][0])
    expected = dict(THEIRS)
    if "security" in name.lower():
        expected["X-Content-Type-Options"] = "nosniff"
    assert own_less(preflight(viewer)) == folded(expected.items())


@pytest.fixture
def policy(mantlet):
    """Makes response headers policies."""

    def make(**parts):
        config = {"Name": f"test-{uuid.uuid4()}", **parts}
        made = mantlet.client().create_response_headers_policy(ResponseHeadersPolicyConfig=config)
        return made["ResponseHeadersPolicy"]["Id"]

    return make


def cors(origins, override=True, credentials=False, **settings):
    return {
        "AccessControlAllowOrigins": counted(origins),
        "AccessControlAllowHeaders": {"Quantity": 1, "Items": ["Authorization"]},
        "AccessControlAllowMethods": {"Quantity": 2, "Items": ["GET", "PUT"]},
        "AccessControlAllowCredentials": credentials,
        "AccessControlExposeHeaders": counted(["ETag"]),
        "AccessControlMaxAgeSec": 600,
        "OriginOverride": override,
        **settings,
    }


@BOTH_VERSIONS
def test_d10_cors_of_ones_own_with_credentials(with_policy, policy, version):
    id = policy(CorsConfig=cors([PAGE, "https://*.example.org"], credentials=True))
    _, viewer = with_policy(always(fields=THEIRS[:3]), id)
    answer = preflight(viewer, version, origin="https://a.b.example.org")
    assert own_less(answer) == folded(
        [
            ("Access-Control-Allow-Origin", "https://a.b.example.org"),
            ("Access-Control-Allow-Credentials", "true"),
            ("Access-Control-Allow-Methods", "GET, PUT"),
            ("Access-Control-Allow-Headers", "Authorization"),
            ("Access-Control-Max-Age", "600"),
            ("Access-Control-Expose-Headers", "ETag"),
            ("Vary", "Origin"),
        ]
    )
    simple = viewer.get(fields=[("Origin", PAGE)], version=version)
    assert simple.fields.get("access-control-allow-origin") == PAGE
    assert simple.fields.get("access-control-expose-headers") == "ETag"
    assert "access-control-allow-methods" not in simple.fields


@pytest.mark.parametrize("asked", ["https://evil.example", "https://example.org", "null", None])
def test_d10_who_may_not_read_gets_nothing_not_even_the_origins_consent(with_policy, policy, asked):
    _, viewer = with_policy(always(fields=THEIRS[:3]), policy(CorsConfig=cors([PAGE, "*.example.org"])))
    answer = viewer.get(fields=[("Origin", asked)] if asked else [])
    assert own_less(answer) == [("vary", "Origin")]


def test_security_and_custom_headers_override_one_by_one(with_policy, policy):
    security = {
        "StrictTransportSecurity": {
            "Override": True,
            "AccessControlMaxAgeSec": 5,
            "IncludeSubdomains": True,
            "Preload": True,
        },
        "FrameOptions": {"Override": False, "FrameOption": "DENY"},
        "ReferrerPolicy": {"Override": True, "ReferrerPolicy": "same-origin"},
        "ContentSecurityPolicy": {"Override": False, "ContentSecurityPolicy": "default-src 'self'"},
        "XSSProtection": {"Override": True, "Protection": False},
    }
    custom = [
        {"Header": "X-Kept", "Value": "ours", "Override": False},
        {"Header": "X-Replaced", "Value": "ours", "Override": True},
        {"Header": "X-Empty", "Value": "", "Override": True},
        {"Header": "Cache-Control", "Value": "max-age=60", "Override": True},
    ]
    id = policy(SecurityHeadersConfig=security, CustomHeadersConfig=counted(custom))
    says = [("X-Frame-Options", "SAMEORIGIN"), ("Referrer-Policy", "no-referrer"), ("X-Kept", "theirs")]
    says += [("X-Replaced", "theirs"), ("Cache-Control", "no-store"), ("X-Other", "1")]
    _, viewer = with_policy(always(fields=says), id)
    assert own_less(viewer.get()) == folded(
        [
            ("Strict-Transport-Security", "max-age=5; includeSubDomains; preload"),
            ("X-Frame-Options", "SAMEORIGIN"),
            ("Referrer-Policy", "same-origin"),
            ("Content-Security-Policy", "default-src 'self'"),
            ("X-XSS-Protection", "0"),
            ("X-Kept", "theirs"),
            ("X-Replaced", "ours"),
            ("X-Empty", ""),
            ("Cache-Control", "max-age=60"),
            ("X-Other", "1"),
        ]
    )


def test_headers_are_removed_first_and_server_and_date_are_the_edges_then(with_policy, policy):
    removed = [{"Header": name} for name in ("X-Powered-By", "vary", "Server", "Date", "X-Again")]
    custom = [{"Header": "X-Again", "Value": "ours", "Override": False}]
    id = policy(RemoveHeadersConfig=counted(removed), CustomHeadersConfig=counted(custom))
    says = [("X-Powered-By", "a framework"), ("Vary", "Cookie"), ("Server", "theirs"), ("X-Again", "theirs")]
    _, viewer = with_policy(always(fields=[*says, ("Date", "yesterday"), ("ETag", '"1"')]), id)
    answer = viewer.get()
    assert own_less(answer) == folded([("Server", "CloudFront"), ("X-Again", "ours"), ("ETag", '"1"')])
    assert answer.fields.get("date").endswith(" GMT")


def test_what_cannot_be_removed_is_refused(mantlet, policy):
    client = mantlet.client()
    for name in ("Content-Length", "Via", "X-Amz-Cf-Id", "X-Cache", "Transfer-Encoding"):
        with pytest.raises(client.exceptions.InvalidArgument):
            policy(RemoveHeadersConfig=counted([{"Header": name}]))


METRICS = re.compile(
    r'cdn-upstream-layer;desc="EDGE",cdn-upstream-dns;dur=(\d+),cdn-upstream-connect;dur=(\d+),'
    r'cdn-upstream-fbl;dur=\d+,cdn-cache-miss,cdn-pop;desc="[^"]+",cdn-rid;desc="([^"]+)",'
    r"cdn-downstream-fbl;dur=\d+(,db;dur=3)?"
)


@BOTH_VERSIONS
def test_d11_server_timing_is_one_header_that_joins_the_origins(with_policy, policy, version):
    id = policy(ServerTimingHeadersConfig={"Enabled": True, "SamplingRate": 100.0})
    _, viewer = with_policy(always(fields=[("Server-Timing", "db;dur=3")]), id)
    for answer in (viewer.get(version=version), viewer.get(version=version)):
        told = METRICS.fullmatch(answer.fields.get("server-timing"))
        assert told, answer.fields
        assert (told[3], told[4]) == (answer.request_id, ",db;dur=3")


def test_d11_connecting_is_told_of_the_request_that_waited_for_it(with_policy, policy):
    id = policy(ServerTimingHeadersConfig={"Enabled": True, "SamplingRate": 100.0})
    _, viewer = with_policy(always(), id)
    with viewer.http1() as connection:
        first, second = (
            METRICS.fullmatch(connection.ask("GET", "/", viewer.with_host()).fields.get("server-timing"))
            for _ in range(2)
        )
    assert int(first[1]) + int(first[2]) < 1000
    assert (second[1], second[2]) == ("0", "0")


def test_d11_who_asks_is_told_whatever_the_rate(with_policy, policy):
    id = policy(ServerTimingHeadersConfig={"Enabled": True, "SamplingRate": 0.0})
    _, viewer = with_policy(always(), id)
    assert "server-timing" not in viewer.get().fields
    assert METRICS.fullmatch(viewer.get(fields=[("Pragma", "server-timing")]).fields.get("server-timing"))


def test_d11_half_of_the_responses_are_sampled(with_policy, policy):
    id = policy(ServerTimingHeadersConfig={"Enabled": True, "SamplingRate": 50.0})
    _, viewer = with_policy(always(), id)
    with viewer.http1() as connection:
        answers = [connection.ask("GET", "/", viewer.with_host()) for _ in range(200)]
    # 50 and 150 are seven standard deviations away.
    assert 50 < sum("server-timing" in answer.fields for answer in answers) < 150


def test_a_changed_policy_reaches_viewers(mantlet, origin, policy):
    id = policy(CustomHeadersConfig=counted([{"Header": "X-Set", "Value": "1", "Override": True}]))
    config = api_distribution(origin_at(origin.port), default=behavior(ResponseHeadersPolicyId=id))
    distribution = mantlet.create(config)
    client = mantlet.client()
    got = client.get_response_headers_policy_config(Id=id)
    config = got["ResponseHeadersPolicyConfig"]
    config["CustomHeadersConfig"]["Items"][0]["Value"] = "2"
    client.update_response_headers_policy(Id=id, IfMatch=got["ETag"], ResponseHeadersPolicyConfig=config)
    mantlet.wait_until_deployed(distribution.id)
    assert distribution.viewer.get().fields.get("x-set") == "2"


# What the edge answers itself: a page of another origin must be able to read it.


def garbage(connection):
    connection.read_request()
    connection.send(b"not HTTP\r\n\r\n")
    connection.close()


def silence(connection):
    connection.read_request()
    connection.wait_for_close()


PREFLIGHT_AND_SECURITY = RESPONSE_HEADERS_POLICIES["CORS-with-preflight-and-SecurityHeadersPolicy"][0]


@BOTH_VERSIONS
@pytest.mark.parametrize(("script", "status"), [(garbage, 502), (silence, 504)])
def test_errors_of_the_origin_can_be_read_across_origins(front, script, status, version):
    default = behavior(ResponseHeadersPolicyId=PREFLIGHT_AND_SECURITY)
    _, viewer = front(script, default=default, OriginReadTimeout=1, ConnectionAttempts=1)
    answer = viewer.post(fields=[("Origin", PAGE)], version=version)
    fields = Fields((name.lower(), value) for name, value in answer.fields)
    assert answer.status == status
    assert folded([ANY, *SECURITY]) == [pair for pair in own_less(answer) if pair in folded([ANY, *SECURITY])]
    assert fields.get("server") == "CloudFront"


@BOTH_VERSIONS
def test_a_refusal_can_be_read_across_origins(with_policy, version):
    origin, viewer = with_policy(always(), PREFLIGHT_AND_SECURITY, methods=["GET", "HEAD"])
    answer = viewer.ask("DELETE", fields=[("Origin", PAGE)], version=version)
    assert (answer.status, answer.fields.get("access-control-allow-origin")) == (403, "*")
    assert origin.requests == []


def test_a_redirect_can_be_followed_across_origins_and_says_nothing_of_https_over_http(with_policy):
    _, viewer = with_policy(always(), PREFLIGHT_AND_SECURITY)
    answer = viewer.get(fields=[("Origin", PAGE)], scheme="http")
    assert (answer.status, answer.fields.get("access-control-allow-origin")) == (301, "*")
    # RFC 6797, section 7.2.
    assert "strict-transport-security" not in answer.fields
    assert answer.fields.get("x-content-type-options") == "nosniff"


def test_an_error_is_not_kept_as_long_as_the_policy_says_of_responses(with_policy, policy):
    custom = [{"Header": "Cache-Control", "Value": "max-age=31536000", "Override": True}]
    _, viewer = with_policy(garbage, policy(CustomHeadersConfig=counted(custom)))
    answer = viewer.post()
    assert (answer.status, "cache-control" in answer.fields) == (502, False)


def test_an_unknown_host_gets_no_policy(mantlet, with_policy):
    with_policy(always(), PREFLIGHT_AND_SECURITY)
    answer = mantlet.viewer("dnobody.mantlet.localhost").get(fields=[("Origin", PAGE)])
    assert (answer.status, "access-control-allow-origin" in answer.fields) == (403, False)


def test_an_answer_with_no_headers_of_its_own_is_left_in_order(with_policy):
    """The policy's headers come behind the origin's, each of which stays where it was."""
    says = [("B", "1"), ("A", "2"), ("Set-Cookie", "x=1"), ("Set-Cookie", "y=2")]

    def script(connection):
        while True:
            connection.read_request()
            connection.send(answer_bytes(200, says, b"ok"))

    _, viewer = with_policy(script, RESPONSE_HEADERS_POLICIES["SimpleCORS"][0])
    answer = viewer.get(fields=[("Origin", PAGE)])
    assert answer.fields[: len(says) + 1] == [*says, ANY]
