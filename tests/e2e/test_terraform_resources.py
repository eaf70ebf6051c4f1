"""A whole configuration with Terraform's stock provider: several origins and behaviors, an origin group,
error pages, policies of each kind, and the data sources. Apply, empty plan, change, import, destroy."""

import uuid

import pytest

from harness.terraform import PATIENCE, Terraform

IMPORTED = [
    "aws_cloudfront_cache_policy.static",
    "aws_cloudfront_origin_request_policy.session",
    "aws_cloudfront_response_headers_policy.browser",
    "aws_cloudfront_distribution.api",
]


@pytest.mark.timeout(3 * PATIENCE)
def test_apply_change_import_destroy(mantlet, demo, tmp_path):
    first = {"read_timeout": 30, "max_ttl": 86_400}
    terraform = Terraform(
        mantlet, tmp_path, "resources.tf", origin_port=demo.port, name=f"t{uuid.uuid4()}", **first
    )
    terraform.apply()
    read = terraform.output("read")
    assert read.pop("domain_name").endswith(".mantlet.localhost")
    assert read == {"status": "Deployed", "max_ttl": 86_400, "cookies": ["session"], "sampling": 12.5}
    terraform.assert_nothing_to_change()

    terraform.write_variables(read_timeout=45, max_ttl=90_000)
    terraform.apply()
    assert terraform.output("read")["max_ttl"] == 90_000
    terraform.assert_nothing_to_change()

    terraform.reimport(IMPORTED)
    terraform.assert_nothing_to_change()

    ids = terraform.ids()
    terraform.destroy()
    left = mantlet.client().list_cache_policies(Type="custom")["CachePolicyList"].get("Items", [])
    assert ids["aws_cloudfront_cache_policy.static"] not in [item["CachePolicy"]["Id"] for item in left]
