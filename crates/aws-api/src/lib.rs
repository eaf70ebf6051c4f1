//! The AWS APIs that Mantlet speaks: shapes, operations, errors and their codecs, generated from the service
//! models that the AWS SDKs are generated from.
//!
//! - [`cloudfront`], [`wafv2`] and [`acm`] hold each service's structures, enumerations, `ErrorCode` and
//!   `OperationId`, and in `operation` every operation as a type that ties its input to its output.
//! - [`ApiError`] is what an operation fails with.
//!
//! It does not know about tokio, sockets, the store, distributions in use, or any edge: bytes in, typed values
//! out, and back. It is the only crate that knows XML, awsJson and Signature Version 4.

pub mod error;
mod generated;
pub mod limits;
pub mod operation;
pub mod shape;

pub use error::ApiError;
pub use generated::{acm, cloudfront, wafv2};
