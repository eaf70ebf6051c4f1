//! What is stored and not enforced yet.
//!
//! A setting that restricts access is refused, for who sets it relies on it; every other one comes
//! back as it was sent and is named in the log when the distribution is deployed. When an edge learns
//! to enforce something, its line here goes.

use aws_api::ApiError;
use aws_api::cloudfront::{
    ConnectionMode, DefaultCacheBehavior, DistributionConfig, ErrorCode, FunctionAssociations,
    GeoRestrictionType, Headers, LambdaFunctionAssociations, MinimumProtocolVersion, Origin,
    OriginGroupSelectionCriteria, PriceClass, SSLSupportMethod,
};
use edge_config::{
    Bundle, CachePolicy, CloudFrontHeader, CloudFrontHeaders, HeaderSelection, OriginRequestPolicy,
    ResourceId, ResourceKind, Snapshot,
};

use crate::cache_behavior::cache_behaviors;
use crate::certificates::viewer_certificate::is_own;
use crate::compile::disables_caching;
use crate::validate::cache_behaviors::policy_id;
use crate::validate::header_names::CLOUDFRONT_PREFIX;
use crate::validate::origin_groups;

/// Refuses settings that restrict access and that nothing enforces, by name.
pub(crate) fn refuse_unenforced_restrictions(
    config: &DistributionConfig,
    sent: CloudFrontHeaders,
) -> Result<(), ApiError> {
    match unenforced_restrictions(config, sent).as_slice() {
        [] => Ok(()),
        names => Err(ErrorCode::UnsupportedOperation.with_message(format!(
            "Not enforced by this release, so not accepted: {}. Leave it out or switch it off; or, if the \
             distribution may be reached without it, start Mantlet with --accept-unenforced.",
            names.join(", ")
        ))),
    }
}

/// The settings of a distribution that restrict access and are not enforced. Who can send the viewer's
/// country to origins can also keep viewers out by it.
pub(crate) fn unenforced_restrictions(
    config: &DistributionConfig,
    sent: CloudFrontHeaders,
) -> Vec<&'static str> {
    let behaviors = cache_behaviors(config);
    let any = |is_set: fn(&DefaultCacheBehavior) -> bool| behaviors.iter().any(|any| is_set(&any.settings));
    let geo = config.restrictions.as_ref().map(|restrictions| restrictions.geo_restriction.restriction_type);
    named([
        ("WebACLId", is_given(config.web_acl_id.as_deref())),
        (
            "GeoRestriction",
            geo.is_some_and(|geo| geo != GeoRestrictionType::None)
                && !sent.contains(CloudFrontHeader::ViewerCountry),
        ),
        ("ViewerMtlsConfig", config.viewer_mtls_config.is_some()),
        ("ConnectionFunctionAssociation", config.connection_function_association.is_some()),
        ("ConnectionMode tenant-only", config.connection_mode == Some(ConnectionMode::TenantOnly)),
        (
            "TrustedSigners",
            any(|settings| settings.trusted_signers.as_ref().is_some_and(|some| some.enabled)),
        ),
        (
            "TrustedKeyGroups",
            any(|settings| settings.trusted_key_groups.as_ref().is_some_and(|some| some.enabled)),
        ),
        (
            "FunctionAssociations",
            any(|settings| {
                !settings
                    .function_associations
                    .as_ref()
                    .is_none_or(|list: &FunctionAssociations| list.items().is_empty())
            }),
        ),
        (
            "LambdaFunctionAssociations",
            any(|settings| {
                !settings
                    .lambda_function_associations
                    .as_ref()
                    .is_none_or(|list: &LambdaFunctionAssociations| list.items().is_empty())
            }),
        ),
    ])
}

/// The settings of a distribution that are stored and that no edge acts on, in the API's words.
///
/// The snapshot shows the policies that it refers to; `sent` are the `CloudFront-…` headers that edges can
/// send to origins.
pub fn unenforced_settings(
    config: &DistributionConfig,
    snapshot: &Snapshot,
    sent: CloudFrontHeaders,
) -> Vec<&'static str> {
    let mut names = unenforced_restrictions(config, sent);
    names.extend(unenforced_distribution_settings(config));
    names.extend(unenforced_origin_settings(config));
    names.extend(unenforced_cache_behavior_settings(config, snapshot));
    names
}

fn unenforced_distribution_settings(config: &DistributionConfig) -> Vec<&'static str> {
    let by_quality = origin_groups(config)
        .iter()
        .any(|group| group.selection_criteria == Some(OriginGroupSelectionCriteria::MediaQualityBased));
    named([
        ("SelectionCriteria media-quality-based", by_quality),
        ("Logging", config.logging.as_ref().is_some_and(|logging| logging.enabled == Some(true))),
        ("PriceClass", config.price_class.is_some_and(|class| class != PriceClass::PriceClassAll)),
        ("SSLSupportMethod", has_own_addresses(config)),
        ("MinimumProtocolVersion older", has_older_policy(config)),
        ("ContinuousDeploymentPolicyId", is_given(config.continuous_deployment_policy_id.as_deref())),
        ("AnycastIpListId", is_given(config.anycast_ip_list_id.as_deref())),
        ("TenantConfig", config.tenant_config.is_some()),
        ("CacheTagConfig", config.cache_tag_config.is_some()),
    ])
}

/// Certificates are chosen by SNI alone; the default one has `vip` in its defaults.
fn has_own_addresses(config: &DistributionConfig) -> bool {
    let own = config.viewer_certificate.as_ref().filter(|certificate| is_own(certificate));
    own.is_some_and(|own| own.ssl_support_method != Some(SSLSupportMethod::SniOnly))
}

/// What policies before TLSv1.2_2021 have more than it is not served.
fn has_older_policy(config: &DistributionConfig) -> bool {
    use MinimumProtocolVersion::{TLSv1_2_2021, TLSv1_2_2025, TLSv1_3_2025};
    let own = config.viewer_certificate.as_ref().filter(|certificate| is_own(certificate));
    let policy = own.and_then(|own| own.minimum_protocol_version);
    policy.is_some_and(|policy| !matches!(policy, TLSv1_2_2021 | TLSv1_2_2025 | TLSv1_3_2025))
}

fn unenforced_origin_settings(config: &DistributionConfig) -> Vec<&'static str> {
    let any = |is_set: fn(&Origin) -> bool| config.origins.items.iter().any(is_set);
    named([
        ("OriginShield", any(|origin| origin.origin_shield.as_ref().is_some_and(|shield| shield.enabled))),
        ("OriginAccessControlId", any(|origin| is_given(origin.origin_access_control_id.as_deref()))),
        (
            "OriginAccessIdentity",
            any(|origin| {
                let bucket = origin.s3_origin_config.as_ref();
                is_given(bucket.map(|bucket| bucket.origin_access_identity.as_str()))
            }),
        ),
        (
            "OriginMtlsConfig",
            any(|origin| {
                origin.custom_origin_config.as_ref().is_some_and(|custom| custom.origin_mtls_config.is_some())
            }),
        ),
    ])
}

fn unenforced_cache_behavior_settings(config: &DistributionConfig, snapshot: &Snapshot) -> Vec<&'static str> {
    let behaviors = cache_behaviors(config);
    let caches = behaviors.iter().any(|any| !disables_caching(&any.settings, snapshot));
    let any = |is_set: fn(&DefaultCacheBehavior) -> bool| behaviors.iter().any(|any| is_set(&any.settings));
    named([
        ("caching", caches),
        ("Compress", any(|settings| settings.compress == Some(true))),
        ("SmoothStreaming", any(|settings| settings.smooth_streaming == Some(true))),
        ("RealtimeLogConfigArn", any(|settings| is_given(settings.realtime_log_config_arn.as_deref()))),
    ])
}

/// The `CloudFront-…` headers that policies of a distribution name and that no edge sends, each once.
pub(crate) fn unsent_headers(
    config: &DistributionConfig,
    snapshot: &Snapshot,
    sent: CloudFrontHeaders,
) -> Vec<String> {
    let behaviors = cache_behaviors(config);
    let settings = behaviors.iter().map(|any| &any.settings);
    let mut names: Vec<String> = settings
        .flat_map(|settings| asked_headers(settings, snapshot))
        .filter(|name| is_unsent(name, sent))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn is_unsent(name: &str, sent: CloudFrontHeaders) -> bool {
    let is_made = CloudFrontHeader::from_name(name).is_some_and(|header| sent.contains(header));
    name.get(..CLOUDFRONT_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(CLOUDFRONT_PREFIX))
        && !is_made
}

/// The headers that a cache behavior's policies name, as far as the snapshot shows them.
fn asked_headers(settings: &DefaultCacheBehavior, snapshot: &Snapshot) -> Vec<String> {
    let policy = |kind, id: &Option<String>| {
        let id = policy_id(id.as_deref())?;
        snapshot.resource(&ResourceId::new(kind, id)).map(|(_, bundle)| &**bundle)
    };
    let mut names = Vec::new();
    if let Some(Bundle::CachePolicy(CachePolicy { headers, .. })) =
        policy(ResourceKind::CachePolicy, &settings.cache_policy_id)
    {
        names.extend_from_slice(headers);
    }
    if let Some(Bundle::OriginRequestPolicy(OriginRequestPolicy {
        headers: HeaderSelection::Only(headers) | HeaderSelection::AllViewerAndCloudFront(headers),
        ..
    })) = policy(ResourceKind::OriginRequestPolicy, &settings.origin_request_policy_id)
    {
        names.extend_from_slice(headers);
    }
    let forwarded = settings.forwarded_values.as_ref().and_then(|values| values.headers.as_ref());
    names.extend_from_slice(forwarded.map(Headers::items).unwrap_or_default());
    names
}

fn named<const N: usize>(settings: [(&'static str, bool); N]) -> Vec<&'static str> {
    settings.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect()
}

/// The API takes an empty text for none.
fn is_given(text: Option<&str>) -> bool {
    text.is_some_and(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
