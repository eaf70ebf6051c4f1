//! Response headers policies.

use aws_api::ApiError;
use aws_api::cloudfront::{
    ErrorCode, ListResponseHeadersPoliciesRequest, ListResponseHeadersPoliciesResult, ResponseHeadersPolicy,
    ResponseHeadersPolicyConfig, ResponseHeadersPolicyList, ResponseHeadersPolicySummary,
    ResponseHeadersPolicyType,
};
use edge_config::{Bundle, ResourceKind};

use super::family::family_operations;
use crate::compile::compile_response_headers_policy;
use crate::control::{Caller, Control};
use crate::defaults::policies::complete_response_headers_policy;
use crate::identifier::new_uuid;
use crate::kind::Kind;
use crate::managed;
use crate::paging::count;
use crate::quotas::Quotas;
use crate::resource::{Family, Listed, Stored, list as list_resources};
use crate::validate::policies::response_headers_policy::validate;

/// The family of response headers policies.
pub(crate) struct ResponseHeadersPolicies;

impl Family for ResponseHeadersPolicies {
    type Config = ResponseHeadersPolicyConfig;

    const KIND: Kind = Kind::ResponseHeadersPolicy;

    fn new_id(_config: &ResponseHeadersPolicyConfig) -> String {
        new_uuid()
    }

    fn unique_texts(config: &ResponseHeadersPolicyConfig) -> Vec<(&'static str, &str)> {
        vec![("name", &config.name)]
    }

    fn already_exists(_index: &str, name: &str, owner: &str) -> ApiError {
        ErrorCode::ResponseHeadersPolicyAlreadyExists.with_message(format!(
            "The response headers policy {owner} has the name {name:?} already. Choose another name, or update that policy."
        ))
    }

    fn in_use(id: &str, user: &str) -> ApiError {
        ErrorCode::ResponseHeadersPolicyInUse.with_message(format!(
            "The response headers policy {id} is used by the {user}. Give that another policy first."
        ))
    }

    fn quota(quotas: &Quotas) -> (usize, ErrorCode) {
        (quotas.response_headers_policies, ErrorCode::TooManyResponseHeadersPolicies)
    }

    fn complete(config: &mut ResponseHeadersPolicyConfig) {
        complete_response_headers_policy(config);
    }

    fn validate(quotas: &Quotas, config: &ResponseHeadersPolicyConfig) -> Result<(), ApiError> {
        validate(config, quotas)
    }

    fn bundle(config: &ResponseHeadersPolicyConfig) -> Option<(ResourceKind, Bundle)> {
        Some((ResourceKind::ResponseHeadersPolicy, compile_response_headers_policy(config)))
    }

    fn managed() -> Vec<(&'static str, &'static ResponseHeadersPolicyConfig)> {
        managed::response_headers_policies().iter().map(|policy| (policy.id, &policy.config)).collect()
    }
}

family_operations! {
    ResponseHeadersPolicies as ResponseHeadersPolicy { response_headers_policy, response_headers_policy_config } under "response-headers-policy",
    CreateResponseHeadersPolicyRequest => CreateResponseHeadersPolicyResult,
    GetResponseHeadersPolicyRequest => GetResponseHeadersPolicyResult,
    GetResponseHeadersPolicyConfigRequest => GetResponseHeadersPolicyConfigResult,
    UpdateResponseHeadersPolicyRequest => UpdateResponseHeadersPolicyResult,
    DeleteResponseHeadersPolicyRequest,
}

/// `ListResponseHeadersPolicies`, in the order of their ids.
pub(crate) async fn list(
    control: &Control,
    _caller: &Caller,
    input: ListResponseHeadersPoliciesRequest,
) -> Result<ListResponseHeadersPoliciesResult, ApiError> {
    let listed = match input.r#type {
        None => Listed::All,
        Some(ResponseHeadersPolicyType::Managed) => Listed::Managed,
        Some(ResponseHeadersPolicyType::Custom) => Listed::Custom,
    };
    let (marker, wanted) = (input.marker.as_deref(), input.max_items.as_deref());
    let page = list_resources::<ResponseHeadersPolicies>(control, listed, marker, wanted).await?;
    let list = ResponseHeadersPolicyList::from_items(page.items.into_iter().map(summary).collect());
    let list =
        ResponseHeadersPolicyList { next_marker: page.next_marker, max_items: count(page.max_items), ..list };
    Ok(ListResponseHeadersPoliciesResult { response_headers_policy_list: Some(list) })
}

fn shape(stored: Stored<ResponseHeadersPolicyConfig>) -> ResponseHeadersPolicy {
    ResponseHeadersPolicy {
        id: stored.id,
        last_modified_time: stored.last_modified_time,
        response_headers_policy_config: stored.config,
    }
}

fn summary(stored: Stored<ResponseHeadersPolicyConfig>) -> ResponseHeadersPolicySummary {
    let r#type = if stored.is_managed {
        ResponseHeadersPolicyType::Managed
    } else {
        ResponseHeadersPolicyType::Custom
    };
    ResponseHeadersPolicySummary { r#type, response_headers_policy: shape(stored) }
}
