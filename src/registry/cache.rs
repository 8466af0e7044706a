//! What is remembered between reads: records of current files and buckets, the configurations of
//! buckets, and small content.
//!
//! A record is never older than the last acknowledged write: while a commit that changes a key is
//! under way the key is neither served from here nor put here, and a reader that began before a
//! change cannot put back what it read. Content is known by its address and cannot grow old.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use lru::LruCache;

use crate::db::commit::CommitObserver;
use crate::domain::configuration::Configurations;
use crate::domain::digest::ContentAddress;
use crate::domain::event::{Event, Recorded};
use crate::domain::file::FileRecord;
use crate::domain::ids::PackageId;
use crate::domain::key_versions::key_of;
use crate::domain::name::{ObjectKey, PackageName};
use crate::domain::package::PackageRecord;

const SHARDS: usize = 32;

/// The most bytes of small content that are remembered.
const CONTENT_BYTES: usize = 32 << 20;

/// What a record is kept under.
type FileKey = (PackageId, ObjectKey);

/// Records of current files and of buckets.
pub struct RecordCache {
    hasher: RandomState,
    files: Vec<Mutex<FileShard>>,
    buckets: Mutex<Buckets>,
}

struct FileShard {
    records: LruCache<FileKey, Arc<FileRecord>>,
    /// Rises with every change of a key of this shard.
    epoch: u64,
    /// Keys that a commit under way may change.
    in_flux: HashSet<FileKey>,
}

#[derive(Default)]
struct Buckets {
    by_name: HashMap<PackageName, Arc<PackageRecord>>,
    by_id: HashMap<PackageId, Arc<PackageRecord>>,
    configurations: HashMap<PackageId, Arc<Configurations>>,
    epoch: u64,
    is_in_flux: bool,
}

/// The most buckets that are remembered.
const MAX_BUCKETS: usize = 4096;

/// What a reader takes along to the database, and must show to put a record here.
#[derive(Debug, Clone, Copy)]
pub struct Ticket {
    epoch: u64,
}

impl RecordCache {
    /// A cache of at most about `entries` file records.
    pub fn new(entries: usize) -> Self {
        let per_shard = NonZeroUsize::new(entries / SHARDS).unwrap_or(NonZeroUsize::MIN);
        let shard = || {
            Mutex::new(FileShard {
                records: LruCache::new(per_shard),
                epoch: 0,
                in_flux: HashSet::new(),
            })
        };
        Self {
            hasher: RandomState::new(),
            files: (0..SHARDS).map(|_| shard()).collect(),
            buckets: Mutex::default(),
        }
    }

    /// The record of a current file, or the ticket for putting it here.
    pub fn find_file(
        &self,
        package: PackageId,
        key: &ObjectKey,
    ) -> Result<Arc<FileRecord>, Ticket> {
        let place = (package, key.clone());
        let mut shard = self.shard(&place);
        let epoch = shard.epoch;
        shard.records.get(&place).cloned().ok_or(Ticket { epoch })
    }

    /// Remembers a record, unless something changed since the ticket was given.
    pub fn put_file(&self, ticket: Ticket, record: &Arc<FileRecord>) {
        let place = (record.package_id, record.key.clone());
        let mut shard = self.shard(&place);
        if shard.epoch == ticket.epoch && !shard.in_flux.contains(&place) {
            shard.records.put(place, record.clone());
        }
    }

    /// The record of a bucket, or the ticket for putting it here.
    pub fn find_bucket(&self, name: &PackageName) -> Result<Arc<PackageRecord>, Ticket> {
        let buckets = lock(&self.buckets);
        buckets.by_name.get(name).cloned().ok_or(Ticket {
            epoch: buckets.epoch,
        })
    }

    /// The record of a package, or the ticket for putting it here.
    pub fn find_package(&self, id: PackageId) -> Result<Arc<PackageRecord>, Ticket> {
        let buckets = lock(&self.buckets);
        buckets.by_id.get(&id).cloned().ok_or(Ticket {
            epoch: buckets.epoch,
        })
    }

    /// Remembers a bucket's record, unless something changed since the ticket was given.
    pub fn put_bucket(&self, ticket: Ticket, record: &Arc<PackageRecord>) {
        let mut buckets = lock(&self.buckets);
        if buckets.epoch != ticket.epoch || buckets.is_in_flux {
            return;
        }
        if buckets.by_name.len() >= MAX_BUCKETS {
            buckets.by_name.clear();
            buckets.by_id.clear();
        }
        buckets
            .by_name
            .insert(record.bucket.clone(), record.clone());
        buckets.by_id.insert(record.id, record.clone());
    }

    /// The documents of a package's bucket, or the ticket for putting them here.
    pub fn find_configurations(&self, id: PackageId) -> Result<Arc<Configurations>, Ticket> {
        let buckets = lock(&self.buckets);
        buckets.configurations.get(&id).cloned().ok_or(Ticket {
            epoch: buckets.epoch,
        })
    }

    /// Remembers the documents of a package's bucket, unless something changed since the ticket
    /// was given.
    pub fn put_configurations(&self, ticket: Ticket, id: PackageId, found: &Arc<Configurations>) {
        let mut buckets = lock(&self.buckets);
        if buckets.epoch != ticket.epoch || buckets.is_in_flux {
            return;
        }
        if buckets.configurations.len() >= MAX_BUCKETS {
            buckets.configurations.clear();
        }
        buckets.configurations.insert(id, found.clone());
    }

    fn shard(&self, place: &FileKey) -> MutexGuard<'_, FileShard> {
        lock(&self.files[self.hasher.hash_one(place) as usize % SHARDS])
    }
}

/// The key that an event of a file changes.
fn changed_key(event: &Event) -> Option<FileKey> {
    let (package, key) = key_of(event)?;
    Some((package, key.clone()))
}

impl CommitObserver for RecordCache {
    fn changing(&self, events: &[Recorded]) {
        for recorded in events {
            match changed_key(&recorded.event) {
                Some(place) => {
                    let mut shard = self.shard(&place);
                    shard.epoch += 1;
                    shard.records.pop(&place);
                    shard.in_flux.insert(place);
                }
                None => {
                    let mut buckets = lock(&self.buckets);
                    buckets.epoch += 1;
                    buckets.is_in_flux = true;
                    buckets.by_name.clear();
                    buckets.by_id.clear();
                    buckets.configurations.clear();
                }
            }
        }
    }

    fn changed(&self, events: &[Recorded], is_committed: bool) {
        for recorded in events {
            let Some(place) = changed_key(&recorded.event) else {
                lock(&self.buckets).is_in_flux = false;
                continue;
            };
            let mut shard = self.shard(&place);
            shard.epoch += 1;
            shard.in_flux.remove(&place);
            match &recorded.event {
                // What was just written is what is read next: clients look at what they put.
                Event::FileIngested(file) if is_committed => {
                    shard.records.put(place, Arc::new(file.to_record(recorded)));
                }
                _ => {
                    shard.records.pop(&place);
                }
            }
        }
    }
}

/// Small content by its address, checked when it was put here.
pub struct ContentCache {
    content: Mutex<Weighed>,
}

struct Weighed {
    entries: LruCache<ContentAddress, Bytes>,
    bytes: usize,
}

impl Default for ContentCache {
    fn default() -> Self {
        let content = Weighed {
            entries: LruCache::unbounded(),
            bytes: 0,
        };
        Self {
            content: Mutex::new(content),
        }
    }
}

impl ContentCache {
    /// The content of an address.
    pub fn find(&self, address: ContentAddress) -> Option<Bytes> {
        lock(&self.content).entries.get(&address).cloned()
    }

    /// Remembers content whose address has been checked, and forgets what was least used.
    pub fn put(&self, address: ContentAddress, bytes: Bytes) {
        let mut content = lock(&self.content);
        content.bytes += bytes.len();
        if let Some(old) = content.entries.put(address, bytes) {
            content.bytes -= old.len();
        }
        while content.bytes > CONTENT_BYTES {
            let Some((_, old)) = content.entries.pop_lru() else {
                break;
            };
            content.bytes -= old.len();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
