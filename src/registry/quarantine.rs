//! Which blobs are known to be damaged: nothing is read from them until they are good again.
//!
//! Also keeps two checks of one blob from running at once, and tells a check that fresh bytes were
//! written while it read the old ones: its finding is then about bytes that are gone.
//!
//! Lives in memory: the database keeps what must outlive the process.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::blob::read::BlobRef;
use crate::domain::digest::ContentAddress;

/// A blob: where it is and whose bytes it should have.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobKey {
    /// The backend.
    pub backend_id: String,
    /// The content.
    pub address: ContentAddress,
}

impl BlobKey {
    /// The key of a blob.
    pub fn of(blob: &BlobRef) -> Self {
        Self {
            backend_id: blob.backend_id.clone(),
            address: blob.address,
        }
    }
}

/// The table of damaged blobs. Cheap to clone.
#[derive(Clone, Default)]
pub struct Quarantine {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// How many are blocked, so that reads of a sound house take no lock.
    blocked: AtomicUsize,
    claim_ended: Notify,
}

#[derive(Default)]
struct State {
    blocked: HashSet<BlobKey>,
    /// Blobs that the database remembers as damaged: those that are blocked, and those that were
    /// written anew and have not been checked since.
    remembered: HashSet<BlobKey>,
    /// Blobs that are being checked, and whether fresh bytes came meanwhile.
    claimed: HashMap<BlobKey, bool>,
    /// Blobs that are to be checked because of what a reader or a writer saw.
    suspected: HashSet<BlobKey>,
}

impl Quarantine {
    /// Blocks blobs, as the database remembers them.
    pub fn load(&self, keys: impl IntoIterator<Item = BlobKey>) {
        let mut state = self.shared.state();
        state.remembered.extend(keys);
        state.blocked = state.remembered.clone();
        self.shared.count(&state);
    }

    /// Whether nothing may be read from a blob.
    pub fn is_blocked(&self, blob: &BlobRef) -> bool {
        self.shared.blocked.load(Ordering::Acquire) > 0
            && self.shared.state().blocked.contains(&BlobKey::of(blob))
    }

    /// Every blocked blob.
    pub fn blocked(&self) -> Vec<BlobKey> {
        self.shared.state().blocked.iter().cloned().collect()
    }

    /// Fresh bytes of a blob are durable: it may be read again. Says whether it was blocked, so that it
    /// should be checked.
    pub fn heal(&self, key: &BlobKey) -> bool {
        let mut state = self.shared.state();
        if let Some(is_fresh) = state.claimed.get_mut(key) {
            *is_fresh = true;
        }
        let was_blocked = state.blocked.remove(key);
        self.shared.count(&state);
        was_blocked
    }

    /// Notes that a blob is to be checked; false when that is noted already.
    pub fn suspect(&self, key: &BlobKey) -> bool {
        self.shared.state().suspected.insert(key.clone())
    }

    /// The check of a suspected blob begins: what is seen from now on is worth another.
    pub fn begin_suspected(&self, key: &BlobKey) {
        self.shared.state().suspected.remove(key);
    }

    /// Claims blobs for a check; waits while one of them is being checked. Cancel-safe.
    pub async fn claim(&self, mut keys: Vec<BlobKey>) -> Claim {
        keys.sort_unstable();
        keys.dedup();
        loop {
            let claim_ended = self.shared.claim_ended.notified();
            if self.try_claim(&keys) {
                let shared = Arc::clone(&self.shared);
                return Claim { shared, keys };
            }
            // Registered before the look at the table, so an end meanwhile is noticed.
            claim_ended.await;
        }
    }

    fn try_claim(&self, keys: &[BlobKey]) -> bool {
        let mut state = self.shared.state();
        if keys.iter().any(|key| state.claimed.contains_key(key)) {
            return false;
        }
        state
            .claimed
            .extend(keys.iter().map(|key| (key.clone(), false)));
        true
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, state: &State) {
        self.blocked.store(state.blocked.len(), Ordering::Release);
    }
}

/// Blobs being checked, until it is dropped.
pub struct Claim {
    shared: Arc<Shared>,
    keys: Vec<BlobKey>,
}

impl Claim {
    /// Blocks damaged blobs of the claim; false, and none is blocked, when fresh bytes of one of them
    /// came while they were read.
    pub fn block(&self, damaged: &[BlobKey]) -> bool {
        let mut state = self.shared.state();
        let is_fresh = |key: &BlobKey| state.claimed.get(key) == Some(&true);
        if damaged.iter().any(is_fresh) {
            return false;
        }
        state.blocked.extend(damaged.iter().cloned());
        state.remembered.extend(damaged.iter().cloned());
        self.shared.count(&state);
        true
    }

    /// The blobs of the claim were read and are good: they may be read again. Gives those that the
    /// database remembers as damaged.
    pub fn release(&self) -> Vec<BlobKey> {
        let mut state = self.shared.state();
        let mut freed = Vec::new();
        for key in &self.keys {
            state.blocked.remove(key);
            freed.extend(state.remembered.take(key));
        }
        self.shared.count(&state);
        freed
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        for key in &self.keys {
            state.claimed.remove(key);
        }
        drop(state);
        self.shared.claim_ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(byte: u8) -> BlobRef {
        BlobRef {
            backend_id: "local".to_owned(),
            object_key: String::new(),
            address: ContentAddress([byte; 32]),
            size_bytes: 1,
        }
    }

    fn key(byte: u8) -> BlobKey {
        BlobKey::of(&blob(byte))
    }

    #[tokio::test]
    async fn a_blob_is_blocked_until_it_is_good_or_written_anew() {
        let quarantine = Quarantine::default();
        let claim = quarantine.claim(vec![key(1), key(2), key(1)]).await;
        assert!(claim.block(&[key(1)]));
        assert!(quarantine.is_blocked(&blob(1)) && !quarantine.is_blocked(&blob(2)));
        assert_eq!(claim.release(), [key(1)]);
        assert!(!quarantine.is_blocked(&blob(1)));
        assert!(claim.block(&[key(1)]));
        drop(claim);
        assert_eq!(quarantine.blocked(), [key(1)]);
        assert!(quarantine.heal(&key(1)) && !quarantine.heal(&key(1)));
        assert!(!quarantine.is_blocked(&blob(1)));
        // The database still remembers it, until it is found good.
        assert_eq!(quarantine.claim(vec![key(1)]).await.release(), [key(1)]);
        assert_eq!(quarantine.claim(vec![key(1)]).await.release(), []);
    }

    #[tokio::test]
    async fn a_finding_about_bytes_that_are_gone_blocks_nothing() {
        let quarantine = Quarantine::default();
        let claim = quarantine.claim(vec![key(1), key(2)]).await;
        assert!(!quarantine.heal(&key(1)));
        assert!(!claim.block(&[key(1), key(2)]));
        assert!(!quarantine.is_blocked(&blob(2)));
        assert!(claim.block(&[key(2)]));
        drop(claim);
        // The next check is about the fresh bytes.
        assert!(quarantine.claim(vec![key(1)]).await.block(&[key(1)]));
    }

    #[tokio::test]
    async fn one_check_of_a_blob_waits_for_the_other() {
        let quarantine = Quarantine::default();
        let first = quarantine.claim(vec![key(1), key(2)]).await;
        let mut second = Box::pin(quarantine.claim(vec![key(2), key(3)]));
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        drop(quarantine.claim(vec![key(3)]).await);
        drop(first);
        drop(second.await);
        assert!(quarantine.shared.state().claimed.is_empty());
    }

    #[test]
    fn a_suspicion_is_noted_once_until_its_check_begins() {
        let quarantine = Quarantine::default();
        assert!(quarantine.suspect(&key(1)) && !quarantine.suspect(&key(1)));
        quarantine.begin_suspected(&key(1));
        assert!(quarantine.suspect(&key(1)));
    }
}
