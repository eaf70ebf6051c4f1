//! The managed policies: AWS's own, with AWS's ids, that exist in every account and never change.
//!
//! Their settings are those of the Developer Guide ("Use managed cache policies", "Use managed origin
//! request policies", "Use managed response headers policies") and, for the four that Amplify Hosting
//! uses, of the Amplify Hosting User Guide ("How Amplify applies cache configuration to an app").

mod cache_policies;
mod origin_request_policies;
mod response_headers_policies;
mod seed;

use std::sync::LazyLock;

use aws_api::cloudfront::{CachePolicyConfig, OriginRequestPolicyConfig, ResponseHeadersPolicyConfig};

pub use self::seed::{SeedError, seed_managed_policies};

/// The cache policy with which nothing is stored.
pub(crate) const CACHING_DISABLED_ID: &str = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";
/// The origin request policy with which everything goes to the origin.
pub(crate) const ALL_VIEWER_ID: &str = "216adef6-5c7f-47e4-b989-5492eafa07d3";

/// A managed policy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ManagedPolicy<C> {
    pub(crate) id: &'static str,
    pub(crate) config: C,
}

/// Every managed policy, for the rules of `lint`.
pub fn managed_policies() -> lint::Policies {
    fn by_id<C: Clone>(policies: &[ManagedPolicy<C>]) -> std::collections::BTreeMap<String, C> {
        policies.iter().map(|policy| (policy.id.to_owned(), policy.config.clone())).collect()
    }
    lint::Policies {
        cache: by_id(cache_policies()),
        origin_request: by_id(origin_request_policies()),
        response_headers: by_id(response_headers_policies()),
    }
}

/// Every managed cache policy.
pub(crate) fn cache_policies() -> &'static [ManagedPolicy<CachePolicyConfig>] {
    static ALL: LazyLock<Vec<ManagedPolicy<CachePolicyConfig>>> = LazyLock::new(cache_policies::all);
    &ALL
}

/// Every managed origin request policy.
pub(crate) fn origin_request_policies() -> &'static [ManagedPolicy<OriginRequestPolicyConfig>] {
    static ALL: LazyLock<Vec<ManagedPolicy<OriginRequestPolicyConfig>>> =
        LazyLock::new(origin_request_policies::all);
    &ALL
}

/// Every managed response headers policy.
pub(crate) fn response_headers_policies() -> &'static [ManagedPolicy<ResponseHeadersPolicyConfig>] {
    static ALL: LazyLock<Vec<ManagedPolicy<ResponseHeadersPolicyConfig>>> =
        LazyLock::new(response_headers_policies::all);
    &ALL
}

/// The managed cache policy of that id.
pub(crate) fn cache_policy(id: &str) -> Option<&'static CachePolicyConfig> {
    find(cache_policies(), id)
}

/// The managed origin request policy of that id.
pub(crate) fn origin_request_policy(id: &str) -> Option<&'static OriginRequestPolicyConfig> {
    find(origin_request_policies(), id)
}

/// The managed response headers policy of that id.
pub(crate) fn response_headers_policy(id: &str) -> Option<&'static ResponseHeadersPolicyConfig> {
    find(response_headers_policies(), id)
}

fn find<C>(policies: &'static [ManagedPolicy<C>], id: &str) -> Option<&'static C> {
    policies.iter().find(|policy| policy.id == id).map(|policy| &policy.config)
}

/// The API's name of a managed policy that the console calls `name`.
fn api_name(name: &str) -> String {
    format!("Managed-{name}")
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}
