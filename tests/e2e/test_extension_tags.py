"""Extension tags of a distribution: known ones switch something at the edge, others are refused."""

import contextlib

import pytest
from botocore.exceptions import ClientError

from harness.config import api_distribution, origin_at
from harness.http1 import PeerClosed, chunk, head_bytes
from harness.origin import RecordingOrigin

CHUNKED = ("Transfer-Encoding", "chunked")
BOTH_VERSIONS = pytest.mark.parametrize("version", ["1.1", "2"])


def tagged(**tags):
    keys = {key: f"mantlet:{key.replace('_', '-')}" for key in tags}
    return {"Items": [{"Key": keys[key], "Value": value} for key, value in tags.items()]}


@pytest.mark.parametrize(
    "tags",
    [
        {"unknown": "1"},
        {"error_pages": "some"},
        {"max_body": "1 MB"},
        {"max_body": ""},
        {"max_body": "-1"},
    ],
)
def test_unknown_and_malformed_tags_are_refused(mantlet, distribution, origin, tags):
    client = mantlet.client()
    with pytest.raises(ClientError) as refused:
        client.tag_resource(Resource=distribution.arn, Tags=tagged(**tags))
    assert refused.value.response["Error"]["Code"] == "InvalidTagging"
    config = {"DistributionConfig": api_distribution(origin_at(origin.port)), "Tags": tagged(**tags)}
    with pytest.raises(ClientError) as refused:
        client.create_distribution_with_tags(DistributionConfigWithTags=config)
    assert refused.value.response["Error"]["Code"] == "InvalidTagging"
    assert client.list_tags_for_resource(Resource=distribution.arn)["Tags"]["Items"] == []


def test_removing_tags_that_are_not_there_breaks_nothing(mantlet, distribution):
    keys = {"Items": ["mantlet:unknown", "mantlet:max-body", "team"]}
    mantlet.client().untag_resource(Resource=distribution.arn, TagKeys=keys)
    assert distribution.viewer.get().status == 200


def test_a_tag_reaches_the_edge_and_is_gone_when_it_is_removed(mantlet, distribution, origin):
    client, viewer = mantlet.client(), distribution.viewer
    etag = client.get_distribution(Id=distribution.id)["ETag"]
    client.tag_resource(Resource=distribution.arn, Tags=tagged(max_body="3"))
    mantlet.wait_until_deployed(distribution.id)
    assert [viewer.post(body=b"abc").status, viewer.post(body=b"abcd").status] == [200, 413]
    # Updates keep it, and tagging left the ETag.
    got = client.get_distribution_config(Id=distribution.id)
    assert got["ETag"] == etag
    config = got["DistributionConfig"] | {"Comment": "changed"}
    client.update_distribution(Id=distribution.id, IfMatch=etag, DistributionConfig=config)
    mantlet.wait_until_deployed(distribution.id)
    assert viewer.post(body=b"abcd").status == 413
    client.untag_resource(Resource=distribution.arn, TagKeys={"Items": ["mantlet:max-body"]})
    mantlet.wait_until_deployed(distribution.id)
    assert viewer.post(body=b"abcd").status == 200


# mantlet:max-body

MOST = 100_000


@pytest.fixture(scope="module")
def limited(mantlet):
    """(origin, viewer) of a distribution that takes bodies of `MOST` bytes."""

    def script(connection):
        while True:
            request = connection.read_request()
            connection.answer(200, [], b"%d" % len(request.body), request.method)

    origin = RecordingOrigin(script)
    origin.requests_may_end_early = True
    tags = tagged(max_body=str(MOST))
    config = {"DistributionConfig": api_distribution(origin_at(origin.port)), "Tags": tags}
    client = mantlet.client()
    made = client.create_distribution_with_tags(DistributionConfigWithTags=config)["Distribution"]
    mantlet.wait_until_deployed(made["Id"])
    yield origin, mantlet.viewer(made["DomainName"])
    origin.close()
    assert not origin.misdeeds


@BOTH_VERSIONS
def test_a_body_of_exactly_the_limit_passes(limited, version):
    _, viewer = limited
    assert viewer.post(body=b"x" * MOST, version=version).body == b"%d" % MOST


def test_a_declared_longer_body_is_refused_before_it_is_read(limited):
    origin, viewer = limited
    before = len(origin.requests), len(origin.connections)
    with viewer.http1() as connection:
        connection.send(head_bytes("POST / HTTP/1.1", [*viewer.with_host(), ("Content-Length", MOST + 1)]))
        answer = connection.read_answer()
        assert (answer.status, answer.fields.get("connection")) == (413, "close")
        assert b'"code":"BodyTooLarge"' in answer.body
    with viewer.http2() as connection:
        stream = connection.open("POST", "/", [*viewer.with_host(), ("content-length", MOST + 1)], end=False)
        assert stream.read_answer().status == 413
        assert connection.ask("GET", "/", viewer.with_host()).status == 200
    assert len(origin.requests) == before[0] + 1


def test_who_waits_for_100_continue_is_told_413(limited):
    _, viewer = limited
    fields = [*viewer.with_host(), ("Content-Length", MOST + 1), ("Expect", "100-continue")]
    with viewer.http1() as connection:
        connection.send(head_bytes("POST / HTTP/1.1", fields))
        answer = connection.read_answer()
        assert (answer.status, answer.fields.get("connection")) == (413, "close")


def test_a_short_body_over_a_short_limit_is_passed_over(mantlet, distribution, origin):
    mantlet.client().tag_resource(Resource=distribution.arn, Tags=tagged(max_body="10"))
    mantlet.wait_until_deployed(distribution.id)
    viewer = distribution.viewer
    with viewer.http1() as connection:
        smuggled = b"GET /smuggled HTTP/1.1\r\n\r\n"
        assert connection.ask("POST", "/", viewer.with_host(), smuggled).status == 413
        assert connection.ask("GET", "/after", viewer.with_host()).status == 200
    assert [request.target for request in origin.requests] == ["/after"]


def test_an_undeclared_longer_body_is_cut_off(limited):
    """The origin never sees the end of it, and its connection is not used again."""
    origin, viewer = limited
    before = len(origin.requests), len(origin.connections)
    with viewer.http1() as connection:
        connection.send(head_bytes("POST / HTTP/1.1", [*viewer.with_host(), CHUNKED]))
        connection.send(chunk(b"x" * MOST))
        connection.send(chunk(b"yz") + chunk(b"GET /smuggled HTTP/1.1\r\n\r\n") + b"0\r\n\r\n")
        answer = connection.read_answer()
        assert (answer.status, answer.fields.get("connection")) == (413, "close")
        assert connection.closed_within()
    assert len(origin.requests) == before[0]
    used = origin.connections[before[1] :]
    assert all(b"smuggled" not in bytes(connection.wire.received) for connection in used)
    assert viewer.get().status == 200


def test_an_undeclared_longer_body_is_cut_off_over_http2(limited):
    origin, viewer = limited
    before = len(origin.requests)
    with viewer.http2() as connection:
        stream = connection.open("POST", "/", viewer.with_host(), end=False)
        with contextlib.suppress(PeerClosed):
            stream.send_body(b"x" * (MOST + 1), end=True)
        assert stream.read_head().status == 413
        assert connection.ask("GET", "/", viewer.with_host()).status == 200
    assert len(origin.requests) == before + 1


def test_a_response_that_has_begun_breaks_off(mantlet, origins):
    def script(connection):
        request = connection.read_head()
        connection.send(head_bytes("HTTP/1.1 200 OK", [("Transfer-Encoding", "chunked")]) + chunk(b"early"))
        for _ in connection.body_pieces(request):
            pass

    origin = origins(script)
    origin.requests_may_end_early = True
    distribution = mantlet.create(api_distribution(origin_at(origin.port)))
    mantlet.client().tag_resource(Resource=distribution.arn, Tags=tagged(max_body="10"))
    mantlet.wait_until_deployed(distribution.id)
    viewer = distribution.viewer
    with viewer.http1() as connection:
        connection.send(head_bytes("POST / HTTP/1.1", [*viewer.with_host(), CHUNKED]))
        connection.send(chunk(b"0123456789"))
        answer = connection.read_answer_head()
        connection.send(chunk(b"x"))
        with pytest.raises(PeerClosed):
            list(connection.body_pieces(answer))
