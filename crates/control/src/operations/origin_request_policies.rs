//! Origin request policies: reading the managed ones.

use aws_api::ApiError;
use aws_api::cloudfront::{
    GetOriginRequestPolicyConfigRequest, GetOriginRequestPolicyConfigResult, GetOriginRequestPolicyRequest,
    GetOriginRequestPolicyResult, ListOriginRequestPoliciesRequest, ListOriginRequestPoliciesResult,
    OriginRequestPolicy, OriginRequestPolicyConfig, OriginRequestPolicyList, OriginRequestPolicySummary,
    OriginRequestPolicyType,
};
use aws_api::shape::Timestamp;
use edge_config::ResourceKind;

use crate::control::{Caller, Control};
use crate::entity_tag::EntityTag;
use crate::errors::no_such_policy;
use crate::managed;
use crate::paging::{count, max_items, page_of};

/// `GetOriginRequestPolicy`
pub(crate) async fn get(
    _control: &Control,
    _caller: &Caller,
    input: GetOriginRequestPolicyRequest,
) -> Result<GetOriginRequestPolicyResult, ApiError> {
    let config = find(&input.id)?;
    let policy = managed_policy(&input.id, config);
    Ok(GetOriginRequestPolicyResult { origin_request_policy: Some(policy), etag: Some(managed_etag()) })
}

/// `GetOriginRequestPolicyConfig`
pub(crate) async fn get_config(
    _control: &Control,
    _caller: &Caller,
    input: GetOriginRequestPolicyConfigRequest,
) -> Result<GetOriginRequestPolicyConfigResult, ApiError> {
    let config = find(&input.id)?.clone();
    Ok(GetOriginRequestPolicyConfigResult {
        origin_request_policy_config: Some(config),
        etag: Some(managed_etag()),
    })
}

/// `ListOriginRequestPolicies`
pub(crate) async fn list(
    _control: &Control,
    _caller: &Caller,
    input: ListOriginRequestPoliciesRequest,
) -> Result<ListOriginRequestPoliciesResult, ApiError> {
    let wanted = max_items(input.max_items.as_deref())?;
    let all = match input.r#type {
        Some(OriginRequestPolicyType::Custom) => &[],
        None | Some(OriginRequestPolicyType::Managed) => managed::origin_request_policies(),
    };
    let (page, next_marker) = page_of(all, |policy| policy.id, input.marker.as_deref(), wanted);
    let summaries = page.into_iter().map(|policy| OriginRequestPolicySummary {
        r#type: OriginRequestPolicyType::Managed,
        origin_request_policy: managed_policy(policy.id, &policy.config),
    });
    let list = OriginRequestPolicyList::from_items(summaries.collect());
    let list = OriginRequestPolicyList { next_marker, max_items: count(wanted), ..list };
    Ok(ListOriginRequestPoliciesResult { origin_request_policy_list: Some(list) })
}

fn find(id: &str) -> Result<&'static OriginRequestPolicyConfig, ApiError> {
    managed::origin_request_policy(id).ok_or_else(|| no_such_policy(ResourceKind::OriginRequestPolicy, id))
}

/// AWS does not document when it made its policies, and nobody can change them.
fn managed_policy(id: &str, config: &OriginRequestPolicyConfig) -> OriginRequestPolicy {
    OriginRequestPolicy {
        id: id.to_owned(),
        last_modified_time: Timestamp::default(),
        origin_request_policy_config: config.clone(),
    }
}

fn managed_etag() -> String {
    EntityTag::of(store::Revision::ZERO).into_string()
}
