"""The access log (33 standard fields) and the metrics, and what must stand in neither."""

import re
import signal
import stat
import threading
import time
import urllib.parse
import urllib.request

import pytest

from harness.config import api_distribution, behavior, origin_at
from harness.http1 import chunk, head_bytes
from harness.mantlet import Mantlet
from harness.origin import RecordingOrigin, always
from harness.waiting import wait_until

FIELDS = [
    "date",
    "time",
    "x-edge-location",
    "sc-bytes",
    "c-ip",
    "cs-method",
    "cs(Host)",
    "cs-uri-stem",
    "sc-status",
    "cs(Referer)",
    "cs(User-Agent)",
    "cs-uri-query",
    "cs(Cookie)",
    "x-edge-result-type",
    "x-edge-request-id",
    "x-host-header",
    "cs-protocol",
    "cs-bytes",
    "time-taken",
    "x-forwarded-for",
    "ssl-protocol",
    "ssl-cipher",
    "x-edge-response-result-type",
    "cs-protocol-version",
    "fle-status",
    "fle-encrypted-fields",
    "c-port",
    "time-to-first-byte",
    "x-edge-detailed-result-type",
    "sc-content-type",
    "sc-content-len",
    "sc-range-start",
    "sc-range-end",
]


class AccessLog:
    def __init__(self, path):
        self.path = path

    def lines(self):
        """Whole lines: the last one may still be being written."""
        text = self.path.read_text() if self.path.exists() else ""
        return text[: text.rfind("\n") + 1].splitlines()

    def records(self):
        return [
            dict(zip(FIELDS, line.split("\t"))) | {"columns": len(line.split("\t"))}
            for line in self.lines()
            if not line.startswith("#")
        ]

    def of(self, answer):
        return [record for record in self.records() if record["x-edge-request-id"] == answer.request_id]

    def wait_for(self, answer):
        """The only record of a request, once it is there."""
        wait_until(lambda: self.of(answer), "the access-log record")
        [record] = self.of(answer)
        return record


@pytest.fixture
def log(mantlet):
    return AccessLog(mantlet.access_log)


def test_the_log_names_its_33_fields_in_order(viewer, log):
    log.wait_for(viewer.get())
    assert len(FIELDS) == 33
    assert log.lines()[:2] == ["#Version: 1.0", "#Fields: " + " ".join(FIELDS)]


def test_every_record_has_33_columns(viewer, log):
    log.wait_for(viewer.get("/a%09b?c=%09d", [("User-Agent", "a b\tc"), ("Referer", "")]))
    assert {record["columns"] for record in log.records()} == {33}


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_one_request_has_one_record_with_the_id_that_everybody_knows(viewer, origin, log, version):
    answer = viewer.get(version=version)
    record = log.wait_for(answer)
    assert record["x-edge-request-id"] == answer.request_id == origin.request.fields.get("x-amz-cf-id")


def test_record_of_a_plain_request(distribution, viewer, log):
    agent = "Mozilla/5.0 (X11; Linux)"
    fields = [("User-Agent", agent), ("Referer", "https://app.example.test/a?b=c"), ("Cookie", "s=secret")]
    answer = viewer.post("/api/x", b"12345", [*fields, ("X-Forwarded-For", "198.51.100.7")])
    record = log.wait_for(answer)
    expected = {
        "c-ip": "127.0.0.1",
        "cs-method": "POST",
        "cs(Host)": distribution.domain,
        "cs-uri-stem": "/api/x",
        "sc-status": "200",
        "cs(Referer)": "https://app.example.test/a?b=c",
        "cs-uri-query": "-",
        "cs(Cookie)": "-",
        "x-edge-result-type": "Miss",
        "x-edge-response-result-type": "Miss",
        "x-edge-detailed-result-type": "Miss",
        "cs-protocol": "https",
        "cs-protocol-version": "HTTP/1.1",
        "x-forwarded-for": "198.51.100.7",
        "fle-status": "-",
        "fle-encrypted-fields": "-",
        "sc-content-len": "2",
        "sc-range-start": "-",
        "sc-range-end": "-",
    }
    assert {name: record[name] for name in expected} == expected
    assert urllib.parse.unquote(record["cs(User-Agent)"]) == agent
    assert record["x-host-header"].partition(":")[0] == distribution.domain
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", record["date"])
    assert re.fullmatch(r"\d\d:\d\d:\d\d", record["time"])
    assert record["ssl-protocol"] in ("TLSv1.2", "TLSv1.3")
    assert record["ssl-cipher"] != "-"
    assert 0 < int(record["c-port"]) < 65536
    assert int(record["cs-bytes"]) > 5
    assert int(record["sc-bytes"]) >= len(answer.raw_head) + 2
    assert 0 <= float(record["time-to-first-byte"]) <= float(record["time-taken"])


def test_record_of_http2(viewer, log):
    assert log.wait_for(viewer.get(version="2"))["cs-protocol-version"] == "HTTP/2.0"


def test_record_of_the_query(viewer, log):
    assert log.wait_for(viewer.get("/a?b=c&d=%20e"))["cs-uri-query"] in ("b=c&d=%20e", "b=c&d=%2520e")


def test_record_of_a_redirect(viewer, log):
    record = log.wait_for(viewer.get(scheme="http"))
    assert (record["sc-status"], record["x-edge-result-type"]) == ("301", "Redirect")
    assert (record["cs-protocol"], record["ssl-protocol"]) == ("http", "-")


def test_record_of_an_unknown_host(mantlet, log):
    record = log.wait_for(mantlet.viewer("dnobody.mantlet.localhost").get())
    assert (record["sc-status"], record["x-edge-result-type"]) == ("403", "Error")


def test_record_of_a_refused_method(front, log):
    _, viewer = front(default=behavior(methods=["GET", "HEAD"]))
    record = log.wait_for(viewer.post())
    assert record["x-edge-result-type"] == "Error"
    assert record["x-edge-detailed-result-type"] == "InvalidRequestMethod"


def test_record_of_an_origin_name_that_does_not_resolve(mantlet, log):
    viewer = mantlet.create(api_distribution(origin_at(3500, "no-such-origin.invalid"))).viewer
    record = log.wait_for(viewer.get())
    assert (record["sc-status"], record["x-edge-detailed-result-type"]) == ("502", "OriginDnsError")


def test_record_comes_with_the_last_byte(front, log):
    half_sent, seen = threading.Event(), threading.Event()

    def script(connection):
        connection.read_request()
        connection.send(head_bytes("HTTP/1.1 200 OK", [("Transfer-Encoding", "chunked")]) + chunk(b"half"))
        half_sent.set()
        assert seen.wait(15)
        connection.send(chunk(b"half") + b"0\r\n\r\n")

    _, viewer = front(script)
    marker = None
    with viewer.http1() as connection:
        connection.send_request("GET", "/stream", viewer.with_host())
        answer = connection.read_answer_head()
        pieces = connection.body_pieces(answer)
        assert next(pieces) == b"half"
        began = time.monotonic()
        # A later request is logged while this one is still under way.
        marker = viewer.mantlet.viewer("dnobody.mantlet.localhost").get()
        log.wait_for(marker)
        assert log.of(answer) == []
        under_way = time.monotonic() - began
        seen.set()
        assert b"".join(pieces) == b"half"
    record = log.wait_for(answer)
    assert float(record["time-taken"]) >= under_way - 0.01
    assert float(record["time-to-first-byte"]) < float(record["time-taken"])


def test_record_of_a_viewer_that_leaves(front, log):
    """The documented status for a viewer that leaves before the answer is 000."""
    asked = threading.Event()

    def script(connection):
        connection.read_request()
        asked.set()
        connection.wait_for_close()

    _, viewer = front(script)
    connection = viewer.http1()
    connection.send_request("GET", "/left-before-the-answer", viewer.with_host())
    assert asked.wait(15)
    connection.reset()

    def ours():
        return [r for r in log.records() if r["cs-uri-stem"] == "/left-before-the-answer"]

    wait_until(ours, "the record of a viewer that left")
    [record] = ours()
    assert record["sc-status"] == "000"


# Metrics


def test_metrics_are_prometheus_text(mantlet, viewer):
    viewer.get()
    names = set()
    for line in metrics(mantlet).splitlines():
        if line and not line.startswith("#"):
            match = re.fullmatch(r"([a-zA-Z_:][\w:]*)(\{[^{}]*\})? (-?[\d.e+-]+|NaN|[+-]Inf)( \d+)?", line)
            assert match, line
            names.add(match[1])
    assert names


def test_metrics_count_requests(mantlet, viewer):
    before = total(metrics(mantlet), "requests")
    for _ in range(10):
        viewer.get()
    wait_until(lambda: total(metrics(mantlet), "requests") >= before + 10, "ten more requests")


def metrics(mantlet):
    with urllib.request.urlopen(f"{mantlet.api_url}/metrics", timeout=15) as answer:
        assert answer.headers["content-type"].startswith("text/plain")
        return answer.read().decode()


def total(text, word):
    """The largest sum of a counter whose name has `word`, over its labels."""
    sums = {}
    for name, value in re.findall(r"^(\w+)(?:\{[^{}]*\})? ([\d.e+]+)$", text, re.MULTILINE):
        if word in name and name.endswith("_total"):
            sums[name] = sums.get(name, 0) + float(value)
    return max(sums.values(), default=0)


# What is never written down


SECRETS = {
    "authorization": "Bearer secret-authorization",
    "cookie": "session=secret-cookie",
    "body": "secret-body",
    "query": "secret-query",
    "set-cookie": "s=secret-set-cookie; Path=/",
    "custom": "secret-custom-header",
}


def test_secrets_are_in_no_log(tmp_path):
    origin = RecordingOrigin(always(fields=[("Set-Cookie", SECRETS["set-cookie"])]))
    with Mantlet(tmp_path / "data") as mantlet:
        custom = [("X-Origin-Key", SECRETS["custom"])]
        viewer = mantlet.create(api_distribution(origin_at(origin.port, custom_headers=custom))).viewer
        fields = [("Authorization", SECRETS["authorization"]), ("Cookie", SECRETS["cookie"])]
        answer = viewer.post(f"/?token={SECRETS['query']}", SECRETS["body"].encode(), fields)
        # Once with an origin that has gone: errors are logged at greater length.
        origin.close()
        viewer.post(f"/?token={SECRETS['query']}", SECRETS["body"].encode(), fields)
        AccessLog(mantlet.access_log).wait_for(answer)
        _, secret_key = mantlet.credentials
        mantlet.terminate()
        written = mantlet.log() + mantlet.output() + without_queries(mantlet.access_log.read_text())
    assert secret_key not in written
    for name, secret in SECRETS.items():
        assert secret not in written, name


def without_queries(access_log):
    """The access log without cs-uri-query, whose documented value is the whole query."""
    column = FIELDS.index("cs-uri-query")
    lines = [line.split("\t") for line in access_log.splitlines() if not line.startswith("#")]
    return "\n".join("\t".join(line[:column] + line[column + 1 :]) for line in lines)


def test_sighup_opens_the_log_anew_after_it_was_renamed(tmp_path):
    """What logrotate does: rename, signal, and later compress what was renamed."""
    with Mantlet(tmp_path / "data") as mantlet:
        viewer = mantlet.viewer("dnobody.mantlet.localhost")
        current, rotated = AccessLog(mantlet.access_log), AccessLog(tmp_path / "access.log.1")
        before = viewer.get()
        current.wait_for(before)
        current.path.rename(rotated.path)
        mantlet.process.send_signal(signal.SIGHUP)
        wait_until(current.path.exists, "the new file")
        after = viewer.get()
        current.wait_for(after)
        assert [record["x-edge-request-id"] for record in rotated.records()] == [before.request_id]
        assert [record["x-edge-request-id"] for record in current.records()] == [after.request_id]
        assert current.lines()[0] == "#Version: 1.0", "each file says by itself what is in it"
        assert stat.S_IMODE(current.path.stat().st_mode) == 0o600
        assert mantlet.terminate() == 0


def test_access_log_on_stdout(tmp_path):
    with Mantlet(tmp_path / "data", "--access-log", "stdout") as mantlet:
        answer = mantlet.viewer("dnobody.mantlet.localhost").get()
        wait_until(lambda: answer.request_id in mantlet.output(), "the record on stdout")


def test_access_log_switched_off(tmp_path):
    with Mantlet(tmp_path / "data", "--access-log", "none") as mantlet:
        answer = mantlet.viewer("dnobody.mantlet.localhost").get()
        mantlet.terminate()
        written = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert not any(answer.request_id.encode() in path.read_bytes() for path in written)
