//! `mantlet trust`: what the local certificate authority is, and how this machine comes to accept it.

mod installation;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use aws_lc_rs::digest::{SHA256, digest};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::X509Certificate;

use self::installation::{Change, TrustStore};
use crate::command_line::TrustFlags;
use crate::data_dir::DataDir;
use crate::durable::read_text;
use crate::environment::shell_quoted;

/// Explains, installs or removes; the text is for standard output.
pub(crate) fn run(flags: &TrustFlags) -> Result<String> {
    let directory = DataDir::look_into(&flags.directory.data_dir)?;
    let ca = LocalCa::load(&directory)?;
    match (flags.install, flags.uninstall) {
        (true, _) => change_everywhere(&ca, directory.path(), Change::Install),
        (_, true) => change_everywhere(&ca, directory.path(), Change::Remove),
        _ => Ok(explain(&ca, directory.path())),
    }
}

/// The certificate of the viewers' authority, as a person is told about it.
pub(crate) struct LocalCa {
    /// Where it lies, absolute.
    path: std::path::PathBuf,
    /// Its name in lists of trusted authorities.
    name: String,
    /// Which names it can vouch for.
    suffixes: Vec<String>,
    /// When it ends.
    not_after: String,
    /// SHA-256 of the certificate, in hexadecimal.
    fingerprint: String,
}

impl LocalCa {
    fn load(directory: &DataDir) -> Result<Self> {
        let path = directory.ca();
        let Some(pem) = read_text(&path)? else {
            let directory = directory.path().display();
            bail!(
                "{directory} has no certificate authority yet; start `mantlet run --data-dir {directory}` once, or \
                 name another directory with --data-dir"
            );
        };
        let damaged =
            || anyhow!("{} is damaged; restart mantlet, which writes it anew at every start", path.display());
        let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).map_err(|_| damaged())?;
        let certificate = pem.parse_x509().map_err(|_| damaged())?;
        let common_name = certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
        Ok(Self {
            name: common_name.unwrap_or("Mantlet CA").to_owned(),
            suffixes: permitted_suffixes(&certificate),
            not_after: certificate.validity().not_after.to_string(),
            fingerprint: hexadecimal(digest(&SHA256, &pem.contents).as_ref()),
            path: path.canonicalize().with_context(|| format!("cannot look at {}", path.display()))?,
        })
    }

    /// A file name that no other installation uses.
    fn file_name(&self) -> String {
        format!("mantlet-{}.crt", &self.fingerprint[..16])
    }
}

fn permitted_suffixes(certificate: &X509Certificate<'_>) -> Vec<String> {
    let constraints =
        certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::NameConstraints(constraints) => constraints.permitted_subtrees.as_ref(),
            _ => None,
        });
    let names = constraints.into_iter().flatten().filter_map(|subtree| match &subtree.base {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    });
    names.collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn explain(ca: &LocalCa, directory: &Path) -> String {
    let file = shell_quoted(&ca.path.display().to_string());
    let (name, installed) = (shell_quoted(&ca.name), ca.file_name());
    let directory = shell_quoted(&directory.display().to_string());
    format!(
        "\
Mantlet made a certificate authority for this data directory. It signs the certificate that viewers see, so clients
accept that certificate once they trust the authority:

  name         {}
  certificate  {file}
  SHA-256      {}
  valid until  {}
  constrained  to {} and names under it

The certificate itself limits it: whoever got hold of its private key could impersonate these names and no others, and
no IP address. The key never leaves the data directory, where it is sealed.

For one client, without installing anything:
  curl --cacert {file} …
  NODE_EXTRA_CA_CERTS={file} node …
  REQUESTS_CA_BUNDLE={file} python …

For this machine (needs root) and this user's Chromium:
  sudo mantlet trust --install --data-dir {directory}
  mantlet trust --install --data-dir {directory}

The same by hand:
  Debian, Ubuntu, Alpine  sudo cp {file} /usr/local/share/ca-certificates/{installed} && sudo update-ca-certificates
  Fedora, RHEL            sudo cp {file} /etc/pki/ca-trust/source/anchors/{installed} && sudo update-ca-trust
  Arch                    sudo trust anchor --store {file}
  macOS                   sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain {file}
  Chromium on Linux       certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n {name} -i {file}
  Firefox                 Settings, Certificates, Authorities, Import: {file}

`mantlet trust --uninstall` removes it from where `--install` put it.
",
        ca.name,
        ca.fingerprint,
        ca.not_after,
        ca.suffixes.join(", "),
    )
}

/// Changes every trust store that this user can change. What could not be done is an error after the rest was done.
fn change_everywhere(ca: &LocalCa, directory: &Path, change: Change) -> Result<String> {
    let (mut done, mut failed) = (String::new(), Vec::new());
    for store in TrustStore::of_this_user() {
        match store.apply(ca, change) {
            Ok(outcome) => {
                // Writing to a String does not fail.
                let _ = writeln!(done, "{store}: {outcome}");
            }
            Err(error) => failed.push(format!("{store}: {error:#}")),
        }
    }
    if failed.is_empty() {
        return Ok(done);
    }
    let directory = shell_quoted(&directory.display().to_string());
    bail!("{done}{}\n`mantlet trust --data-dir {directory}` shows how to do it by hand", failed.join("\n"))
}
