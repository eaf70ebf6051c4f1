"""What is allowed and still wrong: told at create and update, by `mantlet lint`, and fixed by its patches."""

import json
import subprocess

import pytest

from harness.config import (
    ALL_VIEWER,
    CACHING_DISABLED,
    METHODS,
    api_distribution,
    behavior,
    counted,
    origin_at,
    without,
)
from harness.mantlet import BINARY, clean_environment, command

CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
HEADER = "x-mantlet-warnings"


@pytest.fixture
def client(mantlet):
    return mantlet.client()


def headers(answer):
    return answer["ResponseMetadata"]["HTTPHeaders"]


def lint(mantlet, *arguments, stdin=None):
    return subprocess.run(
        [BINARY, "lint", "--data-dir", str(mantlet.data_dir), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=30,
        env=clean_environment(),
        check=False,
    )


def codes(printed):
    return [warning["code"] for one in json.loads(printed.stdout) for warning in one["warnings"]]


def read_only(**settings):
    return behavior(methods=["GET", "HEAD"], **settings)


def caching():
    return behavior(CachePolicyId=CACHING_OPTIMIZED)


# At create and update


@pytest.mark.parametrize(
    ("default", "expect"),
    [(behavior(), "0"), (read_only(), "1"), (read_only(CachePolicyId=CACHING_OPTIMIZED), "2")],
)
def test_create_tells_the_number_of_warnings(client, default, expect):
    config = api_distribution(origin_at(3500), default=default)
    assert headers(client.create_distribution(DistributionConfig=config))[HEADER] == expect


def test_create_with_tags_tells_it_too(client):
    with_tags = {
        "DistributionConfig": api_distribution(origin_at(3500), default=read_only()),
        "Tags": {"Items": [{"Key": "a", "Value": "b"}]},
    }
    made = client.create_distribution_with_tags(DistributionConfigWithTags=with_tags)
    assert headers(made)[HEADER] == "1"


def test_update_tells_it_and_reading_does_not(client):
    made = client.create_distribution(DistributionConfig=api_distribution(origin_at(3500)))
    id = made["Distribution"]["Id"]
    config = made["Distribution"]["DistributionConfig"]
    config["DefaultRootObject"] = "index.html"
    updated = client.update_distribution(Id=id, IfMatch=made["ETag"], DistributionConfig=config)
    assert headers(updated)[HEADER] == "1"
    assert HEADER not in headers(client.get_distribution(Id=id))


def test_a_refused_request_tells_no_number(client):
    config = api_distribution(origin_at(3500), default=read_only(CachePolicyId="nonexistent"))
    with pytest.raises(client.exceptions.NoSuchCachePolicy) as refused:
        client.create_distribution(DistributionConfig=config)
    assert HEADER not in headers(refused.value.response)


def test_each_warning_is_a_line_of_the_log(mantlet, client):
    config = api_distribution(origin_at(3500), default=caching())
    id = client.create_distribution(DistributionConfig=config)["Distribution"]["Id"]
    lines = [line for line in mantlet.log().splitlines() if id in line and "fault" in line]
    assert len(lines) == 1
    assert "caching-with-credentials" in lines[0]
    assert "DefaultCacheBehavior.CachePolicyId" in lines[0]


def test_a_policy_of_ones_own_is_judged_by_its_contents(mantlet, client):
    name = api_distribution(origin_at(3500))["CallerReference"]
    policy = client.create_cache_policy(
        CachePolicyConfig={
            "Name": name,
            "MinTTL": 5,
            "DefaultTTL": 60,
            "MaxTTL": 600,
            "ParametersInCacheKeyAndForwardedToOrigin": {
                "EnableAcceptEncodingGzip": False,
                "HeadersConfig": {
                    "HeaderBehavior": "whitelist",
                    "Headers": counted(["Authorization"]),
                },
                "CookiesConfig": {"CookieBehavior": "none"},
                "QueryStringsConfig": {"QueryStringBehavior": "none"},
            },
        }
    )["CachePolicy"]["Id"]
    default = without(behavior(CachePolicyId=policy), "OriginRequestPolicyId")
    made = client.create_distribution(DistributionConfig=api_distribution(origin_at(3500), default=default))
    assert headers(made)[HEADER] == "1"
    printed = lint(mantlet, made["Distribution"]["Id"], "--json")
    assert codes(printed) == ["min-ttl-over-private"]


# mantlet lint


def test_an_id_of_the_running_process(mantlet, client):
    config = api_distribution(origin_at(3500), default=read_only())
    id = client.create_distribution(DistributionConfig=config)["Distribution"]["Id"]
    printed = lint(mantlet, id)
    assert printed.returncode == 1, printed.stderr
    assert printed.stdout.startswith(f"{id}: 1 warning\n")
    for part in (
        "methods-without-post (medium) at DefaultCacheBehavior.AllowedMethods",
        "what ",
        "whom ",
        "fix ",
    ):
        assert part in printed.stdout


def test_every_distribution_when_none_is_named(mantlet, client):
    clean = client.create_distribution(DistributionConfig=api_distribution(origin_at(3500)))
    printed = lint(mantlet, "--json")
    named = {one["name"]: one["warnings"] for one in json.loads(printed.stdout)}
    assert named[clean["Distribution"]["Id"]] == []
    listed = client.get_paginator("list_distributions").paginate().search("DistributionList.Items[].Id")
    assert set(named) == set(listed)


@pytest.mark.parametrize("is_wrapped", [False, True])
def test_a_file_of_aws_cli(mantlet, tmp_path, is_wrapped):
    file = tmp_path / "config.json"
    config = api_distribution(origin_at(3500), default=caching())
    file.write_text(json.dumps({"ETag": "E1", "DistributionConfig": config} if is_wrapped else config))
    printed = lint(mantlet, str(file), "--json")
    assert (printed.returncode, codes(printed)) == (1, ["caching-with-credentials"])


def test_standard_input_and_no_process(tmp_path):
    printed = subprocess.run(
        [BINARY, "lint", "-", "--data-dir", str(tmp_path / "nobody")],
        input=json.dumps(api_distribution(origin_at(3500))),
        capture_output=True,
        text=True,
        timeout=30,
        env=clean_environment(),
        check=False,
    )
    assert (printed.returncode, printed.stdout) == (0, "-: no warnings\n"), printed.stderr


def test_what_is_ignored_is_not_told(mantlet):
    config = json.dumps(api_distribution(origin_at(3500), default=read_only()))
    assert lint(mantlet, "-", "--ignore", "methods-without-post", stdin=config).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "expect"),
    [
        (["no-such-file.json"], "neither a file nor an id"),
        (["ENOSUCHDISTRIBUTION"], "NoSuchDistribution"),
        (["-"], "not JSON"),
        (["-", "--ignore", "nonsense"], "no such rule"),
        (["--json", "--fix"], "cannot be used with"),
    ],
)
def test_what_cannot_be_looked_at_is_status_2(mantlet, arguments, expect):
    printed = lint(mantlet, *arguments, stdin="")
    assert printed.returncode == 2, printed.stdout
    assert expect in printed.stderr


def test_help_teaches_the_exit_status():
    printed = command("lint", "--help")
    assert "Exit status: 0 no warning, 1 warnings, 2" in printed.stdout


# Patches


def faulty():
    """What has a fix without a choice: seven rules at once, in three places."""
    page = {"ErrorCode": 404, "ResponsePagePath": "/index.html", "ResponseCode": "200"}
    return api_distribution(
        origin_at(3500, OriginReadTimeout=10, OriginKeepaliveTimeout=60),
        default=read_only(CachePolicyId=CACHING_OPTIMIZED, ViewerProtocolPolicy="allow-all"),
        CustomErrorResponses=counted([page | {"ErrorCachingMinTTL": 0}]),
        DefaultRootObject="index.html",
    )


def test_update_distribution_takes_the_fixed_configuration_and_the_warnings_are_gone(mantlet, client):
    made = client.create_distribution(DistributionConfig=faulty())
    assert headers(made)[HEADER] == "7"
    id = made["Distribution"]["Id"]
    fixed = lint(mantlet, id, "--fix")
    assert (fixed.returncode, fixed.stderr) == (0, ""), fixed.stderr
    config = json.loads(fixed.stdout)
    updated = client.update_distribution(Id=id, IfMatch=made["ETag"], DistributionConfig=config)
    assert headers(updated)[HEADER] == "0"
    stored = updated["Distribution"]["DistributionConfig"]["DefaultCacheBehavior"]
    assert sorted(stored["AllowedMethods"]["Items"]) == sorted(METHODS)
    assert (stored["CachePolicyId"], stored["OriginRequestPolicyId"]) == (CACHING_DISABLED, ALL_VIEWER)
    assert lint(mantlet, id).returncode == 0


def test_the_patch_is_of_the_file_as_it_was(mantlet):
    config = faulty()
    patch = json.loads(lint(mantlet, "-", "--patch", stdin=json.dumps(config)).stdout)
    fixed = json.loads(lint(mantlet, "-", "--fix", stdin=json.dumps(config)).stdout)
    assert {operation["op"] for operation in patch} <= {"add", "remove", "replace"}
    assert patched(config, patch) == fixed


def patched(document, operations):
    """RFC 6902, as far as objects go: none of these patches changes an item's place in a list."""
    for operation in operations:
        *parents, last = operation["path"].split("/")[1:]
        place = document
        for step in parents:
            place = place[int(step)] if isinstance(place, list) else place[step]
        assert isinstance(place, dict)
        if operation["op"] == "remove":
            del place[last]
        else:
            place[last] = operation["value"]
    return document


def test_what_has_no_one_answer_is_left_and_told(mantlet):
    config = json.dumps(api_distribution(origin_at(3500, domain="api.example.com")))
    fixed = lint(mantlet, "-", "--fix", stdin=config)
    assert fixed.returncode == 1
    assert "left to decide: public-origin-unprotected at Origins.Items[0].DomainName" in fixed.stderr
    assert json.loads(fixed.stdout) == json.loads(config)
