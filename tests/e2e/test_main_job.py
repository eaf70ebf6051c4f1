"""The main job, step by step, with the clients that people have: create a distribution in front of an API on
port 3500, wait until it is deployed, copy its domain name, call the API through it."""

import json
import subprocess

import pytest

from harness.config import (
    ALL_VIEWER,
    CACHING_DISABLED,
    api_distribution,
    origin_at,
)
from harness.demo import image_form, json_bytes, log_in
from harness.mantlet import clean_environment, command

FAST_WAITER = {"Delay": 1, "MaxAttempts": 15}


@pytest.mark.parametrize("domain", ["127.0.0.1", "localhost"], ids=["ip-address", "dns-name"])
def test_three_steps_with_boto3(mantlet, demo, domain):
    cloudfront = mantlet.client()
    config = api_distribution(origin_at(demo.port, domain))

    made = cloudfront.create_distribution(DistributionConfig=config)["Distribution"]
    cloudfront.get_waiter("distribution_deployed").wait(Id=made["Id"], WaiterConfig=FAST_WAITER)

    viewer = mantlet.viewer(made["DomainName"])
    person = log_in(viewer, "ada")
    profile = viewer.get("/api/profile", [("Cookie", person.cookie)])
    assert json.loads(profile.body)["user"] == "ada"


def test_domain_name_has_the_suffix(distribution):
    label, _, suffix = distribution.domain.partition(".")
    assert suffix == "mantlet.localhost"
    assert label.startswith("d")
    assert label.isalnum()


def test_three_steps_with_aws_cli(aws, mantlet, demo, tmp_path):
    config = tmp_path / "distribution.json"
    config.write_text(json.dumps(api_distribution(origin_at(demo.port))))

    made = aws("cloudfront", "create-distribution", "--distribution-config", f"file://{config}")
    distribution = made["Distribution"]
    aws("cloudfront", "wait", "distribution-deployed", "--id", distribution["Id"])

    assert mantlet.viewer(distribution["DomainName"]).get("/healthz").status == 200


def test_aws_cli_walks_through_a_whole_life(aws, demo, tmp_path):
    config_file = tmp_path / "distribution.json"
    config_file.write_text(json.dumps(api_distribution(origin_at(demo.port))))
    made = aws("cloudfront", "create-distribution", "--distribution-config", f"file://{config_file}")
    id = made["Distribution"]["Id"]

    got = aws("cloudfront", "get-distribution-config", "--id", id)
    got["DistributionConfig"]["Enabled"] = False
    config_file.write_text(json.dumps(got["DistributionConfig"]))
    updated = aws(
        *("cloudfront", "update-distribution", "--id", id, "--if-match", got["ETag"]),
        *("--distribution-config", f"file://{config_file}"),
    )
    aws("cloudfront", "wait", "distribution-deployed", "--id", id)
    aws("cloudfront", "delete-distribution", "--id", id, "--if-match", updated["ETag"])

    listed = aws("cloudfront", "list-distributions")["DistributionList"].get("Items", [])
    assert id not in [item["Id"] for item in listed]


@pytest.mark.parametrize(
    ("kind", "list_name", "policy_name", "id"),
    [
        ("cache", "CachePolicyList", "CachePolicy", CACHING_DISABLED),
        ("origin-request", "OriginRequestPolicyList", "OriginRequestPolicy", ALL_VIEWER),
    ],
)
def test_aws_cli_finds_the_managed_policies(aws, kind, list_name, policy_name, id):
    listed = aws("cloudfront", f"list-{kind}-policies", "--type", "managed")
    assert id in [item[policy_name]["Id"] for item in listed[list_name]["Items"]]


def test_aws_cli_knows_who_it_is(aws):
    assert aws("sts", "get-caller-identity")["Account"] == "000000000000"


def test_boto3_knows_who_it_is(mantlet):
    identity = mantlet.client("sts").get_caller_identity()
    assert identity["Account"] == "000000000000"
    assert identity["Arn"].startswith("arn:aws:")
    assert identity["UserId"]


def test_env_is_something_a_shell_can_eval(mantlet):
    script = f'eval "$(mantlet env --data-dir {mantlet.data_dir})" && exec aws sts get-caller-identity'
    shell = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        env=clean_environment(),
        check=False,
    )
    assert shell.returncode == 0, shell.stderr


def test_env_without_a_running_process_says_so(tmp_path):
    printed = command("env", "--data-dir", str(tmp_path / "nothing-here"))
    assert printed.returncode != 0
    assert "nothing-here" in printed.stderr


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_two_users_upload_and_stream(demo_viewer, version):
    """The demo API's answers name whom they are for."""

    for name, image in (("ada", b"\xff\xd8" + b"a" * 3_000_000), ("grace", b"\xff\xd8" + b"g" * 5_000_000)):
        person = log_in(demo_viewer, name, version=version)
        who = ("Cookie", person.cookie)
        content_type, form = image_form(image)
        analysis = demo_viewer.post("/api/analyze-skin", form, [who, content_type], version=version)
        assert json.loads(analysis.body)["user"] == name
        assert json.loads(analysis.body)["image"]["bytes"] == len(image)

        accept = ("Accept", "text/event-stream")
        question = json_bytes(question="What helps?")
        chat = demo_viewer.post("/api/chatbot/ask", question, [who, accept], version=version)
        assert chat.fields.get("content-type") == "text/event-stream"
        assert chat.body.endswith(b'event: done\ndata: {"user":"%b"}\n\n' % name.encode())
