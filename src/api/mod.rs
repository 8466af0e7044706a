//! The extension surface: `/_holdfast/v1/…`, one table of routes and one file for each family.

pub mod dispatch;
pub mod routes;
