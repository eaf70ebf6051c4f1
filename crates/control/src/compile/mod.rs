//! From what the user wrote to the bundle that edges run.

mod forwarded_values;
mod policies;

use aws_api::ApiError;
use aws_api::cloudfront::{
    CustomErrorResponses, CustomHeaders, DefaultCacheBehavior, DistributionConfig, ErrorCode,
    GeoRestrictionType, HttpVersion, IpAddressType, MinimumProtocolVersion, Origin, OriginGroup,
    OriginProtocolPolicy, ViewerProtocolPolicy,
};
use edge_config::{
    Bundle, CachePolicySource, CountryCode, Distribution, ErrorPage, ErrorPages, HostName, Method, MethodSet,
    OriginRequestPolicySource, ResourceId, ResourceKind, Snapshot,
};

use self::forwarded_values::{compile_forwarded_values, forwards_all_headers, origin_request_policy_of};
pub(crate) use self::policies::{
    compile_cache_policy, compile_managed_response_headers_policy, compile_origin_request_policy,
    compile_response_headers_policy,
};
use crate::cache_behavior::{AnyCacheBehavior, cache_behaviors};
use crate::certificates::viewer_certificate::certificate_id;
use crate::errors::invalid_argument;
use crate::extension_tags::Extensions;
use crate::managed;
use crate::validate::aliases::parse_aliases;
use crate::validate::cache_behaviors::enables_grpc;
use crate::validate::cache_behaviors::{parse_path_pattern, policy_id};
use crate::validate::origin_address::parse_origin_address;
use crate::validate::origin_groups;

/// To be raised whenever a record would compile to another bundle than before, so that stores are compiled
/// anew. A capability that edges learn does the same by itself.
pub(crate) const COMPILER: u32 = 1;

/// Compiles a distribution that was validated.
pub(crate) fn compile_distribution(
    config: &DistributionConfig,
    domain_name: &HostName,
    extensions: &Extensions,
) -> Result<Bundle, ApiError> {
    let certificate = config.viewer_certificate.as_ref();
    let minimum = certificate.and_then(|certificate| certificate.minimum_protocol_version);
    Ok(Bundle::Distribution(Distribution {
        domain_name: domain_name.clone(),
        aliases: parse_aliases(config)?,
        // A staging distribution gets what a continuous deployment policy sends it, and edges follow
        // none yet. Under its own name it answers nobody.
        enabled: config.enabled && config.staging != Some(true),
        http2: matches!(config.http_version, None | Some(HttpVersion::Http2 | HttpVersion::Http2and3)),
        http3: matches!(config.http_version, Some(HttpVersion::Http3 | HttpVersion::Http2and3)),
        minimum_protocol_version: compile_minimum_protocol_version(minimum),
        certificate: certificate_id(config).map(str::to_owned),
        geo_restriction: compile_geo_restriction(config)?,
        origins: config.origins.items.iter().map(compile_origin).collect::<Result<_, _>>()?,
        origin_groups: origin_groups(config).iter().map(compile_origin_group).collect::<Result<_, _>>()?,
        cache_behaviors: cache_behaviors(config)
            .iter()
            .map(|behavior| compile_cache_behavior(behavior, extensions))
            .collect::<Result<_, _>>()?,
        default_root_object: compile_default_root_object(config),
        error_pages: ErrorPages {
            pages: compile_error_pages(config)?,
            audience: extensions.error_page_audience,
        },
        max_body_bytes: extensions.max_body_bytes,
        sends_proxy_protocol: extensions.sends_proxy_protocol,
    }))
}

fn compile_default_root_object(config: &DistributionConfig) -> Option<String> {
    let object = config.default_root_object.as_deref().filter(|object| !object.is_empty())?;
    Some(path_of(&format!("/{object}")))
}

/// The custom error responses that have a page; the others say how long an error is cached.
fn compile_error_pages(config: &DistributionConfig) -> Result<Vec<ErrorPage>, ApiError> {
    let responses = config.custom_error_responses.as_ref().map(CustomErrorResponses::items);
    let mut pages = Vec::new();
    for response in responses.unwrap_or_default() {
        let Some(path) = response.response_page_path.as_deref().filter(|path| !path.is_empty()) else {
            continue;
        };
        let error_status = number(response.error_code)?;
        let response_status = response.response_code.as_deref().and_then(|code| code.parse().ok());
        pages.push(ErrorPage {
            error_status,
            path: path_of(path),
            response_status: response_status.unwrap_or(error_status),
        });
    }
    Ok(pages)
}

/// The name of an object as a path in a request: what cannot stand there is escaped (RFC 3986 section
/// 3.3). Escapes stay as they are.
fn path_of(name: &str) -> String {
    let stays = |byte: u8| byte.is_ascii_alphanumeric() || b"/%-._~!$&'()*+,;=:@".contains(&byte);
    let mut path = String::with_capacity(name.len());
    for byte in name.bytes() {
        if stays(byte) {
            path.push(char::from(byte));
        } else {
            path.extend(['%', hexadecimal(byte >> 4), hexadecimal(byte & 15)]);
        }
    }
    path
}

fn hexadecimal(digit: u8) -> char {
    char::from_digit(digit.into(), 16).unwrap_or('0').to_ascii_uppercase()
}

/// Whether no response of a cache behavior can be stored, as far as the snapshot shows its policy.
pub(crate) fn disables_caching(settings: &DefaultCacheBehavior, snapshot: &Snapshot) -> bool {
    match policy_id(settings.cache_policy_id.as_deref()) {
        Some(managed::CACHING_DISABLED_ID) => true,
        Some(id) => {
            let policy = snapshot.resource(&ResourceId::new(ResourceKind::CachePolicy, id));
            matches!(policy, Some((_, bundle)) if matches!(&**bundle, Bundle::CachePolicy(policy) if policy.disables_caching()))
        }
        None => {
            let all_headers = settings.forwarded_values.as_ref().is_some_and(forwards_all_headers);
            all_headers || [settings.min_ttl, settings.default_ttl, settings.max_ttl] == [Some(0); 3]
        }
    }
}

/// Policies older than TLSv1.2_2021 are served as it is.
fn compile_minimum_protocol_version(
    minimum: Option<MinimumProtocolVersion>,
) -> edge_config::MinimumProtocolVersion {
    match minimum {
        Some(MinimumProtocolVersion::TLSv1_3_2025) => edge_config::MinimumProtocolVersion::Tls13,
        Some(MinimumProtocolVersion::TLSv1_2_2025) => edge_config::MinimumProtocolVersion::Tls12Of2025,
        _ => edge_config::MinimumProtocolVersion::Tls12,
    }
}

fn compile_geo_restriction(
    config: &DistributionConfig,
) -> Result<Option<edge_config::GeoRestriction>, ApiError> {
    let Some(restrictions) = &config.restrictions else { return Ok(None) };
    let countries = restrictions.geo_restriction.items().iter().map(|code| CountryCode::parse(code));
    let countries = countries.collect::<Result<_, _>>().map_err(|error| {
        ErrorCode::InvalidLocationCode.with_message(format!("GeoRestriction has a wrong country: {error}."))
    })?;
    Ok(match restrictions.geo_restriction.restriction_type {
        GeoRestrictionType::None => None,
        GeoRestrictionType::Whitelist => Some(edge_config::GeoRestriction::Only(countries)),
        GeoRestrictionType::Blacklist => Some(edge_config::GeoRestriction::AllExcept(countries)),
    })
}

fn compile_origin(origin: &Origin) -> Result<edge_config::Origin, ApiError> {
    let custom = origin.custom_origin_config.as_ref();
    let headers = origin.custom_headers.as_ref().map(CustomHeaders::items).unwrap_or_default();
    let read_timeout = custom
        .and_then(|custom| custom.origin_read_timeout)
        .or(origin.s3_origin_config.as_ref().and_then(|bucket| bucket.origin_read_timeout));
    let keepalive_timeout = custom.and_then(|custom| custom.origin_keepalive_timeout);
    Ok(edge_config::Origin {
        id: origin.id.clone(),
        address: parse_origin_address(origin)?,
        ip_address_type: compile_ip_address_type(custom.and_then(|custom| custom.ip_address_type)),
        http_port: number(custom.map_or(80, |custom| custom.http_port))?,
        https_port: number(custom.map_or(443, |custom| custom.https_port))?,
        // Buckets are asked as the viewer asks ("Require HTTPS for communication between CloudFront
        // and your Amazon S3 origin").
        protocol_policy: custom.map_or(edge_config::OriginProtocolPolicy::MatchViewer, |custom| {
            compile_protocol_policy(custom.origin_protocol_policy)
        }),
        path: origin.origin_path.clone().unwrap_or_default(),
        custom_headers: headers
            .iter()
            .map(|header| (header.header_name.clone(), header.header_value.clone().into_inner()))
            .collect(),
        connection_attempts: number(origin.connection_attempts.unwrap_or(3))?,
        connection_timeout_seconds: number(origin.connection_timeout.unwrap_or(10))?,
        read_timeout_seconds: number(read_timeout.unwrap_or(30))?,
        keepalive_timeout_seconds: number(keepalive_timeout.unwrap_or(5))?,
        response_completion_timeout_seconds: origin.response_completion_timeout.map(number).transpose()?,
    })
}

fn compile_ip_address_type(family: Option<IpAddressType>) -> edge_config::IpAddressType {
    match family {
        Some(IpAddressType::Ipv6) => edge_config::IpAddressType::Ipv6,
        Some(IpAddressType::Dualstack) => edge_config::IpAddressType::Dualstack,
        Some(IpAddressType::Ipv4) | None => edge_config::IpAddressType::Ipv4,
    }
}

/// Whatever was validated has two members.
fn compile_origin_group(group: &OriginGroup) -> Result<edge_config::OriginGroup, ApiError> {
    let mut members = group.members.items.iter().map(|member| member.origin_id.clone());
    Ok(edge_config::OriginGroup {
        id: group.id.clone(),
        primary_origin_id: members.next().unwrap_or_default(),
        secondary_origin_id: members.next().unwrap_or_default(),
        failover_status_codes: group
            .failover_criteria
            .status_codes
            .items
            .iter()
            .map(|code| number(*code))
            .collect::<Result<_, _>>()?,
    })
}

fn compile_protocol_policy(policy: OriginProtocolPolicy) -> edge_config::OriginProtocolPolicy {
    match policy {
        OriginProtocolPolicy::HttpOnly => edge_config::OriginProtocolPolicy::HttpOnly,
        OriginProtocolPolicy::HttpsOnly => edge_config::OriginProtocolPolicy::HttpsOnly,
        OriginProtocolPolicy::MatchViewer => edge_config::OriginProtocolPolicy::MatchViewer,
    }
}

fn compile_cache_behavior(
    behavior: &AnyCacheBehavior,
    extensions: &Extensions,
) -> Result<edge_config::CacheBehavior, ApiError> {
    let settings = &behavior.settings;
    let origin_request_policy = policy_id(settings.origin_request_policy_id.as_deref());
    let (cache_policy, origin_request_policy) = match &settings.forwarded_values {
        Some(forwarded_values) => (
            CachePolicySource::Inline(compile_forwarded_values(forwarded_values, settings)),
            Some(OriginRequestPolicySource::Inline(origin_request_policy_of(forwarded_values))),
        ),
        None => (
            CachePolicySource::Id(settings.cache_policy_id.clone().unwrap_or_default()),
            origin_request_policy.map(|id| OriginRequestPolicySource::Id(id.to_owned())),
        ),
    };
    Ok(edge_config::CacheBehavior {
        path_pattern: parse_path_pattern(behavior)?,
        target_origin_id: settings.target_origin_id.clone(),
        viewer_protocol_policy: match settings.viewer_protocol_policy {
            ViewerProtocolPolicy::AllowAll => edge_config::ViewerProtocolPolicy::AllowAll,
            ViewerProtocolPolicy::HttpsOnly => edge_config::ViewerProtocolPolicy::HttpsOnly,
            ViewerProtocolPolicy::RedirectToHttps => edge_config::ViewerProtocolPolicy::RedirectToHttps,
        },
        allowed_methods: compile_methods(settings),
        caches_options: caches_options(settings),
        cache_policy,
        origin_request_policy,
        response_headers_policy: policy_id(settings.response_headers_policy_id.as_deref()).map(str::to_owned),
        grpc: enables_grpc(settings).then_some(extensions.grpc_transport),
    })
}

fn compile_methods(settings: &DefaultCacheBehavior) -> MethodSet {
    settings.allowed_methods.as_ref().map_or(MethodSet::READ_ONLY, |allowed| {
        allowed.items.iter().filter_map(|method| Method::from_name(method.as_str())).collect()
    })
}

fn caches_options(settings: &DefaultCacheBehavior) -> bool {
    let cached = settings.allowed_methods.as_ref().and_then(|allowed| allowed.cached_methods.as_ref());
    cached.is_some_and(|cached| cached.items.contains(&aws_api::cloudfront::Method::Options))
}

/// Whatever was validated fits.
fn number<T: TryFrom<i32>>(number: i32) -> Result<T, ApiError> {
    T::try_from(number).map_err(|_| invalid_argument(format!("The number {number} is out of range.")))
}

#[cfg(test)]
mod tests;
