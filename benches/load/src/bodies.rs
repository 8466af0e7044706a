//! Bodies that all differ and cost nothing to make or to hash.
//!
//! A body is a prefix shared by all bodies of its size, then 64 bytes of its own. The SHA-256 of
//! the prefix is computed once and its state cloned, so the digest of a body costs one block.

use std::sync::Arc;

use sha2::{Digest, Sha256};

/// Bytes of a body that are its own.
const TAIL: usize = 64;

/// All bodies of one size.
#[derive(Clone)]
pub struct Bodies {
    prefix: Arc<[u8]>,
    state: Sha256,
    salt: u64,
}

/// One body: the shared prefix and its own end.
pub struct Body {
    /// The bytes shared with all bodies of this size.
    pub prefix: Arc<[u8]>,
    /// The last 64 bytes.
    pub tail: [u8; TAIL],
    /// SHA-256 of the whole as lowercase hex.
    pub sha256: String,
}

impl Bodies {
    /// Bodies of `size` bytes, at least 64; the salt sets this run apart from others.
    pub fn new(size: usize, salt: u64) -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15 ^ size as u64;
        let mut prefix = Vec::with_capacity(size);
        while prefix.len() < size - TAIL {
            prefix.extend_from_slice(&next(&mut state).to_le_bytes());
        }
        prefix.truncate(size - TAIL);
        Self {
            state: Sha256::new_with_prefix(&prefix),
            prefix: prefix.into(),
            salt,
        }
    }

    /// The body of this number; the same number gives the same bytes.
    pub fn body(&self, number: u64) -> Body {
        let mut seed = self.salt ^ number.wrapping_mul(0xd134_2543_de82_ef95) | 1;
        let mut tail = [0; TAIL];
        for word in tail.chunks_exact_mut(8) {
            word.copy_from_slice(&next(&mut seed).to_le_bytes());
        }
        tail[..8].copy_from_slice(&number.to_le_bytes());
        let sha256 = hex::encode(self.state.clone().chain_update(tail).finalize());
        Body {
            prefix: Arc::clone(&self.prefix),
            tail,
            sha256,
        }
    }
}

impl Body {
    /// Length of the body.
    pub fn len(&self) -> usize {
        self.prefix.len() + TAIL
    }

    /// Whether `piece` is what the body holds from `offset` on.
    pub fn holds(&self, offset: usize, piece: &[u8]) -> bool {
        let split = self.prefix.len().saturating_sub(offset).min(piece.len());
        let (front, back) = piece.split_at(split);
        let start = offset.max(self.prefix.len()) - self.prefix.len();
        (front.is_empty() || self.prefix.get(offset..offset + split) == Some(front))
            && self.tail.get(start..start + back.len()) == Some(back)
    }
}

/// The next number of a xorshift generator.
pub fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
