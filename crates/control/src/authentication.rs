//! Who may ask: every request is signed, unless the operator said that none need be.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use aws_api::sigv4::{Authenticated, Expectations, PayloadRule, Secret, SignatureError, verify};
use aws_api::{AnyOperation, ApiError, Protocol, Request, acm, cloudfront, protocol, sts, wafv2};

use crate::control::Transport;

/// The access keys that exist. There is no way to read or print a secret.
#[derive(Clone)]
pub struct AccessKeys {
    secrets: Arc<HashMap<String, Secret>>,
}

impl AccessKeys {
    /// Keys by their ids.
    pub fn new(keys: impl IntoIterator<Item = (String, Secret)>) -> Self {
        Self { secrets: Arc::new(keys.into_iter().collect()) }
    }
}

impl fmt::Debug for AccessKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "AccessKeys({})", self.secrets.len())
    }
}

/// How callers prove who they are.
#[derive(Clone, Debug)]
pub enum Authentication {
    /// By a signature with one of these keys (AWS Signature Version 4).
    SignatureV4(AccessKeys),
    /// Not at all: for an API that only this machine can reach. Browsers are turned away, since any
    /// page could make them ask.
    Nobody,
}

/// A caller that may ask.
pub(crate) struct Identity {
    signed: Option<Authenticated>,
}

/// Lets a caller in, or not.
pub(crate) fn authenticate(
    authentication: &Authentication,
    request: &Request<'_>,
    transport: Transport,
    now: SystemTime,
) -> Result<Identity, ApiError> {
    match authentication {
        Authentication::Nobody => refuse_browsers(request).map(|()| Identity { signed: None }),
        Authentication::SignatureV4(keys) => verify_signature(keys, request, transport, now)
            .map(|signed| Identity { signed: Some(signed) })
            .map_err(|error| error.to_api_error(protocol(request))),
    }
}

impl Identity {
    /// A signature for one service opens no other.
    pub(crate) fn check_service(&self, operation: AnyOperation, protocol: Protocol) -> Result<(), ApiError> {
        let service = operation.schema().service.signing_name;
        match &self.signed {
            Some(signed) if signed.service != service => {
                Err(SignatureError::WrongService.to_api_error(protocol))
            }
            _ => Ok(()),
        }
    }
}

fn verify_signature(
    keys: &AccessKeys,
    request: &Request<'_>,
    transport: Transport,
    now: SystemTime,
) -> Result<Authenticated, SignatureError> {
    let services = [&cloudfront::SERVICE, &wafv2::SERVICE, &acm::SERVICE, &sts::SERVICE]
        .map(|service| service.signing_name);
    let nobody_can_change_the_body = transport.is_tls || transport.is_loopback;
    let signed = verify(
        request,
        now,
        &Expectations {
            services: &services,
            secret_of: &|access_key_id| keys.secrets.get(access_key_id).cloned(),
            payload: if nobody_can_change_the_body {
                PayloadRule::AllowUnsigned
            } else {
                PayloadRule::RequireSigned
            },
        },
    )?;
    // Our keys are not temporary: a token belongs to none of them.
    if signed.session_token.is_some() { Err(SignatureError::UnknownAccessKey) } else { Ok(signed) }
}

/// A page that someone has open can send requests to this machine, and by rebinding its name to a
/// loopback address it could read the answers. Such requests carry an `Origin`, metadata of the
/// fetch, or a host that is not this machine's.
fn refuse_browsers(request: &Request<'_>) -> Result<(), ApiError> {
    let says = |name: &str| request.headers.contains_key(name);
    if says("origin") || says("sec-fetch-site") || !is_host_of_this_machine(request) {
        return Err(ApiError::new(
            "AccessDenied",
            403,
            "Without authentication, requests of browsers and for other hosts than localhost are refused.",
        ));
    }
    Ok(())
}

fn is_host_of_this_machine(request: &Request<'_>) -> bool {
    let Some(host) = request.headers.get("host").and_then(|host| host.to_str().ok()) else { return true };
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let name = match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) && !name.ends_with(':') => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn check(headers: &[(&'static str, &'static str)], expect: Option<&str>) {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect::<HeaderMap>();
        let request = Request {
            method: "POST",
            path: "/2020-05-31/distribution",
            query: "",
            headers: &headers,
            body: b"",
        };
        let transport = Transport { is_tls: false, is_loopback: true };
        let result = authenticate(&Authentication::Nobody, &request, transport, SystemTime::UNIX_EPOCH);
        assert_eq!(result.err().map(|error| error.code), expect, "{headers:?}");
    }

    #[test]
    fn without_authentication_the_machine_itself_is_let_in() {
        for host in ["127.0.0.1:4000", "localhost", "localhost:80", "[::1]:4000", "api.mantlet.localhost:1"] {
            check(&[("host", host)], None);
        }
    }

    #[test]
    fn without_authentication_browsers_are_turned_away() {
        check(&[("host", "127.0.0.1"), ("origin", "https://evil.example")], Some("AccessDenied"));
        check(&[("host", "127.0.0.1"), ("sec-fetch-site", "cross-site")], Some("AccessDenied"));
        check(&[("host", "rebound.evil.example:4000")], Some("AccessDenied"));
    }
}
