"""Random configurations that the API must take: everything that its model allows and its rules do not forbid.

Each strategy makes what a client would send. Optional members are there or not, on their own.
"""

import uuid

from hypothesis import strategies as st

from .config import ALL_VIEWER, CACHING_DISABLED, METHODS, counted

SIMPLE_CORS = "60669652-455b-4ae9-85a4-c4c02393f86c"
CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"

FAILOVER_CODES = [400, 403, 404, 416, 429, 500, 502, 503, 504]
ERROR_CODES = [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504]
READ_ONLY = ["GET", "HEAD"]
WITH_OPTIONS = ["GET", "HEAD", "OPTIONS"]

TOKEN = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=20)
LABEL = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
HOST = st.lists(LABEL, min_size=2, max_size=4).map(".".join).map(lambda name: f"{name}.example")
ADDRESS = st.sampled_from(["127.0.0.1", "10.1.2.3", "192.168.7.9"])
PATH = st.lists(TOKEN, max_size=3).map(lambda parts: "".join(f"/{part}" for part in parts))
PAGE = st.lists(TOKEN, min_size=1, max_size=3).map(lambda parts: "".join(f"/{part}" for part in parts))
# What XML can carry and what breaks careless writers: markup, spaces, other scripts, surrogate pairs.
COMMENT = st.text(
    st.one_of(
        st.sampled_from("<>&\"' \t\n]]>"),
        st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Co")),
    ),
    max_size=128,
)
VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=60)
NAME = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,20}", fullmatch=True)
PORT = st.one_of(st.sampled_from([80, 443, 3500]), st.integers(1024, 65535))
TTLS = st.lists(st.integers(0, 31_536_000), min_size=3, max_size=3).map(sorted)


def some(**members):
    """A structure whose members are there or not, each on its own."""
    return st.fixed_dictionaries({}, optional=members)


def joined(*strategies):
    """One structure of several."""
    return st.tuples(*strategies).map(
        lambda parts: {name: value for part in parts for name, value in part.items()}
    )


def listing(items, **how):
    return st.lists(items, **how).map(counted)


def ids(count):
    return [f"origin {number} <&>" for number in range(count)]


CUSTOM_HEADER = st.fixed_dictionaries(
    {"HeaderName": NAME.map(lambda name: f"x-own-{name}"), "HeaderValue": VISIBLE}
)

CUSTOM_ORIGIN = joined(
    st.fixed_dictionaries(
        {
            "HTTPPort": PORT,
            "HTTPSPort": PORT,
            "OriginProtocolPolicy": st.sampled_from(["http-only", "https-only", "match-viewer"]),
        }
    ),
    some(
        OriginSslProtocols=listing(
            st.sampled_from(["SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2"]), min_size=1, unique=True
        ),
        OriginReadTimeout=st.integers(1, 120),
        OriginKeepaliveTimeout=st.integers(1, 120),
        IpAddressType=st.sampled_from(["ipv4", "dualstack"]),
    ),
)


def origin(id):
    return joined(
        st.fixed_dictionaries(
            {
                "Id": st.just(id),
                "DomainName": st.one_of(HOST, ADDRESS),
                "CustomOriginConfig": CUSTOM_ORIGIN,
            }
        ),
        some(
            OriginPath=PATH,
            CustomHeaders=listing(
                CUSTOM_HEADER, max_size=3, unique_by=lambda header: header["HeaderName"].lower()
            ),
            ConnectionAttempts=st.integers(1, 3),
            ConnectionTimeout=st.integers(1, 10),
            ResponseCompletionTimeout=st.integers(120, 3600),
            OriginShield=st.sampled_from(
                [{"Enabled": False}, {"Enabled": True, "OriginShieldRegion": "eu-central-1"}]
            ),
            OriginAccessControlId=st.just(""),
        ),
    )


def origin_group(id, origins):
    return st.fixed_dictionaries(
        {
            "Id": st.just(id),
            "FailoverCriteria": st.fixed_dictionaries(
                {"StatusCodes": listing(st.sampled_from(FAILOVER_CODES), min_size=1, unique=True)}
            ),
            "Members": st.permutations(origins).map(
                lambda members: counted({"OriginId": member} for member in members[:2])
            ),
        }
    )


METHOD_SETS = st.sampled_from(
    [
        (READ_ONLY, READ_ONLY),
        (WITH_OPTIONS, READ_ONLY),
        (WITH_OPTIONS, WITH_OPTIONS),
        (METHODS, READ_ONLY),
        (METHODS, WITH_OPTIONS),
    ]
).map(lambda sets: {**counted(sets[0]), "CachedMethods": counted(sets[1])})

WITH_POLICIES = joined(
    st.fixed_dictionaries({"CachePolicyId": st.sampled_from([CACHING_DISABLED, CACHING_OPTIMIZED])}),
    some(OriginRequestPolicyId=st.just(ALL_VIEWER)),
)

COOKIES = st.one_of(
    st.sampled_from([{"Forward": "none"}, {"Forward": "all"}]),
    st.lists(NAME, min_size=1, max_size=5, unique=True).map(
        lambda names: {"Forward": "whitelist", "WhitelistedNames": counted(names)}
    ),
)

FORWARDED_VALUES = joined(
    st.fixed_dictionaries({"Cookies": COOKIES}),
    st.one_of(
        st.just({"QueryString": False}),
        joined(
            st.just({"QueryString": True}),
            some(QueryStringCacheKeys=listing(NAME, max_size=5, unique=True)),
        ),
    ),
    some(Headers=listing(NAME.map(lambda name: f"X-Own-{name}"), max_size=5, unique_by=str.lower)),
)

WITHOUT_POLICIES = st.tuples(FORWARDED_VALUES, TTLS).map(
    lambda parts: {
        "ForwardedValues": parts[0],
        "MinTTL": parts[1][0],
        "DefaultTTL": parts[1][1],
        "MaxTTL": parts[1][2],
    }
)


def behavior(targets):
    return joined(
        st.fixed_dictionaries(
            {
                "TargetOriginId": st.sampled_from(targets),
                "ViewerProtocolPolicy": st.sampled_from(["allow-all", "https-only", "redirect-to-https"]),
            }
        ),
        st.one_of(WITH_POLICIES, WITHOUT_POLICIES),
        some(
            AllowedMethods=METHOD_SETS,
            Compress=st.booleans(),
            SmoothStreaming=st.booleans(),
            ResponseHeadersPolicyId=st.just(SIMPLE_CORS),
            FieldLevelEncryptionId=st.just(""),
            TrustedSigners=st.just({"Enabled": False, "Quantity": 0}),
            TrustedKeyGroups=st.just({"Enabled": False, "Quantity": 0}),
            LambdaFunctionAssociations=st.just({"Quantity": 0}),
            FunctionAssociations=st.just({"Quantity": 0}),
        ),
    )


PATH_PATTERN = st.one_of(
    st.lists(st.one_of(TOKEN, st.sampled_from(["*", "?"])), min_size=1, max_size=3).map("/".join),
    PAGE.map(lambda path: f"{path}*"),
)

ERROR_RESPONSE = joined(
    some(ErrorCachingMinTTL=st.integers(0, 31_536_000)),
    st.one_of(
        st.just({}),
        st.fixed_dictionaries(
            {"ResponsePagePath": PAGE, "ResponseCode": st.sampled_from(["200", "404", "503"])}
        ),
    ),
)


def cache_behaviors(targets):
    patterned = joined(st.fixed_dictionaries({"PathPattern": PATH_PATTERN}), behavior(targets))
    return listing(patterned, max_size=3, unique_by=lambda one: "/" + one["PathPattern"].lstrip("/"))


@st.composite
def distributions(draw):
    """A DistributionConfig without aliases and certificates, which need one another."""
    origins = ids(draw(st.integers(1, 3)))
    groups = ["group"] if len(origins) > 1 and draw(st.booleans()) else []
    targets = [*origins, *groups]
    config = {
        "CallerReference": str(uuid.uuid4()),
        "Comment": draw(COMMENT),
        "Enabled": draw(st.booleans()),
        "Origins": counted(draw(origin(id)) for id in origins),
        "DefaultCacheBehavior": draw(behavior(targets)),
    }
    if groups:
        config["OriginGroups"] = counted([draw(origin_group("group", origins))])
    codes = draw(st.lists(st.sampled_from(ERROR_CODES), max_size=3, unique=True))
    error_responses = counted({"ErrorCode": code, **draw(ERROR_RESPONSE)} for code in codes)
    optional = some(
        CacheBehaviors=cache_behaviors(targets),
        CustomErrorResponses=st.just(error_responses),
        DefaultRootObject=st.one_of(st.just(""), TOKEN),
        PriceClass=st.sampled_from(["PriceClass_100", "PriceClass_200", "PriceClass_All"]),
        HttpVersion=st.sampled_from(["http1.1", "http2", "http3", "http2and3"]),
        IsIPV6Enabled=st.booleans(),
        Aliases=st.just({"Quantity": 0}),
        WebACLId=st.just(""),
        ViewerCertificate=st.just({"CloudFrontDefaultCertificate": True}),
        Restrictions=st.just({"GeoRestriction": {"RestrictionType": "none", "Quantity": 0}}),
        Logging=st.sampled_from(
            [
                {"Enabled": False, "IncludeCookies": False, "Bucket": "", "Prefix": ""},
                {"Enabled": True, "IncludeCookies": True, "Bucket": "logs.s3.amazonaws.com", "Prefix": "a/"},
            ]
        ),
    )
    return config | draw(optional)


HEADER = NAME.map(lambda name: f"X-Own-{name}")
NAMES = st.lists(NAME, min_size=1, max_size=10, unique_by=str.lower)
HEADERS = st.lists(HEADER, min_size=1, max_size=10, unique_by=str.lower)
POLICY_NAME = st.builds(lambda: f"t-{uuid.uuid4()}")


def selection(kind, lists, names, behaviors, with_names):
    """One of the configurations of headers, cookies and query strings of a policy."""
    named = st.tuples(st.sampled_from(with_names), names).map(
        lambda parts: {f"{kind}Behavior": parts[0], lists: counted(parts[1])}
    )
    plain = st.sampled_from(behaviors).map(lambda behavior: {f"{kind}Behavior": behavior})
    return st.one_of(plain, named)


def selections(header_behaviors, header_lists, headers=HEADERS):
    return {
        "HeadersConfig": selection("Header", "Headers", headers, header_behaviors, header_lists),
        "CookiesConfig": selection("Cookie", "Cookies", NAMES, ["none", "all"], ["whitelist", "allExcept"]),
        "QueryStringsConfig": selection(
            "QueryString", "QueryStrings", NAMES, ["none", "all"], ["whitelist", "allExcept"]
        ),
    }


CACHE_KEY = st.fixed_dictionaries(
    {"EnableAcceptEncodingGzip": st.booleans(), **selections(["none"], ["whitelist"])},
    optional={"EnableAcceptEncodingBrotli": st.booleans()},
)

# With all three times at 0 nothing may be in the key, which has examples of its own.
CACHE_POLICIES = st.tuples(
    st.fixed_dictionaries({"Name": POLICY_NAME}, optional={"Comment": COMMENT}),
    TTLS.filter(any),
    st.one_of(st.none(), CACHE_KEY),
).map(
    lambda parts: {
        **parts[0],
        "MinTTL": parts[1][0],
        "DefaultTTL": parts[1][1],
        "MaxTTL": parts[1][2],
        **({"ParametersInCacheKeyAndForwardedToOrigin": parts[2]} if parts[2] else {}),
    }
)

ORIGIN_REQUEST_POLICIES = st.fixed_dictionaries(
    {"Name": POLICY_NAME, **selections(["none", "allViewer"], ["whitelist", "allExcept"])},
    optional={"Comment": COMMENT},
)

OVERRIDE = st.booleans()
ORIGIN = HOST.map(lambda host: f"https://{host}")

CORS = st.fixed_dictionaries(
    {
        "AccessControlAllowOrigins": listing(ORIGIN, min_size=1, max_size=3, unique=True),
        "AccessControlAllowHeaders": listing(HEADER, min_size=1, max_size=3, unique_by=str.lower),
        "AccessControlAllowMethods": listing(st.sampled_from(METHODS), min_size=1, unique=True),
        "AccessControlAllowCredentials": st.booleans(),
        "OriginOverride": OVERRIDE,
    },
    optional={
        "AccessControlExposeHeaders": listing(HEADER, min_size=1, max_size=3, unique_by=str.lower),
        "AccessControlMaxAgeSec": st.integers(1, 86_400),
    },
)

SECURITY_HEADERS = some(
    XSSProtection=st.one_of(
        st.fixed_dictionaries(
            {"Override": OVERRIDE, "Protection": st.just(True), "ModeBlock": st.booleans()}
        ),
        st.fixed_dictionaries({"Override": OVERRIDE, "Protection": st.just(False)}),
    ),
    FrameOptions=st.fixed_dictionaries(
        {"Override": OVERRIDE, "FrameOption": st.sampled_from(["DENY", "SAMEORIGIN"])}
    ),
    ReferrerPolicy=st.fixed_dictionaries(
        {"Override": OVERRIDE, "ReferrerPolicy": st.sampled_from(["no-referrer", "origin", "same-origin"])}
    ),
    ContentSecurityPolicy=st.fixed_dictionaries(
        {"Override": OVERRIDE, "ContentSecurityPolicy": st.just("default-src 'self'; img-src *")}
    ),
    ContentTypeOptions=st.fixed_dictionaries({"Override": OVERRIDE}),
    StrictTransportSecurity=st.fixed_dictionaries(
        {
            "Override": OVERRIDE,
            "AccessControlMaxAgeSec": st.integers(0, 63_072_000),
            "IncludeSubdomains": st.booleans(),
            "Preload": st.booleans(),
        }
    ),
)

ADDED_HEADERS = listing(
    st.fixed_dictionaries({"Header": HEADER, "Value": VISIBLE, "Override": OVERRIDE}),
    min_size=1,
    max_size=5,
    unique_by=lambda header: header["Header"].lower(),
)
REMOVED_HEADERS = listing(
    st.fixed_dictionaries({"Header": HEADER}),
    min_size=1,
    max_size=5,
    unique_by=lambda header: header["Header"].lower(),
)
SERVER_TIMING = st.fixed_dictionaries(
    {"Enabled": st.booleans(), "SamplingRate": st.integers(0, 1_000_000).map(lambda rate: rate / 10_000)}
)

RESPONSE_HEADERS_POLICIES = joined(
    st.fixed_dictionaries({"Name": POLICY_NAME}, optional={"Comment": COMMENT}),
    some(
        CorsConfig=CORS,
        SecurityHeadersConfig=SECURITY_HEADERS,
        ServerTimingHeadersConfig=SERVER_TIMING,
        CustomHeadersConfig=ADDED_HEADERS,
        RemoveHeadersConfig=REMOVED_HEADERS,
    ).filter(bool),
)
