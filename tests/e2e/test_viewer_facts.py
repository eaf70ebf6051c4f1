"""What the edge tells origins of viewers in CloudFront-… headers (B11), and geo restriction (A14)."""

import hashlib
import signal
import socket
import ssl
import struct
import uuid

import pytest
from botocore.exceptions import ClientError

from harness.config import api_distribution, behavior, counted, origin_at
from harness.geo import ANN_ARBOR, ASNS, CITIES, COUNTRIES, NOWHERE, ZURICH, write_database
from harness.mantlet import LISTEN, Mantlet, command
from harness.origin import always
from harness.viewer import Http1Connection, Http2Connection
from harness.waiting import PATIENCE, wait_until
from managed_policies import CLOUDFRONT_HEADERS_2022_06

LOCATION = [
    *("CloudFront-Viewer-ASN", "CloudFront-Viewer-City", "CloudFront-Viewer-Country"),
    *("CloudFront-Viewer-Country-Name", "CloudFront-Viewer-Country-Region"),
    *("CloudFront-Viewer-Country-Region-Name", "CloudFront-Viewer-Latitude"),
    *("CloudFront-Viewer-Longitude", "CloudFront-Viewer-Metro-Code", "CloudFront-Viewer-Postal-Code"),
    "CloudFront-Viewer-Time-Zone",
]
ALL_VIEWER_AND_CLOUDFRONT = "33f36d7e-f396-46d9-90e0-52428a34d9dc"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1"
)


@pytest.fixture(scope="module")
def located(tmp_path_factory):
    """A process that knows where loopback addresses are."""
    directory = tmp_path_factory.mktemp("located")
    cities = write_database(directory / "cities.mmdb", CITIES)
    asns = write_database(directory / "asns.mmdb", ASNS, ip_version=4)
    with Mantlet(directory / "data", "--geo-database", str(cities), "--geo-database", str(asns)) as mantlet:
        yield mantlet
        assert mantlet.process.poll() is None, mantlet.log()


def policy(mantlet, names, behavior="allViewerAndWhitelistCloudFront"):
    """An origin request policy that asks for these headers."""
    config = {
        "Name": f"policy-{uuid.uuid4()}",
        "HeadersConfig": {"HeaderBehavior": behavior, "Headers": counted(names)},
        "CookiesConfig": {"CookieBehavior": "none"},
        "QueryStringsConfig": {"QueryStringBehavior": "none"},
    }
    made = mantlet.client().create_origin_request_policy(OriginRequestPolicyConfig=config)
    return made["OriginRequestPolicy"]["Id"]


def asking(mantlet, origin, names, **settings):
    """A distribution whose origin gets these headers."""
    id = policy(mantlet, names)
    default = behavior(OriginRequestPolicyId=id, ViewerProtocolPolicy="allow-all")
    return mantlet.create(api_distribution(origin_at(origin.port), default=default, **settings))


def made_fields(request):
    return {name: value for name, value in request.fields if name.lower().startswith("cloudfront-")}


def connect_from(address, mantlet, domain, alpn=None, context=None):
    """A TLS connection from an address of the test's choice."""
    raw = socket.create_connection(mantlet.https, timeout=PATIENCE, source_address=(address, 0))
    if context is None:
        context = ssl.create_default_context(cafile=str(mantlet.ca))
        context.set_alpn_protocols([alpn or "http/1.1"])
    return context.wrap_socket(raw, server_hostname=domain)


def get_from(address, mantlet, distribution, fields=()):
    with Http1Connection(connect_from(address, mantlet, distribution.domain)) as connection:
        return connection.ask("GET", "/", [("Host", distribution.domain), *fields])


class TestConnection:
    NAMES = (
        *("CloudFront-Viewer-Address", "CloudFront-Forwarded-Proto", "CloudFront-Viewer-Http-Version"),
        *("CloudFront-Viewer-TLS", "CloudFront-Viewer-Header-Order", "CloudFront-Viewer-Header-Count"),
    )

    def test_http_1_1(self, mantlet, origin):
        distribution = asking(mantlet, origin, self.NAMES)
        with distribution.viewer.http1() as connection:
            port = connection.wire.socket.getsockname()[1]
            version, cipher = connection.wire.socket.version(), connection.wire.socket.cipher()[0]
            host = ("Host", distribution.domain)
            connection.ask("GET", "/", [("x-First", "1"), host, ("User-Agent", "u"), ("X-first", "2")])
            connection.ask("GET", "/", [host])
        first, second = (made_fields(request) for request in origin.requests)
        assert first == {
            "CloudFront-Viewer-Address": f"127.0.0.1:{port}",
            "CloudFront-Forwarded-Proto": "https",
            "CloudFront-Viewer-Http-Version": "1.1",
            "CloudFront-Viewer-TLS": f"{version}:{cipher}:fullHandshake",
            "CloudFront-Viewer-Header-Order": "x-First:Host:User-Agent:X-first",
            "CloudFront-Viewer-Header-Count": "4",
        }
        assert second["CloudFront-Viewer-TLS"] == f"{version}:{cipher}:connectionReused"
        assert second["CloudFront-Viewer-Header-Count"] == "1"

    def test_http_2(self, mantlet, origin):
        distribution = asking(mantlet, origin, self.NAMES)
        with distribution.viewer.http2() as connection:
            fields = [("host", distribution.domain), ("cookie", "a=1"), ("accept", "*/*"), ("cookie", "b=2")]
            connection.ask("GET", "/", fields)
            connection.ask("GET", "/", fields)
        first, second = (made_fields(request) for request in origin.requests)
        assert first["CloudFront-Viewer-Http-Version"] == "2.0"
        assert first["CloudFront-Viewer-Header-Order"] == "host:cookie:accept"
        assert first["CloudFront-Viewer-TLS"].endswith(":fullHandshake")
        assert second["CloudFront-Viewer-TLS"].endswith(":connectionReused")

    def test_in_clear(self, mantlet, origin):
        names = [*self.NAMES, "CloudFront-Viewer-JA3-Fingerprint", "CloudFront-Viewer-JA4-Fingerprint"]
        distribution = asking(mantlet, origin, names)
        assert distribution.viewer.get(scheme="http").status == 200
        made = made_fields(origin.request)
        assert made["CloudFront-Forwarded-Proto"] == "http"
        assert not [name for name in made if name.endswith(("-TLS", "-Fingerprint"))]

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_a_session_that_was_resumed(self, mantlet, origin, version):
        distribution = asking(mantlet, origin, ["CloudFront-Viewer-TLS"])
        context = ssl.create_default_context(cafile=str(mantlet.ca))
        context.minimum_version = context.maximum_version = version
        session = None
        for _ in range(2):
            raw = socket.create_connection(mantlet.https, timeout=PATIENCE)
            tls = context.wrap_socket(raw, server_hostname=distribution.domain, session=session)
            with Http1Connection(tls) as connection:
                connection.ask("GET", "/", [("Host", distribution.domain)])
                session = tls.session
        told = [made_fields(request)["CloudFront-Viewer-TLS"] for request in origin.requests]
        assert [value.rpartition(":")[2] for value in told] == ["fullHandshake", "sessionResumed"]

    def test_a_long_order_is_cut_off(self, mantlet, origin):
        distribution = asking(
            mantlet, origin, ["CloudFront-Viewer-Header-Order", "CloudFront-Viewer-Header-Count"]
        )
        names = [f"X-{number:03}-{'x' * 94}" for number in range(90)]
        distribution.viewer.get(fields=[(name, "") for name in names])
        made = made_fields(origin.request)
        assert made["CloudFront-Viewer-Header-Order"] == ":".join(["Host", *names[:76]])
        assert made["CloudFront-Viewer-Header-Count"] == "91"


class TestDevices:
    KINDS = ("Android", "Desktop", "IOS", "Mobile", "SmartTV", "Tablet")

    @pytest.mark.parametrize(
        ("user_agent", "expected"),
        [
            (IPHONE, {"IOS", "Mobile"}),
            ("curl/8.14.1", {"Desktop"}),
            (
                "Mozilla/5.0 (Linux; Android 13; SM-X906C) Chrome/143.0.0.0 Safari/537.36",
                {"Android", "Tablet"},
            ),
            ("Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) AppleWebKit/538.1 Version/6.0 TV", {"SmartTV"}),
        ],
    )
    def test_by_user_agent(self, mantlet, origin, user_agent, expected):
        names = [f"CloudFront-Is-{kind}-Viewer" for kind in self.KINDS]
        asking(mantlet, origin, names).viewer.get(fields=[("User-Agent", user_agent)])
        told = made_fields(origin.request)
        assert set(told) == set(names)
        assert {name.split("-")[2] for name, value in told.items() if value == "true"} == expected
        assert set(told.values()) <= {"true", "false"}


class TestFingerprints:
    NAMES = ("CloudFront-Viewer-JA3-Fingerprint", "CloudFront-Viewer-JA4-Fingerprint")

    @pytest.mark.parametrize("alpn", ["http/1.1", "h2"])
    def test_are_those_of_what_was_sent(self, mantlet, origin, alpn):
        distribution = asking(mantlet, origin, self.NAMES)
        context = ssl.create_default_context(cafile=str(mantlet.ca))
        context.set_alpn_protocols([alpn])
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname=distribution.domain)
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        expected = fingerprints(outgoing.read())
        raw = socket.create_connection(mantlet.https, timeout=PATIENCE)
        tls = context.wrap_socket(raw, server_hostname=distribution.domain)
        connection_type = Http2Connection if alpn == "h2" else Http1Connection
        with connection_type(tls) as connection:
            for _ in range(2):
                assert connection.ask("GET", "/", [("host", distribution.domain)]).status == 200
        for request in origin.requests:
            assert tuple(made_fields(request)[name] for name in self.NAMES) == expected

    def test_nobody_else_gets_them(self, mantlet, front, origin):
        asking(mantlet, origin, self.NAMES)
        other, viewer = front(always())
        viewer.get(fields=[(name, "forged") for name in self.NAMES])
        assert made_fields(other.request) == {}


def fingerprints(records):
    """JA3 and JA4 of a ClientHello, straight from their descriptions."""
    hello = records[5:]
    version = struct.unpack(">H", hello[4:6])[0]
    at = 38
    at += 1 + hello[at]
    size = struct.unpack(">H", hello[at : at + 2])[0]
    ciphers = list(struct.unpack(f">{size // 2}H", hello[at + 2 : at + 2 + size]))
    at += 2 + size
    at += 1 + hello[at] + 2
    extensions = {}
    while at < len(hello):
        kind, size = struct.unpack(">HH", hello[at : at + 4])
        extensions[kind] = hello[at + 4 : at + 4 + size]
        at += 4 + size

    def numbers(kind, skip):
        data = extensions.get(kind, b"")[skip:]
        return list(struct.unpack(f">{len(data) // 2}H", data))

    lists = [ciphers, extensions, numbers(10, 2), extensions[11][1:]]
    ja3 = ",".join([str(version), *("-".join(map(str, each)) for each in lists)])

    def short_hash(text):
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def joined(values):
        return ",".join(f"{value:04x}" for value in values)

    alpn = extensions[16][3 : 3 + extensions[16][2]].decode()
    newest = {0x0304: "13", 0x0303: "12"}[max(numbers(43, 1))]
    own = sorted(set(extensions) - {0, 16})
    ja4 = "_".join(
        [
            f"t{newest}d{len(ciphers):02}{len(extensions):02}{alpn[0]}{alpn[-1]}",
            short_hash(joined(sorted(ciphers))),
            short_hash(f"{joined(own)}_{joined(numbers(13, 2))}"),
        ]
    )
    return hashlib.md5(ja3.encode()).hexdigest(), ja4


class TestTrust:
    def test_viewers_copies_never_reach_an_origin(self, located, origins):
        """Neither where nobody asks for them nor where the edge has nothing to say in their place."""
        names = [*CLOUDFRONT_HEADERS_2022_06, "CloudFront-Viewer-JA3-Fingerprint", "CloudFront-Error-Uri"]
        forged = [(name, "forged") for name in names]
        forged += [(name.replace("-", "_"), "forged") for name in names]
        asked, unasked = origins(), origins()
        for distribution in (
            asking(located, asked, ["CloudFront-Viewer-City"]),
            located.create(api_distribution(origin_at(unasked.port))),
        ):
            assert get_from(NOWHERE, located, distribution, forged).status == 200
        assert b"forged" not in asked.request.raw_head
        assert b"forged" not in unasked.request.raw_head

    def test_cache_policies_ask_for_them_too(self, located, origin):
        config = {
            "Name": f"policy-{uuid.uuid4()}",
            "MinTTL": 0,
            "DefaultTTL": 0,
            "MaxTTL": 1,
            "ParametersInCacheKeyAndForwardedToOrigin": {
                "EnableAcceptEncodingGzip": False,
                "HeadersConfig": {
                    "HeaderBehavior": "whitelist",
                    "Headers": counted(["CloudFront-Viewer-Country", "CloudFront-Is-Mobile-Viewer"]),
                },
                "CookiesConfig": {"CookieBehavior": "none"},
                "QueryStringsConfig": {"QueryStringBehavior": "none"},
            },
        }
        made = located.client().create_cache_policy(CachePolicyConfig=config)["CachePolicy"]["Id"]
        default = behavior(CachePolicyId=made)
        del default["OriginRequestPolicyId"]
        distribution = located.create(api_distribution(origin_at(origin.port), default=default))
        get_from(ANN_ARBOR, located, distribution, [("User-Agent", IPHONE)])
        expected = {"CloudFront-Viewer-Country": "US", "CloudFront-Is-Mobile-Viewer": "true"}
        assert made_fields(origin.request) == expected


class TestLocation:
    def test_what_is_known_is_told(self, located, origin):
        default = behavior(OriginRequestPolicyId=ALL_VIEWER_AND_CLOUDFRONT)
        distribution = located.create(api_distribution(origin_at(origin.port), default=default))
        for address in (ZURICH, ANN_ARBOR, NOWHERE):
            assert get_from(address, located, distribution).status == 200
        zurich, ann_arbor, nowhere = (
            {name: value for name, value in made_fields(request).items() if name in LOCATION}
            for request in origin.requests
        )
        assert zurich == {
            "CloudFront-Viewer-ASN": "64500",
            "CloudFront-Viewer-City": "Z%C3%BCrich",
            "CloudFront-Viewer-Country": "CH",
            "CloudFront-Viewer-Country-Name": "Switzerland",
            "CloudFront-Viewer-Country-Region": "ZH",
            "CloudFront-Viewer-Country-Region-Name": "Zurich",
            "CloudFront-Viewer-Latitude": "47.36820",
            "CloudFront-Viewer-Longitude": "8.56710",
            "CloudFront-Viewer-Postal-Code": "8001",
            "CloudFront-Viewer-Time-Zone": "Europe/Zurich",
        }
        assert ann_arbor == {
            "CloudFront-Viewer-City": "Ann Arbor",
            "CloudFront-Viewer-Country": "US",
            "CloudFront-Viewer-Country-Name": "United States",
            "CloudFront-Viewer-Country-Region": "MI",
            "CloudFront-Viewer-Country-Region-Name": "Michigan",
            "CloudFront-Viewer-Latitude": "42.30680",
            "CloudFront-Viewer-Longitude": "-83.70590",
            "CloudFront-Viewer-Metro-Code": "505",
            "CloudFront-Viewer-Postal-Code": "48105",
            "CloudFront-Viewer-Time-Zone": "America/Detroit",
        }
        assert nowhere == {}

    def test_the_managed_policy_gets_all_that_can_be_said(self, located, origin):
        default = behavior(OriginRequestPolicyId=ALL_VIEWER_AND_CLOUDFRONT)
        distribution = located.create(api_distribution(origin_at(origin.port), default=default))
        get_from(ZURICH, located, distribution)
        assert set(made_fields(origin.request)) == set(CLOUDFRONT_HEADERS_2022_06) - {
            "CloudFront-Viewer-Metro-Code"
        }

    def test_the_log_names_what_cannot_be_sent(self, mantlet, located, origin):
        names = ["CloudFront-Viewer-City", "CloudFront-Viewer-TLS", "CloudFront-Error-Uri"]
        unlocated = asking(mantlet, origin, names)
        assert "CloudFront-Error-Uri, CloudFront-Viewer-City" in deployment(mantlet, unlocated)
        knowing = asking(located, origin, names)
        assert 'not_sent="CloudFront-Error-Uri"' in deployment(located, knowing)


def deployment(mantlet, distribution):
    """The line of the log that tells of a deployment."""
    lines = [line for line in mantlet.log().splitlines() if "Deploying a distribution" in line]
    return next(line for line in lines if distribution.id in line)


def restriction(kind, *countries):
    return {"GeoRestriction": {"RestrictionType": kind, **counted(countries)}}


class TestGeoRestriction:
    @pytest.mark.parametrize(
        ("kind", "served"), [("whitelist", {ZURICH, NOWHERE}), ("blacklist", {ANN_ARBOR, NOWHERE})]
    )
    def test_a14_by_country_and_whoever_cannot_be_located_is_served(self, located, origin, kind, served):
        config = api_distribution(origin_at(origin.port), Restrictions=restriction(kind, "CH", "LI"))
        distribution = located.create(config)
        for address in (ZURICH, ANN_ARBOR, NOWHERE):
            answer = get_from(address, located, distribution)
            assert (answer.status == 200) == (address in served), (address, answer.status)
            if answer.status != 200:
                assert (answer.status, answer.fields.get("x-cache")) == (403, "Error from cloudfront")
                assert b"CountryNotServed" in answer.body
        assert len(origin.requests) == len(served)

    def test_a14_before_behaviors_and_in_the_log(self, located, origin):
        """In clear, where the cache behavior would redirect."""
        config = api_distribution(origin_at(origin.port), Restrictions=restriction("whitelist", "US"))
        distribution = located.create(config)
        answer = distribution.viewer.get(scheme="http")
        assert answer.status == 403

        def line():
            lines = located.access_log.read_text().splitlines()
            return [each for each in lines if answer.request_id in each]

        assert "ClientGeoBlocked" in wait_until(line, "the request in the access log")[0]

    def test_is_refused_without_a_database(self, mantlet, origin):
        config = api_distribution(origin_at(origin.port), Restrictions=restriction("whitelist", "US"))
        with pytest.raises(ClientError) as raised:
            mantlet.client().create_distribution(DistributionConfig=config)
        assert raised.value.response["Error"]["Code"] == "UnsupportedOperation"
        assert "GeoRestriction" in raised.value.response["Error"]["Message"]

    def test_a_database_that_is_gone_opens_nothing(self, tmp_path, origin):
        database = write_database(tmp_path / "countries.mmdb", COUNTRIES)
        config = api_distribution(origin_at(origin.port), Restrictions=restriction("whitelist", "CH"))
        with Mantlet(tmp_path / "data", "--geo-database", str(database)) as mantlet:
            distribution = mantlet.create(config)
            assert get_from(ZURICH, mantlet, distribution).status == 200
            assert mantlet.terminate() == 0
        for flags, status in ([], 403), (["--accept-unenforced"], 200):
            with Mantlet(tmp_path / "data", *flags) as mantlet:
                for address in (ZURICH, ANN_ARBOR, NOWHERE):
                    assert get_from(address, mantlet, distribution).status == status, (flags, address)
                assert mantlet.terminate() == 0
        assert "Nobody is served by a distribution with a geo restriction" in mantlet.log()

    def test_sighup_reads_the_database_again(self, tmp_path, origin):
        path = write_database(tmp_path / "countries.mmdb", COUNTRIES)
        config = api_distribution(origin_at(origin.port), Restrictions=restriction("whitelist", "CH"))
        with Mantlet(tmp_path / "data", "--geo-database", str(path)) as mantlet:
            distribution = mantlet.create(config)
            connection = Http1Connection(connect_from(ANN_ARBOR, mantlet, distribution.domain))
            with connection:

                def status():
                    return connection.ask("GET", "/", [("Host", distribution.domain)]).status

                assert status() == 403
                path.write_bytes(b"damaged")
                mantlet.process.send_signal(signal.SIGHUP)
                wait_until(lambda: "was not read again" in mantlet.log(), "the damage in the log")
                assert status() == 403
                write_database(path, {ANN_ARBOR: COUNTRIES[ZURICH]})
                mantlet.process.send_signal(signal.SIGHUP)
                wait_until(lambda: status() == 200, "the new database")
                assert mantlet.terminate() == 0


@pytest.mark.parametrize("contents", [b"", b"no database", b"\xab\xcd\xefMaxMind.com\xe0", None])
def test_a_damaged_database_is_an_error_at_start(tmp_path, contents):
    path = tmp_path / "damaged.mmdb"
    if contents is not None:
        path.write_bytes(contents)
    done = command("run", "--data-dir", str(tmp_path / "data"), *LISTEN, "--geo-database", str(path))
    assert done.returncode == 1
    assert str(path) in done.stderr
    assert "panicked" not in done.stderr
