//! What the tests share: a running server, calls to it, and their signatures.

pub mod bytes;
pub mod call;
pub mod connection;
pub mod database;
pub mod form;
pub mod harm;
pub mod log;
pub mod multipart;
pub mod program;
pub mod server;
pub mod sign;
