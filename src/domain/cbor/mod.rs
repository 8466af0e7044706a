//! Canonical CBOR: the one form in which records are hashed, stored and exchanged.
//!
//! RFC 8949 with definite lengths, shortest integers, lengths and floats, no tags, and maps with
//! text keys only, shorter keys first. For such documents the length-first order (section 4.2.3,
//! what Python's cbor2 writes with `canonical=True`) and the bytewise order (section 4.2.1) are
//! the same, so one value has one encoding, and the reader refuses every other.
//! <https://www.rfc-editor.org/rfc/rfc8949.html#section-4.2>
//!
//! Knows no record: events, manifests and metadata say what their keys are.

pub mod decode;
pub mod encode;
pub mod fields;
pub mod head;
pub mod json;
