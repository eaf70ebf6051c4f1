//! Who may ask: every request is signed, unless the operator said that none need be.

use std::cell::RefCell;
use std::net::IpAddr;
use std::time::SystemTime;

use aws_api::sigv4::{Authenticated, Expectations, PayloadRule, SignatureError, verify};
use aws_api::{ApiError, Protocol, Request, acm, cloudfront, sts, wafv2};

use crate::access::{AccessKeys, Principal, Role, SIGNING_NAME};
use crate::control::Transport;

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
    who: Who,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Anybody: nobody needs to say.
    Anybody,
    /// A user of this machine, who came through the data directory.
    LocalUser,
    /// The holder of a key.
    Key(Principal),
}

impl Who {
    /// The holder of a key, if it is one.
    pub(crate) fn principal(&self) -> Option<&Principal> {
        match self {
            Self::Key(principal) => Some(principal),
            Self::Anybody | Self::LocalUser => None,
        }
    }
}

/// Lets a caller in, or not, as a service of `protocol` says it.
pub(crate) fn authenticate(
    authentication: &Authentication,
    request: &Request<'_>,
    protocol: Protocol,
    transport: Transport,
    now: SystemTime,
) -> Result<Identity, ApiError> {
    match authentication {
        Authentication::Nobody => {
            refuse_browsers(request).map(|()| Identity { signed: None, who: Who::Anybody })
        }
        Authentication::SignatureV4(keys) => {
            verify_signature(keys, request, transport, now).map_err(|error| error.to_api_error(protocol))
        }
    }
}

impl Identity {
    /// A user of this machine who came through the data directory, and so could change the store itself.
    pub(crate) fn local_user() -> Self {
        Self { signed: None, who: Who::LocalUser }
    }

    pub(crate) fn who(&self) -> &Who {
        &self.who
    }

    /// A signature for one service opens no other.
    pub(crate) fn check_service(&self, signing_name: &str, protocol: Protocol) -> Result<(), ApiError> {
        match &self.signed {
            Some(signed) if signed.service != signing_name => {
                Err(SignatureError::WrongService.to_api_error(protocol))
            }
            _ => Ok(()),
        }
    }

    /// Nobody does more than their key's role says.
    pub(crate) fn check_role(
        &self,
        operation: &str,
        needed: Role,
        protocol: Protocol,
    ) -> Result<(), ApiError> {
        match self.who.principal() {
            Some(principal) if principal.role < needed => {
                let Principal { key_name, role, .. } = principal;
                Err(access_denied(
                    protocol,
                    format!(
                        "{operation} needs the role {needed}, and the key {key_name} has the role {role} here. Use a \
                         key with the role {needed}, or ask an admin for one."
                    ),
                ))
            }
            _ => Ok(()),
        }
    }
}

/// The refusal of someone who is known and may not.
pub(crate) fn access_denied(protocol: Protocol, message: impl Into<String>) -> ApiError {
    let code = match protocol {
        Protocol::RestXml | Protocol::Query => "AccessDenied",
        Protocol::Json => "AccessDeniedException",
    };
    ApiError::new(code, 403, message)
}

fn verify_signature(
    keys: &AccessKeys,
    request: &Request<'_>,
    transport: Transport,
    now: SystemTime,
) -> Result<Identity, SignatureError> {
    let services = [
        cloudfront::SERVICE.signing_name,
        wafv2::SERVICE.signing_name,
        acm::SERVICE.signing_name,
        sts::SERVICE.signing_name,
        SIGNING_NAME,
    ];
    let nobody_can_change_the_body = transport.is_tls || transport.is_loopback;
    let found = RefCell::new(None);
    let secret_of = |access_key_id: &str, session_token: Option<&str>| {
        let (secret, principal) = keys.find(access_key_id, session_token, now)?;
        found.replace(Some(principal));
        Ok(secret)
    };
    let signed = verify(
        request,
        now,
        &Expectations {
            services: &services,
            secret_of: &secret_of,
            payload: if nobody_can_change_the_body {
                PayloadRule::AllowUnsigned
            } else {
                PayloadRule::RequireSigned
            },
        },
    )?;
    let principal = found.into_inner().ok_or(SignatureError::UnknownAccessKey)?;
    Ok(Identity { signed: Some(signed), who: Who::Key(principal) })
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
    use crate::test_support::LOOPBACK;

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
        let now = SystemTime::UNIX_EPOCH;
        let result = authenticate(&Authentication::Nobody, &request, Protocol::RestXml, LOOPBACK, now);
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
