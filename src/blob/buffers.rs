//! Buffers for reading that are used again and again.
//!
//! A chunk is filled on one thread and let go on another; asked each time for a fresh quarter of a
//! MiB, the allocator spends a third of the time of a read on clearing pages for it (measured with
//! mimalloc).

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// How long the buffers are that are kept.
pub const BUFFER_BYTES: usize = 256 * 1024;

/// Up to this length a buffer is allocated to measure: allocators are good at those, and a slow
/// client that reads little then holds little.
const SMALL_BYTES: usize = 64 * 1024;

/// How many idle buffers are kept: 8 MiB.
const KEPT: usize = 32;

/// Idle buffers. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Buffers {
    idle: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// A buffer on loan. Dropped, or let go by the last holder of its bytes, it can be used again.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    home: Option<Buffers>,
}

impl Buffers {
    /// A buffer of at least so many bytes, with anything in it.
    pub fn take(&self, size: usize) -> Buffer {
        if size <= SMALL_BYTES || size > BUFFER_BYTES {
            return Buffer {
                bytes: vec![0; size],
                home: None,
            };
        }
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        Buffer {
            bytes: idle.unwrap_or_else(|| vec![0; BUFFER_BYTES]),
            home: Some(self.clone()),
        }
    }
}

impl Buffer {
    /// The bytes to fill.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// The buffer as bytes that can be shared.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            let mut idle = home.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < KEPT {
                idle.push(std::mem::take(&mut self.bytes));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_buffers_come_back_and_a_bounded_number_is_kept() {
        let buffers = Buffers::default();
        let idle = || buffers.idle.lock().unwrap().len();
        let on_loan: Vec<_> = (0..KEPT + 3)
            .map(|_| buffers.take(SMALL_BYTES + 1))
            .collect();
        let slice = on_loan
            .into_iter()
            .map(|buffer| buffer.freeze().slice(1..2));
        let slices: Vec<_> = slice.collect();
        assert_eq!(idle(), 0);
        drop(slices);
        assert_eq!(idle(), KEPT);
        assert_eq!(buffers.take(BUFFER_BYTES).as_ref().len(), BUFFER_BYTES);
        drop(buffers.take(10));
        assert_eq!(idle(), KEPT);
    }
}
