"""`mantlet explain`: what it says is what the edge does, with and without a running process."""

import json
import re

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
from harness.mantlet import Mantlet, command

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
def own(tmp_path_factory):
    """A process of this module's own, with policies."""
    with Mantlet(tmp_path_factory.mktemp("explain") / "data") as mantlet:
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
