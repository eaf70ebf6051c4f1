//! Where an origin is: a DNS name, or (unlike CloudFront) an IP address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aws_api::ApiError;
use aws_api::cloudfront::Origin;
use edge_config::{HostName, OriginAddress};

use crate::errors::invalid_argument;

/// Metadata services that give credentials to whoever asks from the machine, beside the link-local
/// ones: Azure's, Alibaba Cloud's, and AWS's over IPv6.
const CLOUD_METADATA: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254)),
];

/// The address of an origin. Edges check what a name resolves to; an address that no edge will ever
/// connect to is refused here already.
pub(crate) fn parse_origin_address(origin: &Origin) -> Result<OriginAddress, ApiError> {
    let text = origin.domain_name.as_str();
    let refuse = |reason: &str| {
        Err(invalid_argument(format!("The DomainName {text:?} of the origin {:?} {reason}", origin.id)))
    };
    if let Some((_, rest)) = text.split_once("://") {
        return refuse(&format!(
            "begins with a scheme. Set it to {:?} and choose the scheme with OriginProtocolPolicy.",
            rest.split(['/', ':']).next().unwrap_or_default()
        ));
    }
    let literal = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = literal.trim_end_matches('.').parse::<IpAddr>() {
        return match why_never_an_origin(address) {
            None => Ok(OriginAddress::Ip(address)),
            Some(reason) => {
                refuse(&format!("is {reason}, which is never an origin. Set it to the address of your API."))
            }
        };
    }
    if text.contains('/') {
        return refuse("has a path. Set it to the name alone and the path as OriginPath.");
    }
    if let Some((name, _)) = text.split_once(':') {
        return refuse(&format!(
            "has a colon. Set it to {name:?} and the port as HTTPPort or HTTPSPort of CustomOriginConfig."
        ));
    }
    match HostName::parse(text) {
        // Resolvers take 127.1 or 0x7f000001 for addresses (WHATWG URL, "ends in a number").
        Ok(name) if ends_in_a_number(name.as_str()) => {
            refuse("looks like an address, and is none. Write IPv4 addresses as four numbers with dots.")
        }
        Ok(name) => Ok(OriginAddress::Name(name)),
        Err(error) => refuse(&format!("is no host name: {error}.")),
    }
}

fn ends_in_a_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    last.bytes().all(|byte| byte.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn why_never_an_origin(address: IpAddr) -> Option<&'static str> {
    let address = embedded_ipv4(address).map_or(address, IpAddr::V4);
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    let is_broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    if is_link_local {
        Some("a link-local address")
    } else if CLOUD_METADATA.contains(&address) {
        Some("the address of a cloud's metadata service")
    } else if address.is_unspecified() {
        Some("the unspecified address")
    } else if address.is_multicast() || is_broadcast {
        Some("the address of a group")
    } else {
        None
    }
}

/// The IPv4 address inside an IPv4-mapped (RFC 4291 section 2.5.5.2), NAT64 (RFC 6052 section 2.1) or
/// 6to4 (RFC 3056 section 2) address: that is where the packets end.
fn embedded_ipv4(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    let ([0, 0, 0, 0, 0, 0xffff, high, low]
    | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
    | [0x2002, high, low, ..]) = address.segments()
    else {
        return None;
    };
    Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(domain_name: &str) -> Result<OriginAddress, ApiError> {
        parse_origin_address(&Origin {
            id: "api".to_owned(),
            domain_name: domain_name.to_owned(),
            ..Origin::default()
        })
    }

    fn check_refused(domain_name: &str, expect: &str) {
        let error = parse(domain_name).unwrap_err();
        assert_eq!((error.code, error.status), ("InvalidArgument", 400), "{domain_name}");
        assert!(error.message.contains(expect), "{}", error.message);
    }

    #[test]
    fn names_and_addresses_are_origins() {
        assert_eq!(
            parse("API.example.com"),
            Ok(OriginAddress::Name(HostName::parse("api.example.com").unwrap()))
        );
        assert_eq!(parse("127.0.0.1"), Ok(OriginAddress::Ip("127.0.0.1".parse().unwrap())));
        assert_eq!(parse("10.1.2.3"), Ok(OriginAddress::Ip("10.1.2.3".parse().unwrap())));
        assert_eq!(parse("::1"), Ok(OriginAddress::Ip("::1".parse().unwrap())));
        assert_eq!(parse("[2001:db8::1]"), Ok(OriginAddress::Ip("2001:db8::1".parse().unwrap())));
    }

    #[test]
    fn schemes_ports_and_paths_have_their_own_settings() {
        check_refused("http://api.example.com:3500/v1", "Set it to \"api.example.com\"");
        check_refused("api.example.com:3500", "HTTPPort");
        check_refused("127.0.0.1:3500", "Set it to \"127.0.0.1\"");
        check_refused("api.example.com/v1", "OriginPath");
    }

    #[test]
    fn what_is_no_host_name_is_refused() {
        check_refused("", "no host name");
        check_refused("a b", "no host name");
        check_refused("exämple.com", "punycode");
        for disguised in ["127.1", "2130706433", "0x7f000001", "0x7f.1", "169.254.43518"] {
            check_refused(disguised, "looks like an address");
        }
    }

    #[test]
    fn link_local_and_metadata_addresses_are_refused_in_every_form() {
        for address in [
            "169.254.169.254",
            "169.254.169.254.",
            "fe80::1",
            "[fe80::1]",
            "168.63.129.16",
            "100.100.100.200",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::",
            "::ffff:100.100.100.200",
            "fd00:ec2::254",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "255.255.255.255",
        ] {
            check_refused(address, "never an origin");
        }
    }
}
