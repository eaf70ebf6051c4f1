//! The edge at its sockets: one binary, since each one more would link the whole edge again. Only what measures
//! the process it runs in stands beside it (`streaming.rs`).

mod explain;
mod hostile_origin;
mod isolation;
mod lifecycle;
mod origin;
mod viewer_http1;
mod viewer_http2;
