//! The table of rules.

mod all_viewer_https_origin;
mod caching;
mod cors;
mod default_root_object;
mod error_pages;
mod failover;
mod methods_without_post;
mod origin_header;
mod origin_keepalive;
mod origin_timeouts;
mod public_origin;
mod redundant_behavior;
mod unforwarded;
mod unreachable_pattern;
mod viewer_tls;

use crate::rule::Rule;

/// Every rule, the worst first.
pub static RULES: &[Rule] = &[
    caching::WITH_CREDENTIALS,
    caching::MIN_TTL,
    caching::SET_COOKIE,
    viewer_tls::ALLOW_ALL,
    public_origin::UNPROTECTED,
    public_origin::IN_CLEAR,
    caching::ON_API,
    methods_without_post::RULE,
    unforwarded::RULE,
    error_pages::RULE,
    all_viewer_https_origin::RULE,
    origin_timeouts::READ,
    origin_timeouts::COMPLETION,
    cors::CREDENTIALS,
    cors::PREFLIGHT,
    unreachable_pattern::RULE,
    failover::RULE,
    origin_header::RULE,
    origin_keepalive::RULE,
    default_root_object::RULE,
    viewer_tls::OUTDATED,
    redundant_behavior::RULE,
];
