"""Keys, controls, logs, monitoring and continuous deployment with Terraform's stock provider: apply, empty
plan, change, import, destroy."""

import subprocess

import pytest

from harness.mantlet import Mantlet
from harness.terraform import PATIENCE, Terraform

FIRST = {
    "comment": "first",
    "weight": "0.05",
    "sampling_rate": 100,
    "signing_behavior": "always",
    "metrics": "Enabled",
    "attached": False,
}
SECOND = {
    "comment": "second",
    "weight": "0.1",
    "sampling_rate": 7,
    "signing_behavior": "no-override",
    "metrics": "Disabled",
    "attached": True,
}
IMPORTED = [
    "aws_cloudfront_public_key.signer",
    "aws_cloudfront_key_group.signers",
    "aws_cloudfront_origin_access_control.bucket",
    "aws_cloudfront_realtime_log_config.logs",
    "aws_cloudfront_monitoring_subscription.metrics",
    "aws_cloudfront_continuous_deployment_policy.try",
]


@pytest.mark.timeout(5 * PATIENCE)
def test_apply_change_import_destroy(mantlet, tmp_path):
    directory = tmp_path / "terraform"
    directory.mkdir()
    terraform = Terraform(mantlet, directory, keys_and_controls={"encoded_key": public_key(), **FIRST})
    terraform.apply()
    terraform.assert_nothing_to_change()

    terraform.change("keys_and_controls", **SECOND)
    terraform.apply()

    terraform.reimport("keys_and_controls", IMPORTED)
    terraform.assert_nothing_to_change()

    terraform.destroy()
    cloudfront = mantlet.client()
    assert cloudfront.list_distributions()["DistributionList"]["Quantity"] == 0
    assert cloudfront.list_public_keys()["PublicKeyList"]["Quantity"] == 0
    assert "Items" not in cloudfront.list_realtime_log_configs()["RealtimeLogConfigs"]


@pytest.fixture
def mantlet(tmp_path):
    with Mantlet(tmp_path / "data", "--accept-unenforced") as mantlet:
        yield mantlet


def public_key():
    private = subprocess.run(["openssl", "genrsa", "2048"], capture_output=True, check=True).stdout
    made = subprocess.run(["openssl", "pkey", "-pubout"], input=private, capture_output=True, check=True)
    return made.stdout.decode()
