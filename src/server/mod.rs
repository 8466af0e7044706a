//! Sockets, timed work, the life of a request. Knows no operation and no bucket.

pub mod access_log;
pub mod admission;
pub mod connection;
pub mod gateway;
pub mod jobs;
pub mod lifecycle;
pub mod listen;
pub mod metrics;
pub mod operator;
pub mod settings;
pub mod tls;
