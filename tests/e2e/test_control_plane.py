"""Distributions, tags and refusals, as unmodified clients see them."""

import re
import uuid

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from harness.config import api_distribution, behavior, counted, origin_at, without
from harness.mantlet import Mantlet

NO_ORIGIN_LISTENS_HERE = 3500
CLOUDFRONT_ID = r"[EI][A-Z0-9]{12,14}"
# A well-formed ETag that no resource has.
OTHER_ETAG = "E2QWRUHAPOMQZL"


@pytest.fixture(scope="module")
def cloudfront(mantlet):
    return mantlet.client()


@pytest.fixture
def config():
    return api_distribution(origin_at(NO_ORIGIN_LISTENS_HERE))


@pytest.fixture
def made(cloudfront, config):
    """What CreateDistribution answered."""
    return cloudfront.create_distribution(DistributionConfig=config)


def refusal(call, **arguments):
    """The status and the code of the error that `call` must end in."""
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    response = raised.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


class TestCreate:
    def test_answers_201_with_location_and_etag(self, made):
        headers = made["ResponseMetadata"]["HTTPHeaders"]
        assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
        assert made["Location"].startswith("http")
        assert made["Location"].endswith(f"/2020-05-31/distribution/{made['Distribution']['Id']}")
        assert headers["etag"] == made["ETag"]

    def test_every_answer_has_a_request_id(self, made):
        assert uuid.UUID(made["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"])

    def test_names_things_as_cloudfront_does(self, made):
        distribution = made["Distribution"]
        id = distribution["Id"]
        assert re.fullmatch(CLOUDFRONT_ID, id)
        assert re.fullmatch(CLOUDFRONT_ID, made["ETag"])
        assert distribution["ARN"] == f"arn:aws:cloudfront::000000000000:distribution/{id}"
        assert re.fullmatch(r"d[a-z0-9]{12,14}\.mantlet\.localhost", distribution["DomainName"])

    def test_status_is_one_of_two(self, made):
        assert made["Distribution"]["Status"] in ("InProgress", "Deployed")

    def test_a_caller_reference_is_used_once(self, cloudfront, config, made):
        again = refusal(cloudfront.create_distribution, DistributionConfig=config)
        assert again == (409, "DistributionAlreadyExists")

    def test_unknown_origin_is_refused(self, cloudfront, config):
        config["DefaultCacheBehavior"]["TargetOriginId"] = "nobody"
        assert refusal(cloudfront.create_distribution, DistributionConfig=config) == (404, "NoSuchOrigin")

    def test_unknown_cache_policy_is_refused(self, cloudfront, config):
        config["DefaultCacheBehavior"]["CachePolicyId"] = str(uuid.uuid4())
        assert refusal(cloudfront.create_distribution, DistributionConfig=config) == (
            404,
            "NoSuchCachePolicy",
        )

    def test_unknown_origin_request_policy_is_refused(self, cloudfront, config):
        config["DefaultCacheBehavior"]["OriginRequestPolicyId"] = str(uuid.uuid4())
        answer = refusal(cloudfront.create_distribution, DistributionConfig=config)
        assert answer == (404, "NoSuchOriginRequestPolicy")

    def test_wrong_quantity_is_refused(self, cloudfront, config):
        config["Origins"]["Quantity"] = 2
        answer = refusal(cloudfront.create_distribution, DistributionConfig=config)
        assert answer == (400, "InconsistentQuantities")


class TestRead:
    def test_get_answers_what_create_answered(self, cloudfront, made):
        got = cloudfront.get_distribution(Id=made["Distribution"]["Id"])
        assert got["ETag"] == made["ETag"]
        volatile = ("Status", "InProgressInvalidationBatches")
        assert without(got["Distribution"], *volatile) == without(made["Distribution"], *volatile)

    def test_get_config_is_what_the_distribution_holds(self, cloudfront, made):
        got = cloudfront.get_distribution_config(Id=made["Distribution"]["Id"])
        assert got["DistributionConfig"] == made["Distribution"]["DistributionConfig"]
        assert got["ETag"] == made["ETag"]

    def test_everything_sent_comes_back(self, config, made):
        assert contains(made["Distribution"]["DistributionConfig"], config)

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            (("PriceClass",), "PriceClass_All"),
            (("HttpVersion",), "http2"),
            (("ViewerCertificate", "CloudFrontDefaultCertificate"), True),
            (("ViewerCertificate", "MinimumProtocolVersion"), "TLSv1"),
            (("Restrictions", "GeoRestriction", "RestrictionType"), "none"),
            (("Origins", "Items", 0, "ConnectionAttempts"), 3),
            (("Origins", "Items", 0, "ConnectionTimeout"), 10),
            (("Origins", "Items", 0, "CustomOriginConfig", "OriginReadTimeout"), 30),
            (("Origins", "Items", 0, "CustomOriginConfig", "OriginKeepaliveTimeout"), 5),
            (("DefaultCacheBehavior", "Compress"), False),
            (("WebACLId",), ""),
            (("Aliases", "Quantity"), 0),
        ],
        ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else None,
    )
    def test_defaults_are_filled_in(self, made, path, expected):
        value = made["Distribution"]["DistributionConfig"]
        for step in path:
            value = value[step]
        assert value == expected

    def test_missing_distribution(self, cloudfront):
        assert refusal(cloudfront.get_distribution, Id="E00000000000AB") == (404, "NoSuchDistribution")

    def test_list_holds_it_once(self, cloudfront, made):
        pages = cloudfront.get_paginator("list_distributions").paginate()
        items = [item for page in pages for item in page["DistributionList"].get("Items", [])]
        ours = [item for item in items if item["Id"] == made["Distribution"]["Id"]]
        assert len(ours) == 1
        assert ours[0]["DomainName"] == made["Distribution"]["DomainName"]
        assert ours[0]["Origins"]["Items"][0]["DomainName"] == "127.0.0.1"

    def test_list_pages_have_no_overlap(self, cloudfront, made):
        for _ in range(3):
            cloudfront.create_distribution(DistributionConfig=api_distribution(origin_at(3500)))
        pages = list(
            cloudfront.get_paginator("list_distributions").paginate(PaginationConfig={"PageSize": 1})
        )
        ids = [item["Id"] for page in pages for item in page["DistributionList"].get("Items", [])]
        assert all(len(page["DistributionList"].get("Items", [])) <= 1 for page in pages)
        assert len(ids) == len(set(ids)) >= 4


class TestUpdate:
    def test_unchanged_config_comes_back_equal(self, cloudfront, made):
        id = made["Distribution"]["Id"]
        before = cloudfront.get_distribution_config(Id=id)
        cloudfront.update_distribution(
            Id=id, IfMatch=before["ETag"], DistributionConfig=before["DistributionConfig"]
        )
        after = cloudfront.get_distribution_config(Id=id)
        assert after["DistributionConfig"] == before["DistributionConfig"]

    def test_gives_a_new_etag(self, cloudfront, made):
        updated = update_comment(cloudfront, made, "changed", IfMatch=made["ETag"])
        assert updated["ETag"] != made["ETag"]

    def test_without_if_match_is_400(self, cloudfront, made):
        answer = refusal(update_comment, cloudfront=cloudfront, made=made, comment="x")
        assert answer == (400, "InvalidIfMatchVersion")

    def test_with_another_etag_is_412(self, cloudfront, made):
        answer = refusal(update_comment, cloudfront=cloudfront, made=made, comment="x", IfMatch=OTHER_ETAG)
        assert answer == (412, "PreconditionFailed")

    def test_with_a_stale_etag_is_412(self, cloudfront, made):
        update_comment(cloudfront, made, "first", IfMatch=made["ETag"])
        answer = refusal(update_comment, cloudfront=cloudfront, made=made, comment="x", IfMatch=made["ETag"])
        assert answer == (412, "PreconditionFailed")

    def test_a_refused_update_changes_nothing(self, cloudfront, made):
        refusal(update_comment, cloudfront=cloudfront, made=made, comment="x", IfMatch=OTHER_ETAG)
        got = cloudfront.get_distribution_config(Id=made["Distribution"]["Id"])
        assert got["DistributionConfig"]["Comment"] == ""

    def test_caller_reference_may_not_change(self, cloudfront, made):
        config = made["Distribution"]["DistributionConfig"] | {"CallerReference": str(uuid.uuid4())}
        answer = refusal(
            cloudfront.update_distribution,
            Id=made["Distribution"]["Id"],
            IfMatch=made["ETag"],
            DistributionConfig=config,
        )
        assert answer == (400, "IllegalUpdate")

    def test_of_a_missing_distribution_is_404(self, cloudfront, config):
        answer = refusal(
            cloudfront.update_distribution,
            Id="E00000000000AB",
            IfMatch=OTHER_ETAG,
            DistributionConfig=config,
        )
        assert answer == (404, "NoSuchDistribution")


class TestDelete:
    def test_of_an_enabled_distribution_is_409(self, cloudfront, made):
        answer = refusal(cloudfront.delete_distribution, Id=made["Distribution"]["Id"], IfMatch=made["ETag"])
        assert answer == (409, "DistributionNotDisabled")

    def test_without_if_match_is_400(self, cloudfront, disabled):
        id, _ = disabled
        assert refusal(cloudfront.delete_distribution, Id=id) == (400, "InvalidIfMatchVersion")

    def test_with_another_etag_is_412(self, cloudfront, disabled):
        id, _ = disabled
        answer = refusal(cloudfront.delete_distribution, Id=id, IfMatch=OTHER_ETAG)
        assert answer == (412, "PreconditionFailed")

    def test_of_a_disabled_distribution_is_204(self, cloudfront, disabled):
        id, etag = disabled
        answer = cloudfront.delete_distribution(Id=id, IfMatch=etag)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204

    def test_it_is_gone_afterwards(self, cloudfront, disabled):
        id, etag = disabled
        cloudfront.delete_distribution(Id=id, IfMatch=etag)
        assert refusal(cloudfront.get_distribution, Id=id) == (404, "NoSuchDistribution")

    @pytest.fixture
    def disabled(self, mantlet, cloudfront, made):
        id = made["Distribution"]["Id"]
        config = made["Distribution"]["DistributionConfig"] | {"Enabled": False}
        updated = cloudfront.update_distribution(Id=id, IfMatch=made["ETag"], DistributionConfig=config)
        mantlet.wait_until_deployed(id, cloudfront)
        return id, updated["ETag"]


class TestTags:
    def test_created_with_tags(self, cloudfront, config):
        arn = self.create(cloudfront, config, team="skin", env="test")
        assert self.tags(cloudfront, arn) == {"team": "skin", "env": "test"}

    def test_created_without_tags(self, cloudfront, made):
        assert self.tags(cloudfront, made["Distribution"]["ARN"]) == {}

    def test_tag_adds_and_replaces(self, cloudfront, config):
        arn = self.create(cloudfront, config, team="skin", env="test")
        tags = {"Items": [{"Key": "env", "Value": "live"}, {"Key": "owner", "Value": "ada"}]}
        cloudfront.tag_resource(Resource=arn, Tags=tags)
        assert self.tags(cloudfront, arn) == {"team": "skin", "env": "live", "owner": "ada"}

    def test_untag_removes(self, cloudfront, config):
        arn = self.create(cloudfront, config, team="skin", env="test")
        cloudfront.untag_resource(Resource=arn, TagKeys={"Items": ["env", "never-was"]})
        assert self.tags(cloudfront, arn) == {"team": "skin"}

    def test_tagging_leaves_the_etag_alone(self, cloudfront, made):
        tags = {"Items": [{"Key": "a", "Value": "b"}]}
        cloudfront.tag_resource(Resource=made["Distribution"]["ARN"], Tags=tags)
        assert cloudfront.get_distribution(Id=made["Distribution"]["Id"])["ETag"] == made["ETag"]

    def test_of_a_missing_resource(self, cloudfront):
        arn = "arn:aws:cloudfront::000000000000:distribution/E00000000000AB"
        assert refusal(cloudfront.list_tags_for_resource, Resource=arn) == (404, "NoSuchResource")

    def create(self, cloudfront, config, **tags):
        items = [{"Key": key, "Value": value} for key, value in tags.items()]
        with_tags = {"DistributionConfig": config, "Tags": {"Items": items}}
        made = cloudfront.create_distribution_with_tags(DistributionConfigWithTags=with_tags)
        return made["Distribution"]["ARN"]

    def tags(self, cloudfront, arn):
        items = cloudfront.list_tags_for_resource(Resource=arn)["Tags"].get("Items", [])
        return {item["Key"]: item["Value"] for item in items}


@pytest.fixture(scope="module")
def accepting(tmp_path_factory):
    with Mantlet(tmp_path_factory.mktemp("accepting") / "data", "--accept-unenforced") as mantlet:
        yield mantlet.client()


# Settings that restrict access and that nothing enforces yet: name → (where it stands, its value).
UNENFORCED = {
    "TrustedKeyGroups": (
        "behavior",
        {"Enabled": True, "Quantity": 1, "Items": ["7c2a3c6e-7d1b-4e1f-9f7a-0d3b5f8e6a11"]},
    ),
    "TrustedSigners": ("behavior", {"Enabled": True, "Quantity": 1, "Items": ["self"]}),
    "FunctionAssociations": (
        "behavior",
        counted(
            [
                {
                    "FunctionARN": "arn:aws:cloudfront::000000000000:function/gate",
                    "EventType": "viewer-request",
                }
            ]
        ),
    ),
    "LambdaFunctionAssociations": (
        "behavior",
        counted(
            [
                {
                    "LambdaFunctionARN": "arn:aws:lambda:us-east-1:000000000000:function:gate:1",
                    "EventType": "viewer-request",
                }
            ]
        ),
    ),
    "GeoRestriction": (
        "Restrictions",
        {"GeoRestriction": {"RestrictionType": "whitelist", **counted(["DE"])}},
    ),
    "WebACLId": (
        "WebACLId",
        "arn:aws:wafv2:us-east-1:000000000000:global/webacl/gate/473e64fd-f30b-4765-81a0-62ad96dd167a",
    ),
    "ViewerMtls": (
        "ViewerMtlsConfig",
        {"Mode": "required", "TrustStoreConfig": {"TrustStoreId": "ts_2x4y6z8"}},
    ),
}


def with_unenforced(config, name):
    where, value = UNENFORCED[name]
    if where == "behavior":
        config["DefaultCacheBehavior"][name] = value
    else:
        config[where] = value
    return config


class TestFailClosed:
    @pytest.mark.parametrize("name", UNENFORCED)
    def test_create_is_refused_by_name(self, cloudfront, config, name):
        with pytest.raises(ClientError) as raised:
            cloudfront.create_distribution(DistributionConfig=with_unenforced(config, name))
        error = raised.value.response["Error"]
        assert error["Code"] == "UnsupportedOperation"
        assert name in error["Message"]

    @pytest.mark.parametrize("name", UNENFORCED)
    def test_update_is_refused(self, cloudfront, made, name):
        config = with_unenforced(made["Distribution"]["DistributionConfig"], name)
        answer = refusal(
            cloudfront.update_distribution,
            Id=made["Distribution"]["Id"],
            IfMatch=made["ETag"],
            DistributionConfig=config,
        )
        assert answer == (400, "UnsupportedOperation")

    @pytest.mark.parametrize("name", [name for name in UNENFORCED if UNENFORCED[name][0] == "behavior"])
    def test_other_behaviors_count_too(self, cloudfront, config, name):
        other = behavior(PathPattern="/gated/*", **{name: UNENFORCED[name][1]})
        config["CacheBehaviors"] = counted([other])
        answer = refusal(cloudfront.create_distribution, DistributionConfig=config)
        assert answer == (400, "UnsupportedOperation")

    def test_a_blacklist_is_refused_too(self, cloudfront, config):
        restriction = {"RestrictionType": "blacklist", **counted(["DE"])}
        config["Restrictions"] = {"GeoRestriction": restriction}
        answer = refusal(cloudfront.create_distribution, DistributionConfig=config)
        assert answer == (400, "UnsupportedOperation")

    @pytest.mark.parametrize("name", UNENFORCED)
    def test_accepted_when_the_operator_says_so(self, accepting, config, name):
        config = with_unenforced(config, name)
        if name == "TrustedKeyGroups":
            # This one must exist.
            config["DefaultCacheBehavior"][name] = {"Enabled": True, **counted([make_key_group(accepting)])}
        made = accepting.create_distribution(DistributionConfig=config)
        assert contains(made["Distribution"]["DistributionConfig"], config)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("TrustedKeyGroups", {"Enabled": False, "Quantity": 0}),
            ("TrustedSigners", {"Enabled": False, "Quantity": 0}),
            ("FunctionAssociations", {"Quantity": 0}),
            ("LambdaFunctionAssociations", {"Quantity": 0}),
        ],
    )
    def test_switched_off_settings_are_accepted(self, cloudfront, config, name, value):
        """aws-cli and Terraform send these with every distribution."""
        config["DefaultCacheBehavior"][name] = value
        made = cloudfront.create_distribution(DistributionConfig=config)
        assert made["Distribution"]["DistributionConfig"]["DefaultCacheBehavior"][name] == value


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("list_vpc_origins", {}),
        ("list_trust_stores", {}),
        ("list_streaming_distributions", {}),
        ("list_field_level_encryption_configs", {}),
        ("get_connection_group", {"Identifier": "cg_1"}),
        ("delete_anycast_ip_list", {"Id": "aip_1", "IfMatch": OTHER_ETAG}),
        ("create_anycast_ip_list", {"Name": "a", "IpCount": 3}),
    ],
)
def test_an_operation_that_is_not_implemented_says_so(cloudfront, operation, arguments):
    with pytest.raises(ClientError) as raised:
        getattr(cloudfront, operation)(**arguments)
    response = raised.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert cloudfront.meta.method_to_api_mapping[operation] in response["Error"]["Message"]


def test_changes_draw_no_warning_of_the_feed(mantlet, cloudfront):
    cloudfront.create_distribution(DistributionConfig=api_distribution(origin_at(NO_ORIGIN_LISTENS_HERE)))
    assert "Ignored a bundle" not in mantlet.log()


def make_key_group(cloudfront):
    """The id of a new key group, with a new public key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    encoded = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    config = {"CallerReference": str(uuid.uuid4()), "Name": str(uuid.uuid4()), "EncodedKey": encoded.decode()}
    public_key = cloudfront.create_public_key(PublicKeyConfig=config)["PublicKey"]["Id"]
    group = {"Name": str(uuid.uuid4()), "Items": [public_key]}
    return cloudfront.create_key_group(KeyGroupConfig=group)["KeyGroup"]["Id"]


def update_comment(cloudfront, made, comment, **arguments):
    config = made["Distribution"]["DistributionConfig"] | {"Comment": comment}
    return cloudfront.update_distribution(
        Id=made["Distribution"]["Id"], DistributionConfig=config, **arguments
    )


def contains(whole, part):
    """Whether everything in `part` stands in `whole`, which may have more (filled-in defaults)."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            name in whole and contains(whole[name], value) for name, value in part.items()
        )
    if isinstance(part, list) and part and isinstance(part[0], dict):
        return len(whole) == len(part) and all(map(contains, whole, part))
    if isinstance(part, list):
        # Sets on the wire: methods, protocols, names.
        return sorted(whole) == sorted(part)
    return whole == part
