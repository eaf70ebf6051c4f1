"""The main job with Terraform and its stock provider: apply, an empty second plan, destroy.

Runs where terraform is installed and the provider is on the machine: named by TF_CLI_CONFIG_FILE, or in a
directory that is laid out as a filesystem mirror. Nothing is downloaded.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.mantlet import clean_environment
from managed_policies import CACHE_POLICIES, ORIGIN_REQUEST_POLICIES, RESPONSE_HEADERS_POLICIES

CONFIGURATION = Path(__file__).parent / "terraform" / "main.tf"
PROVIDER = "registry.terraform.io/hashicorp/aws"
# Where machines keep mirrors of providers.
MIRROR_ROOTS = ["~/.terraform.d/plugins", "~/.local/share/terraform/plugins", "/usr/local/share/terraform"]
MIRROR_ROOTS += ["/usr/share/terraform", "/opt"]
# The provider waits 30 s after a create, and 45 s in a destroy, before it looks at all.
PATIENCE = 240
ALL_POLICIES = {
    "cache_policies": CACHE_POLICIES,
    "origin_request_policies": ORIGIN_REQUEST_POLICIES,
    "response_headers_policies": RESPONSE_HEADERS_POLICIES,
}


@pytest.mark.timeout(PATIENCE + 60)
def test_apply_empty_plan_destroy(terraform, mantlet, demo):
    terraform("apply", "-auto-approve")

    outputs = json.loads(terraform("output", "-json").stdout)
    expected = {f"Managed-{name}": row[0] for rows in ALL_POLICIES.values() for name, row in rows.items()}
    assert outputs["ids"]["value"] == expected
    domain = outputs["domain_name"]["value"]
    assert mantlet.viewer(domain).get("/healthz").status == 200

    second_plan = terraform("plan", "-detailed-exitcode", may_fail=True)
    assert second_plan.returncode == 0, second_plan.stdout

    terraform("destroy", "-auto-approve")
    assert mantlet.viewer(domain).get("/healthz").status == 403


@pytest.fixture
def terraform(mantlet, demo, tmp_path):
    """`terraform(…)` in a directory of its own, with the provider that the machine has."""
    program = shutil.which("terraform")
    if not program:
        pytest.skip("terraform is not installed")
    shutil.copy(CONFIGURATION, tmp_path)
    variables = {"endpoint": mantlet.api_url, "origin_port": demo.port}
    variables |= {kind: [f"Managed-{name}" for name in rows] for kind, rows in ALL_POLICIES.items()}
    (tmp_path / "terraform.tfvars.json").write_text(json.dumps(variables))
    key, secret = mantlet.credentials
    environment = clean_environment(
        AWS_ACCESS_KEY_ID=key,
        AWS_SECRET_ACCESS_KEY=secret,
        TF_CLI_CONFIG_FILE=str(cli_config(tmp_path)),
        TF_IN_AUTOMATION="1",
        CHECKPOINT_DISABLE="1",
    )

    def run(*arguments, may_fail=False):
        done = subprocess.run(
            [program, *arguments, "-no-color"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert may_fail or done.returncode == 0, done.stdout + done.stderr
        return done

    run("init", "-input=false")
    return run


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
