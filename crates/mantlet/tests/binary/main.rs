//! The real binary: what it says, and how it lives and dies.

mod command_line;
mod lifecycle;
mod process;
