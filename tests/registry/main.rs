//! The library on a real data directory: histories, races, replay.
//!
//! Nothing here speaks HTTP; `tests/it` does.

#![expect(
    missing_docs,
    reason = "a test crate has no reader of its documentation"
)]

mod history;
mod janitor;
mod life;
mod races;
mod support;
