//! The library: one method for each operation on packages. Knows neither HTTP nor S3.

pub mod audit;
pub mod cache;
pub mod candidates;
pub mod chaser;
pub mod consumers;
pub mod describe;
pub mod error;
pub mod event_forms;
pub mod feed;
pub mod files;
pub mod finalize;
pub mod forms;
pub mod handle;
pub mod health;
pub mod listing;
pub mod locks;
pub mod open;
pub mod packages;
pub mod range_source;
pub mod reclaim;
pub mod retention;
pub mod schema_checks;
pub mod schemas;
pub mod settings;
pub mod source;
pub mod uploads;
