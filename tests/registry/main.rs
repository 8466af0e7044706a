//! The library on a real data directory: histories, races, replay.
//!
//! Nothing here speaks HTTP; `tests/it` does.

mod history;
mod janitor;
mod life;
mod races;
mod support;
