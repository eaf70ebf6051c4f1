//! What each rule says and when it is silent, and what all patches promise.

mod fixtures;
mod properties;
#[path = "../../../aws-api/src/tests/random.rs"]
mod random;
mod rules;
mod table;
