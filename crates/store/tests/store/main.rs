//! The stores from outside.

mod conformance;
mod sqlite;
