"""scripts/test on a machine that lacks what it needs."""

import os
import shlex
import shutil
import subprocess
import sys

import pytest

from harness.programs import ROOT

# What the script itself calls, and what it cannot do without.
PROGRAMS = ("bash", "dirname", "env", "cargo", "clippy-driver", "cc", "node", "npm", "python3")


@pytest.fixture
def poor(tmp_path):
    """An environment whose PATH has no browser, and in which nobody is root and nothing can be installed."""
    found = {name: shutil.which(name) for name in PROGRAMS} | {"python3": sys.executable}
    commands = {name: f'exec {shlex.quote(path)} "$@"' for name, path in found.items()}
    for name, line in (commands | {"id": "echo 1000", "apt-get": "exit 99"}).items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / name).chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if name != "CI"}
    return kept | {"PATH": str(tmp_path)}


def step(environment, name):
    return subprocess.run(
        [ROOT / "scripts" / "test", name],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=False,
    )


def test_who_is_not_root_is_told_what_is_missing_and_goes_on(poor):
    ran = step(poor, "packages")
    assert ran.returncode == 0, ran.stderr
    assert "SKIPPED" in ran.stdout
    assert "apt-get install chromium chromium-driver libnss3-tools" in ran.stdout


def test_in_ci_a_missing_package_is_an_error(poor):
    ran = step(poor | {"CI": "true"}, "packages")
    assert ran.returncode != 0
    assert "CI must have these packages: chromium" in ran.stderr


def test_a_missing_toolchain_is_named_with_its_remedy(poor, tmp_path):
    (tmp_path / "cargo").unlink()
    (tmp_path / "node").unlink()
    ran = step(poor, "packages")
    assert ran.returncode != 0
    assert "https://rustup.rs" in ran.stderr
    assert "Node is missing" in ran.stderr
