//! Paths and the cache behaviors that they belong to.

use std::sync::{Arc, LazyLock};

use behavior::select_cache_behavior;
use edge_config::{
    Bundle, CachePolicy, Change, LinkedDistribution, ResourceId, ResourceKind, Revision, Snapshot, link,
};

const PATTERNS: [&str; 4] = ["/admin/*", "/a*/b", "*.json", "/x?y/*"];

static DISTRIBUTION: LazyLock<LinkedDistribution> = LazyLock::new(|| {
    let change = |kind, id, bundle| Change {
        resource: ResourceId::new(kind, id),
        revision: Revision(1),
        bundle: Some(Arc::new(bundle)),
    };
    let linked = link(
        &Snapshot::default(),
        Revision(1),
        &[
            change(ResourceKind::CachePolicy, "none", Bundle::CachePolicy(CachePolicy::default())),
            change(ResourceKind::Distribution, "E1", distribution()),
        ],
    );
    assert!(linked.rejected.is_empty());
    LinkedDistribution::clone(linked.snapshot.distribution("E1").unwrap())
});

/// Decoded from what is stored, so that new settings have their defaults.
fn distribution() -> Bundle {
    let patterns = PATTERNS.iter().map(|pattern| format!("{pattern:?}")).chain(["null".to_owned()]);
    let cache_behaviors: Vec<String> = patterns
        .map(|pattern| {
            format!(
                r#"{{"path_pattern":{pattern},"target_origin_id":"api","viewer_protocol_policy":"AllowAll",
                "allowed_methods":[],"cache_policy":{{"Id":"none"}},"origin_request_policy":null}}"#
            )
        })
        .collect();
    let stored = format!(
        r#"{{"capabilities":[],"bundle":{{"Distribution":{{"domain_name":"d1.test","aliases":[],"enabled":true,
        "http2":true,"minimum_protocol_version":"Tls12","origins":[{{"id":"api","address":{{"Name":"origin.test"}},
        "http_port":80,"https_port":443,"protocol_policy":"HttpOnly","path":"","custom_headers":[],
        "connection_attempts":3,"connection_timeout_seconds":10,"read_timeout_seconds":30,
        "keepalive_timeout_seconds":5,"response_completion_timeout_seconds":null}}],
        "cache_behaviors":[{}]}}}}}}"#,
        cache_behaviors.join(",")
    );
    Bundle::decode(stored.as_bytes()).expect("the target's distribution is a bundle")
}

/// A path that is accepted belongs to the same cache behavior in every reading that an origin may have.
pub fn path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let path = format!("/{text}");
    let distribution = &*DISTRIBUTION;
    let Ok(selected) = select_cache_behavior(distribution, &path) else { return };
    for reading in readings(&path) {
        let pattern = distribution
            .cache_behaviors
            .iter()
            .find(|behavior| behavior.path_pattern.as_ref().is_some_and(|pattern| pattern.matches(&reading)))
            .unwrap_or(&distribution.default_cache_behavior);
        assert_eq!(pattern.path_pattern, selected.path_pattern, "{path:?} is {reading:?} to an origin");
    }
}

/// As an origin may read a path, each written here anew: as it is, and with escapes decoded and dot segments
/// removed (RFC 3986 sections 2.3 and 5.2.4).
fn readings(path: &str) -> [String; 2] {
    [path.to_owned(), without_dots(&decoded(path))]
}

fn decoded(path: &str) -> String {
    let mut bytes = path.as_bytes().iter();
    let mut out = Vec::new();
    while let Some(&byte) = bytes.next() {
        let rest = bytes.as_slice();
        let escape = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = escape.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(escaped) if byte == b'%' => {
                out.push(escaped);
                bytes.nth(1);
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Dot segments, empty segments and parameters removed, backslashes read as slashes.
fn without_dots(path: &str) -> String {
    let path = path.replace('\\', "/");
    let mut kept: Vec<&str> = Vec::new();
    let mut last = "";
    for segment in path.split('/') {
        last = segment.split(';').next().unwrap_or_default();
        if last == ".." {
            kept.pop();
        } else if !last.is_empty() && last != "." {
            kept.push(last);
        }
    }
    let ends_in_slash = kept.is_empty() || ["", ".", ".."].contains(&last);
    format!("/{}{}", kept.join("/"), if ends_in_slash && !kept.is_empty() { "/" } else { "" })
}
