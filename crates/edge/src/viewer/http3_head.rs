//! An HTTP/3 request's field section, as the head that HTTP/2's requests have, too.
//!
//! What only a list of fields can get wrong is refused here: pseudo-header fields that are missing, repeated, late
//! or made up (RFC 9114 section 4.3), and names in upper case (section 4.2). The rest is for [`http2_head`].
//!
//! [`http2_head`]: super::http2_head

use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header, uri};
use http1::limits::HEAD_FIELDS_MAX;
use http3::FieldSection;

use super::http2_head::HeadFault;

/// Fields of a section: those of a head, and `:method`, `:scheme`, `:authority` and `:path`.
pub(super) const SECTION_FIELDS_MAX: usize = HEAD_FIELDS_MAX + 4;

#[derive(Default)]
struct PseudoFields<'a> {
    method: Option<&'a [u8]>,
    scheme: Option<&'a [u8]>,
    authority: Option<&'a [u8]>,
    path: Option<&'a [u8]>,
}

/// The head that a section is.
pub(super) fn parts(section: &FieldSection) -> Result<Parts, HeadFault> {
    let mut pseudo = PseudoFields::default();
    let mut fields = HeaderMap::new();
    for (name, value) in section.fields() {
        if name.starts_with(b":") {
            // RFC 9114 section 4.3: before all others.
            if !fields.is_empty() {
                return Err(HeadFault::Malformed);
            }
            pseudo.take(name, value)?;
        } else {
            let name = HeaderName::from_lowercase(name).map_err(|_| HeadFault::Malformed)?;
            let value = HeaderValue::from_bytes(value).map_err(|_| HeadFault::Malformed)?;
            fields.try_append(name, value).map_err(|_| HeadFault::TooLarge)?;
        }
    }
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = pseudo.method()?;
    parts.uri = if parts.method == Method::CONNECT { pseudo.tunnel()? } else { pseudo.uri(&fields)? };
    parts.headers = fields;
    Ok(parts)
}

/// Whether a trailer section is one (RFC 9114 section 4.3: pseudo-header fields have no place in it).
pub(super) fn are_trailers(section: &FieldSection) -> bool {
    section.fields().all(|(name, value)| {
        HeaderName::from_lowercase(name).is_ok() && HeaderValue::from_bytes(value).is_ok()
    })
}

impl<'a> PseudoFields<'a> {
    fn take(&mut self, name: &[u8], value: &'a [u8]) -> Result<(), HeadFault> {
        let place = match name {
            b":method" => &mut self.method,
            b":scheme" => &mut self.scheme,
            b":authority" => &mut self.authority,
            b":path" => &mut self.path,
            _ => return Err(HeadFault::Malformed),
        };
        if place.replace(value).is_some() { Err(HeadFault::Malformed) } else { Ok(()) }
    }

    fn method(&self) -> Result<Method, HeadFault> {
        Method::from_bytes(self.method.unwrap_or_default()).map_err(|_| HeadFault::Malformed)
    }

    /// RFC 9114 section 4.4: CONNECT has nothing but an authority. It is refused later, as in every version.
    fn tunnel(&self) -> Result<Uri, HeadFault> {
        if self.scheme.is_some() || self.path.is_some() {
            return Err(HeadFault::Malformed);
        }
        Uri::try_from(self.authority.unwrap_or_default()).map_err(|_| HeadFault::Malformed)
    }

    /// RFC 9114 section 4.3.1: Host stands in for `:authority`.
    fn uri(&self, fields: &HeaderMap) -> Result<Uri, HeadFault> {
        let authority = self.authority.or_else(|| fields.get(header::HOST).map(HeaderValue::as_bytes));
        // `http` would cut a fragment off without a word, and no path has one.
        let is_path = |path: &&[u8]| (path.starts_with(b"/") && !path.contains(&b'#')) || *path == b"*";
        let path = self.path.filter(is_path);
        let (Some(scheme), Some(authority), Some(path)) = (self.scheme, authority, path) else {
            return Err(HeadFault::Malformed);
        };
        let mut parts = uri::Parts::default();
        parts.scheme = Some(Scheme::try_from(scheme).map_err(|_| HeadFault::Malformed)?);
        parts.authority = Some(Authority::try_from(authority).map_err(|_| HeadFault::Malformed)?);
        parts.path_and_query = Some(PathAndQuery::try_from(path).map_err(|_| HeadFault::Malformed)?);
        Uri::from_parts(parts).map_err(|_| HeadFault::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use http3::FieldSectionWriter;

    use super::super::http2_head;
    use super::*;
    use crate::buffer::Buffer;

    const GET: [(&str, &str); 4] =
        [(":method", "GET"), (":scheme", "https"), (":authority", "a.test"), (":path", "/x?y=1")];

    fn rewritten(fields: &[(&str, &str)]) -> Result<String, HeadFault> {
        let mut section = Vec::new();
        let mut writer = FieldSectionWriter::begin(&mut section);
        for (name, value) in fields {
            writer.field(name.as_bytes(), &[value.as_bytes()]);
        }
        let section = FieldSection::decode(&section, SECTION_FIELDS_MAX, 10_000).unwrap();
        let mut out = Buffer::small();
        http2_head::rewrite(&parts(&section)?, behavior::Scheme::Https, &mut out)?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    fn check_malformed(fields: &[(&str, &str)]) {
        assert_eq!(rewritten(fields), Err(HeadFault::Malformed), "{fields:?}");
    }

    #[test]
    fn a_head_has_the_same_meaning_in_all_versions() {
        let fields = [&GET[..], &[("cookie", "a=1"), ("x-b", "2"), ("cookie", "c=3")]].concat();
        let expect = "GET /x?y=1 HTTP/1.1\r\nhost: a.test\r\ncookie: a=1; c=3\r\nx-b: 2\r\n\r\n";
        assert_eq!(rewritten(&fields).as_deref(), Ok(expect));
        let by_host = [GET[0], GET[1], GET[3], ("host", "a.test")];
        assert_eq!(rewritten(&by_host).as_deref(), Ok("GET /x?y=1 HTTP/1.1\r\nhost: a.test\r\n\r\n"));
        let options = [(":method", "OPTIONS"), GET[1], GET[2], (":path", "*")];
        assert_eq!(rewritten(&options).as_deref(), Ok("OPTIONS * HTTP/1.1\r\nhost: a.test\r\n\r\n"));
    }

    #[test]
    fn pseudo_header_fields_come_first_and_once_and_all() {
        for left_out in GET {
            check_malformed(&GET.into_iter().filter(|field| *field != left_out).collect::<Vec<_>>());
            check_malformed(&[&GET[..], &[left_out]].concat());
        }
        check_malformed(&[&GET[..3], &[("x-a", "1")], &GET[3..]].concat());
        check_malformed(&[&GET[..], &[(":protocol", "websocket")]].concat());
        check_malformed(&[&GET[..], &[(":status", "200")]].concat());
    }

    #[test]
    fn what_cannot_be_a_head_is_malformed() {
        for field in
            [("X-A", "1"), ("x a", "1"), ("", "1"), ("x-a", "1\r\nb: 2"), ("x-a", "\0"), ("te", "gzip")]
        {
            check_malformed(&[&GET[..], &[field]].concat());
        }
        for path in ["", "x", "http://b.test/", "/a b", "/a\r\n", "/a#b"] {
            check_malformed(&[GET[0], GET[1], GET[2], (":path", path)]);
        }
        check_malformed(&[GET[0], (":scheme", "http"), GET[2], GET[3]]);
    }

    #[test]
    fn connect_is_refused_as_in_every_version() {
        let connect = [(":method", "CONNECT"), (":authority", "a.test:443")];
        assert_eq!(rewritten(&connect), Err(http1::RequestError::ConnectRefused.into()));
        check_malformed(&[&connect[..], &GET[1..2]].concat());
    }
}
