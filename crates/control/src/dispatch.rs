//! From the operation that a request asks for to the function that performs it.

use aws_api::{
    Answer, AnyOperation, ApiError, Request, Routed, acm, cloudfront, decode_input, encode_output, sts,
};

use crate::control::{Caller, Control};
use crate::operations::{
    aliases, cache_policies, certificate_tags, certificates, continuous_deployment_policies, distributions,
    distributions_by, identity, invalidations, key_groups, monitoring_subscriptions, origin_access_controls,
    origin_request_policies, public_keys, realtime_log_configs, response_headers_policies, sessions, staging,
    tags, web_acl_association,
};

/// Writes the table of implemented operations, and the function that performs them.
macro_rules! implemented {
    ($($family:ident $service:ident $name:ident => $function:path,)*) => {
        /// Every operation that is implemented. All others answer 501 and stand in
        /// `unimplemented-operations.txt`.
        #[cfg(test)]
        pub(crate) const IMPLEMENTED: &[AnyOperation] =
            &[$(AnyOperation::$family($service::OperationId::$name),)*];

        /// Performs the operation of a request.
        pub(crate) async fn dispatch(
            control: &Control,
            caller: &Caller,
            request: &Request<'_>,
            routed: &Routed,
            request_id: &str,
        ) -> Result<Answer, ApiError> {
            match routed.operation {
                $(AnyOperation::$family($service::OperationId::$name) => {
                    let input = decode_input::<$service::operation::$name>(request, &routed.labels)?;
                    let output = $function(control, caller, input).await?;
                    encode_output::<$service::operation::$name>(&output, request_id)
                })*
                other => Err(ApiError::not_implemented(other.name())),
            }
        }
    };
}

implemented! {
    CloudFront cloudfront AssociateAlias => aliases::associate,
    CloudFront cloudfront AssociateDistributionWebACL => web_acl_association::associate,
    CloudFront cloudfront CopyDistribution => staging::copy,
    CloudFront cloudfront CreateCachePolicy => cache_policies::create,
    CloudFront cloudfront CreateContinuousDeploymentPolicy => continuous_deployment_policies::create,
    CloudFront cloudfront CreateDistribution => distributions::create,
    CloudFront cloudfront CreateDistributionWithTags => distributions::create_with_tags,
    CloudFront cloudfront CreateInvalidation => invalidations::create,
    CloudFront cloudfront CreateKeyGroup => key_groups::create,
    CloudFront cloudfront CreateMonitoringSubscription => monitoring_subscriptions::create,
    CloudFront cloudfront CreateOriginAccessControl => origin_access_controls::create,
    CloudFront cloudfront CreateOriginRequestPolicy => origin_request_policies::create,
    CloudFront cloudfront CreatePublicKey => public_keys::create,
    CloudFront cloudfront CreateRealtimeLogConfig => realtime_log_configs::create,
    CloudFront cloudfront CreateResponseHeadersPolicy => response_headers_policies::create,
    CloudFront cloudfront DeleteCachePolicy => cache_policies::delete,
    CloudFront cloudfront DeleteContinuousDeploymentPolicy => continuous_deployment_policies::delete,
    CloudFront cloudfront DeleteDistribution => distributions::delete,
    CloudFront cloudfront DeleteKeyGroup => key_groups::delete,
    CloudFront cloudfront DeleteMonitoringSubscription => monitoring_subscriptions::delete,
    CloudFront cloudfront DeleteOriginAccessControl => origin_access_controls::delete,
    CloudFront cloudfront DeleteOriginRequestPolicy => origin_request_policies::delete,
    CloudFront cloudfront DeletePublicKey => public_keys::delete,
    CloudFront cloudfront DeleteRealtimeLogConfig => realtime_log_configs::delete,
    CloudFront cloudfront DeleteResponseHeadersPolicy => response_headers_policies::delete,
    CloudFront cloudfront DisassociateDistributionWebACL => web_acl_association::disassociate,
    CloudFront cloudfront GetCachePolicy => cache_policies::get,
    CloudFront cloudfront GetCachePolicyConfig => cache_policies::get_config,
    CloudFront cloudfront GetContinuousDeploymentPolicy => continuous_deployment_policies::get,
    CloudFront cloudfront GetContinuousDeploymentPolicyConfig => continuous_deployment_policies::get_config,
    CloudFront cloudfront GetDistribution => distributions::get,
    CloudFront cloudfront GetDistributionConfig => distributions::get_config,
    CloudFront cloudfront GetInvalidation => invalidations::get,
    CloudFront cloudfront GetKeyGroup => key_groups::get,
    CloudFront cloudfront GetKeyGroupConfig => key_groups::get_config,
    CloudFront cloudfront GetMonitoringSubscription => monitoring_subscriptions::get,
    CloudFront cloudfront GetOriginAccessControl => origin_access_controls::get,
    CloudFront cloudfront GetOriginAccessControlConfig => origin_access_controls::get_config,
    CloudFront cloudfront GetOriginRequestPolicy => origin_request_policies::get,
    CloudFront cloudfront GetOriginRequestPolicyConfig => origin_request_policies::get_config,
    CloudFront cloudfront GetPublicKey => public_keys::get,
    CloudFront cloudfront GetPublicKeyConfig => public_keys::get_config,
    CloudFront cloudfront GetRealtimeLogConfig => realtime_log_configs::get,
    CloudFront cloudfront GetResponseHeadersPolicy => response_headers_policies::get,
    CloudFront cloudfront GetResponseHeadersPolicyConfig => response_headers_policies::get_config,
    CloudFront cloudfront ListCachePolicies => cache_policies::list,
    CloudFront cloudfront ListConflictingAliases => aliases::list_conflicting,
    CloudFront cloudfront ListContinuousDeploymentPolicies => continuous_deployment_policies::list,
    CloudFront cloudfront ListDistributions => distributions::list,
    CloudFront cloudfront ListDistributionsByAnycastIpListId => distributions_by::anycast_ip_list,
    CloudFront cloudfront ListDistributionsByCachePolicyId => distributions_by::cache_policy,
    CloudFront cloudfront ListDistributionsByConnectionFunction => distributions_by::connection_function,
    CloudFront cloudfront ListDistributionsByConnectionMode => distributions_by::connection_mode,
    CloudFront cloudfront ListDistributionsByKeyGroup => distributions_by::key_group,
    CloudFront cloudfront ListDistributionsByOriginRequestPolicyId => distributions_by::origin_request_policy,
    CloudFront cloudfront ListDistributionsByOwnedResource => distributions_by::owned_resource,
    CloudFront cloudfront ListDistributionsByRealtimeLogConfig => distributions_by::realtime_log_config,
    CloudFront cloudfront ListDistributionsByResponseHeadersPolicyId => distributions_by::response_headers_policy,
    CloudFront cloudfront ListDistributionsByTrustStore => distributions_by::trust_store,
    CloudFront cloudfront ListDistributionsByVpcOriginId => distributions_by::vpc_origin,
    CloudFront cloudfront ListDistributionsByWebACLId => distributions_by::web_acl,
    CloudFront cloudfront ListInvalidations => invalidations::list,
    CloudFront cloudfront ListKeyGroups => key_groups::list,
    CloudFront cloudfront ListOriginAccessControls => origin_access_controls::list,
    CloudFront cloudfront ListOriginRequestPolicies => origin_request_policies::list,
    CloudFront cloudfront ListPublicKeys => public_keys::list,
    CloudFront cloudfront ListRealtimeLogConfigs => realtime_log_configs::list,
    CloudFront cloudfront ListResponseHeadersPolicies => response_headers_policies::list,
    CloudFront cloudfront ListTagsForResource => tags::list,
    CloudFront cloudfront TagResource => tags::tag,
    CloudFront cloudfront UntagResource => tags::untag,
    CloudFront cloudfront UpdateCachePolicy => cache_policies::update,
    CloudFront cloudfront UpdateContinuousDeploymentPolicy => continuous_deployment_policies::update,
    CloudFront cloudfront UpdateDistribution => distributions::update,
    CloudFront cloudfront UpdateDistributionWithStagingConfig => staging::promote,
    CloudFront cloudfront UpdateKeyGroup => key_groups::update,
    CloudFront cloudfront UpdateOriginAccessControl => origin_access_controls::update,
    CloudFront cloudfront UpdateOriginRequestPolicy => origin_request_policies::update,
    CloudFront cloudfront UpdatePublicKey => public_keys::update,
    CloudFront cloudfront UpdateRealtimeLogConfig => realtime_log_configs::update,
    CloudFront cloudfront UpdateResponseHeadersPolicy => response_headers_policies::update,
    Acm acm AddTagsToCertificate => certificate_tags::add,
    Acm acm DeleteCertificate => certificates::delete,
    Acm acm DescribeCertificate => certificates::describe,
    Acm acm GetCertificate => certificates::get,
    Acm acm ImportCertificate => certificates::import,
    Acm acm ListCertificates => certificates::list,
    Acm acm ListTagsForCertificate => certificate_tags::list,
    Acm acm ListTagsForResource => certificate_tags::list_of_resource,
    Acm acm RemoveTagsFromCertificate => certificate_tags::remove,
    Acm acm TagResource => certificate_tags::tag_resource,
    Acm acm UntagResource => certificate_tags::untag_resource,
    Sts sts AssumeRole => sessions::assume_role,
    Sts sts GetCallerIdentity => identity::get_caller_identity,
    Sts sts GetSessionToken => sessions::get_session_token,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use aws_api::wafv2;

    use super::*;

    /// Compares with the checked-in list, line by line. An operation may only leave it.
    #[test]
    fn the_unimplemented_operations_are_those_of_the_list() {
        let listed: BTreeSet<String> =
            include_str!("../unimplemented-operations.txt").lines().map(str::to_owned).collect();
        let all = cloudfront::OperationId::ALL
            .iter()
            .map(|&operation| AnyOperation::CloudFront(operation))
            .chain(wafv2::OperationId::ALL.iter().map(|&operation| AnyOperation::Wafv2(operation)))
            .chain(acm::OperationId::ALL.iter().map(|&operation| AnyOperation::Acm(operation)))
            .chain(sts::OperationId::ALL.iter().map(|&operation| AnyOperation::Sts(operation)));
        let unimplemented: BTreeSet<String> = all
            .filter(|operation| !IMPLEMENTED.contains(operation))
            .map(|operation| format!("{} {}", operation.schema().service.signing_name, operation.name()))
            .collect();
        let added: Vec<_> = unimplemented.difference(&listed).collect();
        let gone: Vec<_> = listed.difference(&unimplemented).collect();
        assert!(added.is_empty(), "implemented before, or new in the model: {added:#?}");
        assert!(gone.is_empty(), "now implemented, so take them off the list: {gone:#?}");
    }
}
