"""Sockets that a service manager opened: systemd's protocol, spoken by hand."""

import json
import socket
import subprocess
import sys

import pytest

from harness.config import api_distribution, origin_at
from harness.mantlet import Mantlet, clean_environment
from harness.viewer import connect

# LISTEN_PID is the process that the sockets are for, so the launcher becomes mantlet.
LAUNCHER = """
import json, os, sys
environment, numbers, arguments = json.loads(sys.argv[1])
moved = [os.dup(number) for number in numbers]
for index, number in enumerate(moved):
    os.dup2(number, 3 + index)
    os.set_inheritable(3 + index, True)
environment["LISTEN_PID"] = environment.get("LISTEN_PID", str(os.getpid()))
os.execve(arguments[0], arguments, dict(os.environ, **environment))
"""


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "data"


def passing(mantlet, sockets, **environment):
    """Has a Mantlet start with these (name, socket) pairs passed to it."""
    environment = {
        "LISTEN_FDS": str(len(sockets)),
        "LISTEN_FDNAMES": ":".join(name for name, _ in sockets),
        **environment,
    }
    numbers = [each.fileno() for _, each in sockets]
    mantlet.arguments = [
        sys.executable,
        "-c",
        LAUNCHER,
        json.dumps([environment, numbers, mantlet.arguments]),
    ]
    mantlet.passed_descriptors = numbers
    return mantlet


def listening(host="127.0.0.1"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, 0), family=family, backlog=64)


def refusal(data_dir, sockets, status=1, **environment):
    """What mantlet says when it does not start with these sockets."""
    mantlet = passing(Mantlet(data_dir), sockets, **environment)
    ended = subprocess.run(
        mantlet.arguments,
        pass_fds=mantlet.passed_descriptors,
        capture_output=True,
        text=True,
        timeout=30,
        env=clean_environment(),
        check=False,
    )
    assert ended.returncode == status, ended.stderr
    assert "panicked" not in ended.stderr
    return ended.stderr


def test_passed_sockets_replace_all_three_addresses(data_dir, origin):
    sockets = [(name, listening()) for name in ("http", "https", "api")]
    with passing(Mantlet(data_dir), sockets) as mantlet:
        for name, each in sockets:
            assert mantlet.endpoints[name] == f"127.0.0.1:{each.getsockname()[1]}"
        viewer = mantlet.create(api_distribution(origin_at(origin.port))).viewer
        for _ in range(20):
            assert viewer.get("/").status == 200
        assert mantlet.terminate() == 0


def test_a_listener_that_is_not_passed_keeps_its_address(data_dir):
    passed = listening()
    with passing(Mantlet(data_dir), [("https", passed)]) as mantlet:
        assert mantlet.https[1] == passed.getsockname()[1]
        assert mantlet.client().list_distributions()


def test_a_name_may_have_several_sockets(data_dir, origin):
    first, second = listening(), listening()
    with passing(Mantlet(data_dir), [("http", first), ("http", second)]) as mantlet:
        for each in (first, second):
            connection = connect(each.getsockname()[:2])
            connection.sendall(b"GET / HTTP/1.1\r\nHost: nobody.mantlet.localhost\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 403")
            connection.close()
        assert mantlet.http[1] == first.getsockname()[1]


def test_invariant_11_connections_wait_for_the_process_and_for_its_successor(data_dir):
    """Why anybody passes sockets: no connection is refused while nobody runs."""
    http = listening()
    request = b"GET / HTTP/1.1\r\nHost: nobody.mantlet.localhost\r\n\r\n"
    for _ in range(2):
        waiting = connect(http.getsockname()[:2])
        waiting.sendall(request)
        with passing(Mantlet(data_dir), [("http", http)]) as mantlet:
            assert waiting.recv(100).startswith(b"HTTP/1.1 403")
            waiting.close()
            assert mantlet.terminate() == 0


def test_sockets_of_another_process_are_left_alone(data_dir):
    """What a shell under systemd hands down is not ours."""
    mine = listening()
    with passing(Mantlet(data_dir), [("http", mine)], LISTEN_PID="1") as mantlet:
        assert mantlet.http[1] != mine.getsockname()[1]


@pytest.mark.parametrize("names", ["", "unknown"])
def test_an_unnamed_socket_is_refused(data_dir, names):
    said = refusal(data_dir, [("http", listening())], LISTEN_FDNAMES=names)
    assert "the passed socket 1 has no name" in said
    assert "FileDescriptorName=" in said


def test_a_wrong_name_is_refused(data_dir):
    said = refusal(data_dir, [("http", listening()), ("mantlet.socket", listening())])
    assert 'the passed socket 2 is named "mantlet.socket"' in said
    assert "http, https or api" in said


def test_what_is_no_tcp_socket_is_refused(data_dir, tmp_path):
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(tmp_path / "socket"))
    unix.listen()
    assert "is not a TCP socket" in refusal(data_dir, [("http", unix)])


def test_what_does_not_listen_is_refused(data_dir):
    silent = socket.socket()
    silent.bind(("127.0.0.1", 0))
    assert "Accept=no" in refusal(data_dir, [("api", silent)])


def test_two_sockets_for_the_api_are_refused(data_dir):
    assert "pass one" in refusal(data_dir, [("api", listening()), ("api", listening())])


def test_an_absurd_number_is_refused(data_dir):
    assert "pass fewer" in refusal(data_dir, [], LISTEN_FDS=str(2**63))


def test_a_passed_api_beyond_loopback_needs_a_certificate_too(data_dir):
    assert "--api-certificate" in refusal(data_dir, [("api", listening("0.0.0.0"))], status=2)
