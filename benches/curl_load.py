"""GETs as fast as curl can, over HTTP/2 or HTTP/3 on a few connections with some streams each.

    tests/e2e/.venv/bin/python benches/curl_load.py --http 3 --url https://a.localhost:8443/ \\
        --address 127.0.0.1 --ca ca.pem --connections 8 --streams 10 --seconds 2

Prints how many requests were answered; any answer but 200 is an error. `cargo xtask bench --only http3` runs
it.
"""

import argparse
import select
import sys
import time
from urllib.parse import urlsplit

import pycurl

VERSIONS = {
    2: (pycurl.CURL_HTTP_VERSION_2TLS, pycurl.CURL_HTTP_VERSION_2_0),
    3: (pycurl.CURL_HTTP_VERSION_3ONLY, pycurl.CURL_HTTP_VERSION_3),
}


def handle(flags):
    """One stream: a handle of curl's, used again for each of its requests."""
    asked, _ = VERSIONS[flags.http]
    url = urlsplit(flags.url)
    easy = pycurl.Curl()
    easy.setopt(pycurl.URL, flags.url)
    easy.setopt(pycurl.RESOLVE, [f"{url.hostname}:{url.port}:{flags.address}"])
    easy.setopt(pycurl.HTTP_VERSION, asked)
    easy.setopt(pycurl.CAINFO, flags.ca)
    easy.setopt(pycurl.TIMEOUT, 20)
    easy.setopt(pycurl.PIPEWAIT, 1)
    easy.setopt(pycurl.WRITEFUNCTION, len)
    return easy


class Connection:
    """A connection with its streams: a set of handles that share nothing with the other ones."""

    def __init__(self, flags):
        _, self.version = VERSIONS[flags.http]
        self.multi = pycurl.CurlMulti()
        self.multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, 1)
        self.multi.setopt(pycurl.M_MAX_CONCURRENT_STREAMS, flags.streams)
        self.streams = [handle(flags) for _ in range(flags.streams)]
        self.answered = 0
        self.has_advanced = False

    def begin(self):
        for easy in self.streams:
            self.multi.add_handle(easy)

    def advance(self, goes_on):
        """Does what can be done at this moment; whether any request is under way."""
        _, running = self.multi.perform()
        _, ended, failed = self.multi.info_read()
        if failed:
            sys.exit(f"{len(failed)} requests failed; the first: {failed[0][2]}")
        for easy in ended:
            self.count(easy)
            self.multi.remove_handle(easy)
            if goes_on:
                self.multi.add_handle(easy)
        self.has_advanced = bool(ended)
        return running > 0 or (goes_on and self.has_advanced)

    def count(self, easy):
        status, version = easy.getinfo(pycurl.RESPONSE_CODE), easy.getinfo(pycurl.INFO_HTTP_VERSION)
        if (status, version) != (200, self.version):
            sys.exit(f"answered {status} over version {version}")
        self.answered += 1


def wait(connections):
    """Until a connection may advance: no longer than QUIC's timers can wait."""
    sets = [connection.multi.fdset() for connection in connections]
    reading, writing, _ = ([fd for fds in kind for fd in fds] for kind in zip(*sets, strict=True))
    select.select(reading, writing, [], 0.005)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--http", type=int, choices=VERSIONS, required=True, help="version")
    arguments.add_argument("--url", required=True)
    arguments.add_argument("--address", required=True, help="where the URL's host is")
    arguments.add_argument("--ca", required=True, help="whom to believe, a PEM file")
    arguments.add_argument("--connections", type=int, default=8)
    arguments.add_argument("--streams", type=int, default=10, help="requests under way on each connection")
    arguments.add_argument("--seconds", type=float, default=2)
    flags = arguments.parse_args()
    connections = [Connection(flags) for _ in range(flags.connections)]
    for connection in connections:
        connection.begin()
    until = time.monotonic() + flags.seconds
    busy = True
    while busy:
        goes_on = time.monotonic() < until
        under_way = [connection.advance(goes_on) for connection in connections]
        busy = any(under_way)
        if busy and not any(connection.has_advanced for connection in connections):
            wait(connections)
    print(sum(connection.answered for connection in connections))


if __name__ == "__main__":
    main()
