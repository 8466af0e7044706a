//! What the registry does with bytes: take them in, publish them, read them back checked, delete
//! what nothing refers to.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use crate::blob::local::LocalStore;
use crate::blob::pins::{Pin, Pins};
use crate::blob::read::{BlobReader, BlobRef, Reading};
use crate::blob::settings::{BlobSettings, INLINE_LIMIT_BYTES};
use crate::blob::store::{BlobError, BlobStore, BlobWriter, Receipt, StoredObject};
use crate::domain::digest::{ContentAddress, Digests};
use crate::domain::file::INLINE_BACKEND;
use crate::domain::hashers::{HashPlan, Hashers};

/// The backend id of the files under the data directory.
pub const LOCAL_BACKEND: &str = "local";

/// How long a write waits for the deletion of the same bytes to end: one unlink and one sync.
const DELETION_WAIT: Duration = Duration::from_secs(10);

/// The stores of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Blobs {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// The default is the first.
    stores: Vec<Arc<dyn BlobStore>>,
    inline_max_bytes: usize,
    pins: Pins,
    reading: Arc<Reading>,
}

impl Blobs {
    /// Opens the local store under the data directory alone, without a mark: for measurements and tests.
    pub async fn open(data_dir: &Path, settings: &BlobSettings) -> Result<Self, BlobError> {
        let local = LocalStore::open(LOCAL_BACKEND, data_dir).await?;
        Ok(Self::new(settings, vec![Arc::new(local)]))
    }

    /// Puts stores together; the first is the default.
    pub fn new(settings: &BlobSettings, stores: Vec<Arc<dyn BlobStore>>) -> Self {
        assert!(!stores.is_empty(), "there is a default store");
        let inline_max_bytes = settings.inline_max_bytes.min(INLINE_LIMIT_BYTES) as usize;
        Self {
            shared: Arc::new(Shared {
                stores,
                inline_max_bytes,
                pins: Pins::default(),
                reading: Arc::default(),
            }),
        }
    }

    /// Starts to take in bytes, for the default store. Content of at most `inline_max_bytes` stays
    /// in memory and becomes [`Placement::Inline`].
    pub fn begin(&self, plan: &HashPlan, size_hint: Option<u64>) -> Ingest {
        self.ingest(plan, size_hint, Some(self.shared.inline_max_bytes))
    }

    /// As [`Self::begin`], but even the smallest content goes to the store.
    pub fn begin_stored(&self, plan: &HashPlan, size_hint: Option<u64>) -> Ingest {
        self.ingest(plan, size_hint, None)
    }

    fn ingest(
        &self,
        plan: &HashPlan,
        size_hint: Option<u64>,
        inline_max_bytes: Option<usize>,
    ) -> Ingest {
        Ingest {
            store: Arc::clone(&self.shared.stores[0]),
            blobs: self.clone(),
            hashers: Hashers::new(plan),
            size_hint,
            inline_max_bytes,
            sink: Sink::Memory(Vec::new()),
        }
    }

    /// Opens a range of a blob (`0..size_bytes` for all of it) and checks it as a whole up to 1 MiB,
    /// beyond that its first chunk: damage found there is an error here, before anything is answered.
    /// Every further chunk is checked before it is given. Panics when the range does not lie in the blob.
    pub async fn read(&self, blob: &BlobRef, range: Range<u64>) -> Result<BlobReader, BlobError> {
        let store = Arc::clone(self.store(&blob.backend_id)?);
        let reading = Arc::clone(&self.shared.reading);
        BlobReader::open(store, reading, blob.clone(), range).await
    }

    /// How many bytes the store has of a blob; `None` when it has no such object. Reads none of them.
    pub async fn stored_size(&self, blob: &BlobRef) -> Result<Option<u64>, BlobError> {
        let found = self.store(&blob.backend_id)?.stat(&blob.object_key).await?;
        Ok(found.map(|object| object.size_bytes))
    }

    /// Checks content that came out of the database against its address.
    pub fn verify_inline(&self, address: ContentAddress, bytes: &[u8]) -> Result<(), BlobError> {
        let actual = ContentAddress(*blake3::hash(bytes).as_bytes());
        if actual == address {
            return Ok(());
        }
        Err(BlobError::Corrupt {
            backend_id: INLINE_BACKEND.to_owned(),
            address,
            detail: format!("they are those of {actual}"),
        })
    }

    /// Pins an address whose bytes are stored and referred to, while another row that refers to
    /// them is on its way (a copy, a completed upload). Waits, within bounds, until a deletion of it
    /// has ended; so look for the reference *after* this answers.
    pub async fn pin(&self, address: ContentAddress) -> Result<Pin, BlobError> {
        let pin = timeout(DELETION_WAIT, self.shared.pins.pin(address)).await;
        pin.map_err(|_| BlobError::Unavailable {
            backend_id: self.default_store().backend_id().to_owned(),
            cause: io::Error::new(
                io::ErrorKind::TimedOut,
                "the same bytes are just being deleted",
            ),
        })
    }

    /// Deletes a blob unless something refers to it or is about to. `is_referenced` is first polled
    /// when no new write can come to rely on the stored bytes, and its answer decides. Dropped
    /// midway, it either has not begun to delete or ends on its own.
    pub async fn delete_unreferenced<E: From<BlobError>>(
        &self,
        receipt: &Receipt,
        address: ContentAddress,
        is_referenced: impl Future<Output = Result<bool, E>>,
    ) -> Result<Deletion, E> {
        let store = Arc::clone(self.store(&receipt.backend_id)?);
        let Some(mark) = self.shared.pins.mark(address) else {
            return Ok(Deletion::Kept);
        };
        if is_referenced.await? {
            return Ok(Deletion::Kept);
        }
        let object_key = receipt.object_key.clone();
        // A task of its own keeps the mark until the store is done, even when the caller goes away:
        // else a write could publish just before a late unlink.
        let deleting = tokio::spawn(async move {
            let outcome = store.delete(&object_key).await;
            drop(mark);
            outcome
        });
        let outcome = deleting.await.unwrap_or_else(|failure| {
            Err(BlobError::Unavailable {
                backend_id: receipt.backend_id.clone(),
                cause: io::Error::other(failure),
            })
        });
        outcome?;
        Ok(Deletion::Deleted)
    }

    /// The ids of all stores, the default first.
    pub fn backend_ids(&self) -> Vec<String> {
        let stores = self.shared.stores.iter();
        stores.map(|store| store.backend_id().to_owned()).collect()
    }

    /// A page of what a store holds, in ascending order of the keys; see [`BlobStore::list`].
    pub async fn list_blobs(
        &self,
        backend_id: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<StoredObject>, BlobError> {
        self.store(backend_id)?.list(after, limit).await
    }

    /// Removes what writers that died have left in a store; see [`BlobStore::sweep_staging`].
    pub async fn sweep_staging(
        &self,
        backend_id: &str,
        age_seconds: u64,
    ) -> Result<u64, BlobError> {
        self.store(backend_id)?.sweep_staging(age_seconds).await
    }

    /// Whether a store can be written and read now.
    pub async fn probe(&self, backend_id: &str) -> Result<(), BlobError> {
        self.store(backend_id)?.probe().await
    }

    pub(super) fn store(&self, backend_id: &str) -> Result<&Arc<dyn BlobStore>, BlobError> {
        let mut stores = self.shared.stores.iter();
        let store = stores.find(|store| store.backend_id() == backend_id);
        store.ok_or_else(|| BlobError::Unavailable {
            backend_id: backend_id.to_owned(),
            cause: io::Error::new(io::ErrorKind::NotFound, "no store has this name"),
        })
    }

    fn default_store(&self) -> &dyn BlobStore {
        self.shared.stores[0].as_ref()
    }
}

/// Bytes being taken in. Dropped, it leaves nothing.
pub struct Ingest {
    blobs: Blobs,
    store: Arc<dyn BlobStore>,
    hashers: Hashers,
    size_hint: Option<u64>,
    /// `None` for content that goes to the store whatever its length.
    inline_max_bytes: Option<usize>,
    sink: Sink,
}

enum Sink {
    Memory(Vec<u8>),
    Writer(Box<dyn BlobWriter>),
}

impl Ingest {
    /// Chooses another store than the default one: small content goes there as well. Before the first
    /// byte only.
    pub fn on(mut self, backend_id: &str) -> Result<Self, BlobError> {
        if self.store.backend_id() != backend_id {
            self.store = Arc::clone(self.blobs.store(backend_id)?);
            self.inline_max_bytes = None;
        }
        Ok(self)
    }

    /// Takes the next bytes: hashes them and hands them to the store. Hashing runs on the caller's
    /// thread, about 2.5 ms for a MiB with MD5, so feed some 64 KiB at once. After an error only
    /// dropping makes sense.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.hashers.update(&bytes);
        if let Sink::Memory(held) = &mut self.sink {
            let inline_max = self.inline_max_bytes.unwrap_or(0) as u64;
            let is_small = self.size_hint.is_none_or(|hint| hint <= inline_max);
            if is_small && (held.len() + bytes.len()) as u64 <= inline_max {
                held.extend_from_slice(&bytes);
                return Ok(());
            }
            let mut writer = self.store.begin(self.size_hint).await?;
            let held = std::mem::take(held);
            if !held.is_empty() {
                writer.write(Bytes::from(held)).await?;
            }
            self.sink = Sink::Writer(writer);
        }
        match &mut self.sink {
            Sink::Memory(_) => Ok(()),
            Sink::Writer(writer) => writer.write(bytes).await,
        }
    }

    /// How many bytes came so far.
    pub fn size_bytes(&self) -> u64 {
        self.hashers.size_bytes()
    }

    /// Ends the content. Nothing is published yet: the claims are to be compared first.
    pub fn finish(self) -> Staged {
        let (digests, tree) = self.hashers.finish();
        Staged {
            digests,
            tree,
            blobs: self.blobs,
            store: self.store,
            is_inline: self.inline_max_bytes.is_some() && matches!(self.sink, Sink::Memory(_)),
            sink: self.sink,
        }
    }
}

impl std::fmt::Debug for Ingest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ingest")
            .field("size_bytes", &self.size_bytes())
            .finish_non_exhaustive()
    }
}

/// Bytes that are complete, but neither visible nor durable. Dropped, they leave nothing.
pub struct Staged {
    /// What was computed while they passed.
    pub digests: Digests,
    tree: Vec<u8>,
    blobs: Blobs,
    store: Arc<dyn BlobStore>,
    is_inline: bool,
    sink: Sink,
}

impl Staged {
    /// Makes the bytes durable under their address: when this answers, a power cut changes nothing.
    /// Content that stays in the database is only handed back: it becomes durable with its row.
    pub async fn publish(self) -> Result<Published, BlobError> {
        let address = self.digests.address;
        let (writer, pin) = match self.sink {
            Sink::Memory(bytes) if self.is_inline => {
                return Ok(Published {
                    digests: self.digests,
                    placement: Placement::Inline(Bytes::from(bytes)),
                    pin: Pin::on_nothing(),
                });
            }
            Sink::Memory(_) => {
                let pin = self.blobs.pin(address).await?;
                (self.store.begin(Some(0)).await?, pin)
            }
            Sink::Writer(writer) => (writer, self.blobs.pin(address).await?),
        };
        let receipt = writer.publish(address, self.tree).await?;
        Ok(Published {
            digests: self.digests,
            placement: Placement::Stored(receipt),
            pin,
        })
    }
}

impl std::fmt::Debug for Staged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Staged")
            .field("digests", &self.digests)
            .finish_non_exhaustive()
    }
}

/// Durable bytes that nothing refers to yet.
#[derive(Debug)]
pub struct Published {
    /// What was computed while they passed.
    pub digests: Digests,
    /// Where they are.
    pub placement: Placement,
    /// Hold this until the row that refers to the bytes is committed.
    pub pin: Pin,
}

/// Where bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// In the row that the caller is about to write.
    Inline(Bytes),
    /// In a store.
    Stored(Receipt),
}

/// What became of an attempt to delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// The blob is gone.
    Deleted,
    /// Something refers to it or is about to.
    Kept,
}
