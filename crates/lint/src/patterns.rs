//! Path patterns: which ones leave nothing to others, and what their words give away.

/// A path pattern ("Cache behavior settings", Path pattern): `*` is any number of characters, `?` exactly one,
/// and a leading slash makes no difference.
pub(crate) struct PathPattern(Vec<char>);

impl PathPattern {
    /// `*?*` and `?*` are the same: of each run of wildcards the question marks come first, then one star.
    pub(crate) fn new(text: &str) -> Self {
        let mut symbols = Vec::new();
        let mut star = false;
        for symbol in text.strip_prefix('/').unwrap_or(text).chars() {
            match symbol {
                '*' => star = true,
                '?' => symbols.push('?'),
                literal => {
                    symbols.extend(std::mem::take(&mut star).then_some('*'));
                    symbols.push(literal);
                }
            }
        }
        symbols.extend(star.then_some('*'));
        Self(symbols)
    }

    /// Whether everything that `other` matches is matched by this one: it matches `other` as a text in which
    /// only a star takes a star.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let (outer, inner) = (&self.0, &other.0);
        let (mut at, mut read) = (0, 0);
        // Where the last star stands, and where what it takes ends. Earlier ones need never take more.
        let mut star = None;
        while read < inner.len() {
            match outer.get(at) {
                Some('*') => {
                    star = Some((at, read));
                    at += 1;
                }
                Some(wanted) if takes(*wanted, inner[read]) => {
                    at += 1;
                    read += 1;
                }
                _ => {
                    let Some((place, end)) = star else { return false };
                    star = Some((place, end + 1));
                    (at, read) = (place + 1, end + 1);
                }
            }
        }
        outer[at..].iter().all(|symbol| *symbol == '*')
    }
}

fn takes(wanted: char, symbol: char) -> bool {
    match symbol {
        '*' => false,
        '?' => wanted == '?',
        literal => wanted == '?' || wanted == literal,
    }
}

/// Whether the pattern names an API: `/api/*`, `/v1/users`, `*/graphql`.
pub(crate) fn names_an_api(pattern: &str) -> bool {
    segments(pattern).any(|segment| {
        matches!(&*segment, "api" | "apis" | "graphql" | "rest" | "rpc" | "trpc")
            || segment.strip_prefix('v').is_some_and(|number| {
                !number.is_empty() && number.len() <= 2 && number.bytes().all(|byte| byte.is_ascii_digit())
            })
    })
}

/// Whether the pattern names something whose answer takes its time: `/events`, `/v1/chat/completions`.
pub(crate) fn names_a_stream(pattern: &str) -> bool {
    segments(pattern).any(|segment| {
        matches!(
            &*segment,
            "stream" | "streams" | "streaming" | "events" | "sse" | "chat" | "completions" | "subscribe"
        )
    })
}

fn segments(pattern: &str) -> impl Iterator<Item = String> {
    pattern.split('/').map(|segment| segment.trim_matches(['*', '?']).to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(outer: &str, inner: &str, expect: bool) {
        let covers = PathPattern::new(outer).covers(&PathPattern::new(inner));
        assert_eq!(covers, expect, "{outer} over {inner}");
    }

    #[test]
    fn covering() {
        check("*", "/api/*", true);
        check("/api/*", "api/*", true);
        check("/api/*", "/api/v1/*", true);
        check("/api/*", "/api", false);
        check("/api/v1/*", "/api/*", false);
        check("*.jpg", "/images/*.jpg", true);
        check("/images/*.jpg", "*.jpg", false);
        check("/a?c", "/abc", true);
        check("/abc", "/a?c", false);
        check("/a?c", "/a*c", false);
        check("?*", "*?", true);
        check("*?*", "??", true);
        check("*", "", true);
        check("", "*", false);
        check("/API/*", "/api/*", false);
        check("*a*b", "*ab", true);
        check("/x/*/y", "/x/1/2/y", true);
        check("*aab*", "*aaab*", true);
        check("*a?b", "*ab", false);
    }

    #[test]
    fn words() {
        assert!(names_an_api("/api/*") && names_an_api("v1/*") && names_an_api("*/graphql"));
        assert!(!names_an_api("/video/*") && !names_an_api("/images/*") && !names_an_api("*"));
        assert!(names_a_stream("/v1/chat/completions") && names_a_stream("/events*"));
        assert!(!names_a_stream("/eventsource.js") && !names_a_stream("/api/*"));
    }
}
