//! Tags of resources.

use aws_api::ApiError;
use aws_api::cloudfront::{ErrorCode, Tag};

use super::duplicate;
use crate::quotas::{Quotas, TAG_KEY_CHARACTERS_MAX, TAG_VALUE_CHARACTERS_MAX};

/// Checks all the tags that a resource is to have.
pub(crate) fn validate_tags(tags: &[Tag], quotas: &Quotas) -> Result<(), ApiError> {
    let most = quotas.tags_per_resource;
    if tags.len() > most {
        return Err(invalid(format!("A resource has at most {most} tags. Remove some.")));
    }
    validate_tag_keys(tags.iter().map(|tag| &tag.key))?;
    match tags.iter().find(|tag| tag.value.as_deref().is_some_and(|value| !is_tag_value(value))) {
        Some(tag) => Err(invalid(format!(
            "The value of the tag {:?} must have at most {TAG_VALUE_CHARACTERS_MAX} letters, digits, spaces \
             and _ . : / = + - @.",
            tag.key
        ))),
        None => Ok(()),
    }
}

/// Checks keys of tags.
pub(crate) fn validate_tag_keys<'a>(keys: impl Iterator<Item = &'a String> + Clone) -> Result<(), ApiError> {
    for key in keys.clone() {
        if !is_tag_key(key) {
            return Err(invalid(format!(
                "The tag key {key:?} must have 1 to {TAG_KEY_CHARACTERS_MAX} letters, digits, spaces and \
                 _ . : / = + - @."
            )));
        }
        if key.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:")) {
            return Err(invalid(format!(
                "The tag key {key:?} begins with aws:, which only AWS may use. Begin it with something else."
            )));
        }
    }
    match duplicate(keys) {
        Some(key) => Err(invalid(format!("The tag key {key:?} stands twice. Remove one."))),
        None => Ok(()),
    }
}

fn is_tag_key(key: &str) -> bool {
    !key.is_empty() && key.chars().count() <= TAG_KEY_CHARACTERS_MAX && key.chars().all(is_tag_character)
}

fn is_tag_value(value: &str) -> bool {
    value.chars().count() <= TAG_VALUE_CHARACTERS_MAX && value.chars().all(is_tag_character)
}

/// The characters of the API reference, `Tag`.
fn is_tag_character(character: char) -> bool {
    character.is_alphanumeric()
        || (character.is_whitespace() && !character.is_control())
        || "_.:/=+-@".contains(character)
}

fn invalid(message: String) -> ApiError {
    ErrorCode::InvalidTagging.with_message(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tags: &[(&str, &str)], expect: Option<&str>) {
        let tags: Vec<Tag> = tags
            .iter()
            .map(|&(key, value)| Tag { key: key.to_owned(), value: Some(value.to_owned()) })
            .collect();
        let message = validate_tags(&tags, &Quotas::default()).err().map(|error| {
            assert_eq!(error.code, "InvalidTagging");
            error.message
        });
        match expect {
            None => assert_eq!(message, None),
            Some(part) => assert!(message.as_ref().is_some_and(|text| text.contains(part)), "{message:?}"),
        }
    }

    #[test]
    fn ordinary_tags_are_taken() {
        check(&[("team", "skin"), ("Kosten stelle", "Köln-7"), ("empty", "")], None);
    }

    #[test]
    fn keys_have_their_rules() {
        check(&[("", "x")], Some("must have 1 to 128"));
        check(&[(&"k".repeat(129), "x")], Some("must have 1 to 128"));
        check(&[("a\nb", "x")], Some("must have 1 to 128"));
        check(&[("aws:name", "x")], Some("aws:"));
        check(&[("AWS:name", "x")], Some("aws:"));
        check(&[("team", "a"), ("team", "b")], Some("twice"));
    }

    #[test]
    fn values_and_numbers_have_their_limits() {
        check(&[("team", &"v".repeat(257))], Some("at most 256"));
        let keys: Vec<String> = (0..51).map(|number| format!("key{number}")).collect();
        let tags: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "")).collect();
        check(&tags[..50], None);
        check(&tags, Some("at most 50"));
    }
}
