"""What the origin gets under each managed policy, under ForwardedValues and under combinations: one golden
table, header by header (B2 to B7, B9, B12).

The sources are "Request and response behavior for custom origins" (the table of request headers), "Understand
cache policies", "Understand origin request policies" and the three pages on managed policies.
"""

import itertools
import uuid

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
from harness.origin import RecordingOrigin
from managed_policies import CACHE_POLICIES, ORIGIN_REQUEST_POLICIES

# What the viewer sends with every request of the table, but for Host and User-Agent, which are last.
SENT = [
    ("Accept", "text/plain"),
    ("Accept-Charset", "utf-8"),
    ("Accept-Encoding", "gzip, deflate, br"),
    ("Accept-Language", "de"),
    ("Access-Control-Request-Headers", "x-custom"),
    ("Access-Control-Request-Method", "PUT"),
    ("Authorization", "Bearer token"),
    ("Cache-Control", "no-cache"),
    ("CloudFront-Viewer-Country", "ZZ"),
    ("CloudFront-Forwarded-Proto", "gopher"),
    ("Content-Language", "fr"),
    ("Cookie", "a=1; session=2; session_id=3"),
    ("Date", "Tue, 01 Jan 2030 00:00:00 GMT"),
    ("Expect", "100-continue"),
    ("Forwarded", "for=6.6.6.6"),
    ("From", "somebody@example.com"),
    ("If-None-Match", '"tag"'),
    ("Max-Forwards", "9"),
    ("Origin", "https://app.example.com"),
    ("Pragma", "no-cache"),
    ("Range", "bytes=0-1"),
    ("Referer", "https://app.example.com/"),
    ("TE", "trailers"),
    ("Via", "1.1 before"),
    ("Warning", "199 - w"),
    ("X-Amz-Cf-Id", "forged"),
    ("X-Custom", "custom"),
    ("X-Edge-Location", "forged"),
    ("X-Forwarded-For", "6.6.6.6"),
    ("X-Forwarded-Proto", "gopher"),
    ("X-HTTP-Method", "PUT"),
    ("X-HTTP-Method-Override", "PUT"),
    ("X-Method-Override", "PUT"),
    ("X-Real-IP", "6.6.6.6"),
    ("User-Agent", "viewer/1"),
]
QUERY = "page=1&sort=up&start=2"

# One column a cache behavior, by the letter that the table gives it: a name to read in a failure, and what is
# different from CachingDisabled without an origin request policy.
managed_cache = {name: {"CachePolicyId": id} for name, (id, expected) in CACHE_POLICIES.items() if expected}
managed_request = {name: {"OriginRequestPolicyId": id} for name, (id, _) in ORIGIN_REQUEST_POLICIES.items()}


def forwarded_values(headers=(), cookies=None, query=False, keys=()):
    """ForwardedValues in place of both policies; `cookies` are names, or "all"."""
    forward = "whitelist" if isinstance(cookies, list) else (cookies or "none")
    names = {"WhitelistedNames": counted(cookies)} if forward == "whitelist" else {}
    return {
        "CachePolicyId": None,
        "ForwardedValues": {
            "QueryString": query,
            "Cookies": {"Forward": forward, **names},
            "Headers": counted(headers),
            "QueryStringCacheKeys": counted(keys),
        },
        "MinTTL": 0,
        "DefaultTTL": 0,
        "MaxTTL": 0,
    }


COLUMNS = {
    # The seven documented cache policies, each without an origin request policy.
    "a": ("CachingDisabled", {}),
    "b": ("CachingOptimized", managed_cache["CachingOptimized"]),
    "c": ("…ForUncompressedObjects", managed_cache["CachingOptimizedForUncompressedObjects"]),
    "d": ("UseOriginCacheControlHeaders", managed_cache["UseOriginCacheControlHeaders"]),
    "e": ("…-QueryStrings", managed_cache["UseOriginCacheControlHeaders-QueryStrings"]),
    "f": ("Elemental-MediaPackage", managed_cache["Elemental-MediaPackage"]),
    "g": ("Amplify", managed_cache["Amplify"]),
    # The eight origin request policies, each with CachingDisabled.
    "h": ("AllViewer", managed_request["AllViewer"]),
    "i": ("AllViewerExceptHostHeader", managed_request["AllViewerExceptHostHeader"]),
    "j": ("AllViewerAndCloudFrontHeaders", managed_request["AllViewerAndCloudFrontHeaders-2022-06"]),
    "k": ("CORS-CustomOrigin", managed_request["CORS-CustomOrigin"]),
    "l": ("CORS-S3Origin", managed_request["CORS-S3Origin"]),
    "m": ("UserAgentRefererHeaders", managed_request["UserAgentRefererHeaders"]),
    "n": ("HostHeaderOnly", managed_request["HostHeaderOnly"]),
    "o": ("Elemental-MediaTailor", managed_request["Elemental-MediaTailor-PersonalizedManifests"]),
    # ForwardedValues.
    "p": ("nothing forwarded", forwarded_values()),
    "q": ("some forwarded", forwarded_values(["Authorization", "Referer"], ["session*"])),
    "r": ("all headers, nothing else", forwarded_values(["*"])),
    "s": ("all headers, cookies and queries", forwarded_values(["*"], "all", True)),
    "t": ("one query string in the key", forwarded_values(["Host"], ["a"], True, ["page"])),
    # Combinations: what the cache policy includes is forwarded, whatever the other says.
    "u": (
        "gzip and Brotli with AllViewer",
        {**managed_cache["CachingOptimized"], **managed_request["AllViewer"]},
    ),
    "v": (
        "Amplify with AllViewerExceptHost",
        {**managed_cache["Amplify"], "OriginRequestPolicyId": ALL_VIEWER_EXCEPT_HOST},
    ),
    "w": ("allow-list against block-list", {"CachePolicyId": "custom", "OriginRequestPolicyId": "custom"}),
}

# `=` as the viewer sent it; `.` not at all; `o` the origin's own name; `c` Amazon CloudFront; `n` br,gzip;
# `g` gzip; `+` the viewer's value, and the edge's behind it.
TABLE = """
                                 abcdefg hijklmno pqrst uvw
Host                             ooo==o= =o=ooo=o oo=== ==o
Accept                           ....... ===..... ..==. ==.
Accept-Charset                   ....... ===..... ..==. ===
Accept-Encoding                  .n.nngn ===..... gg==g nn=
Accept-Language                  ....... ===..... ..==. ===
Access-Control-Request-Headers   ....... ===.=..= ===== ===
Access-Control-Request-Method    ....... ===.=..= ===== ===
Authorization                    ......= ===..... .===. ===
Cache-Control                    ======= ======== ===== ===
CloudFront-Viewer-Country        ....... ........ ..... ...
Content-Language                 ======= ======== ===== ===
Cookie a                         ...==.= ===..... ...== ===
Cookie session                   ...==.= ===..... .=.=. ==.
Cookie session_id                ...==.= ===..... .=.=. ===
Date                             ....... ===..... ===== ===
Expect                           ....... ........ ..... ...
Forwarded                        ....... ===..... ===== ===
From                             ....... ===..... ===== ===
If-None-Match                    ======= ======== ===== ===
Max-Forwards                     ======= ======== ===== ===
Origin                           ...===. =====..= ===== ===
Pragma                           ======= ======== ===== ===
Range                            ======= ======== ===== ===
Referer                          ....... ===..=.. .===. ===
TE                               ....... ........ ..... ...
User-Agent                       ccccccc ===cc=c= cc==c ===
Via                              +++++++ ++++++++ +++++ +++
Warning                          ....... ===..... ===== ===
X-Custom                         ....... ===..... ===== ===
X-Edge-Location                  ....... ........ ..... ...
X-Forwarded-For                  +++++++ ++++++++ +++++ +++
X-Forwarded-Proto                ....... ........ ..... ...
X-HTTP-Method                    ...==.. ===..... ===== ===
X-HTTP-Method-Override           ...==.. ===..... ..==. ===
X-Method-Override                ...==.. ===..... ===== ===
X-Real-IP                        ....... ........ ..... ...
?page                            ....=.= ===....= ...== ===
?sort                            ....=.= ===....= ...== ==.
?start                           ....=== ===....= ...== ===
"""


def cells():
    """(row, column's letter, cell) of the table."""
    head, *rows = TABLE.strip("\n").splitlines()
    for row in rows:
        name = row[:33].strip()
        for letter, cell in zip(head[33:].replace(" ", ""), row[33:].replace(" ", ""), strict=True):
            yield name, letter, cell


def test_the_table_has_every_header_that_is_sent_and_every_column():
    rows = {name for name, _, _ in cells()}
    sent = {name for name, _ in SENT} - {"Cookie", "CloudFront-Forwarded-Proto", "X-Amz-Cf-Id"}
    assert {name.split()[0] for name in rows if not name.startswith(("?", "Cookie "))} == sent | {"Host"}
    assert {letter for _, letter, _ in cells()} == set(COLUMNS)


@pytest.mark.parametrize("letter", COLUMNS, ids=[f"{letter} {name}" for letter, (name, _) in COLUMNS.items()])
def test_the_origin_gets_what_the_table_says(asked, letter):
    viewer, seen = asked(letter)
    expected = {name: cell for name, column, cell in cells() if column == letter}
    assert {name: cell_of(name, seen, viewer) for name in expected} == expected
    assert seen.fields.get("x-amz-cf-id") not in (None, "forged")
    assert seen.fields.get("connection") == "Keep-Alive"
    assert seen.fields.get("cloudfront-forwarded-proto") in (None, "https")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_b6_authorization_goes_unasked_with_methods_that_are_not_cached(asked, method):
    for letter in "akp":
        _, seen = asked(letter, method)
        assert seen.fields.get("authorization") == "Bearer token", COLUMNS[letter]


def test_b9_a_viewer_of_http_1_0_is_sent_nothing_compressed_where_a_policy_compresses(asked):
    _, seen = asked("b", version="1.0")
    assert "accept-encoding" not in seen.fields


def cell_of(name, seen, viewer):
    """What the table says of a header that the origin got."""
    kind, _, part = name.partition(" ")
    if kind == "Cookie":
        pairs = (seen.fields.get("cookie") or "").split("; ")
        return "=" if any(pair.split("=")[0] == part for pair in pairs) else "."
    if name.startswith("?"):
        return "=" if any(pair.startswith(f"{name[1:]}=") for pair in seen.query.split("&")) else "."
    values = seen.fields.all(name)
    if not values:
        return "."
    assert len(values) == 1, (name, values)
    return meaning(name, values[0], viewer)


def meaning(name, value, viewer):
    sent = viewer.host if name == "Host" else dict(SENT)[name]
    known = {sent: "=", "127.0.0.1": "o", "Amazon CloudFront": "c", "br,gzip": "n", "gzip": "g"}
    if name == "X-Forwarded-For":
        known[f"{sent},127.0.0.1"] = "+"
    if name == "Via" and value.startswith(f"{sent}, ") and value.endswith(".cloudfront.net (CloudFront)"):
        return "+"
    return known.get(value, value)


@pytest.fixture(scope="module")
def asked(mantlet):
    """Asks through a column's behavior: `asked(letter)` → the viewer, and the request that the origin got."""
    origin = RecordingOrigin()
    custom = custom_policies(mantlet.client())
    behaviors = [
        with_settings(settings, custom, PathPattern=f"/{letter}/*")
        for letter, (_, settings) in COLUMNS.items()
    ]
    viewer = mantlet.create(api_distribution(origin_at(origin.port), behaviors=behaviors)).viewer
    numbers = itertools.count(1)

    def ask(letter, method="GET", version="1.1"):
        path = f"/{letter}/{next(numbers)}"
        with viewer.http1() as connection:
            fields = [("Host", viewer.host), *SENT]
            connection.send_request(method, f"{path}?{QUERY}", fields, version=version)
            assert connection.read_answer(method).status == 200
        return viewer, next(seen for seen in origin.requests if seen.path == path)

    yield ask
    origin.close()
    assert origin.misdeeds == []


def with_settings(settings, custom, **more):
    """A behavior of a column. A setting of None is left out, `custom` stands for a policy of one's own."""
    base = without(behavior(), "OriginRequestPolicyId")
    merged = {**base, "CachePolicyId": CACHING_DISABLED, **settings, **more}
    return {
        name: custom[name] if value == "custom" else value
        for name, value in merged.items()
        if value is not None
    }


def custom_policies(cloudfront):
    """A cache policy that includes what an origin request policy blocks."""
    unique = uuid.uuid4()
    cache = cloudfront.create_cache_policy(
        CachePolicyConfig={
            "Name": f"included-{unique}",
            "MinTTL": 1,
            "ParametersInCacheKeyAndForwardedToOrigin": {
                "EnableAcceptEncodingGzip": False,
                "EnableAcceptEncodingBrotli": False,
                "HeadersConfig": {"HeaderBehavior": "whitelist", "Headers": counted(["X-Custom"])},
                "CookiesConfig": {"CookieBehavior": "whitelist", "Cookies": counted(["a"])},
                "QueryStringsConfig": {"QueryStringBehavior": "whitelist", "QueryStrings": counted(["page"])},
            },
        }
    )
    request = cloudfront.create_origin_request_policy(
        OriginRequestPolicyConfig={
            "Name": f"blocked-{unique}",
            "HeadersConfig": {
                "HeaderBehavior": "allExcept",
                "Headers": counted(["x-custom", "Accept", "Host"]),
            },
            "CookiesConfig": {"CookieBehavior": "allExcept", "Cookies": counted(["a", "session"])},
            "QueryStringsConfig": {
                "QueryStringBehavior": "allExcept",
                "QueryStrings": counted(["page", "sort"]),
            },
        }
    )
    return {
        "CachePolicyId": cache["CachePolicy"]["Id"],
        "OriginRequestPolicyId": request["OriginRequestPolicy"]["Id"],
    }
