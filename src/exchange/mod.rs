//! One request and its reply: target, route matching, admission, payload, faults. Knows no single
//! operation.
//!
//! A request passes through the files in this order: `target.rs` reads what it is about,
//! `route.rs` finds its row, `admit.rs` finds out who calls and whether they may, `payload.rs`
//! wraps its body, `request.rs` is what a handler gets, `reply.rs` or `fault.rs` is what a handler
//! gives back, and `render.rs` makes of it what is sent.

pub mod admit;
pub mod context;
pub mod cors;
pub mod fault;
pub mod form;
pub mod id;
pub mod inbound;
pub mod outgoing;
pub mod payload;
pub mod render;
pub mod reply;
pub mod request;
pub mod route;
pub mod settings;
pub mod target;
pub mod version_fault;
