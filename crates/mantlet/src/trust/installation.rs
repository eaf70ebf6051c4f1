//! Where a machine keeps what it trusts, and how that is changed.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::LocalCa;

/// What to do with the authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Install,
    Remove,
}

/// A place that says whom to trust.
#[derive(Debug)]
pub(super) enum TrustStore {
    /// The machine's, for most programs.
    System,
    /// One user's NSS database, for Chromium.
    Nss {
        /// The directory of the database.
        database: PathBuf,
    },
}

impl fmt::Display for TrustStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => formatter.write_str("this machine"),
            Self::Nss { database } => write!(formatter, "Chromium ({})", database.display()),
        }
    }
}

impl TrustStore {
    /// Those that this user's programs look into.
    pub(super) fn of_this_user() -> Vec<Self> {
        let home = env::var_os("HOME").filter(|home| !home.is_empty());
        let nss = home.map(|home| Self::Nss { database: Path::new(&home).join(".pki/nssdb") });
        [Self::System].into_iter().chain(nss).collect()
    }

    /// Makes the change; the answer is for a person.
    pub(super) fn apply(&self, ca: &LocalCa, change: Change) -> Result<&'static str> {
        match self {
            Self::System => SystemStore::of_this_machine()?.apply(ca, change),
            Self::Nss { database } => apply_to_nss(database, ca, change),
        }
    }
}

/// A folder of certificates, and the command that makes the system read it.
struct SystemStore {
    folder: &'static str,
    update: &'static [&'static str],
    update_after_removal: &'static [&'static str],
}

const SYSTEM_STORES: &[SystemStore] = &[
    SystemStore {
        folder: "/usr/local/share/ca-certificates",
        update: &["update-ca-certificates"],
        // Without --fresh, Debian leaves the links to a removed certificate.
        update_after_removal: &["update-ca-certificates", "--fresh"],
    },
    SystemStore {
        folder: "/etc/pki/ca-trust/source/anchors",
        update: &["update-ca-trust"],
        update_after_removal: &["update-ca-trust"],
    },
    SystemStore {
        folder: "/etc/ca-certificates/trust-source/anchors",
        update: &["update-ca-trust"],
        update_after_removal: &["update-ca-trust"],
    },
];

impl SystemStore {
    fn of_this_machine() -> Result<&'static Self> {
        SYSTEM_STORES
            .iter()
            .find(|store| Path::new(store.folder).is_dir() && is_on_path(store.update[0]))
            .context("its trust store is not one that mantlet knows (Debian's, Fedora's, Arch's)")
    }

    fn apply(&self, ca: &LocalCa, change: Change) -> Result<&'static str> {
        let file = Path::new(self.folder).join(ca.file_name());
        if change == Change::Remove && !file.exists() {
            return Ok("it was not installed");
        }
        if !rustix::process::geteuid().is_root() {
            bail!("changing {} needs root; run the same command with sudo", self.folder);
        }
        match change {
            Change::Install => {
                fs::copy(&ca.path, &file).with_context(|| format!("cannot write {}", file.display()))?;
                run(self.update)?;
                Ok("installed")
            }
            Change::Remove => {
                fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
                run(self.update_after_removal)?;
                Ok("removed")
            }
        }
    }
}

fn apply_to_nss(database: &Path, ca: &LocalCa, change: Change) -> Result<&'static str> {
    if !is_on_path("certutil") {
        return Ok("left alone, since certutil is not installed (Debian: apt install libnss3-tools)");
    }
    let database_argument = format!("sql:{}", database.display());
    let certutil = |arguments: &[&OsStr]| {
        let words = ["certutil", "-d", &database_argument].map(OsStr::new);
        run(&[&words[..], arguments].concat())
    };
    let name = OsStr::new(&ca.name);
    let is_installed = database.is_dir() && certutil(&["-L".as_ref(), "-n".as_ref(), name]).is_ok();
    match change {
        Change::Install if is_installed => Ok("it is installed already"),
        Change::Install => {
            create_nss_database(database, |arguments| certutil(arguments))?;
            let words = ["-A", "-t", "C,,", "-n"].map(OsStr::new);
            certutil(&[&words[..], &[name, "-i".as_ref(), ca.path.as_os_str()]].concat())?;
            Ok("installed")
        }
        Change::Remove if !is_installed => Ok("it was not installed"),
        Change::Remove => {
            certutil(&["-D".as_ref(), "-n".as_ref(), name])?;
            Ok("removed")
        }
    }
}

fn create_nss_database(database: &Path, certutil: impl Fn(&[&OsStr]) -> Result<()>) -> Result<()> {
    if database.join("cert9.db").exists() {
        return Ok(());
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(database);
    made.with_context(|| format!("cannot make {}", database.display()))?;
    certutil(&["-N".as_ref(), "--empty-password".as_ref()])
}

fn is_on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn run(words: &[impl AsRef<OsStr>]) -> Result<()> {
    let [program, arguments @ ..] = words else { bail!("there is no command to run") };
    let program = program.as_ref();
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    if !output.status.success() {
        bail!("{} failed: {}", program.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
