//! Which requests have a second origin.

use edge_config::{LinkedCacheBehavior, LinkedFailover, Method};

/// What a request asks after its cache behavior's origin has failed: the secondary origin of an origin
/// group, by its methods ("Optimize high availability with CloudFront origin failover").
///
/// A body has gone to the first origin and is not kept, so a request with one is never asked again.
pub fn select_failover(
    cache_behavior: &LinkedCacheBehavior,
    method: Method,
    has_body: bool,
) -> Option<&LinkedFailover> {
    cache_behavior.failover.as_deref().filter(|failover| !has_body && failover.methods.contains(method))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use edge_config::MethodSet;

    use super::*;
    use crate::tests::distribution;

    #[test]
    fn c11_only_requests_without_a_body_and_of_its_methods_fail_over() {
        let mut behavior = distribution().default_cache_behavior;
        assert_eq!(select_failover(&behavior, Method::Get, false), None);
        let origin = Arc::clone(&behavior.origin);
        let (status_codes, methods) = (vec![500], MethodSet::READ_ONLY);
        behavior.failover = Some(Arc::new(LinkedFailover { origin, status_codes, methods }));
        for (method, has_body, expect) in [
            (Method::Get, false, true),
            (Method::Head, false, true),
            (Method::Options, false, false),
            (Method::Post, false, false),
            (Method::Get, true, false),
        ] {
            assert_eq!(select_failover(&behavior, method, has_body).is_some(), expect, "{method:?}");
        }
    }
}
