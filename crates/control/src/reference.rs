//! References between resources, and the index that tells who refers to what.
//!
//! The index is kept in the store beside the records, one empty record a reference, written in the
//! transaction that makes the reference. So "is it in use?" and the reverse look-ups cost what they
//! answer, however many distributions there are.

use std::collections::BTreeSet;

use aws_api::ApiError;
use aws_api::cloudfront::{DistributionConfig, ErrorCode, TrustedKeyGroups};
use edge_config::HostName;
use store::{Key, Page, Range};

use crate::cache_behavior::cache_behaviors;
use crate::certificates::viewer_certificate::certificate_id;
use crate::commit::storage;
use crate::control::Control;
use crate::kind::Kind;
use crate::managed;
use crate::records::resource_key;
use crate::validate::is_id;
use crate::web_acl::is_web_acl_id;

/// The name of one resource among all of them; of a resource that another one refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reference {
    pub(crate) kind: Kind,
    pub(crate) id: String,
}

impl Reference {
    pub(crate) fn new(kind: Kind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into() }
    }

    /// The record that must exist for the reference to be good; none where nothing can be missing.
    ///
    /// Managed policies have no records and are never deleted. Web ACLs are not kept here.
    pub(crate) fn record_key(&self, account_id: &str) -> Option<Key> {
        let is_always_there = match self.kind {
            Kind::CachePolicy => managed::cache_policy(&self.id).is_some(),
            Kind::OriginRequestPolicy => managed::origin_request_policy(&self.id).is_some(),
            Kind::ResponseHeadersPolicy => managed::response_headers_policy(&self.id).is_some(),
            Kind::WebAcl => true,
            _ => false,
        };
        (!is_always_there).then(|| resource_key(account_id, self.kind, &self.id))
    }

    /// Whether it could name something: what cannot is missing for certain, and could not be a key.
    pub(crate) fn is_well_formed(&self) -> bool {
        match self.kind {
            Kind::WebAcl => is_web_acl_id(&self.id),
            Kind::StagingDistribution => HostName::parse(&self.id).is_ok(),
            _ => is_id(&self.id),
        }
    }

    /// The index's record of one user of this resource.
    pub(crate) fn index_key(&self, account_id: &str, user: &Self) -> Key {
        Key::new(account_id, self.index_kind(), format!("{}/{}", user.kind.as_str(), user.id))
    }

    fn index_kind(&self) -> String {
        format!("reference/{}/{}", self.kind.as_str(), self.id)
    }

    /// The error for a reference to something that does not exist.
    pub(crate) fn missing(&self) -> ApiError {
        let code = match self.kind {
            Kind::Distribution => ErrorCode::NoSuchDistribution,
            Kind::CachePolicy => ErrorCode::NoSuchCachePolicy,
            Kind::OriginRequestPolicy => ErrorCode::NoSuchOriginRequestPolicy,
            Kind::ResponseHeadersPolicy => ErrorCode::NoSuchResponseHeadersPolicy,
            Kind::PublicKey => ErrorCode::NoSuchPublicKey,
            Kind::KeyGroup => ErrorCode::TrustedKeyGroupDoesNotExist,
            Kind::OriginAccessControl => ErrorCode::NoSuchOriginAccessControl,
            Kind::RealtimeLogConfig => ErrorCode::NoSuchRealtimeLogConfig,
            Kind::ContinuousDeploymentPolicy => ErrorCode::NoSuchContinuousDeploymentPolicy,
            Kind::StagingDistribution => ErrorCode::InvalidArgument,
            Kind::MonitoringSubscription => ErrorCode::NoSuchMonitoringSubscription,
            Kind::WebAcl => ErrorCode::InvalidWebACLId,
            Kind::Certificate => ErrorCode::InvalidViewerCertificate,
        };
        let Self { kind, id } = self;
        let words = kind.words();
        code.with_message(format!(
            "The {words} {id:?} does not exist. List what exists for its id, or create it first."
        ))
    }
}

/// The first reference that cannot be good, whatever exists.
pub(crate) fn refuse_malformed<'a>(
    references: impl IntoIterator<Item = &'a Reference>,
) -> Result<(), ApiError> {
    match references.into_iter().find(|reference| !reference.is_well_formed()) {
        None => Ok(()),
        Some(reference) => Err(reference.missing()),
    }
}

/// Who refers to a resource, from a place in the index on: a page of keys of the users' kind.
pub(crate) async fn users_of(
    control: &Control,
    reference: &Reference,
    user_kind: Kind,
    after_id: &str,
    limit: usize,
) -> Result<(Vec<String>, bool), ApiError> {
    let account_id = control.account_id();
    let prefix = format!("{}/", user_kind.as_str());
    let after = Key::new(account_id, reference.index_kind(), format!("{prefix}{after_id}"));
    let range = Range::of_account(account_id, reference.index_kind()).after(after).limit(limit);
    let Page { records, more, .. } = control.store().range(range).await.map_err(storage)?;
    let all = records.len();
    let ids: Vec<String> =
        records.iter().map_while(|record| record.key.id.strip_prefix(&prefix).map(str::to_owned)).collect();
    let more = more && ids.len() == all;
    Ok((ids, more))
}

/// Refuses one more user of a resource that has as many distributions as it may have. Those that come
/// at the same moment are not counted, so there may be a few more.
pub(crate) async fn refuse_crowded<'a>(
    control: &Control,
    added: impl IntoIterator<Item = &'a Reference>,
) -> Result<(), ApiError> {
    let quotas = &control.settings().quotas;
    for reference in added {
        let (most, code) = match reference.kind {
            Kind::KeyGroup => {
                (quotas.distributions_per_key_group, ErrorCode::TooManyDistributionsAssociatedToKeyGroup)
            }
            Kind::OriginAccessControl => (
                quotas.distributions_per_origin_access_control,
                ErrorCode::TooManyDistributionsAssociatedToOriginAccessControl,
            ),
            _ => continue,
        };
        let (mut count, mut last) = (0, String::new());
        loop {
            let (users, more) = users_of(control, reference, Kind::Distribution, &last, most - count).await?;
            count += users.len();
            if count >= most {
                return Err(code.with_message(format!(
                    "The {} {} is used by {most} distributions already, the most that there may be. Use another, \
                     or raise the quota.",
                    reference.kind.words(),
                    reference.id
                )));
            }
            match users.into_iter().next_back() {
                Some(user) if more => last = user,
                _ => break,
            }
        }
    }
    Ok(())
}

/// One user of a resource, if there is any, as messages name it.
pub(crate) async fn any_user_of(
    control: &Control,
    reference: &Reference,
) -> Result<Option<String>, ApiError> {
    let range = Range::of_account(control.account_id(), reference.index_kind()).limit(1);
    let page = control.store().range(range).await.map_err(storage)?;
    Ok(page.records.into_iter().next().map(|record| record.key.id.replacen('/', " ", 1)))
}

/// What a distribution refers to.
pub(crate) fn references_of_distribution(config: &DistributionConfig) -> BTreeSet<Reference> {
    let mut references = BTreeSet::new();
    let mut add = |kind: Kind, id: Option<&str>| {
        references.extend(id.filter(|id| !id.is_empty()).map(|id| Reference::new(kind, id)));
    };
    for behavior in cache_behaviors(config) {
        let settings = &behavior.settings;
        add(Kind::CachePolicy, settings.cache_policy_id.as_deref());
        add(Kind::OriginRequestPolicy, settings.origin_request_policy_id.as_deref());
        add(Kind::ResponseHeadersPolicy, settings.response_headers_policy_id.as_deref());
        let log_config = settings.realtime_log_config_arn.as_deref();
        add(Kind::RealtimeLogConfig, log_config.map(realtime_log_config_name));
        let key_groups = settings.trusted_key_groups.as_ref().map(TrustedKeyGroups::items);
        for key_group in key_groups.unwrap_or_default() {
            add(Kind::KeyGroup, Some(key_group));
        }
    }
    for origin in &config.origins.items {
        add(Kind::OriginAccessControl, origin.origin_access_control_id.as_deref());
    }
    add(Kind::ContinuousDeploymentPolicy, config.continuous_deployment_policy_id.as_deref());
    add(Kind::WebAcl, config.web_acl_id.as_deref());
    add(Kind::Certificate, certificate_id(config));
    references
}

/// The name at the end of a real-time log configuration's ARN, under which it is kept. That the ARN is
/// one of this account is validated with the cache behavior.
pub(crate) fn realtime_log_config_name(arn: &str) -> &str {
    arn.rsplit_once('/').map_or(arn, |(_, name)| name)
}
