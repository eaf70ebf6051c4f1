//! The distribution of `mantlet up`: found or made, enabled, deployed.

use anyhow::{Context, Result, bail};
use tokio::time::{Instant, sleep};

use super::api_client::ApiClient;
use super::origin_url::OriginUrl;
use super::preset::{caller_reference, distribution_config};
use super::xml_path::{text_at, with_text_at};
use crate::limits::{DEPLOYED_POLL, DEPLOYED_WAIT_MAX};

/// A distribution that serves.
#[derive(Debug)]
pub(crate) struct Deployment {
    pub(crate) id: String,
    pub(crate) domain_name: String,
}

impl Deployment {
    /// The distribution for `origin`, made if there is none, once it serves everywhere.
    pub(crate) async fn of(client: &ApiClient, origin: &OriginUrl) -> Result<Self> {
        let id = find_or_create(client, origin).await?;
        wait_until_deployed(client, id).await
    }
}

/// Creating comes first: the API itself says whether there is one, without a race.
async fn find_or_create(client: &ApiClient, origin: &OriginUrl) -> Result<String> {
    let answer = client.post("/distribution", distribution_config(origin)).await?;
    if answer.error_code().as_deref() != Some("DistributionAlreadyExists") {
        return text_at(&answer.success()?.body, "Distribution/Id");
    }
    let message = text_at(&answer.body, "ErrorResponse/Error/Message")?;
    let id = message.rsplit(' ').next().unwrap_or_default().to_owned();
    enable(client, &id, origin)
        .await
        .with_context(|| format!("the distribution for {origin} cannot be used"))?;
    Ok(id)
}

/// What people changed in their distribution stays; only that it serves is asked for.
async fn enable(client: &ApiClient, id: &str, origin: &OriginUrl) -> Result<()> {
    let path = format!("/distribution/{id}/config");
    let stored = client.get(&path).await?.success()?;
    if text_at(&stored.body, "DistributionConfig/CallerReference")? != caller_reference(origin) {
        bail!("{id} is another one");
    }
    if text_at(&stored.body, "DistributionConfig/Enabled")? == "true" {
        return Ok(());
    }
    let enabled = with_text_at(&stored.body, "DistributionConfig/Enabled", "true")?;
    client.put(&path, stored.etag()?, enabled).await?.success()?;
    Ok(())
}

async fn wait_until_deployed(client: &ApiClient, id: String) -> Result<Deployment> {
    let deadline = Instant::now() + DEPLOYED_WAIT_MAX;
    loop {
        let answer = client.get(&format!("/distribution/{id}")).await?.success()?;
        if text_at(&answer.body, "Distribution/Status")? == "Deployed" {
            let domain_name = text_at(&answer.body, "Distribution/DomainName")?;
            return Ok(Deployment { id, domain_name });
        }
        if Instant::now() >= deadline {
            bail!(
                "distribution {id} was not deployed within {} s; the log says what the edge did with it",
                DEPLOYED_WAIT_MAX.as_secs()
            );
        }
        sleep(DEPLOYED_POLL).await;
    }
}
