//! The promises to clients, tested from outside: the real binary on a free port, spoken to by raw
//! requests. Each file holds one kind of promise.

#![expect(
    clippy::unwrap_used,
    clippy::too_many_lines,
    clippy::type_complexity,
    clippy::format_push_string,
    clippy::format_collect,
    clippy::items_after_statements,
    clippy::large_stack_arrays,
    clippy::needless_for_each,
    reason = "a test fails where it unwraps, and reads best as one story"
)]

mod backends;
mod buckets;
mod conditions;
mod consumers;
mod cors;
mod crash;
mod crash_points;
mod damage;
mod disk;
mod durability;
mod events;
mod faults;
mod framing;
mod large_packages;
mod listing;
mod listing_cost;
mod memory;
mod metadata;
mod metrics;
mod multipart;
mod object_lock;
mod objects;
mod packages;
mod post_forms;
mod probes;
mod program;
mod races;
mod reserved;
mod retention;
mod signatures;
mod stopping;
#[allow(dead_code, reason = "shared by files that come one after another")]
mod support;
mod tls;
mod verification;
mod versions;
