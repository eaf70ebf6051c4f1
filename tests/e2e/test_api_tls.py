"""An API that speaks TLS: `up` and `env` find it, and its certificate is replaced while it runs."""

import json
import signal
import socket
import ssl
import subprocess

import pytest

from harness.config import api_distribution, origin_at
from harness.mantlet import SCRIPTS, Mantlet, clean_environment, command
from harness.tls import ThrowAwayCa
from harness.viewer import connect
from harness.waiting import wait_until

# Files are looked at every 10 s without a signal.
NOTICED = 30


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def ca(tmp_path):
    return ThrowAwayCa(tmp_path)


def with_api_tls(data_dir, ca, *flags, api="127.0.0.1:0", subcommand=("run",), **certificate):
    """A Mantlet whose API has a certificate for localhost."""
    chain, key = ca.server_files("localhost", "127.0.0.1", stem="api", **certificate)
    mantlet = Mantlet(
        data_dir,
        *("--api-certificate", str(chain), "--api-key", str(key)),
        *flags,
        subcommand=subcommand,
        api=api,
    )
    mantlet.api_ca = str(ca.path)
    return mantlet


def served_certificate(address, name=None):
    """The certificate, in PEM, that a listener shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(connect(address), server_hostname=name) as sock:
        return ssl.DER_cert_to_PEM_cert(sock.getpeercert(binary_form=True))


def hang_up(mantlet):
    mantlet.process.send_signal(signal.SIGHUP)


# mantlet up


@pytest.mark.parametrize("with_root", [True, False], ids=["chain-with-root", "leaf-alone"])
def test_up_on_a_live_directory_speaks_tls(data_dir, ca, demo, with_root):
    with with_api_tls(data_dir, ca, with_root=with_root) as mantlet:
        printed = command("up", demo.url, "--data-dir", str(data_dir))
        assert printed.returncode == 0, printed.stderr
        assert f"https://localhost:{mantlet.api[1]}" in printed.stdout
        [made] = mantlet.client().list_distributions()["DistributionList"]["Items"]
        assert f"VITE_API_URL=https://{made['DomainName']}:{mantlet.https[1]}" in printed.stdout


def test_up_starts_an_api_with_tls(data_dir, ca, demo):
    with with_api_tls(data_dir, ca, subcommand=("up", demo.url)) as mantlet:
        wait_until(lambda: "VITE_API_URL=" in mantlet.output(), "the printed address")
        assert mantlet.client().list_distributions()["DistributionList"]["Quantity"] == 1


def test_up_believes_no_other_certificate(data_dir, ca, demo):
    """Even one of the same authority, for the same name."""
    with with_api_tls(data_dir, ca) as mantlet:
        other, _ = ca.server_files("localhost", "127.0.0.1", stem="other")
        (data_dir / "api.pem").write_bytes(other.read_bytes())
        refused = command("up", demo.url, "--data-dir", str(data_dir))
        assert refused.returncode == 1
        assert "does not prove" in refused.stderr
        assert mantlet.client().list_distributions()["DistributionList"]["Quantity"] == 0


# mantlet env


def test_env_lets_an_aws_client_verify_the_api(data_dir, ca):
    with with_api_tls(data_dir, ca, with_root=True) as mantlet:
        environment = mantlet.environment()
        assert environment["AWS_ENDPOINT_URL"] == f"https://localhost:{mantlet.api[1]}"
        asked = subprocess.run(
            [SCRIPTS / "aws", "sts", "get-caller-identity"],
            capture_output=True,
            text=True,
            timeout=60,
            env=clean_environment(**environment),
            check=False,
        )
        assert asked.returncode == 0, asked.stderr
        assert json.loads(asked.stdout)["Account"] == "000000000000"


def test_env_says_so_where_the_authority_is_missing(data_dir, ca):
    with with_api_tls(data_dir, ca):
        printed = command("env", "--data-dir", str(data_dir))
        assert "AWS_CA_BUNDLE=" in printed.stdout
        assert "lacks its authority's own certificate" in printed.stderr


def test_env_needs_no_bundle_where_the_machine_trusts_the_certificate(data_dir, ca):
    with with_api_tls(data_dir, ca) as mantlet:
        printed = subprocess.run(
            [*mantlet.arguments[:1], "env", "--data-dir", str(data_dir)],
            capture_output=True,
            text=True,
            timeout=30,
            env=clean_environment(SSL_CERT_FILE=str(ca.path)),
            check=False,
        )
        assert "AWS_ENDPOINT_URL=https://localhost:" in printed.stdout
        assert "AWS_CA_BUNDLE" not in printed.stdout


def test_a_later_start_without_tls_leaves_no_record(data_dir, ca):
    with with_api_tls(data_dir, ca) as mantlet:
        assert mantlet.terminate() == 0
    with Mantlet(data_dir) as mantlet:
        assert mantlet.environment()["AWS_ENDPOINT_URL"] == f"http://{mantlet.endpoints['api']}"
        assert "AWS_CA_BUNDLE" not in mantlet.environment()


# Certificates that are replaced


def test_a_new_api_certificate_is_taken_on_sighup(data_dir, ca, demo):
    with with_api_tls(data_dir, ca) as mantlet:
        before = served_certificate(mantlet.api)
        chain, _ = ca.server_files("localhost", "127.0.0.1", stem="api")
        hang_up(mantlet)
        wait_until(lambda: served_certificate(mantlet.api) != before, "the new certificate")
        assert served_certificate(mantlet.api).strip() == chain.read_text().strip()
        printed = command("up", demo.url, "--data-dir", str(data_dir))
        assert printed.returncode == 0, printed.stderr


def test_a_new_suffix_certificate_is_taken_without_a_signal(data_dir, ca, origin):
    flags = suffix_flags(ca)
    with Mantlet(data_dir, *flags) as mantlet:
        before = served_certificate(mantlet.https)
        chain, _ = ca.server_files("*.mantlet.localhost", stem="suffix")
        wait_until(lambda: served_certificate(mantlet.https) != before, "the new certificate", NOTICED)
        assert served_certificate(mantlet.https).strip() == chain.read_text().strip()


def test_a_connection_outlives_its_certificate(data_dir, ca, origin):
    with Mantlet(data_dir, *suffix_flags(ca)) as mantlet:
        made = mantlet.create(api_distribution(origin_at(origin.port)))
        context = ssl.create_default_context(cafile=str(ca.path))
        with context.wrap_socket(connect(mantlet.https), server_hostname=made.domain) as sock:
            before = served_certificate(mantlet.https)
            ca.server_files("*.mantlet.localhost", stem="suffix")
            hang_up(mantlet)
            wait_until(lambda: served_certificate(mantlet.https) != before, "the new certificate")
            sock.sendall(f"GET / HTTP/1.1\r\nHost: {made.domain}\r\n\r\n".encode())
            assert sock.recv(100).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("damage", ["not PEM", "another key", "another name", "expired", "gone"])
def test_a_broken_certificate_is_refused_and_the_old_one_serves_on(data_dir, ca, damage):
    with Mantlet(data_dir, *suffix_flags(ca)) as mantlet:
        before = served_certificate(mantlet.https)
        chain = ca.directory / "suffix.pem"
        if damage == "not PEM":
            chain.write_text("nothing of use")
        elif damage == "another key":
            ca.server_files("*.mantlet.localhost", stem="another")
            (ca.directory / "another.key").replace(ca.directory / "suffix.key")
        elif damage == "another name":
            ca.server_files("www.example.org", stem="suffix")
        elif damage == "expired":
            ca.server_files("*.mantlet.localhost", stem="suffix", days=-1)
        else:
            chain.unlink()
        hang_up(mantlet)
        wait_until(lambda: "Refused a new certificate" in mantlet.log(), "the refusal")
        assert served_certificate(mantlet.https) == before
        assert "PRIVATE KEY" not in mantlet.log()


def suffix_flags(ca):
    chain, key = ca.server_files("*.mantlet.localhost", stem="suffix")
    return ("--suffix-certificate", str(chain), "--suffix-key", str(key))


# An API for other machines


def test_private_origins_need_a_permit_when_the_api_is_open(data_dir, ca, origin):
    assert status_with_open_api(data_dir, ca, origin) == 502
    assert origin.requests == []


@pytest.mark.parametrize("network", ["127.0.0.0/8", "127.0.0.1"])
def test_origin_allow_is_the_permit(data_dir, ca, origin, network):
    assert status_with_open_api(data_dir, ca, origin, "--origin-allow", network) == 200


def test_origin_allow_permits_nothing_else(data_dir, ca, origin):
    assert status_with_open_api(data_dir, ca, origin, "--origin-allow", "10.0.0.0/8") == 502


def status_with_open_api(data_dir, ca, origin, *flags):
    with with_api_tls(data_dir, ca, *flags, api="0.0.0.0:0") as mantlet:
        host, _, port = mantlet.endpoints["api"].rpartition(":")
        assert host == "0.0.0.0"
        assert socket.create_connection(("127.0.0.1", int(port)), 5).close() is None
        return mantlet.create(api_distribution(origin_at(origin.port))).viewer.get("/").status
