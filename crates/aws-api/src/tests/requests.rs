//! Requests to be routed and decoded.

use http::HeaderMap;

use crate::client::ClientRequest;
use crate::request::Request;

/// A request that owns its parts.
#[derive(Default)]
pub(super) struct OwnedRequest {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl OwnedRequest {
    pub(super) fn new(method: &str, path: &str, query: &str) -> Self {
        Self { method: method.into(), path: path.into(), query: query.into(), ..Self::default() }
    }

    pub(super) fn lend(&self) -> Request<'_> {
        Request {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &self.headers,
            body: &self.body,
        }
    }
}

impl From<ClientRequest> for OwnedRequest {
    fn from(request: ClientRequest) -> Self {
        let (head, body) = request.into_parts();
        Self {
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body,
        }
    }
}

#[cfg(test)]
mod forms {
    use super::OwnedRequest;
    use crate::route::Labels;
    use crate::sts::{AssumeRoleRequest, operation::AssumeRole};
    use crate::{ApiError, decode_input};

    fn assume_role(parameters: &str) -> Result<AssumeRoleRequest, ApiError> {
        let mut request = OwnedRequest::new("POST", "/", "");
        request.body = format!("Action=AssumeRole&Version=2011-06-15&{parameters}").into_bytes();
        decode_input::<AssumeRole>(&request.lend(), &Labels::default())
    }

    fn check_refused(parameters: &str, expect: &str) {
        let error = assume_role(parameters).unwrap_err();
        assert!(error.message.contains(expect), "{parameters}: {error}");
    }

    #[test]
    fn a_form_fills_the_input() {
        let input = assume_role(
            "RoleArn=arn%3Aaws%3Aiam%3A%3A0%3Arole%2Fread&RoleSessionName=a+b&DurationSeconds=900",
        );
        let expect = AssumeRoleRequest {
            role_arn: "arn:aws:iam::0:role/read".to_owned(),
            role_session_name: "a b".to_owned(),
            duration_seconds: Some(900),
            external_id: None,
        };
        assert_eq!(input.unwrap(), expect);
    }

    #[test]
    fn what_is_missing_malformed_or_would_restrict_is_refused() {
        check_refused("RoleArn=a", "RoleSessionName is missing");
        check_refused("RoleArn=a&RoleSessionName=b&DurationSeconds=soon", "DurationSeconds is");
        check_refused("RoleArn=a&RoleSessionName=b&Policy=%7B%7D", "\"Policy\" is not supported");
        check_refused("RoleArn=a&RoleSessionName=b&PolicyArns.member.1.arn=c", "\"PolicyArns.member.1.arn\"");
        check_refused("RoleArn=a&RoleArn=b&RoleSessionName=b", "given twice");
    }
}
