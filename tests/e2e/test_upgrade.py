"""A data directory of an older release, which knew less of what is stored: after the start everything is
enforced, without anybody's update."""

import contextlib
import json
import sqlite3

from harness.config import api_distribution, behavior, counted, origin_at
from harness.mantlet import Mantlet
from harness.origin import answer_bytes


def script(connection):
    """An API that fails, beside error pages."""
    while True:
        request = connection.read_request()
        status = 200 if request.target.startswith("/errors/") else 503
        connection.send(answer_bytes(status, body=request.target.encode(), method=request.method))


def older(value):
    """A distribution's bundle as releases before error pages and response headers policies wrote it."""
    stored = json.loads(value)
    distribution = stored["bundle"]["Distribution"]
    del distribution["error_pages"]
    for cache_behavior in distribution["cache_behaviors"]:
        del cache_behavior["response_headers_policy"]
    newer = ("distribution-error-pages/1", "distribution-response-headers/1")
    stored["capabilities"] = [name for name in stored["capabilities"] if name not in newer]
    return json.dumps(stored).encode()


def make_older(store):
    with contextlib.closing(sqlite3.connect(store)) as connection, connection:
        find = "SELECT rowid, value FROM record WHERE kind = 'bundle/distribution'"
        for row, value in connection.execute(find).fetchall():
            connection.execute("UPDATE record SET value = ? WHERE rowid = ?", (older(value), row))
        gone = "DELETE FROM record WHERE kind = 'bundle/response-headers-policy' OR id = 'compiler'"
        assert connection.execute(gone).rowcount > 1


def test_bundles_of_an_older_release_are_compiled_anew_and_once(tmp_path, origins):
    origin = origins(script)
    with Mantlet(tmp_path / "data") as mantlet:
        headers = [{"Header": "X-Added", "Value": "yes", "Override": True}]
        made = mantlet.client().create_response_headers_policy(
            ResponseHeadersPolicyConfig={"Name": "added", "CustomHeadersConfig": counted(headers)}
        )
        default = behavior(ResponseHeadersPolicyId=made["ResponseHeadersPolicy"]["Id"])
        page = {
            "ErrorCode": 503,
            "ResponsePagePath": "/errors/503",
            "ResponseCode": "500",
            "ErrorCachingMinTTL": 0,
        }
        config = api_distribution(
            origin_at(origin.port), default=default, CustomErrorResponses=counted([page])
        )
        domain = mantlet.create(config).domain
        mantlet.terminate()
    make_older(tmp_path / "data" / "store.sqlite")

    said = "Compiled the stored configuration anew"
    for times in (1, 1):
        with Mantlet(tmp_path / "data") as mantlet:
            answer = mantlet.viewer(domain).get("/")
            assert (answer.status, answer.body) == (500, b"/errors/503")
            assert answer.fields.get("x-added") == "yes"
            assert mantlet.log().count(said) == times, mantlet.log()
            mantlet.terminate()
