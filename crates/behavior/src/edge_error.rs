//! What the edge answers itself when it cannot, or must not, ask the origin.

use crate::XCache;

/// Why the edge answers itself. Nothing here, and nothing made from it, tells of the origin: which
/// phase failed is for the log, not for the viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EdgeError {
    /// Not HTTP, or in a way that could be read in two.
    BadRequest,
    /// The host is no distribution's, or its distribution is disabled: from outside there is no
    /// difference.
    NoSuchDistribution,
    /// The host's distribution has another certificate, or a stricter security policy, than the one that
    /// the connection was made for.
    MisdirectedRequest,
    /// The distribution is not served in the viewer's country.
    CountryNotServed,
    /// The cache behavior does not serve the method.
    MethodNotAllowed,
    /// GET or HEAD with a body.
    BodyNotAllowed,
    /// HTTP where only HTTPS is served.
    HttpsRequired,
    /// The viewer did not send its request in time.
    RequestTimeout,
    /// The request's body is longer than the distribution takes.
    BodyTooLarge,
    /// The URL is longer than 8,192 bytes.
    UriTooLong,
    /// Request line and headers are longer than 32,768 bytes.
    HeaderTooLarge,
    /// A tunnel for another protocol than WebSocket, or one that the cache behavior does not pass on.
    TunnelNotSupported,
    /// Another version than the viewer may speak.
    VersionNotSupported,
    /// The origin could not be found, reached or understood.
    OriginFailed,
    /// The origin did not answer in time.
    OriginTimeout,
    /// The edge is at a limit of its own.
    Overloaded,
}

/// In which form an error is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerFormat {
    /// A page.
    Html,
    /// `{code, message, requestId}`.
    Json,
}

impl AnswerFormat {
    /// A page for whoever asks for one, as browsers do when they navigate; JSON for everyone else.
    pub fn from_accept(accept: Option<&[u8]>) -> Self {
        let is_page = |range: &[u8]| {
            let media_type = range.split(|&byte| byte == b';').next().unwrap_or_default();
            media_type.trim_ascii().eq_ignore_ascii_case(b"text/html")
        };
        let wants_page = accept.is_some_and(|accept| accept.split(|&byte| byte == b',').any(is_page));
        if wants_page { Self::Html } else { Self::Json }
    }

    /// The `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Html => "text/html",
            Self::Json => "application/json",
        }
    }
}

impl EdgeError {
    /// The status, as CloudFront's.
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::NoSuchDistribution
            | Self::CountryNotServed
            | Self::MethodNotAllowed
            | Self::BodyNotAllowed
            | Self::HttpsRequired => 403,
            Self::RequestTimeout => 408,
            Self::BodyTooLarge => 413,
            Self::UriTooLong => 414,
            // RFC 9110 section 15.5.20.
            Self::MisdirectedRequest => 421,
            Self::HeaderTooLarge => 494,
            // RFC 9220 section 3, which says it for HTTP/3; RFC 8441 is silent.
            Self::TunnelNotSupported => 501,
            Self::OriginFailed => 502,
            Self::Overloaded => 503,
            Self::OriginTimeout => 504,
            Self::VersionNotSupported => 505,
        }
    }

    /// What `X-Cache` says.
    pub fn x_cache(self) -> XCache {
        match self {
            Self::Overloaded => XCache::LimitExceeded,
            _ => XCache::Error,
        }
    }

    /// Whether a page of the distribution may take its place: where the origin failed, and where access is
    /// refused. What cannot be read is asked nothing further, and nothing more is done under load.
    pub fn may_have_page(self) -> bool {
        matches!(
            self,
            Self::OriginFailed | Self::OriginTimeout | Self::MethodNotAllowed | Self::CountryNotServed
        )
    }

    /// A word for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::BadRequest => "BadRequest",
            Self::NoSuchDistribution => "NoSuchDistribution",
            Self::MisdirectedRequest => "MisdirectedRequest",
            Self::CountryNotServed => "CountryNotServed",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::BodyNotAllowed => "BodyNotAllowed",
            Self::HttpsRequired => "HttpsRequired",
            Self::RequestTimeout => "RequestTimeout",
            Self::BodyTooLarge => "BodyTooLarge",
            Self::UriTooLong => "UriTooLong",
            Self::HeaderTooLarge => "HeaderTooLarge",
            Self::TunnelNotSupported => "TunnelNotSupported",
            Self::VersionNotSupported => "VersionNotSupported",
            Self::OriginFailed => "OriginFailed",
            Self::OriginTimeout => "OriginTimeout",
            Self::Overloaded => "Overloaded",
        }
    }

    /// A sentence for people: what happened and, where the viewer or the distribution's owner can do
    /// something, what.
    pub fn message(self) -> &'static str {
        match self {
            Self::BadRequest => "The request is not valid HTTP, or could be understood in more than one way.",
            Self::NoSuchDistribution => "Nothing is served under this name.",
            Self::MisdirectedRequest => {
                "This name is served on connections of its own. Connect with it as the TLS server name (SNI)."
            }
            Self::CountryNotServed => "This is not served in your country.",
            // CloudFront's words, which people search for.
            Self::MethodNotAllowed => {
                "This distribution is not configured to allow the HTTP request method that was used for this \
                 request. The distribution supports only cachable requests."
            }
            Self::BodyNotAllowed => {
                "A GET or HEAD request cannot have a body. Use POST, or leave the body out."
            }
            Self::HttpsRequired => {
                "This is served over HTTPS only. Use an https:// URL and HTTP/1.1 or newer."
            }
            Self::RequestTimeout => "The request did not arrive in time.",
            Self::BodyTooLarge => "The request's body is longer than what is taken here.",
            Self::UriTooLong => "The URL is longer than 8,192 bytes.",
            Self::HeaderTooLarge => "The request line and headers are longer than 32,768 bytes, or too many.",
            Self::TunnelNotSupported => {
                "Only WebSocket is tunnelled here, and only where the distribution forwards its headers to the origin."
            }
            Self::VersionNotSupported => "This version of HTTP is not served here.",
            Self::OriginFailed => {
                "The service behind this address could not be reached or gave no valid answer."
            }
            Self::OriginTimeout => "The service behind this address did not answer in time.",
            Self::Overloaded => "Too many requests at this moment. Try again shortly.",
        }
    }

    /// The answer's body. The request id is the edge's own and needs no escaping.
    pub fn body(self, format: AnswerFormat, request_id: &str) -> String {
        let (status, code, message) = (self.status(), self.code(), self.message());
        match format {
            AnswerFormat::Json => {
                format!("{{\"code\":\"{code}\",\"message\":\"{message}\",\"requestId\":\"{request_id}\"}}\n")
            }
            AnswerFormat::Html => format!(
                "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01 Transitional//EN\" \
                 \"http://www.w3.org/TR/html4/loose.dtd\">\n\
                 <HTML><HEAD><META HTTP-EQUIV=\"Content-Type\" CONTENT=\"text/html; charset=utf-8\">\n\
                 <TITLE>ERROR: The request could not be satisfied</TITLE>\n\
                 </HEAD><BODY>\n\
                 <H1>{status} ERROR</H1>\n\
                 <H2>The request could not be satisfied.</H2>\n\
                 <HR noshade size=\"1px\">\n\
                 {message}\n\
                 <BR clear=\"all\">\n\
                 <HR noshade size=\"1px\">\n\
                 <PRE>\nGenerated by cloudfront (CloudFront)\nRequest ID: {request_id}\n</PRE>\n\
                 </BODY></HTML>\n"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_get_a_page_and_programs_get_json() {
        let navigation = b"text/html,application/xhtml+xml;q=0.9,*/*;q=0.8".as_slice();
        assert_eq!(AnswerFormat::from_accept(Some(navigation)), AnswerFormat::Html);
        assert_eq!(AnswerFormat::from_accept(Some(b"*/*")), AnswerFormat::Json);
        assert_eq!(AnswerFormat::from_accept(Some(b"application/json")), AnswerFormat::Json);
        assert_eq!(AnswerFormat::from_accept(None), AnswerFormat::Json);
    }

    #[test]
    fn d7_a_page_names_status_reason_and_request() {
        let page = EdgeError::MethodNotAllowed.body(AnswerFormat::Html, "abc");
        for part in [
            "<TITLE>ERROR: The request could not be satisfied</TITLE>",
            "<H1>403 ERROR</H1>",
            "Request ID: abc",
        ] {
            assert!(page.contains(part), "{part}");
        }
    }

    #[test]
    fn json_is_json_with_code_message_and_request_id() {
        assert_eq!(
            EdgeError::OriginTimeout.body(AnswerFormat::Json, "abc"),
            "{\"code\":\"OriginTimeout\",\"message\":\"The service behind this address did not answer in time.\",\
             \"requestId\":\"abc\"}\n"
        );
    }
}
