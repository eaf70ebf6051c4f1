"""SigV4 at the API: what is refused, and what every client must be granted."""

import datetime
import hashlib
import http.client
import xml.etree.ElementTree as ElementTree

import pytest
from botocore.exceptions import ClientError

from harness.config import api_distribution, origin_at
from harness.signer import LIST, Signer

NAMESPACE = "{http://cloudfront.amazonaws.com/doc/2020-05-31/}"


@pytest.fixture
def signer(mantlet):
    return Signer(mantlet)


def call(mantlet, headers, method="GET", target=LIST, body=None):
    connection = http.client.HTTPConnection(*mantlet.api, timeout=15)
    connection.request(method, target, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read(), answer


def assert_refused(mantlet, *arguments, **named):
    status, body, _ = call(mantlet, *arguments, **named)
    assert status == 403
    error = ElementTree.fromstring(body)
    assert error.tag == f"{NAMESPACE}ErrorResponse"
    assert error.findtext(f"{NAMESPACE}Error/{NAMESPACE}Type") == "Sender"
    assert error.findtext(f"{NAMESPACE}Error/{NAMESPACE}Code")
    assert error.findtext(f"{NAMESPACE}Error/{NAMESPACE}Message")
    assert error.findtext(f"{NAMESPACE}RequestId")


def test_signed_request_is_granted(mantlet, signer):
    assert call(mantlet, signer.headers())[0] == 200


def test_any_region_is_granted(mantlet, signer):
    signer.region = "eu-west-1"
    assert call(mantlet, signer.headers())[0] == 200


def test_presigned_query_is_granted(mantlet, signer):
    assert call(mantlet, {}, target=signer.presigned())[0] == 200


def test_unsigned_payload_on_loopback_is_granted(mantlet, signer):
    assert call(mantlet, signer.headers(payload_hash="UNSIGNED-PAYLOAD"))[0] == 200


def test_no_signature_is_refused(mantlet):
    assert_refused(mantlet, {})


def test_wrong_secret_is_refused(mantlet, signer):
    signer.secret = signer.secret[:-1] + ("a" if signer.secret[-1] != "a" else "b")
    assert_refused(mantlet, signer.headers())


def test_unknown_key_is_refused(mantlet, signer):
    signer.key = "AKIAIOSFODNN7EXAMPLE"
    assert_refused(mantlet, signer.headers())


@pytest.mark.parametrize("minutes", [-16, 16])
def test_clock_off_by_more_than_a_quarter_is_refused(mantlet, signer, minutes):
    signer.now += datetime.timedelta(minutes=minutes)
    assert_refused(mantlet, signer.headers())


@pytest.mark.parametrize("minutes", [-13, 13])
def test_clock_off_by_less_is_granted(mantlet, signer, minutes):
    signer.now += datetime.timedelta(minutes=minutes)
    assert call(mantlet, signer.headers())[0] == 200


def test_expired_presigned_query_is_refused(mantlet, signer):
    signer.now -= datetime.timedelta(minutes=5)
    assert_refused(mantlet, {}, target=signer.presigned(expires=60))


def test_another_method_than_signed_is_refused(mantlet, signer):
    assert_refused(mantlet, signer.headers(), method="DELETE", target=f"{LIST}/E00000000000AB")


def test_another_path_than_signed_is_refused(mantlet, signer):
    assert_refused(mantlet, signer.headers(), target=f"{LIST}/E00000000000AB")


def test_another_query_than_signed_is_refused(mantlet, signer):
    assert_refused(mantlet, signer.headers(), target=f"{LIST}?MaxItems=1")


def test_another_body_than_signed_is_refused(mantlet, signer):
    headers = signer.headers("POST", payload_hash=hashlib.sha256(b"<a/>").hexdigest())
    assert_refused(mantlet, headers, method="POST", body=b"<b/>")


def test_another_service_is_refused(mantlet, signer):
    signer.service = "s3"
    assert_refused(mantlet, signer.headers())


@pytest.mark.parametrize(
    "target", ["//2020-05-31/distribution", "/2020-05-31/%2e%2e/2020-05-31/distribution"]
)
def test_path_tricks_without_a_signature_reach_nothing(mantlet, target):
    status, body, _ = call(mantlet, {}, target=target)
    assert status in (400, 403, 404)
    assert b"DistributionList" not in body


@pytest.mark.parametrize(
    "value",
    ["AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=a", "Basic YTpi", "AWS4-HMAC-SHA256 " + "x," * 3000],
)
def test_malformed_authorization_is_refused(mantlet, signer, value):
    headers = signer.headers() | {"Authorization": value}
    assert_refused(mantlet, headers)


def test_boto3_with_a_wrong_secret_gets_an_error_it_understands(mantlet):
    with pytest.raises(ClientError) as raised:
        mantlet.client(secret="x" * 40).list_distributions()
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_boto3_in_another_region_is_granted(mantlet):
    config = api_distribution(origin_at(3500))
    assert mantlet.client(region="eu-west-1").create_distribution(DistributionConfig=config)


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
def test_health_and_metrics_need_no_signature(mantlet, path):
    assert call(mantlet, {}, target=path)[0] == 200
