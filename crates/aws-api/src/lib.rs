//! The AWS APIs that Mantlet speaks: shapes, operations, errors and their codecs, generated from the service
//! models that the AWS SDKs are generated from.
//!
//! [`cloudfront`], [`wafv2`] and [`acm`] hold each service's structures, enumerations, `ErrorCode` and
//! `OperationId`, and in `operation` every operation as a type that ties its input to its output. [`sts`] has
//! the one operation that clients need beside them.
//!
//! A call, from bytes to bytes:
//!
//! ```
//! use aws_api::cloudfront::{self, GetDistributionRequest, GetDistributionResult, OperationId, operation};
//! use aws_api::{Answer, AnyOperation, ApiError, Request, Routed, decode_input, encode_output, protocol, route};
//!
//! fn answer(request: &Request<'_>, request_id: &str) -> Answer {
//!     dispatch(request, request_id).unwrap_or_else(|error| error.answer(protocol(request), request_id))
//! }
//!
//! fn dispatch(request: &Request<'_>, request_id: &str) -> Result<Answer, ApiError> {
//!     let Routed { operation, labels } = route(request)?;
//!     match operation {
//!         AnyOperation::CloudFront(OperationId::GetDistribution) => {
//!             let input = decode_input::<operation::GetDistribution>(request, &labels)?;
//!             encode_output::<operation::GetDistribution>(&get_distribution(input)?, request_id)
//!         }
//!         other => Err(ApiError::not_implemented(other.name())),
//!     }
//! }
//!
//! fn get_distribution(input: GetDistributionRequest) -> Result<GetDistributionResult, ApiError> {
//!     let message = format!("There is no distribution {}.", input.id);
//!     Err(cloudfront::ErrorCode::NoSuchDistribution.with_message(message))
//! }
//! ```
//!
//! [`client`] is the other side of the same exchange: it writes requests and reads answers.
//!
//! It does not know about tokio, sockets, the store, distributions in use, or any edge: bytes in, typed values
//! out, and back. It is the only crate that knows XML, awsJson and Signature Version 4.

pub mod client;
mod decode_error;
pub mod error;
mod exchange;
mod generated;
mod json;
pub mod limits;
pub mod operation;
mod quantity;
mod query;
mod request;
mod route;
mod scalar;
pub mod shape;
pub mod sigv4;
pub mod sts;
#[cfg(test)]
mod tests;
mod xml;

pub use decode_error::{DecodeError, Fault};
pub use error::ApiError;
pub use exchange::{Answer, decode_input, encode_output};
pub use generated::{acm, cloudfront, wafv2};
pub use json::{fill_from_json, from_json, to_json};
pub use operation::{Operation, Protocol};
pub use quantity::inconsistent_quantity;
pub use query::Parameters;
pub use request::Request;
pub use route::{AnyOperation, Labels, Routed, protocol, route};
