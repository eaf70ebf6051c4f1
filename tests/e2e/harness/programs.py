"""Programs that a test needs and the machine may lack."""

import os
import shutil
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
