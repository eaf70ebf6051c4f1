"""Certificates of ACM on aliases: imported with boto3, seen in handshakes, renewed under open connections."""

import socket
import ssl
import uuid

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from harness.config import api_distribution, counted, origin_at
from harness.mantlet import Mantlet
from harness.origin import always
from harness.tls import ThrowAwayCa
from harness.viewer import Http1Connection
from harness.waiting import PATIENCE

MISSING = "arn:aws:acm:us-east-1:000000000000:certificate/0b7a2f0e-52a0-4c8c-9a53-8a2f5c6d7e8f"


@pytest.fixture(scope="module")
def acm(mantlet):
    return mantlet.client("acm")


@pytest.fixture(scope="module")
def cloudfront(mantlet):
    return mantlet.client()


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return ThrowAwayCa(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def domain():
    """A domain that no other test has aliases under."""
    return f"t{uuid.uuid4().hex[:12]}.example"


def import_(acm, issued, chain=None, **more):
    chain = {} if chain is None else {"CertificateChain": chain}
    return acm.import_certificate(Certificate=issued.certificate, PrivateKey=issued.key, **chain, **more)[
        "CertificateArn"
    ]


def with_certificate(origin, arn, *aliases, **certificate):
    viewer_certificate = {
        "ACMCertificateArn": arn,
        "SSLSupportMethod": "sni-only",
        "MinimumProtocolVersion": "TLSv1.2_2021",
        **certificate,
    }
    return api_distribution(
        origin_at(origin.port), Aliases=counted(aliases), ViewerCertificate=viewer_certificate
    )


def refusal(call, **arguments):
    """The code and the message of the error that `call` must end in."""
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def handshake(mantlet, ca_file, name, sni=None, **limits):
    """A TLS connection to the edge that verifies the certificate for `name`."""
    context = ssl.create_default_context(cafile=str(ca_file))
    for limit, value in limits.items():
        setattr(context, limit, value)
    raw = socket.create_connection(mantlet.https, timeout=PATIENCE)
    try:
        return context.wrap_socket(raw, server_hostname=sni or name)
    except BaseException:
        raw.close()
        raise


def shown_serial(mantlet, ca_file, name):
    with handshake(mantlet, ca_file, name) as tls:
        return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True)).serial_number


def get(connection, host, target="/"):
    return connection.ask("GET", target, [("Host", host)])


class TestImport:
    def test_is_described_got_and_listed(self, acm, ca, domain):
        issued = ca.issue(domain, f"*.{domain}")
        arn = import_(acm, issued, ca.pem, Tags=[{"Key": "team", "Value": "skin"}])
        assert arn.startswith("arn:aws:acm:us-east-1:000000000000:certificate/")
        detail = acm.describe_certificate(CertificateArn=arn)["Certificate"]
        expected = {
            "CertificateArn": arn,
            "DomainName": domain,
            "SubjectAlternativeNames": [domain, f"*.{domain}"],
            "Status": "ISSUED",
            "Type": "IMPORTED",
            "KeyAlgorithm": "RSA_2048",
            "SignatureAlgorithm": "SHA256WITHECDSA",
            "Issuer": "Throw-away CA of a test",
            "InUseBy": [],
            "RenewalEligibility": "INELIGIBLE",
        }
        assert {name: detail[name] for name in expected} == expected
        assert int(detail["Serial"].replace(":", ""), 16) == issued.serial
        assert detail["NotBefore"] < detail["ImportedAt"] < detail["NotAfter"]
        got = acm.get_certificate(CertificateArn=arn)
        assert set(got) == {"Certificate", "CertificateChain", "ResponseMetadata"}
        assert (got["Certificate"].encode(), got["CertificateChain"].encode()) == (issued.certificate, ca.pem)
        tags = acm.list_tags_for_certificate(CertificateArn=arn)["Tags"]
        assert tags == [{"Key": "team", "Value": "skin"}]

    def test_is_in_us_east_1_whatever_region_a_client_has(self, mantlet, ca, domain):
        arn = import_(mantlet.client("acm", region="eu-central-1"), ca.issue(domain))
        assert ":us-east-1:" in arn

    def test_pages_hold_every_certificate_once(self, acm, ca, domain):
        made = {import_(acm, ca.issue(f"{number}.{domain}")) for number in range(5)}
        pages = acm.get_paginator("list_certificates").paginate(PaginationConfig={"PageSize": 2})
        listed = [each["CertificateArn"] for page in pages for each in page["CertificateSummaryList"]]
        assert len(listed) == len(set(listed))
        assert made <= set(listed)

    def test_ecdsa_is_listed_where_it_is_asked_for(self, acm, ca, domain):
        arn = import_(acm, ca.issue(domain, key=ec.generate_private_key(ec.SECP384R1())))
        listed = acm.list_certificates(Includes={"keyTypes": ["EC_secp384r1"]})["CertificateSummaryList"]
        assert arn in [each["CertificateArn"] for each in listed]
        listed = acm.list_certificates()["CertificateSummaryList"]
        assert arn not in [each["CertificateArn"] for each in listed], "ACM's default is RSA"

    @pytest.mark.parametrize("wrong", ["expired", "key", "chain", "junk"])
    def test_wrong_ones_are_refused(self, acm, ca, domain, tmp_path, wrong):
        issued, other = ca.issue(domain, days=-1 if wrong == "expired" else 2), ca.issue(domain)
        arguments = {"Certificate": issued.certificate, "PrivateKey": issued.key}
        if wrong == "key":
            arguments["PrivateKey"] = other.key
        if wrong == "chain":
            arguments["CertificateChain"] = ThrowAwayCa(tmp_path).pem
        if wrong == "junk":
            arguments["Certificate"] = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        code, message = refusal(acm.import_certificate, **arguments)
        assert code == "ValidationException"
        assert "BEGIN" not in message

    def test_request_certificate_is_not_there(self, acm, domain):
        assert refusal(acm.request_certificate, DomainName=domain)[0] == "NotImplemented"

    def test_what_is_not_there_is_named(self, acm):
        assert refusal(acm.describe_certificate, CertificateArn=MISSING)[0] == "ResourceNotFoundException"
        elsewhere = MISSING.replace("certificate/", "acme-endpoint/")
        assert refusal(acm.describe_certificate, CertificateArn=elsewhere)[0] == "InvalidArnException"

    def test_tags_are_changed(self, acm, ca, domain):
        arn = import_(acm, ca.issue(domain))
        tags = [{"Key": "team", "Value": "skin"}, {"Key": "stage", "Value": "prod"}]
        acm.add_tags_to_certificate(CertificateArn=arn, Tags=tags)
        acm.remove_tags_from_certificate(CertificateArn=arn, Tags=[{"Key": "team"}])
        assert acm.list_tags_for_certificate(CertificateArn=arn)["Tags"] == tags[1:]
        assert acm.list_tags_for_resource(ResourceArn=arn)["Tags"] == tags[1:]


class TestAliases:
    def test_each_name_gets_its_certificate(self, mantlet, acm, ca, origin, domain):
        issued = ca.issue(domain, f"*.{domain}")
        made = mantlet.create(with_certificate(origin, import_(acm, issued, ca.pem), domain, f"*.{domain}"))
        for name in (domain, f"www.{domain}", f"WWW.{domain}".upper()):
            with Http1Connection(handshake(mantlet, ca.path, name.lower(), sni=name)) as connection:
                assert get(connection, name).status == 200, name
        # The name that it was given stays the suffix's.
        assert made.viewer.get().status == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(mantlet, ca.path, made.domain)

    def test_punycode(self, mantlet, acm, ca, origin, domain):
        name = f"xn--mnchen-3ya.{domain}"
        mantlet.create(with_certificate(origin, import_(acm, ca.issue(name)), name))
        with Http1Connection(handshake(mantlet, ca.path, name)) as connection:
            assert get(connection, name).status == 200

    def test_two_distributions_keep_their_certificates_apart(self, mantlet, acm, ca, origin, domain):
        wide, exact = ca.issue(f"*.{domain}"), ca.issue(f"api.{domain}")
        mantlet.create(with_certificate(origin, import_(acm, wide), f"*.{domain}"))
        mantlet.create(with_certificate(origin, import_(acm, exact), f"api.{domain}"))
        assert shown_serial(mantlet, ca.path, f"api.{domain}") == exact.serial
        assert shown_serial(mantlet, ca.path, f"other.{domain}") == wide.serial

    def test_names_that_nobody_has_and_disabled_ones_show_the_suffix_alone(
        self, mantlet, acm, ca, origin, domain
    ):
        config = with_certificate(origin, import_(acm, ca.issue(domain)), domain)
        mantlet.create({**config, "Enabled": False})
        serials = set()
        for name in (domain, f"nobody.{domain}"):
            with pytest.raises(ssl.SSLCertVerificationError):
                handshake(mantlet, ca.path, name)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.load_verify_locations(mantlet.ca)
            raw = socket.create_connection(mantlet.https, timeout=PATIENCE)
            with context.wrap_socket(raw, server_hostname=name) as tls:
                serials.add(x509.load_der_x509_certificate(tls.getpeercert(True)).serial_number)
        assert len(serials) == 1

    def test_security_policy_of_tls_1_3(self, mantlet, acm, ca, origin, domain):
        config = with_certificate(
            origin, import_(acm, ca.issue(domain)), domain, MinimumProtocolVersion="TLSv1.3_2025"
        )
        mantlet.create(config)
        with handshake(mantlet, ca.path, domain) as tls:
            assert tls.version() == "TLSv1.3"
        with pytest.raises(ssl.SSLError):
            handshake(mantlet, ca.path, domain, maximum_version=ssl.TLSVersion.TLSv1_2)

    def test_what_viewers_would_not_take_is_refused(self, cloudfront, acm, ca, origin, domain):
        arn = import_(acm, ca.issue(domain))

        def refused(*aliases, arn=arn):
            config = with_certificate(origin, arn, *aliases)
            return refusal(cloudfront.create_distribution, DistributionConfig=config)

        code, message = refused(f"www.{domain}")
        assert code == "InvalidViewerCertificate"
        assert f"www.{domain}" in message
        assert refused(domain, arn=MISSING)[0] == "InvalidViewerCertificate"
        assert refused(domain, arn=arn.replace("us-east-1", "eu-west-1"))[0] == "InvalidViewerCertificate"
        config = api_distribution(origin_at(origin.port), Aliases=counted([domain]))
        code, _ = refusal(cloudfront.create_distribution, DistributionConfig=config)
        assert code == "InvalidViewerCertificate"

    def test_an_alias_has_one_distribution(self, mantlet, cloudfront, acm, ca, origin, domain):
        arn = import_(acm, ca.issue(domain))
        mantlet.create(with_certificate(origin, arn, domain))
        again = with_certificate(origin, arn, domain.upper())
        assert refusal(cloudfront.create_distribution, DistributionConfig=again)[0] == "CNAMEAlreadyExists"

    def test_an_alias_moves_at_once(self, mantlet, cloudfront, acm, ca, origins, domain):
        one, other = origins(always(body=b"one")), origins(always(body=b"other"))
        arn = import_(acm, ca.issue(f"*.{domain}"))
        source = mantlet.create(with_certificate(one, arn, f"a.{domain}", f"b.{domain}"))
        target = mantlet.create(with_certificate(other, arn, f"c.{domain}"))
        cloudfront.associate_alias(TargetDistributionId=target.id, Alias=f"a.{domain}")
        mantlet.wait_until_deployed(source.id)
        mantlet.wait_until_deployed(target.id)

        def aliases(distribution):
            config = cloudfront.get_distribution_config(Id=distribution.id)["DistributionConfig"]
            return sorted(config["Aliases"]["Items"])

        assert aliases(source) == [f"b.{domain}"]
        assert aliases(target) == [f"a.{domain}", f"c.{domain}"]
        with Http1Connection(handshake(mantlet, ca.path, f"a.{domain}")) as connection:
            assert get(connection, f"a.{domain}").body == b"other"
        with Http1Connection(handshake(mantlet, ca.path, f"b.{domain}")) as connection:
            assert get(connection, f"b.{domain}").body == b"one"

        # A distribution without a certificate cannot have it.
        bare = cloudfront.create_distribution(DistributionConfig=api_distribution(origin_at(one.port)))
        code, _ = refusal(
            cloudfront.associate_alias, TargetDistributionId=bare["Distribution"]["Id"], Alias=f"a.{domain}"
        )
        assert code == "IllegalUpdate"
        assert aliases(target) == [f"a.{domain}", f"c.{domain}"]

    def test_a_certificate_in_use_stays(self, mantlet, acm, ca, origin, domain):
        arn = import_(acm, ca.issue(domain))
        made = mantlet.create(with_certificate(origin, arn, domain))
        assert acm.describe_certificate(CertificateArn=arn)["Certificate"]["InUseBy"] == [made.arn]
        code, message = refusal(acm.delete_certificate, CertificateArn=arn)
        assert (code, made.id in message) == ("ResourceInUseException", True)

        def without_certificate(config):
            config["Aliases"] = counted([])
            config["ViewerCertificate"] = {"CloudFrontDefaultCertificate": True}

        mantlet.update(made, without_certificate)
        acm.delete_certificate(CertificateArn=arn)
        assert refusal(acm.get_certificate, CertificateArn=arn)[0] == "ResourceNotFoundException"


class TestRenewal:
    def test_reaches_the_edge_and_touches_no_connection(self, mantlet, acm, ca, origin, domain):
        old, new = ca.issue(domain), ca.issue(domain)
        arn = import_(acm, old, ca.pem)
        made = mantlet.create(with_certificate(origin, arn, domain))
        assert shown_serial(mantlet, ca.path, domain) == old.serial
        with Http1Connection(handshake(mantlet, ca.path, domain)) as connection:
            assert get(connection, domain).status == 200
            etag = mantlet.client().get_distribution(Id=made.id)["ETag"]
            assert import_(acm, new, ca.pem, CertificateArn=arn) == arn
            mantlet.wait_until_deployed(made.id)
            assert shown_serial(mantlet, ca.path, domain) == new.serial
            assert get(connection, domain).status == 200
            assert mantlet.client().get_distribution(Id=made.id)["ETag"] == etag

    def test_must_cover_what_the_old_one_covers(self, mantlet, acm, ca, origin, domain):
        arn = import_(acm, ca.issue(domain))
        made = mantlet.create(with_certificate(origin, arn, domain))
        other = ca.issue(f"other.{domain}")
        code, message = refusal(
            acm.import_certificate,
            CertificateArn=arn,
            Certificate=other.certificate,
            PrivateKey=other.key,
        )
        assert (code, made.id in message) == ("ValidationException", True)


class TestKeeping:
    def test_kill_9_keeps_it_and_no_key_lies_open(self, tmp_path, ca, origin, domain):
        issued = ca.issue(domain)
        with Mantlet(tmp_path / "data") as mantlet:
            arn = import_(mantlet.client("acm"), issued, ca.pem)
            mantlet.create(with_certificate(origin, arn, domain))
            mantlet.kill()
        with Mantlet(tmp_path / "data") as mantlet:
            assert shown_serial(mantlet, ca.path, domain) == issued.serial
            detail = mantlet.client("acm").describe_certificate(CertificateArn=arn)["Certificate"]
            assert detail["Status"] == "ISSUED"
            assert mantlet.terminate() == 0
        check_no_key(tmp_path, issued)


def check_no_key(directory, issued):
    """Neither the data directory nor the logs beside it hold the key in any form."""
    secrets = []
    for encoding in issued.key_encodings():
        # From within the private exponent: what comes before is the modulus, which is public.
        pem = encoding.startswith(b"-----")
        secrets.append(encoding.splitlines()[9] if pem else encoding[320:384])
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert any(path.name.startswith("store") for path in files)
    for path in files:
        content = path.read_bytes()
        assert not [secret for secret in secrets if secret in content], path
