//! Which names a policy selects.

use std::borrow::Cow;

use edge_config::{HeaderSelection, NameSelection, matches_wildcards};

use crate::field::is_same_name;

/// Cookies and query strings are case-sensitive.
pub(crate) fn selects_name(selection: &NameSelection, name: &str) -> bool {
    match selection {
        NameSelection::None => false,
        NameSelection::All => true,
        NameSelection::Only(names) => names.iter().any(|other| other == name),
        NameSelection::AllExcept(names) => !names.iter().any(|other| other == name),
        NameSelection::Matching(patterns) => patterns.iter().any(|pattern| matches_wildcards(pattern, name)),
    }
}

pub(crate) fn selects_header(selection: &HeaderSelection, name: &[u8]) -> bool {
    match selection {
        HeaderSelection::None => false,
        HeaderSelection::AllViewer | HeaderSelection::AllViewerAndCloudFront(_) => true,
        HeaderSelection::Only(names) => contains_header(names, name),
        HeaderSelection::AllExcept(names) => !contains_header(names, name),
    }
}

pub(crate) fn contains_header(names: &[String], name: &[u8]) -> bool {
    names.iter().any(|other| is_same_name(other.as_bytes(), name))
}

/// The parts of a list that are selected by name, in their order; nothing if none is.
pub(crate) fn filter_parts<'a>(
    text: &'a str,
    separator: char,
    joiner: &str,
    selected: impl Fn(&str) -> bool,
) -> Option<Cow<'a, str>> {
    let name_of = |part: &'a str| part.split_once('=').map_or(part, |(name, _)| name).trim();
    let kept: Vec<&str> =
        text.split(separator).filter(|part| selected(name_of(part))).map(str::trim).collect();
    (!kept.is_empty()).then(|| Cow::Owned(kept.join(joiner)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_kept_by_name() {
        let only = |name: &str| name == "session";
        assert_eq!(filter_parts("a=1; session=x=y; b", ';', "; ", only).as_deref(), Some("session=x=y"));
        assert_eq!(filter_parts("a=1", ';', "; ", only), None);
    }

    #[test]
    fn names_of_cookies_are_case_sensitive_and_names_of_headers_are_not() {
        assert!(!selects_name(&NameSelection::Only(vec!["Session".into()]), "session"));
        assert!(selects_header(&HeaderSelection::Only(vec!["Origin".into()]), b"origin"));
        assert!(!selects_header(&HeaderSelection::AllExcept(vec!["Host".into()]), b"host"));
    }
}
