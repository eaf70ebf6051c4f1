//! Origin access controls: how requests to an AWS origin are signed. Stored; edges do not sign yet.

use aws_api::ApiError;
use aws_api::cloudfront::{
    ErrorCode, ListOriginAccessControlsRequest, ListOriginAccessControlsResult, OriginAccessControl,
    OriginAccessControlConfig, OriginAccessControlList, OriginAccessControlSigningProtocols,
    OriginAccessControlSummary,
};

use super::family::family_operations;
use crate::control::{Caller, Control};
use crate::errors::invalid_argument;
use crate::identifier::new_origin_access_control_id;
use crate::kind::Kind;
use crate::paging::count;
use crate::quotas::{DESCRIPTION_CHARACTERS_MAX, ORIGIN_ACCESS_CONTROL_NAME_CHARACTERS_MAX, Quotas};
use crate::resource::{Family, Listed, Stored, list as list_resources};
use crate::validate::validate_name;

/// The family of origin access controls.
pub(crate) struct OriginAccessControls;

impl Family for OriginAccessControls {
    type Config = OriginAccessControlConfig;

    const KIND: Kind = Kind::OriginAccessControl;

    fn new_id(_config: &OriginAccessControlConfig) -> String {
        new_origin_access_control_id()
    }

    fn unique_texts(config: &OriginAccessControlConfig) -> Vec<(&'static str, &str)> {
        vec![("name", &config.name)]
    }

    fn already_exists(_index: &str, name: &str, owner: &str) -> ApiError {
        ErrorCode::OriginAccessControlAlreadyExists.with_message(format!(
            "The origin access control {owner} has the name {name:?} already. Choose another name."
        ))
    }

    fn in_use(id: &str, user: &str) -> ApiError {
        ErrorCode::OriginAccessControlInUse.with_message(format!(
            "The origin access control {id} is used by the {user}. Remove it from its origins first."
        ))
    }

    fn quota(quotas: &Quotas) -> (usize, ErrorCode) {
        (quotas.origin_access_controls, ErrorCode::TooManyOriginAccessControls)
    }

    /// The list shows a description always.
    fn complete(config: &mut OriginAccessControlConfig) {
        config.description.get_or_insert_default();
    }

    fn validate(_quotas: &Quotas, config: &OriginAccessControlConfig) -> Result<(), ApiError> {
        validate_name("Name", &config.name, ORIGIN_ACCESS_CONTROL_NAME_CHARACTERS_MAX)?;
        let description = config.description.as_deref().unwrap_or_default();
        if description.chars().count() > DESCRIPTION_CHARACTERS_MAX {
            return Err(invalid_argument(format!(
                "Description has more than {DESCRIPTION_CHARACTERS_MAX} characters. Shorten it."
            )));
        }
        // "The only valid value is sigv4" (API reference, `OriginAccessControlConfig`).
        if config.signing_protocol != OriginAccessControlSigningProtocols::Sigv4 {
            return Err(invalid_argument("SigningProtocol must be sigv4."));
        }
        Ok(())
    }
}

family_operations! {
    OriginAccessControls as OriginAccessControl { origin_access_control, origin_access_control_config }
        under "origin-access-control",
    CreateOriginAccessControlRequest => CreateOriginAccessControlResult,
    GetOriginAccessControlRequest => GetOriginAccessControlResult,
    GetOriginAccessControlConfigRequest => GetOriginAccessControlConfigResult,
    UpdateOriginAccessControlRequest => UpdateOriginAccessControlResult,
    DeleteOriginAccessControlRequest,
}

/// `ListOriginAccessControls`, in the order of their ids.
pub(crate) async fn list(
    control: &Control,
    _caller: &Caller,
    input: ListOriginAccessControlsRequest,
) -> Result<ListOriginAccessControlsResult, ApiError> {
    let (marker, wanted) = (input.marker.as_deref(), input.max_items.as_deref());
    let page = list_resources::<OriginAccessControls>(control, Listed::All, marker, wanted).await?;
    let list = OriginAccessControlList {
        marker: input.marker.clone().unwrap_or_default(),
        is_truncated: page.next_marker.is_some(),
        next_marker: page.next_marker,
        max_items: count(page.max_items),
        ..OriginAccessControlList::from_items(page.items.into_iter().map(summary).collect())
    };
    Ok(ListOriginAccessControlsResult { origin_access_control_list: Some(list) })
}

fn shape(stored: Stored<OriginAccessControlConfig>) -> OriginAccessControl {
    OriginAccessControl { id: stored.id, origin_access_control_config: Some(stored.config) }
}

fn summary(stored: Stored<OriginAccessControlConfig>) -> OriginAccessControlSummary {
    let config = stored.config;
    OriginAccessControlSummary {
        id: stored.id,
        description: config.description.unwrap_or_default(),
        name: config.name,
        signing_protocol: config.signing_protocol,
        signing_behavior: config.signing_behavior,
        origin_access_control_origin_type: config.origin_access_control_origin_type,
    }
}
