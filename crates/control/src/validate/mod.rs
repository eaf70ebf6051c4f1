//! What a distribution may be, in the model's own error codes. Every message says what to change.
//!
//! It is given the whole configuration, defaults filled in, and the snapshot of what exists.

pub(crate) mod aliases;
mod associations;
pub(crate) mod cache_behaviors;
mod encoded_key;
mod error_pages;
pub(crate) mod header_names;
pub(crate) mod origin_address;
mod origins;
pub(crate) mod policies;
mod tags;
mod texts;

use aws_api::ApiError;
use aws_api::cloudfront::{
    DistributionConfig, ErrorCode, GeoRestriction, GeoRestrictionType, OriginGroup, OriginGroups,
};
use aws_api::inconsistent_quantity;
use edge_config::{HostName, Snapshot};

pub(crate) use self::encoded_key::validate_encoded_key;
pub(crate) use self::tags::{validate_tag_keys, validate_tags};
pub(crate) use self::texts::{validate_comment, validate_name};
use crate::errors::invalid_argument;
use crate::limits::{CALLER_REFERENCE_BYTES_MAX, ID_BYTES_MAX};
use crate::quotas::{COMMENT_CHARACTERS_MAX, Quotas, TEXT_BYTES_MAX};

/// What a distribution is validated against.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    /// What exists.
    pub(crate) snapshot: &'a Snapshot,
    /// Whose account it is.
    pub(crate) account_id: &'a str,
    /// How much there may be.
    pub(crate) quotas: &'a Quotas,
    /// The suffix of the names that Mantlet gives, which no alias may claim.
    pub(crate) domain_suffix: &'a HostName,
    /// The id of the distribution, unless it is new.
    pub(crate) own_id: Option<&'a str>,
}

/// Checks that every list has the length that it claims.
pub(crate) fn validate_quantities(config: &DistributionConfig) -> Result<(), ApiError> {
    inconsistent_quantity(config).map_or(Ok(()), |path| Err(inconsistent(&path)))
}

/// A list does not have the length that it claims.
pub(crate) fn inconsistent(path: &str) -> ApiError {
    ErrorCode::InconsistentQuantities.with_message(format!(
        "{path} is not the number of Items beside it. Set it to that number, or leave Items out and set it to 0."
    ))
}

/// Whether a text could be an id that we gave, or a name that serves as one.
pub(crate) fn is_id(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !text.is_empty() && text.len() <= ID_BYTES_MAX && text.bytes().all(is_part)
}

/// Checks a whole configuration.
pub(crate) fn validate_distribution(
    config: &DistributionConfig,
    surroundings: Surroundings<'_>,
) -> Result<(), ApiError> {
    validate_caller_reference(&config.caller_reference)?;
    validate_texts(config)?;
    origins::validate(config, surroundings.quotas)?;
    cache_behaviors::validate(config, surroundings.quotas)?;
    error_pages::validate(config)?;
    validate_geo_restriction(config)?;
    associations::validate(config, surroundings)?;
    refuse_absent_resources(config)?;
    aliases::validate(config, surroundings)
}

/// Checks a caller reference, which is also a key in the store.
pub(crate) fn validate_caller_reference(caller_reference: &str) -> Result<(), ApiError> {
    let is_usable = !caller_reference.is_empty()
        && caller_reference.len() <= CALLER_REFERENCE_BYTES_MAX
        && !caller_reference.chars().any(char::is_control);
    if is_usable {
        return Ok(());
    }
    Err(invalid_argument(format!(
        "CallerReference must have 1 to {CALLER_REFERENCE_BYTES_MAX} bytes and no control characters. \
         Set it to a text that you never used before, such as the time."
    )))
}

fn validate_texts(config: &DistributionConfig) -> Result<(), ApiError> {
    if config.comment.chars().count() > COMMENT_CHARACTERS_MAX {
        return Err(invalid_argument(format!(
            "Comment has more than {COMMENT_CHARACTERS_MAX} characters. Shorten it."
        )));
    }
    let root = config.default_root_object.as_deref().unwrap_or_default();
    if root.starts_with('/') || root.len() > TEXT_BYTES_MAX || !is_visible(root) {
        return Err(ErrorCode::InvalidDefaultRootObject.with_message(format!(
            "DefaultRootObject must be a name such as index.html: no slash at its beginning, no spaces or \
             control characters, at most {TEXT_BYTES_MAX} characters."
        )));
    }
    Ok(())
}

fn validate_geo_restriction(config: &DistributionConfig) -> Result<(), ApiError> {
    let Some(restrictions) = &config.restrictions else { return Ok(()) };
    let GeoRestriction { restriction_type, .. } = restrictions.geo_restriction;
    let countries = restrictions.geo_restriction.items();
    let is_country = |code: &String| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    if (restriction_type == GeoRestrictionType::None) != countries.is_empty() {
        return Err(ErrorCode::InvalidGeoRestrictionParameter.with_message(
            "GeoRestriction with RestrictionType none has no countries, and any other has at least one. \
             Remove the Items, or change the type.",
        ));
    }
    if let Some(other) = countries.iter().find(|code| !is_country(code)) {
        return Err(ErrorCode::InvalidLocationCode.with_message(format!(
            "GeoRestriction lists {other:?}. Countries are two capital letters of ISO 3166-1."
        )));
    }
    Ok(())
}

/// Resources of kinds that this release does not have cannot exist, so none can be referred to where
/// the reference would change what happens to requests.
fn refuse_absent_resources(config: &DistributionConfig) -> Result<(), ApiError> {
    let encrypted = crate::cache_behavior::cache_behaviors(config)
        .into_iter()
        .find_map(|behavior| behavior.settings.field_level_encryption_id.filter(|id| !id.is_empty()));
    if let Some(id) = encrypted {
        return Err(ErrorCode::NoSuchFieldLevelEncryptionConfig.with_message(format!(
            "The field-level encryption configuration {id:?} does not exist. Leave FieldLevelEncryptionId out."
        )));
    }
    Ok(())
}

/// The origin groups of a distribution.
pub(crate) fn origin_groups(config: &DistributionConfig) -> &[OriginGroup] {
    config.origin_groups.as_ref().map(OriginGroups::items).unwrap_or_default()
}

/// Visible ASCII only: what can stand in a request line or in a header.
pub(crate) fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The first value that stands twice.
pub(crate) fn duplicate<T: Ord>(values: impl IntoIterator<Item = T>) -> Option<T> {
    let mut seen = std::collections::BTreeSet::new();
    for value in values {
        if seen.contains(&value) {
            return Some(value);
        }
        seen.insert(value);
    }
    None
}

#[cfg(test)]
mod tests;
