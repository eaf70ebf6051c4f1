//! The HTTP/1.1 wire from outside.

mod allocation;
mod bodies;
mod properties;
mod requests;
mod responses;
