"""The process: starting, stopping, dying, and what it leaves behind."""

import json
import re
import stat
import subprocess
import threading

import pytest

from harness.config import api_distribution, origin_at
from harness.http1 import chunk, head_bytes, spawn
from harness.mantlet import LISTEN, Mantlet, clean_environment, command
from harness.origin import RecordingOrigin
from harness.viewer import connect
from harness.waiting import wait_until

# Enough that the kill falls between, or into, writes.
ACKNOWLEDGED_BEFORE_KILL = 15


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "data"


# What a start leaves in the directory


def test_directory_and_its_secrets_are_private(mantlet):
    assert stat.S_IMODE(mantlet.data_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE((mantlet.data_dir / "credentials").stat().st_mode) & 0o077 == 0


def test_no_private_key_lies_open(mantlet):
    files = [path for path in mantlet.data_dir.rglob("*") if path.is_file()]
    assert not [path.name for path in files if b"PRIVATE KEY-----" in path.read_bytes()]


def test_endpoints_name_three_loopback_addresses(mantlet):
    endpoints = json.loads((mantlet.data_dir / "endpoints.json").read_text())
    assert {"api", "http", "https"} <= set(endpoints)
    for name in ("api", "http", "https"):
        assert re.fullmatch(r"127\.0\.0\.1:[1-9]\d*", endpoints[name])


def test_endpoints_appear_only_when_everything_is_there(data_dir):
    """The moment the file exists, credentials, CA and all three listeners are usable."""
    mantlet = Mantlet(data_dir).launch()
    try:
        wait_until((data_dir / "endpoints.json").exists, "endpoints.json")
        assert mantlet.client().list_distributions()
        assert mantlet.viewer("dnobody.mantlet.localhost").get().status == 403
        connect(mantlet.http).close()
    finally:
        mantlet.kill()


def test_ca_is_constrained_to_the_suffix(mantlet):
    from cryptography import x509

    ca = x509.load_pem_x509_certificate(mantlet.ca.read_bytes())
    constraints = ca.extensions.get_extension_for_class(x509.NameConstraints).value
    assert [name.value.lstrip(".") for name in constraints.permitted_subtrees] == ["mantlet.localhost"]


def test_restart_keeps_credentials_ca_and_distributions(data_dir, origin):
    with Mantlet(data_dir) as mantlet:
        made = mantlet.create(api_distribution(origin_at(origin.port)))
        before = (mantlet.credentials, mantlet.ca.read_bytes())
        assert mantlet.terminate() == 0
    with Mantlet(data_dir) as mantlet:
        assert (mantlet.credentials, mantlet.ca.read_bytes()) == before
        # The edge serves the stored revision by the time that endpoints.json is there.
        assert mantlet.viewer(made.domain).get().status == 200


def test_healthz_is_200(mantlet):
    import urllib.request

    with urllib.request.urlopen(f"{mantlet.api_url}/healthz", timeout=15) as answer:
        assert answer.status == 200


# Dying


def test_kill_9_loses_no_acknowledged_create(data_dir):
    acknowledged = {}
    for _ in range(3):
        with Mantlet(data_dir) as mantlet:
            enough = len(acknowledged) + ACKNOWLEDGED_BEFORE_KILL
            writers = [spawn(create_until_it_dies, mantlet, acknowledged) for _ in range(4)]
            wait_until(lambda enough=enough: len(acknowledged) >= enough, "acknowledged creates")
            mantlet.kill()
            for writer in writers:
                writer.join()
    with Mantlet(data_dir) as mantlet:
        stored = distributions(mantlet.client())
    assert acknowledged.items() <= stored.items()


def create_until_it_dies(mantlet, acknowledged):
    client = mantlet.client()
    while True:
        config = api_distribution(origin_at(3500))
        try:
            made = client.create_distribution(DistributionConfig=config)["Distribution"]
        except Exception:
            return
        acknowledged[made["Id"]] = made["DomainName"]


def test_kill_9_loses_no_acknowledged_update(data_dir):
    with Mantlet(data_dir) as mantlet:
        client = mantlet.client()
        made = client.create_distribution(DistributionConfig=api_distribution(origin_at(3500)))
        id, etag = made["Distribution"]["Id"], made["ETag"]
        config = made["Distribution"]["DistributionConfig"]
        for number in range(20):
            config["Comment"] = f"update {number}"
            updated = client.update_distribution(Id=id, IfMatch=etag, DistributionConfig=config)
            etag = updated["ETag"]
        mantlet.kill()
    with Mantlet(data_dir) as mantlet:
        got = mantlet.client().get_distribution_config(Id=id)
        assert (got["ETag"], got["DistributionConfig"]["Comment"]) == (etag, "update 19")


def test_a_stale_lock_does_not_block(data_dir):
    with Mantlet(data_dir) as mantlet:
        mantlet.kill()
    with Mantlet(data_dir) as mantlet:
        assert mantlet.client().list_distributions()


def test_a_second_process_on_the_directory_is_refused_clearly(data_dir):
    with Mantlet(data_dir) as mantlet:
        second = command("run", "--data-dir", str(data_dir), *LISTEN)
        assert second.returncode != 0
        assert str(data_dir) in second.stderr
        assert "panicked" not in second.stderr
        assert mantlet.client().list_distributions()


# Stopping


def test_sigterm_lets_a_stream_finish(data_dir):
    released = threading.Semaphore(0)

    def script(connection):
        connection.read_request()
        connection.send(head_bytes("HTTP/1.1 200 OK", [("Transfer-Encoding", "chunked")]))
        for _ in range(10):
            assert released.acquire(timeout=15)
            connection.send(chunk(b"token "))
        connection.send(b"0\r\n\r\n")

    origin = RecordingOrigin(script)
    with Mantlet(data_dir) as mantlet:
        viewer = mantlet.create(api_distribution(origin_at(origin.port))).viewer
        with viewer.http1() as connection:
            connection.send_request("GET", "/", viewer.with_host())
            pieces = connection.body_pieces(connection.read_answer_head())
            released.release()
            assert next(pieces) == b"token "
            address = mantlet.https
            mantlet.process.terminate()
            wait_until(lambda: refuses_connections(address), "the listener to close")
            released.release(9)
            assert b"".join(pieces) == b"token " * 9
        assert mantlet.process.wait(15) == 0
    origin.close()


@pytest.mark.parametrize("kind", ["1.1", "2", "2 that is deaf"])
def test_sigterm_with_an_idle_connection_exits_at_once(data_dir, origin, kind):
    with Mantlet(data_dir) as mantlet:
        viewer = mantlet.create(api_distribution(origin_at(origin.port))).viewer
        with viewer.http1() if kind == "1.1" else viewer.http2() as connection:
            assert connection.ask("GET", "/", viewer.with_host()).status == 200
            if kind == "2":
                # A living viewer hears the GOAWAY and leaves (RFC 9113, section 6.8).
                spawn(leave_when_told, connection)
            # Far below the drain limit of 30 s.
            assert mantlet.terminate(patience=10) == 0


def leave_when_told(connection):
    connection.socket.recv(1)
    connection.close()


def test_sigint_stops_too(data_dir):
    import signal

    with Mantlet(data_dir) as mantlet:
        mantlet.process.send_signal(signal.SIGINT)
        assert mantlet.process.wait(15) == 0


def refuses_connections(address):
    try:
        connect(address, 1).close()
    except (ConnectionError, TimeoutError):
        return True
    return False


# Unsafe settings


def test_auth_none_needs_no_signature_on_loopback(data_dir):
    with Mantlet(data_dir, "--auth", "none") as mantlet:
        assert mantlet.client(secret="x" * 40).list_distributions()


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0"])
def test_auth_none_is_refused_beyond_loopback(data_dir, address):
    refused = command("run", "--data-dir", str(data_dir), *LISTEN[:4], "--auth", "none", "--api", address)
    assert refused.returncode != 0
    assert "--auth" in refused.stderr


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0"])
def test_api_beyond_loopback_needs_a_certificate(data_dir, address):
    refused = command("run", "--data-dir", str(data_dir), *LISTEN[:4], "--api", address)
    assert refused.returncode != 0
    assert "--api-certificate" in refused.stderr


@pytest.mark.parametrize(
    "flags",
    [
        ("--http", "nonsense"),
        ("--account-id", "12"),
        ("--edge-threads", "0"),
        ("--origin-allow", "10.0.0.0/99"),
        ("--domain-suffix", "not a name"),
        ("--no-such-flag",),
    ],
    ids=lambda flags: flags[0],
)
def test_a_malformed_flag_is_named(data_dir, flags):
    refused = command("run", "--data-dir", str(data_dir), *flags)
    assert refused.returncode != 0
    assert flags[0] in refused.stderr
    assert "panicked" not in refused.stderr


def test_account_id_is_the_accounts(data_dir):
    with Mantlet(data_dir, "--account-id", "123456789012") as mantlet:
        assert mantlet.client("sts").get_caller_identity()["Account"] == "123456789012"


def test_domain_suffix_is_the_domains(data_dir):
    with Mantlet(data_dir, "--domain-suffix", "shield.localhost") as mantlet:
        made = mantlet.client().create_distribution(DistributionConfig=api_distribution(origin_at(3500)))
        assert made["Distribution"]["DomainName"].endswith(".shield.localhost")


# mantlet up


def test_up_prints_what_a_user_needs(data_dir, demo):
    with up(data_dir, demo.url) as mantlet:
        domain = shown_domain(mantlet)
        assert f"VITE_API_URL=https://{domain}:{mantlet.https[1]}" in mantlet.output()
        assert mantlet.endpoints["api"] in mantlet.output()


def test_up_prints_a_curl_line_that_works_when_pasted(data_dir, demo):
    with up(data_dir, demo.url) as mantlet:
        shown_domain(mantlet)
        [line] = [line for line in mantlet.output().splitlines() if line.strip().startswith("curl ")]
        pasted = subprocess.run(
            ["bash", "-c", line], capture_output=True, timeout=30, env=clean_environment(), check=False
        )
        assert pasted.returncode == 0, pasted.stderr


def test_up_makes_the_api_preset(data_dir, demo):
    with up(data_dir, demo.url) as mantlet:
        shown_domain(mantlet)
        client = mantlet.client()
        [id] = distributions(client)
        config = client.get_distribution_config(Id=id)["DistributionConfig"]
        default = config["DefaultCacheBehavior"]
        assert default["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
        assert default["OriginRequestPolicyId"] == "216adef6-5c7f-47e4-b989-5492eafa07d3"
        assert default["ViewerProtocolPolicy"] == "redirect-to-https"
        assert default["AllowedMethods"]["Quantity"] == 7
        assert config["WebACLId"] == ""


def test_up_twice_is_one_distribution(data_dir, demo):
    domains = set()
    for _ in range(2):
        with up(data_dir, demo.url) as mantlet:
            domains.add(shown_domain(mantlet))
            assert len(distributions(mantlet.client())) == 1
            mantlet.terminate()
            mantlet.stdout_file.unlink()
    assert len(domains) == 1


def test_up_with_another_origin_is_another_distribution(data_dir, demo):
    with up(data_dir, demo.url) as mantlet:
        first = shown_domain(mantlet)
        mantlet.terminate()
        mantlet.stdout_file.unlink()
    with up(data_dir, "http://127.0.0.1:3501") as mantlet:
        assert shown_domain(mantlet) != first


def test_up_on_a_live_directory_uses_that_process(data_dir, demo):
    with Mantlet(data_dir) as mantlet:
        second = subprocess.Popen(
            [*mantlet.arguments[:1], "up", demo.url, "--data-dir", str(data_dir)],
            stdout=subprocess.PIPE,
            text=True,
            env=clean_environment(),
        )
        try:
            output = read_until(second.stdout, "VITE_API_URL=")
        finally:
            second.terminate()
            second.wait(15)
        [domain] = distributions(mantlet.client()).values()
        assert f"VITE_API_URL=https://{domain}:{mantlet.https[1]}" in output
        assert mantlet.viewer(domain).get("/healthz").status == 200


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1:21", "http://127.0.0.1:3500/path?query"])
def test_up_refuses_what_is_no_origin(data_dir, url):
    refused = command("up", url, "--data-dir", str(data_dir), *LISTEN)
    assert refused.returncode != 0
    assert url in refused.stderr


def up(data_dir, url):
    return Mantlet(data_dir, subcommand=("up", url))


def shown_domain(mantlet):
    """The distribution's domain name, once `up` has printed it."""
    pattern = re.compile(r"VITE_API_URL=https://([^\s:/]+)")
    return wait_until(lambda: pattern.search(mantlet.output()), "the printed domain name")[1]


def distributions(client):
    """Id → domain name."""
    pages = client.get_paginator("list_distributions").paginate()
    items = [item for page in pages for item in page["DistributionList"].get("Items", [])]
    return {item["Id"]: item["DomainName"] for item in items}


def read_until(stream, text):
    lines = []
    for line in stream:
        lines.append(line)
        if text in line:
            return "".join(lines)
    raise AssertionError(f"{text} never came: {lines}")


# Other subcommands


@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("run", "--help"), ("up", "--help")])
def test_help_and_version_are_printed(arguments):
    printed = command(*arguments)
    assert printed.returncode == 0
    assert "mantlet" in printed.stdout.lower()


def test_trust_explains_without_changing_anything(mantlet):
    printed = command("trust", "--data-dir", str(mantlet.data_dir))
    assert printed.returncode == 0
    assert str(mantlet.ca) in printed.stdout
