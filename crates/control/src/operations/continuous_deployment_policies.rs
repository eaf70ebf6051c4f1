//! Continuous deployment policies: which requests of a primary distribution a staging distribution
//! gets. Stored; edges send every request to the primary distribution yet.

use std::collections::BTreeSet;

use aws_api::ApiError;
use aws_api::cloudfront::{
    ContinuousDeploymentPolicy, ContinuousDeploymentPolicyConfig, ContinuousDeploymentPolicyList,
    ContinuousDeploymentPolicySummary, ContinuousDeploymentPolicyType,
    ContinuousDeploymentSingleHeaderConfig, ContinuousDeploymentSingleWeightConfig, ErrorCode,
    ListContinuousDeploymentPoliciesRequest, ListContinuousDeploymentPoliciesResult, SessionStickinessConfig,
    TrafficConfig,
};

use super::family::family_operations;
use crate::control::{Caller, Control};
use crate::errors::invalid_argument;
use crate::identifier::new_uuid;
use crate::kind::Kind;
use crate::paging::count;
use crate::quotas::{
    Quotas, SESSION_STICKINESS_SECONDS, STAGING_HEADER_BYTES_MAX, STAGING_HEADER_PREFIX,
    STAGING_HEADER_VALUE_BYTES_MAX, STAGING_WEIGHT,
};
use crate::reference::Reference;
use crate::resource::{Family, Listed, Stored, list as list_resources};
use crate::validate::is_visible;

/// The family of continuous deployment policies.
pub(crate) struct ContinuousDeploymentPolicies;

impl Family for ContinuousDeploymentPolicies {
    type Config = ContinuousDeploymentPolicyConfig;

    const KIND: Kind = Kind::ContinuousDeploymentPolicy;

    fn new_id(_config: &ContinuousDeploymentPolicyConfig) -> String {
        new_uuid()
    }

    /// "A continuous deployment policy for this staging distribution already exists" (API reference,
    /// `StagingDistributionInUse`).
    fn unique_texts(config: &ContinuousDeploymentPolicyConfig) -> Vec<(&'static str, &str)> {
        config.staging_distribution_dns_names.items().iter().map(|name| ("staging", name.as_str())).collect()
    }

    fn already_exists(_index: &str, name: &str, owner: &str) -> ApiError {
        ErrorCode::StagingDistributionInUse.with_message(format!(
            "The continuous deployment policy {owner} has the staging distribution {name} already. Update that \
             policy, or name another staging distribution."
        ))
    }

    fn missing_reference(reference: &Reference) -> ApiError {
        invalid_argument(format!(
            "StagingDistributionDnsNames has {:?}, which is the domain name of no staging distribution. Make one \
             with CopyDistribution, and use its DomainName.",
            reference.id
        ))
    }

    fn in_use(id: &str, user: &str) -> ApiError {
        ErrorCode::ContinuousDeploymentPolicyInUse.with_message(format!(
            "The continuous deployment policy {id} is used by the {user}. Remove its ContinuousDeploymentPolicyId \
             first."
        ))
    }

    fn quota(quotas: &Quotas) -> (usize, ErrorCode) {
        (quotas.continuous_deployment_policies, ErrorCode::TooManyContinuousDeploymentPolicies)
    }

    /// Staging distributions are looked up by their names, which are lower case.
    fn complete(config: &mut ContinuousDeploymentPolicyConfig) {
        for name in config.staging_distribution_dns_names.items.iter_mut().flatten() {
            name.make_ascii_lowercase();
        }
    }

    fn validate(_quotas: &Quotas, config: &ContinuousDeploymentPolicyConfig) -> Result<(), ApiError> {
        if config.staging_distribution_dns_names.items().len() != 1 {
            return Err(invalid_argument(
                "StagingDistributionDnsNames must have the domain name of exactly one staging distribution.",
            ));
        }
        match &config.traffic_config {
            Some(traffic) => validate_traffic(traffic),
            None if config.enabled => Err(invalid_argument(
                "An enabled continuous deployment policy must have a TrafficConfig. Send one, or Enabled false.",
            )),
            None => Ok(()),
        }
    }

    fn references(config: &ContinuousDeploymentPolicyConfig) -> BTreeSet<Reference> {
        let names = config.staging_distribution_dns_names.items().iter();
        names.map(|name| Reference::new(Kind::StagingDistribution, name)).collect()
    }
}

family_operations! {
    ContinuousDeploymentPolicies as ContinuousDeploymentPolicy {
        continuous_deployment_policy, continuous_deployment_policy_config
    } under "continuous-deployment-policy",
    CreateContinuousDeploymentPolicyRequest => CreateContinuousDeploymentPolicyResult,
    GetContinuousDeploymentPolicyRequest => GetContinuousDeploymentPolicyResult,
    GetContinuousDeploymentPolicyConfigRequest => GetContinuousDeploymentPolicyConfigResult,
    UpdateContinuousDeploymentPolicyRequest => UpdateContinuousDeploymentPolicyResult,
    DeleteContinuousDeploymentPolicyRequest,
}

/// `ListContinuousDeploymentPolicies`, in the order of their ids.
pub(crate) async fn list(
    control: &Control,
    _caller: &Caller,
    input: ListContinuousDeploymentPoliciesRequest,
) -> Result<ListContinuousDeploymentPoliciesResult, ApiError> {
    let (marker, wanted) = (input.marker.as_deref(), input.max_items.as_deref());
    let page = list_resources::<ContinuousDeploymentPolicies>(control, Listed::All, marker, wanted).await?;
    let summary = |stored| ContinuousDeploymentPolicySummary { continuous_deployment_policy: shape(stored) };
    let list = ContinuousDeploymentPolicyList {
        next_marker: page.next_marker,
        max_items: count(page.max_items),
        ..ContinuousDeploymentPolicyList::from_items(page.items.into_iter().map(summary).collect())
    };
    Ok(ListContinuousDeploymentPoliciesResult { continuous_deployment_policy_list: Some(list) })
}

fn shape(stored: Stored<ContinuousDeploymentPolicyConfig>) -> ContinuousDeploymentPolicy {
    ContinuousDeploymentPolicy {
        id: stored.id,
        last_modified_time: stored.last_modified_time,
        continuous_deployment_policy_config: stored.config,
    }
}

fn validate_traffic(traffic: &TrafficConfig) -> Result<(), ApiError> {
    match (traffic.r#type, &traffic.single_weight_config, &traffic.single_header_config) {
        (ContinuousDeploymentPolicyType::SingleWeight, Some(weight), None) => validate_weight(weight),
        (ContinuousDeploymentPolicyType::SingleHeader, None, Some(header)) => validate_header(header),
        (r#type, ..) => Err(invalid_argument(format!(
            "A TrafficConfig of the Type {} must have {0}Config and no other.",
            r#type.as_str()
        ))),
    }
}

fn validate_weight(config: &ContinuousDeploymentSingleWeightConfig) -> Result<(), ApiError> {
    if !STAGING_WEIGHT.contains(&config.weight) {
        return Err(invalid_argument(format!(
            "Weight must be from {} to {}.",
            STAGING_WEIGHT.start(),
            STAGING_WEIGHT.end()
        )));
    }
    let Some(SessionStickinessConfig { idle_ttl, maximum_ttl }) = &config.session_stickiness_config else {
        return Ok(());
    };
    let range = SESSION_STICKINESS_SECONDS;
    if range.contains(idle_ttl) && range.contains(maximum_ttl) && idle_ttl <= maximum_ttl {
        return Ok(());
    }
    Err(invalid_argument(format!(
        "IdleTTL and MaximumTTL must be from {} to {} seconds, and IdleTTL at most MaximumTTL.",
        range.start(),
        range.end()
    )))
}

fn validate_header(config: &ContinuousDeploymentSingleHeaderConfig) -> Result<(), ApiError> {
    let name = config.header.to_ascii_lowercase();
    let is_name = name.len() <= STAGING_HEADER_BYTES_MAX
        && name.strip_prefix(STAGING_HEADER_PREFIX).is_some_and(|rest| !rest.is_empty())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if !is_name {
        return Err(invalid_argument(format!(
            "Header must begin with {STAGING_HEADER_PREFIX} and go on with letters, digits and hyphens, in at \
             most {STAGING_HEADER_BYTES_MAX} characters."
        )));
    }
    let is_value = !config.value.is_empty()
        && config.value.len() <= STAGING_HEADER_VALUE_BYTES_MAX
        && is_visible(&config.value);
    if is_value {
        return Ok(());
    }
    Err(invalid_argument(format!(
        "Value must have 1 to {STAGING_HEADER_VALUE_BYTES_MAX} visible ASCII characters."
    )))
}
