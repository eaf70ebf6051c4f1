"""Fixtures of the end-to-end tests."""

import contextlib
import json
import socket
import subprocess

import pytest

from harness.config import api_distribution, origin_at
from harness.demo import DemoApi
from harness.mantlet import Mantlet, clean_environment
from harness.origin import RecordingOrigin


@pytest.fixture(scope="session")
def mantlet(tmp_path_factory):
    """One process that the tests of a worker share; each test makes distributions of its own."""
    with Mantlet(tmp_path_factory.mktemp("mantlet") / "data") as mantlet:
        yield mantlet
        assert mantlet.process.poll() is None, f"mantlet exited during the tests: {mantlet.log()}"


@pytest.fixture
def origins():
    """Makes recording origins; at the end none of them may have seen anything that HTTP/1.1 forbids."""
    made = []

    def make(script=None):
        made.append(RecordingOrigin(script))
        return made[-1]

    yield make
    for origin in made:
        origin.close()
    assert not any(origin.misdeeds for origin in made), [origin.misdeeds for origin in made]


@pytest.fixture
def origin(origins):
    """A recording origin that answers everything with 200."""
    return origins()


@pytest.fixture
def distribution(mantlet, origin):
    """A distribution of the API preset in front of `origin`."""
    return mantlet.create(api_distribution(origin_at(origin.port)))


@pytest.fixture
def viewer(distribution):
    return distribution.viewer


@pytest.fixture
def front(mantlet, origins):
    """Puts a scripted origin behind a distribution: `front(script)` → (origin, viewer)."""

    def make(script=None, *, default=None, path="", custom_headers=(), **settings):
        origin = origins(script)
        config = api_distribution(
            origin_at(origin.port, path=path, custom_headers=custom_headers, **settings), default=default
        )
        return origin, mantlet.create(config).viewer

    return make


@pytest.fixture
def closed_port():
    """A port that nothing listens on: bound, so that nobody else can take it."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@pytest.fixture
def deaf_port():
    """A port whose accept queue is full, so that connecting to it goes unanswered."""
    with socket.socket() as listener, contextlib.ExitStack() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        while True:
            sock = waiting.enter_context(socket.socket())
            sock.settimeout(0.3)
            try:
                sock.connect(listener.getsockname())
            except (TimeoutError, socket.timeout):
                break
        yield listener.getsockname()[1]


@pytest.fixture(scope="session")
def demo():
    with DemoApi() as demo:
        yield demo


@pytest.fixture(scope="session")
def demo_viewer(mantlet, demo):
    """A viewer of the demo API through a distribution."""
    return mantlet.create(api_distribution(origin_at(demo.port))).viewer


@pytest.fixture(scope="session")
def aws(mantlet):
    """The unmodified aws-cli with nothing but the variables that `mantlet env` prints."""
    environment = clean_environment(**mantlet.environment())

    def run(*arguments):
        done = subprocess.run(
            ["aws", *arguments, "--output", "json"],
            capture_output=True,
            text=True,
            timeout=100,
            env=environment,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    return run
