//! Field names that the edge acts on, recognised once, when a head is parsed.

use crate::ascii::is_in_any_case;

macro_rules! known_fields {
    ($($variant:ident = $name:literal,)*) => {
        /// A field whose name the edge, a policy or the framing knows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum KnownField {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        /// Each known field with its name in lower case.
        const KNOWN_FIELDS: &[(KnownField, &str)] = &[$((KnownField::$variant, $name),)*];
    };
}

known_fields! {
    Accept = "accept",
    AcceptCharset = "accept-charset",
    AcceptEncoding = "accept-encoding",
    AcceptLanguage = "accept-language",
    AcceptRanges = "accept-ranges",
    AccessControlAllowCredentials = "access-control-allow-credentials",
    AccessControlAllowHeaders = "access-control-allow-headers",
    AccessControlAllowMethods = "access-control-allow-methods",
    AccessControlAllowOrigin = "access-control-allow-origin",
    AccessControlExposeHeaders = "access-control-expose-headers",
    AccessControlMaxAge = "access-control-max-age",
    AccessControlRequestHeaders = "access-control-request-headers",
    AccessControlRequestMethod = "access-control-request-method",
    Age = "age",
    Allow = "allow",
    AltSvc = "alt-svc",
    Authorization = "authorization",
    CacheControl = "cache-control",
    CdnLoop = "cdn-loop",
    Connection = "connection",
    ContentDisposition = "content-disposition",
    ContentEncoding = "content-encoding",
    ContentLanguage = "content-language",
    ContentLength = "content-length",
    ContentLocation = "content-location",
    ContentRange = "content-range",
    ContentSecurityPolicy = "content-security-policy",
    ContentType = "content-type",
    Cookie = "cookie",
    Date = "date",
    Etag = "etag",
    Expect = "expect",
    Expires = "expires",
    Forwarded = "forwarded",
    Host = "host",
    Http2Settings = "http2-settings",
    IfMatch = "if-match",
    IfModifiedSince = "if-modified-since",
    IfNoneMatch = "if-none-match",
    IfRange = "if-range",
    IfUnmodifiedSince = "if-unmodified-since",
    KeepAlive = "keep-alive",
    LastModified = "last-modified",
    Link = "link",
    Location = "location",
    MaxForwards = "max-forwards",
    Origin = "origin",
    Pragma = "pragma",
    ProxyAuthenticate = "proxy-authenticate",
    ProxyAuthorization = "proxy-authorization",
    ProxyConnection = "proxy-connection",
    Range = "range",
    Referer = "referer",
    ReferrerPolicy = "referrer-policy",
    Refresh = "refresh",
    RequestRange = "request-range",
    RetryAfter = "retry-after",
    SecWebsocketAccept = "sec-websocket-accept",
    SecWebsocketExtensions = "sec-websocket-extensions",
    SecWebsocketKey = "sec-websocket-key",
    SecWebsocketProtocol = "sec-websocket-protocol",
    SecWebsocketVersion = "sec-websocket-version",
    Server = "server",
    ServerTiming = "server-timing",
    SetCookie = "set-cookie",
    StrictTransportSecurity = "strict-transport-security",
    Te = "te",
    TimingAllowOrigin = "timing-allow-origin",
    Traceparent = "traceparent",
    Trailer = "trailer",
    TransferEncoding = "transfer-encoding",
    Upgrade = "upgrade",
    UserAgent = "user-agent",
    Vary = "vary",
    Via = "via",
    Warning = "warning",
    WwwAuthenticate = "www-authenticate",
    XAmzCfId = "x-amz-cf-id",
    XAmzCfPop = "x-amz-cf-pop",
    XCache = "x-cache",
    XContentTypeOptions = "x-content-type-options",
    XForwardedFor = "x-forwarded-for",
    XForwardedHost = "x-forwarded-host",
    XForwardedPort = "x-forwarded-port",
    XForwardedProto = "x-forwarded-proto",
    XFrameOptions = "x-frame-options",
    XHttpMethodOverride = "x-http-method-override",
    XPoweredBy = "x-powered-by",
    XRealIp = "x-real-ip",
    XRequestId = "x-request-id",
    XXssProtection = "x-xss-protection",
}

impl KnownField {
    /// Every known field.
    pub fn all() -> impl Iterator<Item = Self> {
        KNOWN_FIELDS.iter().map(|&(field, _)| field)
    }

    /// The field's name in lower case.
    pub fn name(self) -> &'static str {
        KNOWN_FIELDS.get(self as usize).map_or("", |&(_, name)| name)
    }

    /// The known field of this name, whatever its case.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        let &index = SLOTS.get(slot_of(name)?)?;
        let &(field, known_name) = KNOWN_FIELDS.get(usize::from(index))?;
        is_in_any_case(name, known_name.as_bytes()).then_some(field)
    }

    /// As [`KnownField::from_name`], with `_` read as `-`.
    ///
    /// CGI, WSGI and their heirs give an application one variable for `X-Real-IP` and `X_Real_IP`; a field that is
    /// stripped under one of these names must be stripped under both.
    pub fn from_name_folding_underscore(name: &[u8]) -> Option<Self> {
        let mut folded = [0; KNOWN_NAME_BYTES_MAX];
        let folded = folded.get_mut(..name.len())?;
        for (to, &from) in folded.iter_mut().zip(name) {
            *to = if from == b'_' { b'-' } else { from };
        }
        Self::from_name(folded)
    }

    /// Whether the field belongs to one connection and is never forwarded as it came (RFC 9110 §7.6.1), even when
    /// `Connection` does not name it.
    pub const fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::Http2Settings
                | Self::KeepAlive
                | Self::ProxyConnection
                | Self::Te
                | Self::Trailer
                | Self::TransferEncoding
                | Self::Upgrade
        )
    }
}

const KNOWN_NAME_BYTES_MAX: usize = 40;
const SLOT_COUNT: usize = 512;
const EMPTY: u8 = u8::MAX;

/// From a name's slot to its index in `KNOWN_FIELDS`, made at compile time; it does not compile if two known names
/// share a slot. Then choose other factors in `slot_of`, at random.
const SLOTS: [u8; SLOT_COUNT] = {
    assert!(KNOWN_FIELDS.len() < EMPTY as usize);
    let mut slots = [EMPTY; SLOT_COUNT];
    let mut index: u8 = 0;
    while (index as usize) < KNOWN_FIELDS.len() {
        let name = KNOWN_FIELDS[index as usize].1.as_bytes();
        assert!(name.len() <= KNOWN_NAME_BYTES_MAX);
        let Some(slot) = slot_of(name) else { panic!("a known name is empty") };
        assert!(slots[slot] == EMPTY, "two known names share a slot");
        slots[slot] = index;
        index += 1;
    }
    slots
};

const fn slot_of(name: &[u8]) -> Option<usize> {
    let (Some(&first), Some(&last)) = (name.first(), name.last()) else { return None };
    // Three quarters in: where `…-allow-headers` and `…-allow-methods` differ.
    let inner = name[name.len() * 3 / 4];
    let key = name.len() * 143 + lower(first) * 21 + lower(last) * 160 + lower(inner) * 258;
    Some(key % SLOT_COUNT)
}

const fn lower(byte: u8) -> usize {
    (byte | 0x20) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ascii;

    #[test]
    fn every_known_field_is_found_by_its_name_in_any_case() {
        for field in KnownField::all() {
            assert!(ascii::is_token(field.name().as_bytes()));
            assert_eq!(KnownField::from_name(field.name().as_bytes()), Some(field));
            assert_eq!(KnownField::from_name(field.name().to_uppercase().as_bytes()), Some(field));
        }
    }

    #[test]
    fn other_names_are_not_known() {
        for name in ["", "x", "hosts", "x_real_ip", "content-lengtH ", "x-trace-id"] {
            assert_eq!(KnownField::from_name(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn underscores_disguise_nothing() {
        let check =
            |name: &str, field| assert_eq!(KnownField::from_name_folding_underscore(name.as_bytes()), field);
        check("X_Real-IP", Some(KnownField::XRealIp));
        check("content_length", Some(KnownField::ContentLength));
        check(&"_".repeat(100), None);
    }
}
