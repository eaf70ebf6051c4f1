//! The policies that a configuration names.

use std::collections::BTreeMap;

use aws_api::cloudfront::{CachePolicyConfig, OriginRequestPolicyConfig, ResponseHeadersPolicyConfig};

/// Managed-CachingDisabled ("Use managed cache policies").
pub const CACHING_DISABLED_ID: &str = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";
/// Managed-AllViewer ("Use managed origin request policies").
pub const ALL_VIEWER_ID: &str = "216adef6-5c7f-47e4-b989-5492eafa07d3";
/// Managed-AllViewerExceptHostHeader ("Use managed origin request policies").
pub const ALL_VIEWER_EXCEPT_HOST_HEADER_ID: &str = "b689b0a8-53d0-40ab-baf2-68738e2966ac";

/// Policies by their ids, managed ones too. Rules stay silent about what depends on a policy that is not here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policies {
    /// Cache policies.
    pub cache: BTreeMap<String, CachePolicyConfig>,
    /// Origin request policies.
    pub origin_request: BTreeMap<String, OriginRequestPolicyConfig>,
    /// Response headers policies.
    pub response_headers: BTreeMap<String, ResponseHeadersPolicyConfig>,
}
