//! The kinds of resources that the control plane keeps.

/// What a resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Distribution,
    CachePolicy,
    OriginRequestPolicy,
    ResponseHeadersPolicy,
    PublicKey,
    KeyGroup,
    OriginAccessControl,
    RealtimeLogConfig,
    ContinuousDeploymentPolicy,
    /// A distribution that is staging, under its domain name: so do continuous deployment policies name it.
    StagingDistribution,
    /// Kept under the id of its distribution.
    MonitoringSubscription,
    WebAcl,
    Certificate,
}

impl Kind {
    /// The kind's name in the store's keys.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Distribution => "distribution",
            Self::CachePolicy => "cache-policy",
            Self::OriginRequestPolicy => "origin-request-policy",
            Self::ResponseHeadersPolicy => "response-headers-policy",
            Self::PublicKey => "public-key",
            Self::KeyGroup => "key-group",
            Self::OriginAccessControl => "origin-access-control",
            Self::RealtimeLogConfig => "realtime-log-config",
            Self::ContinuousDeploymentPolicy => "continuous-deployment-policy",
            Self::StagingDistribution => "staging-distribution",
            Self::MonitoringSubscription => "monitoring-subscription",
            Self::WebAcl => "web-acl",
            Self::Certificate => "certificate",
        }
    }

    /// The kind's name in sentences.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Distribution => "distribution",
            Self::CachePolicy => "cache policy",
            Self::OriginRequestPolicy => "origin request policy",
            Self::ResponseHeadersPolicy => "response headers policy",
            Self::PublicKey => "public key",
            Self::KeyGroup => "key group",
            Self::OriginAccessControl => "origin access control",
            Self::RealtimeLogConfig => "real-time log configuration",
            Self::ContinuousDeploymentPolicy => "continuous deployment policy",
            Self::StagingDistribution => "staging distribution",
            Self::MonitoringSubscription => "monitoring subscription",
            Self::WebAcl => "web ACL",
            Self::Certificate => "certificate",
        }
    }
}
