//! Which cache behavior a path belongs to.

use std::borrow::Cow;

use edge_config::{LinkedCacheBehavior, LinkedDistribution};

/// The path belongs to one cache behavior as it was sent, and to another as an origin may read it.
///
/// CloudFront matches the normalised path and forwards the raw one ("Cache behavior settings", Path
/// normalization), so that a rule on `/admin/*` does not see `/x/../admin/`. We refuse instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AmbiguousPath;

/// The first cache behavior whose path pattern matches, or the default one.
pub fn select_cache_behavior<'d>(
    distribution: &'d LinkedDistribution,
    path: &str,
) -> Result<&'d LinkedCacheBehavior, AmbiguousPath> {
    if distribution.cache_behaviors.is_empty() {
        return Ok(&distribution.default_cache_behavior);
    }
    let selected = first_match(distribution, path);
    if is_plain(path) {
        return Ok(selected);
    }
    let agree =
        path_readings(path).iter().all(|reading| std::ptr::eq(first_match(distribution, reading), selected));
    if agree { Ok(selected) } else { Err(AmbiguousPath) }
}

/// How the most careful and the most careless origin may read a path: normalised as RFC 3986 section 6
/// has it, and with every escape decoded.
pub fn path_readings(path: &str) -> [String; 2] {
    [remove_dot_segments(&decode(path, is_unreserved)), remove_dot_segments(&decode(path, |_| true))]
}

fn first_match<'d>(distribution: &'d LinkedDistribution, path: &str) -> &'d LinkedCacheBehavior {
    distribution
        .cache_behaviors
        .iter()
        .find(|cache_behavior| {
            cache_behavior.path_pattern.as_ref().is_some_and(|pattern| pattern.matches(path))
        })
        .unwrap_or(&distribution.default_cache_behavior)
}

/// Whether every reader reads the path alike: nothing encoded, no dot segment, no empty segment.
fn is_plain(path: &str) -> bool {
    !path.bytes().any(|byte| byte == b'%' || byte == b'\\' || byte == b';')
        && !path.contains("//")
        && !path.contains("/.")
}

/// RFC 3986 section 2.3: encoding these changes nothing.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Decodes the percent escapes whose byte is selected.
fn decode(path: &str, selected: impl Fn(u8) -> bool) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if let Some(escaped) = escaped_byte(rest).filter(|&escaped| selected(escaped)) {
            decoded.push(escaped);
            rest = &rest[3..];
        } else {
            decoded.push(byte);
            rest = after;
        }
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

fn escaped_byte(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(*high)? << 4 | digit(*low)?)
}

/// RFC 3986 section 5.2.4, with empty segments and path parameters taken out too, and backslashes
/// for slashes: the most that any origin is known to do to a path.
fn remove_dot_segments(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let mut ends_in_directory = false;
    for segment in path.split(['/', '\\']) {
        let segment = segment.split(';').next().unwrap_or(segment);
        ends_in_directory = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    let mut normalised = String::with_capacity(path.len() + 1);
    for segment in &segments {
        normalised.push('/');
        normalised.push_str(segment);
    }
    if ends_in_directory || segments.is_empty() {
        normalised.push('/');
    }
    normalised
}

#[cfg(test)]
mod tests {
    use edge_config::PathPattern;
    use proptest::prelude::*;

    use super::*;
    use crate::tests::distribution;

    fn with_patterns(patterns: &[&str]) -> LinkedDistribution {
        let mut distribution = distribution();
        for pattern in patterns {
            let mut cache_behavior = distribution.default_cache_behavior.clone();
            cache_behavior.path_pattern = Some(PathPattern::parse(pattern).unwrap());
            distribution.cache_behaviors.push(cache_behavior);
        }
        distribution
    }

    fn check(patterns: &[&str], path: &str, expect: Result<Option<&str>, AmbiguousPath>) {
        let distribution = with_patterns(patterns);
        let selected = select_cache_behavior(&distribution, path)
            .map(|found| found.path_pattern.as_ref().map(PathPattern::as_str));
        assert_eq!(selected, expect, "{path}");
    }

    #[test]
    fn the_first_matching_pattern_wins_else_the_default() {
        check(&["/api/v2/*", "/api/*"], "/api/v2/x", Ok(Some("api/v2/*")));
        check(&["/api/*", "/api/v2/*"], "/api/v2/x", Ok(Some("api/*")));
        check(&["/api/*"], "/other", Ok(None));
        check(&[], "/anything/../%2e", Ok(None));
    }

    #[test]
    fn a_path_that_reads_differently_elsewhere_is_ambiguous() {
        for path in [
            "/x/../admin/a",
            "/x/%2e%2e/admin/a",
            "//admin/a",
            "/%61dmin/a",
            "/x/..%2fadmin/a",
            "/x/..%5cadmin/a",
            "/./admin/a",
            "/admin/../a",
            "/x;y/../admin/a",
            "/admin;x/a",
        ] {
            check(&["/admin/*"], path, Err(AmbiguousPath));
        }
    }

    #[test]
    fn an_escape_that_changes_nothing_is_no_obstacle() {
        check(&["/admin/*"], "/admin/a%20b", Ok(Some("admin/*")));
        check(&["/admin/*"], "/files/a%2Fb", Ok(None));
        check(&["/admin/*"], "/admin/./a", Ok(Some("admin/*")));
        check(&["/admin/*"], "/.well-known/x", Ok(None));
    }

    proptest! {
        #[test]
        fn selecting_never_panics(path in "/[%a-f0-9./;\\\\é]{0,40}") {
            let distribution = with_patterns(&["/a*", "*.b"]);
            let _selected = select_cache_behavior(&distribution, &path);
        }

        #[test]
        fn removing_dot_segments_twice_is_removing_them_once(path in "/[a./\\\\]{0,30}") {
            let once = remove_dot_segments(&path);
            prop_assert_eq!(remove_dot_segments(&once), once);
        }
    }
}
