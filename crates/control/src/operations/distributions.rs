//! Distributions.

use std::collections::BTreeSet;
use std::time::SystemTime;

use aws_api::ApiError;
use aws_api::cloudfront::{
    ActiveTrustedSigners, CreateDistributionRequest, CreateDistributionResult,
    CreateDistributionWithTagsRequest, CreateDistributionWithTagsResult, DeleteDistributionRequest,
    Distribution, DistributionConfig, DistributionList, DistributionSummary, ErrorCode,
    GetDistributionConfigRequest, GetDistributionConfigResult, GetDistributionRequest, GetDistributionResult,
    ListDistributionsRequest, ListDistributionsResult, Tag, UpdateDistributionRequest,
    UpdateDistributionResult,
};
use aws_api::shape::Timestamp;
use edge_config::{Bundle, HostName, LinkError, ResourceId, ResourceKind, Revision, Snapshot, link};
use store::Condition;

use super::key_groups::active_trusted_key_groups;
use super::monitoring_subscriptions::delete_with_distribution;
use super::staging::{change_policy, delete_staging, policy_in_use, register_staging};
use crate::certificates::viewer_certificate::certificate_id;
use crate::commit::{Change, Expectation, Integrity, Refusal, storage};
use crate::compile::compile_distribution;
use crate::control::{Caller, Control};
use crate::defaults::complete;
use crate::enforcement::{refuse_unenforced_restrictions, unenforced_settings, unsent_headers};
use crate::entity_tag::EntityTag;
use crate::errors::{internal, no_such_distribution, unavailable};
use crate::extension_tags::Extensions;
use crate::identifier::{distribution_arn, new_distribution_id, new_domain_name};
use crate::kind::Kind;
use crate::limits::COMMIT_ATTEMPTS_MAX;
use crate::paging::{count, max_items, records_after};
use crate::records::{
    DistributionRecord, caller_reference_key, distribution_key, encode_tags, invalidations_key, tags_key,
};
use crate::reference::{Reference, references_of_distribution, refuse_crowded, refuse_malformed};
use crate::tagged::HeldTags;
use crate::validate::aliases::cname_already_exists;
use crate::validate::{Surroundings, validate_distribution, validate_quantities, validate_tags};
use crate::warnings::warnings;

/// `CreateDistribution`
pub(crate) async fn create(
    control: &Control,
    caller: &Caller,
    input: CreateDistributionRequest,
) -> Result<CreateDistributionResult, ApiError> {
    let created = create_distribution(control, input.distribution_config, &[], Change::default).await?;
    warn(control, caller, &created).await;
    Ok(CreateDistributionResult {
        location: Some(location(caller, &created.id)),
        etag: Some(created.etag()),
        distribution: Some(created.into_shape(control, Status::InProgress).await?),
    })
}

/// `CreateDistributionWithTags`
pub(crate) async fn create_with_tags(
    control: &Control,
    caller: &Caller,
    input: CreateDistributionWithTagsRequest,
) -> Result<CreateDistributionWithTagsResult, ApiError> {
    let with_tags = input.distribution_config_with_tags;
    let tags = with_tags.tags.items.unwrap_or_default();
    validate_tags(&tags, &control.settings().quotas)?;
    Extensions::of(&tags)?;
    let created = create_distribution(control, with_tags.distribution_config, &tags, Change::default).await?;
    warn(control, caller, &created).await;
    Ok(CreateDistributionWithTagsResult {
        location: Some(location(caller, &created.id)),
        etag: Some(created.etag()),
        distribution: Some(created.into_shape(control, Status::InProgress).await?),
    })
}

/// `GetDistribution`
pub(crate) async fn get(
    control: &Control,
    _caller: &Caller,
    input: GetDistributionRequest,
) -> Result<GetDistributionResult, ApiError> {
    let stored = read(control, &input.id).await?;
    let status = stored.status(control);
    Ok(GetDistributionResult {
        etag: Some(stored.etag()),
        distribution: Some(stored.into_shape(control, status).await?),
    })
}

/// `GetDistributionConfig`
pub(crate) async fn get_config(
    control: &Control,
    _caller: &Caller,
    input: GetDistributionConfigRequest,
) -> Result<GetDistributionConfigResult, ApiError> {
    let stored = read(control, &input.id).await?;
    Ok(GetDistributionConfigResult {
        etag: Some(stored.etag()),
        distribution_config: Some(stored.record.config),
    })
}

/// `UpdateDistribution`: the whole configuration is replaced.
pub(crate) async fn update(
    control: &Control,
    caller: &Caller,
    input: UpdateDistributionRequest,
) -> Result<UpdateDistributionResult, ApiError> {
    let if_match = EntityTag::required(input.if_match.as_deref())?;
    let present = read(control, &input.id).await?;
    if_match.check(present.revision)?;
    let updated = update_distribution(control, present, input.distribution_config, Change::default).await?;
    warn(control, caller, &updated).await;
    Ok(UpdateDistributionResult {
        etag: Some(updated.etag()),
        distribution: Some(updated.into_shape(control, Status::InProgress).await?),
    })
}

/// `DeleteDistribution`
pub(crate) async fn delete(
    control: &Control,
    _caller: &Caller,
    input: DeleteDistributionRequest,
) -> Result<(), ApiError> {
    let if_match = EntityTag::required(input.if_match.as_deref())?;
    for _ in 0..COMMIT_ATTEMPTS_MAX {
        let present = read(control, &input.id).await?;
        if_match.check(present.revision)?;
        if present.record.config.enabled {
            return Err(ErrorCode::DistributionNotDisabled.with_message(
                "The distribution is enabled. Update it with Enabled set to false first, then delete it.",
            ));
        }
        let change = delete_staging(control, deletion(control, &present), &present).await?;
        match control.commit(change).await {
            Ok(revision) => {
                tracing::info!(distribution = present.id, %revision, "Deleted a distribution");
                return Ok(());
            }
            // Where it is gone meanwhile, reading it again tells so.
            Err(Refusal::Unmet(Expectation::Record | Expectation::Integrity)) => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
    Err(unavailable())
}

fn deletion(control: &Control, present: &StoredDistribution) -> Change {
    let account_id = control.account_id();
    let id = &present.id;
    let change = Change::default()
        .expect(
            Expectation::Record,
            distribution_key(account_id, id),
            Condition::AtRevision(present.revision),
        )
        .change_references(
            account_id,
            &user(id),
            &references_of_distribution(&present.record.config),
            &BTreeSet::new(),
        )
        .delete(distribution_key(account_id, id))
        .delete(caller_reference_key(account_id, &present.record.config.caller_reference))
        .delete(tags_key(account_id, Kind::Distribution, id))
        .delete(invalidations_key(account_id, id))
        .write(feed::delete_bundle(account_id, &resource(id)))
        .bump_integrity(account_id);
    let change = change_policy(change, account_id, id, &present.record.config, None);
    delete_with_distribution(change, account_id, id)
}

/// `ListDistributions`, in the order of their ids.
pub(crate) async fn list(
    control: &Control,
    _caller: &Caller,
    input: ListDistributionsRequest,
) -> Result<ListDistributionsResult, ApiError> {
    let wanted = max_items(input.max_items.as_deref())?;
    let marker = input.marker.unwrap_or_default();
    let (records, more) = records_after(control, Kind::Distribution, &marker, wanted).await?;
    let stored = records.iter().map(StoredDistribution::decode).collect::<Result<Vec<_>, _>>()?;
    let next_marker = stored.last().filter(|_| more).map(|last| last.id.clone());
    let summaries = stored.into_iter().map(|stored| stored.into_summary(control)).collect();
    let list = DistributionList {
        marker,
        next_marker,
        max_items: count(wanted),
        is_truncated: more,
        ..DistributionList::from_items(summaries)
    };
    Ok(ListDistributionsResult { distribution_list: Some(list) })
}

/// A distribution as it is in the store.
pub(super) struct StoredDistribution {
    pub(super) id: String,
    pub(super) revision: store::Revision,
    pub(super) record: DistributionRecord,
}

/// How far a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    InProgress,
    Deployed,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "InProgress",
            Self::Deployed => "Deployed",
        }
    }
}

impl StoredDistribution {
    pub(super) fn decode(record: &store::Record) -> Result<Self, ApiError> {
        Ok(Self {
            id: record.key.id.clone(),
            revision: record.revision,
            record: DistributionRecord::decode(&record.value).map_err(|error| internal(&error))?,
        })
    }

    pub(super) fn etag(&self) -> String {
        EntityTag::of(self.revision).into_string()
    }

    /// Deployed when every edge has applied the newest revision of it and of all that it refers to.
    fn status(&self, control: &Control) -> Status {
        let linked = control.snapshots().borrow().distribution(&self.id).map(|linked| linked.revision);
        let newest = Revision(self.revision.0).max(linked.unwrap_or_default());
        if control.fleet().is_deployed(&resource(&self.id), newest) {
            Status::Deployed
        } else {
            Status::InProgress
        }
    }

    pub(super) async fn into_shape(
        self,
        control: &Control,
        status: Status,
    ) -> Result<Distribution, ApiError> {
        let active_trusted_key_groups = active_trusted_key_groups(control, &self.record.config).await?;
        Ok(Distribution {
            arn: distribution_arn(control.account_id(), &self.id),
            id: self.id,
            status: status.as_str().to_owned(),
            last_modified_time: self.record.last_modified_time,
            in_progress_invalidation_batches: 0,
            domain_name: self.record.domain_name.to_string(),
            active_trusted_signers: Some(ActiveTrustedSigners::default()),
            active_trusted_key_groups: Some(active_trusted_key_groups),
            distribution_config: self.record.config,
            alias_icp_recordals: None,
        })
    }

    pub(super) fn into_summary(self, control: &Control) -> DistributionSummary {
        let status = self.status(control);
        let etag = self.etag();
        let config = self.record.config;
        DistributionSummary {
            arn: distribution_arn(control.account_id(), &self.id),
            id: self.id,
            etag: Some(etag),
            status: status.as_str().to_owned(),
            last_modified_time: self.record.last_modified_time,
            domain_name: self.record.domain_name.to_string(),
            aliases: config.aliases.unwrap_or_default(),
            origins: config.origins,
            origin_groups: config.origin_groups,
            default_cache_behavior: config.default_cache_behavior,
            cache_behaviors: config.cache_behaviors.unwrap_or_default(),
            custom_error_responses: config.custom_error_responses.unwrap_or_default(),
            comment: config.comment,
            price_class: config.price_class.unwrap_or_default(),
            enabled: config.enabled,
            viewer_certificate: config.viewer_certificate.unwrap_or_default(),
            restrictions: config.restrictions.unwrap_or_default(),
            web_acl_id: config.web_acl_id.unwrap_or_default(),
            http_version: config.http_version.unwrap_or_default(),
            is_ipv6_enabled: config.is_ipv6_enabled.unwrap_or_default(),
            alias_icp_recordals: None,
            staging: config.staging.unwrap_or_default(),
            connection_mode: config.connection_mode,
            anycast_ip_list_id: config.anycast_ip_list_id,
            viewer_mtls_config: config.viewer_mtls_config,
            connection_function_association: config.connection_function_association,
        }
    }
}

pub(super) async fn read(control: &Control, id: &str) -> Result<StoredDistribution, ApiError> {
    // What cannot be an id is none; some of it could not even be a key.
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) || id.len() > 64 {
        return Err(no_such_distribution());
    }
    let record = control.store().get(&distribution_key(control.account_id(), id)).await.map_err(storage)?;
    StoredDistribution::decode(&record.ok_or_else(no_such_distribution)?)
}

/// Makes a new distribution, along with what `basis` expects.
pub(super) async fn create_distribution(
    control: &Control,
    mut config: DistributionConfig,
    tags: &[Tag],
    basis: impl Fn() -> Change,
) -> Result<StoredDistribution, ApiError> {
    validate_quantities(&config)?;
    complete(&mut config);
    let extensions = Extensions::of(tags)?;
    for _ in 0..COMMIT_ATTEMPTS_MAX {
        let id = new_distribution_id();
        let domain_name =
            new_domain_name(&control.settings().domain_suffix).map_err(|error| internal(&error))?;
        let (integrity, snapshot) = control.current_snapshot().await?;
        check_quota(control, &snapshot)?;
        let bundle = prepare(control, &config, &extensions, &snapshot, (&id, &domain_name), false)?;
        refuse_crowded(control, &references_of_distribution(&config)).await?;
        let record = DistributionRecord { domain_name, last_modified_time: now(), config: config.clone() };
        let change = basis().and(creation(control, &id, &record, &bundle, tags, integrity)?);
        match control.commit(change).await {
            Ok(revision) => {
                report_deployment(control, &id, revision, &config, &snapshot);
                return Ok(StoredDistribution { id, revision, record });
            }
            Err(Refusal::Unmet(Expectation::CallerReference)) => {
                return Err(already_exists(control, &config).await);
            }
            // The id is taken after all, or a name was: try with others, and look again.
            Err(Refusal::Unmet(Expectation::Record | Expectation::Integrity)) => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
    Err(unavailable())
}

/// Creations that are in flight together may pass the quota together: it protects the machine, which a
/// few more do not hurt, and comparing `integrity` for it would make all of them wait for each other.
fn check_quota(control: &Control, snapshot: &Snapshot) -> Result<(), ApiError> {
    let most = control.settings().quotas.distributions;
    if snapshot.distribution_count() < most {
        return Ok(());
    }
    Err(ErrorCode::TooManyDistributions.with_message(format!(
        "There are {most} distributions already, the most that this account may have. Delete one, or raise \
         the quota."
    )))
}

fn creation(
    control: &Control,
    id: &str,
    record: &DistributionRecord,
    bundle: &Bundle,
    tags: &[Tag],
    integrity: Integrity,
) -> Result<Change, ApiError> {
    let account_id = control.account_id();
    let key = distribution_key(account_id, id);
    let caller_reference = caller_reference_key(account_id, &record.config.caller_reference);
    let mut change = Change::default()
        .expect(Expectation::CallerReference, caller_reference.clone(), Condition::Absent)
        .expect(Expectation::Record, key.clone(), Condition::Absent)
        .change_references(
            account_id,
            &user(id),
            &BTreeSet::new(),
            &references_of_distribution(&record.config),
        )
        .put(key, record.encode().map_err(|error| internal(&error))?)
        .put(caller_reference, id.as_bytes().to_vec())
        .write(feed::put_bundle(account_id, &resource(id), bundle))
        .bump_integrity(account_id);
    if takes_names(bundle) {
        change = change.expect_integrity(account_id, integrity);
    }
    let is_staging = record.config.staging == Some(true);
    change = register_staging(change, account_id, (id, record.domain_name.as_str()), is_staging);
    if !tags.is_empty() {
        change = change.put(
            tags_key(account_id, Kind::Distribution, id),
            encode_tags(tags).map_err(|error| internal(&error))?,
        );
    }
    Ok(change)
}

/// Replaces the configuration of a distribution, along with what `basis` expects and writes.
pub(super) async fn update_distribution(
    control: &Control,
    present: StoredDistribution,
    mut config: DistributionConfig,
    basis: impl Fn() -> Change,
) -> Result<StoredDistribution, ApiError> {
    validate_quantities(&config)?;
    let StoredDistribution { id, record, .. } = &present;
    config.staging = config.staging.or(record.config.staging);
    complete(&mut config);
    if config.caller_reference != record.config.caller_reference {
        return Err(ErrorCode::IllegalUpdate.with_message(
            "CallerReference cannot be changed. Send the one that the distribution was created with.",
        ));
    }
    if config.staging != record.config.staging {
        return Err(ErrorCode::IllegalUpdate.with_message(
            "Staging cannot be changed. Make a staging distribution with CopyDistribution, and promote it with \
             UpdateDistributionWithStagingConfig.",
        ));
    }
    for _ in 0..COMMIT_ATTEMPTS_MAX {
        let held = HeldTags::read(control, &user(id)).await?;
        let extensions = Extensions::of(&held.tags)?;
        let (integrity, snapshot) = control.current_snapshot().await?;
        let bundle = prepare(control, &config, &extensions, &snapshot, (id, &record.domain_name), true)?;
        let [before, after] = [&record.config, &config].map(references_of_distribution);
        refuse_crowded(control, after.difference(&before)).await?;
        // What an older release stored may not compile any more; then everything counts as changed.
        let before = compile_distribution(&record.config, &record.domain_name, &extensions).ok();
        let updated = DistributionRecord {
            domain_name: record.domain_name.clone(),
            last_modified_time: now(),
            config: config.clone(),
        };
        let change = replacement(control, &present, (before.as_ref(), &bundle), &updated, integrity)?;
        match control.commit(basis().and(change).and(held.expected())).await {
            Ok(revision) => {
                report_deployment(control, id, revision, &config, &snapshot);
                return Ok(StoredDistribution { id: present.id, revision, record: updated });
            }
            Err(Refusal::Unmet(Expectation::Integrity | Expectation::Tags)) => {}
            Err(Refusal::Unmet(Expectation::Name { text, .. })) => return Err(policy_in_use(&text)),
            Err(refusal) => return Err(refusal.into()),
        }
    }
    Err(unavailable())
}

/// Takes the web ACL off. Nothing else is looked at, for whatever it takes must not keep one from it.
pub(super) async fn without_web_acl(
    control: &Control,
    present: StoredDistribution,
) -> Result<StoredDistribution, ApiError> {
    let config = DistributionConfig { web_acl_id: Some(String::new()), ..present.record.config.clone() };
    let held = HeldTags::read(control, &user(&present.id)).await?;
    let bundle = compile_distribution(&config, &present.record.domain_name, &Extensions::of(&held.tags)?)?;
    let record = DistributionRecord { last_modified_time: now(), config, ..present.record.clone() };
    let integrity = control.integrity().await?;
    let change = replacement(control, &present, (Some(&bundle), &bundle), &record, integrity)?;
    let revision = control.commit(change.and(held.expected())).await?;
    tracing::info!(distribution = present.id, %revision, "Took the web ACL off a distribution");
    Ok(StoredDistribution { id: present.id, revision, record })
}

/// The change to a configuration and its bundle, for one who changes more than that.
pub(super) fn replace(
    control: &Control,
    (present, held): (&StoredDistribution, &HeldTags),
    config: DistributionConfig,
    bundle: &Bundle,
    integrity: Integrity,
) -> Result<Change, ApiError> {
    let extensions = Extensions::of(&held.tags)?;
    let before = compile_distribution(&present.record.config, &present.record.domain_name, &extensions).ok();
    let domain_name = present.record.domain_name.clone();
    let record = DistributionRecord { domain_name, last_modified_time: now(), config };
    let change = replacement(control, present, (before.as_ref(), bundle), &record, integrity)?;
    Ok(change.and(held.expected()))
}

/// Gives edges another bundle of a distribution, whose record stays.
pub(super) fn put_bundle_of(control: &Control, id: &str, bundle: &Bundle) -> Change {
    Change::default().write(feed::put_bundle(control.account_id(), &resource(id), bundle))
}

/// A distribution and its tags, on both of which its bundle depends.
pub(super) async fn read_with_tags(
    control: &Control,
    id: &str,
) -> Result<(StoredDistribution, HeldTags), ApiError> {
    let present = read(control, id).await?;
    let held = HeldTags::read(control, &user(id)).await?;
    Ok((present, held))
}

fn replacement(
    control: &Control,
    present: &StoredDistribution,
    (before, after): (Option<&Bundle>, &Bundle),
    record: &DistributionRecord,
    integrity: Integrity,
) -> Result<Change, ApiError> {
    let account_id = control.account_id();
    let id = &present.id;
    let key = distribution_key(account_id, id);
    let [references_before, references_after] =
        [&present.record.config, &record.config].map(references_of_distribution);
    let mut change = Change::default()
        .expect(Expectation::Record, key.clone(), Condition::AtRevision(present.revision))
        .change_references(account_id, &user(id), &references_before, &references_after)
        .put(key, record.encode().map_err(|error| internal(&error))?)
        .write(feed::put_bundle(account_id, &resource(id), after));
    change = change_policy(change, account_id, id, &present.record.config, Some(&record.config));
    let names_differ = before.map(names) != Some(names(after));
    if names_differ || references_before != references_after {
        change = change.bump_integrity(account_id);
    }
    // Whether a certificate covers the names was checked against the snapshot.
    let certificates_differ = certificate_id(&present.record.config) != certificate_id(&record.config);
    if names_differ || certificates_differ {
        change = change.expect_integrity(account_id, integrity);
    }
    Ok(change)
}

/// Validates and compiles a configuration, and links it on trial with everything that exists.
pub(super) fn prepare(
    control: &Control,
    config: &DistributionConfig,
    extensions: &Extensions,
    snapshot: &Snapshot,
    (id, domain_name): (&str, &HostName),
    exists: bool,
) -> Result<Bundle, ApiError> {
    let settings = control.settings();
    let surroundings = Surroundings {
        snapshot,
        account_id: &settings.account_id,
        quotas: &settings.quotas,
        domain_suffix: &settings.domain_suffix,
        own_id: exists.then_some(id),
    };
    validate_distribution(config, surroundings)?;
    if !settings.accept_unenforced {
        refuse_unenforced_restrictions(config, settings.cloudfront_headers)?;
    }
    refuse_malformed(&references_of_distribution(config))?;
    let bundle = compile_distribution(config, domain_name, extensions)?;
    link_on_trial(snapshot, id, &bundle)?;
    Ok(bundle)
}

/// What does not link is refused here, and never at an edge.
pub(super) fn link_on_trial(snapshot: &Snapshot, id: &str, bundle: &Bundle) -> Result<Snapshot, ApiError> {
    // Newer than anything that exists, or it would be skipped.
    let revision = Revision(u64::MAX);
    let bundle = Some(std::sync::Arc::new(bundle.clone()));
    let linked =
        link(snapshot, revision, &[edge_config::Change { resource: resource(id), revision, bundle }]);
    match linked.rejected.into_iter().next() {
        None => Ok(linked.snapshot),
        Some(rejected) => Err(match rejected.reason {
            LinkError::UnknownReference(resource) => reference_to(&resource).missing(),
            LinkError::NameTaken { name, .. } => cname_already_exists(&name),
            LinkError::UnknownOrigin(origin) => ErrorCode::NoSuchOrigin.with_message(format!(
                "A cache behavior targets the origin {origin:?}, which does not exist."
            )),
            reason => internal(&reason),
        }),
    }
}

async fn already_exists(control: &Control, config: &DistributionConfig) -> ApiError {
    let key = caller_reference_key(control.account_id(), &config.caller_reference);
    let owner = control.store().get(&key).await.ok().flatten();
    let owner = owner.map(|record| String::from_utf8_lossy(&record.value).into_owned()).unwrap_or_default();
    ErrorCode::DistributionAlreadyExists.with_message(format!(
        "The caller reference that you are using to create a distribution is associated with another \
         distribution. Already exists: {owner}"
    ))
}

/// Tells what is allowed and still wrong with what is stored now.
pub(super) async fn warn(control: &Control, caller: &Caller, stored: &StoredDistribution) {
    let warnings = warnings(control, &stored.id, &stored.record.config).await;
    // An operation stores one configuration, so nobody has said it before.
    let _said = caller.warnings.set(warnings);
}

pub(super) fn report_deployment(
    control: &Control,
    id: &str,
    revision: store::Revision,
    config: &DistributionConfig,
    snapshot: &Snapshot,
) {
    let sent = control.settings().cloudfront_headers;
    let not_enforced = unenforced_settings(config, snapshot, sent).join(", ");
    let not_sent = unsent_headers(config, snapshot, sent).join(", ");
    tracing::info!(distribution = id, %revision, not_enforced, not_sent, "Deploying a distribution");
}

/// Whether it has names of its owner's choice. The one that it is given is too random to be taken.
fn takes_names(bundle: &Bundle) -> bool {
    matches!(bundle, Bundle::Distribution(distribution) if !distribution.aliases.is_empty())
}

fn names(bundle: &Bundle) -> Vec<edge_config::AliasName> {
    match bundle {
        Bundle::Distribution(distribution) => distribution.names().collect(),
        Bundle::CachePolicy(_)
        | Bundle::OriginRequestPolicy(_)
        | Bundle::ResponseHeadersPolicy(_)
        | Bundle::Certificate(_) => Vec::new(),
    }
}

/// A resource that reaches edges, as the control plane names it.
fn reference_to(resource: &ResourceId) -> Reference {
    let kind = match resource.kind {
        ResourceKind::CachePolicy => Kind::CachePolicy,
        ResourceKind::OriginRequestPolicy => Kind::OriginRequestPolicy,
        ResourceKind::ResponseHeadersPolicy => Kind::ResponseHeadersPolicy,
        ResourceKind::Distribution => Kind::Distribution,
        ResourceKind::Certificate => Kind::Certificate,
    };
    Reference::new(kind, &*resource.id)
}

/// A distribution as one who refers to others.
fn user(id: &str) -> Reference {
    Reference::new(Kind::Distribution, id)
}

fn resource(id: &str) -> ResourceId {
    ResourceId::new(ResourceKind::Distribution, id)
}

pub(super) fn location(caller: &Caller, id: &str) -> String {
    format!("{}/2020-05-31/distribution/{id}", caller.endpoint)
}

pub(super) fn now() -> Timestamp {
    SystemTime::now().into()
}
