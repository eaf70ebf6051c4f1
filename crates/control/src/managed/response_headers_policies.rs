//! "Use managed response headers policies".

use aws_api::cloudfront::{
    FrameOptionsList, ReferrerPolicyList, ResponseHeadersPolicyAccessControlAllowHeaders,
    ResponseHeadersPolicyAccessControlAllowMethods, ResponseHeadersPolicyAccessControlAllowMethodsValues,
    ResponseHeadersPolicyAccessControlAllowOrigins, ResponseHeadersPolicyAccessControlExposeHeaders,
    ResponseHeadersPolicyConfig, ResponseHeadersPolicyContentTypeOptions, ResponseHeadersPolicyCorsConfig,
    ResponseHeadersPolicyFrameOptions, ResponseHeadersPolicyReferrerPolicy,
    ResponseHeadersPolicySecurityHeadersConfig, ResponseHeadersPolicyStrictTransportSecurity,
    ResponseHeadersPolicyXSSProtection,
};

use super::{ManagedPolicy, api_name, strings};

/// A row of the table.
struct Row {
    id: &'static str,
    name: &'static str,
    comment: &'static str,
    cors: Cors,
    security_headers: bool,
}

enum Cors {
    None,
    Simple,
    WithPreflight,
}

const TABLE: [Row; 5] = [
    Row {
        id: "60669652-455b-4ae9-85a4-c4c02393f86c",
        name: "SimpleCORS",
        comment: "Allows all origins for simple CORS requests",
        cors: Cors::Simple,
        security_headers: false,
    },
    Row {
        id: "5cc3b908-e619-4b99-88e5-2cf7f45965bd",
        name: "CORS-With-Preflight",
        comment: "Allows all origins for CORS requests, including preflight requests",
        cors: Cors::WithPreflight,
        security_headers: false,
    },
    Row {
        id: "67f7725c-6f97-4210-82d7-5512b31e9d03",
        name: "SecurityHeadersPolicy",
        comment: "Adds a set of security headers to every response",
        cors: Cors::None,
        security_headers: true,
    },
    Row {
        id: "e61eb60c-9c35-4d20-a928-2b84e02af89c",
        name: "CORS-and-SecurityHeadersPolicy",
        comment: "Allows all origins for simple CORS requests and adds security headers",
        cors: Cors::Simple,
        security_headers: true,
    },
    Row {
        id: "eaab4381-ed33-4a86-88ca-d9558dc6cd63",
        name: "CORS-with-preflight-and-SecurityHeadersPolicy",
        comment: "Allows all origins for CORS requests, including preflight requests, and adds security headers",
        cors: Cors::WithPreflight,
        security_headers: true,
    },
];

pub(super) fn all() -> Vec<ManagedPolicy<ResponseHeadersPolicyConfig>> {
    TABLE.iter().map(|row| ManagedPolicy { id: row.id, config: row.config() }).collect()
}

impl Row {
    fn config(&self) -> ResponseHeadersPolicyConfig {
        ResponseHeadersPolicyConfig {
            comment: Some(self.comment.to_owned()),
            name: api_name(self.name),
            cors_config: match self.cors {
                Cors::None => None,
                Cors::Simple => Some(simple_cors()),
                Cors::WithPreflight => Some(cors_with_preflight()),
            },
            security_headers_config: self.security_headers.then(security_headers),
            ..ResponseHeadersPolicyConfig::default()
        }
    }
}

fn simple_cors() -> ResponseHeadersPolicyCorsConfig {
    ResponseHeadersPolicyCorsConfig {
        access_control_allow_origins: ResponseHeadersPolicyAccessControlAllowOrigins::from_items(strings(&[
            "*",
        ])),
        access_control_allow_headers: ResponseHeadersPolicyAccessControlAllowHeaders::from_items(Vec::new()),
        access_control_allow_methods: ResponseHeadersPolicyAccessControlAllowMethods::from_items(Vec::new()),
        access_control_allow_credentials: false,
        access_control_expose_headers: None,
        access_control_max_age_sec: None,
        origin_override: false,
    }
}

fn cors_with_preflight() -> ResponseHeadersPolicyCorsConfig {
    use ResponseHeadersPolicyAccessControlAllowMethodsValues::{
        Delete, Get, Head, Options, Patch, Post, Put,
    };
    let methods = vec![Delete, Get, Head, Options, Patch, Post, Put];
    let exposed = strings(&["*"]);
    ResponseHeadersPolicyCorsConfig {
        access_control_allow_methods: ResponseHeadersPolicyAccessControlAllowMethods::from_items(methods),
        access_control_expose_headers: Some(ResponseHeadersPolicyAccessControlExposeHeaders::from_items(
            exposed,
        )),
        ..simple_cors()
    }
}

fn security_headers() -> ResponseHeadersPolicySecurityHeadersConfig {
    ResponseHeadersPolicySecurityHeadersConfig {
        xss_protection: Some(ResponseHeadersPolicyXSSProtection {
            r#override: false,
            protection: true,
            mode_block: Some(true),
            report_uri: None,
        }),
        frame_options: Some(ResponseHeadersPolicyFrameOptions {
            r#override: false,
            frame_option: FrameOptionsList::Sameorigin,
        }),
        referrer_policy: Some(ResponseHeadersPolicyReferrerPolicy {
            r#override: false,
            referrer_policy: ReferrerPolicyList::StrictOriginWhenCrossOrigin,
        }),
        content_security_policy: None,
        content_type_options: Some(ResponseHeadersPolicyContentTypeOptions { r#override: true }),
        strict_transport_security: Some(ResponseHeadersPolicyStrictTransportSecurity {
            r#override: false,
            include_subdomains: Some(false),
            preload: Some(false),
            access_control_max_age_sec: 31_536_000,
        }),
    }
}
