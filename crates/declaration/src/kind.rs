//! The kinds of resources that can be declared, and what the API calls their parts.

use std::fmt;

use aws_api::cloudfront::{
    CachePolicyConfig, ContinuousDeploymentPolicyConfig, CreateRealtimeLogConfigRequest, DistributionConfig,
    KeyGroupConfig, OperationId, OriginAccessControlConfig, OriginRequestPolicyConfig, PublicKeyConfig,
    ResponseHeadersPolicyConfig,
};
use aws_api::shape::Structure;

/// A kind of resource, in the order in which they can be made when nothing else is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// What is in the cache key.
    CachePolicy,
    /// What origins get.
    OriginRequestPolicy,
    /// What viewers get.
    ResponseHeadersPolicy,
    /// A key that signed URLs are verified with.
    PublicKey,
    /// Several of them.
    KeyGroup,
    /// How requests to origins are signed.
    OriginAccessControl,
    /// Where records of requests are sent.
    RealtimeLogConfig,
    /// How traffic is split between a distribution and its staging distribution.
    ContinuousDeploymentPolicy,
    /// A distribution.
    Distribution,
}

/// The operations of a kind.
#[derive(Clone, Copy, Debug)]
pub struct KindOperations {
    /// Makes one.
    pub create: OperationId,
    /// Reads its configuration and its ETag.
    pub read: OperationId,
    /// Changes it.
    pub update: OperationId,
    /// Removes it.
    pub delete: OperationId,
    /// Pages of them.
    pub list: OperationId,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::CachePolicy,
        Self::OriginRequestPolicy,
        Self::ResponseHeadersPolicy,
        Self::PublicKey,
        Self::KeyGroup,
        Self::OriginAccessControl,
        Self::RealtimeLogConfig,
        Self::ContinuousDeploymentPolicy,
        Self::Distribution,
    ];

    /// The name in the model, in files and in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CachePolicy => "CachePolicy",
            Self::OriginRequestPolicy => "OriginRequestPolicy",
            Self::ResponseHeadersPolicy => "ResponseHeadersPolicy",
            Self::PublicKey => "PublicKey",
            Self::KeyGroup => "KeyGroup",
            Self::OriginAccessControl => "OriginAccessControl",
            Self::RealtimeLogConfig => "RealtimeLogConfig",
            Self::ContinuousDeploymentPolicy => "ContinuousDeploymentPolicy",
            Self::Distribution => "Distribution",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The member that holds the configuration, in requests, in answers and in templates. Real-time log
    /// configurations have none of their own: their settings stand in the request itself.
    pub const fn config_member(self) -> &'static str {
        match self {
            Self::CachePolicy => "CachePolicyConfig",
            Self::OriginRequestPolicy => "OriginRequestPolicyConfig",
            Self::ResponseHeadersPolicy => "ResponseHeadersPolicyConfig",
            Self::PublicKey => "PublicKeyConfig",
            Self::KeyGroup => "KeyGroupConfig",
            Self::OriginAccessControl => "OriginAccessControlConfig",
            Self::RealtimeLogConfig => "RealtimeLogConfig",
            Self::ContinuousDeploymentPolicy => "ContinuousDeploymentPolicyConfig",
            Self::Distribution => "DistributionConfig",
        }
    }

    /// The member of a list's answer that holds the page.
    pub const fn list_member(self) -> &'static str {
        match self {
            Self::CachePolicy => "CachePolicyList",
            Self::OriginRequestPolicy => "OriginRequestPolicyList",
            Self::ResponseHeadersPolicy => "ResponseHeadersPolicyList",
            Self::PublicKey => "PublicKeyList",
            Self::KeyGroup => "KeyGroupList",
            Self::OriginAccessControl => "OriginAccessControlList",
            Self::RealtimeLogConfig => "RealtimeLogConfigs",
            Self::ContinuousDeploymentPolicy => "ContinuousDeploymentPolicyList",
            Self::Distribution => "DistributionList",
        }
    }

    /// The operations.
    pub const fn operations(self) -> KindOperations {
        use OperationId as Id;
        macro_rules! operations {
            ($create:ident $read:ident $update:ident $delete:ident $list:ident) => {
                KindOperations {
                    create: Id::$create,
                    read: Id::$read,
                    update: Id::$update,
                    delete: Id::$delete,
                    list: Id::$list,
                }
            };
        }
        match self {
            Self::CachePolicy => operations!(
                CreateCachePolicy GetCachePolicyConfig UpdateCachePolicy DeleteCachePolicy ListCachePolicies
            ),
            Self::OriginRequestPolicy => operations!(
                CreateOriginRequestPolicy GetOriginRequestPolicyConfig UpdateOriginRequestPolicy
                DeleteOriginRequestPolicy ListOriginRequestPolicies
            ),
            Self::ResponseHeadersPolicy => operations!(
                CreateResponseHeadersPolicy GetResponseHeadersPolicyConfig UpdateResponseHeadersPolicy
                DeleteResponseHeadersPolicy ListResponseHeadersPolicies
            ),
            Self::PublicKey => operations!(
                CreatePublicKey GetPublicKeyConfig UpdatePublicKey DeletePublicKey ListPublicKeys
            ),
            Self::KeyGroup => operations!(
                CreateKeyGroup GetKeyGroupConfig UpdateKeyGroup DeleteKeyGroup ListKeyGroups
            ),
            Self::OriginAccessControl => operations!(
                CreateOriginAccessControl GetOriginAccessControlConfig UpdateOriginAccessControl
                DeleteOriginAccessControl ListOriginAccessControls
            ),
            Self::RealtimeLogConfig => operations!(
                CreateRealtimeLogConfig GetRealtimeLogConfig UpdateRealtimeLogConfig DeleteRealtimeLogConfig
                ListRealtimeLogConfigs
            ),
            Self::ContinuousDeploymentPolicy => operations!(
                CreateContinuousDeploymentPolicy GetContinuousDeploymentPolicyConfig
                UpdateContinuousDeploymentPolicy DeleteContinuousDeploymentPolicy
                ListContinuousDeploymentPolicies
            ),
            Self::Distribution => operations!(
                CreateDistribution GetDistributionConfig UpdateDistribution DeleteDistribution ListDistributions
            ),
        }
    }

    /// An empty configuration, to be filled.
    pub fn blank_config(self) -> Box<dyn Structure> {
        match self {
            Self::CachePolicy => Box::<CachePolicyConfig>::default(),
            Self::OriginRequestPolicy => Box::<OriginRequestPolicyConfig>::default(),
            Self::ResponseHeadersPolicy => Box::<ResponseHeadersPolicyConfig>::default(),
            Self::PublicKey => Box::<PublicKeyConfig>::default(),
            Self::KeyGroup => Box::<KeyGroupConfig>::default(),
            Self::OriginAccessControl => Box::<OriginAccessControlConfig>::default(),
            Self::RealtimeLogConfig => Box::<CreateRealtimeLogConfigRequest>::default(),
            Self::ContinuousDeploymentPolicy => Box::<ContinuousDeploymentPolicyConfig>::default(),
            Self::Distribution => Box::<DistributionConfig>::default(),
        }
    }

    /// Whether the configuration has a `CallerReference`: what a second creation is recognised by.
    pub const fn has_caller_reference(self) -> bool {
        matches!(self, Self::Distribution | Self::PublicKey)
    }

    /// Whether the configuration has a `Name` that no other of its kind has.
    pub const fn has_name(self) -> bool {
        !matches!(self, Self::Distribution | Self::ContinuousDeploymentPolicy)
    }

    /// What tells two resources of a kind apart whatever their ids are: their natural key. The API keeps it unique.
    pub fn natural_key(self, config: &serde_json::Value) -> Option<String> {
        let member = match self {
            Self::Distribution => &config["CallerReference"],
            // A staging distribution belongs to one policy at most.
            Self::ContinuousDeploymentPolicy => &config["StagingDistributionDnsNames"]["Items"][0],
            _ => &config["Name"],
        };
        member.as_str().map(str::to_owned)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
