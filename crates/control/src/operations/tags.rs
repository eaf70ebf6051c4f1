//! Tags of distributions. Those that switch something are in the distribution's bundle, so that tagging
//! deploys it anew.

use aws_api::ApiError;
use aws_api::cloudfront::{
    ErrorCode, ListTagsForResourceRequest, ListTagsForResourceResult, Tag, TagResourceRequest, Tags,
    UntagResourceRequest,
};
use store::Condition;

use super::distributions::{StoredDistribution, put_bundle_of, read};
use crate::commit::{Change, Expectation, Refusal};
use crate::compile::compile_distribution;
use crate::control::{Caller, Control};
use crate::errors::{invalid_argument, unavailable};
use crate::extension_tags::Extensions;
use crate::identifier::distribution_id_of_arn;
use crate::kind::Kind;
use crate::limits::COMMIT_ATTEMPTS_MAX;
use crate::records::distribution_key;
use crate::reference::Reference;
use crate::tagged::{HeldTags, tags_of};
use crate::validate::{validate_tag_keys, validate_tags};

/// `ListTagsForResource`
pub(crate) async fn list(
    control: &Control,
    _caller: &Caller,
    input: ListTagsForResourceRequest,
) -> Result<ListTagsForResourceResult, ApiError> {
    let tagged = tagged_distribution(control, &input.resource).await?;
    let tags = tags_of(control, &Reference::new(Kind::Distribution, tagged.id)).await?;
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
    change(control, &input.resource, |tags| {
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
    change(control, &input.resource, |tags| tags.retain(|tag| !removed.contains(&tag.key))).await
}

/// The distribution that the ARN of a request names.
async fn tagged_distribution(control: &Control, arn: &str) -> Result<StoredDistribution, ApiError> {
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
    read(control, id).await.map_err(|error| match error.code {
        "NoSuchDistribution" => no_such_resource(),
        _ => error,
    })
}

/// Changes tags and, with them, what edges get.
async fn change(control: &Control, arn: &str, change: impl Fn(&mut Vec<Tag>)) -> Result<(), ApiError> {
    for _ in 0..COMMIT_ATTEMPTS_MAX {
        let tagged = tagged_distribution(control, arn).await?;
        let held = HeldTags::read(control, &Reference::new(Kind::Distribution, tagged.id.as_str())).await?;
        let mut tags = held.tags.clone();
        change(&mut tags);
        validate_tags(&tags, &control.settings().quotas)?;
        let redeployment = redeployment(control, &tagged, &held.tags, &tags)?;
        let is_redeployed = redeployment.is_some();
        let still_there = || {
            let key = distribution_key(control.account_id(), &tagged.id);
            Change::default().expect(Expectation::Record, key, Condition::Exists)
        };
        let transaction = held.replace(&tags)?.and(redeployment.unwrap_or_else(still_there));
        match control.commit(transaction).await {
            Ok(revision) => {
                // From then on the status of the distribution tells of the change.
                if is_redeployed && control.snapshot_at(revision).await.is_err() {
                    tracing::warn!(distribution = tagged.id, %revision, "The feed lags behind a change");
                }
                return Ok(());
            }
            // Somebody else changed it; where it is gone, reading it again tells so.
            Err(Refusal::Unmet(Expectation::Tags | Expectation::Record)) => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
    Err(unavailable())
}

/// The change to what edges get, if the tags switch something else than before.
fn redeployment(
    control: &Control,
    tagged: &StoredDistribution,
    before: &[Tag],
    after: &[Tag],
) -> Result<Option<Change>, ApiError> {
    let after = Extensions::of(after)?;
    // What an older release stored may not be read any more; then it counts as changed.
    if Extensions::of(before).is_ok_and(|before| before == after) {
        return Ok(None);
    }
    let bundle = compile_distribution(&tagged.record.config, &tagged.record.domain_name, &after)?;
    tracing::info!(distribution = tagged.id, "Deploying a distribution with other tags");
    let key = distribution_key(control.account_id(), &tagged.id);
    let change = put_bundle_of(control, &tagged.id, &bundle);
    Ok(Some(change.expect(Expectation::Record, key, Condition::AtRevision(tagged.revision))))
}
