"""Names of origins, asked of a name server at the socket: times to live, moves, and every way to fail."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import dns
from harness.config import api_distribution, origin_at
from harness.dns import NameServer, address, answers, fails, record, says, wire_name
from harness.mantlet import Mantlet
from harness.origin import RecordingOrigin, always
from harness.waiting import wait_until
from test_grpc import CALL, H2C, answering, create, said

# A look-up takes 10 s at most, and this machine may be busy.
PATIENCE = 20


@pytest.fixture(scope="module")
def names():
    server = NameServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def shield(names, tmp_path_factory):
    with Mantlet(tmp_path_factory.mktemp("dns") / "data", "--resolver", names.address) as mantlet:
        yield mantlet


@pytest.fixture
def origins_at():
    made = []

    def make(*arguments, **settings):
        made.append(RecordingOrigin(*arguments, **settings))
        return made[-1]

    yield make
    for origin in made:
        origin.close()


def viewer_of(shield, name, port, **settings):
    return shield.create(api_distribution(origin_at(port, name, ConnectionAttempts=1, **settings))).viewer


def detail(mantlet, answer):
    """The detailed result type that the log has of a request."""

    def lines():
        return [line for line in mantlet.access_log.read_text().splitlines() if answer.request_id in line]

    return wait_until(lines, "the access-log record")[0].split("\t")[28]


def test_an_origin_that_moves_is_found_within_the_time_to_live_however_busy_its_connections(
    shield, names, origins_at
):
    old = origins_at(host="127.0.0.2")
    new = origins_at(host="127.0.0.3", port=old.port)
    names.acts["moving.test"] = answers("127.0.0.2", ttl=1)
    viewer = viewer_of(shield, "moving.test", old.port)
    for _ in range(10):
        assert viewer.get("/").status == 200
    assert len(old.requests) == 10
    assert len(old.connections) < 10, "none was kept, so that nothing is shown"

    names.acts["moving.test"] = answers("127.0.0.3", ttl=1)
    # Each edge thread has a resolver of its own.
    wait_until(lambda: viewer.get("/").status == 200 and len(new.requests) >= 10, "the new place")
    at_old = len(old.requests)
    for _ in range(20):
        assert viewer.get("/").status == 200
    assert len(old.requests) == at_old, "the old place still gets requests"


def test_calls_that_share_a_connection_follow_an_origin_that_moves(shield, names, origins_at):
    at_old, at_new = [], []
    old = origins_at(answering(at_old), host="127.0.0.2")
    origins_at(answering(at_new), host="127.0.0.3", port=old.port)
    names.acts["calls.test"] = answers("127.0.0.2", ttl=1)
    viewer = create(shield, old.port, tags=H2C, name="calls.test")
    fields = [*viewer.with_host(), *CALL]
    with viewer.http2() as connection:

        def call():
            return said(connection.ask("POST", "/", fields, b"\0\0\0\0\0")) == {"grpc-status": "0"}

        held = connection.open("POST", "/", fields, end=False)
        assert all(call() for _ in range(5))
        assert len(old.connections) == 1

        names.acts["calls.test"] = answers("127.0.0.3", ttl=1)
        wait_until(lambda: call() and at_new, "the new place")
        before = len(at_old)
        assert all(call() for _ in range(20))
        assert len(at_old) == before, "the old place still gets calls"

        held.send_body(b"\0\0\0\0\0", end=True)
        assert said(held.read_answer()) == {"grpc-status": "0"}, "what began at the old place ends there"


def test_an_answer_serves_for_its_time_to_live(shield, names, origins_at):
    origin = origins_at(always(fields=[("Connection", "close")]), host="127.0.0.2")
    names.acts["lasting.test"] = answers("127.0.0.2", ttl=300)
    viewer = viewer_of(shield, "lasting.test", origin.port)
    for _ in range(20):
        assert viewer.get("/").status == 200
    asked = [question for question in names.asked if question.name == "lasting.test"]
    # One of each edge thread.
    assert 1 <= len(asked) <= 2
    assert all(question.type == dns.A for question in asked)


def test_the_last_addresses_are_used_on_while_the_name_server_fails(shield, names, origins_at):
    origin = origins_at(always(fields=[("Connection", "close")]), host="127.0.0.2")
    names.acts["shaky.test"] = answers("127.0.0.2", ttl=1)
    viewer = viewer_of(shield, "shaky.test", origin.port)
    with viewer.http1("https") as connection:
        # One connection is one thread, which knows the name from the first request.
        assert connection.ask("GET", "/", viewer.with_host(())).status == 200
        names.acts["shaky.test"] = fails(dns.SERVFAIL)
        before = len(names.asked)

        def was_asked_again():
            assert connection.ask("GET", "/", viewer.with_host(())).status == 200
            return len(names.asked) > before + 3

        wait_until(was_asked_again, "more look-ups")


@pytest.mark.parametrize(
    ("act", "family"),
    [
        pytest.param(answers("127.0.0.2", "::1"), "ipv4", id="address"),
        pytest.param(answers("127.0.0.9", "127.0.0.2"), "ipv4", id="second-address"),
        pytest.param(answers("::1", "127.0.0.2"), "dualstack", id="other-family-first"),
        pytest.param(
            lambda question, is_tcp: (
                [question.response(address("127.0.0.2"))]
                if is_tcp
                else [question.response(flags=dns.TRUNCATED)]
            ),
            "ipv4",
            id="truncated",
        ),
        pytest.param(
            says(
                lambda question: question.response(
                    record(dns.CNAME, 60, wire_name("alias.example")),
                    record(dns.CNAME, 60, wire_name("end.example"), wire_name("alias.example")),
                    address("127.0.0.2", name=wire_name("END.example")),
                )
            ),
            "ipv4",
            id="aliases",
        ),
        pytest.param(
            says(
                lambda question: b"",
                lambda question: question.response(address("127.0.0.9"), id=b"xx"),
                lambda question: question.response(
                    address("127.0.0.9"), question=wire_name("evil.test") + b"\0\x01\0\x01"
                ),
                lambda question: question.message,
                lambda question: question.response(address("127.0.0.2")),
            ),
            "ipv4",
            id="strays-before-it",
        ),
    ],
)
def test_c15_an_origin_is_found_by(shield, names, origins_at, request, act, family):
    origin = origins_at(host="127.0.0.2")
    name = f"{request.node.callspec.id}.found.test"
    names.acts[name] = act
    assert viewer_of(shield, name, origin.port, IpAddressType=family).get("/").status == 200


FAULTS = {
    "servfail": fails(dns.SERVFAIL),
    "refused": fails(dns.REFUSED),
    "nxdomain": fails(dns.NXDOMAIN),
    "no-address": answers(),
    "other-family": answers("::1"),
    "silence": says(),
    "wrong-id": says(lambda question: question.response(address("127.0.0.2"), id=b"xx")),
    "wrong-question": says(
        lambda question: question.response(
            address("127.0.0.2"), question=wire_name("evil.test") + b"\0\x01\0\x01"
        )
    ),
    "wrong-name": says(lambda question: question.response(address("127.0.0.2", name=wire_name("evil.test")))),
    "garbage": says(lambda question: b"\xff" * 100),
    "garbage-behind-the-question": says(lambda question: question.response(b"\xff" * 100)),
    "cut-off": says(lambda question: question.response(address("127.0.0.2"))[:-1]),
    # The record's name is where the question ends, and points at itself.
    "compression-loop": says(
        lambda question: question.response(address("127.0.0.2", name=bytes([0xC0, len(question.message)])))
    ),
    "alias-of-itself": says(
        lambda question: question.response(record(dns.CNAME, 60, wire_name(question.name)))
    ),
    "truncated-for-ever": says(lambda question: question.response(flags=dns.TRUNCATED)),
    "strays-without-end": says(*[lambda question: question.response(id=b"xx")] * 40),
}


def test_c8_every_fault_of_a_name_server_is_a_502_that_the_log_explains(shield, names, origins_at):
    origin = origins_at(host="127.0.0.2")
    viewers = {}
    for fault, act in FAULTS.items():
        names.acts[f"{fault}.fault.test"] = act
        viewers[fault] = viewer_of(shield, f"{fault}.fault.test", origin.port)

    def ask(fault):
        begun = time.monotonic()
        answer = viewers[fault].get("/")
        return fault, answer, time.monotonic() - begun

    # At once, since those that are waited for take their 10 s.
    with ThreadPoolExecutor(len(FAULTS)) as pool:
        for fault, answer, took in pool.map(ask, FAULTS):
            assert (answer.status, detail(shield, answer)) == (502, "OriginDnsError"), fault
            assert b"fault.test" not in answer.body, fault
            assert took < PATIENCE, fault
    assert not origin.requests
