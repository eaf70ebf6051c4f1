//! Whether a viewer's request may go on, by method and protocol.

use edge_config::{LinkedCacheBehavior, Method, ViewerProtocolPolicy};

use crate::{EdgeError, HttpVersion, Scheme};

/// What comes of a viewer's request at its cache behavior.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It goes on.
    Admitted(Method),
    /// It is sent to HTTPS with this status.
    RedirectToHttps(u16),
    /// It ends here.
    Refused(EdgeError),
}

/// Applies allowed methods and viewer protocol policy.
///
/// A method that will be refused over HTTPS is refused over HTTP too, rather than redirected first.
pub fn admit_viewer(
    cache_behavior: &LinkedCacheBehavior,
    scheme: Scheme,
    version: HttpVersion,
    method: &str,
    has_body: bool,
) -> Admission {
    let Some(method) =
        Method::from_name(method).filter(|method| cache_behavior.allowed_methods.contains(*method))
    else {
        return Admission::Refused(EdgeError::MethodNotAllowed);
    };
    // CloudFront says so of GET ("Request and response behavior for custom origins"); a body means as
    // little on HEAD (RFC 9110 section 9.3.2) and is the stuff that smuggling is made of.
    if has_body && method.may_be_retried() {
        return Admission::Refused(EdgeError::BodyNotAllowed);
    }
    match (scheme, cache_behavior.viewer_protocol_policy) {
        (Scheme::Https, _) | (Scheme::Http, ViewerProtocolPolicy::AllowAll) => Admission::Admitted(method),
        (Scheme::Http, ViewerProtocolPolicy::HttpsOnly) => Admission::Refused(EdgeError::HttpsRequired),
        (Scheme::Http, ViewerProtocolPolicy::RedirectToHttps) => redirect(version, method),
    }
}

/// 301 lets a viewer turn its method into GET (RFC 9110 section 15.4.2), 307 does not: the two that
/// CloudFront uses ("Require HTTPS for communication between viewers and CloudFront"). HTTP/1.0 does
/// not know 307 and is refused whatever its method.
fn redirect(version: HttpVersion, method: Method) -> Admission {
    match (version, method) {
        (HttpVersion::Http10, _) => Admission::Refused(EdgeError::HttpsRequired),
        (_, Method::Get | Method::Head) => Admission::RedirectToHttps(301),
        _ => Admission::RedirectToHttps(307),
    }
}

/// Where a redirect to HTTPS leads. `host` is validated and may carry the port of the HTTP listener.
pub fn redirect_location(host: &str, https_port: u16, path: &str, query: Option<&str>) -> String {
    let name = host_without_port(host);
    let port = if https_port == 443 { String::new() } else { format!(":{https_port}") };
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("https://{name}{port}{path}{query}")
}

/// A validated `Host` without its port; an IPv6 address keeps its brackets.
pub fn host_without_port(host: &str) -> &str {
    match host.rfind(':') {
        Some(colon) if !host.ends_with(']') => &host[..colon],
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use edge_config::MethodSet;

    use super::*;
    use crate::tests::distribution;

    fn check(
        policy: ViewerProtocolPolicy,
        scheme: Scheme,
        version: HttpVersion,
        method: &str,
        expect: Admission,
    ) {
        let mut cache_behavior = distribution().default_cache_behavior;
        cache_behavior.viewer_protocol_policy = policy;
        assert_eq!(admit_viewer(&cache_behavior, scheme, version, method, false), expect, "{method}");
    }

    #[test]
    fn a10_redirects_keep_the_method_of_what_changes_something() {
        use ViewerProtocolPolicy::RedirectToHttps;
        for (method, status) in [("GET", 301), ("HEAD", 301), ("POST", 307), ("PUT", 307), ("DELETE", 307)] {
            check(
                RedirectToHttps,
                Scheme::Http,
                HttpVersion::Http11,
                method,
                Admission::RedirectToHttps(status),
            );
        }
        check(RedirectToHttps, Scheme::Https, HttpVersion::Http2, "GET", Admission::Admitted(Method::Get));
        let refused = Admission::Refused(EdgeError::HttpsRequired);
        check(RedirectToHttps, Scheme::Http, HttpVersion::Http10, "GET", refused);
        check(ViewerProtocolPolicy::HttpsOnly, Scheme::Http, HttpVersion::Http11, "GET", refused);
        check(
            ViewerProtocolPolicy::AllowAll,
            Scheme::Http,
            HttpVersion::Http11,
            "PUT",
            Admission::Admitted(Method::Put),
        );
    }

    #[test]
    fn a5_a6_only_allowed_methods_go_on() {
        let mut cache_behavior = distribution().default_cache_behavior;
        cache_behavior.allowed_methods = MethodSet::READ_ONLY;
        let admit = |method| admit_viewer(&cache_behavior, Scheme::Https, HttpVersion::Http11, method, false);
        assert_eq!(admit("POST"), Admission::Refused(EdgeError::MethodNotAllowed));
        assert_eq!(admit("get"), Admission::Refused(EdgeError::MethodNotAllowed));
        assert_eq!(admit("TRACE"), Admission::Refused(EdgeError::MethodNotAllowed));
        assert_eq!(admit("HEAD"), Admission::Admitted(Method::Head));
    }

    #[test]
    fn a4_get_has_no_body() {
        let cache_behavior = distribution().default_cache_behavior;
        let admit = |method| admit_viewer(&cache_behavior, Scheme::Https, HttpVersion::Http11, method, true);
        assert_eq!(admit("GET"), Admission::Refused(EdgeError::BodyNotAllowed));
        assert_eq!(admit("DELETE"), Admission::Admitted(Method::Delete));
    }

    #[test]
    fn redirects_carry_the_https_port_unless_it_is_443() {
        assert_eq!(redirect_location("a.test:8080", 8443, "/x", Some("y=1")), "https://a.test:8443/x?y=1");
        assert_eq!(redirect_location("a.test:80", 443, "/", None), "https://a.test/");
        assert_eq!(redirect_location("[::1]:80", 443, "/", None), "https://[::1]/");
        assert_eq!(redirect_location("[::1]", 443, "/", None), "https://[::1]/");
    }
}
