//! Key groups: the public keys of which any may verify a cache behavior's signed URLs.

use std::collections::BTreeSet;

use aws_api::ApiError;
use aws_api::cloudfront::{
    ActiveTrustedKeyGroups, DistributionConfig, ErrorCode, KGKeyPairIds, KeyGroup, KeyGroupConfig,
    KeyGroupList, KeyGroupSummary, KeyPairIds, ListKeyGroupsRequest, ListKeyGroupsResult, TrustedKeyGroups,
};

use super::family::family_operations;
use crate::cache_behavior::cache_behaviors;
use crate::control::{Caller, Control};
use crate::errors::invalid_argument;
use crate::identifier::new_uuid;
use crate::kind::Kind;
use crate::paging::count;
use crate::quotas::{NAME_CHARACTERS_MAX, Quotas};
use crate::reference::Reference;
use crate::resource::{Family, Listed, Stored, list as list_resources, read};
use crate::validate::{duplicate, validate_comment, validate_name};

/// The family of key groups.
pub(crate) struct KeyGroups;

impl Family for KeyGroups {
    type Config = KeyGroupConfig;

    const KIND: Kind = Kind::KeyGroup;

    fn new_id(_config: &KeyGroupConfig) -> String {
        new_uuid()
    }

    fn unique_texts(config: &KeyGroupConfig) -> Vec<(&'static str, &str)> {
        vec![("name", &config.name)]
    }

    fn already_exists(_index: &str, name: &str, owner: &str) -> ApiError {
        ErrorCode::KeyGroupAlreadyExists.with_message(format!(
            "The key group {owner} has the name {name:?} already. Choose another name, or update that key group."
        ))
    }

    fn missing(id: &str) -> ApiError {
        ErrorCode::NoSuchResource
            .with_message(format!("The key group {id:?} does not exist. List the key groups for their ids."))
    }

    /// The model knows no NoSuchPublicKey for operations on key groups.
    fn missing_reference(reference: &Reference) -> ApiError {
        invalid_argument(format!(
            "The public key {:?} does not exist. List the public keys for their ids, or create it first.",
            reference.id
        ))
    }

    fn in_use(id: &str, user: &str) -> ApiError {
        ErrorCode::ResourceInUse.with_message(format!(
            "The key group {id} is used by the {user}. Remove it from its TrustedKeyGroups first."
        ))
    }

    fn quota(quotas: &Quotas) -> (usize, ErrorCode) {
        (quotas.key_groups, ErrorCode::TooManyKeyGroups)
    }

    fn validate(quotas: &Quotas, config: &KeyGroupConfig) -> Result<(), ApiError> {
        validate_name("Name", &config.name, NAME_CHARACTERS_MAX)?;
        validate_comment(config.comment.as_deref())?;
        if config.items.is_empty() {
            return Err(invalid_argument(
                "A key group must have at least one public key. Name one in Items.",
            ));
        }
        let most = quotas.public_keys_per_key_group;
        if config.items.len() > most {
            return Err(ErrorCode::TooManyPublicKeysInKeyGroup.with_message(format!(
                "A key group has at most {most} public keys. Remove some, or raise the quota."
            )));
        }
        match duplicate(&config.items) {
            Some(id) => Err(invalid_argument(format!("The public key {id:?} stands twice. Remove one."))),
            None => Ok(()),
        }
    }

    fn references(config: &KeyGroupConfig) -> BTreeSet<Reference> {
        config.items.iter().map(|id| Reference::new(Kind::PublicKey, id)).collect()
    }
}

family_operations! {
    KeyGroups as KeyGroup { key_group, key_group_config } under "key-group",
    CreateKeyGroupRequest => CreateKeyGroupResult,
    GetKeyGroupRequest => GetKeyGroupResult,
    GetKeyGroupConfigRequest => GetKeyGroupConfigResult,
    UpdateKeyGroupRequest => UpdateKeyGroupResult,
    DeleteKeyGroupRequest,
}

/// `ListKeyGroups`, in the order of their ids.
pub(crate) async fn list(
    control: &Control,
    _caller: &Caller,
    input: ListKeyGroupsRequest,
) -> Result<ListKeyGroupsResult, ApiError> {
    let (marker, wanted) = (input.marker.as_deref(), input.max_items.as_deref());
    let page = list_resources::<KeyGroups>(control, Listed::All, marker, wanted).await?;
    let summaries = page.items.into_iter().map(|stored| KeyGroupSummary { key_group: shape(stored) });
    let list = KeyGroupList::from_items(summaries.collect());
    let list = KeyGroupList { next_marker: page.next_marker, max_items: count(page.max_items), ..list };
    Ok(ListKeyGroupsResult { key_group_list: Some(list) })
}

/// The key groups that a distribution trusts, each with its public keys, in the order of the cache
/// behaviors.
pub(super) async fn active_trusted_key_groups(
    control: &Control,
    config: &DistributionConfig,
) -> Result<ActiveTrustedKeyGroups, ApiError> {
    let mut active: Vec<KGKeyPairIds> = Vec::new();
    for behavior in cache_behaviors(config) {
        let trusted = behavior.settings.trusted_key_groups.as_ref().map(TrustedKeyGroups::items);
        for id in trusted.unwrap_or_default() {
            if active.iter().any(|known| known.key_group_id.as_ref() == Some(id)) {
                continue;
            }
            let key_group = read::<KeyGroups>(control, id).await?;
            active.push(KGKeyPairIds {
                key_group_id: Some(key_group.id),
                key_pair_ids: Some(KeyPairIds::from_items(key_group.config.items)),
            });
        }
    }
    Ok(ActiveTrustedKeyGroups { enabled: !active.is_empty(), ..ActiveTrustedKeyGroups::from_items(active) })
}

fn shape(stored: Stored<KeyGroupConfig>) -> KeyGroup {
    KeyGroup { id: stored.id, last_modified_time: stored.last_modified_time, key_group_config: stored.config }
}
