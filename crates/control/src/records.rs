//! What the control plane keeps: records, their keys and their bytes.
//!
//! A record is versioned JSON of our own. The API's shapes stand inside it as `aws-api` writes them.

use aws_api::cloudfront::{DistributionConfig, Tag};
use aws_api::shape::{Structure, Timestamp};
use aws_api::{from_json, to_json};
use edge_config::HostName;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::Key;

use crate::kind::Kind;
use crate::limits::{INVALIDATIONS_BYTES_MAX, INVALIDATIONS_MAX};

/// Raised whenever the bytes of a record mean something else than before.
pub(crate) const SCHEMA: u32 = 1;

/// Where a distribution is kept.
pub(crate) fn distribution_key(account_id: &str, id: &str) -> Key {
    resource_key(account_id, Kind::Distribution, id)
}

/// Where a resource of any kind is kept.
pub(crate) fn resource_key(account_id: &str, kind: Kind, id: &str) -> Key {
    Key::new(account_id, kind.as_str(), id)
}

/// Which resource of a kind has a text that no two may share: a name, a caller reference.
pub(crate) fn name_key(account_id: &str, kind: Kind, index: &str, text: &str) -> Key {
    Key::new(account_id, format!("{index}/{}", kind.as_str()), text)
}

/// Which distribution a caller reference was used for.
pub(crate) fn caller_reference_key(account_id: &str, caller_reference: &str) -> Key {
    name_key(account_id, Kind::Distribution, "caller-reference", caller_reference)
}

/// Where the tags of a resource are kept: apart, for tagging leaves the ETag as it is.
pub(crate) fn tags_key(account_id: &str, kind: Kind, id: &str) -> Key {
    Key::new(account_id, format!("tags/{}", kind.as_str()), id)
}

/// Where a distribution's invalidations are kept: together, so that they go with it in its transaction.
pub(crate) fn invalidations_key(account_id: &str, id: &str) -> Key {
    Key::new(account_id, "invalidations/distribution", id)
}

/// Written by every change of references or unique names. Whoever takes away what others may have
/// begun to use compares it. It lies among the bundles, so that the snapshot's revision passes it even
/// where a change has no bundle.
pub(crate) fn integrity_key(account_id: &str) -> Key {
    feed::marker_key(account_id, "integrity")
}

/// Why bytes in the store are no record that this release can read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    /// Written by a newer release.
    #[error("the record has schema {found}, this release knows {SCHEMA}: a newer release wrote it")]
    NewerSchema {
        /// The record's schema.
        found: u32,
    },
    /// Not JSON, or not of our shape.
    #[error("the record is malformed")]
    Malformed(#[source] serde_json::Error),
    /// The API's shape inside is not one.
    #[error("the record's configuration is malformed")]
    Configuration(#[source] aws_api::DecodeError),
    /// A time outside of four-digit years.
    #[error("the record's time is none")]
    Time,
}

#[derive(Deserialize)]
struct Schema {
    schema: u32,
}

pub(crate) fn check_schema(bytes: &[u8]) -> Result<(), RecordError> {
    let Schema { schema } = serde_json::from_slice(bytes).map_err(RecordError::Malformed)?;
    if schema > SCHEMA { Err(RecordError::NewerSchema { found: schema }) } else { Ok(()) }
}

/// A distribution as its owner wrote it, with defaults filled in. Its status is never stored.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DistributionRecord {
    pub(crate) domain_name: HostName,
    pub(crate) last_modified_time: Timestamp,
    pub(crate) config: DistributionConfig,
}

#[derive(Serialize, Deserialize)]
struct StoredDistribution {
    schema: u32,
    domain_name: HostName,
    last_modified_milliseconds: i64,
    config: Box<RawValue>,
}

impl DistributionRecord {
    pub(crate) fn encode(&self) -> Result<Vec<u8>, RecordError> {
        let stored = StoredDistribution {
            schema: SCHEMA,
            domain_name: self.domain_name.clone(),
            last_modified_milliseconds: self.last_modified_time.unix_milliseconds(),
            config: raw_json(&self.config)?,
        };
        serde_json::to_vec(&stored).map_err(RecordError::Malformed)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        check_schema(bytes)?;
        let stored: StoredDistribution = serde_json::from_slice(bytes).map_err(RecordError::Malformed)?;
        Ok(Self {
            domain_name: stored.domain_name,
            last_modified_time: time_of(stored.last_modified_milliseconds)?,
            config: from_json(stored.config.get().as_bytes()).map_err(RecordError::Configuration)?,
        })
    }
}

/// A resource that is a configuration under an id, with defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ConfigRecord<C> {
    pub(crate) created_time: Timestamp,
    pub(crate) last_modified_time: Timestamp,
    pub(crate) config: C,
}

#[derive(Serialize, Deserialize)]
struct StoredConfig {
    schema: u32,
    created_milliseconds: i64,
    last_modified_milliseconds: i64,
    config: Box<RawValue>,
}

impl<C: Structure + Default> ConfigRecord<C> {
    pub(crate) fn encode(&self) -> Result<Vec<u8>, RecordError> {
        let stored = StoredConfig {
            schema: SCHEMA,
            created_milliseconds: self.created_time.unix_milliseconds(),
            last_modified_milliseconds: self.last_modified_time.unix_milliseconds(),
            config: raw_json(&self.config)?,
        };
        serde_json::to_vec(&stored).map_err(RecordError::Malformed)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        check_schema(bytes)?;
        let stored: StoredConfig = serde_json::from_slice(bytes).map_err(RecordError::Malformed)?;
        Ok(Self {
            created_time: time_of(stored.created_milliseconds)?,
            last_modified_time: time_of(stored.last_modified_milliseconds)?,
            config: from_json(stored.config.get().as_bytes()).map_err(RecordError::Configuration)?,
        })
    }
}

fn raw_json(structure: &dyn Structure) -> Result<Box<RawValue>, RecordError> {
    let json = String::from_utf8_lossy(&to_json(structure)).into_owned();
    RawValue::from_string(json).map_err(RecordError::Malformed)
}

fn time_of(milliseconds: i64) -> Result<Timestamp, RecordError> {
    Timestamp::from_unix_milliseconds(milliseconds).map_err(|_| RecordError::Time)
}

#[derive(Serialize, Deserialize)]
struct StoredTags {
    schema: u32,
    tags: Vec<(String, Option<String>)>,
}

/// The bytes of a tags record.
pub(crate) fn encode_tags(tags: &[Tag]) -> Result<Vec<u8>, RecordError> {
    let tags = tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect();
    serde_json::to_vec(&StoredTags { schema: SCHEMA, tags }).map_err(RecordError::Malformed)
}

/// The tags of a tags record.
pub(crate) fn decode_tags(bytes: &[u8]) -> Result<Vec<Tag>, RecordError> {
    check_schema(bytes)?;
    let stored: StoredTags = serde_json::from_slice(bytes).map_err(RecordError::Malformed)?;
    Ok(stored.tags.into_iter().map(|(key, value)| Tag { key, value }).collect())
}

/// An invalidation. Its status is never stored.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InvalidationRecord {
    pub(crate) id: String,
    pub(crate) created_time: Timestamp,
    pub(crate) caller_reference: String,
    pub(crate) paths: Vec<String>,
}

/// What is kept of a distribution's invalidations.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct InvalidationsRecord {
    pub(crate) newest_first: Vec<InvalidationRecord>,
}

#[derive(Serialize, Deserialize)]
struct StoredInvalidations {
    schema: u32,
    newest_first: Vec<StoredInvalidation>,
}

#[derive(Serialize, Deserialize)]
struct StoredInvalidation {
    id: String,
    created_milliseconds: i64,
    caller_reference: String,
    paths: Vec<String>,
}

impl InvalidationsRecord {
    pub(crate) fn of_caller_reference(&self, caller_reference: &str) -> Option<&InvalidationRecord> {
        self.newest_first.iter().find(|invalidation| invalidation.caller_reference == caller_reference)
    }

    /// Adds one, in the order of ids, and lets go of the oldest beyond the limits; never of the newest.
    pub(crate) fn add(&mut self, added: InvalidationRecord) {
        let place = self.newest_first.partition_point(|invalidation| invalidation.id < added.id);
        self.newest_first.insert(place, added);
        let mut bytes = 0;
        let kept = self.newest_first.iter().take(INVALIDATIONS_MAX).take_while(|invalidation| {
            bytes += invalidation.caller_reference.len()
                + invalidation.paths.iter().map(String::len).sum::<usize>();
            bytes <= INVALIDATIONS_BYTES_MAX
        });
        let kept = kept.count().max(1);
        self.newest_first.truncate(kept);
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, RecordError> {
        let newest_first = self.newest_first.iter().map(|invalidation| StoredInvalidation {
            id: invalidation.id.clone(),
            created_milliseconds: invalidation.created_time.unix_milliseconds(),
            caller_reference: invalidation.caller_reference.clone(),
            paths: invalidation.paths.clone(),
        });
        let stored = StoredInvalidations { schema: SCHEMA, newest_first: newest_first.collect() };
        serde_json::to_vec(&stored).map_err(RecordError::Malformed)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        check_schema(bytes)?;
        let stored: StoredInvalidations = serde_json::from_slice(bytes).map_err(RecordError::Malformed)?;
        let decode = |invalidation: StoredInvalidation| {
            Ok(InvalidationRecord {
                id: invalidation.id,
                created_time: time_of(invalidation.created_milliseconds)?,
                caller_reference: invalidation.caller_reference,
                paths: invalidation.paths,
            })
        };
        Ok(Self { newest_first: stored.newest_first.into_iter().map(decode).collect::<Result<_, _>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::distribution_config;

    #[test]
    fn a_distribution_reads_as_it_was_written() {
        let record = DistributionRecord {
            domain_name: HostName::parse("d1.mantlet.localhost").unwrap(),
            last_modified_time: Timestamp::from_unix_milliseconds(1_700_000_000_123).unwrap(),
            config: distribution_config("reference"),
        };
        assert_eq!(DistributionRecord::decode(&record.encode().unwrap()).unwrap(), record);
    }

    #[test]
    fn a_newer_schema_is_refused_by_name() {
        let newer = br#"{"schema":2,"anything":[]}"#;
        assert!(matches!(DistributionRecord::decode(newer), Err(RecordError::NewerSchema { found: 2 })));
        assert!(matches!(decode_tags(newer), Err(RecordError::NewerSchema { found: 2 })));
        assert!(matches!(decode_tags(b"tags"), Err(RecordError::Malformed(_))));
    }
}
