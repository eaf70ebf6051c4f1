//! The API preset: the settings under which an API behind a distribution is itself, only shielded.

use aws_api::cloudfront::{
    AllowedMethods, CachedMethods, CustomOriginConfig, DefaultCacheBehavior, DistributionConfig, Method,
    Origin, OriginProtocolPolicy, OriginSslProtocols, Origins, SslProtocol, ViewerProtocolPolicy,
};

use super::origin_url::OriginUrl;

/// Managed-CachingDisabled ("Use managed cache policies").
const CACHING_DISABLED: &str = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";

/// Managed-AllViewer ("Use managed origin request policies").
const ALL_VIEWER: &str = "216adef6-5c7f-47e4-b989-5492eafa07d3";

/// What makes `mantlet up` find its distribution again.
pub(crate) fn caller_reference(origin: &OriginUrl) -> String {
    format!("mantlet-up:{origin}")
}

/// What CreateDistribution takes. What it leaves out has CloudFront's defaults; there is no web ACL.
pub(crate) fn distribution_config(origin: &OriginUrl) -> DistributionConfig {
    DistributionConfig {
        caller_reference: caller_reference(origin),
        comment: comment(origin).into(),
        enabled: true,
        origins: Origins::from_items(vec![api_origin(origin)]),
        default_cache_behavior: DefaultCacheBehavior {
            target_origin_id: "api".to_owned(),
            viewer_protocol_policy: ViewerProtocolPolicy::RedirectToHttps,
            allowed_methods: Some(AllowedMethods {
                cached_methods: Some(CachedMethods::from_items(vec![Method::Get, Method::Head])),
                ..AllowedMethods::from_items(Method::ALL.to_vec())
            }),
            compress: Some(false),
            cache_policy_id: Some(CACHING_DISABLED.to_owned()),
            origin_request_policy_id: Some(ALL_VIEWER.to_owned()),
            ..DefaultCacheBehavior::default()
        },
        ..DistributionConfig::default()
    }
}

fn api_origin(origin: &OriginUrl) -> Origin {
    // A port that the origin's protocol does not use is never connected to.
    let (origin_protocol_policy, plain_port, tls_port) = if origin.is_tls {
        (OriginProtocolPolicy::HttpsOnly, 80, origin.port)
    } else {
        (OriginProtocolPolicy::HttpOnly, origin.port, 443)
    };
    Origin {
        id: "api".to_owned(),
        domain_name: origin.host.clone(),
        origin_path: Some(origin.path.clone()),
        custom_origin_config: Some(CustomOriginConfig {
            http_port: plain_port.into(),
            https_port: tls_port.into(),
            origin_protocol_policy,
            origin_ssl_protocols: Some(OriginSslProtocols::from_items(vec![SslProtocol::TLSv1_2])),
            ..CustomOriginConfig::default()
        }),
        ..Origin::default()
    }
}

/// 128 characters are allowed ("DistributionConfig" in the CloudFront API Reference).
fn comment(origin: &OriginUrl) -> String {
    format!("mantlet up {origin}").chars().take(128).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_an_api_behind_a_shield() {
        let origin: OriginUrl = "http://127.0.0.1:3500/a&b".parse().unwrap();
        let config = distribution_config(&origin);
        assert_eq!(config.caller_reference, "mantlet-up:http://127.0.0.1:3500/a&b");
        assert_eq!(config.default_cache_behavior.cache_policy_id.as_deref(), Some(CACHING_DISABLED));
        assert!(config.enabled);
        assert!(config.web_acl_id.is_none());
        let behind = &config.origins.items[0];
        assert_eq!(behind.origin_path.as_deref(), Some("/a&b"));
        let ports = behind.custom_origin_config.as_ref().map(|custom| (custom.http_port, custom.https_port));
        assert_eq!(ports, Some((3500, 443)));
        assert_eq!(aws_api::inconsistent_quantity(&config), None);
    }
}
