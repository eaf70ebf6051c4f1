//! Finds the pinned botocore and reads its models.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The release whose models the committed code was generated from.
const VERSION: &str = "1.44.5";

/// Prints the version, so that any other is told apart.
const PRINT_VERSION: &str = "import botocore; print(botocore.__version__)";

/// Prints a model, which newer releases compress.
const PRINT_MODEL: &str = r"
import gzip, os, sys, botocore
path = os.path.join(os.path.dirname(botocore.__file__), 'data', *sys.argv[1].split('/'), 'service-2.json')
open_model = open if os.path.exists(path) else lambda p, mode: gzip.open(p + '.gz', mode)
with open_model(path, 'rb') as model:
    sys.stdout.buffer.write(model.read())
";

/// A Python that can import the pinned botocore.
pub(crate) struct Botocore {
    python: PathBuf,
}

/// The Python of the environment when it has the pinned release, otherwise one in `target/` that is given it.
pub(crate) fn find(root: &Path) -> Result<Botocore> {
    let python = std::env::var_os("PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from);
    if has_pinned_version(&python) {
        return Ok(Botocore { python });
    }
    let environment = root.join("target/codegen-venv");
    let own = environment.join("bin/python");
    if !has_pinned_version(&own) {
        run(Command::new(&python).args(["-m", "venv"]).arg(&environment))?;
        run(Command::new(&own)
            .args(["-m", "pip", "install", "--quiet"])
            .arg(format!("botocore=={VERSION}")))?;
        ensure!(has_pinned_version(&own), "botocore {VERSION} was installed and cannot be imported");
    }
    Ok(Botocore { python: own })
}

impl Botocore {
    /// The text of the service model at a path such as `cloudfront/2020-05-31`.
    pub(crate) fn read_model(&self, path: &str) -> Result<String> {
        let output = Command::new(&self.python).args(["-c", PRINT_MODEL, path]).output()?;
        ensure!(
            output.status.success(),
            "botocore's model {path} cannot be read: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }
}

fn has_pinned_version(python: &Path) -> bool {
    Command::new(python)
        .args(["-c", PRINT_VERSION])
        .output()
        .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim() == VERSION)
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?} does not start"))?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}
