//! The API preset: the settings under which an API behind a distribution is itself, only shielded.

use quick_xml::escape::escape;

use super::origin_url::OriginUrl;

/// Managed-CachingDisabled ("Use managed cache policies").
const CACHING_DISABLED: &str = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";

/// Managed-AllViewer ("Use managed origin request policies").
const ALL_VIEWER: &str = "216adef6-5c7f-47e4-b989-5492eafa07d3";

/// What makes `mantlet up` find its distribution again.
pub(crate) fn caller_reference(origin: &OriginUrl) -> String {
    format!("mantlet-up:{origin}")
}

/// The document that CreateDistribution takes. What it leaves out has CloudFront's defaults; there is no web ACL.
pub(crate) fn distribution_config(origin: &OriginUrl) -> String {
    // A port that the origin's protocol does not use is never connected to.
    let (protocol_policy, plain_port, tls_port) =
        if origin.is_tls { ("https-only", 80, origin.port) } else { ("http-only", origin.port, 443) };
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<DistributionConfig xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/">
  <CallerReference>{caller_reference}</CallerReference>
  <Origins>
    <Quantity>1</Quantity>
    <Items>
      <Origin>
        <Id>api</Id>
        <DomainName>{host}</DomainName>
        <OriginPath>{path}</OriginPath>
        <CustomOriginConfig>
          <HTTPPort>{plain_port}</HTTPPort>
          <HTTPSPort>{tls_port}</HTTPSPort>
          <OriginProtocolPolicy>{protocol_policy}</OriginProtocolPolicy>
          <OriginSslProtocols><Quantity>1</Quantity><Items><SslProtocol>TLSv1.2</SslProtocol></Items></OriginSslProtocols>
        </CustomOriginConfig>
      </Origin>
    </Items>
  </Origins>
  <DefaultCacheBehavior>
    <TargetOriginId>api</TargetOriginId>
    <ViewerProtocolPolicy>redirect-to-https</ViewerProtocolPolicy>
    <AllowedMethods>
      <Quantity>7</Quantity>
      <Items>
        <Method>GET</Method><Method>HEAD</Method><Method>OPTIONS</Method><Method>PUT</Method>
        <Method>PATCH</Method><Method>POST</Method><Method>DELETE</Method>
      </Items>
      <CachedMethods><Quantity>2</Quantity><Items><Method>GET</Method><Method>HEAD</Method></Items></CachedMethods>
    </AllowedMethods>
    <Compress>false</Compress>
    <CachePolicyId>{CACHING_DISABLED}</CachePolicyId>
    <OriginRequestPolicyId>{ALL_VIEWER}</OriginRequestPolicyId>
  </DefaultCacheBehavior>
  <Comment>{comment}</Comment>
  <Enabled>true</Enabled>
</DistributionConfig>
"#,
        caller_reference = escape(caller_reference(origin)),
        host = escape(&origin.host),
        path = escape(&origin.path),
        comment = escape(comment(origin)),
    )
}

/// 128 characters are allowed ("DistributionConfig" in the CloudFront API Reference).
fn comment(origin: &OriginUrl) -> String {
    format!("mantlet up {origin}").chars().take(128).collect()
}

#[cfg(test)]
mod tests {
    use aws_api::cloudfront::operation::CreateDistribution;
    use aws_api::{AnyOperation, Request, decode_input, route};
    use http::HeaderMap;

    use super::*;

    #[test]
    fn it_is_what_create_distribution_takes() {
        let origin: OriginUrl = "http://127.0.0.1:3500/a&b".parse().unwrap();
        let body = distribution_config(&origin);
        let headers = HeaderMap::new();
        let request = Request {
            method: "POST",
            path: "/2020-05-31/distribution",
            query: "",
            headers: &headers,
            body: body.as_bytes(),
        };
        let routed = route(&request).unwrap();
        assert!(matches!(routed.operation, AnyOperation::CloudFront(_)));
        let config =
            decode_input::<CreateDistribution>(&request, &routed.labels).unwrap().distribution_config;
        assert_eq!(config.caller_reference, "mantlet-up:http://127.0.0.1:3500/a&b");
        assert_eq!(config.default_cache_behavior.cache_policy_id.as_deref(), Some(CACHING_DISABLED));
        assert!(config.enabled);
        assert!(config.web_acl_id.is_none());
        assert_eq!(config.origins.items[0].origin_path.as_deref(), Some("/a&b"));
    }
}
