//! `mantlet up URL`: a distribution of the API preset in front of an API, by whichever process serves the directory.

mod deployment;
mod origin_url;
mod preset;

use anyhow::{Context, Result};

use self::deployment::Deployment;
pub(crate) use self::origin_url::{OriginUrl, OriginUrlError};
use crate::api_client::ApiClient;
use crate::data_dir::DataDir;
use crate::endpoints::{Endpoints, reachable};
use crate::environment::shell_quoted;
use crate::limits::READY_POLL;
use crate::run::serve;
use crate::running::Running;
use crate::server::Server;
use crate::settings::RunSettings;
use crate::signals::Signals;
use crate::stdout::{announce, print};

/// Makes the distribution, prints how to call it, and serves, unless another process does already.
pub(crate) async fn up(origin: &OriginUrl, settings: &RunSettings) -> Result<()> {
    let directory = DataDir::look_into(&settings.data_dir)?;
    let mut signals = Signals::catch()?;
    if directory.is_in_use() {
        return tokio::select! {
            done = use_running(origin, &directory) => done,
            () = signals.stop() => Ok(()),
        };
    }
    let started = async {
        let server = Server::start(settings).await?;
        let text = deploy(origin, server.running(), server.directory()).await?;
        anyhow::Ok((server, text))
    };
    let (server, text) = tokio::select! {
        started = started => started?,
        () = signals.stop() => return Ok(()),
    };
    announce(&format!("{text}\nCtrl-C stops it.\n"));
    serve(server, settings, signals).await
}

/// The other process may have just begun.
async fn use_running(origin: &OriginUrl, directory: &DataDir) -> Result<()> {
    let path = directory.path().display();
    tracing::info!(directory = %path, "Using the mantlet process that runs already; other flags have no effect");
    let running = Running::wait_for(directory, READY_POLL).await?;
    let text = deploy(origin, &running, directory).await?;
    print(&format!("{text}\nThe mantlet process that runs on {path} serves it.\n"))
}

async fn deploy(origin: &OriginUrl, running: &Running, directory: &DataDir) -> Result<String> {
    let endpoints = &running.endpoints;
    let client = ApiClient::of(running)?;
    let deployment = Deployment::of(&client, origin)
        .await
        .with_context(|| format!("cannot put {origin} behind a distribution"))?;
    Ok(instructions(origin, &deployment, endpoints, directory))
}

/// What to paste where. The two lines that matter begin in the first column.
fn instructions(
    origin: &OriginUrl,
    deployment: &Deployment,
    endpoints: &Endpoints,
    directory: &DataDir,
) -> String {
    let Deployment { id, domain_name } = deployment;
    let https = reachable(endpoints.https);
    let url = if https.port() == 443 {
        format!("https://{domain_name}")
    } else {
        format!("https://{domain_name}:{}", https.port())
    };
    let trust = if endpoints.certificate_given {
        String::new()
    } else {
        format!("--cacert {} ", shell_quoted(&directory.ca().display().to_string()))
    };
    // Not every resolver knows that names under localhost are this machine (RFC 6761, 6.3).
    let resolve = format!("{domain_name}:{}:{}", https.port(), https.ip());
    format!(
        "\
{origin} is behind distribution {id}.

  API           {api}
  domain name   {domain_name}

VITE_API_URL={url}
curl {trust}--resolve {resolve} {url}/
",
        api = endpoints.api_url(),
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn check(https: &str, certificate_given: bool, expect: &str) {
        let endpoints = Endpoints {
            api: "127.0.0.1:9000".parse().unwrap(),
            http: "127.0.0.1:8080".parse().unwrap(),
            https: https.parse().unwrap(),
            api_url: None,
            certificate_given,
        };
        let deployment = Deployment { id: "E1".to_owned(), domain_name: "d1.mantlet.localhost".to_owned() };
        let origin = "http://127.0.0.1:3500".parse().unwrap();
        let text = instructions(
            &origin,
            &deployment,
            &endpoints,
            &DataDir::look_into(Path::new("/my dir")).unwrap(),
        );
        assert!(text.contains(expect), "{text}");
    }

    #[test]
    fn lines_to_paste() {
        check("127.0.0.1:8443", false, "\nVITE_API_URL=https://d1.mantlet.localhost:8443\n");
        check(
            "0.0.0.0:8443",
            false,
            "\ncurl --cacert '/my dir/ca.pem' --resolve d1.mantlet.localhost:8443:127.0.0.1 \
             https://d1.mantlet.localhost:8443/\n",
        );
        check("127.0.0.1:443", true, "\nVITE_API_URL=https://d1.mantlet.localhost\n");
        check(
            "127.0.0.1:443",
            true,
            "\ncurl --resolve d1.mantlet.localhost:443:127.0.0.1 https://d1.mantlet.localhost/\n",
        );
    }
}
