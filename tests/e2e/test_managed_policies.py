"""All managed policies of the three kinds: ids, names and settings, got and listed."""

import pytest

from harness.config import ALL_VIEWER, CACHING_DISABLED
from managed_policies import CACHE_POLICIES, ORIGIN_REQUEST_POLICIES, RESPONSE_HEADERS_POLICIES

MISSING = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def cloudfront(mantlet):
    return mantlet.client()


@pytest.mark.parametrize("name", CACHE_POLICIES)
def test_cache_policy(cloudfront, name):
    id, expected = CACHE_POLICIES[name]
    policy = cloudfront.get_cache_policy(Id=id)["CachePolicy"]
    config = policy["CachePolicyConfig"]
    assert (policy["Id"], config["Name"]) == (id, f"Managed-{name}")
    if expected is None:
        return
    key = config["ParametersInCacheKeyAndForwardedToOrigin"]
    assert {
        "ttl": (config["MinTTL"], config["DefaultTTL"], config["MaxTTL"]),
        "headers": mode(key["HeadersConfig"], "HeaderBehavior", "Headers", fold=True),
        "cookies": mode(key["CookiesConfig"], "CookieBehavior", "Cookies"),
        "queries": mode(key["QueryStringsConfig"], "QueryStringBehavior", "QueryStrings"),
        "compression": (key["EnableAcceptEncodingGzip"], key["EnableAcceptEncodingBrotli"]),
    } == expected


@pytest.mark.parametrize("name", ORIGIN_REQUEST_POLICIES)
def test_origin_request_policy(cloudfront, name):
    id, expected = ORIGIN_REQUEST_POLICIES[name]
    policy = cloudfront.get_origin_request_policy(Id=id)["OriginRequestPolicy"]
    config = policy["OriginRequestPolicyConfig"]
    assert (policy["Id"], config["Name"]) == (id, f"Managed-{name}")
    assert {
        "headers": mode(config["HeadersConfig"], "HeaderBehavior", "Headers", fold=True),
        "cookies": mode(config["CookiesConfig"], "CookieBehavior", "Cookies"),
        "queries": mode(config["QueryStringsConfig"], "QueryStringBehavior", "QueryStrings"),
    } == expected


@pytest.mark.parametrize("name", RESPONSE_HEADERS_POLICIES)
def test_response_headers_policy_cors(cloudfront, name):
    id, expected, _ = RESPONSE_HEADERS_POLICIES[name]
    cors = response_headers_config(cloudfront, id, name).get("CorsConfig")
    if expected is None:
        assert cors is None
        return
    assert cors["AccessControlAllowOrigins"]["Items"] == expected["origins"]
    assert cors["OriginOverride"] is expected["override"]
    if "methods" in expected:
        assert sorted(cors["AccessControlAllowMethods"]["Items"]) == expected["methods"]
        assert cors["AccessControlExposeHeaders"]["Items"] == expected["expose"]


@pytest.mark.parametrize("name", RESPONSE_HEADERS_POLICIES)
def test_response_headers_policy_security(cloudfront, name):
    id, _, expected = RESPONSE_HEADERS_POLICIES[name]
    security = response_headers_config(cloudfront, id, name).get("SecurityHeadersConfig")
    if expected is None:
        assert security is None
        return
    assert set(security) == set(expected)
    for header, settings in expected.items():
        assert settings.items() <= security[header].items()


@pytest.mark.parametrize(
    ("operation", "list_name", "policy_name", "expected"),
    [
        ("list_cache_policies", "CachePolicyList", "CachePolicy", CACHE_POLICIES),
        (
            "list_origin_request_policies",
            "OriginRequestPolicyList",
            "OriginRequestPolicy",
            ORIGIN_REQUEST_POLICIES,
        ),
        (
            "list_response_headers_policies",
            "ResponseHeadersPolicyList",
            "ResponseHeadersPolicy",
            RESPONSE_HEADERS_POLICIES,
        ),
    ],
)
def test_list_has_exactly_the_managed_policies(cloudfront, operation, list_name, policy_name, expected):
    items, page = [], {}
    while True:
        listed = getattr(cloudfront, operation)(Type="managed", **page)[list_name]
        assert listed["Quantity"] == len(listed.get("Items", []))
        items += listed.get("Items", [])
        if "NextMarker" not in listed:
            break
        page = {"Marker": listed["NextMarker"]}
    assert {item["Type"] for item in items} == {"managed"}
    assert sorted(item[policy_name]["Id"] for item in items) == sorted(ids[0] for ids in expected.values())


@pytest.mark.parametrize(
    ("operation", "list_name"),
    [
        ("list_cache_policies", "CachePolicyList"),
        ("list_origin_request_policies", "OriginRequestPolicyList"),
        ("list_response_headers_policies", "ResponseHeadersPolicyList"),
    ],
)
def test_list_pages(cloudfront, operation, list_name):
    first = getattr(cloudfront, operation)(Type="managed", MaxItems="2")[list_name]
    second = getattr(cloudfront, operation)(Type="managed", MaxItems="2", Marker=first["NextMarker"])[
        list_name
    ]
    assert len(first["Items"]) == len(second["Items"]) == 2
    assert first["Items"] != second["Items"]


def test_config_of_a_managed_policy_is_what_the_policy_holds(cloudfront):
    policy = cloudfront.get_cache_policy(Id=CACHING_DISABLED)["CachePolicy"]
    config = cloudfront.get_cache_policy_config(Id=CACHING_DISABLED)["CachePolicyConfig"]
    assert config == policy["CachePolicyConfig"]


def test_comments_of_the_preset(cloudfront):
    cache = cloudfront.get_cache_policy_config(Id=CACHING_DISABLED)["CachePolicyConfig"]
    origin = cloudfront.get_origin_request_policy_config(Id=ALL_VIEWER)["OriginRequestPolicyConfig"]
    assert cache["Comment"] == "Policy with caching disabled"
    assert origin["Comment"] == "Policy to forward all parameters in viewer requests"


def test_missing_cache_policy(cloudfront):
    with pytest.raises(cloudfront.exceptions.NoSuchCachePolicy):
        cloudfront.get_cache_policy(Id=MISSING)


def test_missing_origin_request_policy(cloudfront):
    with pytest.raises(cloudfront.exceptions.NoSuchOriginRequestPolicy):
        cloudfront.get_origin_request_policy(Id=MISSING)


def test_missing_response_headers_policy(cloudfront):
    with pytest.raises(cloudfront.exceptions.NoSuchResponseHeadersPolicy):
        cloudfront.get_response_headers_policy(Id=MISSING)


def response_headers_config(cloudfront, id, name):
    config = cloudfront.get_response_headers_policy(Id=id)["ResponseHeadersPolicy"][
        "ResponseHeadersPolicyConfig"
    ]
    assert config["Name"] == f"Managed-{name}"
    return config


def mode(config, behavior, names, fold=False):
    items = config.get(names, {}).get("Items", [])
    return config[behavior], sorted(item.lower() if fold else item for item in items)
