//! `mantlet env`: what points AWS clients at the running process.

use std::fmt::Write as _;

use anyhow::Result;
use rustls_pki_types::CertificateDer;

use crate::certificate::ends_in_root;
use crate::command_line::EnvFlags;
use crate::data_dir::DataDir;
use crate::running::Running;

/// Clients want a region to sign for. Mantlet takes any; CloudFront's own is this one.
const REGION: &str = "us-east-1";

/// Shell exports, or JSON, for the process that runs on the data directory.
pub(crate) fn of_running(flags: &EnvFlags) -> Result<String> {
    let directory = DataDir::look_into(&flags.directory.data_dir)?;
    let running = Running::find(&directory)?;
    let mut variables = variables(&running);
    if let Some(chain) = running.untrusted_api_certificate() {
        warn_of_missing_root(chain);
        variables.push(("AWS_CA_BUNDLE", directory.api_certificate().display().to_string()));
    }
    Ok(if flags.json { json(&variables)? } else { exports(&variables) })
}

/// AWS clients that are built on OpenSSL believe a chain only if they know its end.
fn warn_of_missing_root(chain: &[CertificateDer<'_>]) {
    if !ends_in_root(chain) {
        tracing::warn!(
            "The API's certificate chain lacks its authority's own certificate; append that to the file of \
             --api-certificate, so that every AWS client can verify the API"
        );
    }
}

fn variables(running: &Running) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL", running.endpoints.api_url()),
        ("AWS_ACCESS_KEY_ID", running.access_key.id.clone()),
        ("AWS_SECRET_ACCESS_KEY", running.access_key.secret.to_string()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
    ]
}

fn exports(variables: &[(&str, String)]) -> String {
    variables.iter().fold(String::new(), |mut text, (name, value)| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "export {name}={}", shell_quoted(value));
        text
    })
}

fn json(variables: &[(&str, String)]) -> Result<String> {
    let object: serde_json::Map<_, _> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into())).collect();
    Ok(serde_json::to_string_pretty(&object)? + "\n")
}

/// One word of a POSIX shell, whatever is in it.
pub(crate) fn shell_quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::access_key::AccessKey;
    use crate::endpoints::Endpoints;

    fn running() -> Running {
        let address = |port| ([127, 0, 0, 1], port).into();
        let endpoints = Endpoints {
            api: address(9000),
            http: address(8080),
            https: address(8443),
            api_url: None,
            certificate_given: false,
        };
        let access_key =
            AccessKey { id: "AKIAHOMEHOMEHOMEHOME".to_owned(), secret: Zeroizing::new("a+b/c".to_owned()) };
        Running { endpoints, access_key, api_certificate: None }
    }

    #[test]
    fn exports_are_lines_that_a_shell_evaluates() {
        assert_eq!(
            exports(&variables(&running())),
            "export AWS_ENDPOINT_URL=http://127.0.0.1:9000\n\
             export AWS_ACCESS_KEY_ID=AKIAHOMEHOMEHOMEHOME\n\
             export AWS_SECRET_ACCESS_KEY=a+b/c\n\
             export AWS_REGION=us-east-1\n\
             export AWS_DEFAULT_REGION=us-east-1\n"
        );
    }

    #[test]
    fn json_is_one_object() {
        let printed = json(&variables(&running())).unwrap();
        let object: serde_json::Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(object["AWS_ENDPOINT_URL"], "http://127.0.0.1:9000");
    }

    #[test]
    fn quoting() {
        assert_eq!(shell_quoted("a-b_c.d/e"), "a-b_c.d/e");
        assert_eq!(shell_quoted(""), "''");
        assert_eq!(shell_quoted("my files"), "'my files'");
        assert_eq!(shell_quoted("it's $HOME"), r"'it'\''s $HOME'");
    }
}
