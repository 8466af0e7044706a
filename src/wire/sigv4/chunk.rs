//! The chain of chunk signatures of a streamed body.

use crate::wire::sigv4::key::SigningKey;

/// Verifies chunk after chunk, each signature covering the one before it.
#[derive(Debug, Clone)]
pub struct ChunkChain {
    key: SigningKey,
}

impl ChunkChain {
    /// The key the chain signs with.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }
}
