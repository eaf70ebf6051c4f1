//! The operations: one function each, one file a family of resources.

pub(crate) mod aliases;
pub(crate) mod cache_policies;
pub(crate) mod certificate_tags;
pub(crate) mod certificates;
pub(crate) mod continuous_deployment_policies;
pub(crate) mod distributions;
pub(crate) mod distributions_by;
mod family;
pub(crate) mod identity;
pub(crate) mod invalidations;
pub(crate) mod key_groups;
pub(crate) mod monitoring_subscriptions;
pub(crate) mod origin_access_controls;
pub(crate) mod origin_request_policies;
pub(crate) mod public_keys;
pub(crate) mod realtime_log_configs;
pub(crate) mod response_headers_policies;
pub(crate) mod sessions;
pub(crate) mod staging;
pub(crate) mod tags;
pub(crate) mod web_acl_association;

#[cfg(test)]
mod association_tests;
#[cfg(test)]
mod certificate_tests;
#[cfg(test)]
mod concurrency_tests;
#[cfg(test)]
mod distributions_by_tests;
#[cfg(test)]
mod family_tests;
#[cfg(test)]
mod invalidations_tests;
#[cfg(test)]
mod round_trip_tests;
#[cfg(test)]
mod staging_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire_round_trip_tests;
