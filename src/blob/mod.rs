//! Content-addressed bytes: the storage contract, the local store, remote stores, and the reads
//! that check what they give.
//!
//! Knows nothing of packages, events or S3. `blobs.rs` is what the registry speaks to; `store.rs`
//! is what a new kind of storage implements, and it is finished when `conformance.rs` passes.

pub mod blobs;
pub mod buffers;
#[cfg(test)]
mod conformance;
mod disk;
#[cfg(test)]
mod faults;
pub mod local;
pub mod mark;
pub mod pins;
pub mod read;
pub mod rehash;
pub mod remote;
pub mod settings;
pub mod store;
