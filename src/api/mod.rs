//! The extension surface: `/_holdfast/v1/…`, one table of routes and one file for each family.

pub mod consumers;
pub mod dispatch;
pub mod event_batch;
pub mod events;
pub mod files;
pub mod health;
pub mod packages;
pub mod paging;
pub mod retention;
pub mod routes;
pub mod schemas;
pub mod verifications;
