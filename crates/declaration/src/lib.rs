//! Configuration in files: what people have, what they declare, and what is there.
//!
//! [`read_foreign`] reads output of aws-cli, templates of CloudFormation and our own files, [`read_declared`] the last
//! alone; both give [`Resource`]s whose configurations are in the model's JSON. [`plan`] says what has to be done so
//! that what is there becomes what is declared, in which order, and what is wanting. [`settings()`] says what becomes of
//! each setting. [`export`] and [`terraform`] write what is there as files.
//!
//! It does not know about files, terminals, the network, or which settings an edge enforces: bytes and facts are
//! handed in.

mod aws_cli;
mod cloudformation;
pub mod conform;
mod declared;
pub mod difference;
pub mod document;
pub mod export;
mod kind;
mod leave_out;
pub mod limits;
pub mod plan;
pub mod reference;
mod resource;
mod settings;
pub mod terraform;
#[cfg(test)]
mod tests;
mod yaml_writer;

pub use kind::{Kind, KindOperations};
pub use leave_out::leave_out;
pub use resource::{
    File, ReadError, Reading, Resource, Skipped, Source, UnmetSetting, external_names, read_declared,
    read_foreign,
};
pub use settings::{Settings, probe, settings};
