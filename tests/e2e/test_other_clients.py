"""The clients beside boto3 and aws-cli 1, each in its own habits: aws-cli 2, the AWS SDK for JavaScript."""

import json
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest

from harness.config import api_distribution, origin_at
from harness.mantlet import clean_environment
from harness.programs import lack, need_program

JAVASCRIPT = Path(__file__).parent / "javascript"


@pytest.fixture
def environment(mantlet):
    """What a shell has after `eval "$(mantlet env)"`."""
    return clean_environment(**mantlet.environment())


@pytest.fixture(scope="module")
def aws_2():
    """Debian's aws-cli 2; version 1 lies in the tests' own environment, under the same name."""
    program = shutil.which("aws", path="/usr/local/bin:/usr/bin")
    if not program:
        lack("aws-cli 2 is not installed: apt-get install awscli")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    if not version.startswith("aws-cli/2."):
        lack(f"{program} is not aws-cli 2 but {version}")
    return program


@pytest.fixture
def aws(aws_2, environment):
    def run(*arguments, may_fail=False):
        # Releases before 2.13, such as Debian's, do not know AWS_ENDPOINT_URL.
        where = ("--endpoint-url", environment["AWS_ENDPOINT_URL"], "--output", "json", "--no-cli-pager")
        command = [aws_2, "cloudfront", *arguments, *where]
        # Debian's own Python runs it, and must not see the packages of the tests.
        own = {name: value for name, value in environment.items() if not name.startswith("PYTHON")}
        done = subprocess.run(command, capture_output=True, text=True, env=own, timeout=60, check=False)
        assert may_fail or done.returncode == 0, done.stderr
        return done.stderr if may_fail else done.stdout and json.loads(done.stdout)

    return run


def test_aws_cli_2_walks_through_a_whole_life(aws, tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps(api_distribution(origin_at(3500))))
    created = aws("create-distribution", "--distribution-config", f"file://{config}")
    id = created["Distribution"]["Id"]
    aws("wait", "distribution-deployed", "--id", id)
    assert id in [item["Id"] for item in aws("list-distributions")["DistributionList"]["Items"]]

    got = aws("get-distribution-config", "--id", id)
    config.write_text(json.dumps(got["DistributionConfig"] | {"Enabled": False}))
    update = ("update-distribution", "--id", id, "--distribution-config", f"file://{config}", "--if-match")
    updated = aws(*update, got["ETag"])
    assert "PreconditionFailed" in aws(*update, got["ETag"], may_fail=True)
    aws("wait", "distribution-deployed", "--id", id)
    aws("delete-distribution", "--id", id, "--if-match", updated["ETag"])
    assert "NoSuchDistribution" in aws("get-distribution", "--id", id, may_fail=True)


def test_aws_cli_2_takes_shorthand_and_tags(aws):
    created = aws(
        "create-cache-policy", "--cache-policy-config", f"Name={uuid.uuid4()},MinTTL=1,DefaultTTL=2,MaxTTL=3"
    )
    id = created["CachePolicy"]["Id"]
    assert aws("get-cache-policy", "--id", id)["CachePolicy"] == created["CachePolicy"]
    listed = aws("list-cache-policies", "--type", "custom")["CachePolicyList"]["Items"]
    assert id in [item["CachePolicy"]["Id"] for item in listed]
    aws("delete-cache-policy", "--id", id, "--if-match", created["ETag"])


def test_the_sdk_for_javascript_walks_through_a_whole_life(mantlet, environment):
    need_program("node")
    if not (JAVASCRIPT / "node_modules").exists():
        lack("the AWS SDK for JavaScript is not installed: scripts/test javascript")
    environment["POLICY_NAME"] = str(uuid.uuid4())
    command = ["node", str(JAVASCRIPT / "life.mjs")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    saw = json.loads(done.stdout)
    assert saw.pop("policyLocation").startswith(f"{mantlet.api_url}/2020-05-31/cache-policy/")
    assert saw == {
        "createdStatus": "InProgress",
        "deployed": "SUCCESS",
        "status": "Deployed",
        "listed": 1,
        "tags": [{"Key": "team", "Value": "skin"}],
        "comment": "von <JavaScript> & Söhnen",
        "stale": {"name": "PreconditionFailed", "status": 412, "hasId": True},
        "inUse": {"name": "CachePolicyInUse", "status": 409, "hasId": True},
        "gone": {"name": "NoSuchDistribution", "status": 404, "hasId": True},
    }
