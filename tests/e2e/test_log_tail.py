"""`mantlet log tail`: the access log for people."""

import contextlib
import json
import signal
import subprocess

import pytest

from harness.config import api_distribution, behavior, origin_at
from harness.mantlet import BINARY, Mantlet, clean_environment, command
from harness.origin import RecordingOrigin, always
from harness.waiting import wait_until


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    with Mantlet(tmp_path_factory.mktemp("tail") / "data") as mantlet:
        yield mantlet


def tail(mantlet, *arguments):
    done = command(
        "log", "tail", "--data-dir", str(mantlet.data_dir), "--file", str(mantlet.access_log), *arguments
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def ids(mantlet, *arguments):
    return [json.loads(line)["x-edge-request-id"] for line in tail(mantlet, "--json", *arguments)]


@contextlib.contextmanager
def following(mantlet, *arguments):
    """A `log tail --follow`, and a function that returns what it has printed."""
    printed = mantlet.data_dir.parent / "followed.txt"
    with printed.open("wb") as stdout:
        process = subprocess.Popen(
            [
                BINARY,
                "log",
                "tail",
                "-f",
                "--data-dir",
                str(mantlet.data_dir),
                "--file",
                str(mantlet.access_log),
                *arguments,
            ],
            stdout=stdout,
            stderr=subprocess.PIPE,
            env=clean_environment(),
        )
        try:
            yield process, lambda: printed.read_text()
        finally:
            process.kill()
            process.wait()


def logged(mantlet, *answers):
    """Waits until the answers' records are in the log; their ids."""
    wanted = [answer.request_id for answer in answers]
    wait_until(lambda: all(id in mantlet.access_log.read_text() for id in wanted), "the records")
    return wanted


@pytest.fixture(scope="module")
def traffic(own):
    """Requests of several sorts: their ids by what is special about each."""
    origin, failing = RecordingOrigin(), RecordingOrigin(always(502))
    good = own.create(api_distribution(origin_at(origin.port), default=behavior(methods=["GET", "HEAD"])))
    bad = own.create(api_distribution(origin_at(failing.port)))
    answers = {
        "good": good.viewer.get("/orders/1"),
        "other": good.viewer.get("/files/a%20b?x=1", version="2"),
        "method": good.viewer.post("/orders/2"),
        "redirect": good.viewer.get("/orders/3", scheme="http"),
        "failed": bad.viewer.get("/orders/4"),
    }
    logged(own, *answers.values())
    made = {name: answer.request_id for name, answer in answers.items()}
    yield made, good, bad
    origin.close()
    failing.close()


def test_filters_choose_records(own, traffic):
    made, good, bad = traffic

    def check(expected, *arguments):
        assert set(ids(own, *arguments)) == {made[name] for name in expected}, arguments

    check({"good", "other", "method", "redirect", "failed"})
    check({"failed"}, "--status", "5xx")
    check({"method", "redirect"}, "--status", "403", "--status", "3xx")
    check({"good", "method", "redirect", "failed"}, "--path", "/orders/*")
    check({"other"}, "--path", "/files/a*b")
    check({"failed"}, "--distribution", bad.id)
    check({"good", "other", "method", "redirect"}, "--distribution", good.domain)
    check({"redirect"}, "--result-type", "Redirect")
    check({"method"}, "--detailed-result-type", "InvalidRequestMethod")
    check({"good"}, "--request-id", made["good"])
    check({"method"}, "--method", "post")
    check({"good"}, "--distribution", good.id, "--path", "/orders/*", "--status", "2xx", "--since", "5m")
    check(set(), "--status", "2xx", "--request-id", made["failed"])


def test_as_many_of_the_last_records_as_are_asked_for(own, traffic):
    everything = ids(own, "-n", "1000")
    assert ids(own, "-n", "2") == everything[-2:]
    assert ids(own, "-n", "0") == []


def test_a_record_is_a_line(own, traffic):
    made, good, _ = traffic
    [line] = tail(own, "--request-id", made["other"])
    time, status, method, where, result, took, sent, request_id = line.split(" ")
    assert (status, method, result, request_id) == ("200", "GET", "Miss", made["other"])
    assert where == f"{good.viewer.host}/files/a%2520b?x=1"
    assert time.endswith("Z")
    assert took.endswith("s")
    assert sent.endswith("B")


def test_lines_that_are_no_records_are_counted(own, traffic, tmp_path):
    made, *_ = traffic
    damaged = tmp_path / "damaged.log"
    lines = own.access_log.read_bytes().split(b"\n")
    damaged.write_bytes(b"\n".join([*lines[:3], b"half a rec", b"\xff\xfe\t", b"x" * 700_000, *lines[3:]]))
    done = command("log", "tail", "--file", str(damaged), "--json", "--request-id", made["failed"])
    assert [json.loads(line)["x-edge-request-id"] for line in done.stdout.splitlines()] == [made["failed"]]
    assert "passed over 3 lines that are no records" in done.stderr


def test_following_survives_rotation_and_truncation(tmp_path, origins):
    with Mantlet(tmp_path / "data") as mantlet:
        follow_rotation_and_truncation(mantlet, origins())


def follow_rotation_and_truncation(mantlet, origin):
    viewer = mantlet.create(api_distribution(origin_at(origin.port))).viewer
    with following(mantlet, "-n", "0", "--json") as (process, printed):

        def seen(answer):
            wait_until(lambda: answer.request_id in printed(), "the record")

        seen(viewer.get("/first"))
        mantlet.access_log.rename(mantlet.access_log.with_suffix(".1"))
        mantlet.process.send_signal(signal.SIGHUP)
        wait_until(mantlet.access_log.exists, "the new file")
        seen(viewer.get("/second"))
        # What `copytruncate` does.
        mantlet.access_log.write_bytes(b"")
        seen(viewer.get("/third"))
        assert process.poll() is None
        records = [json.loads(line) for line in printed().splitlines()]
        assert [record["cs-uri-stem"] for record in records] == ["/first", "/second", "/third"]
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0


def test_a_long_log_is_not_read_into_memory(tmp_path, own, traffic):
    """Forty megabytes, of which every line is looked at, under a limit that does not hold them."""
    made, *_ = traffic
    lines = own.access_log.read_text().splitlines(keepends=True)
    [wanted] = [line for line in lines if made["good"] in line]
    block = "".join(line for line in lines if line != wanted and not line.startswith("#")) * 2000
    with (tmp_path / "long.log").open("w") as log:
        log.writelines([*lines[:2], wanted])
        while log.tell() < 40 << 20:
            log.write(block)
        log.write(wanted)
    tail = [BINARY, "log", "tail", "--file", tmp_path / "long.log", "--json", "--request-id", made["good"]]
    done = subprocess.run(
        ["prlimit", f"--data={24 << 20}", *tail, "-n", "2"],
        capture_output=True,
        text=True,
        timeout=60,
        env=clean_environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["x-edge-request-id"] for line in done.stdout.splitlines()] == [made["good"]] * 2


def test_a_reader_that_has_seen_enough_is_no_error(own, traffic):
    done = subprocess.run(
        f"'{BINARY}' log tail -n 1000 --file '{own.access_log}' | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
        timeout=30,
        env=clean_environment(),
        check=False,
    )
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--file", "/no/such/log"], "cannot open the access log /no/such/log"),
        (["--file", "stdout"], "is in no file"),
        (["--distribution", "E1NOSUCH"], "no data directory yet"),
        (["--path", "a<b"], "--path a<b"),
        (["--status", "teapot"], "502 or 5xx"),
        (["--since", "soon"], "as in 24h"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path, arguments, message):
    done = command("log", "tail", "--data-dir", str(tmp_path / "none"), *arguments)
    assert done.returncode in (1, 2)
    assert message in done.stderr
