//! What CloudFront fills in where a distribution's configuration is silent, so that a client reads a
//! whole configuration, and reads the same again after it sent back what it read.

pub(crate) mod policies;

use aws_api::cloudfront::{
    AllowedMethods, CachedMethods, CertificateSource, CustomOriginConfig, DefaultCacheBehavior,
    DistributionConfig, ForwardedValues, GeoRestriction, GeoRestrictionType, GrpcConfig, HttpVersion,
    IpAddressType, LoggingConfig, Method, MinimumProtocolVersion, Origin, OriginShield, OriginSslProtocols,
    PriceClass, Restrictions, S3OriginConfig, SSLSupportMethod, SslProtocol, ViewerCertificate,
};

use crate::cache_behavior::for_each_settings;

/// Times to live where a cache policy or `ForwardedValues` stands without them (API reference,
/// `CachePolicyConfig`, `CacheBehavior`).
const DEFAULT_TTL_SECONDS: i64 = 86_400;
const MAX_TTL_SECONDS: i64 = 31_536_000;

/// An optional list that is always there in answers, without `Items` when it is empty.
macro_rules! complete_listing {
    ($($listing:expr),* $(,)?) => {$(
        let listing = $listing.get_or_insert_default();
        if listing.items().is_empty() {
            listing.items = None;
        }
    )*};
}

/// Fills in every default ("Values that you specify when you create or update a distribution").
pub fn complete(config: &mut DistributionConfig) {
    complete_listing!(
        config.aliases,
        config.origin_groups,
        config.cache_behaviors,
        config.custom_error_responses,
    );
    config.default_root_object.get_or_insert_default();
    config.web_acl_id.get_or_insert_default();
    config.continuous_deployment_policy_id.get_or_insert_default();
    config.staging.get_or_insert(false);
    config.price_class.get_or_insert(PriceClass::PriceClassAll);
    config.http_version.get_or_insert(HttpVersion::Http2);
    config.is_ipv6_enabled.get_or_insert(true);
    complete_logging(config.logging.get_or_insert_default());
    complete_certificate(config.viewer_certificate.get_or_insert_default());
    complete_restrictions(config.restrictions.get_or_insert_with(unrestricted));
    for origin in &mut config.origins.items {
        complete_origin(origin);
    }
    for_each_settings(config, complete_cache_behavior);
    for response in config.custom_error_responses.iter_mut().filter_map(|list| list.items.as_mut()).flatten()
    {
        response.response_page_path.get_or_insert_default();
        response.response_code.get_or_insert_default();
        response.error_caching_min_ttl.get_or_insert(10);
    }
}

fn complete_logging(logging: &mut LoggingConfig) {
    logging.enabled.get_or_insert(false);
    logging.include_cookies.get_or_insert(false);
    logging.bucket.get_or_insert_default();
    logging.prefix.get_or_insert_default();
}

/// With CloudFront's own certificate the security policy is TLSv1, whatever was sent ("Distribution
/// settings", Security policy).
fn complete_certificate(certificate: &mut ViewerCertificate) {
    adopt_deprecated_certificate(certificate);
    let own = [
        (certificate.acm_certificate_arn.clone(), CertificateSource::Acm),
        (certificate.iam_certificate_id.clone(), CertificateSource::Iam),
    ];
    let own = own.into_iter().find_map(|(name, source)| name.map(|name| (name, source)));
    if let Some((name, source)) = own {
        certificate.cloud_front_default_certificate.get_or_insert(false);
        certificate.minimum_protocol_version.get_or_insert(MinimumProtocolVersion::TLSv1);
        certificate.certificate = Some(name);
        certificate.certificate_source = Some(source);
        return;
    }
    certificate.cloud_front_default_certificate = Some(true);
    certificate.ssl_support_method = Some(SSLSupportMethod::Vip);
    certificate.minimum_protocol_version = Some(MinimumProtocolVersion::TLSv1);
    certificate.certificate = None;
    certificate.certificate_source = Some(CertificateSource::Cloudfront);
}

/// `Certificate` and `CertificateSource` say what the newer members say, for clients from before those;
/// where both are there, the newer ones count (API reference, `ViewerCertificate`). Empty texts are none.
fn adopt_deprecated_certificate(certificate: &mut ViewerCertificate) {
    for member in [
        &mut certificate.acm_certificate_arn,
        &mut certificate.iam_certificate_id,
        &mut certificate.certificate,
    ] {
        member.take_if(|text| text.is_empty());
    }
    let is_named = certificate.acm_certificate_arn.is_some() || certificate.iam_certificate_id.is_some();
    if is_named || certificate.cloud_front_default_certificate == Some(true) {
        return;
    }
    match certificate.certificate_source {
        Some(CertificateSource::Acm) => certificate.acm_certificate_arn = certificate.certificate.take(),
        Some(CertificateSource::Iam) => certificate.iam_certificate_id = certificate.certificate.take(),
        _ => {}
    }
}

fn unrestricted() -> Restrictions {
    let geo_restriction =
        GeoRestriction { restriction_type: GeoRestrictionType::None, ..GeoRestriction::default() };
    Restrictions { geo_restriction }
}

fn complete_restrictions(restrictions: &mut Restrictions) {
    if restrictions.geo_restriction.items().is_empty() {
        restrictions.geo_restriction.items = None;
    }
}

fn complete_origin(origin: &mut Origin) {
    origin.origin_path.get_or_insert_default();
    complete_listing!(origin.custom_headers);
    origin.connection_attempts.get_or_insert(3);
    origin.connection_timeout.get_or_insert(10);
    origin.origin_shield.get_or_insert(OriginShield { enabled: false, origin_shield_region: None });
    origin.origin_access_control_id.get_or_insert_default();
    let has_ipv6_address = origin.domain_name.contains(':');
    match &mut origin.custom_origin_config {
        Some(custom) => complete_custom_origin(custom, has_ipv6_address),
        None if origin.vpc_origin_config.is_some() => {}
        None => {
            let bucket = origin.s3_origin_config.get_or_insert_with(S3OriginConfig::default);
            bucket.origin_read_timeout.get_or_insert(30);
        }
    }
}

fn complete_custom_origin(custom: &mut CustomOriginConfig, has_ipv6_address: bool) {
    custom.origin_read_timeout.get_or_insert(30);
    custom.origin_keepalive_timeout.get_or_insert(5);
    let family = if has_ipv6_address { IpAddressType::Ipv6 } else { IpAddressType::Ipv4 };
    custom.ip_address_type.get_or_insert(family);
    custom.origin_ssl_protocols.get_or_insert_with(|| {
        OriginSslProtocols::from_items(vec![SslProtocol::TLSv1, SslProtocol::TLSv1_1, SslProtocol::TLSv1_2])
    });
}

fn complete_cache_behavior(settings: &mut DefaultCacheBehavior) {
    complete_listing!(
        settings.trusted_signers,
        settings.trusted_key_groups,
        settings.lambda_function_associations,
        settings.function_associations,
    );
    settings.smooth_streaming.get_or_insert(false);
    settings.compress.get_or_insert(false);
    settings.field_level_encryption_id.get_or_insert_default();
    settings.grpc_config.get_or_insert(GrpcConfig { enabled: false });
    let read_only = || vec![Method::Head, Method::Get];
    let allowed = settings.allowed_methods.get_or_insert_with(|| AllowedMethods::from_items(read_only()));
    allowed.cached_methods.get_or_insert_with(|| CachedMethods::from_items(read_only()));
    if let Some(forwarded_values) = &mut settings.forwarded_values {
        complete_forwarded_values(forwarded_values);
        let min_ttl = *settings.min_ttl.get_or_insert(0);
        let default_ttl = *settings.default_ttl.get_or_insert(DEFAULT_TTL_SECONDS.max(min_ttl));
        settings.max_ttl.get_or_insert(MAX_TTL_SECONDS.max(default_ttl));
    }
}

fn complete_forwarded_values(forwarded_values: &mut ForwardedValues) {
    complete_listing!(forwarded_values.headers, forwarded_values.query_string_cache_keys);
}
