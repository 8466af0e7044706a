//! Holdfast: an S3 endpoint whose buckets are verifiable packages.
//!
//! The house on one page; arrows run downward only, between rooms and between files
//! (`tests/tidy.rs` holds them there):
//!
//! ```text
//!               app/             the program: command line, settings, start and stop
//!             server/            sockets, timed work, the life of a request
//!      api/            s3/       two surfaces: the extension endpoints, and S3
//!            exchange/           one request and its reply
//!            registry/           the library: every operation on packages
//!   db/          blob/     auth/ the log and its views | the bytes | who is calling
//!           domain/      wire/   the rules, without I/O | protocol syntax, without I/O
//! ```
//!
//! The promise to a client is one sentence: *the bytes are durable before the fact is recorded,
//! and the fact is recorded before the answer is sent.*

pub mod api;
pub mod app;
pub mod auth;
pub mod blob;
pub mod db;
pub mod domain;
pub mod exchange;
pub mod registry;
pub mod s3;
pub mod server;
pub mod wire;
