//! Tags of a distribution that switch what CloudFront's shapes have no place for, so that unmodified
//! clients can set it. What they say is in the distribution's bundle.

use aws_api::ApiError;
use aws_api::cloudfront::{ErrorCode, Tag};
use edge_config::{ErrorPageAudience, GrpcTransport};

/// What the keys of such tags begin with.
const PREFIX: &str = "mantlet:";

/// A tag that switches something.
struct ExtensionTag {
    key: &'static str,
    values: &'static str,
    default: &'static str,
    meaning: &'static str,
    read: fn(&mut Extensions, &str) -> Option<()>,
}

/// All of them.
const EXTENSION_TAGS: [ExtensionTag; 4] = [
    ExtensionTag {
        key: "mantlet:error-pages",
        values: "`all`, `navigations`",
        default: "`all`",
        meaning: "who gets the pages of `CustomErrorResponses`: everybody, as with CloudFront, or browsers that load a \
                  page alone (`Sec-Fetch-Mode: navigate`; without `Sec-Fetch-*` headers, `Accept: text/html`), so that \
                  programs get the API's own errors",
        read: |extensions, value| {
            extensions.error_page_audience = match value {
                "all" => ErrorPageAudience::Everybody,
                "navigations" => ErrorPageAudience::Navigations,
                _ => return None,
            };
            Some(())
        },
    },
    ExtensionTag {
        key: "mantlet:grpc-h2c",
        values: "`on`, `off`",
        default: "`off`",
        meaning: "whether gRPC goes to origins over HTTP, too, with HTTP/2 from the first byte (h2c); otherwise, as with \
                  CloudFront, it goes over HTTPS alone, and a call that would need HTTP ends with `UNAVAILABLE`",
        read: |extensions, value| {
            extensions.grpc_transport = match value {
                "on" => GrpcTransport::AsOriginSpeaks,
                "off" => GrpcTransport::Tls,
                _ => return None,
            };
            Some(())
        },
    },
    ExtensionTag {
        key: "mantlet:max-body",
        values: "bytes",
        default: "unlimited",
        meaning: "the longest body of a request; a longer one gets 413: before any of it is read where its length is \
                  declared, as soon as it is too long otherwise",
        read: |extensions, value| {
            let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            extensions.max_body_bytes = Some(value.parse().ok().filter(|_| is_number)?);
            Some(())
        },
    },
    ExtensionTag {
        key: "mantlet:proxy-protocol",
        values: "`off`, `v2`",
        default: "`off`",
        meaning: "whether each connection to an origin begins with the PROXY protocol's header (version 2), which \
                  names the viewer's address and what it connected to; such a connection serves that one connection \
                  of the viewer and no other",
        read: |extensions, value| {
            extensions.sends_proxy_protocol = match value {
                "off" => false,
                "v2" => true,
                _ => return None,
            };
            Some(())
        },
    },
];

/// What the tags of a distribution switch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extensions {
    pub(crate) error_page_audience: ErrorPageAudience,
    pub(crate) grpc_transport: GrpcTransport,
    pub(crate) max_body_bytes: Option<u64>,
    pub(crate) sends_proxy_protocol: bool,
}

impl Extensions {
    /// Reads them. A tag of ours that is unknown or malformed is refused: it would look as if it did
    /// something.
    pub(crate) fn of(tags: &[Tag]) -> Result<Self, ApiError> {
        let mut extensions = Self::default();
        for tag in tags.iter().filter(|tag| is_extension(&tag.key)) {
            let Some(known) = EXTENSION_TAGS.iter().find(|known| known.key == tag.key) else {
                return Err(unknown(&tag.key));
            };
            let value = tag.value.as_deref().unwrap_or_default();
            (known.read)(&mut extensions, value).ok_or_else(|| malformed(known, value))?;
        }
        Ok(extensions)
    }
}

/// Whether a key is one that nobody but us gives a meaning to, in whatever case.
pub(crate) fn is_extension(key: &str) -> bool {
    key.get(..PREFIX.len()).is_some_and(|prefix| prefix.eq_ignore_ascii_case(PREFIX))
}

fn unknown(key: &str) -> ApiError {
    let known: Vec<&str> = EXTENSION_TAGS.iter().map(|known| known.key).collect();
    ErrorCode::InvalidTagging.with_message(format!(
        "The tag key {key:?} begins with mantlet:, and this release knows no such tag of a distribution. Use one of \
         {}, or remove it.",
        known.join(", ")
    ))
}

fn malformed(known: &ExtensionTag, value: &str) -> ApiError {
    let ExtensionTag { key, meaning, .. } = known;
    let [values, default, meaning] = [known.values, known.default, meaning].map(|text| text.replace('`', ""));
    ErrorCode::InvalidTagging.with_message(format!(
        "The tag {key} cannot have the value {value:?}. Give it {values}, or remove the tag for the default, \
         {default}. It says {meaning}."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Extensions, String> {
        let tags: Vec<Tag> = pairs
            .iter()
            .map(|&(key, value)| Tag { key: key.to_owned(), value: Some(value.to_owned()) })
            .collect();
        Extensions::of(&tags).map_err(|error| {
            assert_eq!((error.code, error.status), ("InvalidTagging", 400));
            error.message
        })
    }

    #[test]
    fn known_tags_switch_what_they_say() {
        assert_eq!(read(&[("team", "skin")]), Ok(Extensions::default()));
        assert_eq!(
            read(&[
                ("mantlet:error-pages", "navigations"),
                ("mantlet:max-body", "1048576"),
                ("mantlet:proxy-protocol", "v2"),
            ]),
            Ok(Extensions {
                error_page_audience: ErrorPageAudience::Navigations,
                max_body_bytes: Some(1_048_576),
                sends_proxy_protocol: true,
                ..Extensions::default()
            })
        );
        assert_eq!(read(&[("mantlet:error-pages", "all")]), Ok(Extensions::default()));
        assert_eq!(read(&[("mantlet:proxy-protocol", "off")]), Ok(Extensions::default()));
        let grpc = |value| read(&[("mantlet:grpc-h2c", value)]).unwrap().grpc_transport;
        assert_eq!((grpc("on"), grpc("off")), (GrpcTransport::AsOriginSpeaks, GrpcTransport::Tls));
        assert_eq!(read(&[("mantlet:max-body", "0")]).unwrap().max_body_bytes, Some(0));
    }

    #[test]
    fn unknown_and_malformed_ones_are_refused_with_what_would_do() {
        for (key, value, part) in [
            ("mantlet:scrub", "off", "mantlet:error-pages, mantlet:grpc-h2c, mantlet:max-body"),
            ("Mantlet:max-body", "5", "knows no such tag"),
            ("mantlet:", "", "knows no such tag"),
            ("mantlet:error-pages", "some", "all, navigations"),
            ("mantlet:max-body", "", "Give it bytes"),
            ("mantlet:proxy-protocol", "v1", "off, v2"),
            ("mantlet:max-body", "+5", "Give it bytes"),
            ("mantlet:max-body", "1 MB", "Give it bytes"),
            ("mantlet:max-body", "99999999999999999999", "Give it bytes"),
        ] {
            let message = read(&[(key, value)]).unwrap_err();
            assert!(message.contains(part), "{key}={value}: {message}");
        }
    }

    #[test]
    fn the_readme_lists_them_all() {
        let readme = include_str!("../../../README.md");
        for ExtensionTag { key, values, default, meaning, .. } in EXTENSION_TAGS {
            let row = format!("| `{key}` | {values} | {default} | {meaning} |");
            assert!(readme.contains(&row), "README.md must have the row\n{row}");
        }
        let listed = readme.lines().filter(|line| line.starts_with("| `mantlet:")).count();
        assert_eq!(listed, EXTENSION_TAGS.len(), "README.md lists tags that do not exist");
    }
}
