//! The distribution of `mantlet up`: found or made, enabled, deployed.

use anyhow::{Context, Result, bail};
use aws_api::client::AnswerError;
use aws_api::cloudfront::operation::{CreateDistribution, GetDistributionConfig, UpdateDistribution};
use aws_api::cloudfront::{
    CreateDistributionRequest, GetDistributionConfigRequest, UpdateDistributionRequest,
};

use super::origin_url::OriginUrl;
use super::preset::{caller_reference, distribution_config};
use crate::api_client::ApiClient;
use crate::deployed::wait_until_deployed;

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
        let distribution = wait_until_deployed(client, &id).await?;
        Ok(Self { id, domain_name: distribution.domain_name })
    }
}

/// Creating comes first: the API itself says whether there is one, without a race.
async fn find_or_create(client: &ApiClient, origin: &OriginUrl) -> Result<String> {
    let input = CreateDistributionRequest { distribution_config: distribution_config(origin) };
    let error = match client.call::<CreateDistribution>(&input).await {
        Ok(answer) => {
            return Ok(answer.distribution.context("the API's answer lacks the distribution")?.id);
        }
        Err(error) => error,
    };
    let id = match error.downcast_ref() {
        Some(AnswerError::Refused { code, message, .. }) if code == "DistributionAlreadyExists" => {
            message.rsplit(' ').next().unwrap_or_default().to_owned()
        }
        _ => return Err(error),
    };
    enable(client, &id, origin)
        .await
        .with_context(|| format!("the distribution for {origin} cannot be used"))?;
    Ok(id)
}

/// What people changed in their distribution stays; only that it serves is asked for.
async fn enable(client: &ApiClient, id: &str, origin: &OriginUrl) -> Result<()> {
    let id = id.to_owned();
    let input = GetDistributionConfigRequest { id: id.clone() };
    let stored = client.call::<GetDistributionConfig>(&input).await?;
    let mut config = stored.distribution_config.context("the API's answer lacks the configuration")?;
    if config.caller_reference != caller_reference(origin) {
        bail!("{id} is another one");
    }
    if config.enabled {
        return Ok(());
    }
    config.enabled = true;
    let input = UpdateDistributionRequest { distribution_config: config, id, if_match: stored.etag };
    client.call::<UpdateDistribution>(&input).await?;
    Ok(())
}
