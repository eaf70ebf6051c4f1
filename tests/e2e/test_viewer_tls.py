"""TLS towards viewers, at the socket: security policies, names, connections that carry several requests."""

import socket
import ssl
import struct
import uuid

import pytest

from harness.config import api_distribution, counted, origin_at
from harness.origin import always
from harness.tls import ThrowAwayCa
from harness.viewer import Http1Connection, Http2Connection
from harness.waiting import PATIENCE, wait_until

POLICIES = ["TLSv1.2_2018", "TLSv1.2_2019", "TLSv1.2_2021", "TLSv1.2_2025", "TLSv1.3_2025"]
# What no policy may negotiate, whatever it is called: OpenSSL's names.
NEVER = "ECDHE-RSA-AES128-SHA256:ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA:AES128-GCM-SHA256:AES128-SHA256"


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return ThrowAwayCa(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def names(mantlet, ca):
    """Imports a certificate for names of a domain of its own, and puts them on distributions."""
    acm = mantlet.client("acm")

    class Names:
        def __init__(self, wanted):
            self.domain = f"t{uuid.uuid4().hex[:12]}.example"
            issued = ca.issue(*[self.name(each) for each in wanted])
            imported = acm.import_certificate(Certificate=issued.certificate, PrivateKey=issued.key)
            self.arn = imported["CertificateArn"]

        def name(self, label):
            return f"{label}.{self.domain}"

        def distribution(self, origin, *labels, policy="TLSv1.2_2021", **settings):
            certificate = {
                "ACMCertificateArn": self.arn,
                "SSLSupportMethod": "sni-only",
                "MinimumProtocolVersion": policy,
            }
            aliases = counted([self.name(label) for label in labels])
            config = api_distribution(
                origin_at(origin.port), Aliases=aliases, ViewerCertificate=certificate, **settings
            )
            return mantlet.create(config)

    return lambda *wanted: Names(wanted)


def connect(mantlet, ca_file, sni, *, alpn=(), change=lambda context: None, session=None, context=None):
    """A TLS connection that verifies the edge's certificate for the name that it asks for."""
    if context is None:
        context = client_context(ca_file, alpn, change)
    raw = socket.create_connection(mantlet.https, timeout=PATIENCE)
    try:
        return context.wrap_socket(raw, server_hostname=sni, session=session)
    except BaseException:
        raw.close()
        raise


def client_context(ca_file, alpn=(), change=lambda context: None):
    context = ssl.create_default_context(cafile=str(ca_file))
    if alpn:
        context.set_alpn_protocols(list(alpn))
    change(context)
    return context


def only(version, ciphers=None):
    def change(context):
        context.minimum_version = context.maximum_version = version
        if ciphers:
            context.set_ciphers(ciphers)

    return change


def ask(mantlet, ca_file, sni, host, version):
    """The answer to a request for `host` on a connection that was made for `sni`."""
    if version == "2":
        with Http2Connection(connect(mantlet, ca_file, sni, alpn=["h2"])) as connection:
            return connection.ask("GET", "/", [("host", host)])
    with Http1Connection(connect(mantlet, ca_file, sni)) as connection:
        return connection.ask("GET", "/", [("Host", host)])


class TestPolicies:
    @pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
    @pytest.mark.parametrize("policy", POLICIES)
    def test_f3_f4_what_each_negotiates(self, mantlet, ca, names, origin, policy):
        made = names("api")
        made.distribution(origin, "api", policy=policy)

        def negotiated(change):
            try:
                with connect(mantlet, ca.path, made.name("api"), change=change) as tls:
                    return tls.version(), tls.cipher()[0]
            except (ssl.SSLError, ConnectionResetError):
                return None

        tls12 = ssl.TLSVersion.TLSv1_2
        for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"):
            is_served = policy != "TLSv1.3_2025" and (policy != "TLSv1.2_2025" or "CHACHA20" not in cipher)
            expected = ("TLSv1.2", f"ECDHE-RSA-{cipher}") if is_served else None
            assert negotiated(only(tls12, f"ECDHE-RSA-{cipher}")) == expected, cipher
        assert negotiated(only(tls12, f"{NEVER}:@SECLEVEL=0")) is None
        assert negotiated(only(ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0")) is None
        assert negotiated(only(ssl.TLSVersion.TLSv1_3))[0] == "TLSv1.3"


class TestMisdirectedRequests:
    """RFC 9110 section 15.5.20."""

    @pytest.mark.parametrize("version", ["1.1", "2"])
    def test_another_certificate(self, mantlet, ca, names, origins, distribution, version):
        one, other = names("api"), names("api")
        origin = origins()
        one.distribution(origin, "api")
        other.distribution(origin, "api")
        answer = ask(mantlet, ca.path, one.name("api"), other.name("api"), version)
        assert (answer.status, answer.fields.get("x-cache")) == (421, "Error from cloudfront")
        assert b"MisdirectedRequest" in answer.body
        # To and from the names under the suffix.
        assert ask(mantlet, ca.path, one.name("api"), distribution.domain, version).status == 421
        assert ask(mantlet, mantlet.ca, distribution.domain, one.name("api"), version).status == 421
        assert origin.requests == []
        assert ask(mantlet, ca.path, other.name("api"), other.name("api"), version).status == 200

    @pytest.mark.parametrize("version", ["1.1", "2"])
    def test_a_stricter_policy(self, mantlet, ca, names, origins, version):
        made = names("lax", "new", "strict")
        lax, new, strict = (origins(always(body=label)) for label in (b"lax", b"new", b"strict"))
        made.distribution(lax, "lax", policy="TLSv1.2_2021")
        made.distribution(new, "new", policy="TLSv1.2_2025")
        made.distribution(strict, "strict", policy="TLSv1.3_2025")

        def answer(sni, host):
            answer = ask(mantlet, ca.path, made.name(sni), made.name(host), version)
            return answer.body if answer.status == 200 else answer.status

        for sni in ("lax", "new", "strict"):
            assert answer(sni, "lax") == b"lax", sni
        assert answer("lax", "new") == answer("lax", "strict") == 421
        assert answer("new", "strict") == answer("strict", "new") == 421
        assert answer("strict", "strict") == b"strict"

    @pytest.mark.parametrize("version", ["1.1", "2"])
    def test_the_same_certificate_and_policy_is_served(self, mantlet, ca, names, origins, version):
        made = names("*")
        one, other = origins(always(body=b"one")), origins(always(body=b"other"))
        made.distribution(one, "one")
        made.distribution(other, "other")
        assert ask(mantlet, ca.path, made.name("one"), made.name("other"), version).body == b"other"

    def test_names_that_nobody_has_and_disabled_ones_get_the_same_answer(
        self, mantlet, ca, names, origin, distribution
    ):
        made = names("*")
        made.distribution(origin, "api")
        made.distribution(origin, "disabled", Enabled=False)
        answers = [
            ask(mantlet, ca.path, made.name("api"), host, "1.1")
            for host in (
                made.name("disabled"),
                made.name("nobody"),
                "nobody.example",
                f"no.{distribution.domain}",
            )
        ]
        assert [answer.status for answer in answers] == [403] * 4
        assert all(b"Nothing is served under this name" in answer.body for answer in answers)

    def test_the_connection_goes_on(self, mantlet, ca, names, origin):
        one, other = names("api"), names("api")
        one.distribution(origin, "api")
        other.distribution(origin, "api")
        with Http1Connection(connect(mantlet, ca.path, one.name("api"))) as connection:
            assert connection.ask("POST", "/", [("Host", other.name("api"))], b"body").status == 421
            assert connection.ask("GET", "/", [("Host", one.name("api"))]).status == 200

    def test_is_logged(self, mantlet, ca, names, origin):
        one, other = names("api"), names("api")
        one.distribution(origin, "api")
        other.distribution(origin, "api")
        answer = ask(mantlet, ca.path, one.name("api"), other.name("api"), "1.1")

        def line():
            lines = mantlet.access_log.read_text().splitlines()
            return [each for each in lines if answer.request_id in each]

        assert "InvalidRequestCertificate" in wait_until(line, "the request in the access log")[0]

    def test_a_policy_that_becomes_stricter_reaches_open_connections(self, mantlet, ca, names, origin):
        made = names("api")
        distribution = made.distribution(origin, "api")
        old = connect(mantlet, ca.path, made.name("api"), change=only(ssl.TLSVersion.TLSv1_2))
        new = connect(mantlet, ca.path, made.name("api"), change=only(ssl.TLSVersion.TLSv1_3))
        with Http1Connection(old) as old, Http1Connection(new) as new:
            statuses = [each.ask("GET", "/", [("Host", made.name("api"))]).status for each in (old, new)]
            assert statuses == [200, 200]
            mantlet.update(
                distribution,
                lambda config: config["ViewerCertificate"].update(MinimumProtocolVersion="TLSv1.3_2025"),
            )
            statuses = [each.ask("GET", "/", [("Host", made.name("api"))]).status for each in (old, new)]
            assert statuses == [421, 200]


class TestNames:
    def test_a_viewer_without_sni_gets_the_suffixs_certificate_and_its_names(self, mantlet, distribution):
        context = client_context(mantlet.ca)
        context.check_hostname = False
        with Http1Connection(connect(mantlet, mantlet.ca, None, context=context)) as connection:
            assert connection.ask("GET", "/", [("Host", distribution.domain)]).status == 200

    def test_a_viewer_without_sni_gets_no_alias(self, mantlet, ca, names, origin):
        made = names("api")
        made.distribution(origin, "api")
        context = client_context(mantlet.ca)
        context.check_hostname = False
        with Http1Connection(connect(mantlet, mantlet.ca, None, context=context)) as connection:
            assert connection.ask("GET", "/", [("Host", made.name("api"))]).status == 421


class TestResumption:
    """A ticket of one certificate or policy opens nothing under another."""

    def resumes(self, mantlet, context, first, then):
        """Whether a session of the one name is resumed under the other."""
        with Http1Connection(connect(mantlet, None, first, context=context)) as connection:
            # TLS 1.3 sends its tickets behind the handshake.
            connection.ask("GET", "/", [("Host", first)])
            session = connection.wire.socket.session
        with connect(mantlet, None, then, session=session, context=context) as tls:
            tls.do_handshake()
            return tls.session_reused

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_is_per_certificate_and_policy(self, mantlet, ca, names, origin, version):
        one, other = names("lax", "new"), names("api")
        one.distribution(origin, "lax")
        one.distribution(origin, "new", policy="TLSv1.2_2025")
        other.distribution(origin, "api")
        context = client_context(ca.path, change=only(version))
        assert self.resumes(mantlet, context, one.name("lax"), one.name("lax"))
        assert not self.resumes(mantlet, context, one.name("lax"), one.name("new"))
        assert not self.resumes(mantlet, context, one.name("new"), one.name("lax"))
        assert not self.resumes(mantlet, context, one.name("lax"), other.name("api"))


class TestFragments:
    """RFC 8446 section 5.1: a ClientHello may come in any pieces, of the stream and of records."""

    def shake_hands(self, mantlet, distribution, pieces):
        context = client_context(mantlet.ca, alpn=["http/1.1"])
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname=distribution.domain)
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        with socket.create_connection(mantlet.https, timeout=PATIENCE) as raw:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in pieces(outgoing.read()):
                raw.sendall(piece)
            while True:
                incoming.write(raw.recv(65536))
                try:
                    tls.do_handshake()
                    raw.sendall(outgoing.read())
                    break
                except ssl.SSLWantReadError:
                    raw.sendall(outgoing.read())
            return tls.version()

    def test_byte_by_byte(self, mantlet, distribution):
        assert self.shake_hands(
            mantlet, distribution, lambda hello: [hello[at : at + 1] for at in range(len(hello))]
        )

    def test_in_records_of_eleven_bytes(self, mantlet, distribution):
        def records(hello):
            message = hello[5:]
            parts = [message[at : at + 11] for at in range(0, len(message), 11)]
            return [hello[:3] + struct.pack(">H", len(part)) + part for part in parts]

        assert self.shake_hands(mantlet, distribution, records)
