"""Terraform with its stock provider, against a running mantlet.

Runs where terraform is installed and the provider is on the machine: named by TF_CLI_CONFIG_FILE, or in a
directory that is laid out as a filesystem mirror. Nothing is downloaded.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .mantlet import clean_environment

CONFIGURATIONS = Path(__file__).parent.parent / "terraform"
PROVIDER = "registry.terraform.io/hashicorp/aws"
# Where machines keep mirrors of providers.
MIRROR_ROOTS = ["~/.terraform.d/plugins", "~/.local/share/terraform/plugins", "/usr/local/share/terraform"]
MIRROR_ROOTS += ["/usr/share/terraform", "/opt"]
# The provider waits 30 s after a create, and 45 s in a destroy, before it looks at all.
PATIENCE = 240


class Terraform:
    """A directory of its own with a configuration, the provider's and its state.

    The configuration is what the directory holds already, and a module for each of ours that is named, with
    its variables. Whoever has several does more with each start of the provider, which takes ten seconds of
    processor time.
    """

    def __init__(self, mantlet, directory, **modules):
        self.program = shutil.which("terraform")
        if not self.program:
            pytest.skip("terraform is not installed")
        self.directory = Path(directory)
        shutil.copy(CONFIGURATIONS / "provider.tf", self.directory)
        (self.directory / "terraform.tfvars.json").write_text(json.dumps({"endpoint": mantlet.api_url}))
        for name in modules:
            (self.directory / name).mkdir()
            shutil.copy(CONFIGURATIONS / f"{name}.tf", self.directory / name)
        self.modules = modules
        if modules:
            self.write_modules()
        key, secret = mantlet.credentials
        self.environment = clean_environment(
            AWS_ACCESS_KEY_ID=key,
            AWS_SECRET_ACCESS_KEY=secret,
            TF_CLI_CONFIG_FILE=str(cli_config(self.directory)),
            TF_IN_AUTOMATION="1",
            CHECKPOINT_DISABLE="1",
            # The provider builds its schema anew for each command; a third of that was garbage collection.
            GOGC="400",
        )
        self("init", "-input=false")

    def change(self, module, **variables):
        """The module's variables of all commands from now on."""
        self.modules[module] |= variables
        self.write_modules()

    def write_modules(self):
        root = {
            "module": {
                name: {"source": f"./{name}", **variables} for name, variables in self.modules.items()
            },
            "output": {name: {"value": f"${{module.{name}}}"} for name in self.modules},
        }
        (self.directory / "modules.tf.json").write_text(json.dumps(root))

    def __call__(self, *arguments, may_fail=False):
        done = subprocess.run(
            [self.program, *arguments, "-no-color"],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert may_fail or done.returncode == 0, done.stdout + done.stderr
        return done

    def apply(self):
        self("apply", "-auto-approve")

    def destroy(self):
        self("destroy", "-auto-approve")

    def assert_nothing_to_change(self):
        """What was applied reads back as it was written."""
        plan = self("plan", "-detailed-exitcode", may_fail=True)
        assert plan.returncode == 0, plan.stdout + plan.stderr

    def output(self, module):
        """All that the module puts out."""
        return json.loads(self("output", "-json", module).stdout)

    def ids(self):
        """The id of everything in the state, by its address."""
        resources = json.loads(self("state", "pull").stdout)["resources"]
        return {
            f"{one['module']}.{one['type']}.{one['name']}": one["instances"][0]["attributes"]["id"]
            for one in resources
            if one["mode"] == "managed"
        }

    def reimport(self, module, resources):
        """Forgets a module's resources and finds them again by their ids, with one start of the provider."""
        ids = self.ids()
        addresses = [f"module.{module}.{resource}" for resource in resources]
        self("state", "rm", *addresses)
        blocks = self.directory / "imports.tf"
        blocks.write_text("".join(f'import {{\n  to = {to}\n  id = "{ids[to]}"\n}}\n' for to in addresses))
        done = self("apply", "-auto-approve").stdout
        blocks.unlink()
        assert re.search(rf"{len(addresses)} imported, 0 added, \d+ changed, 0 destroyed", done), done


def cli_config(directory):
    """The machine's own CLI configuration, or one that names a mirror found on it."""
    own = os.environ.get("TF_CLI_CONFIG_FILE")
    if own and Path(own).is_file():
        return own
    mirror = find_mirror()
    if mirror is None:
        pytest.skip(f"no mirror of {PROVIDER} on this machine")
    config = directory / "cli-config.tfrc"
    config.write_text(
        f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n'
        f'    include = ["{PROVIDER}"]\n  }}\n}}\n'
    )
    return config


def find_mirror():
    """The first directory that holds PROVIDER, at most two levels below one of the roots."""
    for root in (Path(root).expanduser() for root in MIRROR_ROOTS):
        for pattern in ("", "*/", "*/*/"):
            for found in sorted(root.glob(pattern + PROVIDER)):
                return found.parents[2]
    return None
