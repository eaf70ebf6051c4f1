#!/usr/bin/env python3
"""Measures the control plane with many distributions, on the real binary and its SQLite store.

    cargo build --release -p mantlet
    tests/e2e/.venv/bin/python benches/control_plane.py [--distributions 10000] [--binary FILE]

Prints one line a measurement, and all of them as JSON at the end. What they mean stands in docs/limits.md.
"""

import argparse
import hashlib
import http.client
import json
import os
import re
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

CONFIG = """<DistributionConfig xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/">\
<CallerReference>{reference}</CallerReference><Comment>{reference}</Comment><Enabled>true</Enabled>\
<Origins><Quantity>1</Quantity><Items><Origin><Id>api</Id><DomainName>10.0.0.{octet}</DomainName>\
<CustomOriginConfig><HTTPPort>3500</HTTPPort><HTTPSPort>443</HTTPSPort>\
<OriginProtocolPolicy>http-only</OriginProtocolPolicy></CustomOriginConfig></Origin></Items></Origins>\
<DefaultCacheBehavior><TargetOriginId>api</TargetOriginId>\
<ViewerProtocolPolicy>redirect-to-https</ViewerProtocolPolicy>\
<AllowedMethods><Quantity>7</Quantity><Items><Method>GET</Method><Method>HEAD</Method><Method>OPTIONS</Method>\
<Method>PUT</Method><Method>PATCH</Method><Method>POST</Method><Method>DELETE</Method></Items></AllowedMethods>\
<CachePolicyId>4135ea2d-6df8-44a3-9df3-4b5a84be39ad</CachePolicyId>\
<OriginRequestPolicyId>216adef6-5c7f-47e4-b989-5492eafa07d3</OriginRequestPolicyId>\
</DefaultCacheBehavior></DistributionConfig>"""

DISTRIBUTION = "/2020-05-31/distribution"
WRITERS = 4
CHANGES = 50
PAGES = 20


def main():
    options = arguments()
    os.environ["MANTLET_BINARY"] = str(options.binary.resolve())
    from harness.mantlet import Mantlet

    results = {"distributions": options.distributions}
    with tempfile.TemporaryDirectory() as directory:
        mantlet = Mantlet(Path(directory) / "data")
        with mantlet:
            results["resident_mib_when_empty"] = mebibytes(mantlet.resident_bytes())
            for total in milestones(options.distributions):
                fill(mantlet, total, results)
                pages(mantlet, total, results)
            results["resident_mib"] = mebibytes(mantlet.resident_bytes())
            changes(mantlet, results)
            mantlet.terminate()
        results["store_mib"] = mebibytes(sum(file.stat().st_size for file in mantlet.data_dir.glob("store*")))
        start(mantlet, results)
    print(json.dumps(results))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--distributions", type=int, default=10_000, metavar="N")
    parser.add_argument(
        "--binary", type=Path, default=ROOT / "target" / "release" / "mantlet", metavar="FILE"
    )
    return parser.parse_args()


def milestones(total):
    return sorted({max(total // 10, 1), total})


class Client:
    """One connection, signed requests."""

    def __init__(self, mantlet):
        from harness.signer import Signer

        self.mantlet, self.signer_type = mantlet, Signer
        self.connection = http.client.HTTPConnection(*mantlet.api, timeout=60)

    def ask(self, method, target, body=b"", fields=None):
        signer = self.signer_type(self.mantlet)
        headers = signer.headers(method, target, hashlib.sha256(body).hexdigest())
        self.connection.request(method, target, body, headers | (fields or {}))
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 400:
            raise SystemExit(f"{method} {target}: {answer.status} {text[:300]}")
        return answer, text


def fill(mantlet, total, results):
    """Creates distributions with a few writers until there are so many."""
    first = results.get("created", 0)
    numbers = iter(range(first, total))
    lock = threading.Lock()

    def write():
        client = Client(mantlet)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            body = CONFIG.format(reference=f"bench-{number}", octet=number % 254 + 1).encode()
            client.ask("POST", DISTRIBUTION, body)

    begin, cpu = time.monotonic(), cpu_seconds(mantlet)
    writers = [threading.Thread(target=write) for _ in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    count = total - first
    results["created"] = total
    report(results, f"creates_per_second_to_{total}", round(count / (time.monotonic() - begin)))
    report(results, f"create_cpu_ms_to_{total}", round((cpu_seconds(mantlet) - cpu) / count * 1000, 2))


def pages(mantlet, total, results):
    """The first page of the list, and one in the middle: processor time of each."""
    client = Client(mantlet)
    _, text = client.ask("GET", f"{DISTRIBUTION}?MaxItems=100")
    ids = re.findall(rb"<DistributionSummary><Id>(\w+)</Id>", text)
    middle = f"{DISTRIBUTION}?Marker=H0000000000000&MaxItems=100".replace("H", "EI")
    for name, target in {"first": f"{DISTRIBUTION}?MaxItems=100", "middle": middle}.items():
        cpu = cpu_seconds(mantlet)
        for _ in range(PAGES):
            client.ask("GET", target)
        report(
            results, f"{name}_page_cpu_ms_at_{total}", round((cpu_seconds(mantlet) - cpu) / PAGES * 1000, 2)
        )
    results["some_ids"] = [id.decode() for id in ids[:CHANGES]]


def changes(mantlet, results):
    """Changes among all those distributions: from the request until the answer is Deployed."""
    client = Client(mantlet)
    times = []
    for id in results.pop("some_ids"):
        answer, text = client.ask("GET", f"{DISTRIBUTION}/{id}/config")
        changed = text.replace(b"<HTTPPort>3500</HTTPPort>", b"<HTTPPort>3501</HTTPPort>")
        etag = answer.getheader("ETag")
        begin = time.monotonic()
        client.ask("PUT", f"{DISTRIBUTION}/{id}/config", changed, {"If-Match": etag})
        while b"<Status>Deployed</Status>" not in client.ask("GET", f"{DISTRIBUTION}/{id}")[1]:
            pass
        times.append((time.monotonic() - begin) * 1000)
    report(results, "change_to_deployed_ms_median", round(statistics.median(times), 1))
    report(results, "change_to_deployed_ms_max", round(max(times), 1))


def start(mantlet, results):
    """From the start of the process until it serves everything."""
    times = []
    for _ in range(3):
        begin = time.monotonic()
        with mantlet:
            times.append((time.monotonic() - begin) * 1000)
            results["resident_mib_after_start"] = mebibytes(mantlet.resident_bytes())
            mantlet.terminate()
    report(results, "start_ms_median", round(statistics.median(times)))


def cpu_seconds(mantlet):
    fields = Path(f"/proc/{mantlet.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def mebibytes(count):
    return round(count / 1024 / 1024, 1)


def report(results, name, value):
    results[name] = value
    print(f"{name}: {value}", flush=True)


if __name__ == "__main__":
    main()
