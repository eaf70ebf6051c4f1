//! What all resources do alike that are a configuration under an id: policies, keys and the like.
//!
//! A [`Family`] says how one kind differs: its names and limits, what it refers to, what edges get of
//! it, its errors. Creating, reading, replacing, deleting and listing are written once, here.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::SystemTime;

use aws_api::cloudfront::ErrorCode;
use aws_api::shape::{Structure, Timestamp};
use aws_api::{ApiError, inconsistent_quantity};
use edge_config::{Bundle, ResourceId, ResourceKind};
use store::Condition;

use crate::commit::{Change, Expectation, Refusal, storage};
use crate::control::Control;
use crate::entity_tag::EntityTag;
use crate::errors::{internal, invalid_argument, unavailable};
use crate::kind::Kind;
use crate::limits::COMMIT_ATTEMPTS_MAX;
use crate::paging::{max_items, records_after};
use crate::quotas::Quotas;
use crate::records::{ConfigRecord, name_key, resource_key};
use crate::reference::{Reference, any_user_of};
use crate::validate::is_id;

/// How one kind of resource differs from the others.
pub(crate) trait Family {
    /// What its owner writes.
    type Config: Structure + Clone + Debug + Default + PartialEq + Send + Sync + 'static;

    const KIND: Kind;

    /// The id of a new one.
    fn new_id(config: &Self::Config) -> String;

    /// The texts that no two of the kind may share, each with the name of its index: a name, a caller
    /// reference.
    fn unique_texts(config: &Self::Config) -> Vec<(&'static str, &str)>;

    /// Another one has the text of that index.
    fn already_exists(index: &str, text: &str, owner: &str) -> ApiError;

    /// There is none of that id.
    fn missing(id: &str) -> ApiError {
        Reference::new(Self::KIND, id).missing()
    }

    /// It refers to something that does not exist.
    fn missing_reference(reference: &Reference) -> ApiError {
        reference.missing()
    }

    /// It cannot be deleted, because `user` refers to it.
    fn in_use(id: &str, user: &str) -> ApiError;

    /// How many there may be, and the error beyond.
    fn quota(quotas: &Quotas) -> (usize, ErrorCode);

    /// Fills in what AWS fills in.
    fn complete(_config: &mut Self::Config) {}

    /// Checks a whole configuration.
    fn validate(quotas: &Quotas, config: &Self::Config) -> Result<(), ApiError>;

    /// Checks what may not change.
    fn validate_update(_before: &Self::Config, _after: &Self::Config) -> Result<(), ApiError> {
        Ok(())
    }

    /// What it refers to.
    fn references(_config: &Self::Config) -> BTreeSet<Reference> {
        BTreeSet::new()
    }

    /// What edges get of it.
    fn bundle(_config: &Self::Config) -> Option<(ResourceKind, Bundle)> {
        None
    }

    /// AWS's own ones, which everybody has and nobody can change.
    fn managed() -> Vec<(&'static str, &'static Self::Config)> {
        Vec::new()
    }
}

/// A resource as it is in the store.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored<C> {
    pub(crate) id: String,
    pub(crate) revision: store::Revision,
    pub(crate) created_time: Timestamp,
    pub(crate) last_modified_time: Timestamp,
    pub(crate) config: C,
    pub(crate) is_managed: bool,
}

impl<C> Stored<C> {
    pub(crate) fn etag(&self) -> String {
        EntityTag::of(self.revision).into_string()
    }

    /// AWS does not document when it made its own resources.
    fn managed(id: &str, config: C) -> Self {
        Self {
            id: id.to_owned(),
            revision: store::Revision::ZERO,
            created_time: Timestamp::default(),
            last_modified_time: Timestamp::default(),
            config,
            is_managed: true,
        }
    }
}

/// Makes a new resource.
pub(crate) async fn create<F: Family>(
    control: &Control,
    mut config: F::Config,
) -> Result<Stored<F::Config>, ApiError> {
    prepare::<F>(control, &mut config)?;
    for _ in 0..COMMIT_ATTEMPTS_MAX {
        let integrity = control.integrity().await?;
        check_quota::<F>(control).await?;
        let id = F::new_id(&config);
        let now = Timestamp::from(SystemTime::now());
        let record = ConfigRecord { created_time: now, last_modified_time: now, config: config.clone() };
        let key = resource_key(control.account_id(), F::KIND, &id);
        // Names first: where a name serves as the id, too, the answer is that it is taken.
        let change = change_names::<F>(control, Change::default(), &id, None, Some(&config))
            .expect(Expectation::Record, key.clone(), Condition::Absent)
            .put(key, record.encode().map_err(|error| internal(&error))?);
        let change = change_references::<F>(control, change, &id, None, Some(&config));
        let change = put_bundle::<F>(control, change, &id, &config)
            .expect_integrity(control.account_id(), integrity)
            .bump_integrity(control.account_id());
        match control.commit(change).await {
            Ok(revision) => {
                tracing::info!(kind = F::KIND.as_str(), id, %revision, "Created a resource");
                return Ok(stored(id, revision, record));
            }
            Err(Refusal::Unmet(Expectation::Name { index, text })) => {
                return Err(name_taken::<F>(control, index, &text).await);
            }
            Err(Refusal::Unmet(Expectation::Reference(reference))) => {
                return Err(F::missing_reference(&reference));
            }
            // The id is taken after all, or others changed what was counted: look again.
            Err(Refusal::Unmet(Expectation::Record | Expectation::Integrity)) => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
    Err(unavailable())
}

/// The resource of that id.
pub(crate) async fn read<F: Family>(control: &Control, id: &str) -> Result<Stored<F::Config>, ApiError> {
    if let Some((id, config)) = F::managed().into_iter().find(|(managed, _)| *managed == id) {
        return Ok(Stored::managed(id, config.clone()));
    }
    // What cannot be an id is none; some of it could not even be a key.
    if !is_id(id) {
        return Err(F::missing(id));
    }
    let key = resource_key(control.account_id(), F::KIND, id);
    let record = control.store().get(&key).await.map_err(storage)?;
    decode::<F>(&record.ok_or_else(|| F::missing(id))?)
}

/// Replaces the whole configuration of the version that `if_match` names; of any, where the API has
/// no versions.
pub(crate) async fn update<F: Family>(
    control: &Control,
    id: &str,
    if_match: Option<EntityTag>,
    mut config: F::Config,
) -> Result<Stored<F::Config>, ApiError> {
    for _ in 0..COMMIT_ATTEMPTS_MAX {
        let before = read::<F>(control, id).await?;
        refuse_managed(&before, ErrorCode::IllegalUpdate, "changed")?;
        if let Some(if_match) = &if_match {
            if_match.check(before.revision)?;
        }
        prepare::<F>(control, &mut config)?;
        F::validate_update(&before.config, &config)?;
        let record = ConfigRecord {
            created_time: before.created_time,
            last_modified_time: SystemTime::now().into(),
            config: config.clone(),
        };
        let key = resource_key(control.account_id(), F::KIND, id);
        let change = Change::default()
            .expect(Expectation::Record, key.clone(), Condition::AtRevision(before.revision))
            .put(key, record.encode().map_err(|error| internal(&error))?);
        let change = change_names::<F>(control, change, id, Some(&before.config), Some(&config));
        let change = change_references::<F>(control, change, id, Some(&before.config), Some(&config));
        let change = put_bundle::<F>(control, change, id, &config).bump_integrity(control.account_id());
        match control.commit(change).await {
            Ok(revision) => {
                tracing::info!(kind = F::KIND.as_str(), id, %revision, "Updated a resource");
                show::<F>(control, &config, revision).await;
                return Ok(stored(id.to_owned(), revision, record));
            }
            Err(Refusal::Unmet(Expectation::Name { index, text })) => {
                return Err(name_taken::<F>(control, index, &text).await);
            }
            Err(Refusal::Unmet(Expectation::Reference(reference))) => {
                return Err(F::missing_reference(&reference));
            }
            // It has changed meanwhile, or is gone: reading it again tells which.
            Err(Refusal::Unmet(Expectation::Record)) => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
    Err(unavailable())
}

/// Deletes a resource that nobody refers to.
pub(crate) async fn delete<F: Family>(
    control: &Control,
    id: &str,
    if_match: Option<EntityTag>,
) -> Result<(), ApiError> {
    let account_id = control.account_id();
    for _ in 0..COMMIT_ATTEMPTS_MAX {
        let integrity = control.integrity().await?;
        let present = read::<F>(control, id).await?;
        refuse_managed(&present, ErrorCode::IllegalDelete, "deleted")?;
        if let Some(if_match) = &if_match {
            if_match.check(present.revision)?;
        }
        if let Some(user) = any_user_of(control, &Reference::new(F::KIND, id)).await? {
            return Err(F::in_use(id, &user));
        }
        let key = resource_key(account_id, F::KIND, id);
        let change = Change::default()
            .expect(Expectation::Record, key.clone(), Condition::AtRevision(present.revision))
            .delete(key);
        let change = change_names::<F>(control, change, id, Some(&present.config), None);
        let mut change = change_references::<F>(control, change, id, Some(&present.config), None)
            .expect_integrity(account_id, integrity)
            .bump_integrity(account_id);
        if let Some((kind, _)) = F::bundle(&present.config) {
            change = change.write(feed::delete_bundle(account_id, &ResourceId::new(kind, id)));
        }
        match control.commit(change).await {
            Ok(revision) => {
                tracing::info!(kind = F::KIND.as_str(), id, %revision, "Deleted a resource");
                return Ok(());
            }
            Err(Refusal::Unmet(Expectation::Record | Expectation::Integrity)) => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
    Err(unavailable())
}

/// Which ones a list is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    All,
    Managed,
    Custom,
}

/// A page of a list.
#[derive(Debug)]
pub(crate) struct Listing<C> {
    pub(crate) items: Vec<Stored<C>>,
    /// Where the next page begins, if there is one.
    pub(crate) next_marker: Option<String>,
    /// How many were wanted.
    pub(crate) max_items: usize,
}

/// The resources after `marker`, in the order of their ids.
pub(crate) async fn list<F: Family>(
    control: &Control,
    listed: Listed,
    marker: Option<&str>,
    wanted: Option<&str>,
) -> Result<Listing<F::Config>, ApiError> {
    let max_items = max_items(wanted)?;
    let marker = checked_marker(marker)?;
    let mut items = Vec::new();
    let mut more = false;
    if listed != Listed::Custom {
        let managed = F::managed().into_iter().filter(|(id, _)| *id > marker);
        items.extend(managed.map(|(id, config)| Stored::managed(id, config.clone())));
    }
    if listed != Listed::Managed {
        let (records, more_custom) = records_after(control, F::KIND, marker, max_items).await?;
        for record in &records {
            items.push(decode::<F>(record)?);
        }
        more = more_custom;
    }
    items.sort_by(|left, right| left.id.cmp(&right.id));
    more |= items.len() > max_items;
    items.truncate(max_items);
    let next_marker = items.last().filter(|_| more).map(|last| last.id.clone());
    Ok(Listing { items, next_marker, max_items })
}

/// A marker is the id of the last item before the page. One that could not be an id is a mistake.
pub(crate) fn checked_marker(marker: Option<&str>) -> Result<&str, ApiError> {
    let marker = marker.unwrap_or_default();
    if marker.is_empty() || is_id(marker) {
        return Ok(marker);
    }
    Err(invalid_argument(
        "Marker is not the NextMarker of a page before. Leave it out to begin at the first page.",
    ))
}

fn prepare<F: Family>(control: &Control, config: &mut F::Config) -> Result<(), ApiError> {
    if let Some(path) = inconsistent_quantity(config) {
        return Err(crate::validate::inconsistent(&path));
    }
    F::complete(config);
    F::validate(&control.settings().quotas, config)?;
    match F::references(config).iter().find(|reference| !reference.is_well_formed()) {
        None => Ok(()),
        Some(reference) => Err(F::missing_reference(reference)),
    }
}

async fn check_quota<F: Family>(control: &Control) -> Result<(), ApiError> {
    let (quota, code) = F::quota(&control.settings().quotas);
    let (present, _) = records_after(control, F::KIND, "", quota).await?;
    if present.len() < quota {
        return Ok(());
    }
    Err(code.with_message(format!(
        "There are {quota} of the kind {} already, the most that this account may have. Delete one, or raise the \
         quota.",
        F::KIND.words()
    )))
}

/// Takes the names of the configuration after a change, and gives up those of the one before it.
fn change_names<F: Family>(
    control: &Control,
    mut change: Change,
    id: &str,
    before: Option<&F::Config>,
    after: Option<&F::Config>,
) -> Change {
    let account_id = control.account_id();
    let texts = |config: Option<&F::Config>| -> BTreeSet<(&'static str, String)> {
        let texts = config.map(F::unique_texts).unwrap_or_default();
        texts.into_iter().map(|(index, text)| (index, text.to_owned())).collect()
    };
    let (before, after) = (texts(before), texts(after));
    for (index, text) in after.difference(&before) {
        let key = name_key(account_id, F::KIND, index, text);
        let expectation = Expectation::Name { index, text: text.clone() };
        change = change.expect(expectation, key.clone(), Condition::Absent).put(key, id.as_bytes().to_vec());
    }
    for (index, text) in before.difference(&after) {
        change = change.delete(name_key(account_id, F::KIND, index, text));
    }
    change
}

fn change_references<F: Family>(
    control: &Control,
    change: Change,
    id: &str,
    before: Option<&F::Config>,
    after: Option<&F::Config>,
) -> Change {
    let references = |config: Option<&F::Config>| config.map(F::references).unwrap_or_default();
    let user = Reference::new(F::KIND, id);
    change.change_references(control.account_id(), &user, &references(before), &references(after))
}

fn put_bundle<F: Family>(control: &Control, change: Change, id: &str, config: &F::Config) -> Change {
    match F::bundle(config) {
        None => change,
        Some((kind, bundle)) => {
            change.write(feed::put_bundle(control.account_id(), &ResourceId::new(kind, id), &bundle))
        }
    }
}

/// Waits until the snapshot shows what edges get of a changed resource, for from then on the status of
/// whoever refers to it tells of the change.
async fn show<F: Family>(control: &Control, config: &F::Config, revision: store::Revision) {
    if F::bundle(config).is_some() && control.snapshot_at(revision).await.is_err() {
        tracing::warn!(kind = F::KIND.as_str(), %revision, "The feed lags behind a change");
    }
}

async fn name_taken<F: Family>(control: &Control, index: &str, text: &str) -> ApiError {
    let key = name_key(control.account_id(), F::KIND, index, text);
    let owner = control.store().get(&key).await.ok().flatten();
    let owner = owner.map(|record| String::from_utf8_lossy(&record.value).into_owned()).unwrap_or_default();
    F::already_exists(index, text, &owner)
}

fn refuse_managed<C>(present: &Stored<C>, code: ErrorCode, participle: &str) -> Result<(), ApiError> {
    if !present.is_managed {
        return Ok(());
    }
    Err(code.with_message(format!(
        "{} is a managed policy of AWS, which cannot be {participle}. Create one of your own with its settings.",
        present.id
    )))
}

fn decode<F: Family>(record: &store::Record) -> Result<Stored<F::Config>, ApiError> {
    let decoded = ConfigRecord::decode(&record.value).map_err(|error| internal(&error))?;
    Ok(stored(record.key.id.clone(), record.revision, decoded))
}

fn stored<C>(id: String, revision: store::Revision, record: ConfigRecord<C>) -> Stored<C> {
    Stored {
        id,
        revision,
        created_time: record.created_time,
        last_modified_time: record.last_modified_time,
        config: record.config,
        is_managed: false,
    }
}
