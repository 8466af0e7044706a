//! The promises to clients, tested from outside: the real binary on a free port, spoken to by raw
//! requests. Each file holds one kind of promise.

mod events;
mod faults;
mod framing;
mod packages;
mod program;
mod signatures;
mod stopping;
#[allow(dead_code, reason = "shared by files that come one after another")]
mod support;
mod tls;
