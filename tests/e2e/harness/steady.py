"""Good traffic, from a process of its own: a request every few milliseconds over HTTPS or HTTP/3, all timed.

Every tenth request opens a connection of its own; all others share one.
"""

import json
import subprocess
import sys
import threading
import time

from .waiting import PATIENCE, wait_until

SOURCE = "127.0.0.3"
PACE = 0.005


class Steady:
    """`phase()` is what happened since the last one: requests, failures, p50 and p99 in milliseconds."""

    def __init__(self, viewer, version="1.1"):
        mantlet = viewer.mantlet
        settings = {
            "address": mantlet.https,
            "name": viewer.domain,
            "host": viewer.host,
            "ca": str(mantlet.ca),
            "version": version,
        }
        self.arguments = [sys.executable, "-m", "harness.steady", json.dumps(settings)]

    def phase(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def __enter__(self):
        from .programs import ROOT

        self.process = subprocess.Popen(
            self.arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT / "tests" / "e2e",
        )
        # The first request loads what all of them need.
        wait_until(lambda: self.phase()["requests"], "good traffic")
        return self

    def __exit__(self, *_):
        # It closes what it has open: an edge waits for who is gone without a word.
        self.process.stdin.close()
        try:
            self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()


def open_connection(settings):
    import socket
    import ssl

    from .quic import QuicViewer
    from .viewer import Http1Connection

    if settings["version"] == "3":
        address = tuple(settings["address"])
        return QuicViewer(address, settings["name"], settings["ca"], source=SOURCE).connect()
    sock = socket.create_connection(tuple(settings["address"]), timeout=10, source_address=(SOURCE, 0))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    context = ssl.create_default_context(cafile=settings["ca"])
    return Http1Connection(context.wrap_socket(sock, server_hostname=settings["name"]))


def run(settings):
    times, failures = [], []
    lock, over = threading.Lock(), threading.Event()

    def report():
        for _ in sys.stdin:
            with lock:
                ordered, failed = sorted(times), list(failures)
                times.clear()
                failures.clear()
            shown = {"requests": len(ordered), "failures": failed[:5]}
            for percent in (50, 99):
                at = min(len(ordered) - 1, len(ordered) * percent // 100)
                shown[f"p{percent}"] = round(ordered[at] * 1000, 2) if ordered else None
            print(json.dumps(shown), flush=True)
        over.set()

    threading.Thread(target=report, daemon=True).start()
    kept, number = None, 0
    while not over.is_set():
        number += 1
        begin = time.monotonic()
        try:
            if number % 10 == 0:
                connection = open_connection(settings)
            else:
                connection = kept = kept or open_connection(settings)
            answer = connection.ask("GET", "/steady", [("Host", settings["host"])])
            if answer.status != 200 or answer.body != b"ok":
                raise ValueError(f"status {answer.status}")
            if connection is not kept:
                connection.close()
        except Exception as error:
            kept = None
            with lock:
                failures.append(repr(error))
        with lock:
            times.append(time.monotonic() - begin)
        time.sleep(PACE)
    if kept:
        kept.close()


if __name__ == "__main__":
    run(json.loads(sys.argv[1]))
