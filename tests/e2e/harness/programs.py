"""Programs that a test needs and the machine may lack."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def need_program(*names):
    """The path of the first of `names` on PATH. Without one: a skip, or a failure in CI, where it must be."""
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    return lack(f"needs {' or '.join(names)} on PATH")


def lack(reason):
    """Skips the test for want of a package; in CI that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    return pytest.skip(reason)


def mount(*arguments):
    """Mounts a file system; where that is not permitted, as for `lack`."""
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lack(f"needs to mount a file system, as root: {done.stderr.strip()}")


def unmount(place):
    subprocess.run(["umount", "--lazy", place], check=True)


def with_hosts(hosts, arguments):
    """A command that sees the file `hosts` as /etc/hosts, and nothing else of the machine changed."""
    probe = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        lack(f"needs a mount namespace of its own, as root: {probe.stderr.strip()}")
    # It becomes the command, so that signals reach that.
    script = 'mount --bind "$0" /etc/hosts && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, str(hosts), *arguments]
