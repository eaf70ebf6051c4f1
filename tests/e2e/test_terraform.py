"""The main job with Terraform and its stock provider: apply, an empty second plan, destroy."""

import pytest

from harness.terraform import PATIENCE, Terraform
from managed_policies import CACHE_POLICIES, ORIGIN_REQUEST_POLICIES, RESPONSE_HEADERS_POLICIES

ALL_POLICIES = {
    "cache_policies": CACHE_POLICIES,
    "origin_request_policies": ORIGIN_REQUEST_POLICIES,
    "response_headers_policies": RESPONSE_HEADERS_POLICIES,
}


@pytest.mark.timeout(4 * PATIENCE)
def test_apply_empty_plan_destroy(mantlet, demo, tmp_path):
    names = {kind: [f"Managed-{name}" for name in rows] for kind, rows in ALL_POLICIES.items()}
    terraform = Terraform(mantlet, tmp_path, "main.tf", origin_port=demo.port, **names)
    terraform.apply()

    expected = {f"Managed-{name}": row[0] for rows in ALL_POLICIES.values() for name, row in rows.items()}
    assert terraform.output("ids") == expected
    domain = terraform.output("domain_name")
    assert mantlet.viewer(domain).get("/healthz").status == 200

    terraform.assert_nothing_to_change()

    terraform.destroy()
    assert mantlet.viewer(domain).get("/healthz").status == 403
