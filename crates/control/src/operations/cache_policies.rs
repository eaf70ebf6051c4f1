//! Cache policies.

use aws_api::ApiError;
use aws_api::cloudfront::{
    CachePolicy, CachePolicyConfig, CachePolicyList, CachePolicySummary, CachePolicyType, ErrorCode,
    ListCachePoliciesRequest, ListCachePoliciesResult,
};
use edge_config::{Bundle, ResourceKind};

use super::family::family_operations;
use crate::compile::compile_cache_policy;
use crate::control::{Caller, Control};
use crate::defaults::policies::complete_cache_policy;
use crate::identifier::new_uuid;
use crate::kind::Kind;
use crate::managed;
use crate::paging::count;
use crate::quotas::Quotas;
use crate::resource::{Family, Listed, Stored, list as list_resources};
use crate::validate::policies::cache_policy::validate;

/// The family of cache policies.
pub(crate) struct CachePolicies;

impl Family for CachePolicies {
    type Config = CachePolicyConfig;

    const KIND: Kind = Kind::CachePolicy;

    fn new_id(_config: &CachePolicyConfig) -> String {
        new_uuid()
    }

    fn unique_texts(config: &CachePolicyConfig) -> Vec<(&'static str, &str)> {
        vec![("name", &config.name)]
    }

    fn already_exists(_index: &str, name: &str, owner: &str) -> ApiError {
        ErrorCode::CachePolicyAlreadyExists.with_message(format!(
            "The cache policy {owner} has the name {name:?} already. Choose another name, or update that policy."
        ))
    }

    fn in_use(id: &str, user: &str) -> ApiError {
        ErrorCode::CachePolicyInUse.with_message(format!(
            "The cache policy {id} is used by the {user}. Give that another policy first."
        ))
    }

    fn quota(quotas: &Quotas) -> (usize, ErrorCode) {
        (quotas.cache_policies, ErrorCode::TooManyCachePolicies)
    }

    fn complete(config: &mut CachePolicyConfig) {
        complete_cache_policy(config);
    }

    fn validate(quotas: &Quotas, config: &CachePolicyConfig) -> Result<(), ApiError> {
        validate(config, quotas)
    }

    fn bundle(config: &CachePolicyConfig) -> Option<(ResourceKind, Bundle)> {
        Some((ResourceKind::CachePolicy, compile_cache_policy(config)))
    }

    fn managed() -> Vec<(&'static str, &'static CachePolicyConfig)> {
        managed::cache_policies().iter().map(|policy| (policy.id, &policy.config)).collect()
    }
}

family_operations! {
    CachePolicies as CachePolicy { cache_policy, cache_policy_config } under "cache-policy",
    CreateCachePolicyRequest => CreateCachePolicyResult,
    GetCachePolicyRequest => GetCachePolicyResult,
    GetCachePolicyConfigRequest => GetCachePolicyConfigResult,
    UpdateCachePolicyRequest => UpdateCachePolicyResult,
    DeleteCachePolicyRequest,
}

/// `ListCachePolicies`, in the order of their ids.
pub(crate) async fn list(
    control: &Control,
    _caller: &Caller,
    input: ListCachePoliciesRequest,
) -> Result<ListCachePoliciesResult, ApiError> {
    let listed = match input.r#type {
        None => Listed::All,
        Some(CachePolicyType::Managed) => Listed::Managed,
        Some(CachePolicyType::Custom) => Listed::Custom,
    };
    let (marker, wanted) = (input.marker.as_deref(), input.max_items.as_deref());
    let page = list_resources::<CachePolicies>(control, listed, marker, wanted).await?;
    let list = CachePolicyList::from_items(page.items.into_iter().map(summary).collect());
    let list = CachePolicyList { next_marker: page.next_marker, max_items: count(page.max_items), ..list };
    Ok(ListCachePoliciesResult { cache_policy_list: Some(list) })
}

fn shape(stored: Stored<CachePolicyConfig>) -> CachePolicy {
    CachePolicy {
        id: stored.id,
        last_modified_time: stored.last_modified_time,
        cache_policy_config: stored.config,
    }
}

fn summary(stored: Stored<CachePolicyConfig>) -> CachePolicySummary {
    let r#type = if stored.is_managed { CachePolicyType::Managed } else { CachePolicyType::Custom };
    CachePolicySummary { r#type, cache_policy: shape(stored) }
}
