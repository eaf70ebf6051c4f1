"""What goes in comes back: any configuration that the model allows, with defaults filled in, and stable.

`create → get → update unchanged → get` through boto3, whose codecs are not ours.
"""

from hypothesis import HealthCheck, Phase, given, settings

from harness.random_config import (
    CACHE_POLICIES,
    ORIGIN_REQUEST_POLICIES,
    RESPONSE_HEADERS_POLICIES,
    distributions,
)

EXAMPLES = 60

# A run is random, and what it found stands in its output; there is no database of examples to keep.
thorough = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    print_blob=True,
)


def differences(sent, got, place=""):
    """Where something that was sent did not come back. What was not sent may have any default."""
    if isinstance(sent, dict):
        for name, value in sent.items():
            here = f"{place}.{name}"
            if isinstance(got, dict) and name in got:
                yield from differences(value, got[name], here)
            # An empty list has a quantity and no items, in every answer.
            elif value != []:
                yield f"{here}: {value!r} is gone"
    elif isinstance(sent, list):
        if len(sent) != len(got):
            yield f"{place}: {len(got)} items instead of {len(sent)}"
        for index, (one, other) in enumerate(zip(sent, got)):
            yield from differences(one, other, f"{place}[{index}]")
    elif sent != got:
        yield f"{place}: {got!r} instead of {sent!r}"


@thorough
@given(config=distributions())
def test_a_distribution_comes_back_as_it_was_sent_and_stays_so(mantlet, config):
    cloudfront = mantlet.client()
    created = cloudfront.create_distribution(DistributionConfig=config)
    id = created["Distribution"]["Id"]
    got = cloudfront.get_distribution_config(Id=id)
    assert list(differences(config, got["DistributionConfig"])) == []
    assert got["DistributionConfig"] == created["Distribution"]["DistributionConfig"]
    assert got["ETag"] == created["ETag"]

    updated = cloudfront.update_distribution(
        Id=id, IfMatch=got["ETag"], DistributionConfig=got["DistributionConfig"]
    )
    again = cloudfront.get_distribution_config(Id=id)
    assert again["DistributionConfig"] == got["DistributionConfig"]
    assert again["ETag"] == updated["ETag"] != got["ETag"]

    disabled = cloudfront.update_distribution(
        Id=id, IfMatch=again["ETag"], DistributionConfig=again["DistributionConfig"] | {"Enabled": False}
    )
    cloudfront.delete_distribution(Id=id, IfMatch=disabled["ETag"])


def walk_through(cloudfront, kind, config):
    """`create → get → update unchanged → get → delete`; the operations are named after the kind of policy."""
    words = kind.replace("-", "_")
    name = "".join(word.capitalize() for word in kind.split("-"))

    def call(verb, **arguments):
        return getattr(cloudfront, f"{verb}_{words}")(**arguments)

    created = call("create", **{f"{name}Config": config})
    id = created[name]["Id"]
    got = getattr(cloudfront, f"get_{words}_config")(Id=id)
    assert list(differences(config, got[f"{name}Config"])) == []
    assert created[name][f"{name}Config"] == got[f"{name}Config"]
    updated = call("update", Id=id, IfMatch=got["ETag"], **{f"{name}Config": got[f"{name}Config"]})
    again = call("get", Id=id)
    assert again[name][f"{name}Config"] == got[f"{name}Config"]
    assert again["ETag"] == updated["ETag"] != got["ETag"]
    call("delete", Id=id, IfMatch=again["ETag"])


@thorough
@given(config=CACHE_POLICIES)
def test_a_cache_policy_comes_back_as_it_was_sent(mantlet, config):
    walk_through(mantlet.client(), "cache-policy", config)


@thorough
@given(config=ORIGIN_REQUEST_POLICIES)
def test_an_origin_request_policy_comes_back_as_it_was_sent(mantlet, config):
    walk_through(mantlet.client(), "origin-request-policy", config)


@thorough
@given(config=RESPONSE_HEADERS_POLICIES)
def test_a_response_headers_policy_comes_back_as_it_was_sent(mantlet, config):
    walk_through(mantlet.client(), "response-headers-policy", config)
