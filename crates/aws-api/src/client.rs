//! The client's side of an exchange: requests as the SDKs write them, answers as they read them.

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::decode_error::{DecodeError, Fault};
use crate::exchange::{Answer, JSON_CONTENT_TYPE, XML_CONTENT_TYPE};
use crate::operation::{Operation, OperationSchema, Protocol};
use crate::shape::{Location, Member, Ref, Slot, Structure};
use crate::{json, scalar, xml};

/// A request with its whole body: everything but the host, the date and the signature.
pub type ClientRequest = http::Request<Vec<u8>>;

/// An input that cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A part of the path would be empty, which would name another operation.
    #[error("{0} is empty; give one")]
    EmptyLabel(&'static str),
    /// A text that no header can carry.
    #[error("{0} contains characters that a header cannot carry")]
    UnfitForHeader(&'static str),
    /// The request cannot be built.
    #[error("the path or the query is too long")]
    TooLong,
    /// Nobody here needs to call such a service.
    #[error("requests of this protocol are not written")]
    Protocol,
}

/// Why an answer is not the output of the operation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The API says no.
    #[error("{code}: {message}")]
    Refused {
        /// What clients switch on; empty where the answer has none.
        code: String,
        /// For people.
        message: String,
        /// The HTTP status.
        status: u16,
    },
    /// The answer is not what the model says.
    #[error("the answer cannot be understood: {0}")]
    Malformed(#[from] DecodeError),
}

impl AnswerError {
    /// The code with which the API refused; none for an answer that cannot be understood.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            Self::Malformed(_) => None,
        }
    }
}

/// Encodes the input of an operation as the request to sign and send.
pub fn encode_input<O: Operation>(input: &O::Input) -> Result<ClientRequest, EncodeError> {
    encode_request(O::SCHEMA, input)
}

/// Decodes the answer to an operation's request.
pub fn decode_output<O: Operation>(answer: &Answer) -> Result<O::Output, AnswerError>
where
    O::Output: Default,
{
    let mut output = O::Output::default();
    decode_answer(O::SCHEMA, answer, &mut output)?;
    Ok(output)
}

/// [`encode_input`] for an operation that is chosen at run time.
pub fn encode_request(
    schema: &'static OperationSchema,
    input: &dyn Structure,
) -> Result<ClientRequest, EncodeError> {
    let (mut path, mut query) = match schema.uri.split_once('?') {
        Some((path, flags)) => (path.to_owned(), flags.to_owned()),
        None => (schema.uri.to_owned(), String::new()),
    };
    let mut request = http::Request::new(Vec::new());
    match schema.service.protocol {
        Protocol::RestXml => {
            write_parts(&mut request, &mut path, &mut query, input)?;
            write_xml_body(&mut request, schema, input);
        }
        Protocol::Json => write_json(&mut request, schema, input)?,
        Protocol::Query => return Err(EncodeError::Protocol),
    }
    let target = if query.is_empty() { path } else { format!("{path}?{query}") };
    *request.method_mut() = schema.method.parse().map_err(|_| EncodeError::Protocol)?;
    *request.uri_mut() = target.parse().map_err(|_| EncodeError::TooLong)?;
    Ok(request)
}

/// The members that travel in the path, the query and the headers.
fn write_parts(
    request: &mut ClientRequest,
    path: &mut String,
    query: &mut String,
    input: &dyn Structure,
) -> Result<(), EncodeError> {
    for (member, value) in input.schema().members.iter().zip(input.members()) {
        let text = scalar::write(&value.get());
        match (member.location, text) {
            (Location::Label, text) => {
                let text =
                    text.filter(|text| !text.is_empty()).ok_or(EncodeError::EmptyLabel(member.name))?;
                *path = path.replace(&format!("{{{}}}", member.wire_name), &escape(&text));
            }
            (Location::Query, Some(text)) => {
                let separator = if query.is_empty() { "" } else { "&" };
                *query = format!("{query}{separator}{}={}", member.wire_name, escape(&text));
            }
            (Location::Header, Some(text)) => {
                let unfit = || EncodeError::UnfitForHeader(member.name);
                let name = HeaderName::from_bytes(member.wire_name.as_bytes()).map_err(|_| unfit())?;
                let value = HeaderValue::from_bytes(text.as_bytes()).map_err(|_| unfit())?;
                request.headers_mut().insert(name, value);
            }
            _ => {}
        }
    }
    Ok(())
}

fn write_xml_body(request: &mut ClientRequest, schema: &OperationSchema, input: &dyn Structure) {
    let (root, namespace) = (schema.input_root, schema.service.namespace);
    let document = match input.schema().payload() {
        Some(index) => match input.members()[index].get() {
            Ref::Structure(payload) => xml::encode(root, namespace, payload),
            _ => return,
        },
        None if input.schema().has_body() => xml::encode(root, namespace, input),
        None => return,
    };
    *request.body_mut() = document.into_bytes();
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(XML_CONTENT_TYPE));
}

fn write_json(
    request: &mut ClientRequest,
    schema: &OperationSchema,
    input: &dyn Structure,
) -> Result<(), EncodeError> {
    let target = format!("{}.{}", schema.service.target_prefix, schema.name);
    let target = HeaderValue::try_from(target).map_err(|_| EncodeError::UnfitForHeader("X-Amz-Target"))?;
    request.headers_mut().insert(HeaderName::from_static("x-amz-target"), target);
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON_CONTENT_TYPE));
    *request.body_mut() = json::encode(input).into_bytes();
    Ok(())
}

/// What stands for itself in a URI (RFC 3986, 2.3, "Unreserved Characters"); all else is escaped.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn escape(text: &str) -> String {
    match text {
        // These two segments mean other paths, whoever normalises them (RFC 3986, 5.2.4).
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        text => utf8_percent_encode(text, ESCAPED).to_string(),
    }
}

/// [`decode_output`] for an operation that is chosen at run time.
pub fn decode_answer(
    schema: &OperationSchema,
    answer: &Answer,
    output: &mut dyn Structure,
) -> Result<(), AnswerError> {
    if !answer.status().is_success() {
        return Err(refused(schema, answer));
    }
    match schema.service.protocol {
        Protocol::RestXml => {
            read_headers(answer, output)?;
            read_xml_body(schema, answer.body(), output)?;
        }
        Protocol::Json if answer.body().is_empty() => {}
        Protocol::Json => json::decode(answer.body(), output)?,
        Protocol::Query => return Err(DecodeError::from(Fault::Syntax("It is of another protocol")).into()),
    }
    Ok(())
}

fn read_headers(answer: &Answer, output: &mut dyn Structure) -> Result<(), DecodeError> {
    let members = output.schema().members;
    for (member, place) in members.iter().zip(output.members_mut()) {
        if member.location != Location::Header {
            continue;
        }
        match answer.headers().get(member.wire_name).map(|value| str::from_utf8(value.as_bytes())) {
            Some(Ok(text)) => scalar::read(place.slot(), text).map_err(|fault| inside(fault, member))?,
            Some(Err(_)) => return Err(inside(Fault::WrongType("text"), member)),
            None => {}
        }
    }
    Ok(())
}

fn inside(fault: Fault, member: &Member) -> DecodeError {
    DecodeError::from(fault).inside(member.name)
}

fn read_xml_body(
    schema: &OperationSchema,
    body: &[u8],
    output: &mut dyn Structure,
) -> Result<(), DecodeError> {
    let (root, namespace) = (schema.output_root, schema.service.namespace);
    let output_schema = output.schema();
    let Some(index) = output_schema.payload() else {
        return if output_schema.has_body() { xml::decode(body, namespace, root, output) } else { Ok(()) };
    };
    let member = &output_schema.members[index];
    if body.is_empty() && !member.required {
        return Ok(());
    }
    match output.members_mut()[index].slot() {
        Slot::Blob(place) => body.clone_into(place),
        Slot::Structure(payload) => xml::decode(body, namespace, root, payload)?,
        _ => return Err(inside(Fault::WrongType("a structure"), member)),
    }
    Ok(())
}

/// The document of an error.
#[allow(unreachable_pub, reason = "the macro writes public structures")]
mod envelope {
    use crate::shape::{Member, structure};

    structure! {
        pub struct ErrorDetail {
            pub code: Option<String> = Member::body("Code"),
            pub message: Option<String> = Member::body("Message"),
        }
    }

    structure! {
        pub struct ErrorResponse {
            pub error: Option<ErrorDetail> = Member::body("Error"),
        }
    }
}

fn refused(schema: &OperationSchema, answer: &Answer) -> AnswerError {
    let (code, message) = match schema.service.protocol {
        Protocol::Json => json_error(answer.body()),
        Protocol::RestXml | Protocol::Query => xml_error(answer.body(), schema.service.namespace),
    };
    AnswerError::Refused {
        code: code.unwrap_or_else(|| answer.status().to_string()),
        message: message.unwrap_or_default(),
        status: answer.status().as_u16(),
    }
}

fn xml_error(body: &[u8], namespace: &str) -> (Option<String>, Option<String>) {
    let mut response = envelope::ErrorResponse::default();
    match (xml::decode(body, namespace, "ErrorResponse", &mut response), response.error) {
        (Ok(()), Some(error)) => (error.code, error.message),
        _ => (None, None),
    }
}

fn json_error(body: &[u8]) -> (Option<String>, Option<String>) {
    let document: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| document[name].as_str().map(str::to_owned);
    // The type may come with its namespace: `com.amazonaws.acm#ResourceNotFoundException`.
    let code = text("__type").map(|name| name.rsplit('#').next().unwrap_or_default().to_owned());
    (code, text("message").or_else(|| text("Message")))
}
