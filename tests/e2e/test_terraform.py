"""Terraform with its stock provider: the main job, a whole configuration (several origins and behaviors, an
origin group, error pages, policies of each kind, the data sources), and an imported certificate whose names
a distribution has. Apply, empty plan, change, import, destroy."""

import uuid

import pytest

from harness.terraform import PATIENCE, Terraform
from harness.tls import ThrowAwayCa
from managed_policies import CACHE_POLICIES, ORIGIN_REQUEST_POLICIES, RESPONSE_HEADERS_POLICIES
from test_certificates import shown_serial

MANAGED_POLICIES = {
    "cache_policies": CACHE_POLICIES,
    "origin_request_policies": ORIGIN_REQUEST_POLICIES,
    "response_headers_policies": RESPONSE_HEADERS_POLICIES,
}
IMPORTED = [
    "aws_cloudfront_cache_policy.static",
    "aws_cloudfront_origin_request_policy.session",
    "aws_cloudfront_response_headers_policy.browser",
    "aws_cloudfront_distribution.api",
]


@pytest.mark.timeout(5 * PATIENCE)
def test_apply_change_import_destroy(mantlet, demo, tmp_path):
    ca = ThrowAwayCa(tmp_path)
    domain = f"t{uuid.uuid4().hex[:12]}.example"
    first, renewed = (ca.issue(domain, f"*.{domain}") for _ in range(2))
    directory = tmp_path / "terraform"
    directory.mkdir()
    terraform = Terraform(
        mantlet,
        directory,
        main={
            "origin_port": demo.port,
            **{kind: [f"Managed-{name}" for name in rows] for kind, rows in MANAGED_POLICIES.items()},
        },
        resources={
            "origin_port": demo.port,
            "name": f"t{uuid.uuid4()}",
            "read_timeout": 30,
            "max_ttl": 86_400,
        },
        certificates={
            "origin_port": demo.port,
            "domain": domain,
            "certificate_chain": ca.pem.decode(),
            **certificate(first),
        },
    )

    terraform.apply()
    main = terraform.output("main")
    assert main["ids"] == {
        f"Managed-{name}": row[0] for rows in MANAGED_POLICIES.values() for name, row in rows.items()
    }
    assert mantlet.viewer(main["domain_name"]).get("/healthz").status == 200
    read = terraform.output("resources")["read"]
    assert read.pop("domain_name").endswith(".mantlet.localhost")
    assert read == {"status": "Deployed", "max_ttl": 86_400, "cookies": ["session"], "sampling": 12.5}
    arn = terraform.output("certificates")["certificate_arn"]
    assert shown_serial(mantlet, ca.path, f"www.{domain}") == first.serial
    terraform.assert_nothing_to_change()

    terraform.change("resources", read_timeout=45, max_ttl=90_000)
    terraform.change("certificates", **certificate(renewed))
    terraform.apply()
    assert terraform.output("resources")["read"]["max_ttl"] == 90_000
    # A certificate is renewed in its place.
    assert terraform.output("certificates")["certificate_arn"] == arn
    assert shown_serial(mantlet, ca.path, domain) == renewed.serial

    terraform.reimport("resources", IMPORTED)
    terraform.assert_nothing_to_change()

    ids = terraform.ids()
    terraform.destroy()
    assert mantlet.viewer(main["domain_name"]).get("/healthz").status == 403
    left = mantlet.client().list_cache_policies(Type="custom")["CachePolicyList"].get("Items", [])
    static = ids["module.resources.aws_cloudfront_cache_policy.static"]
    assert static not in [item["CachePolicy"]["Id"] for item in left]
    left = mantlet.client("acm").list_certificates()["CertificateSummaryList"]
    assert arn not in [each["CertificateArn"] for each in left]


def certificate(issued):
    return {"certificate": issued.certificate.decode(), "private_key": issued.key.decode()}
