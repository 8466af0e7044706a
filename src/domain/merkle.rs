//! The log's tree: leaves, frontier and root, as RFC 6962 hashes them (SHA-256).
//!
//! A leaf is the hash of an event's envelope, never of its payload, so that a payload can be
//! redacted lawfully while the log still verifies.

use crate::domain::event::Recorded;

/// A hash of the tree.
pub type TreeHash = [u8; 32];

/// The right edge of the tree: enough to append and to know the root. At most 64 hashes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// The roots of the perfect subtrees of the binary form of `size`, largest first.
    subtrees: Vec<TreeHash>,
}

impl Frontier {
    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf hash.
    pub fn push(&mut self, leaf: TreeHash) {
        let _ = leaf;
        todo!()
    }

    /// The root; of the empty tree, the hash of nothing.
    pub fn root(&self) -> TreeHash {
        todo!()
    }

    /// The bytes that the log's head keeps: size and hashes.
    pub fn to_bytes(&self) -> Vec<u8> {
        todo!()
    }

    /// The frontier of bytes; `None` if they are not one.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let _ = bytes;
        todo!()
    }
}

/// The hash of an event's leaf: of the canonical CBOR envelope `{sequence, event_type,
/// subject_kind, subject_id, actor, created_at, payload_digest, epoch}`.
pub fn leaf_hash(event: &Recorded, epoch: u64) -> TreeHash {
    let _ = (event, epoch);
    todo!()
}
