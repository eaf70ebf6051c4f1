"""Policies of one's own, who uses them, web ACLs and invalidations, as unmodified clients see them; and what
a policy makes of a request."""

import contextlib
import itertools
import json
import uuid

import pytest
from botocore.exceptions import ClientError

from harness.config import (
    ALL_VIEWER,
    CACHING_DISABLED,
    api_distribution,
    behavior,
    counted,
    origin_at,
    without,
)
from harness.mantlet import Mantlet
from harness.waiting import wait_until

SECURITY_HEADERS = "67f7725c-6f97-4210-82d7-5512b31e9d03"
MISSING = "00000000-0000-4000-8000-000000000000"
WEB_ACL = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/acl/473e64fd-f30b-4765-81a0-62ad96dd167a"
NO_ORIGIN_LISTENS_HERE = 3500
# A well-formed ETag that no resource has.
OTHER_ETAG = "E2QWRUHAPOMQZL"

_numbers = itertools.count(1)


def name():
    return f"policy-{next(_numbers)}-{uuid.uuid4()}"


def cache_policy(min_ttl=1, headers=(), cookies=None, query_strings=None, gzip=False, **settings):
    """A cache policy with a list of each, or with a behavior without names."""
    return {
        "Name": name(),
        "MinTTL": min_ttl,
        "ParametersInCacheKeyAndForwardedToOrigin": {
            "EnableAcceptEncodingGzip": gzip,
            "HeadersConfig": selection("Header", "Headers", headers or None),
            "CookiesConfig": selection("Cookie", "Cookies", cookies),
            "QueryStringsConfig": selection("QueryString", "QueryStrings", query_strings),
        },
        **settings,
    }


def origin_request_policy(headers=None, cookies=None, query_strings=None, header_behavior="whitelist"):
    return {
        "Name": name(),
        "HeadersConfig": selection("Header", "Headers", headers, header_behavior),
        "CookiesConfig": selection("Cookie", "Cookies", cookies),
        "QueryStringsConfig": selection("QueryString", "QueryStrings", query_strings),
    }


def response_headers_policy():
    return {
        "Name": name(),
        "CorsConfig": {
            "AccessControlAllowOrigins": counted(["https://*.example.com"]),
            "AccessControlAllowHeaders": counted(["Authorization"]),
            "AccessControlAllowMethods": counted(["GET", "POST"]),
            "AccessControlAllowCredentials": True,
            "OriginOverride": True,
        },
        "SecurityHeadersConfig": {
            "StrictTransportSecurity": {"Override": True, "AccessControlMaxAgeSec": 63072000},
            "XSSProtection": {"Override": False, "Protection": True},
            "ContentSecurityPolicy": {"Override": True, "ContentSecurityPolicy": "default-src 'none'"},
        },
        "ServerTimingHeadersConfig": {"Enabled": True, "SamplingRate": 12.5},
        "CustomHeadersConfig": counted([{"Header": "X-Team", "Value": "skin", "Override": True}]),
        "RemoveHeadersConfig": counted([{"Header": "X-Powered-By"}]),
    }


def selection(kind, names_name, names, behavior="whitelist"):
    """`names` is a list of names, a behavior that needs none, or nothing."""
    if names is None or isinstance(names, str):
        return {f"{kind}Behavior": names or "none"}
    return {f"{kind}Behavior": behavior, names_name: counted(names)}


class Kind:
    """One of the three kinds of policies, with the names that its operations have."""

    def __init__(self, word, make, user_setting):
        self.word = word
        self.make = make
        self.user_setting = user_setting
        self.snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in word)[1:]

    def __repr__(self):
        return self.word

    def create(self, cloudfront, config):
        return self._call(cloudfront, "create_{}", **{f"{self.word}Config": config})

    def get(self, cloudfront, id):
        return self._call(cloudfront, "get_{}", Id=id)

    def get_config(self, cloudfront, id):
        got = self._call(cloudfront, "get_{}_config", Id=id)
        return got[f"{self.word}Config"], got["ETag"]

    def update(self, cloudfront, id, etag, config):
        return self._call(cloudfront, "update_{}", Id=id, IfMatch=etag, **{f"{self.word}Config": config})

    def delete(self, cloudfront, id, etag):
        return self._call(cloudfront, "delete_{}", Id=id, IfMatch=etag)

    def remove(self, cloudfront, id):
        with contextlib.suppress(ClientError):
            self.delete(cloudfront, id, self.get_config(cloudfront, id)[1])

    def custom(self, cloudfront):
        """The ids of all custom ones, page by page."""
        operation = getattr(cloudfront, f"list_{self.snake[:-1]}ies")
        ids, page = [], {}
        while True:
            listed = operation(Type="custom", MaxItems="2", **page)[f"{self.word}List"]
            ids += [item[self.word]["Id"] for item in listed.get("Items", [])]
            if "NextMarker" not in listed:
                return ids
            page = {"Marker": listed["NextMarker"]}

    def users(self, cloudfront, id, **page):
        operation = getattr(cloudfront, f"list_distributions_by_{self.snake}_id")
        return operation(**{f"{self.word}Id": id}, **page)["DistributionIdList"]

    def _call(self, cloudfront, operation, **arguments):
        return getattr(cloudfront, operation.format(self.snake))(**arguments)


CACHE = Kind("CachePolicy", cache_policy, "CachePolicyId")
ORIGIN_REQUEST = Kind(
    "OriginRequestPolicy",
    lambda: origin_request_policy(headers=["X-One"], cookies="all"),
    "OriginRequestPolicyId",
)
RESPONSE_HEADERS = Kind("ResponseHeadersPolicy", response_headers_policy, "ResponseHeadersPolicyId")
EVERY_KIND = pytest.mark.parametrize("kind", [CACHE, ORIGIN_REQUEST, RESPONSE_HEADERS], ids=repr)


@pytest.fixture(scope="module")
def cloudfront(mantlet):
    return mantlet.client()


@pytest.fixture
def make(cloudfront):
    """Makes policies: `make(kind, config)` → (id, ETag). What nobody uses is gone after the test."""
    made = []

    def create(kind, config=None):
        created = kind.create(cloudfront, config or kind.make())
        made.append((kind, created[kind.word]["Id"]))
        return created[kind.word]["Id"], created["ETag"]

    yield create
    for kind, id in made:
        kind.remove(cloudfront, id)


@pytest.fixture
def users(cloudfront):
    """Makes distributions with settings of the default cache behavior; they are gone before the policies."""
    made = []

    def create(port=NO_ORIGIN_LISTENS_HERE, settings=None):
        default = {**behavior(), **(settings or {})}
        config = api_distribution(origin_at(port), default=default)
        made.append(cloudfront.create_distribution(DistributionConfig=config)["Distribution"])
        return made[-1]

    yield create
    for distribution in made:
        got = cloudfront.get_distribution_config(Id=distribution["Id"])
        config = {**got["DistributionConfig"], "Enabled": False}
        updated = cloudfront.update_distribution(
            Id=distribution["Id"], IfMatch=got["ETag"], DistributionConfig=config
        )
        cloudfront.delete_distribution(Id=distribution["Id"], IfMatch=updated["ETag"])


def refusal(call, *arguments, **named):
    """The status and the code of the error that `call` must end in."""
    with pytest.raises(ClientError) as raised:
        call(*arguments, **named)
    response = raised.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


@EVERY_KIND
def test_a_policy_lives(cloudfront, kind):
    config = kind.make()
    created = kind.create(cloudfront, config)
    id, headers = created[kind.word]["Id"], created["ResponseMetadata"]["HTTPHeaders"]
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert headers["location"].endswith(f"/{id}")
    assert kind.get(cloudfront, id)[kind.word] == created[kind.word]
    read, etag = kind.get_config(cloudfront, id)
    assert etag == created["ETag"]
    assert contains(read, config)

    unchanged = kind.update(cloudfront, id, etag, read)
    assert kind.get_config(cloudfront, id) == (read, unchanged["ETag"])
    assert refusal(kind.update, cloudfront, id, etag, read) == (412, "PreconditionFailed")
    renamed = {**read, "Name": name(), "Comment": "renamed"}
    updated = kind.update(cloudfront, id, unchanged["ETag"], renamed)
    assert updated[kind.word][f"{kind.word}Config"] == renamed
    assert id in kind.custom(cloudfront)

    assert refusal(kind.delete, cloudfront, id, OTHER_ETAG) == (412, "PreconditionFailed")
    deleted = kind.delete(cloudfront, id, updated["ETag"])
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert refusal(kind.get, cloudfront, id) == (404, f"NoSuch{kind.word}")
    assert id not in kind.custom(cloudfront)


def contains(read, sent):
    """Whether everything that was sent is in what was read, beside what was filled in."""
    if isinstance(sent, dict):
        return all(key in read and contains(read[key], value) for key, value in sent.items())
    return read == sent


@EVERY_KIND
def test_a_name_is_had_once(cloudfront, make, kind):
    config = kind.make()
    make(kind, config)
    assert refusal(kind.create, cloudfront, config) == (409, f"{kind.word}AlreadyExists")


@EVERY_KIND
def test_a_policy_in_use_stays_and_its_users_are_listed(cloudfront, make, users, kind):
    id, etag = make(kind)
    assert kind.users(cloudfront, id)["Quantity"] == 0
    made = sorted(users(settings={kind.user_setting: id})["Id"] for _ in range(3))
    assert refusal(kind.delete, cloudfront, id, etag) == (409, f"{kind.word}InUse")
    first = kind.users(cloudfront, id, MaxItems="2")
    assert (first["Items"], first["IsTruncated"], first["NextMarker"]) == (made[:2], True, made[1])
    second = kind.users(cloudfront, id, MaxItems="2", Marker=first["NextMarker"])
    assert (second["Items"], second["IsTruncated"]) == (made[2:], False)
    assert refusal(kind.users, cloudfront, MISSING) == (404, f"NoSuch{kind.word}")


def test_defaults_are_filled_in(cloudfront, make):
    id, _ = make(CACHE, {"Name": name(), "MinTTL": 90_000})
    config, _ = CACHE.get_config(cloudfront, id)
    assert without(config, "Name") == {
        "Comment": "",
        "MinTTL": 90_000,
        "DefaultTTL": 90_000,
        "MaxTTL": 31_536_000,
        "ParametersInCacheKeyAndForwardedToOrigin": {
            "EnableAcceptEncodingGzip": False,
            "EnableAcceptEncodingBrotli": False,
            "HeadersConfig": {"HeaderBehavior": "none"},
            "CookiesConfig": {"CookieBehavior": "none"},
            "QueryStringsConfig": {"QueryStringBehavior": "none"},
        },
    }


@pytest.mark.parametrize(
    ("kind", "config", "sentence"),
    [
        (
            CACHE,
            cache_policy(min_ttl=0, headers=["Authorization"], DefaultTTL=0, MaxTTL=0),
            "The parameter HeaderBehavior is invalid for policy with caching disabled",
        ),
        (CACHE, cache_policy(headers=["CloudFront-Viewer-TLS"]), "CloudFront-Viewer-TLS that is not allowed"),
        (CACHE, {**cache_policy(), "Name": "no spaces"}, "The parameter Name"),
        (
            ORIGIN_REQUEST,
            origin_request_policy(headers=["Host"], header_behavior="allViewerAndWhitelistCloudFront"),
            "contains Host that is not allowed",
        ),
        (RESPONSE_HEADERS, {"Name": "nothing"}, "neither adds nor removes"),
        (
            RESPONSE_HEADERS,
            {
                "Name": "custom",
                "CustomHeadersConfig": counted(
                    [{"Header": "X-Frame-Options", "Value": "DENY", "Override": True}]
                ),
            },
            "contains X-Frame-Options that is a security header and cannot be set as custom header.",
        ),
    ],
)
def test_what_is_wrong_is_said(cloudfront, kind, config, sentence):
    with pytest.raises(cloudfront.exceptions.InvalidArgument, match=sentence):
        kind.create(cloudfront, config)


def test_whitelists_of_both_policies_reach_the_origin_and_nothing_else_does(
    mantlet, cloudfront, make, users, origin
):
    cache, _ = make(CACHE, cache_policy(headers=["X-In-Key"], cookies=["lang"], query_strings=["page"]))
    request, _ = make(
        ORIGIN_REQUEST,
        origin_request_policy(
            headers=["Authorization", "CloudFront-Forwarded-Proto"],
            cookies=["session"],
            query_strings=["sort"],
        ),
    )
    settings = {"CachePolicyId": cache, "OriginRequestPolicyId": request}
    distribution = users(origin.port, settings)
    mantlet.wait_until_deployed(distribution["Id"])
    fields = [
        ("X-In-Key", "1"),
        ("X-Other", "2"),
        ("Authorization", "Bearer token"),
        ("CloudFront-Forwarded-Proto", "gopher"),
        ("Cookie", "lang=en; session=s; other=o"),
    ]
    answer = mantlet.viewer(distribution["DomainName"]).get("/list?page=2&sort=up&other=x", fields)
    assert answer.status == 200
    seen = origin.request
    assert seen.target == "/list?page=2&sort=up"
    assert sorted(seen.fields.get("cookie").split("; ")) == ["lang=en", "session=s"]
    assert (seen.fields.get("x-in-key"), seen.fields.get("authorization")) == ("1", "Bearer token")
    assert seen.fields.get("cloudfront-forwarded-proto") == "https"
    assert "x-other" not in seen.fields


def test_a_changed_policy_reaches_the_distributions_that_use_it(mantlet, cloudfront, make, users, origin):
    id, etag = make(ORIGIN_REQUEST, origin_request_policy(headers=["X-One"]))
    distribution = users(origin.port, {"OriginRequestPolicyId": id})
    mantlet.wait_until_deployed(distribution["Id"])
    viewer = mantlet.viewer(distribution["DomainName"])
    fields = [("X-One", "1"), ("X-Two", "2")]
    viewer.get("/", fields)
    config, _ = ORIGIN_REQUEST.get_config(cloudfront, id)
    config["HeadersConfig"]["Headers"] = counted(["X-Two"])
    ORIGIN_REQUEST.update(cloudfront, id, etag, config)
    mantlet.wait_until_deployed(distribution["Id"])
    viewer.get("/", fields)
    before, after = origin.requests
    assert ("x-one" in before.fields, "x-two" in before.fields) == (True, False)
    assert ("x-one" in after.fields, "x-two" in after.fields) == (False, True)


def test_a_policy_with_all_times_at_0_is_not_said_to_cache(mantlet, make, users):
    disabled, _ = make(CACHE, cache_policy(min_ttl=0, DefaultTTL=0, MaxTTL=0))
    enabled, _ = make(CACHE)
    for id, caches in [(disabled, False), (enabled, True)]:
        made = users(settings={"CachePolicyId": id})

        def line(id=made["Id"]):
            lines = mantlet.log().splitlines()
            return next((line for line in lines if id in line and "Deploying a distribution" in line), None)

        assert ("caching" in wait_until(line, "the line about the deployment")) is caches


def test_distributions_without_a_web_acl_are_listed(cloudfront, users):
    made = users()["Id"]
    ids, page = [], {}
    while True:
        listed = cloudfront.list_distributions_by_web_acl_id(WebACLId="null", MaxItems="2", **page)
        ids += [item["Id"] for item in listed["DistributionList"].get("Items", [])]
        if not listed["DistributionList"]["IsTruncated"]:
            break
        page = {"Marker": listed["DistributionList"]["NextMarker"]}
    assert made in ids


def test_a_web_acl_is_refused_while_nothing_enforces_it(cloudfront, users):
    id = users()["Id"]
    etag = cloudfront.get_distribution(Id=id)["ETag"]
    associate = cloudfront.associate_distribution_web_acl
    refused = refusal(associate, Id=id, WebACLArn=WEB_ACL, IfMatch=etag)
    assert refused == (400, "UnsupportedOperation")
    assert refusal(associate, Id=id, WebACLArn="acl", IfMatch=etag) == (400, "InvalidArgument")
    off = cloudfront.disassociate_distribution_web_acl(Id=id, IfMatch=etag)
    assert off["ETag"] == cloudfront.get_distribution(Id=id)["ETag"] != etag


def test_a_web_acl_is_put_on_listed_and_taken_off_where_the_operator_takes_it(tmp_path):
    with Mantlet(tmp_path / "data", "--accept-unenforced") as mantlet:
        cloudfront = mantlet.client()
        config = api_distribution(origin_at(NO_ORIGIN_LISTENS_HERE))
        made = cloudfront.create_distribution(DistributionConfig=config)
        id = made["Distribution"]["Id"]
        on = cloudfront.associate_distribution_web_acl(Id=id, WebACLArn=WEB_ACL, IfMatch=made["ETag"])
        assert (on["Id"], on["WebACLArn"]) == (id, WEB_ACL)
        # The ARN stands in the path, slashes and all.
        listed = cloudfront.list_distributions_by_web_acl_id(WebACLId=WEB_ACL)["DistributionList"]
        assert [(item["Id"], item["WebACLId"]) for item in listed["Items"]] == [(id, WEB_ACL)]
        cloudfront.disassociate_distribution_web_acl(Id=id, IfMatch=on["ETag"])
        assert (
            cloudfront.list_distributions_by_web_acl_id(WebACLId=WEB_ACL)["DistributionList"]["Quantity"] == 0
        )
        assert refusal(cloudfront.list_distributions_by_web_acl_id, WebACLId="acl") == (
            400,
            "InvalidWebACLId",
        )


def test_look_ups_of_what_cannot_exist(cloudfront):
    for refused in [
        refusal(cloudfront.list_distributions_by_vpc_origin_id, VpcOriginId="vo_1"),
        refusal(cloudfront.list_distributions_by_anycast_ip_list_id, AnycastIpListId="aip_1"),
        refusal(cloudfront.list_distributions_by_trust_store, TrustStoreIdentifier="ts_1"),
        refusal(cloudfront.list_distributions_by_connection_function, ConnectionFunctionIdentifier="cf_1"),
        refusal(cloudfront.list_distributions_by_owned_resource, ResourceArn="arn:aws:cloudfront::1:x/y"),
    ]:
        assert refused == (404, "EntityNotFound")
    by_log = cloudfront.list_distributions_by_realtime_log_config
    assert refusal(by_log, RealtimeLogConfigName="missing") == (400, "InvalidArgument")
    assert refusal(cloudfront.list_distributions_by_key_group, KeyGroupId=MISSING) == (404, "NoSuchResource")


def test_distributions_are_listed_by_connection_mode(cloudfront, users):
    made = users()["Id"]
    listed, page = [], {}
    while True:
        answer = cloudfront.list_distributions_by_connection_mode(ConnectionMode="direct", **page)
        listed += [item["Id"] for item in answer["DistributionList"].get("Items", [])]
        if not answer["DistributionList"]["IsTruncated"]:
            break
        page = {"Marker": answer["DistributionList"]["NextMarker"]}
    assert made in listed
    assert len(listed) == len(set(listed))
    listed = cloudfront.list_distributions_by_connection_mode(ConnectionMode="tenant-only")
    assert listed["DistributionList"]["Quantity"] == 0


def test_an_invalidation_is_made_once_and_completed(cloudfront, users):
    id = users()["Id"]

    def create(reference, *paths):
        batch = {"CallerReference": reference, "Paths": counted(paths)}
        return cloudfront.create_invalidation(DistributionId=id, InvalidationBatch=batch)

    made = create("one", "/a", "/b/*")
    invalidation = made["Invalidation"]
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert made["Location"].endswith(f"/distribution/{id}/invalidation/{invalidation['Id']}")
    cloudfront.get_waiter("invalidation_completed").wait(
        DistributionId=id, Id=invalidation["Id"], WaiterConfig={"Delay": 1, "MaxAttempts": 1}
    )
    got = cloudfront.get_invalidation(DistributionId=id, Id=invalidation["Id"])
    assert got["Invalidation"] == invalidation
    assert create("one", "/a", "/b/*")["Invalidation"] == invalidation
    assert refusal(create, "one", "/c") == (409, "InvalidationBatchAlreadyExists")
    assert refusal(create, "two", "no-slash") == (400, "InvalidArgument")
    newer = create("two", "/*")["Invalidation"]["Id"]
    first = cloudfront.list_invalidations(DistributionId=id, MaxItems="1")["InvalidationList"]
    assert ([item["Id"] for item in first["Items"]], first["IsTruncated"]) == ([newer], True)
    pages = cloudfront.get_paginator("list_invalidations").paginate(
        DistributionId=id, PaginationConfig={"PageSize": 1}
    )
    listed = [item["Id"] for page in pages for item in page["InvalidationList"]["Items"]]
    assert listed == [newer, invalidation["Id"]]


def test_aws_cli_makes_a_policy_uses_it_and_invalidates(aws, mantlet, origin, tmp_path):
    def file(content):
        path = tmp_path / f"{uuid.uuid4()}.json"
        path.write_text(json.dumps(content))
        return f"file://{path}"

    policy = aws(
        *("cloudfront", "create-origin-request-policy"),
        *("--origin-request-policy-config", file(origin_request_policy(headers=["X-One"]))),
    )
    id = policy["OriginRequestPolicy"]["Id"]
    config = api_distribution(origin_at(origin.port), default=behavior(OriginRequestPolicyId=id))
    made = aws("cloudfront", "create-distribution", "--distribution-config", file(config))
    distribution = made["Distribution"]
    aws("cloudfront", "wait", "distribution-deployed", "--id", distribution["Id"])
    mantlet.viewer(distribution["DomainName"]).get("/", [("X-One", "1"), ("X-Two", "2")])
    assert ("x-one" in origin.request.fields, "x-two" in origin.request.fields) == (True, False)

    of = ("--distribution-id", distribution["Id"])
    invalidation = aws("cloudfront", "create-invalidation", *of, "--paths", "/*", "/index.html")
    aws("cloudfront", "wait", "invalidation-completed", *of, "--id", invalidation["Invalidation"]["Id"])
    listed = aws("cloudfront", "list-invalidations", *of)["InvalidationList"]["Items"]
    assert [item["Status"] for item in listed] == ["Completed"]

    users = aws(
        *("cloudfront", "list-distributions-by-origin-request-policy-id"),
        *("--origin-request-policy-id", id),
    )
    assert users["DistributionIdList"]["Items"] == [distribution["Id"]]
    config = aws("cloudfront", "get-distribution-config", "--id", distribution["Id"])
    disabled = {**config["DistributionConfig"], "Enabled": False}
    updated = aws(
        *("cloudfront", "update-distribution", "--id", distribution["Id"], "--if-match", config["ETag"]),
        *("--distribution-config", file(disabled)),
    )
    aws("cloudfront", "delete-distribution", "--id", distribution["Id"], "--if-match", updated["ETag"])
    aws("cloudfront", "delete-origin-request-policy", "--id", id, "--if-match", policy["ETag"])


def test_managed_policies_have_users_too(cloudfront, users):
    made = users(settings={"ResponseHeadersPolicyId": SECURITY_HEADERS})["Id"]
    assert made in RESPONSE_HEADERS.users(cloudfront, SECURITY_HEADERS)["Items"]
    for kind, id in [(CACHE, CACHING_DISABLED), (ORIGIN_REQUEST, ALL_VIEWER)]:
        ids, page = [], {}
        while True:
            listed = kind.users(cloudfront, id, **page)
            ids += listed.get("Items", [])
            if not listed["IsTruncated"]:
                break
            page = {"Marker": listed["NextMarker"]}
        assert made in ids
