//! Pages that take the place of errors ("Generate custom error responses"), and the object that `/` stands
//! for ("Specify a default root object").

use edge_config::{ErrorPage, ErrorPageAudience, LinkedDistribution};

use crate::{AnswerFormat, is_grpc};

/// The path that a request is for: "a request for the root of your distribution returns the default root
/// object", whatever the method. Cache behaviors are selected by it, as the origin reads it too.
pub fn requested_path<'a>(distribution: &'a LinkedDistribution, path: &'a str) -> &'a str {
    match &distribution.default_root_object {
        Some(object) if path == "/" => object,
        _ => path,
    }
}

/// The page for an error that answers this request, if there is one for the status and the request is of
/// whom it is for. gRPC has errors of its own ("Using gRPC").
pub fn select_error_page<'d, 'a>(
    distribution: &'d LinkedDistribution,
    status: u16,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> Option<&'d ErrorPage> {
    let page = distribution.error_pages.pages.iter().find(|page| page.error_status == status)?;
    let asker = Asker::read(fields);
    let is_for = match distribution.error_pages.audience {
        ErrorPageAudience::Everybody => true,
        ErrorPageAudience::Navigations => asker.is_navigating(),
    };
    (is_for && !asker.speaks_grpc).then_some(page)
}

/// Whether a field of the request says something of what was asked for, and nothing of an error page:
/// its body, conditions on it, a part of it, another method for it.
pub fn is_about_what_was_asked_for(name: &[u8]) -> bool {
    let begins_with =
        |prefix: &[u8]| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    begins_with(b"content-")
        || begins_with(b"if-")
        || ["range", "request-range", "x-http-method-override", "x-http-method", "x-method-override"]
            .iter()
            .any(|other| other.as_bytes().eq_ignore_ascii_case(name))
}

/// What a request says of who sent it.
#[derive(Default)]
struct Asker {
    /// `Sec-Fetch-Mode: navigate`; none where the browser says nothing of fetching at all.
    fetches_to_navigate: Option<bool>,
    accepts_pages: bool,
    speaks_grpc: bool,
}

impl Asker {
    fn read<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut asker = Self::default();
        for (name, value) in fields {
            if name.get(..10).is_some_and(|start| start.eq_ignore_ascii_case(b"sec-fetch-")) {
                let is_navigating = name.eq_ignore_ascii_case(b"sec-fetch-mode") && value == b"navigate";
                *asker.fetches_to_navigate.get_or_insert(false) |= is_navigating;
            } else if name.eq_ignore_ascii_case(b"accept") {
                asker.accepts_pages |= AnswerFormat::from_accept(Some(value)) == AnswerFormat::Html;
            } else if name.eq_ignore_ascii_case(b"content-type") {
                asker.speaks_grpc |= is_grpc(value);
            }
        }
        asker
    }

    fn is_navigating(&self) -> bool {
        self.fetches_to_navigate.unwrap_or(self.accepts_pages)
    }
}

#[cfg(test)]
mod tests {
    use edge_config::ErrorPages;

    use super::*;
    use crate::tests::distribution;

    fn with_page(audience: ErrorPageAudience) -> LinkedDistribution {
        let page = ErrorPage { error_status: 404, path: "/404.html".to_owned(), response_status: 200 };
        LinkedDistribution {
            error_pages: ErrorPages { pages: vec![page], audience },
            default_root_object: Some("/index.html".to_owned()),
            ..distribution()
        }
    }

    fn check(audience: ErrorPageAudience, status: u16, fields: &[(&str, &str)], expect: bool) {
        let distribution = with_page(audience);
        let fields_of = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let selected = select_error_page(&distribution, status, fields_of);
        assert_eq!(selected.is_some(), expect, "{status} {fields:?}");
    }

    const PAGES: (&str, &str) = ("Accept", "text/html,application/xhtml+xml");

    #[test]
    fn d8_an_error_has_the_page_of_its_status_but_not_for_grpc() {
        use ErrorPageAudience::Everybody;
        check(Everybody, 404, &[], true);
        check(Everybody, 403, &[], false);
        check(Everybody, 404, &[("Content-Type", "application/json")], true);
        check(Everybody, 404, &[("content-type", "application/grpc+proto")], false);
    }

    #[test]
    fn navigations_are_told_by_sec_fetch_mode_and_else_by_accept() {
        use ErrorPageAudience::Navigations;
        check(Navigations, 404, &[], false);
        check(Navigations, 404, &[PAGES], true);
        check(Navigations, 404, &[("Accept", "application/json")], false);
        check(Navigations, 404, &[("Sec-Fetch-Mode", "navigate")], true);
        check(Navigations, 404, &[("Sec-Fetch-Site", "none"), ("Sec-Fetch-Mode", "navigate"), PAGES], true);
        check(Navigations, 404, &[PAGES, ("sec-fetch-mode", "cors")], false);
        check(Navigations, 404, &[PAGES, ("Sec-Fetch-Dest", "empty")], false);
    }

    #[test]
    fn a12_the_default_root_object_is_for_the_root_alone() {
        let distribution = with_page(ErrorPageAudience::Everybody);
        assert_eq!(requested_path(&distribution, "/"), "/index.html");
        for path in ["/a", "//", "/a/", "*", "/index.html"] {
            assert_eq!(requested_path(&distribution, path), path);
        }
    }

    #[test]
    fn what_is_about_something_else_does_not_go_with_the_request_for_a_page() {
        for name in ["Content-Type", "If-None-Match", "range", "If-Range", "X-HTTP-Method-Override"] {
            assert!(is_about_what_was_asked_for(name.as_bytes()), "{name}");
        }
        for name in ["Cookie", "Accept-Language", "Host", "X-Range"] {
            assert!(!is_about_what_was_asked_for(name.as_bytes()), "{name}");
        }
    }
}
