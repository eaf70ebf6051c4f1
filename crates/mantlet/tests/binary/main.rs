//! The real binary: what it says, and how it lives and dies.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod command_line;
mod lifecycle;
mod process;
