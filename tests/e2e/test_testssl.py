"""What testssl.sh finds at the edge under the newest security policies: nothing, not even a warning."""

import json
import os
import subprocess
import uuid

import pytest

from harness.config import api_distribution, counted, origin_at
from harness.programs import need_program
from harness.tls import ThrowAwayCa

# Neither the certificate, which is a test's, nor the header fields, which are an origin's.
SECTIONS = ["--protocols", "--std", "--fs", "--server-preference", "--vulnerable"]
VERSIONS = {
    "TLSv1.2_2021": {"TLS1_2": "offered", "TLS1_3": "offered with final"},
    "TLSv1.3_2025": {"TLS1_2": "not offered", "TLS1_3": "offered with final"},
}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("policy", VERSIONS)
def test_testssl_finds_nothing(mantlet, tmp_path, policy):
    program = need_program("testssl", "testssl.sh")
    name = serve(mantlet, ThrowAwayCa(tmp_path), policy)
    host, port = mantlet.https
    report = tmp_path / "report.json"
    options = ["--quiet", "--warnings", "off", "--nodns", "min", "--ip", host, "--jsonfile", report]
    subprocess.run(
        [program, *SECTIONS, *options, f"{name}:{port}"],
        # It would warn that this machine's openssl lacks GOST, which is nothing of the edge's.
        env=os.environ | {"NO_ENGINE": "true"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    findings = json.loads(report.read_text())
    assert [each for each in findings if each["severity"] not in ("OK", "INFO")] == []
    # It saw the server, and got to the last vulnerability.
    found = {each["id"]: each["finding"] for each in findings}
    assert {version: found[version] for version in VERSIONS[policy]} == VERSIONS[policy]
    assert found["RC4"].startswith("not vulnerable")


def serve(mantlet, ca, policy):
    """The name of a distribution with this security policy; nothing here asks an origin."""
    name = f"t{uuid.uuid4().hex[:12]}.example"
    issued = ca.issue(name)
    arn = mantlet.client("acm").import_certificate(Certificate=issued.certificate, PrivateKey=issued.key)
    certificate = {
        "ACMCertificateArn": arn["CertificateArn"],
        "SSLSupportMethod": "sni-only",
        "MinimumProtocolVersion": policy,
    }
    mantlet.create(api_distribution(origin_at(8009), Aliases=counted([name]), ViewerCertificate=certificate))
    return name
