//! Which addresses must not be deleted now, and which are being deleted: the hand-shake between a
//! write that has published its bytes but not yet recorded them, and the collector of bytes that no
//! row names.
//!
//! Lives in memory: it knows the writers of this process only.

/// Keeps an address from being deleted while it lives: from before its publication until the row
/// that refers to it is committed.
#[derive(Debug)]
pub struct Pin {}
