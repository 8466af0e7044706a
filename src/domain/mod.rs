//! The rules, without I/O: names, identifiers, digests, events, packages, manifests and their
//! canonical encodings.
//!
//! Nothing here reads a clock, makes a random identifier, or touches a file, a socket or a
//! database: times and identifiers are arguments. That is what makes replay and the model test
//! deterministic.

pub mod access;
pub mod cbor;
pub mod composite;
pub mod condition;
pub mod configuration;
pub mod configuration_payload;
pub mod consumer;
pub mod description;
pub mod digest;
pub mod event;
pub mod file;
pub mod glob;
pub mod grant;
pub mod hash_tree;
pub mod hashers;
pub mod ids;
pub mod jcs;
pub mod key_versions;
pub mod lock;
pub mod manifest;
pub mod merkle;
pub mod name;
pub mod package;
pub mod payload;
pub mod retention;
pub mod schema;
pub mod scrub;
pub mod storage_payload;
pub mod subject;
pub mod type_filter;
pub mod upload;
pub mod verb;
pub mod version;
pub mod version_event;
pub mod version_payload;
