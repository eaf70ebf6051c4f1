//! Cache policies: reading the managed ones.

use aws_api::ApiError;
use aws_api::cloudfront::{
    CachePolicy, CachePolicyConfig, CachePolicyList, CachePolicySummary, CachePolicyType,
    GetCachePolicyConfigRequest, GetCachePolicyConfigResult, GetCachePolicyRequest, GetCachePolicyResult,
    ListCachePoliciesRequest, ListCachePoliciesResult,
};
use aws_api::shape::Timestamp;
use edge_config::ResourceKind;

use crate::control::{Caller, Control};
use crate::entity_tag::EntityTag;
use crate::errors::no_such_policy;
use crate::managed;
use crate::paging::{count, max_items, page_of};

/// `GetCachePolicy`
pub(crate) async fn get(
    _control: &Control,
    _caller: &Caller,
    input: GetCachePolicyRequest,
) -> Result<GetCachePolicyResult, ApiError> {
    let config = find(&input.id)?;
    let policy = managed_policy(&input.id, config);
    Ok(GetCachePolicyResult { cache_policy: Some(policy), etag: Some(managed_etag()) })
}

/// `GetCachePolicyConfig`
pub(crate) async fn get_config(
    _control: &Control,
    _caller: &Caller,
    input: GetCachePolicyConfigRequest,
) -> Result<GetCachePolicyConfigResult, ApiError> {
    let config = find(&input.id)?.clone();
    Ok(GetCachePolicyConfigResult { cache_policy_config: Some(config), etag: Some(managed_etag()) })
}

/// `ListCachePolicies`
pub(crate) async fn list(
    _control: &Control,
    _caller: &Caller,
    input: ListCachePoliciesRequest,
) -> Result<ListCachePoliciesResult, ApiError> {
    let wanted = max_items(input.max_items.as_deref())?;
    let all = match input.r#type {
        Some(CachePolicyType::Custom) => &[],
        None | Some(CachePolicyType::Managed) => managed::cache_policies(),
    };
    let (page, next_marker) = page_of(all, |policy| policy.id, input.marker.as_deref(), wanted);
    let summaries = page.into_iter().map(|policy| CachePolicySummary {
        r#type: CachePolicyType::Managed,
        cache_policy: managed_policy(policy.id, &policy.config),
    });
    let list = CachePolicyList::from_items(summaries.collect());
    let list = CachePolicyList { next_marker, max_items: count(wanted), ..list };
    Ok(ListCachePoliciesResult { cache_policy_list: Some(list) })
}

fn find(id: &str) -> Result<&'static CachePolicyConfig, ApiError> {
    managed::cache_policy(id).ok_or_else(|| no_such_policy(ResourceKind::CachePolicy, id))
}

/// AWS does not document when it made its policies, and nobody can change them.
fn managed_policy(id: &str, config: &CachePolicyConfig) -> CachePolicy {
    CachePolicy {
        id: id.to_owned(),
        last_modified_time: Timestamp::default(),
        cache_policy_config: config.clone(),
    }
}

fn managed_etag() -> String {
    EntityTag::of(store::Revision::ZERO).into_string()
}
