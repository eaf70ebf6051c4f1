"""CachingDisabled: whatever users do at the same time, nobody ever sees anything of another.

Each user has a token of its own that the origin repeats in the answer's body, fields and cookies. Users do
random things (the seed is printed) on kept, dropped and shared connections.
"""

import os
import random
import re
import threading

import pytest

from harness.http1 import PeerClosed, chunk, head_bytes, spawn

USERS = 12
STEPS = 60
THREADS_JOIN = 90
TOKEN = re.compile(rb"user-[0-9a-f]{16}")
SEED = int(os.environ.get("MANTLET_TEST_SEED", random.SystemRandom().randrange(1 << 32)))


def personal(connection):
    """Answers with the caller's token everywhere, and as cacheable as can be, to tempt a cache."""
    while True:
        request = connection.read_request()
        token = request.fields.get("cookie").partition("=")[2]
        body = (token.encode() + b" ") * (1 + int(request.query or 0))
        fields = [
            ("Cache-Control", "public, max-age=3600, s-maxage=3600"),
            ("ETag", f'"{token}"'),
            ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("X-User", token),
            ("Set-Cookie", f"session={token}; Path=/; HttpOnly; Secure"),
            ("Location", f"/{token}"),
        ]
        first_line, fields, body = shape(request, fields, body)
        if "content-length" not in [name.lower() for name, _ in fields] and body is not None:
            head = head_bytes(first_line, [*fields, ("Transfer-Encoding", "chunked")])
            body = b"" if request.method == "HEAD" else chunk(body) + b"0\r\n\r\n"
            connection.send(head + body)
        else:
            connection.send(head_bytes(first_line, fields) + (body or b""))


def shape(request, fields, body):
    """The answer's first line, fields and body for what was asked; None for a status without a body."""
    if "if-none-match" in request.fields or "if-modified-since" in request.fields:
        return "HTTP/1.1 304 Not Modified", fields, None
    status = "HTTP/1.1 200 OK"
    if "range" in request.fields:
        first, last = (int(number) for number in request.fields.get("range")[6:].split("-"))
        fields = [*fields, ("Content-Range", f"bytes {first}-{last}/{len(body)}")]
        status, body = "HTTP/1.1 206 Partial Content", body[first : last + 1]
    if request.path == "/chunked":
        return status, fields, body
    length = ("Content-Length", len(body))
    return status, [*fields, length], b"" if request.method == "HEAD" else body


class User:
    """One user with a random sequence of requests; what it sees of others lands in `leaks`."""

    def __init__(self, viewer, seed, version):
        self.random = random.Random(seed)
        self.viewer = viewer
        self.version = version
        self.token = f"user-{self.random.getrandbits(64):016x}"
        self.leaks = []
        self.answers = 0
        self.connection = None

    def live(self):
        for _ in range(STEPS):
            try:
                self.step()
            except (PeerClosed, ConnectionError):
                self.leave()
        self.leave()

    def step(self):
        if self.connection is None:
            self.connection = self.viewer.http2() if self.version == "2" else self.viewer.http1()
        method, target, fields, body = self.request()
        abort = self.random.random() < 0.15
        if self.version == "2":
            stream = self.connection.open(method, target, fields, end=not body)
            if body:
                stream.send_body(body, end=True)
            if abort:
                stream.reset()
                return
            answer = stream.read_answer()
        else:
            self.connection.send_request(method, target, fields, body)
            if abort:
                self.leave()
                return
            answer = self.connection.read_answer(method)
        self.inspect(method, answer)

    def request(self):
        method = self.random.choice(["GET", "GET", "HEAD", "POST"])
        size = self.random.choice([0, 3, 400, 5000])
        target = f"{self.random.choice(['/same', '/same', '/chunked'])}?{size}"
        fields = self.viewer.with_host([("Cookie", f"session={self.token}")])
        extra = self.random.choice(["none", "none", "range", "etag", "date"])
        if method != "POST" and extra == "range":
            fields.append(("Range", "bytes=2-20"))
        if method != "POST" and extra == "etag":
            fields.append(("If-None-Match", '"anything"'))
        if method != "POST" and extra == "date":
            fields.append(("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"))
        body = b"x" * self.random.choice([1, 70_000]) if method == "POST" else b""
        return method, target, fields, body

    def inspect(self, method, answer):
        self.answers += 1
        shown = repr(answer.fields).encode() + answer.body
        seen = {token.decode() for token in TOKEN.findall(shown)}
        expected = answer.status in (200, 206, 304)
        if seen != {self.token} or not expected or answer.fields.get("x-cache") != "Miss from cloudfront":
            self.leaks.append((method, answer.status, seen, answer.fields))

    def leave(self):
        if self.connection:
            self.connection.close()
        self.connection = None


@pytest.mark.parametrize("versions", [["1.1"], ["2"], ["1.1", "2"]], ids=["http1", "http2", "mixed"])
def test_no_user_ever_sees_another(front, versions):
    print(f"\nMANTLET_TEST_SEED={SEED}")
    origin, viewer = front(personal)
    origin.requests_may_end_early = True
    users = [User(viewer, SEED + number, versions[number % len(versions)]) for number in range(USERS)]
    for thread in [spawn(user.live) for user in users]:
        thread.join(THREADS_JOIN)
    assert [leak for user in users for leak in user.leaks] == []
    assert sum(user.answers for user in users) > USERS * STEPS / 2


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_invariant_7_equal_requests_at_the_same_time_are_not_collapsed(front, version):
    """The origin answers nobody until all have asked."""
    everybody = threading.Barrier(USERS)

    def script(connection):
        request = connection.read_request()
        everybody.wait(15)
        connection.answer(
            fields=[("Cache-Control", "max-age=60")], body=request.fields.get("cookie").encode()
        )

    origin, viewer = front(script)
    bodies = {}

    def ask(number):
        answer = viewer.get("/same", [("Cookie", f"n={number}")], version=version)
        bodies[number] = answer.body

    for thread in [spawn(ask, number) for number in range(USERS)]:
        thread.join(30)
    assert bodies == {number: b"n=%d" % number for number in range(USERS)}
    assert len(origin.requests) == USERS


def test_streams_of_one_connection_do_not_mix(front):
    """Many users behind one HTTP/2 connection, such as a company's proxy, with interleaved answers."""

    def script(connection):
        while True:
            request = connection.read_request()
            connection.answer(body=request.fields.get("x-user").encode() * 3000)

    _, viewer = front(script)
    with viewer.http2() as connection:
        streams = {
            number: connection.open("GET", "/same", viewer.with_host([("X-User", f"{number:04d}")]))
            for number in range(60)
        }
        for number, stream in streams.items():
            assert stream.read_answer().body == f"{number:04d}".encode() * 3000


def test_an_answer_to_an_aborted_request_never_reaches_the_next(front):
    """The viewer leaves while the origin thinks; the origin answers late on that connection."""
    asked, left = threading.Semaphore(0), threading.Semaphore(0)

    def script(connection):
        while True:
            request = connection.read_request()
            if request.path == "/aborted":
                asked.release()
                assert left.acquire(timeout=15)
            connection.answer(body=request.path.encode())

    _, viewer = front(script)
    for _ in range(20):
        connection = viewer.http1()
        connection.send_request("GET", "/aborted", viewer.with_host())
        assert asked.acquire(timeout=15)
        connection.reset()
        left.release()
        assert viewer.get("/mine").body == b"/mine"
