//! What the tests share: a running server, calls to it, and their signatures.

pub mod call;
pub mod connection;
pub mod server;
pub mod sign;
