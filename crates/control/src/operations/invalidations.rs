//! Invalidations.
//!
//! There is no cache yet, so no edge has anything to serve that is older than an invalidation: each is
//! completed from the beginning. That is computed on every read and never stored; with a cache, it is
//! here that the edges' progress will be asked.

use std::collections::BTreeSet;
use std::time::SystemTime;

use aws_api::ApiError;
use aws_api::cloudfront::{
    CreateInvalidationRequest, CreateInvalidationResult, ErrorCode, GetInvalidationRequest,
    GetInvalidationResult, Invalidation, InvalidationBatch, InvalidationList, InvalidationSummary,
    ListInvalidationsRequest, ListInvalidationsResult, Paths,
};
use aws_api::inconsistent_quantity;
use store::Condition;

use super::distributions::read as read_distribution;
use crate::commit::{Change, Expectation, Refusal, storage};
use crate::control::{Caller, Control};
use crate::errors::{internal, invalid_argument, unavailable};
use crate::identifier::new_invalidation_id;
use crate::kind::Kind;
use crate::limits::{COMMIT_ATTEMPTS_MAX, INVALIDATIONS_BYTES_MAX, INVALIDATIONS_MAX};
use crate::paging::{count, max_items};
use crate::quotas::INVALIDATION_PATH_BYTES_MAX;
use crate::records::{InvalidationRecord, InvalidationsRecord, distribution_key, invalidations_key};
use crate::reference::Reference;
use crate::resource::checked_marker;
use crate::validate::{inconsistent, is_visible, validate_caller_reference};

/// `CreateInvalidation`. The same request again is answered as before; `TooManyInvalidationsInProgress`
/// cannot be, for none is ever in progress.
pub(crate) async fn create(
    control: &Control,
    caller: &Caller,
    input: CreateInvalidationRequest,
) -> Result<CreateInvalidationResult, ApiError> {
    let InvalidationBatch { caller_reference, paths } = &input.invalidation_batch;
    validate_batch(control, &input.invalidation_batch)?;
    let distribution = read_distribution(control, &input.distribution_id).await?.id;
    let wanted = InvalidationRecord {
        id: new_invalidation_id(SystemTime::now()),
        created_time: SystemTime::now().into(),
        caller_reference: caller_reference.clone(),
        paths: paths.items().to_vec(),
    };
    let made = add(control, &distribution, wanted).await?;
    Ok(CreateInvalidationResult {
        location: Some(format!(
            "{}/2020-05-31/distribution/{distribution}/invalidation/{}",
            caller.endpoint, made.id
        )),
        invalidation: Some(shape(made)),
    })
}

/// `GetInvalidation`
pub(crate) async fn get(
    control: &Control,
    _caller: &Caller,
    input: GetInvalidationRequest,
) -> Result<GetInvalidationResult, ApiError> {
    let distribution = read_distribution(control, &input.distribution_id).await?.id;
    let (present, _) = stored(control, &distribution).await?;
    let found = present.newest_first.into_iter().find(|invalidation| invalidation.id == input.id);
    let found = found.ok_or_else(|| {
        ErrorCode::NoSuchInvalidation.with_message(format!(
            "The specified invalidation does not exist. Of each distribution the newest {INVALIDATIONS_MAX} are \
             kept: list them."
        ))
    })?;
    Ok(GetInvalidationResult { invalidation: Some(shape(found)) })
}

/// `ListInvalidations`, the newest first. Ids are given so that this is their order.
pub(crate) async fn list(
    control: &Control,
    _caller: &Caller,
    input: ListInvalidationsRequest,
) -> Result<ListInvalidationsResult, ApiError> {
    let wanted = max_items(input.max_items.as_deref())?;
    let after = checked_marker(input.marker.as_deref())?;
    let distribution = read_distribution(control, &input.distribution_id).await?.id;
    let (present, _) = stored(control, &distribution).await?;
    let mut left = present.newest_first.into_iter().filter(|invalidation| *invalidation.id > *after);
    let page: Vec<InvalidationSummary> = left.by_ref().take(wanted).map(summary).collect();
    let more = left.next().is_some();
    let list = InvalidationList {
        next_marker: page.last().filter(|_| more).map(|last| last.id.clone()),
        marker: input.marker.unwrap_or_default(),
        max_items: count(wanted),
        is_truncated: more,
        ..InvalidationList::from_items(page)
    };
    Ok(ListInvalidationsResult { invalidation_list: Some(list) })
}

/// Adds an invalidation, unless the same was made before: then it is that one.
async fn add(
    control: &Control,
    distribution: &str,
    wanted: InvalidationRecord,
) -> Result<InvalidationRecord, ApiError> {
    let account_id = control.account_id();
    for _ in 0..COMMIT_ATTEMPTS_MAX {
        let (mut present, condition) = stored(control, distribution).await?;
        if let Some(before) = present.of_caller_reference(&wanted.caller_reference) {
            return same(before, &wanted);
        }
        present.add(wanted.clone());
        let reference = Reference::new(Kind::Distribution, distribution);
        let key = invalidations_key(account_id, distribution);
        let change = Change::default()
            .expect(
                Expectation::Reference(reference),
                distribution_key(account_id, distribution),
                Condition::Exists,
            )
            .expect(Expectation::Record, key.clone(), condition)
            .put(key, present.encode().map_err(|error| internal(&error))?);
        match control.commit(change).await {
            Ok(revision) => {
                let (id, paths) = (&wanted.id, wanted.paths.len());
                tracing::info!(distribution, invalidation = id, paths, %revision, "Made an invalidation");
                return Ok(wanted);
            }
            Err(Refusal::Unmet(Expectation::Record)) => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
    Err(unavailable())
}

/// The earlier invalidation of a caller reference, if it is the same: the order of paths means nothing.
fn same(before: &InvalidationRecord, wanted: &InvalidationRecord) -> Result<InvalidationRecord, ApiError> {
    let paths = |invalidation: &InvalidationRecord| -> BTreeSet<String> {
        invalidation.paths.iter().cloned().collect()
    };
    if paths(before) == paths(wanted) {
        return Ok(before.clone());
    }
    // Named in the API reference, "InvalidationBatch", and not modelled.
    Err(ApiError::new(
        "InvalidationBatchAlreadyExists",
        409,
        format!(
            "The CallerReference was used for the invalidation {} of other paths. Set it to a text that you never \
             used before, such as the time.",
            before.id
        ),
    ))
}

/// The invalidations of a distribution, and that they are still these.
async fn stored(control: &Control, distribution: &str) -> Result<(InvalidationsRecord, Condition), ApiError> {
    let key = invalidations_key(control.account_id(), distribution);
    match control.store().get(&key).await.map_err(storage)? {
        None => Ok((InvalidationsRecord::default(), Condition::Absent)),
        Some(record) => {
            let decoded = InvalidationsRecord::decode(&record.value).map_err(|error| internal(&error))?;
            Ok((decoded, Condition::AtRevision(record.revision)))
        }
    }
}

fn validate_batch(control: &Control, batch: &InvalidationBatch) -> Result<(), ApiError> {
    if let Some(path) = inconsistent_quantity(batch) {
        return Err(inconsistent(&path));
    }
    validate_caller_reference(&batch.caller_reference)?;
    let paths = batch.paths.items();
    if paths.is_empty() {
        return Err(invalid_argument("The batch has no Paths. List at least one, or /* for everything."));
    }
    let most = control.settings().quotas.paths_per_invalidation;
    let bytes: usize = paths.iter().map(String::len).sum();
    if paths.len() > most || bytes > INVALIDATIONS_BYTES_MAX {
        return Err(ErrorCode::BatchTooLarge.with_message(format!(
            "The batch has more than {most} paths or {INVALIDATIONS_BYTES_MAX} characters. Make several of it, or \
             end a path with * for all that begin so."
        )));
    }
    match paths.iter().find(|path| !is_path(path)) {
        None => Ok(()),
        Some(path) => {
            let shown: String = path.chars().take(100).collect();
            Err(invalid_argument(format!(
                "Your request contains one or more invalid invalidation paths. {shown:?} must begin with a slash, \
                 have at most {INVALIDATION_PATH_BYTES_MAX} characters, and all but visible ASCII percent-encoded."
            )))
        }
    }
}

/// A `*` at the end is a wildcard and anywhere else itself ("What you need to know when invalidating
/// paths"), so it may stand anywhere. A path that stands twice does no harm.
fn is_path(path: &str) -> bool {
    path.starts_with('/') && path.len() <= INVALIDATION_PATH_BYTES_MAX && is_visible(path)
}

/// See the module: nothing older can be served.
fn status() -> String {
    "Completed".to_owned()
}

fn shape(invalidation: InvalidationRecord) -> Invalidation {
    Invalidation {
        id: invalidation.id,
        status: status(),
        create_time: invalidation.created_time,
        invalidation_batch: InvalidationBatch {
            caller_reference: invalidation.caller_reference,
            paths: Paths::from_items(invalidation.paths),
        },
    }
}

fn summary(invalidation: InvalidationRecord) -> InvalidationSummary {
    InvalidationSummary { id: invalidation.id, create_time: invalidation.created_time, status: status() }
}
