//! Staging distributions: copies of a primary one, and back.
//!
//! CloudFront sends a staging distribution what a continuous deployment policy selects, and answers
//! nobody under its own name. Edges do not follow these policies yet, so a staging distribution
//! answers as a disabled one does: it serves nothing, and its primary distribution everything.

use aws_api::ApiError;
use aws_api::cloudfront::{
    ContinuousDeploymentPolicyConfig, CopyDistributionRequest, CopyDistributionResult, DistributionConfig,
    ErrorCode, UpdateDistributionWithStagingConfigRequest, UpdateDistributionWithStagingConfigResult,
};
use store::Condition;

use super::continuous_deployment_policies::ContinuousDeploymentPolicies;
use super::distributions::{
    Status, StoredDistribution, create_distribution, location, now, read, update_distribution, warn,
};
use crate::commit::{Change, Expectation, storage};
use crate::control::{Caller, Control};
use crate::entity_tag::EntityTag;
use crate::errors::{internal, invalid_argument};
use crate::kind::Kind;
use crate::records::{ConfigRecord, distribution_key, name_key, resource_key};
use crate::reference::{Reference, any_user_of};
use crate::resource::{Stored, read as read_resource};

/// `CopyDistribution`
pub(crate) async fn copy(
    control: &Control,
    caller: &Caller,
    input: CopyDistributionRequest,
) -> Result<CopyDistributionResult, ApiError> {
    let if_match = EntityTag::required(input.if_match.as_deref())?;
    // "The only valid value is True" (API reference, `CopyDistribution`).
    if input.staging != Some(true) {
        return Err(invalid_argument(
            "Staging must be true: only staging distributions are made by copying.",
        ));
    }
    let primary = read(control, &input.primary_distribution_id).await?;
    if_match.check(primary.revision)?;
    if primary.record.config.staging == Some(true) {
        return Err(invalid_argument(format!(
            "The distribution {} is a staging distribution itself. Copy its primary distribution.",
            primary.id
        )));
    }
    let config = DistributionConfig {
        caller_reference: input.caller_reference,
        staging: Some(true),
        enabled: input.enabled.unwrap_or(true),
        aliases: None,
        continuous_deployment_policy_id: None,
        ..primary.record.config.clone()
    };
    let created = create_distribution(control, config, &[], || expect_unchanged(control, &primary)).await?;
    warn(control, caller, &created).await;
    Ok(CopyDistributionResult {
        location: Some(location(caller, &created.id)),
        etag: Some(created.etag()),
        distribution: Some(created.into_shape(control, Status::InProgress).await?),
    })
}

/// `UpdateDistributionWithStagingConfig`. "The primary distribution retains its `Aliases` and
/// `ContinuousDeploymentPolicyId` value, but otherwise its configuration is overwritten"; and the
/// policy is disabled (API reference).
pub(crate) async fn promote(
    control: &Control,
    caller: &Caller,
    input: UpdateDistributionWithStagingConfigRequest,
) -> Result<UpdateDistributionWithStagingConfigResult, ApiError> {
    let (of_primary, of_staging) = entity_tags(input.if_match.as_deref())?;
    let primary = read(control, &input.id).await?;
    let policy = policy_of(control, &primary).await?;
    let staging = staging_of(control, &policy, input.staging_distribution_id.as_deref()).await?;
    of_primary.check(primary.revision)?;
    of_staging.check(staging.revision)?;
    let disabled = disable(control, &policy)?;
    let config = DistributionConfig {
        caller_reference: primary.record.config.caller_reference.clone(),
        aliases: primary.record.config.aliases.clone(),
        continuous_deployment_policy_id: primary.record.config.continuous_deployment_policy_id.clone(),
        staging: Some(false),
        ..staging.record.config.clone()
    };
    let basis = || expect_unchanged(control, &staging).and(disabled.clone());
    let updated = update_distribution(control, primary, config, basis).await?;
    warn(control, caller, &updated).await;
    Ok(UpdateDistributionWithStagingConfigResult {
        etag: Some(updated.etag()),
        distribution: Some(updated.into_shape(control, Status::InProgress).await?),
    })
}

/// What follows from a new distribution being staging: continuous deployment policies find it.
pub(super) fn register_staging(
    change: Change,
    account_id: &str,
    new: (&str, &str),
    is_staging: bool,
) -> Change {
    let (id, domain_name) = new;
    if !is_staging {
        return change;
    }
    change.put(resource_key(account_id, Kind::StagingDistribution, domain_name), id.as_bytes().to_vec())
}

/// Takes a staging distribution away that no continuous deployment policy names.
pub(super) async fn delete_staging(
    control: &Control,
    change: Change,
    present: &StoredDistribution,
) -> Result<Change, ApiError> {
    if present.record.config.staging != Some(true) {
        return Ok(change);
    }
    let integrity = control.integrity().await?;
    let reference = Reference::new(Kind::StagingDistribution, present.record.domain_name.as_str());
    if let Some(user) = any_user_of(control, &reference).await? {
        return Err(ErrorCode::ResourceInUse.with_message(format!(
            "The staging distribution {} is used by the {user}. Delete that policy, or give it another staging \
             distribution first.",
            present.id
        )));
    }
    let key = resource_key(control.account_id(), Kind::StagingDistribution, &reference.id);
    Ok(change.delete(key).expect_integrity(control.account_id(), integrity))
}

/// Attaches a primary distribution to its continuous deployment policy, which has one at most.
pub(super) fn change_policy(
    mut change: Change,
    account_id: &str,
    id: &str,
    before: &DistributionConfig,
    after: Option<&DistributionConfig>,
) -> Change {
    let (before, after) = (policy_id(before), after.and_then(policy_id));
    if before == after {
        return change;
    }
    let key = |policy_id: &str| name_key(account_id, Kind::ContinuousDeploymentPolicy, "primary", policy_id);
    if let Some(before) = before {
        change = change.delete(key(before));
    }
    if let Some(after) = after {
        let expectation = Expectation::Name { index: "primary", text: after.to_owned() };
        change =
            change.expect(expectation, key(after), Condition::Absent).put(key(after), id.as_bytes().to_vec());
    }
    change
}

/// Another primary distribution has the policy.
pub(super) fn policy_in_use(id: &str) -> ApiError {
    ErrorCode::ContinuousDeploymentPolicyInUse.with_message(format!(
        "The continuous deployment policy {id} is attached to another primary distribution. Remove it there, or \
         create another policy."
    ))
}

fn policy_id(config: &DistributionConfig) -> Option<&str> {
    config.continuous_deployment_policy_id.as_deref().filter(|id| !id.is_empty())
}

/// "<primary `ETag`>, <staging `ETag`>" (API reference, `UpdateDistributionWithStagingConfig`).
fn entity_tags(if_match: Option<&str>) -> Result<(EntityTag, EntityTag), ApiError> {
    let (of_primary, of_staging) = if_match.and_then(|text| text.split_once(',')).unzip();
    Ok((EntityTag::required(of_primary.map(str::trim))?, EntityTag::required(of_staging.map(str::trim))?))
}

async fn policy_of(
    control: &Control,
    primary: &StoredDistribution,
) -> Result<Stored<ContinuousDeploymentPolicyConfig>, ApiError> {
    let Some(id) = policy_id(&primary.record.config) else {
        return Err(ErrorCode::IllegalUpdate.with_message(format!(
            "The distribution {} has no continuous deployment policy. Set its ContinuousDeploymentPolicyId first.",
            primary.id
        )));
    };
    read_resource::<ContinuousDeploymentPolicies>(control, id).await
}

/// The staging distribution of a policy, and no other.
async fn staging_of(
    control: &Control,
    policy: &Stored<ContinuousDeploymentPolicyConfig>,
    wanted: Option<&str>,
) -> Result<StoredDistribution, ApiError> {
    let name = policy.config.staging_distribution_dns_names.items().first().cloned().unwrap_or_default();
    let key = resource_key(control.account_id(), Kind::StagingDistribution, &name);
    let registered = control.store().get(&key).await.map_err(storage)?;
    let id = registered.map(|record| String::from_utf8_lossy(&record.value).into_owned()).unwrap_or_default();
    let staging = read(control, wanted.unwrap_or(&id)).await?;
    if staging.id == id {
        return Ok(staging);
    }
    Err(ErrorCode::IllegalUpdate.with_message(format!(
        "The distribution {} is not the staging distribution of the primary one's continuous deployment policy, \
         which is {id}.",
        staging.id
    )))
}

fn disable(control: &Control, policy: &Stored<ContinuousDeploymentPolicyConfig>) -> Result<Change, ApiError> {
    let key = resource_key(control.account_id(), Kind::ContinuousDeploymentPolicy, &policy.id);
    let change =
        Change::default().expect(Expectation::Source, key.clone(), Condition::AtRevision(policy.revision));
    if !policy.config.enabled {
        return Ok(change);
    }
    let record = ConfigRecord {
        created_time: policy.created_time,
        last_modified_time: now(),
        config: ContinuousDeploymentPolicyConfig { enabled: false, ..policy.config.clone() },
    };
    Ok(change.put(key, record.encode().map_err(|error| internal(&error))?))
}

fn expect_unchanged(control: &Control, distribution: &StoredDistribution) -> Change {
    let key = distribution_key(control.account_id(), &distribution.id);
    Change::default().expect(Expectation::Source, key, Condition::AtRevision(distribution.revision))
}
