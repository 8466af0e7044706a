//! The storage contract: what every place for blobs must promise.
//!
//! A store keeps bytes under object keys that it chooses itself. It checks no content: `read.rs`
//! does, for every store alike. `conformance.rs` holds the contract as code.

use std::fmt;
use std::io;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;

use crate::domain::digest::ContentAddress;

/// Why the bytes could not be written or given.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The store cannot be used now; trying again later may help.
    #[error("the store '{backend_id}' is unavailable: {cause}")]
    Unavailable {
        /// Which store.
        backend_id: String,
        /// What it said.
        cause: io::Error,
    },
    /// The store has no room. What was being written is gone.
    #[error("the store '{backend_id}' is full")]
    Full {
        /// Which store.
        backend_id: String,
    },
    /// The store has no such object, though something refers to it.
    #[error("the store '{backend_id}' has no object '{object_key}'")]
    Missing {
        /// Which store.
        backend_id: String,
        /// Which object.
        object_key: String,
    },
    /// The bytes are there, but they are not those of the address.
    #[error("the bytes of {address} in the store '{backend_id}' are damaged: {detail}")]
    Corrupt {
        /// Which store.
        backend_id: String,
        /// Whose bytes.
        address: ContentAddress,
        /// What was found.
        detail: String,
    },
}

impl BlobError {
    /// Whether only patience is missing: see [`Patience::AtHand`].
    pub fn is_would_wait(&self) -> bool {
        matches!(self, Self::Unavailable { cause, .. } if cause.kind() == io::ErrorKind::WouldBlock)
    }
}

/// Where a store put an object: enough to find it again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// The store.
    pub backend_id: String,
    /// The object in it.
    pub object_key: String,
}

/// What a store knows of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// Its key.
    pub object_key: String,
    /// The address in the key, if the store names objects by address.
    pub address: Option<ContentAddress>,
    /// Its length.
    pub size_bytes: u64,
    /// When it was last published, by the clock of the store.
    pub modified_at: SystemTime,
}

/// A place for blobs.
#[async_trait]
pub trait BlobStore: Send + Sync + fmt::Debug {
    /// The name by which receipts refer to this store.
    fn backend_id(&self) -> &str;

    /// Starts a new object; nothing is visible before it is published. `size_hint` is what the
    /// client announced and may be wrong.
    async fn begin(&self, size_hint: Option<u64>) -> Result<Box<dyn BlobWriter>, BlobError>;

    /// Opens an object for positioned reads, as patiently as is said.
    fn open(&self, object_key: &str, patience: Patience) -> Result<Box<dyn RawBlob>, BlobError>;

    /// Looks at an object; `None` when there is none.
    async fn stat(&self, object_key: &str) -> Result<Option<StoredObject>, BlobError>;

    /// Removes an object and its hash tree, durably. Removing what is not there is a success.
    async fn delete(&self, object_key: &str) -> Result<(), BlobError>;

    /// A page of objects in ascending order of their keys, beginning behind `after`. A page shorter
    /// than `limit` is the last.
    async fn list(&self, after: Option<&str>, limit: usize)
    -> Result<Vec<StoredObject>, BlobError>;

    /// Removes what writers that died have left and nobody has touched for `age_seconds`; says how
    /// much that was. Never touches a published object.
    async fn sweep_staging(&self, age_seconds: u64) -> Result<u64, BlobError>;

    /// Whether the store can be written and read now.
    async fn probe(&self) -> Result<(), BlobError>;
}

/// One object being written. Dropped before it is published, it leaves nothing behind.
#[async_trait]
pub trait BlobWriter: Send {
    /// Appends bytes. Buffers at most about 1 MiB. After an error only dropping makes sense.
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError>;

    /// Makes the object visible and durable: when this answers, a power cut changes nothing.
    /// Atomic: others see all of it or none. Idempotent: publishing an address again replaces the
    /// stored bytes with these fresh ones, which heals damage. `tree` is the stored form of the hash
    /// tree, empty for a single group; it is a cache, kept beside the object without promise.
    ///
    /// After an error the object may or may not be visible, which is harmless while no row refers
    /// to it.
    async fn publish(
        self: Box<Self>,
        address: ContentAddress,
        tree: Vec<u8>,
    ) -> Result<Receipt, BlobError>;
}

/// Whether opening and reading an object may wait for the medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// They may, so they **block**: on the blocking pool only. A range costs one trip to it.
    Wait,
    /// They must not: what is not at hand in memory is an error for which
    /// [`BlobError::is_would_wait`] holds. May be used on an async thread.
    AtHand,
}

/// One stored object, open for reading with a given patience. What a deleter removes meanwhile may
/// stay readable.
pub trait RawBlob: Send {
    /// The length of the object as it is stored now.
    fn size_bytes(&mut self) -> Result<u64, BlobError>;

    /// Fills `into` with the object's bytes from `start` on, and says how many there were: fewer only
    /// where the object ends early.
    fn read(&mut self, start: u64, into: &mut [u8]) -> Result<usize, BlobError>;

    /// Fills `into` with the object's hash tree from `start` on, and says how many bytes there were:
    /// fewer, or none, where the tree is short or missing.
    fn read_tree(&mut self, start: u64, into: &mut [u8]) -> Result<usize, BlobError>;

    /// Replaces the object's hash tree, waiting in any case.
    fn replace_tree(&mut self, tree: &[u8]) -> Result<(), BlobError>;
}
