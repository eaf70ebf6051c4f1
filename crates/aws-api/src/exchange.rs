//! From a request to an operation's input, from its output to an answer.

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use crate::decode_error::{DecodeError, Fault};
use crate::limits::REQUEST_BODY_BYTES_MAX;
use crate::operation::{Operation, OperationSchema, Protocol};
use crate::query::Parameters;
use crate::request::Request;
use crate::route::Labels;
use crate::shape::{Location, Member, Ref, Slot, Structure};
use crate::{ApiError, json, scalar, sts, xml};

/// An answer with its whole body.
pub type Answer = Response<Vec<u8>>;

/// Decodes the input of an operation from the request that was routed to it.
pub fn decode_input<O: Operation>(request: &Request<'_>, labels: &Labels) -> Result<O::Input, ApiError> {
    let mut input = O::Input::default();
    decode_into(O::SCHEMA, request, labels, &mut input)?;
    Ok(input)
}

/// Encodes the output of an operation as the answer to send.
pub fn encode_output<O: Operation>(output: &O::Output, request_id: &str) -> Result<Answer, ApiError> {
    encode_from(O::SCHEMA, output, request_id)
}

pub(crate) fn decode_into(
    schema: &OperationSchema,
    request: &Request<'_>,
    labels: &Labels,
    input: &mut dyn Structure,
) -> Result<(), ApiError> {
    if request.body.len() > REQUEST_BODY_BYTES_MAX {
        return Err(ApiError::request_too_large());
    }
    match schema.service.protocol {
        Protocol::RestXml => {
            decode_parts(request, labels, input)?;
            decode_xml_body(schema, request.body, input)
        }
        Protocol::Json => {
            let body = if request.body.is_empty() { b"{}" } else { request.body };
            json::decode(body, input).map_err(|error| error.into_api_error(Protocol::Json))
        }
        Protocol::Query => sts::decode(request, input),
    }
}

/// Fills the members that travel in the path, the query and the headers.
fn decode_parts(request: &Request<'_>, labels: &Labels, input: &mut dyn Structure) -> Result<(), ApiError> {
    let query = Parameters::from_query(request.query)?;
    let members = input.schema().members;
    for (member, place) in members.iter().zip(input.members_mut()) {
        let text = match member.location {
            Location::Label => labels.get(member.wire_name),
            Location::Query => query.get(member.wire_name)?,
            Location::Header => request.header(member.wire_name),
            Location::Body | Location::Payload => continue,
        };
        match text {
            Some(text) => scalar::read(place.slot(), text).map_err(|fault| malformed(fault, member))?,
            None if member.required => return Err(missing(member)),
            None => {}
        }
    }
    Ok(())
}

fn decode_xml_body(schema: &OperationSchema, body: &[u8], input: &mut dyn Structure) -> Result<(), ApiError> {
    if schema.input_root.is_empty() {
        return Ok(());
    }
    let namespace = schema.service.namespace;
    let root = schema.input_root;
    let input_schema = input.schema();
    let decoded = match input_schema.payload() {
        Some(index) => {
            let member = &input_schema.members[index];
            if body.is_empty() {
                return if member.required { Err(missing_body(schema)) } else { Ok(()) };
            }
            let mut places = input.members_mut();
            match places[index].slot() {
                Slot::Structure(payload) => xml::decode(body, namespace, root, payload),
                _ => Err(Fault::WrongType("a structure").into()),
            }
        }
        None if body.is_empty() && !requires_body(input) => Ok(()),
        None if body.is_empty() => return Err(missing_body(schema)),
        None => xml::decode(body, namespace, root, input),
    };
    decoded.map_err(|error| error.into_api_error(Protocol::RestXml))
}

fn requires_body(input: &dyn Structure) -> bool {
    input.schema().members.iter().any(|member| member.required && member.location == Location::Body)
}

fn malformed(fault: Fault, member: &Member) -> ApiError {
    DecodeError::from(fault).inside(member.name).into_api_error(Protocol::RestXml)
}

/// Every operation that needs `If-Match` says so with a code of its own.
fn missing(member: &Member) -> ApiError {
    if member.wire_name == "If-Match" {
        return ApiError::new(
            "InvalidIfMatchVersion",
            400,
            "The If-Match version is missing or not valid for the resource.",
        );
    }
    malformed(Fault::Missing, member)
}

fn missing_body(schema: &OperationSchema) -> ApiError {
    ApiError::new(
        "MissingBody",
        400,
        format!("The request has no body; a {} is expected.", schema.input_root),
    )
}

pub(crate) fn encode_from(
    schema: &OperationSchema,
    output: &dyn Structure,
    request_id: &str,
) -> Result<Answer, ApiError> {
    let (content_type, body) = match schema.service.protocol {
        Protocol::RestXml => encode_xml_body(schema, output),
        Protocol::Json => (Some(JSON_CONTENT_TYPE), encode_json_body(output)),
        Protocol::Query => (Some(XML_CONTENT_TYPE), encode_query_body(schema, output, request_id)),
    };
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(schema.status).map_err(|_| ApiError::internal())?;
    let headers = answer.headers_mut();
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    headers.insert(REQUEST_ID, HeaderValue::from_str(request_id).map_err(|_| ApiError::internal())?);
    for (member, value) in output.schema().members.iter().zip(output.members()) {
        if member.location == Location::Header
            && let Some(text) = scalar::write(&value.get())
        {
            let name =
                HeaderName::from_bytes(member.wire_name.as_bytes()).map_err(|_| ApiError::internal())?;
            headers.insert(name, HeaderValue::from_str(&text).map_err(|_| ApiError::internal())?);
        }
    }
    Ok(answer)
}

/// The header by which clients report an answer.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
pub(crate) const XML_CONTENT_TYPE: &str = "text/xml";
pub(crate) const JSON_CONTENT_TYPE: &str = "application/x-amz-json-1.1";

fn encode_xml_body(schema: &OperationSchema, output: &dyn Structure) -> (Option<&'static str>, Vec<u8>) {
    let (root, namespace) = (schema.output_root, schema.service.namespace);
    let output_schema = output.schema();
    if let Some(index) = output_schema.payload() {
        let members = output.members();
        return match members[index].get() {
            Ref::Structure(payload) => {
                (Some(XML_CONTENT_TYPE), xml::encode(root, namespace, payload).into_bytes())
            }
            Ref::Blob(bytes) => (None, bytes.to_vec()),
            _ => (None, Vec::new()),
        };
    }
    if output_schema.has_body() {
        return (Some(XML_CONTENT_TYPE), xml::encode(root, namespace, output).into_bytes());
    }
    (None, Vec::new())
}

/// An operation without output answers an empty body; one with an empty output answers an empty object.
fn encode_json_body(output: &dyn Structure) -> Vec<u8> {
    if output.schema().name == "Unit" { Vec::new() } else { json::encode(output).into_bytes() }
}

fn encode_query_body(schema: &OperationSchema, output: &dyn Structure, request_id: &str) -> Vec<u8> {
    let (response, result) = (format!("{}Response", schema.name), format!("{}Result", schema.name));
    let mut writer = xml::Writer::new();
    writer.open_root(&response, schema.service.namespace);
    writer.open(&result);
    writer.members(output);
    writer.close(&result);
    writer.open("ResponseMetadata");
    writer.leaf("RequestId", request_id);
    writer.close("ResponseMetadata");
    writer.close(&response);
    writer.finish().into_bytes()
}
