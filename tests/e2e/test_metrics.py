"""The metrics by distribution."""

import re
import urllib.request

import pytest

from harness.config import api_distribution, behavior, origin_at
from harness.mantlet import Mantlet
from harness.origin import always
from harness.waiting import wait_until


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    with Mantlet(tmp_path_factory.mktemp("metrics") / "data") as mantlet:
        yield mantlet


def samples(mantlet):
    """Every sample by its series, as written."""
    with urllib.request.urlopen(f"{mantlet.api_url}/metrics", timeout=15) as answer:
        lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
    return {series: float(value) for series, value in (line.rsplit(" ", 1) for line in lines)}


def of(distribution, found, name, **labels):
    labels = {"distribution": distribution, **labels}
    written = ",".join(f'{label}="{content}"' for label, content in labels.items())
    return found.get(f"mantlet_{name}{{{written}}}", 0)


def requests(found):
    counts = [value for series, value in found.items() if series.startswith("mantlet_requests_total")]
    return sum(counts)


def test_each_distribution_counts_for_itself(own, origins):
    busy = own.create(api_distribution(origin_at(origins().port), default=behavior(methods=["GET", "HEAD"])))
    failing = own.create(api_distribution(origin_at(origins(always(503)).port)))
    before = requests(samples(own))
    sent = received = 0
    with busy.viewer.http1() as connection:
        for _ in range(5):
            answer = connection.ask("GET", "/", busy.viewer.with_host())
            received += len(answer.raw_head + answer.raw_body)
        assert connection.ask("POST", "/", busy.viewer.with_host()).status == 403
        sent = connection.wire.bytes_sent
        received += len(connection.wire.received) - received
    for _ in range(3):
        failing.viewer.get()
    own.viewer("dnobody.mantlet.localhost").get()
    wait_until(lambda: requests(samples(own)) >= before + 10, "ten more requests")
    found = samples(own)
    assert of(busy.id, found, "requests_total", status="2xx") == 5
    assert of(busy.id, found, "requests_total", status="4xx") == 1
    assert of(failing.id, found, "requests_total", status="5xx") == 3
    assert of("none", found, "requests_total", status="4xx") == 1
    assert of(busy.id, found, "viewer_received_bytes_total") == sent
    assert of(busy.id, found, "viewer_sent_bytes_total") == received
    name = "distribution_origin_first_byte_seconds"
    assert of(busy.id, found, f"{name}_count") == 5, "the edge's own answers are no origin's"
    assert of(failing.id, found, f"{name}_count") == 3
    assert 0 < of(busy.id, found, f"{name}_sum") < 5


def test_series_stay_when_distributions_change(own, origins):
    distribution = own.create(api_distribution(origin_at(origins().port)))
    distribution.viewer.get()
    mine = re.compile(rf'distribution="{distribution.id}"')

    def series():
        return {name for name in samples(own) if mine.search(name)}

    wait_until(series, "the series of a distribution")
    before = series()
    own.update(distribution, lambda config: config.update(Comment="changed"))
    distribution.viewer.get()
    count = f'mantlet_requests_total{{distribution="{distribution.id}",status="2xx"}}'
    wait_until(lambda: samples(own)[count] == 2, "the second request under the same name")
    assert series() == before
