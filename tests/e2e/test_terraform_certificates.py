"""An imported certificate and a distribution whose aliases use it, with Terraform's stock provider:
apply, empty plan, renewal in place, destroy."""

import uuid

import pytest

from harness.terraform import PATIENCE, Terraform
from harness.tls import ThrowAwayCa
from test_certificates import shown_serial


@pytest.mark.timeout(4 * PATIENCE)
def test_apply_empty_plan_renew_destroy(mantlet, demo, tmp_path):
    ca = ThrowAwayCa(tmp_path)
    domain = f"t{uuid.uuid4().hex[:12]}.example"
    first, renewed = (ca.issue(domain, f"*.{domain}") for _ in range(2))
    terraform = Terraform(
        mantlet,
        tmp_path,
        "certificates.tf",
        origin_port=demo.port,
        domain=domain,
        certificate_chain=ca.pem.decode(),
        **variables(first),
    )
    terraform.apply()
    assert shown_serial(mantlet, ca.path, f"www.{domain}") == first.serial
    terraform.assert_nothing_to_change()

    arn = terraform.output("certificate_arn")
    terraform.write_variables(**variables(renewed))
    terraform.apply()
    assert terraform.output("certificate_arn") == arn
    assert shown_serial(mantlet, ca.path, domain) == renewed.serial
    terraform.assert_nothing_to_change()

    terraform.destroy()
    left = mantlet.client("acm").list_certificates()["CertificateSummaryList"]
    assert arn not in [each["CertificateArn"] for each in left]


def variables(issued):
    return {"certificate": issued.certificate.decode(), "private_key": issued.key.decode()}
