//! The DNS as a stub resolver needs it: questions for addresses, what name servers answer, and the files
//! that say whom to ask.
//!
//! - [`Name`]: a domain name as it is on the wire;
//! - [`Question`]: what is asked; [`Question::read_reply`]: what a message says about it, from anybody;
//! - [`ResolvConf`], [`addresses_in_hosts`]: resolv.conf(5) and hosts(5).
//!
//! Nothing here trusts what it reads: names are followed backwards only, chains of aliases end, and an
//! answer counts for the question that it repeats.
//!
//! Does not know about: sockets, clocks, randomness, files, the edge.

mod hosts;
pub mod limits;
mod message;
mod name;
mod resolv_conf;

pub use hosts::addresses_in_hosts;
pub use message::{Answer, Negative, Question, RecordType, Reply, ReplyError};
pub use name::{Name, NameError};
pub use resolv_conf::{PORT, ResolvConf};
