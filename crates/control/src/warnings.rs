//! What is allowed and still wrong with a distribution, told when it is stored. The rules are `lint`'s.

use std::collections::BTreeMap;

use aws_api::cloudfront::DistributionConfig;
use lint::{Policies, lint};

use crate::control::Control;
use crate::operations::cache_policies::CachePolicies;
use crate::operations::origin_request_policies::OriginRequestPolicies;
use crate::operations::response_headers_policies::ResponseHeadersPolicies;
use crate::reference::references_of_distribution;
use crate::resource::{Family, read};

/// Logs every warning about a configuration that is stored, and counts them. It fails nothing: what it
/// cannot read, the rules do not judge.
pub(crate) async fn warnings(control: &Control, distribution: &str, config: &DistributionConfig) -> usize {
    let policies = Policies {
        cache: named::<CachePolicies>(control, config).await,
        origin_request: named::<OriginRequestPolicies>(control, config).await,
        response_headers: named::<ResponseHeadersPolicies>(control, config).await,
    };
    let warnings = lint(config, &policies);
    for warning in &warnings {
        let lint::Warning { code, severity, place, .. } = warning;
        tracing::warn!(distribution, code, %severity, %place, "A distribution has a fault that is allowed");
    }
    warnings.len()
}

/// The policies of one kind that the configuration names.
async fn named<F: Family>(control: &Control, config: &DistributionConfig) -> BTreeMap<String, F::Config> {
    let mut named = BTreeMap::new();
    for reference in references_of_distribution(config).into_iter().filter(|one| one.kind == F::KIND) {
        if let Ok(stored) = read::<F>(control, &reference.id).await {
            named.insert(stored.id, stored.config);
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{TestControl, distribution_config};

    async fn check(cache_policy_id: &str, expect: usize) {
        let test = TestControl::new().await;
        let mut config = distribution_config("reference");
        config.default_cache_behavior.cache_policy_id = Some(cache_policy_id.to_owned());
        assert_eq!(warnings(&test.control, "E1", &config).await, expect, "{cache_policy_id}");
    }

    #[tokio::test]
    async fn the_preset_has_none() {
        check(crate::managed::CACHING_DISABLED_ID, 0).await;
    }

    #[tokio::test]
    async fn a_managed_policy_is_known_by_its_contents() {
        check("658327ea-f89d-4fab-a63d-7e88639e58f6", 1).await;
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_not_judged() {
        check("nonexistent", 0).await;
        check("no/id", 0).await;
    }
}
