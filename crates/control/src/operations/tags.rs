//! Tags. They are kept apart from what they are on, so tagging changes no ETag.

use aws_api::ApiError;
use aws_api::cloudfront::{
    ErrorCode, ListTagsForResourceRequest, ListTagsForResourceResult, Tag, TagResourceRequest, Tags,
    UntagResourceRequest,
};
use store::Condition;

use crate::commit::{Change, Expectation, Refusal, storage};
use crate::control::{Caller, Control};
use crate::errors::{internal, invalid_argument, unavailable};
use crate::identifier::distribution_id_of_arn;
use crate::limits::COMMIT_ATTEMPTS_MAX;
use crate::records::{decode_tags, distribution_key, encode_tags, tags_key};
use crate::validate::{validate_tag_keys, validate_tags};

/// `ListTagsForResource`
pub(crate) async fn list(
    control: &Control,
    _caller: &Caller,
    input: ListTagsForResourceRequest,
) -> Result<ListTagsForResourceResult, ApiError> {
    let id = tagged_distribution(control, &input.resource).await?;
    let (tags, _) = read_tags(control, &id).await?;
    Ok(ListTagsForResourceResult { tags: Tags { items: Some(tags) } })
}

/// `TagResource`
pub(crate) async fn tag(
    control: &Control,
    _caller: &Caller,
    input: TagResourceRequest,
) -> Result<(), ApiError> {
    let added = input.tags.items.unwrap_or_default();
    validate_tags(&added, &control.settings().quotas)?;
    let id = tagged_distribution(control, &input.resource).await?;
    change_tags(control, &id, |mut tags| {
        tags.retain(|tag| added.iter().all(|other| other.key != tag.key));
        tags.extend(added.iter().cloned());
        tags
    })
    .await
}

/// `UntagResource`
pub(crate) async fn untag(
    control: &Control,
    _caller: &Caller,
    input: UntagResourceRequest,
) -> Result<(), ApiError> {
    let removed = input.tag_keys.items.unwrap_or_default();
    validate_tag_keys(removed.iter())?;
    let id = tagged_distribution(control, &input.resource).await?;
    change_tags(control, &id, |mut tags| {
        tags.retain(|tag| !removed.contains(&tag.key));
        tags
    })
    .await
}

/// The id of the distribution that the ARN of a request names.
async fn tagged_distribution(control: &Control, arn: &str) -> Result<String, ApiError> {
    if !arn.starts_with("arn:") {
        return Err(invalid_argument(
            "The parameter Resource must be an ARN, such as arn:aws:cloudfront::ACCOUNT:distribution/ID.",
        ));
    }
    let no_such_resource = || {
        ErrorCode::NoSuchResource
            .with_message("The resource that the ARN names does not exist, or has no tags.")
    };
    let id = distribution_id_of_arn(control.account_id(), arn).ok_or_else(no_such_resource)?;
    let record = control.store().get(&distribution_key(control.account_id(), id)).await.map_err(storage)?;
    record.map(|_| id.to_owned()).ok_or_else(no_such_resource)
}

/// The tags of a distribution, and what to compare so that they are still those.
async fn read_tags(control: &Control, id: &str) -> Result<(Vec<Tag>, Condition), ApiError> {
    let record = control.store().get(&tags_key(control.account_id(), id)).await.map_err(storage)?;
    match record {
        None => Ok((Vec::new(), Condition::Absent)),
        Some(record) => {
            let tags = decode_tags(&record.value).map_err(|error| internal(&error))?;
            Ok((tags, Condition::AtRevision(record.revision)))
        }
    }
}

/// Changes the tags of a distribution that still exists; tried again if they change meanwhile.
async fn change_tags(
    control: &Control,
    id: &str,
    change: impl Fn(Vec<Tag>) -> Vec<Tag>,
) -> Result<(), ApiError> {
    let account_id = control.account_id();
    for _ in 0..COMMIT_ATTEMPTS_MAX {
        let (tags, unchanged) = read_tags(control, id).await?;
        let tags = change(tags);
        validate_tags(&tags, &control.settings().quotas)?;
        let bytes = encode_tags(&tags).map_err(|error| internal(&error))?;
        let key = tags_key(account_id, id);
        let distribution = distribution_key(account_id, id);
        let transaction = Change::default()
            .expect(Expectation::Record, distribution, Condition::Exists)
            .expect(Expectation::Tags, key.clone(), unchanged)
            .put(key, bytes);
        match control.commit(transaction).await {
            Ok(_) => return Ok(()),
            Err(Refusal::Unmet(Expectation::Tags)) => {}
            Err(Refusal::Unmet(Expectation::Record)) => {
                return Err(ErrorCode::NoSuchResource.with_message("The resource was deleted meanwhile."));
            }
            Err(refusal) => return Err(refusal.into()),
        }
    }
    Err(unavailable())
}
