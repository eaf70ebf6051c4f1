//! A distribution as boto3 sends it.

use super::requests::OwnedRequest;
use crate::cloudfront::operation::CreateDistributionWithTags;
use crate::cloudfront::{
    Aliases, AllowedMethods, CachedMethods, CustomHeaders, CustomOriginConfig, DefaultCacheBehavior,
    DistributionConfig, DistributionConfigWithTags, GeoRestriction, GeoRestrictionType, HttpVersion, Method,
    Origin, OriginCustomHeader, OriginProtocolPolicy, OriginSslProtocols, Origins, PriceClass, Restrictions,
    SslProtocol, Tag, Tags, ViewerCertificate, ViewerProtocolPolicy,
};
use crate::{Labels, decode_input, from_json, inconsistent_quantity, to_json};

fn decoded() -> DistributionConfigWithTags {
    let mut request = OwnedRequest::new("POST", "/2020-05-31/distribution", "WithTags");
    request.body = include_bytes!("fixtures/create_distribution_with_tags.xml").to_vec();
    let input = decode_input::<CreateDistributionWithTags>(&request.lend(), &Labels::default()).unwrap();
    input.distribution_config_with_tags
}

fn expected() -> DistributionConfigWithTags {
    let origin = Origin {
        id: "api".into(),
        domain_name: "192.0.2.7".into(),
        origin_path: Some(String::new()),
        custom_headers: Some(CustomHeaders::from_items(vec![OriginCustomHeader {
            header_name: "X-Key".into(),
            header_value: "s3cret".into(),
        }])),
        custom_origin_config: Some(CustomOriginConfig {
            http_port: 3500,
            https_port: 443,
            origin_protocol_policy: OriginProtocolPolicy::HttpOnly,
            origin_ssl_protocols: Some(OriginSslProtocols::from_items(vec![SslProtocol::TLSv1_2])),
            origin_read_timeout: Some(60),
            ..CustomOriginConfig::default()
        }),
        ..Origin::default()
    };
    let methods = [
        Method::Get,
        Method::Head,
        Method::Post,
        Method::Put,
        Method::Patch,
        Method::Options,
        Method::Delete,
    ];
    let behavior = DefaultCacheBehavior {
        target_origin_id: "api".into(),
        viewer_protocol_policy: ViewerProtocolPolicy::RedirectToHttps,
        allowed_methods: Some(AllowedMethods {
            cached_methods: Some(CachedMethods::from_items(vec![Method::Get, Method::Head])),
            ..AllowedMethods::from_items(methods.to_vec())
        }),
        compress: Some(true),
        cache_policy_id: Some("4135ea2d-6df8-44a3-9df3-4b5a84be39ad".into()),
        origin_request_policy_id: Some("216adef6-5c7f-47e4-b989-5492eafa07d3".into()),
        ..DefaultCacheBehavior::default()
    };
    let config = DistributionConfig {
        caller_reference: "ref-1".into(),
        comment: "the API & its <shield>".into(),
        enabled: true,
        aliases: Some(Aliases::from_items(vec!["api.example.org".into()])),
        origins: Origins::from_items(vec![origin]),
        default_cache_behavior: behavior,
        http_version: Some(HttpVersion::Http2and3),
        price_class: Some(PriceClass::PriceClassAll),
        viewer_certificate: Some(ViewerCertificate {
            cloud_front_default_certificate: Some(true),
            ..ViewerCertificate::default()
        }),
        restrictions: Some(Restrictions {
            geo_restriction: GeoRestriction {
                restriction_type: GeoRestrictionType::None,
                ..GeoRestriction::from_items(Vec::new())
            },
        }),
        ..DistributionConfig::default()
    };
    let tags = Tags { items: Some(vec![Tag { key: "stage".into(), value: Some("prod".into()) }]) };
    DistributionConfigWithTags { distribution_config: config, tags }
}

#[test]
fn a_distribution_as_boto3_sends_it_is_understood() {
    assert_eq!(decoded(), expected());
}

#[test]
fn a_record_of_it_is_lossless() {
    let record = to_json(&expected());
    assert_eq!(from_json::<DistributionConfigWithTags>(&record), Ok(expected()));
}

#[test]
fn quantities_are_compared_at_every_depth() {
    let mut config = expected().distribution_config;
    assert_eq!(inconsistent_quantity(&config), None);
    config.origins.items[0].custom_headers = Some(CustomHeaders { quantity: 2, items: None });
    assert_eq!(inconsistent_quantity(&config).as_deref(), Some("Origins.Items[0].CustomHeaders.Quantity"));
    config.aliases = Some(Aliases { quantity: 0, items: Some(vec!["a.example".into()]) });
    assert_eq!(inconsistent_quantity(&config).as_deref(), Some("Aliases.Quantity"));
}
