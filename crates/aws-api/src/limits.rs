//! Every limit of this crate, with its reason.

/// Bytes of one request body. The largest honest one is a distribution with a hundred origins, each with its
/// 10,240 characters of custom headers, or an IP set of ten thousand addresses: about a megabyte.
pub const REQUEST_BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Bytes of a request path. The longest honest one carries a percent-encoded ARN.
pub const PATH_BYTES_MAX: usize = 4096;

/// Bytes of a query string. A presigned query with a session token is about two kilobytes.
pub const QUERY_BYTES_MAX: usize = 16 * 1024;

/// Parameters of a query string or of a form. The API itself needs four, a presigned query seven more.
pub const QUERY_PARAMETERS_MAX: usize = 64;

/// Open elements in an XML document. The deepest CloudFront shape nests eleven.
pub const XML_DEPTH_MAX: usize = 64;

/// Elements in an XML document. A hundred cache behaviors with every list full stay below thirty thousand.
pub const XML_ELEMENTS_MAX: usize = 100_000;

/// Attributes of one XML element. CloudFront's shapes have none; a root element has one to three namespaces.
pub const XML_ATTRIBUTES_MAX: usize = 16;

/// Nested arrays and objects in a JSON document. Each level of a nested web ACL statement takes three.
pub const JSON_DEPTH_MAX: usize = 64;

/// Values in a JSON document. The largest honest one is an IP set of ten thousand addresses.
pub const JSON_VALUES_MAX: usize = 30_000;
