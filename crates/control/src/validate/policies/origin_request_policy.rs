//! Origin request policies ("Understand origin request policies").

use aws_api::ApiError;
use aws_api::cloudfront::{
    CookieNames, ErrorCode, Headers, OriginRequestPolicyConfig, OriginRequestPolicyHeaderBehavior,
    QueryStringNames,
};

use super::selection::{Named, Selection, header_not_allowed, validate_selections};
use super::{validate_comment, validate_name};
use crate::quotas::Quotas;
use crate::validate::header_names::{is_cloudfront_header, why_unforwardable};

/// Checks a whole configuration.
pub(crate) fn validate(config: &OriginRequestPolicyConfig, quotas: &Quotas) -> Result<(), ApiError> {
    validate_name(&config.name)?;
    validate_comment(config.comment.as_deref())?;
    let (headers, cookies, query_strings) =
        (&config.headers_config, &config.cookies_config, &config.query_strings_config);
    validate_selections(&[
        Selection {
            named: Named::Headers,
            behavior: headers.header_behavior.as_str(),
            names: headers.headers.as_ref().map(Headers::items).unwrap_or_default(),
            quota: (quotas.headers_per_policy, ErrorCode::TooManyHeadersInOriginRequestPolicy),
        },
        Selection {
            named: Named::Cookies,
            behavior: cookies.cookie_behavior.as_str(),
            names: cookies.cookies.as_ref().map(CookieNames::items).unwrap_or_default(),
            quota: (quotas.cookies_per_policy, ErrorCode::TooManyCookiesInOriginRequestPolicy),
        },
        Selection {
            named: Named::QueryStrings,
            behavior: query_strings.query_string_behavior.as_str(),
            names: query_strings.query_strings.as_ref().map(QueryStringNames::items).unwrap_or_default(),
            quota: (quotas.query_strings_per_policy, ErrorCode::TooManyQueryStringsInOriginRequestPolicy),
        },
    ])?;
    validate_headers(config)
}

/// `Authorization` is allowed, as the Developer Guide says today; AWS once refused it.
fn validate_headers(config: &OriginRequestPolicyConfig) -> Result<(), ApiError> {
    let headers = config.headers_config.headers.as_ref().map(Headers::items).unwrap_or_default();
    for name in headers {
        let remedy = match config.headers_config.header_behavior {
            OriginRequestPolicyHeaderBehavior::Whitelist => why_unforwardable(name),
            OriginRequestPolicyHeaderBehavior::AllViewerAndWhitelistCloudFront => {
                (!is_cloudfront_header(name)).then_some(
                    "The list takes headers of \"Add CloudFront request headers\"; the viewer's go anyway.",
                )
            }
            // Whatever is listed is not forwarded, which cannot be wrong.
            OriginRequestPolicyHeaderBehavior::AllExcept
            | OriginRequestPolicyHeaderBehavior::None
            | OriginRequestPolicyHeaderBehavior::AllViewer => None,
        };
        if let Some(remedy) = remedy {
            return Err(header_not_allowed(name, remedy));
        }
    }
    Ok(())
}
