//! Answers that are kept and should not be. Of the four rules one alone speaks about a cache behavior, the
//! worst.

use json_patch::Patch;

use crate::policies::{ALL_VIEWER_EXCEPT_HOST_HEADER_ID, ALL_VIEWER_ID, CACHING_DISABLED_ID};
use crate::rule::{Finding, Rule, set, unset};
use crate::subject::{Behavior, Carried, Subject};
use crate::warning::Severity;

const PATCHES: &str = "CachingDisabled; AllViewer or AllViewerExceptHostHeader, if the cache key alone let \
                       something through";

pub(super) const WITH_CREDENTIALS: Rule = Rule {
    code: "caching-with-credentials",
    severity: Severity::High,
    warns: "A behavior may keep answers and lets cookies or Authorization through to the origin, but they are \
            not part of the cache key.",
    silent: "CachingDisabled; credentials in the cache key, or not forwarded; buckets; policies whose contents \
             are unknown.",
    patches: PATCHES,
    find: |subject| find(subject, Fault::WithCredentials),
};

pub(super) const MIN_TTL: Rule = Rule {
    code: "min-ttl-over-private",
    severity: Severity::High,
    warns: "An API's answers are kept for a minimum TTL above 0, whatever `Cache-Control: private` or \
            `no-store` say.",
    silent: "Minimum TTL 0; sites without credentials and writes; where caching-with-credentials speaks.",
    patches: PATCHES,
    find: |subject| find(subject, Fault::MinTtl),
};

pub(super) const SET_COOKIE: Rule = Rule {
    code: "caching-set-cookie",
    severity: Severity::High,
    warns: "Answers are kept by default and the session cookie is part of the cache key: all who have none yet \
            share one answer, its Set-Cookie included.",
    silent: "Default TTL 0 (the origin decides); whitelists of cookies that are no session's; where a worse \
             rule speaks.",
    patches: PATCHES,
    find: |subject| find(subject, Fault::SetCookie),
};

pub(super) const ON_API: Rule = Rule {
    code: "caching-on-api",
    severity: Severity::Medium,
    warns: "An API's answers to GET are kept by default.",
    silent: "Default TTL 0 (the origin decides); read-only behaviors without credentials; where a worse rule \
             speaks.",
    patches: PATCHES,
    find: |subject| find(subject, Fault::OnApi),
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    WithCredentials,
    MinTtl,
    SetCookie,
    OnApi,
}

fn fault(behavior: &Behavior<'_>) -> Option<Fault> {
    if !behavior.is_api() || !behavior.caches() {
        return None;
    }
    let (authorization, session) = (behavior.authorization(), behavior.session_cookie());
    if authorization == Carried::Unkeyed || session == Carried::Unkeyed {
        Some(Fault::WithCredentials)
    } else if behavior.cache.min_ttl > 0 {
        Some(Fault::MinTtl)
    } else if behavior.cache.default_ttl <= 0 {
        None
    } else if session == Carried::Keyed {
        Some(Fault::SetCookie)
    } else {
        Some(Fault::OnApi)
    }
}

fn find(subject: &Subject<'_>, wanted: Fault) -> Vec<Finding> {
    let behaviors = subject.behaviors.iter().filter(|behavior| fault(behavior) == Some(wanted));
    behaviors.map(|behavior| finding(behavior, wanted)).collect()
}

fn finding(behavior: &Behavior<'_>, fault: Fault) -> Finding {
    let label = behavior.label();
    let min_ttl = behavior.cache.min_ttl;
    let (what, whom) = match fault {
        Fault::WithCredentials => (
            format!(
                "The origin gets the viewer's credentials through {label} and answers for that viewer; the \
                 answer is kept under a cache key without them and given to others."
            ),
            "Whoever asks for the same URL next gets the answer, and the data, of another user.",
        ),
        Fault::MinTtl => (
            format!(
                "Answers of {label} are kept for at least {min_ttl} s, because its minimum TTL overrides \
                 `Cache-Control: private`, `no-cache` and `no-store` of the origin."
            ),
            "Users whose answers the origin declares private: within that time others can get them.",
        ),
        Fault::SetCookie => (
            format!(
                "Answers of {label} are kept with their Set-Cookie, and all viewers without the cookie share \
                 one cache key."
            ),
            "New visitors: the session that was begun for one of them is given to the next.",
        ),
        Fault::OnApi => (
            format!(
                "Answers to GET are kept by {label} unless the origin forbids it; a write removes none of them."
            ),
            "Clients that read after they wrote, and see the old state.",
        ),
    };
    Finding {
        place: if behavior.cache.is_legacy() {
            behavior.place.member("ForwardedValues")
        } else {
            behavior.place.member("CachePolicyId")
        },
        what,
        whom: whom.to_owned(),
        fix: format!(
            "Give it the cache policy CachingDisabled ({CACHING_DISABLED_ID}). Where some answers may be kept, \
             give their paths a cache behavior of their own, without credentials."
        ),
        patch: without_cache(behavior),
    }
}

/// CachingDisabled, and all that the cache key let through still let through. What an unknown origin
/// request policy lets through cannot be told.
fn without_cache(behavior: &Behavior<'_>) -> Option<Patch> {
    if !behavior.forwarding.is_known {
        return None;
    }
    let place = &behavior.place;
    let legacy_members = behavior.cache.legacy_members.iter();
    let mut operations: Vec<_> = legacy_members.map(|member| unset(&place.member(member))).collect();
    operations.push(set(&place.member("CachePolicyId"), CACHING_DISABLED_ID));
    if behavior.origin_request_policy_id.is_none() || behavior.needs_its_cache_key() {
        // The origin gets the same Host as before.
        let id = if behavior.forwards_host() { ALL_VIEWER_ID } else { ALL_VIEWER_EXCEPT_HOST_HEADER_ID };
        operations.push(set(&place.member("OriginRequestPolicyId"), id));
    }
    Some(Patch(operations))
}
