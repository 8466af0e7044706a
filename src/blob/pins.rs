//! Which addresses must not be deleted now, and which are being deleted: the hand-shake between a
//! write that has published its bytes but not yet recorded them, and the collector of bytes that no
//! row names.
//!
//! Lives in memory: it knows the writers of this process only.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::domain::digest::ContentAddress;

/// The table of pins and marks. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Pins {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    states: Mutex<HashMap<ContentAddress, State>>,
    mark_gone: Notify,
}

#[derive(Debug)]
enum State {
    /// So many writes rely on the stored bytes.
    Pinned(usize),
    /// A collector is deleting them.
    Marked,
}

impl Shared {
    fn states(&self) -> MutexGuard<'_, HashMap<ContentAddress, State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps an address from being deleted while it lives: from before its publication until the row
/// that refers to it is committed.
#[derive(Debug)]
#[must_use = "dropped, it no longer keeps the bytes from being deleted"]
pub struct Pin {
    held: Option<(Arc<Shared>, ContentAddress)>,
}

/// Keeps an address from being pinned while it lives: its bytes are being deleted.
#[derive(Debug)]
pub struct Mark {
    shared: Arc<Shared>,
    address: ContentAddress,
}

impl Pins {
    /// Pins an address; waits while it is marked. Cancel-safe.
    pub async fn pin(&self, address: ContentAddress) -> Pin {
        loop {
            let mark_gone = self.shared.mark_gone.notified();
            if let Some(pin) = self.try_pin(address) {
                return pin;
            }
            // Registered before the look at the table, so a mark that went meanwhile is noticed.
            mark_gone.await;
        }
    }

    fn try_pin(&self, address: ContentAddress) -> Option<Pin> {
        match self
            .shared
            .states()
            .entry(address)
            .or_insert(State::Pinned(0))
        {
            State::Pinned(count) => *count += 1,
            State::Marked => return None,
        }
        Some(Pin {
            held: Some((Arc::clone(&self.shared), address)),
        })
    }

    /// Marks an address for deletion; `None` when it is pinned or marked already.
    pub fn mark(&self, address: ContentAddress) -> Option<Mark> {
        match self.shared.states().entry(address) {
            Entry::Occupied(_) => None,
            Entry::Vacant(entry) => {
                entry.insert(State::Marked);
                Some(Mark {
                    shared: Arc::clone(&self.shared),
                    address,
                })
            }
        }
    }
}

impl Pin {
    /// A pin on nothing, for bytes that are in no store.
    pub fn on_nothing() -> Self {
        Self { held: None }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let Some((shared, address)) = self.held.take() else {
            return;
        };
        let mut states = shared.states();
        if let Some(State::Pinned(count)) = states.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                states.remove(&address);
            }
        }
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.shared.states().remove(&self.address);
        self.shared.mark_gone.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: ContentAddress = ContentAddress([7; 32]);

    #[tokio::test]
    async fn what_is_pinned_is_not_marked() {
        let pins = Pins::default();
        let first = pins.pin(ADDRESS).await;
        let second = pins.pin(ADDRESS).await;
        assert!(pins.mark(ADDRESS).is_none());
        drop(first);
        assert!(pins.mark(ADDRESS).is_none());
        drop(second);
        let mark = pins.mark(ADDRESS).unwrap();
        assert!(pins.mark(ADDRESS).is_none());
        assert!(pins.mark(ContentAddress([8; 32])).is_some());
        drop(mark);
        assert!(pins.shared.states().is_empty());
    }

    #[tokio::test]
    async fn a_pin_waits_until_the_mark_is_gone() {
        let pins = Pins::default();
        let mark = pins.mark(ADDRESS).unwrap();
        let mut waiting = Box::pin(pins.pin(ADDRESS));
        let mut abandoned = Box::pin(pins.pin(ADDRESS));
        for future in [&mut waiting, &mut abandoned] {
            assert!(futures_util::poll!(future.as_mut()).is_pending());
        }
        drop(abandoned);
        drop(mark);
        let pin = waiting.await;
        assert!(pins.mark(ADDRESS).is_none());
        drop(pin);
        assert!(pins.mark(ADDRESS).is_some());
    }
}
