//! behavior
