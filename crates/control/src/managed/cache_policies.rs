//! "Use managed cache policies".

use aws_api::cloudfront::{
    CachePolicyConfig, CachePolicyCookieBehavior, CachePolicyCookiesConfig, CachePolicyHeaderBehavior,
    CachePolicyHeadersConfig, CachePolicyQueryStringBehavior, CachePolicyQueryStringsConfig, Headers,
    ParametersInCacheKeyAndForwardedToOrigin, QueryStringNames,
};

use super::{CACHING_DISABLED_ID, ManagedPolicy, api_name, strings};

/// A row of the table.
struct Row {
    id: &'static str,
    name: &'static str,
    comment: &'static str,
    /// Minimum, default and maximum, in seconds.
    ttl: [i64; 3],
    headers: &'static [&'static str],
    cookies: CachePolicyCookieBehavior,
    query_strings: QueryStrings,
    compression: Compression,
}

enum QueryStrings {
    None,
    All,
    Only(&'static [&'static str]),
}

enum Compression {
    Off,
    Gzip,
    GzipAndBrotli,
}

const YEAR: i64 = 31_536_000;
const DAY: i64 = 86_400;
const METHOD_OVERRIDES: &[&str] =
    &["Host", "Origin", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"];
const AMPLIFY_DEFAULT: &[&str] = &["Authorization", "Accept", "CloudFront-Viewer-Country", "Host"];

const TABLE: [Row; 11] = [
    Row {
        id: CACHING_DISABLED_ID,
        name: "CachingDisabled",
        comment: "Policy with caching disabled",
        ttl: [0, 0, 0],
        headers: &[],
        cookies: CachePolicyCookieBehavior::None,
        query_strings: QueryStrings::None,
        compression: Compression::Off,
    },
    Row {
        id: "658327ea-f89d-4fab-a63d-7e88639e58f6",
        name: "CachingOptimized",
        comment: "Policy with caching enabled. Supports Gzip and Brotli compression.",
        ttl: [1, DAY, YEAR],
        headers: &[],
        cookies: CachePolicyCookieBehavior::None,
        query_strings: QueryStrings::None,
        compression: Compression::GzipAndBrotli,
    },
    Row {
        id: "b2884449-e4de-46a7-ac36-70bc7f1ddd6d",
        name: "CachingOptimizedForUncompressedObjects",
        comment: "Default policy when compression is disabled",
        ttl: [1, DAY, YEAR],
        headers: &[],
        cookies: CachePolicyCookieBehavior::None,
        query_strings: QueryStrings::None,
        compression: Compression::Off,
    },
    Row {
        id: "83da9c7e-98b4-4e11-a168-04f0df8e2c65",
        name: "UseOriginCacheControlHeaders",
        comment: "Policy for origins that return Cache-Control headers. Query strings are not included in the \
                  cache key.",
        ttl: [0, 0, YEAR],
        headers: METHOD_OVERRIDES,
        cookies: CachePolicyCookieBehavior::All,
        query_strings: QueryStrings::None,
        compression: Compression::GzipAndBrotli,
    },
    Row {
        id: "4cc15a8a-d715-48a4-82b8-cc0b614638fe",
        name: "UseOriginCacheControlHeaders-QueryStrings",
        comment: "Policy for origins that return Cache-Control headers and serve different content based on \
                  values present in the query string.",
        ttl: [0, 0, YEAR],
        headers: METHOD_OVERRIDES,
        cookies: CachePolicyCookieBehavior::All,
        query_strings: QueryStrings::All,
        compression: Compression::GzipAndBrotli,
    },
    Row {
        id: "08627262-05a9-4f76-9ded-b50ca2e3a84f",
        name: "Elemental-MediaPackage",
        comment: "Policy for Elemental MediaPackage Origin",
        ttl: [0, DAY, YEAR],
        headers: &["Origin"],
        cookies: CachePolicyCookieBehavior::None,
        query_strings: QueryStrings::Only(&["aws.manifestfilter", "start", "end", "m"]),
        compression: Compression::Gzip,
    },
    Row {
        id: "2e54312d-136d-493c-8eb9-b001f22f67d2",
        name: "Amplify",
        comment: "Policy for Amplify Origin",
        ttl: [2, 2, 600],
        headers: &["Authorization", "CloudFront-Viewer-Country", "Host"],
        cookies: CachePolicyCookieBehavior::All,
        query_strings: QueryStrings::All,
        compression: Compression::GzipAndBrotli,
    },
    Row {
        id: "4d1d2f1d-3a71-49ad-9e08-7ea5d843a556",
        name: "Amplify-Default",
        comment: "Default Amplify cache policy",
        ttl: [0, 0, YEAR],
        headers: AMPLIFY_DEFAULT,
        cookies: CachePolicyCookieBehavior::All,
        query_strings: QueryStrings::All,
        compression: Compression::GzipAndBrotli,
    },
    Row {
        id: "a6bad946-36c3-4c33-aa98-362c74a7fb13",
        name: "Amplify-DefaultNoCookies",
        comment: "Default Amplify cache policy without cookies",
        ttl: [0, 0, YEAR],
        headers: AMPLIFY_DEFAULT,
        cookies: CachePolicyCookieBehavior::None,
        query_strings: QueryStrings::All,
        compression: Compression::GzipAndBrotli,
    },
    Row {
        id: "1c6db51a-a33f-469a-8245-dae26771f530",
        name: "Amplify-ImageOptimization",
        comment: "Amplify cache policy for image optimization",
        ttl: [0, 0, YEAR],
        headers: &["Authorization", "Accept", "Host"],
        cookies: CachePolicyCookieBehavior::None,
        query_strings: QueryStrings::All,
        compression: Compression::GzipAndBrotli,
    },
    Row {
        id: "7e5fad67-ee98-4ad0-b05a-394999eefc1a",
        name: "Amplify-StaticContent",
        comment: "Amplify cache policy for static content",
        ttl: [0, 0, YEAR],
        headers: &["Authorization", "Host"],
        cookies: CachePolicyCookieBehavior::None,
        query_strings: QueryStrings::None,
        compression: Compression::GzipAndBrotli,
    },
];

pub(super) fn all() -> Vec<ManagedPolicy<CachePolicyConfig>> {
    TABLE.iter().map(|row| ManagedPolicy { id: row.id, config: row.config() }).collect()
}

impl Row {
    fn config(&self) -> CachePolicyConfig {
        let [min_ttl, default_ttl, max_ttl] = self.ttl;
        CachePolicyConfig {
            comment: Some(self.comment.to_owned()),
            name: api_name(self.name),
            min_ttl,
            default_ttl: Some(default_ttl),
            max_ttl: Some(max_ttl),
            parameters_in_cache_key_and_forwarded_to_origin: Some(self.parameters()),
        }
    }

    fn parameters(&self) -> ParametersInCacheKeyAndForwardedToOrigin {
        let (gzip, brotli) = match self.compression {
            Compression::Off => (false, false),
            Compression::Gzip => (true, false),
            Compression::GzipAndBrotli => (true, true),
        };
        ParametersInCacheKeyAndForwardedToOrigin {
            enable_accept_encoding_gzip: gzip,
            enable_accept_encoding_brotli: Some(brotli),
            headers_config: headers(self.headers),
            cookies_config: CachePolicyCookiesConfig { cookie_behavior: self.cookies, cookies: None },
            query_strings_config: query_strings(&self.query_strings),
        }
    }
}

fn headers(names: &[&str]) -> CachePolicyHeadersConfig {
    match names {
        [] => CachePolicyHeadersConfig { header_behavior: CachePolicyHeaderBehavior::None, headers: None },
        names => CachePolicyHeadersConfig {
            header_behavior: CachePolicyHeaderBehavior::Whitelist,
            headers: Some(Headers::from_items(strings(names))),
        },
    }
}

fn query_strings(selection: &QueryStrings) -> CachePolicyQueryStringsConfig {
    let (query_string_behavior, query_strings) = match selection {
        QueryStrings::None => (CachePolicyQueryStringBehavior::None, None),
        QueryStrings::All => (CachePolicyQueryStringBehavior::All, None),
        QueryStrings::Only(names) => {
            (CachePolicyQueryStringBehavior::Whitelist, Some(QueryStringNames::from_items(strings(names))))
        }
    };
    CachePolicyQueryStringsConfig { query_string_behavior, query_strings }
}
