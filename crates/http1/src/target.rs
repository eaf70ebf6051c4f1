//! What a request is for: its target, in the two forms that a shield of origins can have.

use std::ops::Range;

use crate::ascii::{self, PATH, QUERY};
use crate::limits::TARGET_BYTES_MAX;

/// How the request line wrote its target (RFC 9112 §3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TargetForm {
    /// `/path?query`
    #[default]
    Origin,
    /// `http://host/path?query`, as sent to proxies; servers must accept it too.
    Absolute {
        /// Whether the scheme is `https`.
        https: bool,
    },
    /// `*`, which only OPTIONS has.
    Asterisk,
}

/// Why a target is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Longer than 8,192 bytes: 414 URI Too Long.
    #[error("the target is longer than 8,192 bytes")]
    TooLong,
    /// Neither a path, nor an http or https URI, nor the asterisk of OPTIONS; `host:port`, too, which only CONNECT has.
    #[error("the target has no form that an origin serves")]
    FormUnknown,
    /// A character that no path or query has: a fragment's `#`, a raw space, a control character or non-ASCII, and in
    /// a path `\`, `"`, `<` or `>`.
    #[error("the target holds a character that no target has")]
    CharacterInvalid,
    /// A path with a `%` that two hexadecimal digits do not follow (RFC 3986 §2.1), or with `%00`.
    #[error("the path holds an invalid percent-encoding")]
    EncodingInvalid,
    /// An absolute-form target without a valid host; user information is none (RFC 9110 §4.2.4).
    #[error("the target's authority is not one host")]
    AuthorityInvalid,
}

/// A valid request target, taken apart.
///
/// Stricter than nginx, looser than RFC 3986: in a path, `\` (which some origins read as `/`), `"`, `<` and `>` are
/// refused; the remaining visible characters that RFC 3986 leaves out, ``^ ` { | } [ ]``, are what browsers and HTTP
/// libraries send raw, and mean only themselves. A path's percent-encodings must be complete, and none may be `%00`:
/// origins disagree about what the broken ones mean, and the path decides on the cache behavior. A query may hold any
/// visible ASCII but `#`, and a lone `%` too, which browsers send as it was typed (`?discount=50%`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// How it was written.
    pub form: TargetForm,
    /// The authority of an absolute-form target.
    pub authority: Option<&'a str>,
    /// The path as it was sent: starts with `/`, or is `*`.
    pub path: &'a str,
    /// What follows the first `?`, as it was sent; `Some("")` if nothing does.
    pub query: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// Parses an HTTP/1.1 request target; HTTP/2's `:path` is held to the same rules.
    pub fn parse(target: &'a [u8]) -> Result<Self, TargetError> {
        let layout = Layout::of(target)?;
        let text = str::from_utf8(target).map_err(|_| TargetError::CharacterInvalid)?;
        let path = text.get(layout.path).unwrap_or_default();
        // RFC 9112 §3.2.1: an empty path is sent as "/".
        let path = if path.is_empty() { "/" } else { path };
        let authority = layout.authority.and_then(|authority| text.get(authority));
        let query = layout.query.and_then(|query| text.get(query));
        Ok(Self { form: layout.form, authority, path, query })
    }
}

/// Where a valid target's parts are.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) form: TargetForm,
    pub(crate) authority: Option<Range<usize>>,
    pub(crate) path: Range<usize>,
    pub(crate) query: Option<Range<usize>>,
}

impl Layout {
    /// As [`Target::parse`].
    pub(crate) fn of(target: &[u8]) -> Result<Self, TargetError> {
        if target.len() > TARGET_BYTES_MAX {
            return Err(TargetError::TooLong);
        }
        if !ascii::all(QUERY, target) {
            return Err(TargetError::CharacterInvalid);
        }
        if target.starts_with(b"/") {
            return Self::of_path_and_query(target, TargetForm::Origin, None, 0);
        }
        if target == b"*" {
            return Ok(Self { form: TargetForm::Asterisk, authority: None, path: 0..1, query: None });
        }
        let (https, start) = scheme_prefix(target).ok_or(TargetError::FormUnknown)?;
        let rest = target.get(start..).unwrap_or_default();
        let end = start + memchr::memchr2(b'/', b'?', rest).unwrap_or(rest.len());
        Self::of_path_and_query(target, TargetForm::Absolute { https }, Some(start..end), end)
    }

    fn of_path_and_query(
        target: &[u8],
        form: TargetForm,
        authority: Option<Range<usize>>,
        start: usize,
    ) -> Result<Self, TargetError> {
        let rest = target.get(start..).unwrap_or_default();
        let mark = memchr::memchr(b'?', rest).map(|at| start + at);
        let path = start..mark.unwrap_or(target.len());
        let query = mark.map(|mark| mark + 1..target.len());
        let path_bytes = target.get(path.clone()).unwrap_or_default();
        if !ascii::all(PATH, path_bytes) {
            return Err(TargetError::CharacterInvalid);
        }
        if !has_valid_encodings(path_bytes) {
            return Err(TargetError::EncodingInvalid);
        }
        Ok(Self { form, authority, path, query })
    }
}

/// Whether the scheme is `https`, and where the authority begins.
fn scheme_prefix(target: &[u8]) -> Option<(bool, usize)> {
    let begins_with =
        |prefix: &[u8]| target.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    if begins_with(b"http://") {
        Some((false, "http://".len()))
    } else if begins_with(b"https://") {
        Some((true, "https://".len()))
    } else {
        None
    }
}

fn has_valid_encodings(text: &[u8]) -> bool {
    memchr::memchr_iter(b'%', text).all(|at| match text.get(at + 1..at + 3) {
        Some(b"00") | None => false,
        Some(digits) => digits.iter().all(u8::is_ascii_hexdigit),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_taken_apart_and_kept_as_they_were_sent() {
        let check = |text: &str, form, path, query| {
            let target = Target::parse(text.as_bytes()).unwrap();
            assert_eq!((target.form, target.path, target.query), (form, path, query), "{text:?}");
        };
        check("/", TargetForm::Origin, "/", None);
        check("/?", TargetForm::Origin, "/", Some(""));
        check("/a//b/../c;d=1?x=%2F&y=?", TargetForm::Origin, "/a//b/../c;d=1", Some("x=%2F&y=?"));
        check("/{a}|[b]^`c`~'", TargetForm::Origin, "/{a}|[b]^`c`~'", None);
        check("/q?\"<a>\\", TargetForm::Origin, "/q", Some("\"<a>\\"));
        check("/q?discount=50%", TargetForm::Origin, "/q", Some("discount=50%"));
        check("//a/b", TargetForm::Origin, "//a/b", None);
        check("http://a", TargetForm::Absolute { https: false }, "/", None);
        check("HTTPS://a:1/b?c", TargetForm::Absolute { https: true }, "/b", Some("c"));
        check("http://a?c", TargetForm::Absolute { https: false }, "/", Some("c"));
        check("*", TargetForm::Asterisk, "*", None);
    }

    #[test]
    fn anything_else_is_refused() {
        let check = |text: &str, error| assert_eq!(Target::parse(text.as_bytes()), Err(error), "{text:?}");
        for text in
            ["", "a", "a/b", "?a", "a.example:443", "**", "*?a", "ftp://a/", "http:/a", "javascript:a", "\\a"]
        {
            check(text, TargetError::FormUnknown);
        }
        for text in [
            "/a#b",
            "/#",
            "/a?b#c",
            "http://a#b",
            "/\\a",
            "/\"",
            "/<a>",
            "/a b",
            "/\u{e9}",
            "/a\u{7f}",
            "/\t",
        ] {
            check(text, TargetError::CharacterInvalid);
        }
        for text in ["/%", "/%4", "/%zz", "/%%41", "/%00", "/50%?a", "/%u0041"] {
            check(text, TargetError::EncodingInvalid);
        }
        check(&format!("/{}", "a".repeat(TARGET_BYTES_MAX)), TargetError::TooLong);
        assert!(Target::parse(format!("/{}", "a".repeat(TARGET_BYTES_MAX - 1)).as_bytes()).is_ok());
    }
}
