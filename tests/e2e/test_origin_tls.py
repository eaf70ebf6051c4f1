"""HTTPS origins: whose certificates are believed, for which names, and what a viewer learns of it."""

import contextlib
import shutil
import signal
import ssl

import pytest

from harness.config import ALL_VIEWER_EXCEPT_HOST, api_distribution, behavior, origin_at
from harness.mantlet import Mantlet
from harness.origin import RecordingOrigin
from harness.tls import ThrowAwayCa
from harness.waiting import wait_until

EXCEPT_HOST = behavior(OriginRequestPolicyId=ALL_VIEWER_EXCEPT_HOST)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return ThrowAwayCa(tmp_path_factory.mktemp("authority"), path_length=1)


@pytest.fixture(scope="module")
def shield(tmp_path_factory, authority):
    """A process that believes `authority` about origins."""
    directory = tmp_path_factory.mktemp("shield")
    ca = directory / "origin-ca.pem"
    shutil.copy(authority.path, ca)
    with Mantlet(directory / "data", "--origin-ca", str(ca)) as mantlet:
        mantlet.origin_ca = ca
        yield mantlet


@pytest.fixture
def tls_origin():
    """Makes HTTPS origins: `tls_origin((certificate, key))`; each knows for which names."""
    made = []

    def make(files):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*files)
        asked = []
        context.sni_callback = lambda _, name, __: asked.append(name)

        def script(connection):
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                connection.wire.socket = context.wrap_socket(connection.wire.socket, server_side=True)
                while True:
                    connection.read_request()
                    connection.answer(body=b"secure")

        made.append(RecordingOrigin(script))
        made[-1].asked = asked
        return made[-1]

    yield make
    for origin in made:
        origin.close()


def behind(mantlet, origin, domain="localhost", default=None):
    settings = {"OriginProtocolPolicy": "https-only", "HTTPSPort": origin.port, "ConnectionAttempts": 1}
    return mantlet.create(api_distribution(origin_at(80, domain, **settings), default=default)).viewer


def detail(mantlet, answer):
    def lines():
        return [line for line in mantlet.access_log.read_text().splitlines() if answer.request_id in line]

    wait_until(lines, "the access-log record")
    return lines()[0].split("\t")[28]


def self_signed(directory):
    """A certificate that vouches for itself."""
    authority = ThrowAwayCa(directory)
    return authority.self_signed_files("localhost")


# C6: certificates that prove nothing


BAD = {
    "self-signed": lambda authority, directory: self_signed(directory),
    "unknown-authority": lambda authority, directory: ThrowAwayCa(directory).server_files("localhost"),
    "expired": lambda authority, directory: authority.server_files("localhost", stem="expired", days=-1),
    "wrong-name": lambda authority, directory: authority.server_files("other.example"),
    "incomplete-chain": lambda authority, directory: authority.intermediate(directory).server_files(
        "localhost"
    ),
}


@pytest.mark.parametrize("fault", BAD)
def test_c6_a_certificate_that_proves_nothing_is_502(shield, authority, tls_origin, tmp_path, fault):
    origin = tls_origin(BAD[fault](authority, tmp_path))
    viewer = behind(shield, origin)
    answer = viewer.post("/", b"secret")
    assert (answer.status, answer.fields.get("x-cache")) == (502, "Error from cloudfront")
    # By chance three letters are in a request's id.
    said = answer.body.replace(answer.fields.get("x-amz-cf-id").encode(), b"").lower()
    for told in (b"certificate", b"tls", b"ssl", b"localhost:", b"expired", b"issuer"):
        assert told not in said
    assert not origin.requests
    assert detail(shield, answer) == "OriginConnectError"


def test_c6_a_complete_chain_is_believed(shield, authority, tls_origin, tmp_path):
    files = authority.intermediate(tmp_path).server_files("localhost", with_root=True)
    assert behind(shield, tls_origin(files)).get().body == b"secure"


def test_c6_an_authority_that_nobody_gave_is_not_believed(mantlet, authority, tls_origin):
    origin = tls_origin(authority.server_files("localhost"))
    assert behind(mantlet, origin).get().status == 502


# C6, C7: names


def test_c6_the_origins_own_name_may_be_in_the_certificate(shield, authority, tls_origin):
    assert behind(shield, tls_origin(authority.server_files("localhost"))).get().body == b"secure"


def test_c6_so_may_the_forwarded_host_which_is_asked_for(shield, authority, tls_origin):
    origin = tls_origin(authority.server_files("*.mantlet.localhost"))
    viewer = behind(shield, origin)
    assert viewer.get().body == b"secure"
    assert origin.asked == [viewer.domain]
    assert origin.request.fields.get("host").partition(":")[0] == viewer.domain


def test_c7_a_host_that_is_not_forwarded_proves_nothing(shield, authority, tls_origin):
    origin = tls_origin(authority.server_files("*.mantlet.localhost", stem="not-forwarded"))
    assert behind(shield, origin, default=EXCEPT_HOST).get().status == 502
    assert origin.asked == ["localhost"]


def test_an_address_may_be_in_the_certificate(shield, authority, tls_origin):
    origin = tls_origin(authority.server_files("127.0.0.1"))
    assert behind(shield, origin, "127.0.0.1", default=EXCEPT_HOST).get().body == b"secure"
    assert origin.asked == [None], "an address is no server name (RFC 6066 section 3)"


# --origin-ca while running


def test_authorities_are_taken_anew_on_sighup_and_broken_ones_are_not(
    shield, tls_origin, authority, tmp_path
):
    other = ThrowAwayCa(tmp_path)
    viewer = behind(shield, tls_origin(other.server_files("localhost")))
    assert viewer.get().status == 502
    try:
        for text, status in [(b"no certificate", 502), (authority.pem + other.pem, 200)]:
            shield.origin_ca.write_bytes(text)
            shield.process.send_signal(signal.SIGHUP)
            said = b"Refused" if status == 502 else b"Took"
            wait_until(
                lambda said=said: said + b" new authorities" in shield.log().encode(), "the log's line"
            )
            assert viewer.get().status == status
    finally:
        shield.origin_ca.write_bytes(authority.pem)


def test_a_file_without_certificates_is_named_at_start(tmp_path):
    file = tmp_path / "ca.pem"
    file.write_text("nothing")
    mantlet = Mantlet(tmp_path / "data", "--origin-ca", str(file)).launch()
    assert mantlet.process.wait(20) != 0
    assert f"cannot use --origin-ca {file}" in mantlet.log()
