//! Access keys over HTTP: three paths of our own beside AWS's, signed for the service `mantlet` by an admin.
//!
//! Requests and answers are JSON; errors have the form of AWS's JSON services.

use std::time::Duration;

use aws_api::ApiError;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::administration::KeyToCreate;
use super::held::AccessKeys;
use crate::limits::KEY_REQUEST_BYTES_MAX;

/// `GET` lists the keys, `POST` of a [`KeyToCreate`] makes one.
pub const KEYS_PATH: &str = "/mantlet/keys";
/// `POST` of a [`KeyToRotate`].
pub const ROTATE_PATH: &str = "/mantlet/keys/rotate";
/// `POST` of a [`KeyToRevoke`].
pub const REVOKE_PATH: &str = "/mantlet/keys/revoke";

/// What requests about keys are signed for, so that no signature for AWS's services counts here.
pub(crate) const SIGNING_NAME: &str = "mantlet";

/// A key to be rotated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyToRotate {
    /// Which.
    pub name: String,
    /// For how long the old secret still signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_old_seconds: Option<u64>,
}

/// A key, or one of its ids, to be revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyToRevoke {
    /// Which.
    pub name_or_id: String,
}

/// A request about keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyRequest {
    List,
    Create(KeyToCreate),
    Rotate(KeyToRotate),
    Revoke(KeyToRevoke),
}

/// Whether a path is one of ours, right or nearly so: such requests are answered in JSON.
pub(crate) fn is_key_path(path: &str) -> bool {
    path.starts_with("/mantlet/")
}

impl KeyRequest {
    pub(crate) fn parse(method: &str, path: &str, query: &str, body: &[u8]) -> Result<Self, ApiError> {
        if !query.is_empty() {
            return Err(ApiError::unknown_operation(404));
        }
        match (method, path) {
            ("GET", KEYS_PATH) => Ok(Self::List),
            ("POST", KEYS_PATH) => parse(body).map(Self::Create),
            ("POST", ROTATE_PATH) => parse(body).map(Self::Rotate),
            ("POST", REVOKE_PATH) => parse(body).map(Self::Revoke),
            _ => Err(ApiError::unknown_operation(404)),
        }
    }

    /// The operation's name, as it stands in logs and refusals.
    pub(crate) fn operation(&self) -> &'static str {
        match self {
            Self::List => "ListKeys",
            Self::Create(_) => "CreateKey",
            Self::Rotate(_) => "RotateKey",
            Self::Revoke(_) => "RevokeKey",
        }
    }

    pub(crate) fn is_change(&self) -> bool {
        *self != Self::List
    }

    /// The key that it is about.
    pub(crate) fn resource(&self) -> Option<&str> {
        match self {
            Self::List => None,
            Self::Create(key) => Some(&key.name),
            Self::Rotate(key) => Some(&key.name),
            Self::Revoke(key) => Some(&key.name_or_id),
        }
    }

    pub(crate) async fn perform(
        &self,
        keys: &AccessKeys,
        request_id: &str,
    ) -> Result<Response<Bytes>, ApiError> {
        match self {
            Self::List => answer(&keys.list().await?, request_id),
            Self::Create(wanted) => answer(&keys.create(wanted).await?, request_id),
            Self::Rotate(wanted) => {
                let keep_old = wanted.keep_old_seconds.map(Duration::from_secs);
                answer(&keys.rotate(&wanted.name, keep_old).await?, request_id)
            }
            Self::Revoke(wanted) => answer(&keys.revoke(&wanted.name_or_id).await?, request_id),
        }
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    if body.len() > KEY_REQUEST_BYTES_MAX {
        return Err(ApiError::request_too_large());
    }
    // serde's messages name what is wrong and where; there is no secret in a request.
    serde_json::from_slice(body)
        .map_err(|error| ApiError::new("SerializationException", 400, error.to_string()))
}

fn answer<T: Serialize>(report: &T, request_id: &str) -> Result<Response<Bytes>, ApiError> {
    let body = serde_json::to_vec(report).map_err(|_| ApiError::internal())?;
    let mut answer = Response::new(Bytes::from(body));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(request_id) = HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", request_id);
    }
    Ok(answer)
}
