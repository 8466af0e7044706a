//! One finalize of a package at a time, and one archiver, within this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as SyncMutex, PoisonError, Weak};

use tokio::sync::Mutex;

use crate::domain::ids::PackageId;

/// One lock for each package that is being worked on: of many finalizes one works, and the others
/// find its outcome. Between gateways the sealing mark does the same.
#[derive(Default)]
pub struct PackageLocks {
    locks: SyncMutex<HashMap<PackageId, Weak<Mutex<()>>>>,
}

impl PackageLocks {
    /// The lock of a package, made when nobody holds one.
    pub fn of(&self, id: PackageId) -> Arc<Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_, lock| lock.strong_count() > 0);
        if let Some(lock) = locks.get(&id).and_then(Weak::upgrade) {
            return lock;
        }
        let lock = Arc::new(Mutex::new(()));
        locks.insert(id, Arc::downgrade(&lock));
        lock
    }
}
