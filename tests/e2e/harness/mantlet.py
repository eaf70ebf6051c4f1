"""The real binary, started as a user starts it."""

import configparser
import json
import os
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import boto3
import botocore.config

from .programs import ROOT
from .viewer import Viewer
from .waiting import wait_until

BINARY = Path(os.environ.get("MANTLET_BINARY", ROOT / "target" / "debug" / "mantlet"))
# Programs of the tests' own virtual environment: aws, for one.
SCRIPTS = Path(sys.executable).parent

LISTEN = ("--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--api", "127.0.0.1:0")


def command(*arguments):
    """Runs `mantlet …` to its end, or kills it after a while."""
    return subprocess.run(
        [BINARY, *arguments], capture_output=True, text=True, timeout=30, env=clean_environment(), check=False
    )


def clean_environment(**additions):
    """The machine's environment without anything that would steer an AWS client elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MANTLET_"))}
    kept["PATH"] = f"{BINARY.parent}:{SCRIPTS}:{kept['PATH']}"
    # Neither real credentials nor real settings, and no metadata service.
    kept |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    kept |= {"AWS_EC2_METADATA_DISABLED": "true", "AWS_PAGER": ""}
    return kept | additions


@dataclass
class Distribution:
    """A distribution that this test made, and a viewer of it."""

    id: str
    arn: str
    domain: str
    viewer: Viewer


class Mantlet:
    """A `mantlet run` (or `up`) process with its data directory."""

    def __init__(self, data_dir, *flags, subcommand=("run",), api="127.0.0.1:0"):
        self.data_dir = Path(data_dir)
        self.access_log = self.data_dir.parent / f"{self.data_dir.name}-access.log"
        self.stdout_file = self.data_dir.parent / f"{self.data_dir.name}-stdout.log"
        self.stderr_file = self.data_dir.parent / f"{self.data_dir.name}-stderr.log"
        # Flags of the test come last and win, where a flag may be given once only they name it.
        own = ("--data-dir", str(self.data_dir), *LISTEN[:4], "--api", api)
        if "--access-log" not in flags:
            own += ("--access-log", str(self.access_log))
        self.arguments = [str(BINARY), *subcommand, *own, *flags]
        # Beyond the standard three, what the process inherits.
        self.passed_descriptors = ()
        # Whom to believe about the API, where it speaks TLS.
        self.api_ca = None
        self.process = None

    def launch(self):
        """Starts the process without waiting for it."""
        assert BINARY.exists(), f"{BINARY} is not there; run `cargo build -p mantlet` first"
        with self.stdout_file.open("ab") as stdout, self.stderr_file.open("ab") as stderr:
            self.process = subprocess.Popen(
                self.arguments,
                stdout=stdout,
                stderr=stderr,
                env=clean_environment(),
                pass_fds=self.passed_descriptors,
            )
        return self

    def start(self):
        """Starts the process and waits until it says that it serves."""
        before = self._endpoints_version()
        self.launch()
        wait_until(lambda: self._serves(before), f"endpoints.json of {self.arguments}")
        return self

    def _serves(self, before):
        assert self.process.poll() is None, f"mantlet exited {self.process.returncode}: {self.log()}"
        return self._endpoints_version() not in (None, before)

    def _endpoints_version(self):
        try:
            found = (self.data_dir / "endpoints.json").stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns

    @property
    def endpoints(self):
        return json.loads((self.data_dir / "endpoints.json").read_text())

    def _address(self, name):
        host, _, port = self.endpoints[name].rpartition(":")
        return host, int(port)

    @property
    def api(self):
        return self._address("api")

    @property
    def http(self):
        return self._address("http")

    @property
    def https(self):
        return self._address("https")

    @property
    def api_url(self):
        endpoints = self.endpoints
        return endpoints.get("api_url") or f"http://{endpoints['api']}"

    @property
    def ca(self):
        return self.data_dir / "ca.pem"

    @property
    def credentials(self):
        """The access key id and its secret."""
        ini = configparser.ConfigParser()
        ini.read(self.data_dir / "credentials")
        return ini["default"]["aws_access_key_id"], ini["default"]["aws_secret_access_key"]

    def environment(self):
        """What `eval "$(mantlet env --data-dir DIR)"` adds to a shell."""
        printed = command("env", "--data-dir", str(self.data_dir))
        assert printed.returncode == 0, printed.stderr
        words = shlex.split(printed.stdout, comments=True)
        return dict(word.split("=", 1) for word in words if "=" in word)

    def log(self):
        return self.stderr_file.read_text(errors="replace")

    def output(self):
        return self.stdout_file.read_text(errors="replace")

    def client(self, service="cloudfront", region="us-east-1", **options):
        key, secret = self.credentials
        config = {"retries": {"total_max_attempts": 1}, "connect_timeout": 5, "read_timeout": 30}
        return boto3.client(
            service,
            endpoint_url=self.api_url,
            region_name=region,
            verify=self.api_ca,
            aws_access_key_id=options.pop("key", key),
            aws_secret_access_key=options.pop("secret", secret),
            config=botocore.config.Config(**config, **options),
        )

    def create(self, config, client=None):
        """Creates a distribution and waits until it is deployed."""
        client = client or self.client()
        made = client.create_distribution(DistributionConfig=config)["Distribution"]
        self.wait_until_deployed(made["Id"], client)
        return Distribution(made["Id"], made["ARN"], made["DomainName"], self.viewer(made["DomainName"]))

    def update(self, distribution, change, client=None):
        """Applies `change(config)` to a distribution's configuration and waits until it is deployed."""
        client = client or self.client()
        got = client.get_distribution_config(Id=distribution.id)
        config = got["DistributionConfig"]
        change(config)
        client.update_distribution(Id=distribution.id, IfMatch=got["ETag"], DistributionConfig=config)
        self.wait_until_deployed(distribution.id, client)

    def wait_until_deployed(self, id, client=None):
        client = client or self.client()
        wait_until(
            lambda: client.get_distribution(Id=id)["Distribution"]["Status"] == "Deployed",
            f"{id} to be deployed",
        )

    def viewer(self, domain):
        return Viewer(self, domain)

    def resident_bytes(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("the process has no VmRSS")

    def terminate(self, patience=40):
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(patience)

    def kill(self):
        """SIGKILL, as a power cut would."""
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.kill()
