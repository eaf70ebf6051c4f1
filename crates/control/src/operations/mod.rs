//! The operations: one function each, one file a family of resources.

pub(crate) mod cache_policies;
pub(crate) mod distributions;
mod family;
pub(crate) mod identity;
pub(crate) mod origin_request_policies;
pub(crate) mod response_headers_policies;
pub(crate) mod tags;

#[cfg(test)]
mod family_tests;
#[cfg(test)]
mod tests;
