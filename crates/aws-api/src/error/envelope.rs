//! Errors in the envelope of each protocol.

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};

use super::ApiError;
use crate::exchange::{Answer, JSON_CONTENT_TYPE, REQUEST_ID, XML_CONTENT_TYPE};
use crate::operation::Protocol;
use crate::{cloudfront, sts, xml};

impl ApiError {
    /// The error as the answer to send.
    pub fn answer(&self, protocol: Protocol, request_id: &str) -> Answer {
        let (content_type, body) = match protocol {
            Protocol::RestXml => (XML_CONTENT_TYPE, self.xml(cloudfront::SERVICE.namespace, request_id)),
            Protocol::Query => (XML_CONTENT_TYPE, self.xml(sts::SERVICE.namespace, request_id)),
            Protocol::Json => (JSON_CONTENT_TYPE, self.json()),
        };
        let mut answer = Response::new(body.into_bytes());
        *answer.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Ok(request_id) = HeaderValue::from_str(request_id) {
            answer.headers_mut().insert(REQUEST_ID, request_id);
        }
        answer
    }

    fn xml(&self, namespace: &str, request_id: &str) -> String {
        let mut writer = xml::Writer::new();
        writer.open_root("ErrorResponse", namespace);
        writer.open("Error");
        writer.leaf("Type", if self.status < 500 { "Sender" } else { "Receiver" });
        writer.leaf("Code", self.code);
        writer.leaf("Message", &self.message);
        writer.close("Error");
        writer.leaf("RequestId", request_id);
        writer.close("ErrorResponse");
        writer.finish()
    }

    /// Both spellings of the message: the models name the member `Message` in WAFv2, `message` in ACM.
    fn json(&self) -> String {
        serde_json::json!({"__type": self.code, "message": self.message, "Message": self.message}).to_string()
    }
}
