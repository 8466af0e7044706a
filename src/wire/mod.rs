//! Protocol syntax, without I/O.

pub mod sigv4;
