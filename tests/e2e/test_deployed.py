"""`Deployed` cannot lie: once the API says so, every thread of the edge serves the newest configuration."""

import pytest

from harness.config import api_distribution, counted, origin_at

ROUNDS = 30
# Each connection may land on another thread of the edge.
CONNECTIONS = 8


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_a_new_distribution_is_served_by_every_thread(mantlet, origin, version):
    client = mantlet.client()
    for _ in range(ROUNDS):
        viewer = mantlet.create(api_distribution(origin_at(origin.port)), client).viewer
        assert statuses(viewer, version) == {200}


def test_a_disabled_distribution_is_served_by_no_thread(mantlet, distribution):
    client = mantlet.client()
    for _ in range(ROUNDS):
        for enabled, status in ((False, 403), (True, 200)):
            mantlet.update(distribution, lambda config, on=enabled: config.update(Enabled=on), client)
            assert statuses(distribution.viewer) == {status}


def test_a_change_reaches_connections_that_are_open(mantlet, distribution, origin):
    """A request after `Deployed` follows the new configuration, even on an old connection."""
    client = mantlet.client()
    viewer = distribution.viewer
    connections = [viewer.http1() for _ in range(CONNECTIONS)]
    for number in range(ROUNDS):

        def change(config, value=f"{number}"):
            header = {"HeaderName": "X-Round", "HeaderValue": value}
            config["Origins"]["Items"][0]["CustomHeaders"] = counted([header])

        mantlet.update(distribution, change, client)
        for connection in connections:
            assert connection.ask("GET", "/", viewer.with_host()).status == 200
        seen = {request.fields.get("x-round") for request in origin.requests[-CONNECTIONS:]}
        assert seen == {str(number)}
    for connection in connections:
        connection.close()


def test_every_update_is_in_progress_or_already_applied(mantlet, distribution, origin):
    """The status that UpdateDistribution itself answers is as true as the one of GetDistribution."""
    client = mantlet.client()
    for number in range(ROUNDS):
        got = client.get_distribution_config(Id=distribution.id)
        config = got["DistributionConfig"]
        config["Origins"]["Items"][0]["OriginPath"] = f"/round-{number}"
        updated = client.update_distribution(
            Id=distribution.id, IfMatch=got["ETag"], DistributionConfig=config
        )
        if updated["Distribution"]["Status"] == "InProgress":
            mantlet.wait_until_deployed(distribution.id, client)
        distribution.viewer.get("/x")
        assert origin.requests[-1].target == f"/round-{number}/x"


def statuses(viewer, version="1.1"):
    return {viewer.get(version=version).status for _ in range(CONNECTIONS)}
