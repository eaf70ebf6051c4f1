"""Configuration in files, with the real binary: import what AWS has, apply what is declared, export it."""

import json
import re
import subprocess
import uuid

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from harness.config import api_distribution, behavior, counted, origin_at
from harness.mantlet import Mantlet, clean_environment, command
from harness.terraform import PATIENCE, Terraform

DISTRIBUTION = """\
Kind: Distribution
Name: {name}
Tags: {{stage: test}}
Config:
  Enabled: true
  Comment: {comment}
  Origins:
    - Id: api
      DomainName: 127.0.0.1
      CustomOriginConfig: {{HTTPPort: {port}, HTTPSPort: 443, OriginProtocolPolicy: http-only}}
  DefaultCacheBehavior:
    TargetOriginId: api
    ViewerProtocolPolicy: redirect-to-https
    AllowedMethods: [GET, HEAD, OPTIONS, PUT, PATCH, POST, DELETE]
    CachePolicyId: !Ref Managed-CachingDisabled
    OriginRequestPolicyId: !Ref {request_policy}
"""

REQUEST_POLICY = """\
Kind: OriginRequestPolicy
Name: {name}
Config:
  Comment: {comment}
  HeadersConfig: {{HeaderBehavior: allViewer}}
  CookiesConfig: {{CookieBehavior: all}}
  QueryStringsConfig: {{QueryStringBehavior: all}}
"""

TEMPLATE = """\
AWSTemplateFormatVersion: "2010-09-09"
Parameters:
  OriginPort: {Type: Number}
  CertificateArn: {Type: String}
Resources:
  Api:
    Type: AWS::CloudFront::Distribution
    Properties:
      DistributionConfig:
        Enabled: true
        Comment: !Sub "the API of ${AWS::StackName}"
        Origins:
          - Id: api
            DomainName: 127.0.0.1
            CustomOriginConfig: {HTTPPort: !Ref OriginPort, OriginProtocolPolicy: http-only}
        DefaultCacheBehavior:
          TargetOriginId: api
          ViewerProtocolPolicy: https-only
          AllowedMethods: [GET, HEAD]
          CachePolicyId: 4135ea2d-6df8-44a3-9df3-4b5a84be39ad
        ViewerCertificate: {AcmCertificateArn: !Ref CertificateArn, SslSupportMethod: sni-only}
  Bucket:
    Type: AWS::S3::Bucket
"""


class TestImport:
    def test_what_aws_cli_prints_behaves_here(self, mantlet, declare, demo, tmp_path):
        printed = tmp_path / "distribution.json"
        printed.write_text(
            json.dumps({"ETag": "E1", "DistributionConfig": api_distribution(origin_at(demo.port))})
        )

        made = declare("import", printed)["Resources"][0]

        assert made["Outcome"] == "created"
        assert "ViewerProtocolPolicy" in made["Enforced"]
        assert made["NotEnforced"] == []
        assert mantlet.viewer(made["DomainName"]).get("/healthz").status == 200
        again = declare("import", printed)["Resources"][0]
        assert (again["Outcome"], again["Id"], again["Kept"]) == ("exists", made["Id"], [])

    def test_a_dry_run_makes_nothing(self, mantlet, declare, demo, tmp_path):
        config = api_distribution(origin_at(demo.port))
        printed = tmp_path / "distribution.json"
        printed.write_text(json.dumps(config))

        reported = declare("import", printed, "--dry-run")["Resources"][0]

        assert reported["Outcome"] == "would-create"
        assert config["CallerReference"] not in caller_references(mantlet)

    def test_a_template_says_what_it_needs(self, mantlet, declare, demo, tmp_path):
        template = tmp_path / f"stack-{uuid.uuid4()}.yaml"
        template.write_text(TEMPLATE)

        refused = declare("import", template, status=1)
        assert [one["Name"] for one in refused["Unreadable"]] == ["OriginPort"]
        assert refused["Skipped"][0]["What"] == "AWS::S3::Bucket Bucket"
        refused = declare("import", template, "--set", f"OriginPort={demo.port}", status=1)
        assert [one["Name"] for one in refused["Resources"][0]["NeedsValue"]] == ["CertificateArn"]

        made = declare("import", template, "--set", f"OriginPort={demo.port}", "--set", "CertificateArn=")
        assert mantlet.viewer(made["Resources"][0]["DomainName"]).get("/healthz").status == 200

    def test_policies_are_referred_to_by_their_new_ids(self, mantlet, declare, demo, tmp_path):
        old = str(uuid.uuid4())
        policy = {
            "Id": old,
            "LastModifiedTime": "2025-01-01T00:00:00+00:00",
            "OriginRequestPolicyConfig": {
                "Name": f"everything-{old}",
                "HeadersConfig": {"HeaderBehavior": "allViewer"},
                "CookiesConfig": {"CookieBehavior": "all"},
                "QueryStringsConfig": {"QueryStringBehavior": "all"},
            },
        }
        config = api_distribution(origin_at(demo.port), default=behavior(OriginRequestPolicyId=old))
        files = [tmp_path / "policy.json", tmp_path / "distribution.json"]
        files[0].write_text(json.dumps({"OriginRequestPolicy": policy}))
        files[1].write_text(json.dumps({"Distribution": {"Id": "EAWS", "DistributionConfig": config}}))

        ids = {one["Kind"]: one["Id"] for one in declare("import", *reversed(files))["Resources"]}

        made = mantlet.client().get_distribution_config(Id=ids["Distribution"])["DistributionConfig"]
        assert made["DefaultCacheBehavior"]["OriginRequestPolicyId"] == ids["OriginRequestPolicy"]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a: &a [*a]\n", "hostile.yaml: line 1"),
            ("a: 1\nb: [\n", "hostile.yaml: line"),
            ("[" * 100_000, "hostile.yaml: line 1"),
            (
                "Kind: CachePolicy\nName: a\nConfig: {MinTTL: soon}\n",
                "line 3, column 18: CachePolicyConfig",
            ),
        ],
        ids=["alias", "syntax", "depth", "type"],
    )
    def test_bad_files_are_refused_with_their_place(self, mantlet, tmp_path, text, expected):
        file = tmp_path / "hostile.yaml"
        file.write_text(text)
        done = command("import", file, "--data-dir", mantlet.data_dir)
        assert done.returncode == 1
        assert expected in done.stderr
        assert "panicked" not in done.stderr


class TestApply:
    def test_a_life_in_files(self, mantlet, declare, demo, tmp_path):
        project = tmp_path / f"project-{uuid.uuid4()}"
        project.mkdir()
        write_distribution(project, "api", demo)
        write_distribution(project, "other", demo)

        asked = command("apply", "-f", project, "--data-dir", mantlet.data_dir)
        assert asked.returncode == 1
        assert "2 to create" in asked.stdout
        assert "give --yes" in asked.stderr

        done = declare("apply", "-f", project, "--yes")
        assert [one["Action"] for one in done["Plan"]] == ["create", "create"]
        id = done["Plan"][0]["Id"]
        got = mantlet.client().get_distribution(Id=id)["Distribution"]
        assert got["Status"] == "Deployed"
        assert mantlet.viewer(got["DomainName"]).get("/healthz").status == 200

        second = command("apply", "-f", project, "--data-dir", mantlet.data_dir)
        assert (second.returncode, second.stderr) == (0, "")
        assert "No changes: 2 as declared." in second.stdout

        write_distribution(project, "api", demo, comment="changed")
        changed = declare("apply", "-f", project, "--yes")["Plan"][0]
        assert changed["Differences"] == [{"Path": "Comment", "Before": "an API", "After": "changed"}]
        assert changed["Id"] == id

        (project / "api.yaml").unlink()
        assert declare("apply", "-f", project)["HasChanges"] is False
        pruned = declare("apply", "-f", project, "--yes", "--prune")
        assert [(one["Action"], one["Id"]) for one in pruned["Plan"]][-1] == ("delete", id)
        assert id not in {one["Id"] for one in distributions(mantlet)}
        assert declare("apply", "-f", project, "--prune")["HasChanges"] is False

    def test_what_others_made_is_never_pruned(self, mantlet, declare, distribution, demo, tmp_path):
        mine = tmp_path / f"mine-{uuid.uuid4()}"
        mine.mkdir()
        (mine / "empty.yaml").write_text("# nothing is declared any longer\n")
        assert declare("apply", "-f", mine, "--prune")["Plan"] == []
        assert distribution.id in {one["Id"] for one in distributions(mantlet)}

    def test_policies_come_before_what_refers_to_them(self, mantlet, declare, demo, tmp_path):
        project = tmp_path / f"project-{uuid.uuid4()}"
        project.mkdir()
        policy = f"everything-{uuid.uuid4()}"
        write_distribution(project, "a-distribution", demo, request_policy=policy)
        (project / "policy.yaml").write_text(REQUEST_POLICY.format(name=policy, comment="first"))

        plan = declare("apply", "-f", project, "--yes")["Plan"]

        assert [one["Kind"] for one in plan] == ["OriginRequestPolicy", "Distribution"]
        got = mantlet.client().get_distribution_config(Id=plan[1]["Id"])["DistributionConfig"]
        assert got["DefaultCacheBehavior"]["OriginRequestPolicyId"] == plan[0]["Id"]
        assert declare("apply", "-f", project)["HasChanges"] is False
        (project / "policy.yaml").write_text(REQUEST_POLICY.format(name=policy, comment="second"))
        changed = declare("apply", "-f", project, "--yes")["Plan"]
        assert [one["Action"] for one in changed] == ["change", "unchanged"]
        for file in project.iterdir():
            file.write_text("")
        gone = declare("apply", "-f", project, "--yes", "--prune")["Plan"]
        assert [one["Kind"] for one in gone] == ["Distribution", "OriginRequestPolicy"]

    def test_a_failure_says_what_was_done(self, mantlet, demo, tmp_path):
        project = tmp_path / f"project-{uuid.uuid4()}"
        project.mkdir()
        for name in ("a", "b", "c"):
            write_distribution(project, f"{name}-{project.name}", demo)
        broken = project / f"b-{project.name}.yaml"
        broken.write_text(broken.read_text().replace("TargetOriginId: api", "TargetOriginId: nowhere"))

        done = command("apply", "-f", project, "--yes", "--data-dir", mantlet.data_dir)

        assert done.returncode == 1
        assert f"Distribution b-{project.name} failed. Done: created Distribution a-" in done.stderr
        assert f"Not done: Distribution c-{project.name}." in done.stderr
        assert "NoSuchOrigin" in done.stderr

    def test_names_that_lead_nowhere_are_told(self, mantlet, demo, tmp_path):
        write_distribution(tmp_path, "api", demo, request_policy="nobody")
        done = command("apply", "-f", tmp_path / "api.yaml", "--yes", "--data-dir", mantlet.data_dir)
        assert done.returncode == 1
        expected = "api.yaml:1: DefaultCacheBehavior.OriginRequestPolicyId refers to nobody"
        assert expected in done.stderr

    def test_origin_headers_are_not_shown(self, mantlet, demo, tmp_path):
        name = f"api-{uuid.uuid4()}"
        write_distribution(tmp_path, name, demo)
        file = tmp_path / f"{name}.yaml"
        text = file.read_text()

        def apply(secret):
            header = f"      CustomHeaders: [{{HeaderName: X-Key, HeaderValue: {secret}}}]\n"
            file.write_text(text.replace("    - Id: api\n", "    - Id: api\n" + header))
            return command("apply", "-f", file, "--yes", "--data-dir", mantlet.data_dir)

        assert apply("first-s3cret").returncode == 0
        shown = apply("second-s3cret")
        assert "CustomHeaders[X-Key].HeaderValue: (hidden) → (hidden)" in shown.stdout
        assert "s3cret" not in shown.stdout + shown.stderr


KEYS_AND_CONTROLS = """\
- Kind: PublicKey
  Name: {name}-key
  Config: {{CallerReference: {name}, EncodedKey: {key}}}
- Kind: KeyGroup
  Name: {name}-group
  Config: {{Comment: {comment}, Items: [!Ref {name}-key]}}
- Kind: OriginAccessControl
  Name: {name}-control
  Config:
    SigningProtocol: sigv4
    SigningBehavior: always
    OriginAccessControlOriginType: s3
- Kind: RealtimeLogConfig
  Name: {name}-log
  Config:
    SamplingRate: {sampling_rate}
    Fields: [timestamp, c-ip]
    EndPoints:
      - StreamType: Kinesis
        KinesisStreamConfig:
          RoleARN: arn:aws:iam::000000000000:role/logs
          StreamARN: arn:aws:kinesis:us-east-1:000000000000:stream/logs
- Kind: Distribution
  Name: {name}
  Config:
    Enabled: true
    Comment: ""
    Origins:
      - Id: bucket
        DomainName: bucket.s3.amazonaws.com
        S3OriginConfig: {{OriginAccessIdentity: ""}}
        OriginAccessControlId: !Ref {name}-control
    DefaultCacheBehavior:
      TargetOriginId: bucket
      ViewerProtocolPolicy: https-only
      CachePolicyId: !Ref Managed-CachingDisabled
      RealtimeLogConfigArn: !GetAtt {name}-log.ARN
"""


class TestKeysAndControls:
    def test_a_life_in_files(self, mantlet, declare, tmp_path):
        name = f"t{uuid.uuid4().hex[:12]}"
        file = tmp_path / "config.yaml"
        key = json.dumps(encoded_key())

        def write(comment, sampling_rate):
            settings = {"name": name, "key": key, "comment": comment}
            file.write_text(KEYS_AND_CONTROLS.format(sampling_rate=sampling_rate, **settings))

        write("first", 5)
        apply = ("apply", "-f", file, "--project", name, "--yes")
        declare(*apply)
        cloudfront = mantlet.client()

        def named(listed):
            return [item for item in listed.get("Items", []) if name in json.dumps(item, default=str)]

        (group,) = named(cloudfront.list_key_groups()["KeyGroupList"])
        (public_key,) = named(cloudfront.list_public_keys()["PublicKeyList"])
        assert group["KeyGroup"]["KeyGroupConfig"]["Items"] == [public_key["Id"]]
        (control,) = named(cloudfront.list_origin_access_controls()["OriginAccessControlList"])
        (log,) = named(cloudfront.list_realtime_log_configs()["RealtimeLogConfigs"])
        using = cloudfront.list_distributions_by_realtime_log_config(RealtimeLogConfigArn=log["ARN"])
        (distribution,) = using["DistributionList"]["Items"]
        assert distribution["Origins"]["Items"][0]["OriginAccessControlId"] == control["Id"]

        assert declare(*apply)["HasChanges"] is False
        write("second", 50)
        changed = [one["Name"] for one in declare(*apply)["Plan"] if one["Action"] == "change"]
        assert sorted(changed) == [f"{name}-group", f"{name}-log"]
        assert declare(*apply)["HasChanges"] is False

        exported = tmp_path / "exported"
        export = ("export", distribution["Id"], "--output", exported, "--data-dir", mantlet.data_dir)
        assert command(*export).returncode == 0
        text = "\n".join(one.read_text() for one in exported.iterdir())
        kinds = set(re.findall(r"Kind: (\w+)", text))
        assert {"Distribution", "OriginAccessControl", "RealtimeLogConfig"} <= kinds

        file.write_text("# nothing any longer\n")
        gone = [one["Kind"] for one in declare(*apply, "--prune")["Plan"]]
        assert sorted(gone) == sorted(
            ["Distribution", "KeyGroup", "OriginAccessControl", "PublicKey", "RealtimeLogConfig"]
        )
        assert named(cloudfront.list_key_groups()["KeyGroupList"]) == []
        assert named(cloudfront.list_realtime_log_configs()["RealtimeLogConfigs"]) == []


def encoded_key():
    """A new public key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


class TestExport:
    @pytest.mark.parametrize("way", ["import", "apply"])
    def test_everything_moves_to_another_process(self, source, tmp_path, way):
        files = tmp_path / "files"
        exported = command("export", "--output", files, "--data-dir", source.data_dir)
        assert exported.returncode == 0, exported.stderr

        with Mantlet(tmp_path / "data") as target:
            named = ["-f", files, "--yes"] if way == "apply" else [files]
            done = command(way, *named, "--json", "--data-dir", target.data_dir)
            assert done.returncode == 0, done.stderr
            assert everything(target) == everything(source)

    def test_aws_cli_makes_it_elsewhere(self, source, mantlet, tmp_path):
        id = next(one["Id"] for one in distributions(source) if one["Comment"] == "two behaviors")
        exported = command("export", id, "--format", "aws-cli", "--data-dir", source.data_dir)
        assert exported.returncode == 0, exported.stderr
        file = tmp_path / "distribution.json"
        file.write_text(exported.stdout)

        made = aws(mantlet, "create-distribution", "--distribution-config", f"file://{file}")["Distribution"]

        before = source.client().get_distribution_config(Id=id)["DistributionConfig"]
        assert made["DistributionConfig"] == before

    @pytest.mark.timeout(PATIENCE + 60)
    def test_terraform_takes_it_over(self, source, tmp_path):
        where = ("--output", tmp_path / "tf", "--data-dir", source.data_dir)
        exported = command("export", "--format", "terraform", *where)
        assert exported.returncode == 0, exported.stderr
        terraform = Terraform(source, tmp_path / "tf")

        plan = terraform("plan", "-input=false").stdout
        assert "5 to import, 0 to add, 0 to change, 0 to destroy" in plan, plan

    def test_nothing_is_written_over(self, source, tmp_path):
        arguments = ("export", "--output", tmp_path, "--data-dir", source.data_dir)
        assert command(*arguments).returncode == 0
        again = command(*arguments)
        assert again.returncode == 1
        assert "is there already" in again.stderr


@pytest.fixture(scope="module")
def source(tmp_path_factory, demo):
    """A process with a few resources of its own."""
    with Mantlet(tmp_path_factory.mktemp("source") / "data") as source:
        client = source.client()
        ids = make_policies(client)
        plain = api_distribution(origin_at(demo.port), default=behavior(**ids))
        tags = {"Items": [{"Key": "stage", "Value": "prod: blue"}]}
        client.create_distribution_with_tags(
            DistributionConfigWithTags={"DistributionConfig": plain, "Tags": tags}
        )
        rich = api_distribution(
            origin_at(demo.port, custom_headers=[("X-Key", '${a} %{b} "c"')], OriginReadTimeout=45),
            origin_at(demo.port, id="second", path="/v2", ConnectionAttempts=2),
            behaviors=[{"PathPattern": "/v2/*", **behavior("second", methods=["GET", "HEAD"])}],
            Comment="two behaviors",
            PriceClass="PriceClass_100",
        )
        client.create_distribution(DistributionConfig=rich)
        yield source


def make_policies(client):
    """A policy of each kind, under the names that cache behaviors have for their ids."""
    names = counted(["q", "page"])
    queries = {"QueryStringBehavior": "whitelist", "QueryStrings": names}
    request = {
        "Name": "everything",
        "HeadersConfig": {"HeaderBehavior": "allViewer"},
        "CookiesConfig": {"CookieBehavior": "none"},
        "QueryStringsConfig": queries,
    }
    cache = {
        "Name": "short",
        "Comment": "a few seconds",
        "MinTTL": 0,
        "DefaultTTL": 5,
        "MaxTTL": 10,
        "ParametersInCacheKeyAndForwardedToOrigin": {
            "EnableAcceptEncodingGzip": True,
            "EnableAcceptEncodingBrotli": False,
            "HeadersConfig": {"HeaderBehavior": "whitelist", "Headers": counted(["Accept"])},
            "CookiesConfig": {"CookieBehavior": "none"},
            "QueryStringsConfig": queries,
        },
    }
    response = {
        "Name": "guarded",
        "CorsConfig": {
            "AccessControlAllowOrigins": counted(["https://app.example.org"]),
            "AccessControlAllowHeaders": counted(["*"]),
            "AccessControlAllowMethods": counted(["GET", "POST"]),
            "AccessControlAllowCredentials": False,
            "AccessControlMaxAgeSec": 600,
            "OriginOverride": True,
        },
        "SecurityHeadersConfig": {
            "StrictTransportSecurity": {
                "Override": True,
                "IncludeSubdomains": True,
                "Preload": False,
                "AccessControlMaxAgeSec": 31536000,
            },
            "FrameOptions": {"Override": True, "FrameOption": "DENY"},
        },
        "CustomHeadersConfig": counted([{"Header": "X-Team", "Value": "api", "Override": False}]),
        "RemoveHeadersConfig": counted([{"Header": "Server"}]),
    }
    made = {
        "OriginRequestPolicyId": client.create_origin_request_policy(OriginRequestPolicyConfig=request)[
            "OriginRequestPolicy"
        ],
        "CachePolicyId": client.create_cache_policy(CachePolicyConfig=cache)["CachePolicy"],
        "ResponseHeadersPolicyId": client.create_response_headers_policy(
            ResponseHeadersPolicyConfig=response
        )["ResponseHeadersPolicy"],
    }
    return {member: policy["Id"] for member, policy in made.items()}


def distributions(mantlet):
    pages = mantlet.client().get_paginator("list_distributions").paginate()
    return [one for page in pages for one in page["DistributionList"].get("Items", [])]


def everything(mantlet):
    """Configurations and tags by caller reference, policies by name, ids of policies replaced by names."""
    client = mantlet.client()
    policies = list_policies(client)
    for one in distributions(mantlet):
        config = client.get_distribution_config(Id=one["Id"])["DistributionConfig"]
        default = config["DefaultCacheBehavior"]
        for member in ("OriginRequestPolicyId", "CachePolicyId", "ResponseHeadersPolicyId"):
            if default.get(member) in policies:
                default[member] = policies[default[member]]["Name"]
        tags = client.list_tags_for_resource(Resource=one["ARN"])["Tags"]
        policies[config["CallerReference"]] = (config, tags)
    return {key if isinstance(found, tuple) else found["Name"]: found for key, found in policies.items()}


def list_policies(client):
    """Configurations of custom policies by id."""
    found = {}
    for kind, call in (
        ("OriginRequestPolicy", client.list_origin_request_policies),
        ("CachePolicy", client.list_cache_policies),
        ("ResponseHeadersPolicy", client.list_response_headers_policies),
    ):
        for one in call(Type="custom")[f"{kind}List"].get("Items", []):
            found[one[kind]["Id"]] = one[kind][f"{kind}Config"]
    return found


def caller_references(mantlet):
    client = mantlet.client()
    ids = [one["Id"] for one in distributions(mantlet)]
    return {client.get_distribution_config(Id=id)["DistributionConfig"]["CallerReference"] for id in ids}


def write_distribution(directory, name, demo, comment="an API", request_policy="Managed-AllViewer"):
    text = DISTRIBUTION.format(name=name, comment=comment, port=demo.port, request_policy=request_policy)
    (directory / f"{name}.yaml").write_text(text)


def aws(mantlet, *arguments):
    done = subprocess.run(
        ["aws", "cloudfront", *arguments, "--output", "json"],
        capture_output=True,
        text=True,
        timeout=100,
        env=clean_environment(**mantlet.environment()),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def declare(mantlet):
    """`declare("apply", …)`: the JSON that the command prints."""

    def run(*arguments, status=0):
        done = command(*arguments, "--json", "--data-dir", mantlet.data_dir)
        assert done.returncode == status, done.stdout + done.stderr
        return json.loads(done.stdout)

    return run
