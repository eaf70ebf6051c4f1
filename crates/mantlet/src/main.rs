//! The binary.
#![allow(dead_code, reason = "being built")]
mod access_key;
mod authority;
mod command_line;
mod data_dir;
mod durable;
mod endpoints;
mod limits;
mod seal;
mod settings;
fn main() {}
