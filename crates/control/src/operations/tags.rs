//! Tags of distributions.

use aws_api::ApiError;
use aws_api::cloudfront::{
    ErrorCode, ListTagsForResourceRequest, ListTagsForResourceResult, Tag, TagResourceRequest, Tags,
    UntagResourceRequest,
};

use crate::commit::storage;
use crate::control::{Caller, Control};
use crate::errors::invalid_argument;
use crate::identifier::distribution_id_of_arn;
use crate::kind::Kind;
use crate::records::distribution_key;
use crate::reference::Reference;
use crate::tagged::{change_tags, tags_of};
use crate::validate::{validate_tag_keys, validate_tags};

/// `ListTagsForResource`
pub(crate) async fn list(
    control: &Control,
    _caller: &Caller,
    input: ListTagsForResourceRequest,
) -> Result<ListTagsForResourceResult, ApiError> {
    let tagged = tagged_distribution(control, &input.resource).await?;
    let tags = tags_of(control, &tagged).await?;
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
    let tagged = tagged_distribution(control, &input.resource).await?;
    change(control, &tagged, |tags| {
        tags.retain(|tag| added.iter().all(|other| other.key != tag.key));
        tags.extend(added.iter().cloned());
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
    let tagged = tagged_distribution(control, &input.resource).await?;
    change(control, &tagged, |tags| tags.retain(|tag| !removed.contains(&tag.key))).await
}

/// The distribution that the ARN of a request names.
async fn tagged_distribution(control: &Control, arn: &str) -> Result<Reference, ApiError> {
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
    record.map(|_| Reference::new(Kind::Distribution, id)).ok_or_else(no_such_resource)
}

async fn change(
    control: &Control,
    tagged: &Reference,
    change: impl Fn(&mut Vec<Tag>),
) -> Result<(), ApiError> {
    let changed = |mut tags| {
        change(&mut tags);
        validate_tags(&tags, &control.settings().quotas).map(|()| tags)
    };
    let gone = || ErrorCode::NoSuchResource.with_message("The resource was deleted meanwhile.");
    change_tags(control, tagged, changed, gone).await
}
