//! Public keys: they verify the signatures of signed URLs and signed cookies.

use aws_api::ApiError;
use aws_api::cloudfront::{
    ErrorCode, ListPublicKeysRequest, ListPublicKeysResult, PublicKey, PublicKeyConfig, PublicKeyList,
    PublicKeySummary,
};

use super::family::family_operations;
use crate::control::{Caller, Control};
use crate::identifier::new_public_key_id;
use crate::kind::Kind;
use crate::paging::count;
use crate::quotas::{NAME_CHARACTERS_MAX, Quotas};
use crate::resource::{Family, Listed, Stored, list as list_resources};
use crate::validate::{validate_caller_reference, validate_comment, validate_encoded_key, validate_name};

/// The family of public keys.
pub(crate) struct PublicKeys;

impl Family for PublicKeys {
    type Config = PublicKeyConfig;

    const KIND: Kind = Kind::PublicKey;

    fn new_id(_config: &PublicKeyConfig) -> String {
        new_public_key_id()
    }

    fn unique_texts(config: &PublicKeyConfig) -> Vec<(&'static str, &str)> {
        vec![("name", &config.name), ("caller-reference", &config.caller_reference)]
    }

    fn already_exists(index: &str, text: &str, owner: &str) -> ApiError {
        let member = if index == "name" { "Name" } else { "CallerReference" };
        ErrorCode::PublicKeyAlreadyExists.with_message(format!(
            "The public key {owner} has the {member} {text:?} already. Choose another {member}."
        ))
    }

    fn in_use(id: &str, user: &str) -> ApiError {
        ErrorCode::PublicKeyInUse.with_message(format!(
            "The public key {id} is used by the {user}. Remove it from that key group first."
        ))
    }

    fn quota(quotas: &Quotas) -> (usize, ErrorCode) {
        (quotas.public_keys, ErrorCode::TooManyPublicKeys)
    }

    fn validate(_quotas: &Quotas, config: &PublicKeyConfig) -> Result<(), ApiError> {
        validate_caller_reference(&config.caller_reference)?;
        validate_name("Name", &config.name, NAME_CHARACTERS_MAX)?;
        validate_comment(config.comment.as_deref())?;
        validate_encoded_key(&config.encoded_key)
    }

    /// "Note that the only value you can change is the comment" (API reference, `UpdatePublicKey`).
    fn validate_update(before: &PublicKeyConfig, after: &PublicKeyConfig) -> Result<(), ApiError> {
        let changed = if before.caller_reference != after.caller_reference {
            "CallerReference"
        } else if before.name != after.name {
            "Name"
        } else if before.encoded_key.trim() != after.encoded_key.trim() {
            "EncodedKey"
        } else {
            return Ok(());
        };
        Err(ErrorCode::CannotChangeImmutablePublicKeyFields.with_message(format!(
            "The {changed} of a public key cannot be changed, only its Comment. Create another public key."
        )))
    }
}

family_operations! {
    PublicKeys as PublicKey { public_key, public_key_config } under "public-key",
    CreatePublicKeyRequest => CreatePublicKeyResult,
    GetPublicKeyRequest => GetPublicKeyResult,
    GetPublicKeyConfigRequest => GetPublicKeyConfigResult,
    UpdatePublicKeyRequest => UpdatePublicKeyResult,
    DeletePublicKeyRequest,
}

/// `ListPublicKeys`, in the order of their ids.
pub(crate) async fn list(
    control: &Control,
    _caller: &Caller,
    input: ListPublicKeysRequest,
) -> Result<ListPublicKeysResult, ApiError> {
    let (marker, wanted) = (input.marker.as_deref(), input.max_items.as_deref());
    let page = list_resources::<PublicKeys>(control, Listed::All, marker, wanted).await?;
    let list = PublicKeyList::from_items(page.items.into_iter().map(summary).collect());
    let list = PublicKeyList { next_marker: page.next_marker, max_items: count(page.max_items), ..list };
    Ok(ListPublicKeysResult { public_key_list: Some(list) })
}

fn shape(stored: Stored<PublicKeyConfig>) -> PublicKey {
    PublicKey { id: stored.id, created_time: stored.created_time, public_key_config: stored.config }
}

fn summary(stored: Stored<PublicKeyConfig>) -> PublicKeySummary {
    PublicKeySummary {
        id: stored.id,
        name: stored.config.name,
        created_time: stored.created_time,
        encoded_key: stored.config.encoded_key,
        comment: stored.config.comment,
    }
}
