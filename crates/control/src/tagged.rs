//! The tags of resources, of whatever kind. They are kept apart from what they are on, so tagging changes
//! no ETag.

use aws_api::ApiError;
use aws_api::cloudfront::Tag;
use store::Condition;

use crate::commit::{Change, Expectation, Refusal, storage};
use crate::control::Control;
use crate::errors::{internal, unavailable};
use crate::limits::COMMIT_ATTEMPTS_MAX;
use crate::records::{decode_tags, encode_tags, resource_key, tags_key};
use crate::reference::Reference;

/// The tags of a resource.
pub(crate) async fn tags_of(control: &Control, tagged: &Reference) -> Result<Vec<Tag>, ApiError> {
    read(control, tagged).await.map(|(tags, _)| tags)
}

/// Changes the tags of a resource that still exists, or answers `gone`; tried again if they change
/// meanwhile.
pub(crate) async fn change_tags(
    control: &Control,
    tagged: &Reference,
    change: impl Fn(Vec<Tag>) -> Result<Vec<Tag>, ApiError>,
    gone: impl Fn() -> ApiError,
) -> Result<(), ApiError> {
    let Reference { kind, id } = tagged;
    let account_id = control.account_id();
    for _ in 0..COMMIT_ATTEMPTS_MAX {
        let (tags, unchanged) = read(control, tagged).await?;
        let bytes = encode_tags(&change(tags)?).map_err(|error| internal(&error))?;
        let key = tags_key(account_id, *kind, id);
        let transaction = Change::default()
            .expect(Expectation::Record, resource_key(account_id, *kind, id), Condition::Exists)
            .expect(Expectation::Tags, key.clone(), unchanged)
            .put(key, bytes);
        match control.commit(transaction).await {
            Ok(_) => return Ok(()),
            Err(Refusal::Unmet(Expectation::Tags)) => {}
            Err(Refusal::Unmet(Expectation::Record)) => return Err(gone()),
            Err(refusal) => return Err(refusal.into()),
        }
    }
    Err(unavailable())
}

/// The tags, and what to compare so that they are still those.
async fn read(control: &Control, tagged: &Reference) -> Result<(Vec<Tag>, Condition), ApiError> {
    let key = tags_key(control.account_id(), tagged.kind, &tagged.id);
    match control.store().get(&key).await.map_err(storage)? {
        None => Ok((Vec::new(), Condition::Absent)),
        Some(record) => {
            let tags = decode_tags(&record.value).map_err(|error| internal(&error))?;
            Ok((tags, Condition::AtRevision(record.revision)))
        }
    }
}
