//! The library on a real data directory: histories, races, replay.
//!
//! Nothing here speaks HTTP; `tests/it` does.

#![expect(
    clippy::unwrap_used,
    clippy::too_many_lines,
    reason = "a test fails where it unwraps, and reads best as one story"
)]

mod archive;
mod configurations;
mod consumers;
mod history;
mod janitor;
mod life;
mod races;
mod retention;
mod schemas;
mod support;
mod versions;
