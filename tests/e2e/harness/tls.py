"""A throw-away CA for servers that are not mantlet."""

import datetime
import ipaddress
import ssl
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID


@dataclass
class Issued:
    """A certificate and its private key, in PEM."""

    certificate: bytes
    key: bytes
    private_key: object

    @property
    def serial(self):
        return x509.load_pem_x509_certificate(self.certificate).serial_number

    def key_encodings(self):
        """Every form in which the private key could lie somewhere: PEM and DER."""
        formats = (serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL)
        for encoding in (serialization.Encoding.DER, serialization.Encoding.PEM):
            for format in formats:
                yield self.private_key.private_bytes(encoding, format, serialization.NoEncryption())


class ThrowAwayCa:
    def __init__(self, directory, path_length=0, issuer=None):
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())
        name = "Throw-away CA of a test" if issuer is None else "Intermediate CA of a test"
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        constraints = x509.BasicConstraints(ca=True, path_length=path_length)
        self.certificate = (issuer or self)._issue(self.name, self.key, constraints, ())
        self.path = directory / "throw-away-ca.pem"
        self.path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def intermediate(self, directory):
        """A CA that this one vouches for. Its `with_root` is its own certificate, not the root's."""
        return ThrowAwayCa(directory, issuer=self)

    def self_signed_files(self, *names):
        """The files of a certificate that is its own issuer, and of its key."""
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A server of a test")])
        return self.server_files(*names, key=self.key)

    def server_context(self, host):
        """A server's TLS context with a certificate for `host`."""
        certificate, key = self.server_files(host)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return context

    def server_files(self, *names, stem=None, with_root=False, days=2, key=None):
        """The files of a certificate for `names`, which may be addresses, and of its key."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A server of a test")])
        leaf = x509.BasicConstraints(ca=False, path_length=None)
        alternatives = x509.SubjectAlternativeName([general_name(name) for name in names])
        certificate = self._issue(subject, key, leaf, [alternatives], days)
        chain = [certificate, self.certificate] if with_root else [certificate]
        stem = stem or names[0].replace("*", "any")
        paths = self.directory / f"{stem}.pem", self.directory / f"{stem}.key"
        paths[0].write_bytes(b"".join(each.public_bytes(serialization.Encoding.PEM) for each in chain))
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return paths

    @property
    def pem(self):
        return self.path.read_bytes()

    def issue(self, *names, key=None, days=2):
        """A certificate for these names; `days` below zero makes one that has expired."""
        key = key or rsa.generate_private_key(public_exponent=65537, key_size=2048)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        leaf = x509.BasicConstraints(ca=False, path_length=None)
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        certificate = self._issue(subject, key, leaf, [alternatives], days)
        return Issued(
            certificate.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
            key,
        )

    def _issue(self, subject, key, constraints, extensions, days=2):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=30))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(constraints, critical=True)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key, hashes.SHA256())


def general_name(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
