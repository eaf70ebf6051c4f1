"""What sslyze finds at the edge under each security policy: what the policy has, and no weakness."""

import uuid

import pytest
from sslyze import (
    ScanCommandAttemptStatusEnum,
    Scanner,
    ServerNetworkConfiguration,
    ServerNetworkLocation,
    ServerScanRequest,
)
from sslyze.plugins.scan_commands import ScanCommand

from harness.config import api_distribution, counted, origin_at
from harness.tls import ThrowAwayCa

POLICIES = ["TLSv1.2_2018", "TLSv1.2_2019", "TLSv1.2_2021", "TLSv1.2_2025", "TLSv1.3_2025"]
VULNERABILITIES = {
    ScanCommand.HEARTBLEED,
    ScanCommand.OPENSSL_CCS_INJECTION,
    ScanCommand.ROBOT,
    ScanCommand.SESSION_RENEGOTIATION,
    ScanCommand.TLS_COMPRESSION,
    ScanCommand.TLS_1_3_EARLY_DATA,
    ScanCommand.TLS_FALLBACK_SCSV,
}
OLD = {
    ScanCommand.SSL_2_0_CIPHER_SUITES,
    ScanCommand.SSL_3_0_CIPHER_SUITES,
    ScanCommand.TLS_1_0_CIPHER_SUITES,
    ScanCommand.TLS_1_1_CIPHER_SUITES,
}
NEW = {ScanCommand.TLS_1_2_CIPHER_SUITES, ScanCommand.TLS_1_3_CIPHER_SUITES}


@pytest.fixture(scope="module")
def served(mantlet, tmp_path_factory):
    """A name for each policy, all under one certificate; nothing here asks an origin."""
    ca = ThrowAwayCa(tmp_path_factory.mktemp("ca"))
    domain = f"t{uuid.uuid4().hex[:12]}.example"
    issued = ca.issue(f"*.{domain}")
    arn = mantlet.client("acm").import_certificate(Certificate=issued.certificate, PrivateKey=issued.key)
    names = {}
    for number, policy in enumerate(POLICIES):
        names[policy] = f"p{number}.{domain}"
        certificate = {
            "ACMCertificateArn": arn["CertificateArn"],
            "SSLSupportMethod": "sni-only",
            "MinimumProtocolVersion": policy,
        }
        config = api_distribution(
            origin_at(8009), Aliases=counted([names[policy]]), ViewerCertificate=certificate
        )
        mantlet.create(config)
    return names


@pytest.mark.timeout(120)
@pytest.mark.parametrize("policy", POLICIES)
def test_sslyze(mantlet, served, policy):
    host, port = mantlet.https
    request = ServerScanRequest(
        server_location=ServerNetworkLocation(hostname=served[policy], port=port, ip_address=host),
        network_configuration=ServerNetworkConfiguration(tls_server_name_indication=served[policy]),
        scan_commands=VULNERABILITIES | OLD | NEW,
    )
    scanner = Scanner()
    scanner.queue_scans([request])
    (scan,) = scanner.get_results()
    assert scan.scan_result is not None, scan.connectivity_error_trace
    results = {}
    for command in VULNERABILITIES | OLD | NEW:
        attempt = getattr(scan.scan_result, command.value)
        assert attempt.status == ScanCommandAttemptStatusEnum.COMPLETED, (command, attempt.error_trace)
        results[command] = attempt.result

    assert [results[command].accepted_cipher_suites for command in OLD] == [[]] * len(OLD)
    accepted = {each.cipher_suite.name for command in NEW for each in results[command].accepted_cipher_suites}
    assert accepted == expected_suites(policy)
    assert not results[ScanCommand.HEARTBLEED].is_vulnerable_to_heartbleed
    assert not results[ScanCommand.OPENSSL_CCS_INJECTION].is_vulnerable_to_ccs_injection
    assert results[ScanCommand.ROBOT].robot_result.name.startswith("NOT_VULNERABLE")
    assert not results[ScanCommand.SESSION_RENEGOTIATION].is_vulnerable_to_client_renegotiation_dos
    assert not results[ScanCommand.TLS_COMPRESSION].supports_compression
    assert not results[ScanCommand.TLS_1_3_EARLY_DATA].supports_early_data


def expected_suites(policy):
    suites = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
    if policy != "TLSv1.3_2025":
        suites |= {
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        }
    if policy == "TLSv1.2_2025":
        suites = {suite for suite in suites if "CHACHA20" not in suite}
    return suites
