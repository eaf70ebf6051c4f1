//! Errors in the envelope of each protocol.
