//! edge-config
