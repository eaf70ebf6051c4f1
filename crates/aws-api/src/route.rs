//! Which operation a request asks for.

use crate::limits::PATH_BYTES_MAX;
use crate::operation::{OperationSchema, Protocol};
use crate::query::{Parameters, decode};
use crate::request::Request;
use crate::shape::Structure;
use crate::{ApiError, acm, cloudfront, sts, wafv2};

/// An operation of any service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AnyOperation {
    /// Of CloudFront.
    CloudFront(cloudfront::OperationId),
    /// Of WAFv2.
    Wafv2(wafv2::OperationId),
    /// Of Certificate Manager.
    Acm(acm::OperationId),
    /// Of the Security Token Service.
    Sts(sts::OperationId),
}

impl AnyOperation {
    /// Every operation of every service.
    pub fn all() -> impl Iterator<Item = Self> {
        let cloudfront = cloudfront::OperationId::ALL.iter().copied().map(Self::CloudFront);
        let wafv2 = wafv2::OperationId::ALL.iter().copied().map(Self::Wafv2);
        let acm = acm::OperationId::ALL.iter().copied().map(Self::Acm);
        let sts = sts::OperationId::ALL.iter().copied().map(Self::Sts);
        cloudfront.chain(wafv2).chain(acm).chain(sts)
    }

    /// The operation's static description.
    pub fn schema(self) -> &'static OperationSchema {
        match self {
            Self::CloudFront(operation) => operation.schema(),
            Self::Wafv2(operation) => operation.schema(),
            Self::Acm(operation) => operation.schema(),
            Self::Sts(operation) => operation.schema(),
        }
    }

    /// The operation's name.
    pub fn name(self) -> &'static str {
        self.schema().name
    }

    /// The operation's empty input and empty output, to be filled.
    pub fn blanks(self) -> (Box<dyn Structure>, Box<dyn Structure>) {
        match self {
            Self::CloudFront(operation) => operation.blanks(),
            Self::Wafv2(operation) => operation.blanks(),
            Self::Acm(operation) => operation.blanks(),
            Self::Sts(operation) => operation.blanks(),
        }
    }
}

/// A request whose operation is known, with what its path says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed {
    /// The operation.
    pub operation: AnyOperation,
    /// The path's labels.
    pub labels: Labels,
}

/// The values of a path's labels, percent-decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    values: Vec<(&'static str, String)>,
}

impl Labels {
    /// The labels' values, in the path's order.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|(_, value)| value.as_str())
    }

    /// The value of the label.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

/// How a request wants to be answered, known even when nothing else of it can be understood.
pub fn protocol(request: &Request<'_>) -> Protocol {
    if request.headers.contains_key(TARGET) {
        Protocol::Json
    } else if request.path == "/" {
        Protocol::Query
    } else {
        Protocol::RestXml
    }
}

/// Finds the operation that a request asks for.
pub fn route(request: &Request<'_>) -> Result<Routed, ApiError> {
    match protocol(request) {
        Protocol::Json => route_target(request),
        Protocol::Query => route_action(request),
        Protocol::RestXml => route_path(request),
    }
}

/// The header that names an operation in awsJson.
const TARGET: &str = "x-amz-target";

fn route_target(request: &Request<'_>) -> Result<Routed, ApiError> {
    let unknown = || ApiError::unknown_operation(400);
    if request.method != "POST" || request.path != "/" {
        return Err(unknown());
    }
    let (prefix, name) =
        request.header(TARGET).and_then(|target| target.split_once('.')).ok_or_else(unknown)?;
    let operation = if prefix == wafv2::SERVICE.target_prefix {
        wafv2::OperationId::ALL.iter().find(|known| known.name() == name).copied().map(AnyOperation::Wafv2)
    } else if prefix == acm::SERVICE.target_prefix {
        acm::OperationId::ALL.iter().find(|known| known.name() == name).copied().map(AnyOperation::Acm)
    } else {
        None
    };
    Ok(Routed { operation: operation.ok_or_else(unknown)?, labels: Labels::default() })
}

fn route_action(request: &Request<'_>) -> Result<Routed, ApiError> {
    let operation = sts::route(request)?;
    Ok(Routed { operation: AnyOperation::Sts(operation), labels: Labels::default() })
}

fn route_path(request: &Request<'_>) -> Result<Routed, ApiError> {
    if request.path.len() > PATH_BYTES_MAX {
        return Err(ApiError::malformed_input("The path is too long."));
    }
    let query = Parameters::from_query(request.query)?;
    let operations = cloudfront::OperationId::ALL.iter().copied();
    let candidates = operations.filter_map(|operation| {
        let labels = match_operation(operation.schema(), request, &query)?;
        Some((operation, labels))
    });
    // The most specific wins: `?WithTags` before no flag, and a literal segment before a label.
    let (operation, labels) = candidates
        .max_by_key(|(operation, labels)| (operation.schema().uri.contains('?'), usize::MAX - labels.len()))
        .ok_or_else(|| ApiError::unknown_operation(404))?;
    let values = labels
        .into_iter()
        .map(|(name, encoded)| {
            let value = decode(encoded).filter(|value| !value.is_empty());
            Ok((
                name,
                value.ok_or_else(|| ApiError::malformed_input("The path is not percent-encoded UTF-8."))?,
            ))
        })
        .collect::<Result<_, ApiError>>()?;
    Ok(Routed { operation: AnyOperation::CloudFront(operation), labels: Labels { values } })
}

/// The labels of a request that matches an operation, still encoded. Segments are told apart before anything
/// is decoded, so an encoded slash never makes a segment, and literals must stand as they are.
fn match_operation<'a>(
    schema: &'static OperationSchema,
    request: &Request<'a>,
    query: &Parameters,
) -> Option<Vec<(&'static str, &'a str)>> {
    let (path, flags) = schema.uri.split_once('?').unwrap_or((schema.uri, ""));
    if schema.method != request.method || !flags_match(flags, query) {
        return None;
    }
    let mut labels = Vec::new();
    let mut segments = request.path.split('/');
    for expected in path.split('/') {
        let segment = segments.next()?;
        match expected.strip_prefix('{').and_then(|label| label.strip_suffix('}')) {
            Some(label) if !segment.is_empty() => labels.push((label, segment)),
            None if segment == expected => {}
            _ => return None,
        }
    }
    segments.next().is_none().then_some(labels)
}

/// Whether every flag is there: `WithTags` in any form, `Operation=Tag` with its value.
fn flags_match(flags: &str, query: &Parameters) -> bool {
    flags.split('&').filter(|flag| !flag.is_empty()).all(|flag| match flag.split_once('=') {
        Some((name, value)) => query.get(name).is_ok_and(|given| given == Some(value)),
        None => query.contains(flag),
    })
}
