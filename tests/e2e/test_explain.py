"""`mantlet explain`: what it says is what the edge does, with and without a running process."""

import json
import re
import socket
import ssl

import pytest

from harness.config import (
    ALL_VIEWER_EXCEPT_HOST,
    CACHING_DISABLED,
    api_distribution,
    behavior,
    counted,
    origin_at,
    without,
)
from harness.geo import ANN_ARBOR, COUNTRIES, NOWHERE, ZURICH, write_database
from harness.mantlet import Mantlet, command
from harness.origin import always
from harness.tls import ThrowAwayCa
from harness.viewer import Http1Connection
from harness.waiting import PATIENCE
from managed_policies import RESPONSE_HEADERS_POLICIES

FIELDS = [
    ("User-Agent", "tests"),
    ("Accept", "*/*"),
    ("Accept-Encoding", "gzip, br"),
    ("Authorization", "Bearer x"),
    ("Cookie", "a=1; b=2; c=3"),
    ("X-Asked", "theirs"),
    ("X-Forwarded-For", "198.51.100.7"),
    ("X-Real-IP", "6.6.6.6"),
    ("CloudFront-Viewer-Address", "6.6.6.6:1"),
    ("Connection", "X-Hop"),
    ("X-Hop", "1"),
]


def explain(data_dir, url, fields=(), *arguments):
    headers = [part for name, value in fields for part in ("-H", f"{name}: {value}")]
    done = command("explain", "--data-dir", str(data_dir), "--json", url, *headers, *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def told(outcome):
    """The head that the origin would get, as lines."""
    return [outcome["request_line"], *(f"{field['name']}: {field['value']}" for field in outcome["sent"])]


def received(request):
    """The head that the origin got, with what differs each time replaced as `explain` does."""
    first_line, *lines = request.raw_head.decode("latin-1").strip().split("\r\n")
    made = {"X-Amz-Cf-Id": "<request-id>"}
    lines = [f"{name}: {made.get(name, value)}" for name, value in (line.split(": ", 1) for line in lines)]
    return [first_line, *(re.sub(r"[0-9a-f]{32}(?=\.cloudfront\.net)", "<edge>", line) for line in lines)]


def policies(mantlet):
    """A cache policy and an origin request policy that name some of everything."""
    client = mantlet.client()
    cache = client.create_cache_policy(
        CachePolicyConfig={
            "Name": "explain-cache",
            "MinTTL": 0,
            "DefaultTTL": 60,
            "MaxTTL": 60,
            "ParametersInCacheKeyAndForwardedToOrigin": {
                "EnableAcceptEncodingGzip": True,
                "EnableAcceptEncodingBrotli": False,
                "HeadersConfig": {"HeaderBehavior": "whitelist", "Headers": counted(["Accept"])},
                "CookiesConfig": {"CookieBehavior": "whitelist", "Cookies": counted(["a"])},
                "QueryStringsConfig": {"QueryStringBehavior": "whitelist", "QueryStrings": counted(["page"])},
            },
        }
    )["CachePolicy"]["Id"]
    names = ["X-Asked", "CloudFront-Forwarded-Proto"]
    request = client.create_origin_request_policy(
        OriginRequestPolicyConfig={
            "Name": "explain-request",
            "HeadersConfig": {"HeaderBehavior": "whitelist", "Headers": counted(names)},
            "CookiesConfig": {"CookieBehavior": "whitelist", "Cookies": counted(["b"])},
            "QueryStringsConfig": {"QueryStringBehavior": "whitelist", "QueryStrings": counted(["sort"])},
        }
    )["OriginRequestPolicy"]["Id"]
    return {"CachePolicyId": cache, "OriginRequestPolicyId": request}


@pytest.fixture(scope="module")
def countries(tmp_path_factory):
    return write_database(tmp_path_factory.mktemp("geo") / "countries.mmdb", COUNTRIES)


@pytest.fixture(scope="module")
def own(tmp_path_factory, countries):
    """A process of this module's own, with policies."""
    with Mantlet(tmp_path_factory.mktemp("explain") / "data", "--geo-database", str(countries)) as mantlet:
        mantlet.policies = policies(mantlet)
        yield mantlet


def cases(mantlet):
    plain = without(behavior(), "OriginRequestPolicyId")
    return {
        "all viewer": behavior(),
        "all viewer except host": behavior(OriginRequestPolicyId=ALL_VIEWER_EXCEPT_HOST),
        "cache policy alone": plain,
        "both": behavior(**mantlet.policies),
    }


@pytest.mark.parametrize("version", ["1.1", "2"])
@pytest.mark.parametrize("policies", ["all viewer", "all viewer except host", "cache policy alone", "both"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_origin_gets_what_is_explained(own, origins, tmp_path, policies, version, method):
    origin = origins()
    config = api_distribution(
        origin_at(origin.port, path="/v1", custom_headers=[("X-Asked", "ours")]), default=cases(own)[policies]
    )
    viewer = own.create(config).viewer
    target, body = "/orders?page=2&x=1&sort=up", b"12345" if method == "POST" else b""
    # HTTP/2 has no fields of a connection, and writes names in lower case.
    fields = FIELDS if version == "1.1" else [(n.lower(), v) for n, v in FIELDS if n not in ("Connection",)]
    how = ["-X", method, "--http-version", version, "--from", "127.0.0.1"]
    if body:
        (tmp_path / "body").write_bytes(body)
        how += ["-d", str(tmp_path / "body")]
    outcome = explain(own.data_dir, f"{viewer.url}{target}", fields, *how)["outcome"]
    assert outcome["result"] == "forwarded", outcome
    assert viewer.ask(method, target, fields, body, version=version).status == 200
    expected = received(origin.request)
    if version == "2":
        # Crumbs and lengths have their own place there; which fields there are is the same.
        assert sorted(map(str.lower, told(outcome))) == sorted(map(str.lower, expected))
    else:
        assert told(outcome) == expected
    assert (outcome["address"], outcome["port"]) == ("127.0.0.1", origin.port)
    decided = {field["name"].lower() for field in outcome["sent"] + outcome["dropped"]}
    assert {name.lower() for name, _ in fields} <= decided


def test_each_header_comes_with_its_reason(own, origin):
    custom = [("X-Asked", "ours")]
    config = api_distribution(origin_at(origin.port, custom_headers=custom), default=behavior(**own.policies))
    report = explain(own.data_dir, f"{own.create(config).viewer.url}/?page=1&x=1", FIELDS)
    sent = {field["name"]: field["by"] for field in report["outcome"]["sent"]}
    dropped = {field["name"]: field["by"] for field in report["outcome"]["dropped"]}
    assert sent["Accept"] == "cache policy"
    assert sent["Cookie"] == "cache policy and origin request policy"
    assert sent["CloudFront-Forwarded-Proto"] == "origin request policy"
    assert sent["X-Asked"] == "origin custom header"
    assert sent["User-Agent"] == "the edge"
    assert dropped["Authorization"] == "no policy forwards it"
    assert dropped["X-Hop"] == "the viewer's Connection names it"
    assert dropped["X-Asked"] == "an origin custom header has its name"
    assert dropped["X-Real-IP"].startswith("never forwarded")
    [cookie] = [field for field in report["outcome"]["dropped"] if field["name"] == "Cookie"]
    assert (cookie["value"], cookie["by"]) == ("c=3", "no policy forwards it")
    assert report["outcome"]["query_left_out"] == ["x=1"]
    assert [(policy["kind"], policy["name"]) for policy in report["policies"]] == [
        ("cache policy", "explain-cache"),
        ("origin request policy", "explain-request"),
    ]
    assert report["cache_behavior"]["may_be_cached"] is True
    assert "caching" in report["not_enforced"]


def test_what_the_edge_answers_itself(own, origin):
    behaviors = [{"PathPattern": "/admin/*", **behavior(methods=["GET", "HEAD"])}]
    distribution = own.create(api_distribution(origin_at(origin.port), behaviors=behaviors))
    viewer = distribution.viewer

    def check(target, *arguments, method="GET", scheme="https", host=None):
        host = host or (viewer.host if scheme == "https" else viewer.domain)
        outcome = explain(own.data_dir, f"{scheme}://{host}{target}", (), "-X", method, *arguments)["outcome"]
        with viewer.http1(scheme) as connection:
            answer = connection.ask(method, target, [("Host", host)])
        return outcome, answer

    outcome, answer = check("/x/../admin/a")
    assert (outcome["status"], answer.status) == (400, 400)
    assert "admin/*" in outcome["why"]
    outcome, answer = check("/admin/a", method="POST")
    assert (outcome["status"], answer.status, outcome["code"]) == (403, 403, "MethodNotAllowed")
    outcome, answer = check("/a?b=c", scheme="http")
    assert (outcome["status"], answer.status) == (301, 301)
    assert outcome["location"] == answer.fields.get("location")
    outcome, answer = check("/" + "a" * 9000)
    assert (outcome["status"], answer.status) == (414, 414)
    outcome, answer = check("/", host="nobody.example")
    assert (outcome["status"], answer.status) == (403, 403)
    assert "nobody.example" in outcome["why"]
    own.update(distribution, lambda config: config.update(Enabled=False))
    outcome, answer = check("/")
    assert (outcome["status"], answer.status) == (403, 403)
    assert f"{distribution.id} is disabled" in outcome["why"]


def ask_on(mantlet, ca_file, sni, host):
    """The answer to a request for `host` on a connection that was made for `sni`."""
    context = ssl.create_default_context(cafile=str(ca_file))
    raw = socket.create_connection(mantlet.https, timeout=PATIENCE)
    with Http1Connection(context.wrap_socket(raw, server_hostname=sni)) as connection:
        return connection.ask("GET", "/", [("Host", host)])


def test_tls_and_whether_the_request_fits_it(own, origin, tmp_path):
    ca = ThrowAwayCa(tmp_path)
    issued = ca.issue("api.explained.example", "*.other.example")
    imported = own.client("acm").import_certificate(Certificate=issued.certificate, PrivateKey=issued.key)
    certificate = {
        "ACMCertificateArn": imported["CertificateArn"],
        "SSLSupportMethod": "sni-only",
        "MinimumProtocolVersion": "TLSv1.2_2025",
    }
    config = api_distribution(
        origin_at(origin.port), Aliases=counted(["api.explained.example"]), ViewerCertificate=certificate
    )
    made = own.create(config)
    alias, given = "api.explained.example", made.domain

    report = explain(own.data_dir, f"https://{alias}/")
    assert imported["CertificateArn"].endswith(report["tls"]["certificate"])
    assert report["tls"]["server_name"] == alias
    assert report["tls"]["security_policy"] == "TLSv1.2_2025"
    assert report["tls"]["versions"] == ["TLSv1.3", "TLSv1.2"]
    assert report["tls"]["protocols"] == ["h2", "http/1.1"]
    assert not [cipher for cipher in report["tls"]["cipher_suites"] if "CHACHA20" in cipher]
    assert "ECDHE-RSA-AES128-GCM-SHA256" in report["tls"]["cipher_suites"]
    assert explain(own.data_dir, f"https://{given}/")["tls"]["certificate"] is None
    assert explain(own.data_dir, f"http://{given}/")["tls"] is None

    for sni, host, ca_file, expected in [
        (alias, alias, ca.path, 200),
        (given, given, own.ca, 200),
        (alias, given, ca.path, 421),
        (given, alias, own.ca, 421),
    ]:
        outcome = explain(own.data_dir, f"https://{host}/", (), "--tls-server-name", sni)["outcome"]
        assert outcome.get("status", 200) == expected, (sni, host, outcome)
        assert ask_on(own, ca_file, sni, host).status == expected, (sni, host)
        if expected == 421:
            assert f"the connection was made for {sni}" in outcome["why"]
    outcome = explain(own.data_dir, f"https://{alias}/", (), "--tls-server-name", "")["outcome"]
    assert (outcome["status"], outcome["code"]) == (421, "MisdirectedRequest")


def test_geo_restriction_is_decided_where_a_database_is_given(own, origin, countries):
    restriction = {"GeoRestriction": {"RestrictionType": "whitelist", **counted(["CH"])}}
    made = own.create(api_distribution(origin_at(origin.port), Restrictions=restriction))
    url = f"https://{made.domain}/"
    for address, country, result in [
        (ZURICH, "CH", "forwarded"),
        (ANN_ARBOR, "US", "refused"),
        (NOWHERE, None, "forwarded"),
    ]:
        flags = ["--viewer-address", address, "--geo-database", str(countries)]
        report = explain(own.data_dir, url, (), *flags)
        assert (report["viewer_country"], report["outcome"]["result"]) == (country, result)
    refused = explain(own.data_dir, url, (), "--from", ANN_ARBOR, "--geo-database", str(countries))["outcome"]
    assert (refused["status"], refused["code"]) == (403, "CountryNotServed")
    assert "does not admit US" in refused["why"]
    text = command("explain", "--data-dir", str(own.data_dir), url, "--from", ANN_ARBOR).stdout
    assert "only CH; not decided here: give --geo-database" in text


def test_the_second_origin_gets_what_is_explained(own, origins):
    first, second = origins(always(status=503)), origins()
    group = {
        "Id": "pair",
        "FailoverCriteria": {"StatusCodes": counted([500, 503])},
        "Members": counted([{"OriginId": "first"}, {"OriginId": "second"}]),
    }
    config = api_distribution(
        origin_at(first.port, id="first", path="/one"),
        origin_at(second.port, id="second", path="/two", custom_headers=[("X-Asked", "second")]),
        default=behavior("pair"),
        OriginGroups=counted([group]),
    )
    viewer = own.create(config).viewer
    outcome = explain(own.data_dir, f"{viewer.url}/a?b=1", FIELDS, "--from", "127.0.0.1")["outcome"]
    assert viewer.get("/a?b=1", FIELDS).status == 200
    assert told(outcome) == received(first.request)
    failover = outcome["failover"]
    assert (failover["origin_id"], failover["status_codes"]) == ("second", [500, 503])
    assert told(failover["to"]) == received(second.request)
    assert "X-Asked: second" in told(failover["to"])
    posted = explain(own.data_dir, f"{viewer.url}/a", (), "-X", "POST")["outcome"]
    assert (posted["failover"], posted["has_origin_group"]) == (None, True)
    text = command("explain", "--data-dir", str(own.data_dir), f"{viewer.url}/a").stdout
    assert re.search(r"Failover +to second on 500, 503; 503 is also that it cannot be connected to", text)
    assert "The second origin gets\n  GET /two/a HTTP/1.1" in text


def test_which_errors_have_pages(own, origins):
    origin = origins(always(status=404))
    responses = [
        {
            "ErrorCode": code,
            "ResponsePagePath": f"/errors/{code}",
            "ResponseCode": str(status),
            "ErrorCachingMinTTL": 0,
        }
        for code, status in ((403, 403), (404, 200))
    ]
    config = api_distribution(
        origin_at(origin.port),
        default=behavior(methods=["GET", "HEAD"]),
        CustomErrorResponses=counted(responses),
    )
    viewer = own.create(config).viewer
    report = explain(own.data_dir, f"{viewer.url}/a")
    pages = [(page["error_status"], page["path"], page["response_status"]) for page in report["error_pages"]]
    assert pages == [(403, "/errors/403", 403), (404, "/errors/404", 200)]
    assert (
        explain(own.data_dir, f"{viewer.url}/a", [("Content-Type", "application/grpc")])["error_pages"] == []
    )
    viewer.get("/a")
    assert [request.target for request in origin.requests] == ["/a", "/errors/404"]
    text = command("explain", "--data-dir", str(own.data_dir), f"{viewer.url}/a", "-X", "DELETE").stdout
    assert "403 is replaced by /errors/403 with the status 403" in text
    assert "404 is replaced" not in text


def test_the_viewer_gets_what_is_explained_of_an_empty_answer(own, origins):
    policy = RESPONSE_HEADERS_POLICIES["CORS-with-preflight-and-SecurityHeadersPolicy"][0]
    origin = origins(always(body=b""))
    config = api_distribution(origin_at(origin.port), default=behavior(ResponseHeadersPolicyId=policy))
    viewer = own.create(config).viewer
    fields = [("Origin", "https://page.example")]
    explained = explain(own.data_dir, f"{viewer.url}/", fields)["outcome"]["answer"]
    answer = viewer.get("/", fields)
    assert answer.status == 200
    made = {"X-Amz-Cf-Id": "<request-id>", "X-Amz-Cf-Pop": "<location>", "Date": "<date>"}
    got = [(name, made.get(name, value)) for name, value in answer.fields if name != "Content-Length"]
    got = [(name, re.sub(r"[0-9a-f]{32}(?=\.cloudfront\.net)", "<edge>", value)) for name, value in got]
    assert [(field["name"], field["value"]) for field in explained] == got
    assert ("Access-Control-Allow-Origin", "*") in got


def test_it_needs_no_running_process_and_changes_nothing(tmp_path, origins):
    origin = origins()
    data_dir = tmp_path / "data"
    with Mantlet(data_dir) as mantlet:
        made = mantlet.create(api_distribution(origin_at(origin.port)))
        running = explain(data_dir, f"https://{made.domain}/x")
        mantlet.terminate()
    before = (data_dir / "store.sqlite").read_bytes()
    stopped = explain(data_dir, f"https://{made.domain}/x")
    assert stopped == running
    assert (data_dir / "store.sqlite").read_bytes() == before
    assert stopped["distribution"]["id"] == made.id
    assert not (data_dir / "endpoints.json").exists()
    text = command("explain", "--data-dir", str(data_dir), f"https://{made.domain}/x")
    assert text.returncode == 0, text.stderr
    for line in (
        rf"Distribution +{made.id} \({re.escape(made.domain)}\)",
        r"Cache policy +Managed-CachingDisabled \(" + CACHING_DISABLED + r"\)",
        rf"Origin +api: http://127\.0\.0\.1:{origin.port}",
        r"  GET /x HTTP/1\.1",
        r"  X-Forwarded-For: 192\.0\.2\.1 +the edge",
    ):
        assert re.search(line, text.stdout), f"{line} is not in\n{text.stdout}"


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["api.example.com/x"], 2, "must begin with https://"),
        (["https://a.test/", "-H", "no colon"], 2, "NAME: VALUE"),
        (["https://a.test/", "-d", "/no/such/file"], 1, "cannot read /no/such/file"),
        (["https://a.test/"], 1, "is no data directory yet"),
    ],
)
def test_what_cannot_be_explained_is_told(tmp_path, arguments, status, message):
    done = command("explain", "--data-dir", str(tmp_path / "none"), *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert message in done.stderr
