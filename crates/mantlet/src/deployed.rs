//! Waiting until a distribution serves everywhere.

use anyhow::{Context, Result, bail};
use aws_api::cloudfront::operation::GetDistribution;
use aws_api::cloudfront::{Distribution, GetDistributionRequest};
use tokio::time::{Instant, sleep};

use crate::api_client::ApiClient;
use crate::limits::{DEPLOYED_POLL, DEPLOYED_WAIT_MAX};

/// The distribution, once its status is `Deployed`.
pub(crate) async fn wait_until_deployed(client: &ApiClient, id: &str) -> Result<Distribution> {
    let deadline = Instant::now() + DEPLOYED_WAIT_MAX;
    let input = GetDistributionRequest { id: id.to_owned() };
    loop {
        let answer = client.call::<GetDistribution>(&input).await?;
        let distribution = answer.distribution.context("the API's answer lacks the distribution")?;
        if distribution.status == "Deployed" {
            return Ok(distribution);
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
