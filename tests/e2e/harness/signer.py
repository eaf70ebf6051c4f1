"""Signature Version 4, by the book."""

import datetime
import hashlib
import hmac
from urllib.parse import parse_qsl, quote, urlsplit

LIST = "/2020-05-31/distribution"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


class Signer:
    """SigV4 by the book, so that each step can be broken on purpose."""

    def __init__(self, mantlet):
        self.host = mantlet.endpoints["api"]
        self.key, self.secret = mantlet.credentials
        self.region = "us-east-1"
        self.service = "cloudfront"
        self.now = datetime.datetime.now(datetime.timezone.utc)

    def headers(self, method="GET", target=LIST, payload_hash=EMPTY_SHA256, more=None):
        """The headers of a signed request; `more` are signed too, and their names sort after the others."""
        fields = {"host": self.host, "x-amz-content-sha256": payload_hash, "x-amz-date": self.stamp}
        fields |= more or {}
        signature = self.signature(method, target, fields, payload_hash)
        credential = f"{self.key}/{self.scope}"
        names = ";".join(fields)
        fields["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
        )
        return fields

    def presigned(self, target=LIST, expires=60):
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{self.key}/{self.scope}",
            "X-Amz-Date": self.stamp,
            "X-Amz-Expires": str(expires),
            "X-Amz-SignedHeaders": "host",
        }
        target += "?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
        signature = self.signature("GET", target, {"host": self.host}, EMPTY_SHA256)
        return f"{target}&X-Amz-Signature={signature}"

    @property
    def stamp(self):
        return self.now.strftime("%Y%m%dT%H%M%SZ")

    @property
    def scope(self):
        return f"{self.stamp[:8]}/{self.region}/{self.service}/aws4_request"

    def signature(self, method, target, fields, payload_hash):
        parts = urlsplit(target)
        query = sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in parse_qsl(parts.query))
        canonical = "\n".join(
            [
                method,
                quote(parts.path, safe="/-_.~"),
                "&".join(f"{name}={value}" for name, value in query),
                *(f"{name}:{value}" for name, value in fields.items()),
                "",
                ";".join(fields),
                payload_hash,
            ]
        )
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        to_sign = f"AWS4-HMAC-SHA256\n{self.stamp}\n{self.scope}\n{digest}"
        key = b"AWS4" + self.secret.encode()
        for step in [*self.scope.split("/"), to_sign]:
            key = hmac.digest(key, step.encode(), "sha256")
        return key.hex()
