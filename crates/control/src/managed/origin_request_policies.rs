//! "Use managed origin request policies".

use aws_api::cloudfront::{
    Headers, OriginRequestPolicyConfig, OriginRequestPolicyCookieBehavior, OriginRequestPolicyCookiesConfig,
    OriginRequestPolicyHeaderBehavior, OriginRequestPolicyHeadersConfig,
    OriginRequestPolicyQueryStringBehavior, OriginRequestPolicyQueryStringsConfig,
};

use super::{ALL_VIEWER_ID, ManagedPolicy, api_name, strings};

/// A row of the table.
struct Row {
    id: &'static str,
    name: &'static str,
    comment: &'static str,
    header_behavior: OriginRequestPolicyHeaderBehavior,
    headers: &'static [&'static str],
    /// All cookies, or none.
    cookies: bool,
    /// All query strings, or none.
    query_strings: bool,
}

const PREFLIGHT: [&str; 3] = ["Origin", "Access-Control-Request-Headers", "Access-Control-Request-Method"];

const CLOUDFRONT_HEADERS_2022_06: [&str; 21] = [
    "CloudFront-Forwarded-Proto",
    "CloudFront-Is-Android-Viewer",
    "CloudFront-Is-Desktop-Viewer",
    "CloudFront-Is-IOS-Viewer",
    "CloudFront-Is-Mobile-Viewer",
    "CloudFront-Is-SmartTV-Viewer",
    "CloudFront-Is-Tablet-Viewer",
    "CloudFront-Viewer-Address",
    "CloudFront-Viewer-ASN",
    "CloudFront-Viewer-City",
    "CloudFront-Viewer-Country",
    "CloudFront-Viewer-Country-Name",
    "CloudFront-Viewer-Country-Region",
    "CloudFront-Viewer-Country-Region-Name",
    "CloudFront-Viewer-Http-Version",
    "CloudFront-Viewer-Latitude",
    "CloudFront-Viewer-Longitude",
    "CloudFront-Viewer-Metro-Code",
    "CloudFront-Viewer-Postal-Code",
    "CloudFront-Viewer-Time-Zone",
    "CloudFront-Viewer-TLS",
];

const TABLE: [Row; 8] = [
    Row {
        id: ALL_VIEWER_ID,
        name: "AllViewer",
        comment: "Policy to forward all parameters in viewer requests",
        header_behavior: OriginRequestPolicyHeaderBehavior::AllViewer,
        headers: &[],
        cookies: true,
        query_strings: true,
    },
    Row {
        id: "b689b0a8-53d0-40ab-baf2-68738e2966ac",
        name: "AllViewerExceptHostHeader",
        comment: "Policy to forward all parameters in viewer requests except for the Host header",
        header_behavior: OriginRequestPolicyHeaderBehavior::AllExcept,
        headers: &["Host"],
        cookies: true,
        query_strings: true,
    },
    Row {
        id: "33f36d7e-f396-46d9-90e0-52428a34d9dc",
        name: "AllViewerAndCloudFrontHeaders-2022-06",
        comment: "Policy to forward all parameters in viewer requests and all CloudFront headers that were \
                  released through June 2022",
        header_behavior: OriginRequestPolicyHeaderBehavior::AllViewerAndWhitelistCloudFront,
        headers: &CLOUDFRONT_HEADERS_2022_06,
        cookies: true,
        query_strings: true,
    },
    Row {
        id: "59781a5b-3903-41f3-afcb-af62929ccde1",
        name: "CORS-CustomOrigin",
        comment: "Policy for a custom origin with CORS",
        header_behavior: OriginRequestPolicyHeaderBehavior::Whitelist,
        headers: &["Origin"],
        cookies: false,
        query_strings: false,
    },
    Row {
        id: "88a5eaf4-2fd4-4709-b370-b4c650ea3fcf",
        name: "CORS-S3Origin",
        comment: "Policy for S3 origin with CORS",
        header_behavior: OriginRequestPolicyHeaderBehavior::Whitelist,
        headers: &PREFLIGHT,
        cookies: false,
        query_strings: false,
    },
    Row {
        id: "acba4595-bd28-49b8-b9fe-13317c0390fa",
        name: "UserAgentRefererHeaders",
        comment: "Policy to forward user-agent and referer headers to origin",
        header_behavior: OriginRequestPolicyHeaderBehavior::Whitelist,
        headers: &["User-Agent", "Referer"],
        cookies: false,
        query_strings: false,
    },
    Row {
        id: "bf0718e1-ba1e-49d1-88b1-f726733018ae",
        name: "HostHeaderOnly",
        comment: "Policy to forward the Host header alone",
        header_behavior: OriginRequestPolicyHeaderBehavior::Whitelist,
        headers: &["Host"],
        cookies: false,
        query_strings: false,
    },
    Row {
        id: "775133bc-15f2-49f9-abea-afb2e0bf67d2",
        name: "Elemental-MediaTailor-PersonalizedManifests",
        comment: "Policy for Elemental MediaTailor Origin",
        header_behavior: OriginRequestPolicyHeaderBehavior::Whitelist,
        headers: &[
            "Origin",
            "Access-Control-Request-Headers",
            "Access-Control-Request-Method",
            "User-Agent",
            "X-Forwarded-For",
        ],
        cookies: false,
        query_strings: true,
    },
];

pub(super) fn all() -> Vec<ManagedPolicy<OriginRequestPolicyConfig>> {
    TABLE.iter().map(|row| ManagedPolicy { id: row.id, config: row.config() }).collect()
}

impl Row {
    fn config(&self) -> OriginRequestPolicyConfig {
        let cookie_behavior = if self.cookies {
            OriginRequestPolicyCookieBehavior::All
        } else {
            OriginRequestPolicyCookieBehavior::None
        };
        let query_string_behavior = if self.query_strings {
            OriginRequestPolicyQueryStringBehavior::All
        } else {
            OriginRequestPolicyQueryStringBehavior::None
        };
        OriginRequestPolicyConfig {
            comment: Some(self.comment.to_owned()),
            name: api_name(self.name),
            headers_config: OriginRequestPolicyHeadersConfig {
                header_behavior: self.header_behavior,
                headers: (!self.headers.is_empty()).then(|| Headers::from_items(strings(self.headers))),
            },
            cookies_config: OriginRequestPolicyCookiesConfig { cookie_behavior, cookies: None },
            query_strings_config: OriginRequestPolicyQueryStringsConfig {
                query_string_behavior,
                query_strings: None,
            },
        }
    }
}
