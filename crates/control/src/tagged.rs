//! The tags of resources, of whatever kind. They are kept apart from what they are on, so tagging changes
//! no ETag.

use aws_api::ApiError;
use aws_api::cloudfront::Tag;
use store::{Condition, Key};

use crate::commit::{Change, Expectation, Refusal, storage};
use crate::control::Control;
use crate::errors::{internal, unavailable};
use crate::limits::COMMIT_ATTEMPTS_MAX;
use crate::records::{decode_tags, encode_tags, resource_key, tags_key};
use crate::reference::Reference;

/// The tags of a resource as they were read.
#[derive(Clone, Debug)]
pub(crate) struct HeldTags {
    pub(crate) tags: Vec<Tag>,
    key: Key,
    unchanged: Condition,
}

impl HeldTags {
    /// Reads them; a resource without tags has none.
    pub(crate) async fn read(control: &Control, tagged: &Reference) -> Result<Self, ApiError> {
        let key = tags_key(control.account_id(), tagged.kind, &tagged.id);
        let record = control.store().get(&key).await.map_err(storage)?;
        let tags = match &record {
            None => Vec::new(),
            Some(record) => decode_tags(&record.value).map_err(|error| internal(&error))?,
        };
        let unchanged = record.map_or(Condition::Absent, |record| Condition::AtRevision(record.revision));
        Ok(Self { tags, key, unchanged })
    }

    /// What a change that depends on them expects.
    pub(crate) fn expected(&self) -> Change {
        Change::default().expect(Expectation::Tags, self.key.clone(), self.unchanged)
    }

    /// Puts others in their place.
    pub(crate) fn replace(&self, tags: &[Tag]) -> Result<Change, ApiError> {
        let bytes = encode_tags(tags).map_err(|error| internal(&error))?;
        Ok(self.expected().put(self.key.clone(), bytes))
    }
}

/// The tags of a resource.
pub(crate) async fn tags_of(control: &Control, tagged: &Reference) -> Result<Vec<Tag>, ApiError> {
    HeldTags::read(control, tagged).await.map(|held| held.tags)
}

/// Changes the tags of a resource that still exists, or answers `gone`; tried again if they change
/// meanwhile.
pub(crate) async fn change_tags(
    control: &Control,
    tagged: &Reference,
    change: impl Fn(Vec<Tag>) -> Result<Vec<Tag>, ApiError>,
    gone: impl Fn() -> ApiError,
) -> Result<(), ApiError> {
    let record_key = resource_key(control.account_id(), tagged.kind, &tagged.id);
    for _ in 0..COMMIT_ATTEMPTS_MAX {
        let held = HeldTags::read(control, tagged).await?;
        let transaction = Change::default()
            .expect(Expectation::Record, record_key.clone(), Condition::Exists)
            .and(held.replace(&change(held.tags.clone())?)?);
        match control.commit(transaction).await {
            Ok(_) => return Ok(()),
            Err(Refusal::Unmet(Expectation::Tags)) => {}
            Err(Refusal::Unmet(Expectation::Record)) => return Err(gone()),
            Err(refusal) => return Err(refusal.into()),
        }
    }
    Err(unavailable())
}
