//! The `mantlet` binary: parse, build, run.
#![allow(dead_code, reason = "being built")]

mod access_key;
mod authority;
mod command_line;
mod data_dir;
mod durable;
mod endpoints;
mod environment;
mod limits;
mod log;
mod running;
mod seal;
mod settings;
mod trust;
fn main() {}
