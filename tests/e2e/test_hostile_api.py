"""Documents and streams that attack the API's reader, sent by someone who may write.

Each is refused with a 4xx, costs under 50 ms of processor time and holds under 8 MiB of memory, and the API
answers the next request.
"""

import contextlib
import hashlib
import http.client
import json
import os
import socket
from pathlib import Path

import pytest

from harness.mantlet import Mantlet
from harness.signer import LIST, Signer

CPU_SECONDS_MAX = 0.050
MEMORY_BYTES_MAX = 8 * 1024 * 1024
# The clock of processor time in /proc has steps of 10 ms: several requests together are told apart from them.
ROUNDS = 10
# Neighbours on the same core make processor time dearer, never cheaper: what a document costs is what its
# cheapest batch does.
BATCHES = 5
BODY_BYTES_MAX = 2 * 1024 * 1024

ACM_TARGET = "CertificateManager.ImportCertificate"


def numbered(count, piece):
    return "".join(piece.replace("#", str(number)) for number in range(count))


def distribution_config(inner, attributes=""):
    return f"<DistributionConfig{attributes}>{inner}</DistributionConfig>"


XML = {
    "entities that double": '<!DOCTYPE a [<!ENTITY a "aaaaaaaa">'
    + "".join(
        f'<!ENTITY a{n} "&a{n - 1 if n > 1 else ""};&a{n - 1 if n > 1 else ""};">' for n in range(1, 30)
    )
    + "]>"
    + distribution_config("&a29;"),
    "an entity of a file": '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    + distribution_config("&a;"),
    "80,000 attributes": distribution_config("", numbered(80_000, ' a#=""')),
    "80,000 namespaces": distribution_config("", numbered(80_000, ' xmlns:n#="u"')),
    "a namespace an element": distribution_config(numbered(100_000, '<a xmlns="#"/>')),
    "depth 10,000": distribution_config("<a>" * 10_000 + "</a>" * 10_000),
    "depth without end": distribution_config("<a>" * 600_000),
    "a million elements": distribution_config("<a/>" * 500_000),
    "one long name": f"<{'D' * (BODY_BYTES_MAX - 100)}>",
    "one long text": distribution_config(f"<Comment>{'c' * (BODY_BYTES_MAX - 200)}</Comment>"),
    "references": distribution_config(f"<Comment>{'&#65;' * 400_000}</Comment>"),
    "comments": distribution_config("<!---->" * 290_000),
    "character data": distribution_config("<Comment>" + "<![CDATA[]]>" * 170_000 + "</Comment>"),
    "origins": distribution_config(
        "<Origins><Quantity>20000</Quantity><Items>"
        + "<Origin><Id/></Origin>" * 20_000
        + "</Items></Origins>"
    ),
    "UTF-16": distribution_config("").encode("utf-16"),
    "UTF-32": distribution_config("").encode("utf-32"),
    "UTF-7 by declaration": '<?xml version="1.0" encoding="UTF-7"?>' + distribution_config(""),
    "bytes that are no text": b"<DistributionConfig>\xff\xfe\x80</DistributionConfig>",
    "nothing": "",
    "spaces": " " * (BODY_BYTES_MAX - 1),
}

JSON = {
    "depth 10,000": "[" * 10_000,
    "depth in an ignored member": '{"a":' * 300_000,
    "a million values": '{"Certificate":[' + "0," * 900_000 + "0]}",
    "a million names": "{" + numbered(120_000, '"a#":0,') + '"z":0}',
    "one name a million times": "{" + '"Certificate":"",' * 110_000 + '"Certificate":""}',
    "one long number": "1" * (BODY_BYTES_MAX - 1),
    "one long exponent": '{"MaxItems":1e' + "9" * 1_000_000 + "}",
    "escapes": '{"Certificate":"' + "\\u0041" * 300_000 + '"}',
    "lone surrogates": '{"Certificate":"' + "\\ud800" * 300_000 + '"}',
    "UTF-16": "{}".encode("utf-16"),
    "bytes that are no text": b'{"Certificate":"\xff\xfe"}',
    "no JSON": "<DistributionConfig/>",
    "spaces": " " * (BODY_BYTES_MAX - 1),
}


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """A process of its own, whose processor time and memory are those of these requests alone."""
    with Mantlet(tmp_path_factory.mktemp("hostile") / "data", "--edge-threads", "1") as mantlet:
        ask(mantlet, "<DistributionConfig/>", **CLOUDFRONT)
        yield mantlet


CLOUDFRONT = {"target": LIST, "service": "cloudfront", "fields": {}}
ACM = {"target": "/", "service": "acm", "fields": {"x-amz-target": ACM_TARGET}}


def ask(mantlet, body, target, service, fields):
    body = body if isinstance(body, bytes) else body.encode()
    signer = Signer(mantlet)
    signer.service = service
    headers = signer.headers("POST", target, hashlib.sha256(body).hexdigest(), fields)
    headers["Content-Type"] = "application/x-amz-json-1.1" if service == "acm" else "text/xml"
    connection = http.client.HTTPConnection(*mantlet.api, timeout=30)
    # One that is refused before all of it was sent is answered all the same.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.request("POST", target, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    assert b"Signature" not in text, text
    return answer.status


def cpu_seconds(mantlet):
    fields = Path(f"/proc/{mantlet.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Watch:
    """What a process uses from now on."""

    def __init__(self, mantlet):
        self.mantlet = mantlet
        # 5 resets the high-water mark of resident memory (proc(5), clear_refs).
        Path(f"/proc/{mantlet.process.pid}/clear_refs").write_text("5")
        self.memory = mantlet.resident_bytes()
        self.cpu = cpu_seconds(mantlet)

    def cpu_seconds(self):
        return cpu_seconds(self.mantlet) - self.cpu

    def memory_bytes(self):
        for line in Path(f"/proc/{self.mantlet.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 - self.memory
        raise AssertionError("the process has no VmHWM")


def assert_cheap_refusal(mantlet, body, **how):
    memory = Watch(mantlet)
    assert any(cpu_of_refusals(mantlet, body, how) / ROUNDS < CPU_SECONDS_MAX for _ in range(BATCHES))
    assert memory.memory_bytes() < MEMORY_BYTES_MAX
    assert mantlet.client().list_distributions()["DistributionList"]["Quantity"] == 0


def cpu_of_refusals(mantlet, body, how):
    watch = Watch(mantlet)
    for _ in range(ROUNDS):
        status = ask(mantlet, body, **how)
        assert 400 <= status < 500, status
    return watch.cpu_seconds()


@pytest.mark.parametrize("name", XML)
def test_hostile_xml(quiet, name):
    assert_cheap_refusal(quiet, XML[name], **CLOUDFRONT)


@pytest.mark.parametrize("name", JSON)
def test_hostile_json(quiet, name):
    assert_cheap_refusal(quiet, JSON[name], **ACM)


@pytest.mark.parametrize("how", [CLOUDFRONT, ACM], ids=["XML", "JSON"])
def test_a_body_that_is_too_long_is_refused_before_it_is_read(quiet, how):
    assert_cheap_refusal(quiet, b" " * (BODY_BYTES_MAX + 1), **how)


def test_a_stream_without_end_is_refused(quiet):
    """A chunked body of unknown length: refused at the limit, and the connection closes."""
    watch = Watch(quiet)
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    head = f"POST {LIST} HTTP/1.1\r\nHost: {quiet.endpoints['api']}\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(quiet.api, timeout=20) as connection:
        connection.sendall(head.encode())
        sent = 0
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while sent < 64 * 1024 * 1024:
                connection.sendall(chunk)
                sent += len(chunk)
        assert sent < 64 * 1024 * 1024, "the stream was read to its end"
    assert watch.memory_bytes() < MEMORY_BYTES_MAX
    assert quiet.client().list_distributions()["DistributionList"]["Quantity"] == 0


def test_a_signed_document_of_the_right_kind_is_still_read(quiet):
    """The control: the same way of asking reaches the operation, which finds members missing."""
    body = json.dumps({"Certificate": "bm90IGEgY2VydGlmaWNhdGU=", "PrivateKey": "bm90IGEga2V5"})
    assert ask(quiet, body, **ACM) in (400, 501)
    assert ask(quiet, distribution_config("<CallerReference>a</CallerReference>"), **CLOUDFRONT) == 400
