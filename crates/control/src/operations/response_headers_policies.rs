//! Response headers policies: reading the managed ones.

use aws_api::ApiError;
use aws_api::cloudfront::{
    GetResponseHeadersPolicyConfigRequest, GetResponseHeadersPolicyConfigResult,
    GetResponseHeadersPolicyRequest, GetResponseHeadersPolicyResult, ListResponseHeadersPoliciesRequest,
    ListResponseHeadersPoliciesResult, ResponseHeadersPolicy, ResponseHeadersPolicyConfig,
    ResponseHeadersPolicyList, ResponseHeadersPolicySummary, ResponseHeadersPolicyType,
};
use aws_api::shape::Timestamp;

use crate::control::{Caller, Control};
use crate::entity_tag::EntityTag;
use crate::errors::no_such_response_headers_policy;
use crate::managed;
use crate::paging::{count, max_items, page_of};

/// `GetResponseHeadersPolicy`
pub(crate) async fn get(
    _control: &Control,
    _caller: &Caller,
    input: GetResponseHeadersPolicyRequest,
) -> Result<GetResponseHeadersPolicyResult, ApiError> {
    let config = find(&input.id)?;
    let policy = managed_policy(&input.id, config);
    Ok(GetResponseHeadersPolicyResult { response_headers_policy: Some(policy), etag: Some(managed_etag()) })
}

/// `GetResponseHeadersPolicyConfig`
pub(crate) async fn get_config(
    _control: &Control,
    _caller: &Caller,
    input: GetResponseHeadersPolicyConfigRequest,
) -> Result<GetResponseHeadersPolicyConfigResult, ApiError> {
    let config = find(&input.id)?.clone();
    Ok(GetResponseHeadersPolicyConfigResult {
        response_headers_policy_config: Some(config),
        etag: Some(managed_etag()),
    })
}

/// `ListResponseHeadersPolicies`
pub(crate) async fn list(
    _control: &Control,
    _caller: &Caller,
    input: ListResponseHeadersPoliciesRequest,
) -> Result<ListResponseHeadersPoliciesResult, ApiError> {
    let wanted = max_items(input.max_items.as_deref())?;
    let all = match input.r#type {
        Some(ResponseHeadersPolicyType::Custom) => &[],
        None | Some(ResponseHeadersPolicyType::Managed) => managed::response_headers_policies(),
    };
    let (page, next_marker) = page_of(all, |policy| policy.id, input.marker.as_deref(), wanted);
    let summaries = page.into_iter().map(|policy| ResponseHeadersPolicySummary {
        r#type: ResponseHeadersPolicyType::Managed,
        response_headers_policy: managed_policy(policy.id, &policy.config),
    });
    let list = ResponseHeadersPolicyList::from_items(summaries.collect());
    let list = ResponseHeadersPolicyList { next_marker, max_items: count(wanted), ..list };
    Ok(ListResponseHeadersPoliciesResult { response_headers_policy_list: Some(list) })
}

fn find(id: &str) -> Result<&'static ResponseHeadersPolicyConfig, ApiError> {
    managed::response_headers_policy(id).ok_or_else(|| no_such_response_headers_policy(id))
}

/// AWS does not document when it made its policies, and nobody can change them.
fn managed_policy(id: &str, config: &ResponseHeadersPolicyConfig) -> ResponseHeadersPolicy {
    ResponseHeadersPolicy {
        id: id.to_owned(),
        last_modified_time: Timestamp::default(),
        response_headers_policy_config: config.clone(),
    }
}

fn managed_etag() -> String {
    EntityTag::of(store::Revision::ZERO).into_string()
}
