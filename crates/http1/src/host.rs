//! Whom a request is for: exactly one name or address, with an optional port.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::ascii::{self, HOST_NAME};
use crate::limits::{HOST_LABEL_BYTES_MAX, HOST_NAME_BYTES_MAX};

/// A valid `uri-host [ ":" port ]` (RFC 9110 §7.2), as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host<'a> {
    /// The whole value, port included.
    pub text: &'a str,
    /// The name, IPv4 address or bracketed IPv6 address, in the case it was sent.
    pub name: &'a str,
    /// The port, if there is one.
    pub port: Option<u16>,
}

/// Why a host is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// No Host field (RFC 9112 §3.2). HTTP/1.0 does not demand one; a shield of many names does.
    #[error("no Host")]
    Missing,
    /// More than one Host field (RFC 9112 §3.2).
    #[error("Host is repeated")]
    Repeated,
    /// Not one name or address: empty, a list, with user information, with characters that no host has.
    #[error("Host is not one name or address")]
    NameInvalid,
    /// A port that is empty, zero, not a number or above 65,535.
    #[error("the port of Host is not a port")]
    PortInvalid,
    /// An absolute-form target that names another host than the Host field (RFC 9112 §3.2.2).
    #[error("the target's authority is not the Host")]
    Mismatch,
}

impl<'a> Host<'a> {
    /// Parses a Host field's value or a target's authority; HTTP/2's `:authority` is held to the same rules.
    ///
    /// RFC 3986's `reg-name` allows percent-encoding and sub-delimiters, which no DNS name has and which invite two
    /// readings; only letters, digits, `-`, `_` and `.` are accepted. Labels are not empty, so there is no trailing
    /// dot: `example.com.` would be a second spelling of one name.
    pub fn parse(value: &'a [u8]) -> Result<Self, HostError> {
        let (name_len, port) = Self::measure(value)?;
        let text = str::from_utf8(value).map_err(|_| HostError::NameInvalid)?;
        Ok(Self::from_parsed(text, name_len, port))
    }

    /// As [`parse`](Self::parse): the length of the name, and the port.
    pub(crate) fn measure(value: &[u8]) -> Result<(usize, Option<u16>), HostError> {
        let name_len = if value.starts_with(b"[") {
            memchr::memchr(b']', value).ok_or(HostError::NameInvalid)? + 1
        } else {
            memchr::memchr(b':', value).unwrap_or(value.len())
        };
        let (name, rest) = value.split_at(name_len);
        if !is_host_name(name) {
            return Err(HostError::NameInvalid);
        }
        match rest {
            [] => Ok((name_len, None)),
            [b':', digits @ ..] => Ok((name_len, Some(parse_port(digits)?))),
            _ => Err(HostError::NameInvalid),
        }
    }

    /// A host that has been parsed before: only split again.
    pub(crate) fn from_parsed(text: &'a str, name_len: usize, port: Option<u16>) -> Self {
        Self { text, name: text.get(..name_len).unwrap_or_default(), port }
    }
}

fn is_host_name(name: &[u8]) -> bool {
    if let [b'[', address @ .., b']'] = name {
        return parses_as::<Ipv6Addr>(address);
    }
    ascii::all(HOST_NAME, name) && (is_plain_name(name) || has_valid_labels(name))
}

/// Whether it is easily seen that the labels are valid, as it is of nearly all names: together no longer than one may
/// be, the last one not a number.
fn is_plain_name(name: &[u8]) -> bool {
    let has_empty_label = name.starts_with(b".") || ascii::has_twice_in_a_row(b'.', name);
    !has_empty_label && name.len() <= HOST_LABEL_BYTES_MAX && name.last().is_some_and(u8::is_ascii_alphabetic)
}

fn has_valid_labels(name: &[u8]) -> bool {
    if name.is_empty() || name.len() > HOST_NAME_BYTES_MAX {
        return false;
    }
    let mut last_label: &[u8] = b"";
    for label in name.split(|&byte| byte == b'.') {
        if label.is_empty() || label.len() > HOST_LABEL_BYTES_MAX {
            return false;
        }
        last_label = label;
    }
    // What ends in a number is an address to many resolvers (`127.1`, `0177.0.0.1`): then it must be a plain one.
    !last_label.iter().all(u8::is_ascii_digit) || parses_as::<Ipv4Addr>(name)
}

fn parses_as<T: FromStr>(text: &[u8]) -> bool {
    str::from_utf8(text).is_ok_and(|text| text.parse::<T>().is_ok())
}

fn parse_port(digits: &[u8]) -> Result<u16, HostError> {
    ascii::parse_decimal(digits, 5)
        .and_then(|port| u16::try_from(port).ok())
        .filter(|&port| port != 0)
        .ok_or(HostError::PortInvalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_one_name_or_address_with_an_optional_port() {
        let check = |text: &str, name, port| {
            assert_eq!(Host::parse(text.as_bytes()), Ok(Host { text, name, port }));
        };
        check("api.example", "api.example", None);
        check("API.example:8443", "API.example", Some(8443));
        check("my_service", "my_service", None);
        check("xn--mnchen-3ya.example", "xn--mnchen-3ya.example", None);
        check("192.0.2.1:80", "192.0.2.1", Some(80));
        check("[2001:db8::1]", "[2001:db8::1]", None);
        check("[::ffff:192.0.2.1]:65535", "[::ffff:192.0.2.1]", Some(65535));
    }

    #[test]
    fn anything_else_is_refused() {
        let check = |text: &str, error| assert_eq!(Host::parse(text.as_bytes()), Err(error), "{text:?}");
        let names = r". a. .a a..b a,b a@b a/b a?b a#b a%41 a\b * [ [] [::1 ::1 [::1]a [::1%eth0] [v1.x] [a] $(a) a'b";
        let addresses = "127.1 0177.0.0.1 256.0.0.1 1.2.3.4.5 12345";
        for text in
            names.split(' ').chain(addresses.split(' ')).chain(["", "a b", "a, b", " a", "a\t", "a\u{e9}"])
        {
            check(text, HostError::NameInvalid);
        }
        for text in "a: a:0 a:65536 a:+1 a:-1 a:80:80 a:000080 a:x [::1]: user:pass@b http://a".split(' ') {
            check(text, HostError::PortInvalid);
        }
        check(&"a".repeat(64), HostError::NameInvalid);
        check(&["a"; 128].join("."), HostError::NameInvalid);
    }

    #[test]
    fn plain_names_have_valid_labels() {
        let names = "a a.b .a a. a..b ..a a.1 1 1.a a-1_.b";
        for name in names.split(' ').map(str::to_owned).chain([["a"; 64].concat(), ["a"; 60].join(".")]) {
            let name = name.as_bytes();
            assert!(!is_plain_name(name) || has_valid_labels(name), "{}", name.escape_ascii());
        }
    }
}
