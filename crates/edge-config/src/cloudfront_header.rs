//! The `CloudFront-…` request headers that an edge makes, where a policy asks for them ("Add CloudFront
//! request headers").

use std::fmt;

/// One of these headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloudFrontHeader {
    /// `http` or `https`.
    ForwardedProto,
    /// By `User-Agent`: Android.
    IsAndroidViewer,
    /// By `User-Agent`: a desktop.
    IsDesktopViewer,
    /// By `User-Agent`: an Apple mobile operating system.
    IsIosViewer,
    /// By `User-Agent`: a mobile device.
    IsMobileViewer,
    /// By `User-Agent`: a smart TV.
    IsSmartTvViewer,
    /// By `User-Agent`: a tablet.
    IsTabletViewer,
    /// Address and port.
    ViewerAddress,
    /// The number of the autonomous system that the address is in.
    ViewerAsn,
    /// The city's name.
    ViewerCity,
    /// The country's code (ISO 3166-1 alpha-2).
    ViewerCountry,
    /// The country's name.
    ViewerCountryName,
    /// The code of the country's broadest subdivision (ISO 3166-2).
    ViewerCountryRegion,
    /// The name of that subdivision.
    ViewerCountryRegionName,
    /// How many header fields the viewer sent.
    ViewerHeaderCount,
    /// Their names, in the viewer's order.
    ViewerHeaderOrder,
    /// The version of HTTP.
    ViewerHttpVersion,
    /// The JA3 fingerprint of the viewer's TLS.
    ViewerJa3Fingerprint,
    /// The JA4 fingerprint of the viewer's TLS.
    ViewerJa4Fingerprint,
    /// Degrees north.
    ViewerLatitude,
    /// Degrees east.
    ViewerLongitude,
    /// The metro code, within the United States.
    ViewerMetroCode,
    /// The postal code.
    ViewerPostalCode,
    /// The time zone, as in IANA's database.
    ViewerTimeZone,
    /// Version and cipher suite of the viewer's TLS, and how its session began.
    ViewerTls,
}

impl CloudFrontHeader {
    /// Every one of them, in the order in which origins get them.
    pub const ALL: [Self; 25] = [
        Self::ForwardedProto,
        Self::IsAndroidViewer,
        Self::IsDesktopViewer,
        Self::IsIosViewer,
        Self::IsMobileViewer,
        Self::IsSmartTvViewer,
        Self::IsTabletViewer,
        Self::ViewerAddress,
        Self::ViewerAsn,
        Self::ViewerCity,
        Self::ViewerCountry,
        Self::ViewerCountryName,
        Self::ViewerCountryRegion,
        Self::ViewerCountryRegionName,
        Self::ViewerHeaderCount,
        Self::ViewerHeaderOrder,
        Self::ViewerHttpVersion,
        Self::ViewerJa3Fingerprint,
        Self::ViewerJa4Fingerprint,
        Self::ViewerLatitude,
        Self::ViewerLongitude,
        Self::ViewerMetroCode,
        Self::ViewerPostalCode,
        Self::ViewerTimeZone,
        Self::ViewerTls,
    ];

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::ForwardedProto => "CloudFront-Forwarded-Proto",
            Self::IsAndroidViewer => "CloudFront-Is-Android-Viewer",
            Self::IsDesktopViewer => "CloudFront-Is-Desktop-Viewer",
            Self::IsIosViewer => "CloudFront-Is-IOS-Viewer",
            Self::IsMobileViewer => "CloudFront-Is-Mobile-Viewer",
            Self::IsSmartTvViewer => "CloudFront-Is-SmartTV-Viewer",
            Self::IsTabletViewer => "CloudFront-Is-Tablet-Viewer",
            Self::ViewerAddress => "CloudFront-Viewer-Address",
            Self::ViewerAsn => "CloudFront-Viewer-ASN",
            Self::ViewerCity => "CloudFront-Viewer-City",
            Self::ViewerCountry => "CloudFront-Viewer-Country",
            Self::ViewerCountryName => "CloudFront-Viewer-Country-Name",
            Self::ViewerCountryRegion => "CloudFront-Viewer-Country-Region",
            Self::ViewerCountryRegionName => "CloudFront-Viewer-Country-Region-Name",
            Self::ViewerHeaderCount => "CloudFront-Viewer-Header-Count",
            Self::ViewerHeaderOrder => "CloudFront-Viewer-Header-Order",
            Self::ViewerHttpVersion => "CloudFront-Viewer-Http-Version",
            Self::ViewerJa3Fingerprint => "CloudFront-Viewer-JA3-Fingerprint",
            Self::ViewerJa4Fingerprint => "CloudFront-Viewer-JA4-Fingerprint",
            Self::ViewerLatitude => "CloudFront-Viewer-Latitude",
            Self::ViewerLongitude => "CloudFront-Viewer-Longitude",
            Self::ViewerMetroCode => "CloudFront-Viewer-Metro-Code",
            Self::ViewerPostalCode => "CloudFront-Viewer-Postal-Code",
            Self::ViewerTimeZone => "CloudFront-Viewer-Time-Zone",
            Self::ViewerTls => "CloudFront-Viewer-TLS",
        }
    }

    /// The header of a name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|header| header.name().eq_ignore_ascii_case(name))
    }
}

/// A set of these headers: what policies ask for, or what an edge can say. Copied, and asked in no time.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct CloudFrontHeaders(u32);

impl CloudFrontHeaders {
    /// What needs the country of an address to be known.
    pub const OF_COUNTRIES: Self =
        Self::of(&[CloudFrontHeader::ViewerCountry, CloudFrontHeader::ViewerCountryName]);
    /// What needs more than the country.
    pub const OF_CITIES: Self = Self::of(&[
        CloudFrontHeader::ViewerCity,
        CloudFrontHeader::ViewerCountryRegion,
        CloudFrontHeader::ViewerCountryRegionName,
        CloudFrontHeader::ViewerLatitude,
        CloudFrontHeader::ViewerLongitude,
        CloudFrontHeader::ViewerMetroCode,
        CloudFrontHeader::ViewerPostalCode,
        CloudFrontHeader::ViewerTimeZone,
    ]);
    /// What needs the autonomous system of an address to be known.
    pub const OF_ASNS: Self = Self::of(&[CloudFrontHeader::ViewerAsn]);
    /// What a database of addresses must tell.
    pub const OF_LOCATIONS: Self = Self::OF_COUNTRIES.union(Self::OF_CITIES).union(Self::OF_ASNS);
    /// What is made of a viewer's ClientHello.
    pub const OF_FINGERPRINTS: Self =
        Self::of(&[CloudFrontHeader::ViewerJa3Fingerprint, CloudFrontHeader::ViewerJa4Fingerprint]);
    /// What is made of a viewer's `User-Agent`.
    pub const OF_DEVICES: Self = Self::of(&[
        CloudFrontHeader::IsAndroidViewer,
        CloudFrontHeader::IsDesktopViewer,
        CloudFrontHeader::IsIosViewer,
        CloudFrontHeader::IsMobileViewer,
        CloudFrontHeader::IsSmartTvViewer,
        CloudFrontHeader::IsTabletViewer,
    ]);
    /// Every one.
    pub const ALL: Self = Self::of(&CloudFrontHeader::ALL);

    const fn of(headers: &[CloudFrontHeader]) -> Self {
        let (mut bits, mut at) = (0, 0);
        // `const` knows no iterators.
        while at < headers.len() {
            bits |= 1 << headers[at] as u32;
            at += 1;
        }
        Self(bits)
    }

    /// Those of these names that are such headers.
    pub fn named<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let headers = names.into_iter().filter_map(CloudFrontHeader::from_name);
        headers.fold(Self::default(), |set, header| set.union(Self::of(&[header])))
    }

    /// Whether there is none in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this one is in it.
    pub const fn contains(self, header: CloudFrontHeader) -> bool {
        self.0 & (1 << header as u32) != 0
    }

    /// Whether any is in both.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this one alone.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What is in it, in the order in which origins get it.
    pub fn iter(self) -> impl Iterator<Item = CloudFrontHeader> {
        CloudFrontHeader::ALL.into_iter().filter(move |header| self.contains(*header))
    }
}

impl fmt::Debug for CloudFrontHeaders {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_by_their_names_in_any_case() {
        for header in CloudFrontHeader::ALL {
            assert_eq!(CloudFrontHeader::from_name(header.name()), Some(header));
            assert_eq!(CloudFrontHeader::from_name(&header.name().to_lowercase()), Some(header));
        }
        assert_eq!(CloudFrontHeader::from_name("CloudFront-Viewer"), None);
    }

    #[test]
    fn a_set_has_what_was_named_and_nothing_else() {
        let set = CloudFrontHeaders::named(["Accept", "cloudfront-viewer-tls", "CloudFront-Viewer-ASN"]);
        let names: Vec<_> = set.iter().map(CloudFrontHeader::name).collect();
        assert_eq!(names, ["CloudFront-Viewer-ASN", "CloudFront-Viewer-TLS"]);
        assert!(set.intersects(CloudFrontHeaders::OF_LOCATIONS));
        assert!(!set.intersects(CloudFrontHeaders::OF_DEVICES));
        assert!(CloudFrontHeaders::named(["Host"]).is_empty());
        assert_eq!(CloudFrontHeaders::ALL.iter().count(), CloudFrontHeader::ALL.len());
    }
}
