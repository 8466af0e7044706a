//! Blobs that nothing refers to, waiting for the end of their grace time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::domain::digest::ContentAddress;

/// The most blobs that wait for their grace time; those beyond wait for a later run.
const MAX_CANDIDATES: usize = 200_000;

/// Blobs seen without a reference, and when that was first.
#[derive(Default)]
pub struct Candidates {
    seen: HashMap<(String, ContentAddress), Instant>,
}

impl Candidates {
    /// Whether a blob has been without a reference for the grace time. Takes note of it otherwise.
    pub fn is_due(&mut self, backend_id: &str, address: ContentAddress, grace: Duration) -> bool {
        let place = (backend_id.to_owned(), address);
        if let Some(first) = self.seen.get(&place) {
            return first.elapsed() >= grace;
        }
        if self.seen.len() < MAX_CANDIDATES {
            self.seen.insert(place, Instant::now());
        }
        grace.is_zero()
    }

    /// A blob that is gone, or has a reference again.
    pub fn forget(&mut self, backend_id: &str, address: ContentAddress) {
        self.seen.remove(&(backend_id.to_owned(), address));
    }
}
