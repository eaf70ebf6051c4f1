//! Reverse look-ups: which distributions use a resource, or are of a kind.
//!
//! Who uses a resource is read from the index of references, so a page costs what it shows. Whatever
//! the index does not hold is found among the distributions themselves, and a page then ends after so
//! many were looked at, whether they were shown or not. Markers are ids, in whose order pages follow
//! each other: what exists throughout is shown once, whatever is made or deleted meanwhile.

use aws_api::ApiError;
use aws_api::cloudfront::{
    ConnectionMode, DistributionConfig, DistributionIdList, DistributionList, DistributionSummary, ErrorCode,
    ListDistributionsByAnycastIpListIdRequest, ListDistributionsByAnycastIpListIdResult,
    ListDistributionsByCachePolicyIdRequest, ListDistributionsByCachePolicyIdResult,
    ListDistributionsByConnectionFunctionRequest, ListDistributionsByConnectionFunctionResult,
    ListDistributionsByConnectionModeRequest, ListDistributionsByConnectionModeResult,
    ListDistributionsByKeyGroupRequest, ListDistributionsByKeyGroupResult,
    ListDistributionsByOriginRequestPolicyIdRequest, ListDistributionsByOriginRequestPolicyIdResult,
    ListDistributionsByOwnedResourceRequest, ListDistributionsByOwnedResourceResult,
    ListDistributionsByRealtimeLogConfigRequest, ListDistributionsByRealtimeLogConfigResult,
    ListDistributionsByResponseHeadersPolicyIdRequest, ListDistributionsByResponseHeadersPolicyIdResult,
    ListDistributionsByTrustStoreRequest, ListDistributionsByTrustStoreResult,
    ListDistributionsByVpcOriginIdRequest, ListDistributionsByVpcOriginIdResult,
    ListDistributionsByWebACLIdRequest, ListDistributionsByWebACLIdResult,
};
use store::Range;

use super::distributions::StoredDistribution;
use crate::commit::storage;
use crate::control::{Caller, Control};
use crate::errors::invalid_argument;
use crate::kind::Kind;
use crate::limits::EXAMINED_DISTRIBUTIONS_MAX;
use crate::paging::{count, max_items};
use crate::records::distribution_key;
use crate::reference::{Reference, realtime_log_config_name, users_of};
use crate::resource::checked_marker;

/// What the API calls the web ACL of distributions without one.
const NO_WEB_ACL: &str = "null";

/// `ListDistributionsByCachePolicyId`
pub(crate) async fn cache_policy(
    control: &Control,
    _caller: &Caller,
    input: ListDistributionsByCachePolicyIdRequest,
) -> Result<ListDistributionsByCachePolicyIdResult, ApiError> {
    let used = Reference::new(Kind::CachePolicy, input.cache_policy_id);
    let list = existing_id_list(control, &used, input.marker, input.max_items).await?;
    Ok(ListDistributionsByCachePolicyIdResult { distribution_id_list: Some(list) })
}

/// `ListDistributionsByOriginRequestPolicyId`
pub(crate) async fn origin_request_policy(
    control: &Control,
    _caller: &Caller,
    input: ListDistributionsByOriginRequestPolicyIdRequest,
) -> Result<ListDistributionsByOriginRequestPolicyIdResult, ApiError> {
    let used = Reference::new(Kind::OriginRequestPolicy, input.origin_request_policy_id);
    let list = existing_id_list(control, &used, input.marker, input.max_items).await?;
    Ok(ListDistributionsByOriginRequestPolicyIdResult { distribution_id_list: Some(list) })
}

/// `ListDistributionsByResponseHeadersPolicyId`
pub(crate) async fn response_headers_policy(
    control: &Control,
    _caller: &Caller,
    input: ListDistributionsByResponseHeadersPolicyIdRequest,
) -> Result<ListDistributionsByResponseHeadersPolicyIdResult, ApiError> {
    let used = Reference::new(Kind::ResponseHeadersPolicy, input.response_headers_policy_id);
    let list = existing_id_list(control, &used, input.marker, input.max_items).await?;
    Ok(ListDistributionsByResponseHeadersPolicyIdResult { distribution_id_list: Some(list) })
}

/// `ListDistributionsByKeyGroup`
pub(crate) async fn key_group(
    control: &Control,
    _caller: &Caller,
    input: ListDistributionsByKeyGroupRequest,
) -> Result<ListDistributionsByKeyGroupResult, ApiError> {
    let used = Reference::new(Kind::KeyGroup, input.key_group_id);
    if !exists(control, &used).await? {
        return Err(ErrorCode::NoSuchResource.with_message(used.missing().message));
    }
    let list = id_list(control, &used, input.marker, input.max_items).await?;
    Ok(ListDistributionsByKeyGroupResult { distribution_id_list: Some(list) })
}

/// `ListDistributionsByRealtimeLogConfig`: by its name or its ARN; with both, by its name.
pub(crate) async fn realtime_log_config(
    control: &Control,
    _caller: &Caller,
    input: ListDistributionsByRealtimeLogConfigRequest,
) -> Result<ListDistributionsByRealtimeLogConfigResult, ApiError> {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let arn = given(input.realtime_log_config_arn);
    let name = given(input.realtime_log_config_name)
        .or_else(|| arn.as_deref().map(realtime_log_config_name).map(str::to_owned));
    let Some(name) = name else {
        return Err(invalid_argument("Give a RealtimeLogConfigName or a RealtimeLogConfigArn."));
    };
    let used = Reference::new(Kind::RealtimeLogConfig, name);
    // The model has no NoSuchRealtimeLogConfig for this operation.
    if !exists(control, &used).await? {
        return Err(invalid_argument(used.missing().message));
    }
    let list = user_list(control, &used, input.marker, input.max_items).await?;
    Ok(ListDistributionsByRealtimeLogConfigResult { distribution_list: Some(list) })
}

/// `ListDistributionsByWebACLId`: `null` asks for distributions without one.
pub(crate) async fn web_acl(
    control: &Control,
    _caller: &Caller,
    input: ListDistributionsByWebACLIdRequest,
) -> Result<ListDistributionsByWebACLIdResult, ApiError> {
    let list = if input.web_acl_id == NO_WEB_ACL {
        let has_none = |config: &DistributionConfig| config.web_acl_id.as_deref().is_none_or(str::is_empty);
        list_where(control, has_none, input.marker, input.max_items.as_deref()).await?
    } else {
        let used = Reference::new(Kind::WebAcl, input.web_acl_id);
        if !used.is_well_formed() {
            return Err(used.missing());
        }
        user_list(control, &used, input.marker, input.max_items).await?
    };
    Ok(ListDistributionsByWebACLIdResult { distribution_list: Some(list) })
}

/// `ListDistributionsByConnectionMode`: silence means direct.
pub(crate) async fn connection_mode(
    control: &Control,
    _caller: &Caller,
    input: ListDistributionsByConnectionModeRequest,
) -> Result<ListDistributionsByConnectionModeResult, ApiError> {
    let wanted = input.connection_mode;
    let has_mode =
        |config: &DistributionConfig| config.connection_mode.unwrap_or(ConnectionMode::Direct) == wanted;
    let items = input.max_items.map(|items| items.to_string());
    let list = list_where(control, has_mode, input.marker, items.as_deref()).await?;
    Ok(ListDistributionsByConnectionModeResult { distribution_list: Some(list) })
}

/// `ListDistributionsByVpcOriginId`
pub(crate) async fn vpc_origin(
    _control: &Control,
    _caller: &Caller,
    input: ListDistributionsByVpcOriginIdRequest,
) -> Result<ListDistributionsByVpcOriginIdResult, ApiError> {
    Err(cannot_exist("VPC origin", &input.vpc_origin_id))
}

/// `ListDistributionsByAnycastIpListId`
pub(crate) async fn anycast_ip_list(
    _control: &Control,
    _caller: &Caller,
    input: ListDistributionsByAnycastIpListIdRequest,
) -> Result<ListDistributionsByAnycastIpListIdResult, ApiError> {
    Err(cannot_exist("Anycast static IP list", &input.anycast_ip_list_id))
}

/// `ListDistributionsByTrustStore`
pub(crate) async fn trust_store(
    _control: &Control,
    _caller: &Caller,
    input: ListDistributionsByTrustStoreRequest,
) -> Result<ListDistributionsByTrustStoreResult, ApiError> {
    Err(cannot_exist("trust store", &input.trust_store_identifier))
}

/// `ListDistributionsByConnectionFunction`
pub(crate) async fn connection_function(
    _control: &Control,
    _caller: &Caller,
    input: ListDistributionsByConnectionFunctionRequest,
) -> Result<ListDistributionsByConnectionFunctionResult, ApiError> {
    Err(cannot_exist("connection function", &input.connection_function_identifier))
}

/// `ListDistributionsByOwnedResource`
pub(crate) async fn owned_resource(
    _control: &Control,
    _caller: &Caller,
    input: ListDistributionsByOwnedResourceRequest,
) -> Result<ListDistributionsByOwnedResourceResult, ApiError> {
    Err(cannot_exist("shared resource", &input.resource_arn))
}

/// Nothing of this kind can be made here, so there is none of that name.
fn cannot_exist(words: &str, id: &str) -> ApiError {
    ErrorCode::EntityNotFound.with_message(format!(
        "The {words} {id:?} does not exist. This release has no resources of that kind."
    ))
}

/// The users of a resource, or the error that there is no such resource.
async fn existing_id_list(
    control: &Control,
    used: &Reference,
    marker: Option<String>,
    wanted: Option<String>,
) -> Result<DistributionIdList, ApiError> {
    if exists(control, used).await? {
        id_list(control, used, marker, wanted).await
    } else {
        Err(used.missing())
    }
}

async fn exists(control: &Control, resource: &Reference) -> Result<bool, ApiError> {
    if !resource.is_well_formed() {
        return Ok(false);
    }
    match resource.record_key(control.account_id()) {
        None => Ok(true),
        Some(key) => Ok(control.store().get(&key).await.map_err(storage)?.is_some()),
    }
}

async fn id_list(
    control: &Control,
    used: &Reference,
    marker: Option<String>,
    wanted: Option<String>,
) -> Result<DistributionIdList, ApiError> {
    let max_items = max_items(wanted.as_deref())?;
    let after = checked_marker(marker.as_deref())?;
    let (ids, more) = users_of(control, used, Kind::Distribution, after, max_items).await?;
    Ok(DistributionIdList {
        next_marker: ids.last().filter(|_| more).cloned(),
        marker: marker.unwrap_or_default(),
        max_items: count(max_items),
        is_truncated: more,
        ..DistributionIdList::from_items(ids)
    })
}

async fn user_list(
    control: &Control,
    used: &Reference,
    marker: Option<String>,
    wanted: Option<String>,
) -> Result<DistributionList, ApiError> {
    let max_items = max_items(wanted.as_deref())?;
    let after = checked_marker(marker.as_deref())?;
    let (ids, more) = users_of(control, used, Kind::Distribution, after, max_items).await?;
    let mut summaries = Vec::new();
    for id in &ids {
        let record =
            control.store().get(&distribution_key(control.account_id(), id)).await.map_err(storage)?;
        // One that is gone since the index was read is left out.
        if let Some(record) = record {
            summaries.push(StoredDistribution::decode(&record)?.into_summary(control));
        }
    }
    let next_marker = ids.last().filter(|_| more).cloned();
    Ok(list(summaries, marker, next_marker, max_items))
}

/// The distributions whose configuration is as wanted, among the next so many.
async fn list_where(
    control: &Control,
    is_wanted: impl Fn(&DistributionConfig) -> bool,
    marker: Option<String>,
    wanted: Option<&str>,
) -> Result<DistributionList, ApiError> {
    let max_items = max_items(wanted)?;
    let account_id = control.account_id();
    let mut last = checked_marker(marker.as_deref())?.to_owned();
    let mut summaries = Vec::new();
    let mut examined = 0;
    let more = 'pages: loop {
        let range = Range::of_account(account_id, Kind::Distribution.as_str())
            .after(distribution_key(account_id, &last))
            .limit(max_items);
        let page = control.store().range(range).await.map_err(storage)?;
        for record in &page.records {
            if summaries.len() == max_items || examined == EXAMINED_DISTRIBUTIONS_MAX {
                break 'pages true;
            }
            let stored = StoredDistribution::decode(record)?;
            last.clone_from(&stored.id);
            examined += 1;
            if is_wanted(&stored.record.config) {
                summaries.push(stored.into_summary(control));
            }
        }
        if !page.more {
            break false;
        }
    };
    Ok(list(summaries, marker, more.then_some(last), max_items))
}

fn list(
    summaries: Vec<DistributionSummary>,
    marker: Option<String>,
    next_marker: Option<String>,
    max_items: usize,
) -> DistributionList {
    DistributionList {
        marker: marker.unwrap_or_default(),
        is_truncated: next_marker.is_some(),
        next_marker,
        max_items: count(max_items),
        ..DistributionList::from_items(summaries)
    }
}
