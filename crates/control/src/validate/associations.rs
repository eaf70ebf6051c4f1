//! What a distribution takes from other resources: key groups, log configurations, origin access
//! controls, and its part in continuous deployment.

use std::collections::BTreeSet;

use aws_api::ApiError;
use aws_api::cloudfront::{
    Aliases, DistributionConfig, ErrorCode, HttpVersion, Origin, S3OriginConfig, TrustedKeyGroups,
};

use super::Surroundings;
use crate::cache_behavior::{AnyCacheBehavior, cache_behaviors};
use crate::errors::invalid_argument;
use crate::identifier::{parse_realtime_log_config_arn, realtime_log_config_arn};

/// Domains whose services know what an origin access control signs ("Restrict access to an AWS
/// origin": S3, MediaStore, MediaPackage v2, Lambda function URLs).
const SIGNED_ORIGIN_SUFFIXES: [&str; 3] = [".amazonaws.com", ".amazonaws.com.cn", ".on.aws"];

pub(super) fn validate(config: &DistributionConfig, surroundings: Surroundings<'_>) -> Result<(), ApiError> {
    let behaviors = cache_behaviors(config);
    for behavior in &behaviors {
        validate_trusted_key_groups(behavior)?;
        validate_realtime_log_config(behavior, surroundings.account_id)?;
    }
    let key_groups: BTreeSet<&String> = behaviors.iter().flat_map(trusted_key_groups).collect();
    let most = surroundings.quotas.key_groups_per_distribution;
    if key_groups.len() > most {
        return Err(ErrorCode::TooManyKeyGroupsAssociatedToDistribution.with_message(format!(
            "A distribution has at most {most} key groups in all of its cache behaviors. Name fewer, or raise \
             the quota."
        )));
    }
    config.origins.items.iter().try_for_each(validate_origin_access_control)?;
    validate_continuous_deployment(config, surroundings.own_id.is_none())
}

fn trusted_key_groups(behavior: &AnyCacheBehavior) -> &[String] {
    behavior.settings.trusted_key_groups.as_ref().map(TrustedKeyGroups::items).unwrap_or_default()
}

/// Key groups that are named and not enabled would look like protection and be none.
fn validate_trusted_key_groups(behavior: &AnyCacheBehavior) -> Result<(), ApiError> {
    let is_enabled = behavior.settings.trusted_key_groups.as_ref().is_some_and(|groups| groups.enabled);
    if is_enabled != trusted_key_groups(behavior).is_empty() {
        return Ok(());
    }
    Err(invalid_argument(format!(
        "{} must have TrustedKeyGroups with Enabled true and at least one key group, or with Enabled false and \
         none.",
        behavior.label()
    )))
}

fn validate_realtime_log_config(behavior: &AnyCacheBehavior, account_id: &str) -> Result<(), ApiError> {
    let arn = behavior.settings.realtime_log_config_arn.as_deref().unwrap_or_default();
    if arn.is_empty() {
        return Ok(());
    }
    let Some((owner, _)) = parse_realtime_log_config_arn(arn) else {
        return Err(invalid_argument(format!(
            "{} has the RealtimeLogConfigArn {arn:?}, which must be of the form {}.",
            behavior.label(),
            realtime_log_config_arn(account_id, "NAME")
        )));
    };
    if owner != account_id {
        return Err(ErrorCode::RealtimeLogConfigOwnerMismatch.with_message(format!(
            "{} has a RealtimeLogConfigArn of the account {owner}, and this one is {account_id}. Use the ARN of \
             a real-time log configuration of this account.",
            behavior.label()
        )));
    }
    Ok(())
}

fn validate_origin_access_control(origin: &Origin) -> Result<(), ApiError> {
    if origin.origin_access_control_id.as_deref().unwrap_or_default().is_empty() {
        return Ok(());
    }
    let identity = |bucket: &S3OriginConfig| !bucket.origin_access_identity.is_empty();
    if origin.s3_origin_config.as_ref().is_some_and(identity) {
        return Err(ErrorCode::IllegalOriginAccessConfiguration.with_message(format!(
            "The origin {:?} has both an origin access control and an origin access identity. Remove one.",
            origin.id
        )));
    }
    let domain_name = origin.domain_name.to_ascii_lowercase();
    if SIGNED_ORIGIN_SUFFIXES.iter().any(|suffix| domain_name.ends_with(suffix)) {
        return Ok(());
    }
    Err(ErrorCode::InvalidDomainNameForOriginAccessControl.with_message(format!(
        "The origin {:?} has an origin access control, and its DomainName is none of an AWS origin such as \
         BUCKET.s3.us-east-1.amazonaws.com. Remove the OriginAccessControlId.",
        origin.id
    )))
}

/// "You can't use continuous deployment with distributions that support HTTP/3" ("Quotas and other
/// considerations for continuous deployment").
fn validate_continuous_deployment(config: &DistributionConfig, is_new: bool) -> Result<(), ApiError> {
    let is_staging = config.staging == Some(true);
    let has_policy = config.continuous_deployment_policy_id.as_deref().is_some_and(|id| !id.is_empty());
    let message = if has_policy && is_new {
        "Continuous deployment policy is not supported during distribution creation. Create the distribution \
         without ContinuousDeploymentPolicyId, then update it."
    } else if has_policy && is_staging {
        "A staging distribution has no ContinuousDeploymentPolicyId. Give it to the primary distribution."
    } else if is_staging && !config.aliases.as_ref().map(Aliases::items).unwrap_or_default().is_empty() {
        "A staging distribution has no Aliases: it answers under those of its primary distribution. Remove them."
    } else if (has_policy || is_staging)
        && matches!(config.http_version, Some(HttpVersion::Http3 | HttpVersion::Http2and3))
    {
        "The parameter HTTP3 is not supported for Continuous Deployment Policy. Set HttpVersion to http2 or \
         http1.1."
    } else if (has_policy || is_staging)
        && config.origins.items.iter().any(|origin| origin.response_completion_timeout.is_some())
    {
        "ResponseCompletionTimeout is not supported with continuous deployment. Leave it out of every origin."
    } else {
        return Ok(());
    };
    Err(invalid_argument(message))
}
