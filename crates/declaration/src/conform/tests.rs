use serde_json::json;

use super::*;
use crate::document::parse;

fn conformed(kind: Kind, dialect: Dialect, text: &str) -> Result<Conformed, ConformError> {
    conform(kind, &parse(text.as_bytes()).unwrap()[0], dialect)
}

fn check(kind: Kind, dialect: Dialect, text: &str, expected: &serde_json::Value) {
    assert_eq!(conformed(kind, dialect, text).unwrap().config, *expected);
}

fn refused(text: &str, expected: &str) {
    let error = conformed(Kind::CachePolicy, Dialect::Own, text).unwrap_err().to_string();
    assert_eq!(error, expected);
}

#[test]
fn lists_are_counted() {
    let text = "Name: a\nMinTTL: 0\nParametersInCacheKeyAndForwardedToOrigin:\n  EnableAcceptEncodingGzip: true\n  \
                HeadersConfig: {HeaderBehavior: whitelist, Headers: [A, B]}\n  CookiesConfig: {CookieBehavior: none}\n  \
                QueryStringsConfig: {QueryStringBehavior: whitelist, QueryStrings: {Items: [q]}}\n";
    let parameters = json!({
        "EnableAcceptEncodingGzip": true,
        "HeadersConfig": {"HeaderBehavior": "whitelist", "Headers": {"Quantity": 2, "Items": ["A", "B"]}},
        "CookiesConfig": {"CookieBehavior": "none"},
        "QueryStringsConfig": {
            "QueryStringBehavior": "whitelist", "QueryStrings": {"Quantity": 1, "Items": ["q"]}
        },
    });
    let expected = json!({"Name": "a", "MinTTL": 0, "ParametersInCacheKeyAndForwardedToOrigin": parameters});
    check(Kind::CachePolicy, Dialect::Own, text, &expected);
}

#[test]
fn scalars_are_what_the_setting_wants() {
    check(Kind::CachePolicy, Dialect::Own, "Name: 5\nMinTTL: '7'\n", &json!({"Name": "5", "MinTTL": 7}));
    check(Kind::CachePolicy, Dialect::Own, "Name: ~\nMinTTL: 7\n", &json!({"MinTTL": 7}));
}

#[test]
fn faults_say_where_and_what() {
    refused(
        "Name: a\nMinTTL: soon\n",
        "line 2, column 9: CachePolicyConfig.MinTTL: a whole number is expected here",
    );
    refused("Name: a\n", "line 1, column 1: CachePolicyConfig.MinTTL: it is required; add it");
    refused("MinTTL: [1]\n", "line 1, column 9: CachePolicyConfig.MinTTL: a single value is expected here");
    refused("[1]", "line 1, column 1: CachePolicyConfig: a map of settings is expected here");
    refused(
        "MinTTL: 1\nTTL: 5\n",
        "line 2, column 6: CachePolicyConfig.TTL: there is no such setting; there are Comment, Name, DefaultTTL, \
         MaxTTL, MinTTL, ParametersInCacheKeyAndForwardedToOrigin",
    );
}

#[test]
fn what_the_model_does_not_know_is_told() {
    let conformed = conformed(Kind::CachePolicy, Dialect::Api, "{\"MinTTL\": 1, \"Newer\": {}}").unwrap();
    assert_eq!(conformed.ignored, ["CachePolicyConfig.Newer"]);
}

#[test]
fn cloudformation_has_its_own_names() {
    let text = "Enabled: true\nIPV6Enabled: false\nOrigins:\n- {Id: a, DomainName: a.example, \
                CustomOriginConfig: {OriginProtocolPolicy: https-only, OriginSSLProtocols: [TLSv1.2]}, \
                OriginCustomHeaders: [{HeaderName: X, HeaderValue: y}]}\nDefaultCacheBehavior:\n  TargetOriginId: a\n  \
                ViewerProtocolPolicy: allow-all\n  TrustedKeyGroups: [k]\n  CachedMethods: [GET, HEAD]\n\
                ViewerCertificate: {AcmCertificateArn: arn, SslSupportMethod: sni-only}\n\
                Restrictions: {GeoRestriction: {RestrictionType: whitelist, Locations: [CH]}}\n\
                Logging: {Bucket: b.s3.amazonaws.com}\n";
    let origin = json!({
        "Id": "a",
        "DomainName": "a.example",
        "CustomHeaders": {"Quantity": 1, "Items": [{"HeaderName": "X", "HeaderValue": "y"}]},
        "CustomOriginConfig": {
            "HTTPPort": 80,
            "HTTPSPort": 443,
            "OriginProtocolPolicy": "https-only",
            "OriginSslProtocols": {"Quantity": 1, "Items": ["TLSv1.2"]},
        },
    });
    let behavior = json!({
        "TargetOriginId": "a",
        "ViewerProtocolPolicy": "allow-all",
        "TrustedKeyGroups": {"Enabled": true, "Quantity": 1, "Items": ["k"]},
        "AllowedMethods": {
            "Quantity": 2,
            "Items": ["HEAD", "GET"],
            "CachedMethods": {"Quantity": 2, "Items": ["GET", "HEAD"]},
        },
    });
    let expected = json!({
        "Enabled": true,
        "IsIPV6Enabled": false,
        "Comment": "",
        "Origins": {"Quantity": 1, "Items": [origin]},
        "DefaultCacheBehavior": behavior,
        "ViewerCertificate": {"ACMCertificateArn": "arn", "SSLSupportMethod": "sni-only"},
        "Restrictions": {"GeoRestriction": {"RestrictionType": "whitelist", "Quantity": 1, "Items": ["CH"]}},
        "Logging": {"Enabled": true, "Bucket": "b.s3.amazonaws.com"},
    });
    check(Kind::Distribution, Dialect::CloudFormation, text, &expected);
}
