//! What the origin gets.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use edge_config::{LinkedCacheBehavior, Method, NameSelection, Origin, OriginAddress};

use crate::decision::{Decision, DroppedBy, OriginFieldSink, SentBy};
use crate::field::{
    FieldSink, RequestField, classify_request_field, has_nominations, is_nominated, is_same_name,
};
use crate::selection::{contains_header, filter_parts, selects_header, selects_name};
use crate::viewer_facts::{ViewerFacts, write_cloudfront_headers};
use crate::{HttpVersion, Scheme};

/// The most values of `X-Forwarded-For` or `Via` that are carried in front of ours.
const FORWARDED_VALUES_MAX: usize = 16;

/// One request on its way to the origin.
#[derive(Clone, Copy, Debug)]
pub struct OriginRequest<'a> {
    /// What its cache behavior says.
    pub cache_behavior: &'a LinkedCacheBehavior,
    /// Whom it goes to: one of the cache behavior's origins.
    pub origin: &'a Origin,
    /// Its method.
    pub method: Method,
    /// The viewer's validated `Host`, as sent.
    pub host: &'a str,
    /// How the viewer reached the edge.
    pub scheme: Scheme,
    /// The version that the viewer speaks.
    pub version: HttpVersion,
    /// The viewer's address on the connection to the edge.
    pub viewer: SocketAddr,
    /// What else is known of the viewer. It is looked at only where the cache behavior asks for headers
    /// that are made of it.
    pub facts: &'a ViewerFacts<'a>,
    /// The request's id.
    pub request_id: &'a [u8],
    /// The edge's name in `Via`, an opaque id.
    pub via_id: &'a str,
}

/// The query that the origin gets, with what the cache policy names and what the origin request
/// policy names.
pub fn origin_query<'a>(
    cache_behavior: &LinkedCacheBehavior,
    query: Option<&'a str>,
) -> Option<Cow<'a, str>> {
    let selections =
        selections(cache_behavior, |policy| &policy.query_strings, |policy| &policy.query_strings);
    filter_by(query?, '&', "&", selections)
}

/// Whose word decides on the query that the origin gets.
pub fn who_selects_query(cache_behavior: &LinkedCacheBehavior) -> Result<SentBy, DroppedBy> {
    who_selects(selections(cache_behavior, |policy| &policy.query_strings, |policy| &policy.query_strings))
}

/// Writes the header fields of an origin request, all but those of framing, each with what decided on
/// it.
///
/// "Request and response behavior for custom origins" has the table. Whatever the edge adds, a
/// viewer can neither forge nor, by nominating it in `Connection`, remove; its values of
/// `X-Forwarded-For` and `Via` stay in front of ours.
pub fn write_origin_fields<'a>(
    request: &OriginRequest<'_>,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
    sink: &mut impl OriginFieldSink,
) {
    let nominations = has_nominations(fields.clone());
    write_host(request, sink);
    let mut seen = Seen::default();
    for (name, value) in fields.clone() {
        let class = classify_request_field(name);
        seen.note(class);
        if nominations && is_nominated(name, fields.clone()) {
            sink.dropped(name, value, DroppedBy::Nomination);
        } else if class == RequestField::Cookie {
            write_cookies(request.cache_behavior, name, value, sink);
        } else {
            match decide(request, class, name, &mut seen) {
                Ok(by) => sink.sent(name, &[value], by),
                Err(by) => sink.dropped(name, value, by),
            }
        }
    }
    let edge = &mut By(SentBy::Edge, sink);
    if !seen.user_agent_forwarded && !is_custom_header(request, b"User-Agent") {
        edge.field(b"User-Agent", &[b"Amazon CloudFront"]);
    }
    if seen.accept_encoding {
        write_normalised_accept_encoding(request, fields.clone(), &mut By(SentBy::CachePolicy, edge.1));
    }
    write_forwarded_for(request, seen.forwarded_for, fields.clone(), edge);
    if !request.cache_behavior.cloudfront_headers.is_empty() {
        write_cloudfront_headers(request, &fields, &mut ByWhoAsks(request, edge.1));
    }
    write_via(request, seen.via, fields, edge);
    edge.field(b"X-Amz-Cf-Id", &[request.request_id]);
    for (name, value) in &request.origin.custom_headers {
        sink.sent(name.as_bytes(), &[value.as_bytes()], SentBy::OriginCustomHeader);
    }
}

/// Fields that have one reason in common.
struct By<'s, S>(SentBy, &'s mut S);

impl<S: OriginFieldSink> FieldSink for By<'_, S> {
    fn field(&mut self, name: &[u8], value: &[&[u8]]) {
        self.1.sent(name, value, self.0);
    }
}

/// Fields that the edge makes because a policy names them.
struct ByWhoAsks<'s, 'r, S>(&'s OriginRequest<'r>, &'s mut S);

impl<S: OriginFieldSink> FieldSink for ByWhoAsks<'_, '_, S> {
    fn field(&mut self, name: &[u8], value: &[&[u8]]) {
        let by_cache_policy = contains_header(&self.0.cache_behavior.cache_policy.headers, name);
        let by = if by_cache_policy { SentBy::CachePolicy } else { SentBy::OriginRequestPolicy };
        self.1.sent(name, value, by);
    }
}

/// Decides on any field but a cookie.
fn decide(request: &OriginRequest<'_>, class: RequestField, name: &[u8], seen: &mut Seen) -> Decision {
    let decision = match class {
        RequestField::Always => Ok(SentBy::Always),
        RequestField::UserAgent => seen.note_user_agent(by_policies(request, name)),
        RequestField::Authorization if is_never_cached(request) => Ok(SentBy::Method),
        RequestField::AcceptEncoding if request.cache_behavior.cache_policy.normalises_accept_encoding() => {
            Err(DroppedBy::Edge)
        }
        RequestField::Ordinary | RequestField::Authorization | RequestField::AcceptEncoding => {
            by_policies(request, name)
        }
        RequestField::Cookie | RequestField::Host | RequestField::ForwardedFor | RequestField::Via => {
            Err(DroppedBy::Edge)
        }
        RequestField::Dropped => Err(DroppedBy::Nature),
    };
    match decision {
        Ok(_) if is_custom_header(request, name) => Err(DroppedBy::OriginCustomHeader),
        other => other,
    }
}

/// Which of the viewer's special fields came by.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent observations, not a state")]
struct Seen {
    user_agent_forwarded: bool,
    accept_encoding: bool,
    forwarded_for: bool,
    via: bool,
}

impl Seen {
    fn note(&mut self, class: RequestField) {
        match class {
            RequestField::AcceptEncoding => self.accept_encoding = true,
            RequestField::ForwardedFor => self.forwarded_for = true,
            RequestField::Via => self.via = true,
            _ => {}
        }
    }

    fn note_user_agent(&mut self, decision: Decision) -> Decision {
        self.user_agent_forwarded |= decision.is_ok();
        decision
    }
}

/// What the cache policy names always goes, whatever the origin request policy says ("Understand
/// origin request policies").
pub(crate) fn by_policies(request: &OriginRequest<'_>, name: &[u8]) -> Decision {
    let cache_behavior = request.cache_behavior;
    let policy = cache_behavior.origin_request_policy.as_ref();
    if policy.is_some_and(|policy| selects_header(&policy.headers, name)) {
        return Ok(SentBy::OriginRequestPolicy);
    }
    let is_named = contains_header(&cache_behavior.cache_policy.headers, name);
    if is_named { Ok(SentBy::CachePolicy) } else { Err(DroppedBy::Policies) }
}

/// `Authorization` goes along unasked where no answer is kept for others ("Request and response behavior
/// for custom origins", the table's row): with DELETE, PATCH, POST and PUT, and with OPTIONS where it is not
/// among the cached methods.
fn is_never_cached(request: &OriginRequest<'_>) -> bool {
    match request.method {
        Method::Delete | Method::Patch | Method::Post | Method::Put => true,
        Method::Options => !request.cache_behavior.caches_options,
        Method::Get | Method::Head => false,
    }
}

/// Origin custom headers stand over the viewer's of the same name ("Add custom headers to origin
/// requests").
fn is_custom_header(request: &OriginRequest<'_>, name: &[u8]) -> bool {
    request.origin.custom_headers.iter().any(|(custom, _)| is_same_name(custom.as_bytes(), name))
}

/// The viewer's host where a policy forwards it, else the origin's own name.
fn write_host(request: &OriginRequest<'_>, sink: &mut impl OriginFieldSink) {
    if let Ok(by) = by_policies(request, b"host") {
        return sink.sent(b"Host", &[request.host.as_bytes()], by);
    }
    let sink = &mut By(SentBy::OriginDomainName, sink);
    match &request.origin.address {
        OriginAddress::Name(name) => sink.field(b"Host", &[name.as_str().as_bytes()]),
        OriginAddress::Ip(address) if address.is_ipv6() => {
            sink.field(b"Host", &[b"[", address.to_string().as_bytes(), b"]"]);
        }
        OriginAddress::Ip(address) => sink.field(b"Host", &[address.to_string().as_bytes()]),
    }
}

fn write_cookies(
    cache_behavior: &LinkedCacheBehavior,
    name: &[u8],
    value: &[u8],
    sink: &mut impl OriginFieldSink,
) {
    let selections = selections(cache_behavior, |policy| &policy.cookies, |policy| &policy.cookies);
    let by = match who_selects(selections) {
        Ok(by) => by,
        Err(by) => return sink.dropped(name, value, by),
    };
    if selections.iter().any(|selection| **selection == NameSelection::All) {
        return sink.sent(name, &[value], by);
    }
    // A cookie that is no text has no name that a policy could mean.
    let kept = std::str::from_utf8(value).ok().and_then(|text| filter_by(text, ';', "; ", selections));
    match kept {
        Some(kept) => sink.sent(name, &[kept.as_bytes()], by),
        None => sink.dropped(name, value, DroppedBy::Policies),
    }
}

/// Who decides, where the cache policy selects by the first and the origin request policy by the second.
fn who_selects(selections: [&NameSelection; 2]) -> Decision {
    match selections {
        [NameSelection::None, NameSelection::None] => Err(DroppedBy::Policies),
        [NameSelection::All, _] | [_, NameSelection::None] => Ok(SentBy::CachePolicy),
        [_, NameSelection::All] | [NameSelection::None, _] => Ok(SentBy::OriginRequestPolicy),
        _ => Ok(SentBy::BothPolicies),
    }
}

/// What the cache policy and the origin request policy select, of cookies or of query strings.
fn selections(
    cache_behavior: &LinkedCacheBehavior,
    of_cache_policy: impl Fn(&edge_config::CachePolicy) -> &NameSelection,
    of_origin_request_policy: impl Fn(&edge_config::OriginRequestPolicy) -> &NameSelection,
) -> [&NameSelection; 2] {
    let policy = cache_behavior.origin_request_policy.as_ref();
    let second = policy.map_or(&NameSelection::None, |policy| of_origin_request_policy(policy));
    [of_cache_policy(&cache_behavior.cache_policy), second]
}

fn filter_by<'a>(
    text: &'a str,
    separator: char,
    joiner: &str,
    selections: [&NameSelection; 2],
) -> Option<Cow<'a, str>> {
    if selections.iter().any(|selection| **selection == NameSelection::All) {
        return Some(Cow::Borrowed(text));
    }
    if selections.iter().all(|selection| **selection == NameSelection::None) {
        return None;
    }
    filter_parts(text, separator, joiner, |name| {
        selections.iter().any(|selection| selects_name(selection, name))
    })
}

/// "Serve compressed files": what the viewer accepts is reduced to what the cache policy knows, and
/// a viewer of HTTP/1.0 is not sent anything compressed.
fn write_normalised_accept_encoding<'a>(
    request: &OriginRequest<'_>,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    sink: &mut impl FieldSink,
) {
    let policy = &request.cache_behavior.cache_policy;
    if !policy.normalises_accept_encoding() || request.version == HttpVersion::Http10 {
        return;
    }
    let (mut brotli, mut gzip) = (false, false);
    for (_, value) in fields.filter(|(name, _)| is_same_name(name, b"accept-encoding")) {
        brotli |= policy.accept_encoding_brotli && accepts(value, b"br");
        gzip |= policy.accept_encoding_gzip && accepts(value, b"gzip");
    }
    let value: &[u8] = match (brotli, gzip) {
        (true, true) => b"br,gzip",
        (true, false) => b"br",
        (false, true) => b"gzip",
        (false, false) => b"identity",
    };
    sink.field(b"Accept-Encoding", &[value]);
}

/// Whether a list names a coding with any weight but zero (RFC 9110 section 12.5.3).
fn accepts(value: &[u8], coding: &[u8]) -> bool {
    value.split(|&byte| byte == b',').any(|item| {
        let mut parts = item.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
        named && !parts.any(is_zero_weight)
    })
}

fn is_zero_weight(parameter: &[u8]) -> bool {
    let Some(weight) = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q=")) else {
        return false;
    };
    weight.first() == Some(&b'0') && weight.iter().all(|byte| b"0.".contains(byte))
}

/// Values of the viewer's fields of one name, and room for one more of ours.
fn joined_values<'a>(
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    name: &[u8],
    separator: &'a [u8],
) -> ([&'a [u8]; 2 * FORWARDED_VALUES_MAX], usize) {
    let mut parts: [&[u8]; 2 * FORWARDED_VALUES_MAX] = [b""; 2 * FORWARDED_VALUES_MAX];
    let mut used = 0;
    let values = fields.filter(|(field, value)| field.eq_ignore_ascii_case(name) && !value.is_empty());
    for (_, value) in values.take(FORWARDED_VALUES_MAX - 1) {
        parts[used] = value;
        parts[used + 1] = separator;
        used += 2;
    }
    (parts, used)
}

/// Only the last address is to be trusted: it is the one that we saw.
fn write_forwarded_for<'a>(
    request: &OriginRequest<'_>,
    is_seen: bool,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    sink: &mut impl FieldSink,
) {
    let mut text = [0_u8; 45];
    let address = format_address(request.viewer, &mut text);
    if !is_seen {
        return sink.field(b"X-Forwarded-For", &[address]);
    }
    let (parts, used) = joined_values(fields, b"x-forwarded-for", b",");
    let mut parts = parts.map(|part| -> &[u8] { part });
    parts[used] = address;
    sink.field(b"X-Forwarded-For", &parts[..=used]);
}

fn write_via<'a>(
    request: &OriginRequest<'_>,
    is_seen: bool,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    sink: &mut impl FieldSink,
) {
    let ours: [&[u8]; 3] =
        [request.version.received_protocol(), request.via_id.as_bytes(), b".cloudfront.net (CloudFront)"];
    if !is_seen {
        return sink.field(b"Via", &ours);
    }
    let (viewers, used) = joined_values(fields, b"via", b", ");
    let mut parts: [&[u8]; 2 * FORWARDED_VALUES_MAX + 3] = [b""; 2 * FORWARDED_VALUES_MAX + 3];
    parts[..used].copy_from_slice(&viewers[..used]);
    parts[used..used + ours.len()].copy_from_slice(&ours);
    sink.field(b"Via", &parts[..used + ours.len()]);
}

/// The viewer's address as text, without the heap. An IPv4 address is written as one even when a
/// dual-stack socket reports it mapped into IPv6.
fn format_address(viewer: SocketAddr, text: &mut [u8; 45]) -> &[u8] {
    match viewer.ip().to_canonical() {
        IpAddr::V4(address) => format_ipv4(address, text),
        IpAddr::V6(address) => {
            use std::io::Write;
            let mut rest = text.as_mut_slice();
            // The longest text of an IPv6 address has 45 characters (with an embedded IPv4 address).
            let _fits = write!(rest, "{address}");
            let unused = rest.len();
            &text[..text.len() - unused]
        }
    }
}

/// By hand, since every request has it written: `fmt` takes ten times as long.
fn format_ipv4(address: Ipv4Addr, text: &mut [u8; 45]) -> &[u8] {
    let mut used = 0;
    let mut push = |byte| {
        text[used] = byte;
        used += 1;
    };
    for (index, octet) in address.octets().into_iter().enumerate() {
        if index > 0 {
            push(b'.');
        }
        if octet >= 100 {
            push(b'0' + octet / 100);
        }
        if octet >= 10 {
            push(b'0' + octet / 10 % 10);
        }
        push(b'0' + octet % 10);
    }
    &text[..used]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use edge_config::{CachePolicy, CloudFrontHeaders, HeaderSelection, OriginRequestPolicy};

    use super::*;
    use crate::tests::{Fields, distribution};

    const OWN: &str =
        "X-Forwarded-For: 192.0.2.7\nVia: 1.1 abc.cloudfront.net (CloudFront)\nX-Amz-Cf-Id: id\n";

    fn all_viewer() -> LinkedCacheBehavior {
        distribution().default_cache_behavior
    }

    fn written(cache_behavior: &LinkedCacheBehavior, method: Method, fields: &[(&str, &str)]) -> String {
        let request = OriginRequest {
            cache_behavior,
            origin: &cache_behavior.origin,
            method,
            host: "viewer.test:8443",
            scheme: Scheme::Https,
            version: HttpVersion::Http11,
            viewer: "192.0.2.7:4711".parse().unwrap(),
            facts: &ViewerFacts::default(),
            request_id: b"id",
            via_id: "abc",
        };
        let mut sink = Fields::default();
        let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        write_origin_fields(&request, fields, &mut sink);
        sink.0
    }

    fn check(fields: &[(&str, &str)], expect: &str) {
        assert_eq!(written(&all_viewer(), Method::Get, fields), expect);
    }

    #[test]
    fn addresses_are_written_as_everybody_writes_them() {
        for address in ["0.0.0.0", "9.10.99.100", "255.199.109.1", "2001:db8::1", "::ffff:192.0.2.7"] {
            let ip: IpAddr = address.parse().unwrap();
            let mut text = [0; 45];
            let written = format_address((ip, 1).into(), &mut text);
            assert_eq!(str::from_utf8(written).unwrap(), ip.to_canonical().to_string());
        }
    }

    #[test]
    fn b2_all_viewer_forwards_everything_the_viewer_sent() {
        check(
            &[
                ("Host", "viewer.test:8443"),
                ("Accept", "*/*"),
                ("Cookie", "a=1"),
                ("Authorization", "x"),
                ("user-agent", "u"),
            ],
            &format!(
                "Host: viewer.test:8443\nAccept: */*\nCookie: a=1\nAuthorization: x\nuser-agent: u\n{OWN}"
            ),
        );
    }

    #[test]
    fn b9_accept_encoding_is_an_ordinary_header_without_compression() {
        check(
            &[("Accept-Encoding", "gzip, zstd"), ("User-Agent", "u")],
            &format!("Host: viewer.test:8443\nAccept-Encoding: gzip, zstd\nUser-Agent: u\n{OWN}"),
        );
    }

    #[test]
    fn b4_b5_what_is_about_the_connection_or_ours_to_say_is_dropped() {
        check(
            &[
                ("User-Agent", "u"),
                ("Connection", "keep-alive, X-Hop, X-Forwarded-For, Via"),
                ("X-Hop", "1"),
                ("Expect", "100-continue"),
                ("TE", "trailers"),
                ("Trailer", "X"),
                ("Upgrade", "websocket"),
                ("Proxy-Authorization", "x"),
                ("Proxy-Connection", "x"),
                ("X-Real-IP", "6.6.6.6"),
                ("X-Forwarded-Proto", "https"),
                ("X_Forwarded_For", "6.6.6.6"),
                ("X-Edge-Location", "x"),
                ("X-Amz-Cf-Id", "forged"),
                ("Content-Length", "5"),
                ("Transfer-Encoding", "chunked"),
                ("CloudFront-Viewer-Address", "6.6.6.6"),
            ],
            &format!("Host: viewer.test:8443\nUser-Agent: u\n{OWN}"),
        );
    }

    #[test]
    fn b3_b7_the_viewers_values_stay_in_front_of_ours() {
        check(
            &[
                ("User-Agent", "u"),
                ("X-Forwarded-For", "1.1.1.1"),
                ("x-forwarded-for", "2.2.2.2"),
                ("Via", "1.0 a"),
            ],
            "Host: viewer.test:8443\nUser-Agent: u\nX-Forwarded-For: 1.1.1.1,2.2.2.2,192.0.2.7\n\
             Via: 1.0 a, 1.1 abc.cloudfront.net (CloudFront)\nX-Amz-Cf-Id: id\n",
        );
    }

    #[test]
    fn b3_any_number_of_forwarded_values_is_bounded_and_ours_is_last() {
        let fields = [("X-Forwarded-For", "1.1.1.1"); 100];
        let written = written(&all_viewer(), Method::Get, &fields);
        assert!(written.contains("1.1.1.1,192.0.2.7\n"), "{written}");
    }

    #[test]
    fn b8_origin_custom_headers_override_the_viewers() {
        let mut cache_behavior = all_viewer();
        Arc::make_mut(&mut cache_behavior.origin).custom_headers = vec![("X-Secret".into(), "right".into())];
        let written = written(
            &cache_behavior,
            Method::Get,
            &[("User-Agent", "u"), ("x-secret", "wrong"), ("X_Secret", "wrong")],
        );
        assert_eq!(written, format!("Host: viewer.test:8443\nUser-Agent: u\n{OWN}X-Secret: right\n"));
    }

    #[test]
    fn b6_without_a_policy_only_the_defaults_go() {
        let mut cache_behavior = all_viewer();
        cache_behavior.origin_request_policy = None;
        let fields = [
            ("Accept", "*/*"),
            ("Authorization", "x"),
            ("Cookie", "a=1"),
            ("Content-Type", "text/plain"),
            ("If-None-Match", "x"),
            ("User-Agent", "u"),
        ];
        let kept = "Content-Type: text/plain\nIf-None-Match: x\nUser-Agent: Amazon CloudFront\n";
        assert_eq!(written(&cache_behavior, Method::Get, &fields), format!("Host: origin.test\n{kept}{OWN}"));
        let with_authorization = format!("Host: origin.test\nAuthorization: x\n{kept}{OWN}");
        for method in [Method::Post, Method::Options] {
            assert_eq!(written(&cache_behavior, method, &fields), with_authorization, "{method:?}");
        }
        cache_behavior.caches_options = true;
        assert_eq!(
            written(&cache_behavior, Method::Options, &fields),
            format!("Host: origin.test\n{kept}{OWN}")
        );
    }

    #[test]
    fn b9_accept_encoding_is_normalised_where_a_cache_policy_compresses() {
        let mut cache_behavior = all_viewer();
        cache_behavior.cache_policy = Arc::new(CachePolicy {
            accept_encoding_gzip: true,
            accept_encoding_brotli: true,
            ..CachePolicy::default()
        });
        for (sent, got) in [
            ("gzip, deflate, br", "br,gzip"),
            ("gzip;q=0.5", "gzip"),
            ("br;q=0, gzip;q=0.0", "identity"),
            ("zstd", "identity"),
        ] {
            let written = written(&cache_behavior, Method::Get, &[("Accept-Encoding", sent)]);
            assert!(written.contains(&format!("\nAccept-Encoding: {got}\n")), "{sent}: {written}");
        }
    }

    /// What is decided on every field, as `name: who` or, for what does not go, `name! who`.
    #[derive(Default)]
    struct Decisions(Vec<String>);

    impl OriginFieldSink for Decisions {
        fn sent(&mut self, name: &[u8], _: &[&[u8]], by: SentBy) {
            self.0.push(format!("{}: {by:?}", name.escape_ascii()));
        }

        fn dropped(&mut self, name: &[u8], _: &[u8], by: DroppedBy) {
            self.0.push(format!("{}! {by:?}", name.escape_ascii()));
        }
    }

    #[test]
    fn every_field_comes_with_what_decided_on_it() {
        let mut cache_behavior = all_viewer();
        cache_behavior.cache_policy = Arc::new(CachePolicy {
            headers: vec!["X-Key".into(), "CloudFront-Forwarded-Proto".into()],
            accept_encoding_gzip: true,
            cookies: NameSelection::Only(vec!["a".into()]),
            ..CachePolicy::default()
        });
        cache_behavior.origin_request_policy = Some(Arc::new(OriginRequestPolicy {
            headers: HeaderSelection::Only(vec!["X-Asked".into(), "CloudFront-Viewer-Address".into()]),
            cookies: NameSelection::Only(vec!["b".into()]),
            query_strings: NameSelection::All,
        }));
        cache_behavior.cloudfront_headers =
            CloudFrontHeaders::named(["CloudFront-Forwarded-Proto", "CloudFront-Viewer-Address"]);
        Arc::make_mut(&mut cache_behavior.origin).custom_headers = vec![("X-Asked".into(), "ours".into())];
        let request = OriginRequest {
            cache_behavior: &cache_behavior,
            origin: &cache_behavior.origin,
            method: Method::Post,
            host: "viewer.test",
            scheme: Scheme::Https,
            version: HttpVersion::Http11,
            viewer: "192.0.2.7:4711".parse().unwrap(),
            facts: &ViewerFacts::default(),
            request_id: b"id",
            via_id: "abc",
        };
        let fields = [
            ("Host", "viewer.test"),
            ("X-Key", "1"),
            ("X-Asked", "theirs"),
            ("X-Unknown", "1"),
            ("Authorization", "x"),
            ("Content-Type", "a/b"),
            ("Accept-Encoding", "gzip"),
            ("Cookie", "a=1; b=2; c=3"),
            ("Connection", "X-Hop"),
            ("X-Hop", "1"),
        ];
        let mut decisions = Decisions::default();
        write_origin_fields(
            &request,
            fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())),
            &mut decisions,
        );
        let expect = [
            "Host: OriginDomainName",
            "Host! Edge",
            "X-Key: CachePolicy",
            "X-Asked! OriginCustomHeader",
            "X-Unknown! Policies",
            "Authorization: Method",
            "Content-Type: Always",
            "Accept-Encoding! Edge",
            "Cookie: BothPolicies",
            "Connection! Nature",
            "X-Hop! Nomination",
            "User-Agent: Edge",
            "Accept-Encoding: CachePolicy",
            "X-Forwarded-For: Edge",
            "CloudFront-Forwarded-Proto: CachePolicy",
            "CloudFront-Viewer-Address: OriginRequestPolicy",
            "Via: Edge",
            "X-Amz-Cf-Id: Edge",
            "X-Asked: OriginCustomHeader",
        ];
        assert_eq!(decisions.0, expect);
        assert_eq!(who_selects_query(&cache_behavior), Ok(SentBy::OriginRequestPolicy));
    }

    #[test]
    fn b12_named_cookies_and_query_strings_of_either_policy_go() {
        let mut cache_behavior = all_viewer();
        cache_behavior.cache_policy = Arc::new(CachePolicy {
            query_strings: NameSelection::Only(vec!["page".into()]),
            ..CachePolicy::default()
        });
        cache_behavior.origin_request_policy = Some(Arc::new(OriginRequestPolicy {
            headers: HeaderSelection::AllExcept(vec!["Host".into(), "Accept".into()]),
            cookies: NameSelection::AllExcept(vec!["tracking".into()]),
            query_strings: NameSelection::Only(vec!["sort".into()]),
        }));
        let written = written(
            &cache_behavior,
            Method::Get,
            &[("Accept", "a"), ("User-Agent", "u"), ("Cookie", "a=1; tracking=2; b=3")],
        );
        assert_eq!(written, format!("Host: origin.test\nUser-Agent: u\nCookie: a=1; b=3\n{OWN}"));
        let query = |query| origin_query(&cache_behavior, query);
        assert_eq!(query(Some("page=1&x=2&sort=up")).as_deref(), Some("page=1&sort=up"));
        assert_eq!(query(Some("x=2")), None);
        assert_eq!(origin_query(&all_viewer(), Some("a=%20&&b")).as_deref(), Some("a=%20&&b"));
    }
}
