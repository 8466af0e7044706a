//! The event log and its views: every line of SQL. Decides nothing.
//!
//! All changes pass through `commit.rs`, the one writer. `views.rs` alone writes the view tables, and
//! takes everything from the events. Working tables (uploads, sealing marks, inline bytes,
//! consumers) are written by the files of their names. Reads use the read pool and never wait for the writer.

pub mod blobs;
pub mod codec;
pub mod commit;
pub mod configurations;
pub mod consumers;
pub mod dialect;
pub mod error;
pub mod files;
pub mod locations;
pub mod log;
pub mod packages;
pub mod pieces;
pub mod pool;
pub mod replay;
pub mod retention;
pub mod rows;
pub mod schemas;
pub mod script;
pub mod scrub;
pub mod sealing;
pub mod stores;
pub mod tx;
pub mod tx_versions;
pub mod uploads;
pub mod version_views;
pub mod versions;
pub mod view_retention;
pub mod view_statements;
pub mod views;
