//! Who may do what: three roles, and the one table that gives every operation the least of them.
//!
//! The matches name every operation and have no wildcard: an operation that a newer model adds does not compile
//! until somebody has said who may call it.

use std::fmt;
use std::str::FromStr;

use aws_api::{AnyOperation, acm, cloudfront, sts, wafv2};
use serde::{Deserialize, Serialize};

/// What the holder of a key may do. Each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look at everything that reveals no private key.
    Read,
    /// Change resources of CloudFront, ACM and WAF.
    Deploy,
    /// Everything, access keys and rights of others included.
    Admin,
}

/// A text that names no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is admin, deploy or read")]
pub struct UnknownRole;

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Deploy, Self::Admin];

    /// The role's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Deploy => "deploy",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownRole)
    }
}

/// The least role that may call the operation.
pub(crate) fn needed_role(operation: AnyOperation) -> Role {
    match operation {
        AnyOperation::CloudFront(operation) => cloudfront_role(operation),
        AnyOperation::Wafv2(operation) => wafv2_role(operation),
        AnyOperation::Acm(operation) => acm_role(operation),
        AnyOperation::Sts(operation) => sts_role(operation),
    }
}

/// Whether a call leaves a line in the audit log: it changes something, or hands out credentials.
pub(crate) fn is_audited(operation: AnyOperation) -> bool {
    use sts::OperationId::{AssumeRole, GetSessionToken};
    needed_role(operation) > Role::Read
        || matches!(operation, AnyOperation::Sts(AssumeRole | GetSessionToken))
}

/// Nobody gets more from these than they have.
fn sts_role(operation: sts::OperationId) -> Role {
    use sts::OperationId as Id;
    match operation {
        Id::AssumeRole | Id::GetCallerIdentity | Id::GetSessionToken => Role::Read,
    }
}

#[expect(clippy::too_many_lines, reason = "a table has a line for each of what it says")]
fn cloudfront_role(operation: cloudfront::OperationId) -> Role {
    use cloudfront::OperationId as Id;
    match operation {
        Id::DescribeConnectionFunction
        | Id::DescribeFunction
        | Id::DescribeKeyValueStore
        | Id::GetAnycastIpList
        | Id::GetCachePolicy
        | Id::GetCachePolicyConfig
        | Id::GetCloudFrontOriginAccessIdentity
        | Id::GetCloudFrontOriginAccessIdentityConfig
        | Id::GetConnectionFunction
        | Id::GetConnectionGroup
        | Id::GetConnectionGroupByRoutingEndpoint
        | Id::GetContinuousDeploymentPolicy
        | Id::GetContinuousDeploymentPolicyConfig
        | Id::GetDistribution
        | Id::GetDistributionConfig
        | Id::GetDistributionTenant
        | Id::GetDistributionTenantByDomain
        | Id::GetFieldLevelEncryption
        | Id::GetFieldLevelEncryptionConfig
        | Id::GetFieldLevelEncryptionProfile
        | Id::GetFieldLevelEncryptionProfileConfig
        | Id::GetFunction
        | Id::GetInvalidation
        | Id::GetInvalidationForDistributionTenant
        | Id::GetKeyGroup
        | Id::GetKeyGroupConfig
        | Id::GetManagedCertificateDetails
        | Id::GetMonitoringSubscription
        | Id::GetOriginAccessControl
        | Id::GetOriginAccessControlConfig
        | Id::GetOriginRequestPolicy
        | Id::GetOriginRequestPolicyConfig
        | Id::GetPublicKey
        | Id::GetPublicKeyConfig
        | Id::GetRealtimeLogConfig
        | Id::GetResourcePolicy
        | Id::GetResponseHeadersPolicy
        | Id::GetResponseHeadersPolicyConfig
        | Id::GetStreamingDistribution
        | Id::GetStreamingDistributionConfig
        | Id::GetTrustStore
        | Id::GetVpcOrigin
        | Id::ListAnycastIpLists
        | Id::ListCachePolicies
        | Id::ListCloudFrontOriginAccessIdentities
        | Id::ListConflictingAliases
        | Id::ListConnectionFunctions
        | Id::ListConnectionGroups
        | Id::ListContinuousDeploymentPolicies
        | Id::ListDistributionTenants
        | Id::ListDistributionTenantsByCustomization
        | Id::ListDistributions
        | Id::ListDistributionsByAnycastIpListId
        | Id::ListDistributionsByCachePolicyId
        | Id::ListDistributionsByConnectionFunction
        | Id::ListDistributionsByConnectionMode
        | Id::ListDistributionsByKeyGroup
        | Id::ListDistributionsByOriginRequestPolicyId
        | Id::ListDistributionsByOwnedResource
        | Id::ListDistributionsByRealtimeLogConfig
        | Id::ListDistributionsByResponseHeadersPolicyId
        | Id::ListDistributionsByTrustStore
        | Id::ListDistributionsByVpcOriginId
        | Id::ListDistributionsByWebACLId
        | Id::ListDomainConflicts
        | Id::ListFieldLevelEncryptionConfigs
        | Id::ListFieldLevelEncryptionProfiles
        | Id::ListFunctions
        | Id::ListInvalidations
        | Id::ListInvalidationsForDistributionTenant
        | Id::ListKeyGroups
        | Id::ListKeyValueStores
        | Id::ListOriginAccessControls
        | Id::ListOriginRequestPolicies
        | Id::ListPublicKeys
        | Id::ListRealtimeLogConfigs
        | Id::ListResponseHeadersPolicies
        | Id::ListStreamingDistributions
        | Id::ListTagsForResource
        | Id::ListTrustStores
        | Id::ListVpcOrigins
        | Id::VerifyDnsConfiguration => Role::Read,
        Id::AssociateAlias
        | Id::AssociateDistributionTenantWebACL
        | Id::AssociateDistributionWebACL
        | Id::CopyDistribution
        | Id::CreateAnycastIpList
        | Id::CreateCachePolicy
        | Id::CreateCloudFrontOriginAccessIdentity
        | Id::CreateConnectionFunction
        | Id::CreateConnectionGroup
        | Id::CreateContinuousDeploymentPolicy
        | Id::CreateDistribution
        | Id::CreateDistributionTenant
        | Id::CreateDistributionWithTags
        | Id::CreateFieldLevelEncryptionConfig
        | Id::CreateFieldLevelEncryptionProfile
        | Id::CreateFunction
        | Id::CreateInvalidation
        | Id::CreateInvalidationForDistributionTenant
        | Id::CreateKeyGroup
        | Id::CreateKeyValueStore
        | Id::CreateMonitoringSubscription
        | Id::CreateOriginAccessControl
        | Id::CreateOriginRequestPolicy
        | Id::CreatePublicKey
        | Id::CreateRealtimeLogConfig
        | Id::CreateResponseHeadersPolicy
        | Id::CreateStreamingDistribution
        | Id::CreateStreamingDistributionWithTags
        | Id::CreateTrustStore
        | Id::CreateVpcOrigin
        | Id::DeleteAnycastIpList
        | Id::DeleteCachePolicy
        | Id::DeleteCloudFrontOriginAccessIdentity
        | Id::DeleteConnectionFunction
        | Id::DeleteConnectionGroup
        | Id::DeleteContinuousDeploymentPolicy
        | Id::DeleteDistribution
        | Id::DeleteDistributionTenant
        | Id::DeleteFieldLevelEncryptionConfig
        | Id::DeleteFieldLevelEncryptionProfile
        | Id::DeleteFunction
        | Id::DeleteKeyGroup
        | Id::DeleteKeyValueStore
        | Id::DeleteMonitoringSubscription
        | Id::DeleteOriginAccessControl
        | Id::DeleteOriginRequestPolicy
        | Id::DeletePublicKey
        | Id::DeleteRealtimeLogConfig
        | Id::DeleteResponseHeadersPolicy
        | Id::DeleteStreamingDistribution
        | Id::DeleteTrustStore
        | Id::DeleteVpcOrigin
        | Id::DisassociateDistributionTenantWebACL
        | Id::DisassociateDistributionWebACL
        | Id::PublishConnectionFunction
        | Id::PublishFunction
        | Id::TagResource
        | Id::TestConnectionFunction
        | Id::TestFunction
        | Id::UntagResource
        | Id::UpdateAnycastIpList
        | Id::UpdateCachePolicy
        | Id::UpdateCloudFrontOriginAccessIdentity
        | Id::UpdateConnectionFunction
        | Id::UpdateConnectionGroup
        | Id::UpdateContinuousDeploymentPolicy
        | Id::UpdateDistribution
        | Id::UpdateDistributionTenant
        | Id::UpdateDistributionWithStagingConfig
        | Id::UpdateDomainAssociation
        | Id::UpdateFieldLevelEncryptionConfig
        | Id::UpdateFieldLevelEncryptionProfile
        | Id::UpdateFunction
        | Id::UpdateKeyGroup
        | Id::UpdateKeyValueStore
        | Id::UpdateOriginAccessControl
        | Id::UpdateOriginRequestPolicy
        | Id::UpdatePublicKey
        | Id::UpdateRealtimeLogConfig
        | Id::UpdateResponseHeadersPolicy
        | Id::UpdateStreamingDistribution
        | Id::UpdateTrustStore
        | Id::UpdateVpcOrigin => Role::Deploy,
        // They give rights to other accounts.
        Id::DeleteResourcePolicy | Id::PutResourcePolicy => Role::Admin,
    }
}

fn wafv2_role(operation: wafv2::OperationId) -> Role {
    use wafv2::OperationId as Id;
    match operation {
        Id::CheckCapacity
        | Id::DescribeAllManagedProducts
        | Id::DescribeManagedProductsByVendor
        | Id::DescribeManagedRuleGroup
        | Id::GetDecryptedAPIKey
        | Id::GetIPSet
        | Id::GetLoggingConfiguration
        | Id::GetManagedRuleSet
        | Id::GetMobileSdkRelease
        | Id::GetPermissionPolicy
        | Id::GetRateBasedStatementManagedKeys
        | Id::GetRegexPatternSet
        | Id::GetRevenueStatistics
        | Id::GetRevenueStatisticsSummary
        | Id::GetRevenueStatisticsTimeSeries
        | Id::GetRuleGroup
        | Id::GetSampledRequests
        | Id::GetTopPathStatisticsByTraffic
        | Id::GetWebACL
        | Id::GetWebACLForResource
        | Id::ListAPIKeys
        | Id::ListAvailableManagedRuleGroupVersions
        | Id::ListAvailableManagedRuleGroups
        | Id::ListIPSets
        | Id::ListLoggingConfigurations
        | Id::ListManagedRuleSets
        | Id::ListMobileSdkReleases
        | Id::ListRegexPatternSets
        | Id::ListResourcesForWebACL
        | Id::ListRuleGroups
        | Id::ListSettlementRecords
        | Id::ListTagsForResource
        | Id::ListWebACLs => Role::Read,
        Id::AssociateWebACL
        | Id::CreateAPIKey
        | Id::CreateIPSet
        | Id::CreateRegexPatternSet
        | Id::CreateRuleGroup
        | Id::CreateWebACL
        | Id::DeleteAPIKey
        | Id::DeleteFirewallManagerRuleGroups
        | Id::DeleteIPSet
        | Id::DeleteLoggingConfiguration
        | Id::DeleteRegexPatternSet
        | Id::DeleteRuleGroup
        | Id::DeleteWebACL
        | Id::DisassociateWebACL
        | Id::GenerateMobileSdkReleaseUrl
        | Id::PutLoggingConfiguration
        | Id::PutManagedRuleSetVersions
        | Id::TagResource
        | Id::UntagResource
        | Id::UpdateIPSet
        | Id::UpdateManagedRuleSetVersionExpiryDate
        | Id::UpdateRegexPatternSet
        | Id::UpdateRuleGroup
        | Id::UpdateWebACL => Role::Deploy,
        // They give rights to other accounts.
        Id::DeletePermissionPolicy | Id::PutPermissionPolicy => Role::Admin,
    }
}

fn acm_role(operation: acm::OperationId) -> Role {
    use acm::OperationId as Id;
    match operation {
        Id::DescribeAcmeAccount
        | Id::DescribeAcmeDomainValidation
        | Id::DescribeAcmeEndpoint
        | Id::DescribeAcmeExternalAccountBinding
        | Id::DescribeCertificate
        | Id::GetAccountConfiguration
        | Id::GetCertificate
        | Id::ListAcmeAccounts
        | Id::ListAcmeDomainValidations
        | Id::ListAcmeEndpoints
        | Id::ListAcmeExternalAccountBindings
        | Id::ListCertificateDomainValidations
        | Id::ListCertificates
        | Id::ListTagsForCertificate
        | Id::ListTagsForResource
        | Id::SearchCertificates => Role::Read,
        Id::AddTagsToCertificate
        | Id::CreateAcmeDomainValidation
        | Id::CreateAcmeEndpoint
        | Id::DeleteAcmeDomainValidation
        | Id::DeleteAcmeEndpoint
        | Id::DeleteAcmeExternalAccountBinding
        | Id::DeleteCertificate
        | Id::ImportCertificate
        | Id::RemoveTagsFromCertificate
        | Id::RenewCertificate
        | Id::RequestCertificate
        | Id::ResendValidationEmail
        | Id::RevokeAcmeAccount
        | Id::RevokeAcmeExternalAccountBinding
        | Id::RevokeCertificate
        | Id::TagResource
        | Id::UntagResource
        | Id::UpdateAcmeDomainValidation
        | Id::UpdateAcmeEndpoint
        | Id::UpdateCertificateOptions => Role::Deploy,
        // They reveal a private key or a shared secret, or settle things for the whole account.
        Id::CreateAcmeExternalAccountBinding
        | Id::ExportCertificate
        | Id::GetAcmeExternalAccountBindingCredentials
        | Id::PutAccountConfiguration => Role::Admin,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a name says that the operation only looks.
    fn looks(name: &str) -> bool {
        ["Get", "List", "Describe"].iter().any(|verb| name.starts_with(verb))
    }

    #[test]
    fn whoever_may_only_read_changes_nothing() {
        let exceptions = ["AssumeRole", "CheckCapacity", "SearchCertificates", "VerifyDnsConfiguration"];
        for operation in AnyOperation::all().filter(|operation| needed_role(*operation) == Role::Read) {
            let name = operation.name();
            assert!(looks(name) || exceptions.contains(&name), "{name} does not only look");
        }
    }

    #[test]
    fn what_reveals_secrets_or_gives_rights_needs_an_admin() {
        let admins: Vec<_> = AnyOperation::all()
            .filter(|operation| needed_role(*operation) == Role::Admin)
            .map(AnyOperation::name)
            .collect();
        let expect = [
            "DeleteResourcePolicy",
            "PutResourcePolicy",
            "DeletePermissionPolicy",
            "PutPermissionPolicy",
            "CreateAcmeExternalAccountBinding",
            "ExportCertificate",
            "GetAcmeExternalAccountBindingCredentials",
            "PutAccountConfiguration",
        ];
        assert_eq!(admins, expect);
    }

    #[test]
    fn every_change_is_audited_and_no_look_is() {
        for operation in AnyOperation::all() {
            let name = operation.name();
            let hands_out = ["AssumeRole", "GetSessionToken"].contains(&name);
            let only_looks = needed_role(operation) == Role::Read && !hands_out;
            assert_eq!(is_audited(operation), !only_looks, "{name}");
        }
        assert!(is_audited(AnyOperation::CloudFront(cloudfront::OperationId::DeleteDistribution)));
        assert!(!is_audited(AnyOperation::CloudFront(cloudfront::OperationId::GetDistribution)));
    }

    #[test]
    fn roles_are_ordered_and_named() {
        assert!(Role::Read < Role::Deploy && Role::Deploy < Role::Admin);
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert_eq!("Admin".parse::<Role>(), Err(UnknownRole));
    }
}
