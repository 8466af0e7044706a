//! The S3 surface: a table of routes, a dispatch, one file for each family of operations.

pub mod dispatch;
pub mod ops;
pub mod routes;
