"""A disk that is full, for real: a small tmpfs that the test fills."""

import botocore.exceptions
import pytest

from harness.config import api_distribution, origin_at
from harness.mantlet import Mantlet
from harness.programs import mount, unmount
from harness.waiting import wait_until

# Far more creates than fit into what SQLite had already taken from the disk.
CREATES_MAX = 500


@pytest.fixture
def disk(tmp_path):
    place = tmp_path / "data"
    place.mkdir()
    mount("-t", "tmpfs", "-o", "size=8m,mode=0700", "mantlet-test", str(place))
    yield place
    unmount(place)


def fill(disk):
    """Takes all the room that is left; deleting the file gives it back."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            with pytest.raises(OSError, match="No space left"):
                write_without_end(file, bytes(size))
    return filler


def write_without_end(file, data):
    while True:
        file.write(data)


def create(client, port):
    made = client.create_distribution(DistributionConfig=api_distribution(origin_at(port)))["Distribution"]
    return made["Id"], made["DomainName"]


def create_until_refused(client, port):
    """What was acknowledged before the first refusal, and the refusal."""
    acknowledged = []
    for _ in range(CREATES_MAX):
        try:
            acknowledged.append(create(client, port))
        except botocore.exceptions.ClientError as error:
            return acknowledged, error.response
    raise AssertionError(f"{CREATES_MAX} creates went onto a full disk")


def stored(client):
    pages = client.get_paginator("list_distributions").paginate()
    return {item["Id"] for page in pages for item in page["DistributionList"].get("Items", [])}


def test_invariant_9_a_full_disk_refuses_changes_and_stops_nothing_else(disk, origin):
    log = disk / "access.log"
    with Mantlet(disk, "--access-log", str(log)) as mantlet:
        client = mantlet.client()
        viewer = mantlet.create(api_distribution(origin_at(origin.port))).viewer
        before = viewer.get("/before")
        wait_until(lambda: before.request_id in log.read_text(), "the access-log record")

        filler = fill(disk)
        acknowledged, refusal = create_until_refused(client, origin.port)
        assert refusal["ResponseMetadata"]["HTTPStatusCode"] == 503
        assert refusal["Error"]["Code"] == "ServiceUnavailable"
        assert "disk is full" in refusal["Error"]["Message"]
        kept = stored(client)
        assert {id for id, _ in acknowledged} <= kept
        assert len(kept) == len(acknowledged) + 1, "what was refused is not there"
        for number in range(50):
            assert viewer.get(f"/full/{number}").status == 200
        assert mantlet.process.poll() is None

        filler.unlink()
        id, domain = create(client, origin.port)
        mantlet.wait_until_deployed(id, client)
        after = mantlet.viewer(domain).get("/after")
        assert after.status == 200
        wait_until(lambda: after.request_id in log.read_text(), "access-log records to come again")
        [line] = [line for line in log.read_text().splitlines() if after.request_id in line]
        assert len(line.split("\t")) == 33, "it is whole, whatever the full disk cut off"
        mantlet.kill()

    with Mantlet(disk, "--access-log", str(log)) as mantlet:
        assert {id for id, _ in acknowledged} | {id} <= stored(mantlet.client())


def test_a_start_on_a_full_disk_says_so(disk):
    filler = fill(disk)
    mantlet = Mantlet(disk, "--access-log", "none").launch()
    assert mantlet.process.wait(15) == 1
    assert "is the disk full" in mantlet.log()
    filler.unlink()
    with mantlet:
        assert mantlet.client().list_distributions()
