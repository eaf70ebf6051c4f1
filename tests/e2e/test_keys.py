"""Access keys, roles, rotation, revocation, temporary credentials and the audit log, with real clients."""

import configparser
import io
import json
import os
import signal
import stat
import subprocess
import urllib.request

import boto3
import botocore.config
import pytest
from botocore.exceptions import ClientError

from harness.config import api_distribution, origin_at
from harness.mantlet import SCRIPTS, Mantlet, clean_environment, command
from harness.waiting import wait_until

CONFIG = botocore.config.Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30)


@pytest.fixture(scope="module")
def mantlet(tmp_path_factory):
    """A process of this module's own: keys are the whole installation's."""
    with Mantlet(tmp_path_factory.mktemp("keys") / "data") as mantlet:
        yield mantlet
        assert mantlet.process.poll() is None, f"mantlet exited during the tests: {mantlet.log()}"


def key(mantlet, *arguments, fails=False):
    """`mantlet key …`: what it prints, or says when it fails."""
    done = command("key", *arguments, "--data-dir", str(mantlet.data_dir))
    assert (done.returncode != 0) == fails, (done.stdout, done.stderr)
    return done.stderr if fails else done.stdout


def create(mantlet, name, role):
    return json.loads(key(mantlet, "create", name, "--role", role, "--json"))


def client(mantlet, service, issued):
    """A client with what `mantlet key --json` printed, or with what STS answered."""
    return boto3.client(
        service,
        endpoint_url=mantlet.api_url,
        region_name="us-east-1",
        aws_access_key_id=issued.get("accessKeyId") or issued["AccessKeyId"],
        aws_secret_access_key=issued.get("secretAccessKey") or issued["SecretAccessKey"],
        aws_session_token=issued.get("SessionToken"),
        config=CONFIG,
    )


def config():
    return api_distribution(origin_at(3500))


def refusal(call, **arguments):
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    return raised.value.response["Error"]


def code(call, **arguments):
    return refusal(call, **arguments)["Code"]


def arn(mantlet, issued):
    return client(mantlet, "sts", issued).get_caller_identity()["Arn"]


def audit_lines(mantlet, **fields):
    lines = [json.loads(line) for line in (mantlet.data_dir / "audit.log").read_text().splitlines()]
    return [line for line in lines if all(line[name] == value for name, value in fields.items())]


def test_each_role_may_what_it_says(mantlet):
    admin, deploy, read = (create(mantlet, f"role-{role}", role) for role in ("admin", "deploy", "read"))
    made = client(mantlet, "cloudfront", deploy).create_distribution(DistributionConfig=config())
    id = made["Distribution"]["Id"]
    for issued in (admin, deploy, read):
        assert client(mantlet, "cloudfront", issued).get_distribution(Id=id)["ETag"] == made["ETag"]
    error = refusal(client(mantlet, "cloudfront", read).create_distribution, DistributionConfig=config())
    assert error["Code"] == "AccessDenied"
    assert error["Message"].startswith("CreateDistribution needs the role deploy, and the key role-read")
    reading = client(mantlet, "acm", read)
    certificate = "arn:aws:acm:us-east-1:000000000000:certificate/a"
    denied = "AccessDeniedException"
    assert code(reading.delete_certificate, CertificateArn=certificate) == denied
    assert code(reading.export_certificate, CertificateArn=certificate, Passphrase=b"1234") == denied


def test_everyone_is_told_who_they_are(mantlet):
    assert arn(mantlet, create(mantlet, "who", "read")) == "arn:aws:iam::000000000000:user/who"
    default = dict(zip(("accessKeyId", "secretAccessKey"), mantlet.credentials))
    assert arn(mantlet, default) == "arn:aws:iam::000000000000:user/default"


def test_a_rotation_with_overlap_and_one_without(mantlet):
    first = create(mantlet, "rotated", "read")
    second = json.loads(key(mantlet, "rotate", "rotated", "--keep-old", "1h", "--json"))
    assert [older["id"] for older in second["stillValid"]] == [first["accessKeyId"]]
    for issued in (first, second):
        assert client(mantlet, "cloudfront", issued).list_distributions()
    third = json.loads(key(mantlet, "rotate", "rotated", "--json"))
    for issued in (first, second):
        assert code(client(mantlet, "cloudfront", issued).list_distributions) == "InvalidClientTokenId"
    assert client(mantlet, "cloudfront", third).list_distributions()


def test_an_old_secret_ends_when_its_time_is_over(mantlet):
    first = create(mantlet, "short", "read")
    key(mantlet, "rotate", "short", "--keep-old", "1s")
    old = client(mantlet, "cloudfront", first)

    def is_over():
        try:
            old.list_distributions()
        except ClientError as error:
            return error.response["Error"]["Code"] == "InvalidClientTokenId"
        return False

    wait_until(is_over, "the old secret to end")


def test_a_revocation_holds_from_the_next_request_of_an_open_connection(mantlet):
    using = client(mantlet, "cloudfront", create(mantlet, "leaver", "deploy"))
    assert using.list_distributions()
    assert "Nobody gets in" in key(mantlet, "revoke", "leaver")
    assert code(using.list_distributions) == "InvalidClientTokenId"
    assert code(using.create_distribution, DistributionConfig=config()) == "InvalidClientTokenId"


def test_the_last_admin_is_kept(tmp_path):
    with Mantlet(tmp_path / "data") as mantlet:
        assert "last key with the role admin" in key(mantlet, "revoke", "default", fails=True)
        create(mantlet, "boss", "admin")
        key(mantlet, "revoke", "default")
        assert "last key with the role admin" in key(mantlet, "revoke", "boss", fails=True)


def test_session_tokens(mantlet):
    parent = create(mantlet, "sessions", "deploy")
    session = client(mantlet, "sts", parent).get_session_token(DurationSeconds=900)["Credentials"]
    assert session["AccessKeyId"].startswith("ASIA")
    assert arn(mantlet, session) == "arn:aws:iam::000000000000:user/sessions"
    assert client(mantlet, "cloudfront", session).create_distribution(DistributionConfig=config())
    without = {name: value for name, value in session.items() if name != "SessionToken"}
    assert code(client(mantlet, "cloudfront", without).list_distributions) == "InvalidClientTokenId"
    key(mantlet, "revoke", "sessions")
    assert code(client(mantlet, "cloudfront", session).list_distributions) == "InvalidClientTokenId"


def test_assumed_roles_go_downwards_only(mantlet):
    sts = client(mantlet, "sts", create(mantlet, "assumer", "deploy"))
    role = "arn:aws:iam::000000000000:role/{}".format
    assumed = sts.assume_role(RoleArn=role("read"), RoleSessionName="build-7")
    expect = "arn:aws:sts::000000000000:assumed-role/read/build-7"
    assert assumed["AssumedRoleUser"]["Arn"] == arn(mantlet, assumed["Credentials"]) == expect
    reading = client(mantlet, "cloudfront", assumed["Credentials"])
    assert reading.list_distributions()
    assert code(reading.create_distribution, DistributionConfig=config()) == "AccessDenied"
    assert code(sts.assume_role, RoleArn=role("admin"), RoleSessionName="build-7") == "AccessDenied"
    policy = {"RoleArn": role("read"), "RoleSessionName": "build-7", "Policy": "{}"}
    assert code(sts.assume_role, **policy) == "ValidationError", "what would restrict is not ignored"


def test_aws_cli_assumes_a_role_by_a_profile(mantlet, tmp_path):
    """The way of people: a profile with role_arn and source_profile."""
    credentials, profiles = tmp_path / "credentials", tmp_path / "config"
    credentials.write_text(key(mantlet, "create", "ann", "--role", "admin", "--profile", "ann"))
    profiles.write_text(
        "[profile reader]\nrole_arn = arn:aws:iam::000000000000:role/read\nsource_profile = ann\n"
        "role_session_name = ann-reads\n"
    )
    environment = clean_environment(
        AWS_CONFIG_FILE=str(profiles),
        AWS_SHARED_CREDENTIALS_FILE=str(credentials),
        AWS_ENDPOINT_URL=mantlet.api_url,
        AWS_REGION="us-east-1",
        AWS_DEFAULT_REGION="us-east-1",
        HOME=str(tmp_path),
    )

    def aws(*arguments):
        words = [str(SCRIPTS / "aws"), "--profile", "reader", "--endpoint-url", mantlet.api_url, *arguments]
        return subprocess.run(words, capture_output=True, text=True, timeout=60, env=environment, check=False)

    told = aws("sts", "get-caller-identity", "--query", "Arn", "--output", "text")
    assert told.stdout.strip() == "arn:aws:sts::000000000000:assumed-role/read/ann-reads", told.stderr
    assert "AccessDenied" in aws("cloudfront", "delete-distribution", "--id", "E1", "--if-match", "E1").stderr


def test_every_change_leaves_a_line(mantlet):
    issued = create(mantlet, "audited", "deploy")
    cloudfront = client(mantlet, "cloudfront", issued)
    made = cloudfront.create_distribution(DistributionConfig=config())
    id = made["Distribution"]["Id"]
    changed = made["Distribution"]["DistributionConfig"] | {"Comment": "changed", "Enabled": False}
    updated = cloudfront.update_distribution(Id=id, IfMatch=made["ETag"], DistributionConfig=changed)
    code(cloudfront.update_distribution, Id=id, IfMatch=made["ETag"], DistributionConfig=changed)
    cloudfront.delete_distribution(Id=id, IfMatch=updated["ETag"])
    cloudfront.list_distributions()

    lines = audit_lines(mantlet, key="audited")
    assert [line["operation"] for line in lines] == [
        "cloudfront:CreateDistribution",
        "cloudfront:UpdateDistribution",
        "cloudfront:UpdateDistribution",
        "cloudfront:DeleteDistribution",
    ]
    created, update, refused, deleted = lines
    assert {line["resource"] for line in (created, update, deleted)} == {f"distribution/{id}"}
    assert (created["before"], created["after"]) == (None, update["before"])
    assert update["after"] == deleted["before"] < deleted["after"]
    assert (refused["outcome"], refused["after"]) == ("PreconditionFailed", None)
    assert {line["source"] for line in lines} == {"127.0.0.1"}
    assert {line["accessKeyId"] for line in lines} == {issued["accessKeyId"]}
    assert update["requestId"] == updated["ResponseMetadata"]["RequestId"]


def test_attempts_with_a_wrong_secret_leave_a_line(mantlet):
    issued = create(mantlet, "guessed", "deploy") | {"secretAccessKey": "x" * 40}
    assert code(client(mantlet, "cloudfront", issued).create_distribution, DistributionConfig=config())
    (line,) = audit_lines(mantlet, claimedAccessKeyId=issued["accessKeyId"])
    assert (line["outcome"], line["key"]) == ("SignatureDoesNotMatch", None)


def test_no_secret_is_in_any_file_of_the_directory(mantlet):
    issued = create(mantlet, "hidden", "deploy")
    session = client(mantlet, "sts", issued).get_session_token()["Credentials"]
    secrets = [issued["secretAccessKey"], session["SecretAccessKey"], session["SessionToken"]]
    for file in [*mantlet.data_dir.rglob("*"), mantlet.stderr_file]:
        if stat.S_ISREG(file.stat().st_mode):
            content = file.read_bytes()
            assert not any(secret.encode() in content for secret in secrets), file
    assert stat.S_IMODE((mantlet.data_dir / "audit.log").stat().st_mode) == 0o600
    assert stat.S_IMODE((mantlet.data_dir / "control.sock").stat().st_mode) == 0o600


def test_log_rotation(mantlet):
    log = mantlet.data_dir / "audit.log"
    os.rename(log, mantlet.data_dir / "audit.log.1")
    mantlet.process.send_signal(signal.SIGHUP)
    wait_until(log.exists, "a new audit log")
    create(mantlet, "after-rotation", "read")
    assert audit_lines(mantlet, resource="access/key/after-rotation")


def test_a_rotated_default_key_is_in_the_credentials_file(tmp_path):
    mantlet = Mantlet(tmp_path / "data")
    with mantlet:
        before = mantlet.credentials
        key(mantlet, "rotate", "default")
        assert mantlet.credentials != before
        assert mantlet.client().list_distributions()
        assert mantlet.environment()["AWS_ACCESS_KEY_ID"] == mantlet.credentials[0]
        assert mantlet.terminate() == 0
        mantlet.start()
        assert mantlet.client().list_distributions()


def test_keys_of_a_stopped_directory(tmp_path):
    """Recovery: nobody is locked out who owns the directory."""
    mantlet = Mantlet(tmp_path / "data")
    with mantlet:
        issued = create(mantlet, "lost", "deploy")
        assert mantlet.terminate() == 0
        rescue = create(mantlet, "rescue", "admin")
        key(mantlet, "revoke", "lost")
        assert len(audit_lines(mantlet, operation="mantlet:CreateKey")) == 2
        mantlet.start()
        assert client(mantlet, "cloudfront", rescue).list_distributions()
        assert code(client(mantlet, "cloudfront", issued).list_distributions) == "InvalidClientTokenId"


def test_keys_survive_a_kill(tmp_path):
    mantlet = Mantlet(tmp_path / "data")
    with mantlet:
        kept, revoked = create(mantlet, "kept", "read"), create(mantlet, "revoked", "read")
        key(mantlet, "revoke", "revoked")
        mantlet.kill()
        mantlet.start()
        assert client(mantlet, "cloudfront", kept).list_distributions()
        assert code(client(mantlet, "cloudfront", revoked).list_distributions) == "InvalidClientTokenId"


def test_the_credentials_file_can_be_made_anew(tmp_path):
    """As before there were several keys: without its file, the next start makes a new key."""
    mantlet = Mantlet(tmp_path / "data")
    with mantlet:
        old = dict(zip(("accessKeyId", "secretAccessKey"), mantlet.credentials))
        assert mantlet.terminate() == 0
        (mantlet.data_dir / "credentials").unlink()
        mantlet.start()
        assert mantlet.client().list_distributions()
        assert code(client(mantlet, "cloudfront", old).list_distributions) == "InvalidClientTokenId"


def test_without_authentication_keys_stay_as_they_are(tmp_path):
    with Mantlet(tmp_path / "data", "--auth", "none") as mantlet:
        assert "--auth none" in key(mantlet, "create", "ci", "--role", "admin", fails=True)


def test_what_is_printed_teaches(mantlet):
    told = key(mantlet, "create", "taught", "--role", "read")
    assert "shown this once" in told
    profile = configparser.ConfigParser()
    profile.read_file(io.StringIO(key(mantlet, "rotate", "taught", "--profile", "work")))
    assert len(profile["work"]["aws_secret_access_key"]) == 40
    assert "taught" in key(mantlet, "list")
    assert profile["work"]["aws_secret_access_key"] not in key(mantlet, "list", "--json")
    assert "There is a key" in key(mantlet, "create", "taught", "--role", "read", fails=True)
    assert "no active key" in key(mantlet, "revoke", "nobody", fails=True)
    assert "admin, deploy or read" in key(mantlet, "create", "a", "--role", "root", fails=True)
    assert "no data directory yet" in command("key", "list", "--data-dir", "/nonexistent/dir").stderr


def test_metrics_tell_of_the_audit_log(mantlet):
    with urllib.request.urlopen(f"{mantlet.api_url}/metrics", timeout=10) as page:
        text = page.read().decode()
    assert "\nmantlet_audit_lines_written_total " in text
    assert "\nmantlet_audit_lines_failed_total 0\n" in text
