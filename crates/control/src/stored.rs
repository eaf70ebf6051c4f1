//! What the store holds of a distribution, for who looks into it without a control plane.

use aws_api::cloudfront::{
    CachePolicyConfig, DistributionConfig, OriginRequestPolicyConfig, ResponseHeadersPolicyConfig,
};
use aws_api::shape::Structure;
use store::{Range, Record, StorageError, Store};

use crate::cache_behavior::cache_behaviors;
use crate::kind::Kind;
use crate::managed::managed_policies;
use crate::records::{ConfigRecord, DistributionRecord, RecordError, resource_key};

/// Why the store does not tell.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// It cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A newer release wrote it, or nobody did.
    #[error("the record of the distribution {id} cannot be read: {reason}")]
    Record {
        /// Its id.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A distribution as its owner wrote it.
#[derive(Clone, Debug)]
pub struct StoredDistribution {
    /// Its configuration, with defaults filled in.
    pub config: DistributionConfig,
    account_id: String,
}

/// A policy that a cache behavior names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPolicy {
    /// What sort of policy it is, in words.
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    /// Its name, unless its record cannot be read.
    pub name: Option<String>,
}

impl StoredDistribution {
    /// Finds the distribution of that id, in whatever account.
    pub async fn find(store: &dyn Store, id: &str) -> Result<Option<Self>, StoredError> {
        let Some(record) = find(store, Kind::Distribution, id).await? else { return Ok(None) };
        let unreadable =
            |error: RecordError| StoredError::Record { id: id.to_owned(), reason: error.to_string() };
        let DistributionRecord { config, .. } =
            DistributionRecord::decode(&record.value).map_err(unreadable)?;
        Ok(Some(Self { config, account_id: record.key.account }))
    }

    /// The policies of a cache behavior, by its path pattern; those of the default one without.
    pub async fn policies(
        &self,
        store: &dyn Store,
        path_pattern: Option<&str>,
    ) -> Result<Vec<NamedPolicy>, StoredError> {
        // As a bundle has it: the leading slash is optional.
        let plain = |pattern: &str| pattern.strip_prefix('/').unwrap_or(pattern).to_owned();
        let behavior = cache_behaviors(&self.config)
            .into_iter()
            .find(|behavior| behavior.path_pattern.as_deref().map(plain) == path_pattern.map(plain));
        let Some(settings) = behavior.map(|behavior| behavior.settings) else { return Ok(Vec::new()) };
        let named = [
            (Kind::CachePolicy, settings.cache_policy_id),
            (Kind::OriginRequestPolicy, settings.origin_request_policy_id),
            (Kind::ResponseHeadersPolicy, settings.response_headers_policy_id),
        ];
        let mut policies = Vec::new();
        for (kind, id) in named {
            let Some(id) = id.filter(|id| !id.is_empty()) else { continue };
            let mut name = managed_name(kind, &id);
            if name.is_none() {
                let record = store.get(&resource_key(&self.account_id, kind, &id)).await?;
                name = record.and_then(|record| own_name(kind, &record.value));
            }
            policies.push(NamedPolicy { kind: kind.words(), id, name });
        }
        Ok(policies)
    }
}

/// Accounts are few and a store does not list them, so all records of the kind are gone through.
async fn find(store: &dyn Store, kind: Kind, id: &str) -> Result<Option<Record>, StorageError> {
    let mut range = Range::of_kind_prefix(kind.as_str());
    loop {
        let page = store.range(range).await?;
        let last = page.records.last().map(|record| record.key.clone());
        let is_it = |record: &Record| record.key.kind == kind.as_str() && record.key.id == id;
        if let Some(found) = page.records.into_iter().find(is_it) {
            return Ok(Some(found));
        }
        match last {
            Some(last) if page.more => range = Range::of_kind_prefix(kind.as_str()).after(last),
            _ => return Ok(None),
        }
    }
}

/// Managed policies have no records.
fn managed_name(kind: Kind, id: &str) -> Option<String> {
    let managed = managed_policies();
    match kind {
        Kind::CachePolicy => managed.cache.get(id).map(|config| config.name.clone()),
        Kind::OriginRequestPolicy => managed.origin_request.get(id).map(|config| config.name.clone()),
        Kind::ResponseHeadersPolicy => managed.response_headers.get(id).map(|config| config.name.clone()),
        _ => None,
    }
}

fn own_name(kind: Kind, value: &[u8]) -> Option<String> {
    match kind {
        Kind::CachePolicy => config::<CachePolicyConfig>(value).map(|config| config.name),
        Kind::OriginRequestPolicy => config::<OriginRequestPolicyConfig>(value).map(|config| config.name),
        Kind::ResponseHeadersPolicy => config::<ResponseHeadersPolicyConfig>(value).map(|config| config.name),
        _ => None,
    }
}

fn config<C: Structure + Default>(value: &[u8]) -> Option<C> {
    ConfigRecord::<C>::decode(value).ok().map(|record| record.config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::distribution_config;
    use aws_api::shape::Timestamp;
    use edge_config::HostName;
    use store::{MemoryStore, Transaction};

    #[tokio::test]
    async fn a_distribution_is_found_in_its_account_with_the_names_of_its_policies() {
        let store = MemoryStore::new();
        let mut config = distribution_config("reference");
        config.default_cache_behavior.cache_policy_id = Some("P1".to_owned());
        config.default_cache_behavior.origin_request_policy_id = Some("gone".to_owned());
        let domain_name = HostName::parse("d1.mantlet.localhost").unwrap();
        let now = Timestamp::from_unix_milliseconds(0).unwrap();
        let distribution =
            DistributionRecord { domain_name, last_modified_time: now, config: config.clone() };
        let policy = CachePolicyConfig { name: "mine".to_owned(), ..CachePolicyConfig::default() };
        let policy = ConfigRecord { created_time: now, last_modified_time: now, config: policy };
        let transaction = Transaction::new()
            .put(resource_key("111111111111", Kind::Distribution, "E1"), distribution.encode().unwrap())
            .put(resource_key("111111111111", Kind::CachePolicy, "P1"), policy.encode().unwrap());
        store.commit(transaction).await.unwrap();

        let found = StoredDistribution::find(&store, "E1").await.unwrap().unwrap();
        assert_eq!(found.config, config);
        let policies = found.policies(&store, None).await.unwrap();
        let named: Vec<_> =
            policies.iter().map(|policy| (policy.kind, &*policy.id, policy.name.as_deref())).collect();
        assert_eq!(named, [("cache policy", "P1", Some("mine")), ("origin request policy", "gone", None)]);
        assert!(found.policies(&store, Some("/none/*")).await.unwrap().is_empty());
        assert!(StoredDistribution::find(&store, "E2").await.unwrap().is_none());
    }
}
