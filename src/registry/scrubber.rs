//! What the checks of a process share: their pace, how many read at once, and which runs are under
//! way. Checks nothing itself.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::ids::RunId;
use crate::domain::scrub::Pace;
use crate::registry::settings::VerificationSettings;

/// The checks of this process.
pub struct Scrubber {
    /// One permit for each blob that is read at once.
    pub reads: Semaphore,
    /// Held by the check of a suspected blob: one at a time.
    pub rechecking: tokio::sync::Mutex<()>,
    /// The tasks that check.
    pub tasks: TaskTracker,
    /// Cancelled when they are to end.
    pub stopping: CancellationToken,
    pace: Mutex<Pace>,
    started: Instant,
    under_way: Mutex<HashMap<RunId, Arc<Unsaved>>>,
}

/// The bytes that a run has read since its counts were last saved.
#[derive(Default)]
pub struct Unsaved(AtomicU64);

impl Scrubber {
    /// For these settings.
    pub fn new(settings: &VerificationSettings) -> Self {
        Self {
            reads: Semaphore::new(settings.parallel_reads.max(1) as usize),
            rechecking: tokio::sync::Mutex::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            pace: Mutex::new(Pace::new(settings.bytes_per_second)),
            started: Instant::now(),
            under_way: Mutex::default(),
        }
    }

    /// Waits until so many bytes may be read.
    pub async fn keep_pace(&self, bytes: u64) {
        let micros = {
            let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
            pace.take(bytes, self.started.elapsed().as_micros() as u64)
        };
        if micros > 0 {
            tokio::time::sleep(Duration::from_micros(micros)).await;
        }
    }

    /// Notes that this process works on a run; `None` when it does already.
    pub fn begin(&self, id: RunId) -> Option<Arc<Unsaved>> {
        let mut runs = self.under_way();
        if runs.contains_key(&id) {
            return None;
        }
        let unsaved = Arc::new(Unsaved::default());
        runs.insert(id, Arc::clone(&unsaved));
        Some(unsaved)
    }

    /// This process works on a run no more.
    pub fn end(&self, id: RunId) {
        self.under_way().remove(&id);
    }

    /// The bytes that a run has read and not saved.
    pub fn unsaved_bytes(&self, id: RunId) -> u64 {
        self.under_way().get(&id).map_or(0, |unsaved| unsaved.get())
    }

    /// Ends all checks at a safe point and waits for it.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn under_way(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, Arc<Unsaved>>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unsaved {
    /// Counts bytes.
    pub fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes that are saved now. What was read twice is saved once, hence never below zero.
    pub fn saved(&self, bytes: u64) {
        let less = |unsaved: u64| Some(unsaved.saturating_sub(bytes));
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Forgets what was read: it will be read again.
    pub fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
