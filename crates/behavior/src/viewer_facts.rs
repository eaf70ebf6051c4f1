//! The `CloudFront-…` headers: what the origin is told of the viewer ("Add CloudFront request headers").
//!
//! An edge writes those that a policy asks for and that it can say; a viewer's own are never passed on.

use std::borrow::Cow;
use std::fmt::Write;

use edge_config::{CloudFrontHeader, CloudFrontHeaders};

use crate::device::Device;
use crate::field::{FieldSink, is_same_name};
use crate::origin_request::OriginRequest;

/// "Headers beyond the character limit of 7,680 are truncated."
const HEADER_ORDER_BYTES_MAX: usize = 7_680;

/// What is known of a viewer beside its request and its address.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ViewerFacts<'a> {
    /// How it speaks TLS; nothing in clear.
    pub tls: Option<TlsDescription<'a>>,
    /// Where it is, as far as a database tells.
    pub location: ViewerLocation<'a>,
}

/// A viewer's TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsDescription<'a> {
    /// The version, such as `TLSv1.3`.
    pub version: &'a str,
    /// The cipher suite, by OpenSSL's name.
    pub cipher: &'a str,
    /// How the session began.
    pub handshake: TlsHandshake,
    /// The JA3 fingerprint, if it was made.
    pub ja3: Option<&'a str>,
    /// The JA4 fingerprint, if it was made.
    pub ja4: Option<&'a str>,
}

/// How a request came to its TLS session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsHandshake {
    /// It is the first on a connection with a handshake of its own.
    Full,
    /// It is the first on a connection that resumed an earlier session.
    Resumed,
    /// Others were there before it on the connection.
    ConnectionReused,
}

impl TlsHandshake {
    fn as_str(self) -> &'static str {
        match self {
            Self::Full => "fullHandshake",
            Self::Resumed => "sessionResumed",
            Self::ConnectionReused => "connectionReused",
        }
    }
}

/// Where a viewer is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ViewerLocation<'a> {
    /// The number of its autonomous system.
    pub asn: Option<u32>,
    /// The country's code (ISO 3166-1 alpha-2).
    pub country: Option<&'a str>,
    /// The country's name.
    pub country_name: Option<&'a str>,
    /// The code of the country's broadest subdivision (ISO 3166-2), without the country's.
    pub region: Option<&'a str>,
    /// The name of that subdivision.
    pub region_name: Option<&'a str>,
    /// The city's name.
    pub city: Option<&'a str>,
    /// Degrees north.
    pub latitude: Option<f64>,
    /// Degrees east.
    pub longitude: Option<f64>,
    /// The metro code, within the United States.
    pub metro_code: Option<u32>,
    /// The postal code.
    pub postal_code: Option<&'a str>,
    /// The time zone, as in IANA's database.
    pub time_zone: Option<&'a str>,
}

/// Writes the headers that either policy asks for.
pub(crate) fn write_cloudfront_headers<'a>(
    request: &OriginRequest<'_>,
    fields: &(impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone),
    sink: &mut impl FieldSink,
) {
    let asked_for = request.cache_behavior.cloudfront_headers;
    let device = asked_for.intersects(CloudFrontHeaders::OF_DEVICES).then(|| {
        let user_agent = fields.clone().find(|(name, _)| is_same_name(name, b"user-agent"));
        Device::of(user_agent.map(|(_, value)| value).unwrap_or_default())
    });
    for header in asked_for.iter() {
        if let Some(value) = value(header, request, device, fields.clone()) {
            sink.field(header.name().as_bytes(), &[value.as_bytes()]);
        }
    }
}

/// The value of a header; none where the edge cannot say it.
fn value<'v, 'a>(
    header: CloudFrontHeader,
    request: &OriginRequest<'v>,
    device: Option<Device>,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
) -> Option<Cow<'v, str>> {
    let (tls, location) = (request.facts.tls, request.facts.location);
    let told = match header {
        CloudFrontHeader::ForwardedProto => request.scheme.as_str().into(),
        CloudFrontHeader::ViewerHttpVersion => request.version.as_str().into(),
        CloudFrontHeader::ViewerAddress => {
            format!("{}:{}", request.viewer.ip().to_canonical(), request.viewer.port()).into()
        }
        CloudFrontHeader::IsAndroidViewer
        | CloudFrontHeader::IsDesktopViewer
        | CloudFrontHeader::IsIosViewer
        | CloudFrontHeader::IsMobileViewer
        | CloudFrontHeader::IsSmartTvViewer
        | CloudFrontHeader::IsTabletViewer => {
            let is_so = device.is_some_and(|device| device.is(header));
            if is_so { "true".into() } else { "false".into() }
        }
        CloudFrontHeader::ViewerHeaderCount => fields.count().to_string().into(),
        CloudFrontHeader::ViewerHeaderOrder => header_order(fields).into(),
        CloudFrontHeader::ViewerTls => {
            let TlsDescription { version, cipher, handshake, .. } = tls?;
            format!("{version}:{cipher}:{}", handshake.as_str()).into()
        }
        CloudFrontHeader::ViewerJa3Fingerprint => tls?.ja3?.into(),
        CloudFrontHeader::ViewerJa4Fingerprint => tls?.ja4?.into(),
        CloudFrontHeader::ViewerAsn => location.asn?.to_string().into(),
        CloudFrontHeader::ViewerCity => percent_encoded(location.city?),
        CloudFrontHeader::ViewerCountry => percent_encoded(location.country?),
        CloudFrontHeader::ViewerCountryName => percent_encoded(location.country_name?),
        CloudFrontHeader::ViewerCountryRegion => percent_encoded(location.region?),
        CloudFrontHeader::ViewerCountryRegionName => percent_encoded(location.region_name?),
        CloudFrontHeader::ViewerLatitude => degrees(location.latitude?),
        CloudFrontHeader::ViewerLongitude => degrees(location.longitude?),
        CloudFrontHeader::ViewerMetroCode => location.metro_code?.to_string().into(),
        CloudFrontHeader::ViewerPostalCode => percent_encoded(location.postal_code?),
        CloudFrontHeader::ViewerTimeZone => percent_encoded(location.time_zone?),
    };
    Some(told)
}

/// The names as the viewer wrote them, as many whole ones as fit.
fn header_order<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> String {
    let mut order = String::new();
    for (name, _) in fields {
        if order.len() + 1 + name.len() > HEADER_ORDER_BYTES_MAX {
            break;
        }
        if !order.is_empty() {
            order.push(':');
        }
        // Names are tokens, so ASCII.
        order.extend(name.iter().copied().map(char::from));
    }
    order
}

/// "For non-ASCII characters in these headers' values, CloudFront percent-encodes the character according
/// to RFC 3986." Control characters, which no header may have, are treated like them.
fn percent_encoded(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~');
    if text.as_bytes().iter().all(is_plain) {
        return text.into();
    }
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if is_plain(&byte) {
            encoded.push(byte.into());
        } else {
            // Writing to a String does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded.into()
}

/// As CloudFront writes them: `42.30680`.
fn degrees(degrees: f64) -> Cow<'static, str> {
    format!("{degrees:.5}").into()
}

#[cfg(test)]
mod tests {
    use edge_config::LinkedCacheBehavior;

    use super::*;
    use crate::tests::{Fields, distribution};
    use crate::{HttpVersion, Scheme, write_origin_fields};

    /// The `CloudFront-…` headers that an origin gets when all are asked for.
    fn check(facts: ViewerFacts<'_>, fields: &[(&str, &str)], expect: &[&str]) {
        let mut cache_behavior = distribution().default_cache_behavior;
        cache_behavior.cloudfront_headers = CloudFrontHeaders::ALL;
        assert_eq!(told(&cache_behavior, facts, fields), expect);
    }

    fn told(
        cache_behavior: &LinkedCacheBehavior,
        facts: ViewerFacts<'_>,
        fields: &[(&str, &str)],
    ) -> Vec<String> {
        let request = OriginRequest {
            cache_behavior,
            origin: &cache_behavior.origin,
            method: edge_config::Method::Get,
            host: "viewer.test",
            scheme: Scheme::Https,
            version: HttpVersion::Http2,
            viewer: "[2001:db8::7]:4711".parse().unwrap(),
            facts: &facts,
            request_id: b"id",
            via_id: "abc",
        };
        let mut sink = Fields::default();
        write_origin_fields(
            &request,
            fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())),
            &mut sink,
        );
        let lines = sink.0.lines().filter_map(|line| line.strip_prefix("CloudFront-"));
        lines.map(str::to_owned).collect()
    }

    const DESKTOP: [&str; 7] = [
        "Forwarded-Proto: https",
        "Is-Android-Viewer: false",
        "Is-Desktop-Viewer: true",
        "Is-IOS-Viewer: false",
        "Is-Mobile-Viewer: false",
        "Is-SmartTV-Viewer: false",
        "Is-Tablet-Viewer: false",
    ];

    #[test]
    fn b11_what_is_not_known_is_not_told() {
        let expect = [
            &DESKTOP[..],
            &[
                "Viewer-Address: 2001:db8::7:4711",
                "Viewer-Header-Count: 0",
                "Viewer-Header-Order: ",
                "Viewer-Http-Version: 2.0",
            ],
        ];
        check(ViewerFacts::default(), &[], &expect.concat());
    }

    #[test]
    fn b11_everything_that_is_known_is_told() {
        let facts = ViewerFacts {
            tls: Some(TlsDescription {
                version: "TLSv1.3",
                cipher: "TLS_AES_128_GCM_SHA256",
                handshake: TlsHandshake::Resumed,
                ja3: Some("ja3"),
                ja4: Some("ja4"),
            }),
            location: ViewerLocation {
                asn: Some(64_500),
                country: Some("CH"),
                country_name: Some("Switzerland"),
                region: Some("ZH"),
                region_name: Some("Zurich"),
                city: Some("Zürich"),
                latitude: Some(47.3682),
                longitude: Some(-8.0),
                metro_code: Some(505),
                postal_code: Some("8001"),
                time_zone: Some("Europe/Zurich"),
            },
        };
        let expect = [
            &DESKTOP[..],
            &[
                "Viewer-Address: 2001:db8::7:4711",
                "Viewer-ASN: 64500",
                "Viewer-City: Z%C3%BCrich",
                "Viewer-Country: CH",
                "Viewer-Country-Name: Switzerland",
                "Viewer-Country-Region: ZH",
                "Viewer-Country-Region-Name: Zurich",
                "Viewer-Header-Count: 2",
                "Viewer-Header-Order: host:Accept",
                "Viewer-Http-Version: 2.0",
                "Viewer-JA3-Fingerprint: ja3",
                "Viewer-JA4-Fingerprint: ja4",
                "Viewer-Latitude: 47.36820",
                "Viewer-Longitude: -8.00000",
                "Viewer-Metro-Code: 505",
                "Viewer-Postal-Code: 8001",
                "Viewer-Time-Zone: Europe/Zurich",
                "Viewer-TLS: TLSv1.3:TLS_AES_128_GCM_SHA256:sessionResumed",
            ],
        ];
        check(facts, &[("host", "viewer.test"), ("Accept", "*/*")], &expect.concat());
    }

    #[test]
    fn b11_viewers_copies_are_never_trusted() {
        let cache_behavior = distribution().default_cache_behavior;
        let forged: Vec<_> =
            edge_config::CloudFrontHeader::ALL.map(|header| (header.name(), "forged")).into();
        assert_eq!(told(&cache_behavior, ViewerFacts::default(), &forged), [""; 0]);
        let underscored: Vec<_> =
            forged.iter().map(|(name, value)| (name.replace('-', "_"), *value)).collect();
        let underscored: Vec<_> = underscored.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(told(&cache_behavior, ViewerFacts::default(), &underscored), [""; 0]);
    }

    #[test]
    fn b11_the_order_of_headers_ends_with_a_whole_name() {
        let name = "x".repeat(99);
        let fields: Vec<_> = (0..100).map(|_| (name.as_bytes(), b"".as_slice())).collect();
        let order = header_order(fields.into_iter());
        assert_eq!(order.len(), 76 * 100 - 1);
        assert!(order.split(':').all(|part| part == name));
    }

    #[test]
    fn what_no_header_may_have_is_encoded() {
        assert_eq!(percent_encoded("a\r\nb"), "a%0D%0Ab");
        assert_eq!(percent_encoded("São Paulo"), "S%C3%A3o Paulo");
    }
}
