//! Origin request policies.

use aws_api::ApiError;
use aws_api::cloudfront::{
    ErrorCode, ListOriginRequestPoliciesRequest, ListOriginRequestPoliciesResult, OriginRequestPolicy,
    OriginRequestPolicyConfig, OriginRequestPolicyList, OriginRequestPolicySummary, OriginRequestPolicyType,
};
use edge_config::{Bundle, ResourceKind};

use super::family::family_operations;
use crate::compile::compile_origin_request_policy;
use crate::control::{Caller, Control};
use crate::defaults::policies::complete_origin_request_policy;
use crate::identifier::new_uuid;
use crate::kind::Kind;
use crate::managed;
use crate::paging::count;
use crate::quotas::Quotas;
use crate::resource::{Family, Listed, Stored, list as list_resources};
use crate::validate::policies::origin_request_policy::validate;

/// The family of origin request policies.
pub(crate) struct OriginRequestPolicies;

impl Family for OriginRequestPolicies {
    type Config = OriginRequestPolicyConfig;

    const KIND: Kind = Kind::OriginRequestPolicy;

    fn new_id(_config: &OriginRequestPolicyConfig) -> String {
        new_uuid()
    }

    fn unique_texts(config: &OriginRequestPolicyConfig) -> Vec<(&'static str, &str)> {
        vec![("name", &config.name)]
    }

    fn already_exists(_index: &str, name: &str, owner: &str) -> ApiError {
        ErrorCode::OriginRequestPolicyAlreadyExists.with_message(format!(
            "The origin request policy {owner} has the name {name:?} already. Choose another name, or update that policy."
        ))
    }

    fn in_use(id: &str, user: &str) -> ApiError {
        ErrorCode::OriginRequestPolicyInUse.with_message(format!(
            "The origin request policy {id} is used by the {user}. Give that another policy first."
        ))
    }

    fn quota(quotas: &Quotas) -> (usize, ErrorCode) {
        (quotas.origin_request_policies, ErrorCode::TooManyOriginRequestPolicies)
    }

    fn complete(config: &mut OriginRequestPolicyConfig) {
        complete_origin_request_policy(config);
    }

    fn validate(quotas: &Quotas, config: &OriginRequestPolicyConfig) -> Result<(), ApiError> {
        validate(config, quotas)
    }

    fn bundle(config: &OriginRequestPolicyConfig) -> Option<(ResourceKind, Bundle)> {
        Some((ResourceKind::OriginRequestPolicy, compile_origin_request_policy(config)))
    }

    fn managed() -> Vec<(&'static str, &'static OriginRequestPolicyConfig)> {
        managed::origin_request_policies().iter().map(|policy| (policy.id, &policy.config)).collect()
    }
}

family_operations! {
    OriginRequestPolicies as OriginRequestPolicy { origin_request_policy, origin_request_policy_config } under "origin-request-policy",
    CreateOriginRequestPolicyRequest => CreateOriginRequestPolicyResult,
    GetOriginRequestPolicyRequest => GetOriginRequestPolicyResult,
    GetOriginRequestPolicyConfigRequest => GetOriginRequestPolicyConfigResult,
    UpdateOriginRequestPolicyRequest => UpdateOriginRequestPolicyResult,
    DeleteOriginRequestPolicyRequest,
}

/// `ListOriginRequestPolicies`, in the order of their ids.
pub(crate) async fn list(
    control: &Control,
    _caller: &Caller,
    input: ListOriginRequestPoliciesRequest,
) -> Result<ListOriginRequestPoliciesResult, ApiError> {
    let listed = match input.r#type {
        None => Listed::All,
        Some(OriginRequestPolicyType::Managed) => Listed::Managed,
        Some(OriginRequestPolicyType::Custom) => Listed::Custom,
    };
    let (marker, wanted) = (input.marker.as_deref(), input.max_items.as_deref());
    let page = list_resources::<OriginRequestPolicies>(control, listed, marker, wanted).await?;
    let list = OriginRequestPolicyList::from_items(page.items.into_iter().map(summary).collect());
    let list =
        OriginRequestPolicyList { next_marker: page.next_marker, max_items: count(page.max_items), ..list };
    Ok(ListOriginRequestPoliciesResult { origin_request_policy_list: Some(list) })
}

fn shape(stored: Stored<OriginRequestPolicyConfig>) -> OriginRequestPolicy {
    OriginRequestPolicy {
        id: stored.id,
        last_modified_time: stored.last_modified_time,
        origin_request_policy_config: stored.config,
    }
}

fn summary(stored: Stored<OriginRequestPolicyConfig>) -> OriginRequestPolicySummary {
    let r#type =
        if stored.is_managed { OriginRequestPolicyType::Managed } else { OriginRequestPolicyType::Custom };
    OriginRequestPolicySummary { r#type, origin_request_policy: shape(stored) }
}
