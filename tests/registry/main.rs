//! The library on a real data directory: histories, races, replay.
//!
//! Nothing here speaks HTTP; `tests/it` does.

#![expect(clippy::unwrap_used, reason = "a test fails where it unwraps")]

mod history;
mod janitor;
mod life;
mod races;
mod support;
