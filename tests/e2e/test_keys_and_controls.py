"""Public keys, key groups, origin access controls, log configurations, monitoring, continuous deployment
and aliases, as boto3 sees them."""

import re
import subprocess
import uuid

import pytest
from botocore.exceptions import ClientError

from harness.config import api_distribution, behavior, counted, origin_at
from harness.mantlet import Mantlet

NO_ORIGIN_LISTENS_HERE = 3500
ACCOUNT = "000000000000"
# Well-formed names of things that do not exist.
OTHER_ETAG = "E2QWRUHAPOMQZL"
MISSING = "E00000000000AB"
STREAM = {
    "StreamType": "Kinesis",
    "KinesisStreamConfig": {
        "RoleARN": "arn:aws:iam::111122223333:role/logs",
        "StreamARN": "arn:aws:kinesis:us-east-1:111122223333:stream/logs",
    },
}


@pytest.fixture(scope="module")
def mantlet(tmp_path_factory):
    """A process of this module alone: lists are counted here."""
    with Mantlet(tmp_path_factory.mktemp("keys") / "data", "--accept-unenforced") as mantlet:
        yield mantlet


@pytest.fixture(scope="module")
def cloudfront(mantlet):
    return mantlet.client()


@pytest.fixture(scope="module")
def rsa_key():
    return made_key("genrsa", "2048")


@pytest.fixture(scope="module")
def p256_key():
    return made_key("ecparam", "-name", "prime256v1", "-genkey", "-noout")


def made_key(*arguments):
    """A new public key, as the Developer Guide has people make it."""
    private = subprocess.run(["openssl", *arguments], capture_output=True, check=True).stdout
    made = subprocess.run(
        ["openssl", "pkey", "-pubout"], input=private, capture_output=True, check=True, timeout=30
    )
    return made.stdout.decode()


def name():
    return f"name-{uuid.uuid4()}"


def public_key(encoded_key, **settings):
    return {"CallerReference": name(), "Name": name(), "EncodedKey": encoded_key, **settings}


def distribution_config(**settings):
    return api_distribution(origin_at(NO_ORIGIN_LISTENS_HERE), **settings)


def refusal(call, **arguments):
    """The status and the code of the error that `call` must end in."""
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    response = raised.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def pages(call, list_name, size=2):
    """All items of a list, page by page."""
    items, page = [], {}
    while True:
        listed = call(MaxItems=str(size), **page)[list_name]
        found = listed.get("Items", [])
        assert len(found) <= size
        assert listed.get("Quantity", len(found)) == len(found)
        items += found
        if not listed.get("NextMarker"):
            return items
        page = {"Marker": listed["NextMarker"]}


class TestPublicKeys:
    def test_life(self, cloudfront, rsa_key):
        config = public_key(rsa_key, Comment="first")
        made = cloudfront.create_public_key(PublicKeyConfig=config)
        key = made["PublicKey"]
        assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
        assert re.fullmatch(r"K[A-Z0-9]{13}", key["Id"])
        assert made["Location"].endswith(f"/2020-05-31/public-key/{key['Id']}")
        assert key["PublicKeyConfig"] == config
        got = cloudfront.get_public_key(Id=key["Id"])
        assert (got["PublicKey"], got["ETag"]) == (key, made["ETag"])
        read = cloudfront.get_public_key_config(Id=key["Id"])
        assert (read["PublicKeyConfig"], read["ETag"]) == (config, made["ETag"])
        changed = {**config, "Comment": "second"}
        updated = cloudfront.update_public_key(Id=key["Id"], IfMatch=made["ETag"], PublicKeyConfig=changed)
        assert updated["PublicKey"]["PublicKeyConfig"] == changed
        stale = refusal(cloudfront.delete_public_key, Id=key["Id"], IfMatch=made["ETag"])
        assert stale == (412, "PreconditionFailed")
        deleted = cloudfront.delete_public_key(Id=key["Id"], IfMatch=updated["ETag"])
        assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
        assert refusal(cloudfront.get_public_key, Id=key["Id"]) == (404, "NoSuchPublicKey")

    def test_p256_is_taken(self, cloudfront, p256_key):
        made = cloudfront.create_public_key(PublicKeyConfig=public_key(p256_key))
        cloudfront.delete_public_key(Id=made["PublicKey"]["Id"], IfMatch=made["ETag"])

    @pytest.mark.parametrize(
        "arguments", [("genrsa", "1024"), ("genrsa", "3072"), ("genpkey", "-algorithm", "ed25519")]
    )
    def test_other_keys_are_refused(self, cloudfront, arguments):
        config = public_key(made_key(*arguments))
        assert refusal(cloudfront.create_public_key, PublicKeyConfig=config) == (400, "InvalidArgument")

    def test_only_the_comment_changes(self, cloudfront, rsa_key, p256_key):
        config = public_key(rsa_key)
        made = cloudfront.create_public_key(PublicKeyConfig=config)
        request = {"Id": made["PublicKey"]["Id"], "IfMatch": made["ETag"]}
        for change in ({"Name": name()}, {"CallerReference": name()}, {"EncodedKey": p256_key}):
            refused = refusal(cloudfront.update_public_key, PublicKeyConfig={**config, **change}, **request)
            assert refused == (400, "CannotChangeImmutablePublicKeyFields")
        again = refusal(cloudfront.create_public_key, PublicKeyConfig=config)
        assert again == (409, "PublicKeyAlreadyExists")
        cloudfront.delete_public_key(**request)

    def test_pages(self, cloudfront, rsa_key):
        made = [cloudfront.create_public_key(PublicKeyConfig=public_key(rsa_key)) for _ in range(5)]
        listed = pages(cloudfront.list_public_keys, "PublicKeyList")
        assert [item["Id"] for item in listed] == sorted(one["PublicKey"]["Id"] for one in made)
        assert all(item["EncodedKey"] == rsa_key for item in listed)
        for one in made:
            cloudfront.delete_public_key(Id=one["PublicKey"]["Id"], IfMatch=one["ETag"])


class TestKeyGroups:
    @pytest.fixture
    def key(self, cloudfront, rsa_key):
        made = cloudfront.create_public_key(PublicKeyConfig=public_key(rsa_key))
        yield made["PublicKey"]["Id"]
        cloudfront.delete_public_key(Id=made["PublicKey"]["Id"], IfMatch=made["ETag"])

    def test_life_with_a_distribution(self, cloudfront, key):
        config = {"Name": name(), "Items": [key], "Comment": "first"}
        made = cloudfront.create_key_group(KeyGroupConfig=config)
        id = made["KeyGroup"]["Id"]
        assert uuid.UUID(id)
        assert made["KeyGroup"]["KeyGroupConfig"] == config
        assert cloudfront.get_key_group(Id=id)["KeyGroup"] == made["KeyGroup"]
        assert cloudfront.get_key_group_config(Id=id)["KeyGroupConfig"] == config
        changed = {**config, "Comment": "second"}
        made = cloudfront.update_key_group(Id=id, IfMatch=made["ETag"], KeyGroupConfig=changed)
        etag = cloudfront.get_public_key(Id=key)["ETag"]
        assert refusal(cloudfront.delete_public_key, Id=key, IfMatch=etag) == (409, "PublicKeyInUse")

        trusting = behavior(TrustedKeyGroups={"Enabled": True, **counted([id])})
        used = cloudfront.create_distribution(DistributionConfig=distribution_config(default=trusting))
        active = used["Distribution"]["ActiveTrustedKeyGroups"]
        assert active["Enabled"] is True
        assert active["Items"] == [{"KeyGroupId": id, "KeyPairIds": counted([key])}]
        assert refusal(cloudfront.delete_key_group, Id=id, IfMatch=made["ETag"]) == (409, "ResourceInUse")
        delete_distribution(cloudfront, used["Distribution"]["Id"])
        cloudfront.delete_key_group(Id=id, IfMatch=made["ETag"])
        assert refusal(cloudfront.get_key_group, Id=id) == (404, "NoSuchResource")

    def test_refusals(self, cloudfront, key):
        def refused(**change):
            config = {"Name": name(), "Items": [key], **change}
            return refusal(cloudfront.create_key_group, KeyGroupConfig=config)

        assert refused(Items=[]) == (400, "InvalidArgument")
        assert refused(Items=["K0000000000000"]) == (400, "InvalidArgument")
        assert refused(Items=[f"K{number}" for number in range(6)]) == (400, "TooManyPublicKeysInKeyGroup")
        config = distribution_config(
            default=behavior(TrustedKeyGroups={"Enabled": True, **counted([MISSING])})
        )
        missing = refusal(cloudfront.create_distribution, DistributionConfig=config)
        assert missing == (400, "TrustedKeyGroupDoesNotExist")

    def test_pages(self, cloudfront, key):
        made = [
            cloudfront.create_key_group(KeyGroupConfig={"Name": name(), "Items": [key]}) for _ in range(3)
        ]
        listed = pages(cloudfront.list_key_groups, "KeyGroupList")
        assert [item["KeyGroup"]["Id"] for item in listed] == sorted(one["KeyGroup"]["Id"] for one in made)
        for one in made:
            cloudfront.delete_key_group(Id=one["KeyGroup"]["Id"], IfMatch=one["ETag"])


class TestOriginAccessControls:
    def config(self, **settings):
        return {
            "Name": name()[:64],
            "Description": "",
            "SigningProtocol": "sigv4",
            "SigningBehavior": "always",
            "OriginAccessControlOriginType": "s3",
            **settings,
        }

    def test_life(self, cloudfront):
        config = self.config(Description="first")
        made = cloudfront.create_origin_access_control(OriginAccessControlConfig=config)
        control = made["OriginAccessControl"]
        id = control["Id"]
        assert re.fullmatch(r"E[A-Z0-9]{13}", id)
        assert control["OriginAccessControlConfig"] == config
        assert cloudfront.get_origin_access_control(Id=id)["OriginAccessControl"] == control
        read = cloudfront.get_origin_access_control_config(Id=id)
        assert (read["OriginAccessControlConfig"], read["ETag"]) == (config, made["ETag"])
        changed = {**config, "SigningBehavior": "no-override"}
        updated = cloudfront.update_origin_access_control(
            Id=id, IfMatch=made["ETag"], OriginAccessControlConfig=changed
        )
        again = refusal(cloudfront.create_origin_access_control, OriginAccessControlConfig=changed)
        assert again == (409, "OriginAccessControlAlreadyExists")
        cloudfront.delete_origin_access_control(Id=id, IfMatch=updated["ETag"])
        missing = refusal(cloudfront.get_origin_access_control, Id=id)
        assert missing == (404, "NoSuchOriginAccessControl")

    def test_pages(self, cloudfront):
        made = [
            cloudfront.create_origin_access_control(OriginAccessControlConfig=self.config()) for _ in range(3)
        ]
        listed = pages(cloudfront.list_origin_access_controls, "OriginAccessControlList")
        ids = [one["OriginAccessControl"]["Id"] for one in made]
        assert [item["Id"] for item in listed] == sorted(ids)
        for id, one in zip(ids, made, strict=True):
            cloudfront.delete_origin_access_control(Id=id, IfMatch=one["ETag"])


class TestMonitoringSubscriptions:
    def test_life(self, cloudfront):
        id = cloudfront.create_distribution(DistributionConfig=distribution_config())["Distribution"]["Id"]
        missing = refusal(cloudfront.get_monitoring_subscription, DistributionId=id)
        assert missing == (404, "NoSuchMonitoringSubscription")

        def subscribe(status):
            wanted = {"RealtimeMetricsSubscriptionConfig": {"RealtimeMetricsSubscriptionStatus": status}}
            made = cloudfront.create_monitoring_subscription(DistributionId=id, MonitoringSubscription=wanted)
            assert made["MonitoringSubscription"] == wanted
            got = cloudfront.get_monitoring_subscription(DistributionId=id)
            assert got["MonitoringSubscription"] == wanted

        subscribe("Enabled")
        with pytest.raises(cloudfront.exceptions.MonitoringSubscriptionAlreadyExists):
            subscribe("Enabled")
        subscribe("Disabled")
        deleted = cloudfront.delete_monitoring_subscription(DistributionId=id)
        assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 200
        missing = refusal(cloudfront.delete_monitoring_subscription, DistributionId=id)
        assert missing == (404, "NoSuchMonitoringSubscription")
        delete_distribution(cloudfront, id)
        gone = refusal(cloudfront.get_monitoring_subscription, DistributionId=id)
        assert gone == (404, "NoSuchDistribution")


class TestRealtimeLogConfigs:
    def test_life_with_a_distribution(self, cloudfront):
        config = {"Name": name(), "SamplingRate": 100, "EndPoints": [STREAM], "Fields": ["timestamp", "asn"]}
        made = cloudfront.create_realtime_log_config(**config)
        assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
        arn = f"arn:aws:cloudfront::{ACCOUNT}:realtime-log-config/{config['Name']}"
        assert made["RealtimeLogConfig"] == {**config, "ARN": arn}
        got = cloudfront.get_realtime_log_config(ARN=arn)
        assert got["RealtimeLogConfig"] == made["RealtimeLogConfig"]
        updated = cloudfront.update_realtime_log_config(**{**config, "SamplingRate": 7})
        assert updated["RealtimeLogConfig"]["SamplingRate"] == 7
        assert refusal(cloudfront.create_realtime_log_config, **config) == (
            409,
            "RealtimeLogConfigAlreadyExists",
        )

        logging = distribution_config(default=behavior(RealtimeLogConfigArn=arn))
        used = cloudfront.create_distribution(DistributionConfig=logging)["Distribution"]["Id"]
        in_use = refusal(cloudfront.delete_realtime_log_config, Name=config["Name"])
        assert in_use == (400, "RealtimeLogConfigInUse")
        delete_distribution(cloudfront, used)
        deleted = cloudfront.delete_realtime_log_config(ARN=arn)
        assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
        gone = refusal(cloudfront.get_realtime_log_config, Name=config["Name"])
        assert gone == (404, "NoSuchRealtimeLogConfig")

    def test_refusals(self, cloudfront):
        good = {"Name": "logs", "SamplingRate": 1, "EndPoints": [STREAM], "Fields": ["timestamp"]}
        for change in ({"SamplingRate": 0}, {"Fields": ["x"]}, {"Fields": []}, {"EndPoints": []}):
            refused = refusal(cloudfront.create_realtime_log_config, **{**good, **change})
            assert refused == (400, "InvalidArgument")
        foreign = "arn:aws:cloudfront::111122223333:realtime-log-config/logs"
        config = distribution_config(default=behavior(RealtimeLogConfigArn=foreign))
        refused = refusal(cloudfront.create_distribution, DistributionConfig=config)
        assert refused == (401, "RealtimeLogConfigOwnerMismatch")

    def test_pages(self, cloudfront):
        names = sorted(name() for _ in range(3))
        for one in names:
            cloudfront.create_realtime_log_config(
                Name=one, SamplingRate=1, EndPoints=[STREAM], Fields=["timestamp"]
            )
        listed = pages(cloudfront.list_realtime_log_configs, "RealtimeLogConfigs")
        assert [item["Name"] for item in listed] == names
        for one in names:
            cloudfront.delete_realtime_log_config(Name=one)


class TestContinuousDeployment:
    def policy(self, domain, **settings):
        weight = {"Weight": 0.15, "SessionStickinessConfig": {"IdleTTL": 300, "MaximumTTL": 600}}
        return {
            "StagingDistributionDnsNames": counted([domain]),
            "Enabled": True,
            "TrafficConfig": {"Type": "SingleWeight", "SingleWeightConfig": weight},
            **settings,
        }

    def test_copy_deploy_promote(self, mantlet, cloudfront, origin):
        primary = mantlet.create(api_distribution(origin_at(origin.port)))
        copied = cloudfront.copy_distribution(
            PrimaryDistributionId=primary.id,
            Staging=True,
            IfMatch=etag_of(cloudfront, primary.id),
            CallerReference=name(),
        )
        assert copied["ResponseMetadata"]["HTTPStatusCode"] == 201
        staging = copied["Distribution"]
        assert staging["DistributionConfig"]["Staging"] is True
        mantlet.wait_until_deployed(staging["Id"])
        assert mantlet.viewer(staging["DomainName"]).get("/").status == 403
        assert primary.viewer.get("/").status == 200

        config = self.policy(staging["DomainName"])
        made = cloudfront.create_continuous_deployment_policy(ContinuousDeploymentPolicyConfig=config)
        policy = made["ContinuousDeploymentPolicy"]
        assert policy["ContinuousDeploymentPolicyConfig"] == config
        again = cloudfront.create_continuous_deployment_policy
        in_use = refusal(again, ContinuousDeploymentPolicyConfig=config)
        assert in_use == (409, "StagingDistributionInUse")

        def attach(config):
            config["ContinuousDeploymentPolicyId"] = policy["Id"]

        mantlet.update(primary, attach)
        request = {"Id": policy["Id"], "IfMatch": made["ETag"]}
        in_use = refusal(cloudfront.delete_continuous_deployment_policy, **request)
        assert in_use == (409, "ContinuousDeploymentPolicyInUse")

        got = cloudfront.get_distribution_config(Id=staging["Id"])
        changed = {**got["DistributionConfig"], "Comment": "new"}
        cloudfront.update_distribution(Id=staging["Id"], IfMatch=got["ETag"], DistributionConfig=changed)
        promoted = cloudfront.update_distribution_with_staging_config(
            Id=primary.id,
            StagingDistributionId=staging["Id"],
            IfMatch=f"{etag_of(cloudfront, primary.id)}, {etag_of(cloudfront, staging['Id'])}",
        )
        now = promoted["Distribution"]["DistributionConfig"]
        assert (now["Comment"], now["Staging"]) == ("new", False)
        assert now["ContinuousDeploymentPolicyId"] == policy["Id"]
        read = cloudfront.get_continuous_deployment_policy_config(Id=policy["Id"])
        assert read["ContinuousDeploymentPolicyConfig"] == {**config, "Enabled": False}
        assert primary.viewer.get("/").status == 200

        delete_distribution(cloudfront, primary.id)
        cloudfront.delete_continuous_deployment_policy(Id=policy["Id"], IfMatch=read["ETag"])
        delete_distribution(cloudfront, staging["Id"])

    def test_refusals(self, cloudfront):
        made = cloudfront.create_distribution(DistributionConfig=distribution_config())["Distribution"]
        config = self.policy(made["DomainName"])
        create = cloudfront.create_continuous_deployment_policy
        refused = refusal(create, ContinuousDeploymentPolicyConfig=config)
        assert refused == (400, "InvalidArgument")
        with_policy = distribution_config(ContinuousDeploymentPolicyId=str(uuid.uuid4()))
        refused = refusal(cloudfront.create_distribution, DistributionConfig=with_policy)
        assert refused == (400, "InvalidArgument")
        delete_distribution(cloudfront, made["Id"])

    def test_pages(self, cloudfront):
        staging = [
            cloudfront.create_distribution(DistributionConfig=distribution_config(Staging=True))[
                "Distribution"
            ]
            for _ in range(3)
        ]
        made = [
            cloudfront.create_continuous_deployment_policy(
                ContinuousDeploymentPolicyConfig=self.policy(one["DomainName"])
            )
            for one in staging
        ]
        listed = pages(cloudfront.list_continuous_deployment_policies, "ContinuousDeploymentPolicyList")
        ids = [one["ContinuousDeploymentPolicy"]["Id"] for one in made]
        assert [item["ContinuousDeploymentPolicy"]["Id"] for item in listed] == sorted(ids)
        for id, one in zip(ids, made, strict=True):
            cloudfront.delete_continuous_deployment_policy(Id=id, IfMatch=one["ETag"])
        for one in staging:
            delete_distribution(cloudfront, one["Id"])


class TestAliases:
    def test_an_alias_needs_a_certificate(self, cloudfront):
        id = cloudfront.create_distribution(DistributionConfig=distribution_config())["Distribution"]["Id"]
        associate = cloudfront.associate_alias
        refused = refusal(associate, TargetDistributionId=id, Alias="api.example.com")
        assert refused == (400, "IllegalUpdate")
        refused = refusal(associate, TargetDistributionId=MISSING, Alias="api.example.com")
        assert refused == (404, "NoSuchDistribution")
        listed = cloudfront.list_conflicting_aliases(DistributionId=id, Alias="*.example.com")
        assert listed["ConflictingAliasesList"] == {"MaxItems": 100, "Quantity": 0}
        delete_distribution(cloudfront, id)


class TestTags:
    def test_what_cannot_be_tagged_is_no_such_resource(self, cloudfront):
        arn = f"arn:aws:cloudfront::{ACCOUNT}:realtime-log-config/logs"
        assert refusal(cloudfront.list_tags_for_resource, Resource=arn) == (404, "NoSuchResource")


def etag_of(cloudfront, id):
    return cloudfront.get_distribution_config(Id=id)["ETag"]


def delete_distribution(cloudfront, id):
    got = cloudfront.get_distribution_config(Id=id)
    config = {**got["DistributionConfig"], "Enabled": False}
    updated = cloudfront.update_distribution(Id=id, IfMatch=got["ETag"], DistributionConfig=config)
    cloudfront.delete_distribution(Id=id, IfMatch=updated["ETag"])
